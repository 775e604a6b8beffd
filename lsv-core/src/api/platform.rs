//! What belongs to no channel: domain names, events, health, metrics, description.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as JsonAnswer};
use futures::Stream;
use lsv_auth::session::Session;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

use super::body::{Json, Parameters};
use super::problem::{Answer, ProblemDocument};
use super::{Api, Kind, Problem};
use crate::channel::{Authority, Fields};
use crate::events::{Event, EventId, Events, Since};
use crate::ports::StreamDns;

/// Reads the domain names that addresses are made with.
#[utoipa::path(
    get, path = "/streamdns", tag = "platform",
    responses((status = 200, description = "Domain names", body = DomainNames)),
)]
pub(super) async fn stream_dns(State(api): State<Arc<Api>>) -> Answer<JsonAnswer<DomainNames>> {
    Ok(JsonAnswer(api.channels.stream_dns().await?.into()))
}

/// Sets the domain names that addresses are made with. What is left out stays; an empty text takes a name away.
#[utoipa::path(
    put, path = "/streamdns", tag = "platform", request_body = DomainNames,
    responses(
        (status = 200, description = "Domain names", body = DomainNames),
        (status = 422, description = "A field is unknown or is no host", body = ProblemDocument),
    ),
)]
pub(super) async fn put_stream_dns(
    State(api): State<Arc<Api>>,
    Json(fields): Json<Fields>,
) -> Answer<JsonAnswer<DomainNames>> {
    let mut dns = api.channels.stream_dns().await?;
    for (name, value) in fields.iter() {
        let target = match name {
            "push" => &mut dns.push,
            "pull" => &mut dns.pull,
            _ => {
                let detail = "the domain names are `push` and `pull`";
                return Err(Problem::new(Kind::UnknownField, detail));
            }
        };
        *target = match value.as_str() {
            Some("") => None,
            text => Some(
                text.and_then(Authority::parse)
                    .ok_or_else(|| no_host(name))?,
            ),
        };
    }
    api.channels.put_stream_dns(&dns).await?;
    Ok(JsonAnswer(dns.into()))
}

/// Tells what happens, as it happens (server-sent events), and before it what is wanted of the newest 256. A client that
/// is too slow, or comes again too late, is told how much it lost. To a browser it tells nothing more once its session is over.
#[utoipa::path(
    get, path = "/events", tag = "platform",
    params(
        Past,
        ("Last-Event-ID" = Option<String>, Header, description = "Goes on behind this event, whatever `recent` says; with all that is \
            remembered where it is of another process"),
    ),
    responses((
        status = 200, content_type = "text/event-stream", body = String,
        description = "`event:` published, unpublished, rejected, recording-written, recording-gap, task-started, task-stopped, \
            task-failed, motion, channel-created, channel-changed, channel-deleted or lost; `data:` JSON, or of lost the \
            number of events; `id:` names the event, for `Last-Event-ID`",
    )),
)]
pub(super) async fn events(
    State(api): State<Arc<Api>>,
    session: Option<Extension<Session>>,
    Parameters(past): Parameters<Past>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<SseEvent, Infallible>>> {
    let following = api.events.follow(past.since(&headers));
    let listener = Listener {
        forgotten: following.forgotten,
        past: following.past.into(),
        future: following.future,
        ready: api.ready.clone(),
        session: session.map(|Extension(session)| session),
        api,
    };
    let stream = futures::stream::unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// Tells whether the process is alive.
#[utoipa::path(
    get, path = "/healthz", tag = "platform", security(()),
    responses((status = 200, description = "It is alive", body = Health)),
)]
pub(super) async fn healthz() -> JsonAnswer<Health> {
    JsonAnswer(Health { status: "ok" })
}

/// Tells whether the process takes new work.
#[utoipa::path(
    get, path = "/readyz", tag = "platform", security(()),
    responses(
        (status = 200, description = "It does", body = Health),
        (status = 503, description = "It shuts down, or its store is out of reach", body = ProblemDocument),
    ),
)]
pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Answer<JsonAnswer<Health>> {
    if !*api.ready.borrow() {
        let detail = "the process does not take new work";
        return Err(Problem::new(Kind::Unavailable, detail));
    }
    api.channels.stream_dns().await?;
    Ok(JsonAnswer(Health { status: "ready" }))
}

