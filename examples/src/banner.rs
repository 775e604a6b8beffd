//! What a node prints when it is up: where it listens, and what to type next.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use lsv_auth::{Secret, playback};
use lsv_core::access::{Protection, Token};
use lsv_core::api::Listeners;
use lsv_core::channel::{Channel, Moment, Signer};
use lsv_core::path::APP;

pub(crate) struct Banner<'a> {
    pub(crate) listeners: Listeners,
    /// The API's token, on the start that made it.
    pub(crate) token: Option<&'a Secret>,
    /// A channel to push to.
    pub(crate) channel: &'a Channel,
    pub(crate) signer: &'a Signer,
    pub(crate) demo: Option<&'a Channel>,
    /// What is asked of viewers.
    pub(crate) protection: &'a Protection,
    pub(crate) now: Moment,
}

impl Banner<'_> {
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for (label, value) in self.lines() {
            writeln!(out, "  {label:<15}{value}")?;
        }
        out.flush()
    }

    /// Says that all that was printed works now.
    pub(crate) fn ready() -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "  Ready")?;
        out.flush()
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let http = format!("http://{}", reachable(self.listeners.http));
        let rtmp = format!("rtmp://{}/{APP}", reachable(self.listeners.rtmp));
        let id = &self.channel.id;
        let key = format!(
            "{id}?sign={}",
            self.signer.sign(id, self.channel.key.expiry())
        );
        let mut lines = vec![("HTTP", http.clone())];
        if let Some(https) = self.listeners.https {
            lines.push(("HTTPS", format!("https://{}", reachable(https))));
        }
        lines.push(("RTMP", rtmp.clone()));
        if let Some(rtmps) = self.listeners.rtmps {
            lines.push(("RTMPS", format!("rtmps://{}/{APP}", reachable(rtmps))));
        }
        lines.push(("API", format!("{http}/videostream")));
        lines.push(("Console", console(self.listeners, self.token)));
        if let Some(token) = self.token {
            lines.push((
                "API token",
                String::from_utf8_lossy(token.expose()).into_owned(),
            ));
        }
        if let Some(demo) = self.demo {
            lines.extend(self.watch("Demo", demo));
        }
        lines.push(("OBS server", rtmp.clone()));
        lines.push(("OBS stream key", key.clone()));
        lines.push((
            "ffmpeg",
            format!("ffmpeg -re -i VIDEO -c:v libx264 -g 60 -c:a aac -f flv '{rtmp}/{key}'"),
        ));
        lines.extend(self.watch("Watch", self.channel));
        lines
    }

    /// The page of `channel`, with what a browser on this machine needs to be let in, and how others are.
    fn watch(&self, label: &'static str, channel: &Channel) -> Vec<(&'static str, String)> {
        let http = reachable(self.listeners.http);
        let id = &channel.id;
        let page = format!("http://{http}/{id}/");
        let others = format!("GET http://{http}/videostream/{id}/urls");
        let settings = Some(&channel.settings);
        let ip = match self.protection.token_of(settings) {
            Token::Off if self.protection.takes_cloud_front(settings) => {
                let needs =
                    format!("needs what CloudFront signs; with cloudfront-sign, {others} has it");
                return vec![(label, page), ("", needs)];
            }
            Token::Off => return vec![(label, page)],
            Token::On => None,
            Token::Ip => Some(http.ip()),
        };
        let Some(secret) = &self.protection.secret else {
            return vec![(label, page)];
        };
        let expires = self.now.plus(TOKEN_TIME).unix();
        let token = playback::mint(secret, &format!("/{id}"), expires, ip);
        let whose = if ip.is_some() {
            ", on this machine"
        } else {
            ""
        };
        vec![
            (label, format!("{page}?{token}")),
            ("", format!("good for a day{whose}; for others: {others}")),
        ]
    }
}

/// The console, and on the start that made the token what signs in there: what stands behind `#` never leaves the browser.
fn console(listeners: Listeners, token: Option<&Secret>) -> String {
    let page = format!("http://{}/console/", reachable(listeners.http));
    match token {
        Some(token) => format!("{page}#token={}", String::from_utf8_lossy(token.expose())),
        None => page,
    }
}

/// An address that a program on this machine can connect to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// How long the token is good that is printed.
const TOKEN_TIME: Duration = Duration::from_secs(86_400);

/// Says where a node listens that needs no more words, and that it does.
pub(crate) fn listeners(listeners: Listeners) -> io::Result<()> {
    let rtmp = |scheme: &str, address| format!("{scheme}://{address}/{APP}");
    let plain = ("RTMP", Some(rtmp("rtmp", listeners.rtmp)));
    let secured = listeners.rtmps.map(|address| rtmp("rtmps", address));
    print(
        http(listeners)
            .into_iter()
            .chain([plain, ("RTMPS", secured)]),
    )
}

/// The same of one that serves the API alone, with its token on the start that made it.
pub(crate) fn api_listeners(listeners: Listeners, token: Option<&Secret>) -> io::Result<()> {
    let console = ("Console", Some(console(listeners, token)));
    print(http(listeners).into_iter().chain([console]))
}

type Line = (&'static str, Option<String>);

fn http(listeners: Listeners) -> [Line; 2] {
    let secured = listeners.https.map(|address| format!("https://{address}"));
    let plain = format!("http://{}", listeners.http);
    [("HTTP", Some(plain)), ("HTTPS", secured)]
}

fn print(lines: impl IntoIterator<Item = Line>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (label, address) in lines {
        if let Some(address) = address {
            writeln!(out, "  {label:<15}{address}")?;
        }
    }
    writeln!(out, "  Ready")?;
    out.flush()
}
