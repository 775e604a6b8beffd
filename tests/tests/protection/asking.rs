//! Asking for a way out as somebody, and what comes.

use lsv_auth::node;
use lsv_tests::{Client, Server, eventually};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, redirect};

use crate::kinds::{Case, playback_secret, soon};
use crate::ways::{Form, Way};

/// What somebody shows.
#[derive(Clone, Default)]
pub(crate) struct Told {
    pub(crate) query: String,
    pub(crate) cookies: String,
    pub(crate) referer: Option<&'static str>,
    /// Where the proxy says that it is.
    pub(crate) forwarded_for: &'static str,
    /// The host that it says to ask.
    pub(crate) host: &'static str,
    /// The name of its program.
    pub(crate) agent: &'static str,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    content_type: String,
    text: String,
}

/// What is under way as long as it is held.
pub(crate) enum Watching {
    Http(reqwest::Response),
    Rtmp { _client: Box<Client> },
    Refused { code: String, description: String },
}

impl Watching {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Http(answer) => answer.status().as_u16(),
            Self::Rtmp { .. } => 200,
            Self::Refused { .. } => 403,
        }
    }

    async fn answer(self) -> Answer {
        let status = self.status();
        match self {
            Self::Http(answer) => {
                let content_type = answer.headers().get("content-type");
                let content_type = content_type
                    .map_or("", |value| value.to_str().expect("a text"))
                    .to_owned();
                // What is let in may have no end.
                let text = match status {
                    403 => answer.text().await.expect("an answer with an end"),
                    _ => String::new(),
                };
                Answer {
                    status,
                    content_type,
                    text,
                }
            }
            Self::Rtmp { .. } => Answer {
                status,
                content_type: String::new(),
                text: String::new(),
            },
            Self::Refused { code, description } => Answer {
                status,
                content_type: "application/problem+json".to_owned(),
                text: format!("{code} {description}"),
            },
        }
    }
}

pub(crate) struct Asker {
    client: reqwest::Client,
    base: String,
    rtmp: String,
}

impl Asker {
    pub(crate) fn new(server: &Server) -> Self {
        let client = reqwest::Client::builder().redirect(redirect::Policy::none());
        Self {
            client: client.build().expect("a client"),
            base: server.base().to_owned(),
            rtmp: server.rtmp_address().to_owned(),
        }
    }

    /// What a node is answered.
    pub(crate) async fn text(&self, path: &str) -> Option<String> {
        let url = format!(
            "{}{path}?{}",
            self.base,
            node::mint(&playback_secret(), "/cam", soon())
        );
        let answer = self.client.get(url).send().await.ok()?;
        let is_there = answer.status().is_success();
        answer.text().await.ok().filter(|_| is_there)
    }

    /// The last address in a playlist that begins with or behind `mark`.
    pub(crate) async fn inside(&self, playlist: &str, mark: &str) -> String {
        let (folder, _) = playlist.rsplit_once('/').expect("a path");
        eventually(&format!("{mark} in {playlist}"), async || {
            let text = self.text(playlist).await?;
            let line = text
                .lines()
                .rfind(|line| line.contains(mark) && !line.contains("PRELOAD"))?;
            let name = match line.split_once("URI=\"") {
                Some((_, rest)) => rest.split('"').next()?,
                None => line,
            };
            Some(format!("{folder}/{name}"))
        })
        .await
    }

    /// The newest segment of a media playlist.
    pub(crate) async fn newest(&self, playlist: &str) -> String {
        let (folder, _) = playlist.rsplit_once('/').expect("a path");
        eventually(&format!("a segment in {playlist}"), async || {
            let text = self.text(playlist).await?;
            let name = text
                .lines()
                .rfind(|line| !line.starts_with('#') && !line.is_empty())?;
            Some(format!("{folder}/{name}"))
        })
        .await
    }

    /// Waits until a change of the settings is in force for `case`.
    pub(crate) async fn in_force(&self, case: &Case) {
        let probe = |label, address: &str, form| Way {
            label,
            address: address.to_owned(),
            allowed: 200,
            form,
        };
        let probe = probe("probe", "/cam/time", Form::Get);
        let expected = if case.is_let_in(&probe) { 200 } else { 403 };
        eventually("the protection in force", async || {
            (self.ask(&probe, case).await.status == expected).then_some(())
        })
        .await;
    }

    pub(crate) async fn ask(&self, way: &Way, case: &Case) -> Answer {
        self.watch(way, &case.told()).await.answer().await
    }

    /// Begins to watch, which lasts as long as what comes is held.
    pub(crate) async fn watch(&self, way: &Way, told: &Told) -> Watching {
        if way.is_rtmp() {
            return self.play(way, told).await;
        }
        let method = match way.form {
            Form::Head => Method::HEAD,
            _ => Method::GET,
        };
        let separator = if told.query.is_empty() { "" } else { "?" };
        let url = format!("{}{}{separator}{}", self.base, way.address, told.query);
        let mut headers = HeaderMap::new();
        let mut field = |name: &'static str, value: &str| {
            if !value.is_empty() {
                let name = HeaderName::from_static(name);
                headers.insert(name, HeaderValue::from_str(value).expect("a value"));
            }
        };
        field("cookie", &told.cookies);
        field("referer", told.referer.unwrap_or_default());
        field("x-forwarded-for", told.forwarded_for);
        field("host", told.host);
        field("user-agent", told.agent);
        if way.form == Form::WebSocket {
            field("connection", "Upgrade");
            field("upgrade", "websocket");
            field("sec-websocket-version", "13");
            field("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        }
        let asked = self.client.request(method, url).headers(headers);
        Watching::Http(asked.send().await.expect("an answer"))
    }

    async fn play(&self, way: &Way, told: &Told) -> Watching {
        let separator = if told.query.is_empty() { "" } else { "?" };
        let name = format!("{}{separator}{}", &way.address[1..], told.query);
        let mut client = Client::connect(&self.rtmp).await;
        if let Some(page) = told.referer {
            client.comes_from(page);
        }
        match client.play(&name).await {
            Ok(_) => Watching::Rtmp {
                _client: Box::new(client),
            },
            Err(refusal) => Watching::Refused {
                code: refusal.code,
                description: refusal.description,
            },
        }
    }
}

impl Answer {
    /// What is wrong with a refusal.
    pub(crate) fn leaks(&self, way: &Way, case: &Case) -> Vec<String> {
        let mut wrong = Vec::new();
        let told = case.told();
        let mut secrets = vec!["cam", "record", "H.264", "#EXT", "<MPD"];
        secrets.extend(told.query.split(['&', '=']).filter(|part| part.len() > 16));
        for secret in secrets {
            if self.text.contains(secret) {
                wrong.push(format!(
                    "{} / {}: {secret} in {}",
                    case.who, way.label, self.text
                ));
            }
        }
        let is_document = self.content_type == "application/problem+json";
        if !is_document || (way.form != Form::Head && self.text.is_empty()) {
            wrong.push(format!("{} / {}: no problem document", case.who, way.label));
        }
        wrong
    }
}