/// Shows the metrics.
#[utoipa::path(
    get, path = "/metrics", tag = "platform", security(()),
    responses((status = 200, description = "Prometheus text", content_type = "text/plain", body = String)),
)]
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], (api.metrics)()).into_response()
}

/// Describes the API.
pub(super) async fn openapi() -> Response {
    JsonAnswer(super::openapi::description()).into_response()
}

/// The domain names that addresses are made with.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DomainNames {
    /// Host, with a port if it is not the platform's own, where encoders push to; empty for the API's own host.
    push: String,
    /// Host, with a port if it is not the platform's own, where viewers play from; empty for the API's own host.
    pull: String,
}

impl From<StreamDns> for DomainNames {
    fn from(dns: StreamDns) -> Self {
        let text = |name: Option<Authority>| name.map(String::from).unwrap_or_default();
        Self {
            push: text(dns.push),
            pull: text(dns.pull),
        }
    }
}

/// How the process is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// One word.
    status: &'static str,
}

/// What is wanted of what happened before.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Past {
    /// How many of the newest events are told first; at most 256 are remembered. None by default.
    recent: Option<usize>,
}

impl Past {
    /// Where a listener begins. A browser that lost its connection asks again as it did before, and names what it heard
    /// last; what is no id of an event is passed over, as it would give up at a refusal.
    fn since(&self, headers: &HeaderMap) -> Since {
        let last = headers.get("last-event-id");
        let last = last.and_then(|id| EventId::parse(id.to_str().ok()?));
        let newest = self.recent.unwrap_or_default();
        last.map_or(Since::Newest(newest), Since::Event)
    }
}

struct Listener {
    forgotten: u64,
    past: VecDeque<Arc<Event>>,
    future: broadcast::Receiver<Arc<Event>>,
    ready: watch::Receiver<bool>,
    /// What lets it listen, where it is a browser.
    session: Option<Session>,
    api: Arc<Api>,
}

impl Listener {
    /// The next event; none when the process shuts down or the session is over. That is looked at just before each event,
    /// and now and then where nothing happens.
    async fn next(&mut self) -> Option<SseEvent> {
        loop {
            let heard = tokio::time::timeout(LOOK_AGAIN, self.hear()).await;
            if !self.is_let_in() {
                return None;
            }
            if let Ok(event) = heard {
                return event;
            }
        }
    }

    /// Loses nothing where it is dropped while it waits.
    async fn hear(&mut self) -> Option<SseEvent> {
        if self.forgotten > 0 {
            return Some(lost(mem::take(&mut self.forgotten)));
        }
        if let Some(event) = self.past.pop_front() {
            return told(&self.api.events, &event);
        }
        tokio::select! {
            biased;
            event = self.future.recv() => match event {
                Ok(event) => told(&self.api.events, &event),
                Err(RecvError::Lagged(count)) => Some(lost(count)),
                Err(RecvError::Closed) => None,
            },
            _ = self.ready.wait_for(|ready| !ready) => None,
        }
    }

    fn is_let_in(&self) -> bool {
        let (sign_in, now) = (&self.api.sign_in, self.api.now());
        let session = self.session.as_ref();
        session.is_none_or(|session| sign_in.is_good(session, now))
    }
}

fn told(events: &Events, event: &Event) -> Option<SseEvent> {
    SseEvent::default()
        .id(events.id(event).to_string())
        .event(event.happened.name())
        .json_data(event)
        .ok()
}

/// Has no id: who comes again with that of the event before gets what is still remembered.
fn lost(count: u64) -> SseEvent {
    SseEvent::default().event("lost").data(count.to_string())
}

fn no_host(field: &str) -> Problem {
    let detail = format!(
        "`{field}` accepts a host name or address, with or without a port, or an empty text"
    );
    Problem::new(Kind::InvalidValue, detail).of_field(field)
}

/// How long a stream stays open at most whose session is over.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
