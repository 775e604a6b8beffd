//! The platform's REST API as an axum router: channels, addresses, live sessions, recordings, events.
//!
//! ```text
//! request ─> [bearer token | session] ─> handler ─> ChannelStore | ObjectStore | LiveSessions | Events
//!                       └─ refused ────────┴─────> application/problem+json
//! ```
//!
//! Health, metrics, the API's description and signing in are open; everything else wants the token, or a browser's session. Every refusal is a
//! [`Problem`] document with a stable `type`.

#![allow(
    unused_qualifications,
    reason = "the code that `utoipa::path` makes qualifies the types of parameters"
)]

mod body;
mod channels;
mod live;
mod matching;
pub mod nodes;
mod openapi;
mod platform;
mod problem;
mod reached;
mod recordings;
mod session;
mod sign_in;
mod signed;
pub mod store;
mod token;
mod urls;
mod usage;
mod watermark;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{delete, get, post};
use lsv_auth::Secret;
use lsv_auth::cidr::Networks;
use tokio::sync::watch;

use crate::access::ChannelAuthorizer;
use crate::channel::{Invalid, Moment, Settings, Signer};
use crate::events::{Events, Happening};
use crate::ports::{ChannelStore, LiveSessions, ObjectStore, Watermarks};

use self::problem::Answer;

pub use crate::access::Secured;
pub use openapi::description;
pub use problem::{Kind, Problem};
pub use reached::{Elsewhere, Origin};
pub use sign_in::{InvalidPassword, Password, SignIn, hash_password};

/// What the API works on.
pub struct Api {
    /// Where the channel records are.
    pub channels: Arc<dyn ChannelStore>,
    /// Where the recordings are.
    pub objects: Arc<dyn ObjectStore>,
    /// What is live.
    pub live: Arc<dyn LiveSessions>,
    /// Where it is told, and heard, what happens.
    pub events: Events,
    /// What push keys are signed with.
    pub signer: Signer,
    /// Who may watch, so that play addresses hold what lets viewers in.
    pub viewers: ChannelAuthorizer,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Networks,
    /// What a client must show. There is no API without one.
    pub token: Secret,
    /// Who may sign in with a browser instead.
    pub sign_in: SignIn,
    /// Whether channels may fetch from and push to loopback, private and link-local addresses.
    pub allow_private_targets: bool,
    /// Who looks at the picture of a watermark before it is stored, and shows how one will look; without it, nobody does.
    pub watermarks: Option<Arc<dyn Watermarks>>,
    /// The real addresses of the platform's listeners.
    pub listeners: Listeners,
    /// Whether the node takes new work; turns false when it shuts down, which also ends event streams.
    pub ready: watch::Receiver<bool>,
    /// The metrics as Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The wall clock.
    pub clock: fn() -> Moment,
}

impl Api {
    fn now(&self) -> Moment {
        (self.clock)()
    }

    /// Refuses targets that the operator does not allow; those that were there before may stay.
    fn check_targets(&self, settings: &Settings, before: Option<&Settings>) -> Result<(), Invalid> {
        match self.allow_private_targets {
            true => Ok(()),
            false => settings.refuse_private_targets(before),
        }
    }

    /// Refuses a picture for a watermark that cannot be used; one that was drawn before is not looked at again.
    async fn check_picture(&self, settings: &Settings, before: Option<&Settings>) -> Answer<()> {
        let wanted = |settings: &Settings| {
            let is_wanted = settings.is_image_water_mark && !settings.image_url.is_empty();
            is_wanted.then(|| settings.image_url.clone())
        };
        let (Some(watermarks), Some(url)) = (&self.watermarks, wanted(settings)) else {
            return Ok(());
        };
        if before.and_then(wanted).as_ref() == Some(&url) {
            return Ok(());
        }
        Ok(watermarks.check(&url).await?)
    }

    fn tell(&self, happened: Happening) {
        self.events.publish(self.now(), happened);
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("channels", &self.channels)
            .field("objects", &self.objects)
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}

/// Where the platform listens, for the addresses that the API gives out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// HTTP.
    pub http: SocketAddr,
    /// HTTP over TLS, where there is a certificate.
    pub https: Option<SocketAddr>,
    /// RTMP.
    pub rtmp: SocketAddr,
    /// RTMP over TLS, where there is a certificate.
    pub rtmps: Option<SocketAddr>,
}

/// The API as a router, complete with problem documents for unknown paths and wrong methods.
///
/// To serve it beside other routes, merge it into a router that has no fallback of its own.
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    open_routes()
        .merge(protected_routes(&api))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(api)
}

fn open_routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/healthz", get(platform::healthz))
        .route("/readyz", get(platform::readyz))
        .route("/metrics", get(platform::metrics))
        .route("/openapi.json", get(platform::openapi))
        .merge(session_routes())
}

fn session_routes() -> Router<Arc<Api>> {
    Router::new()
        .route(
            "/console/session",
            post(session::sign_in)
                .get(session::current)
                .delete(session::sign_out),
        )
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(middleware::from_fn(token::keep_private))
}

fn protected_routes(api: &Arc<Api>) -> Router<Arc<Api>> {
    let channels = Router::new()
        .route("/", post(channels::create).get(channels::list))
        .route("/online", get(live::online))
        .route(
            "/{id}",
            get(channels::read)
                .put(channels::change)
                .patch(channels::change)
                .delete(channels::remove),
        )
        .route("/{id}/urls", get(urls::urls))
        .route("/{id}/key", post(channels::rotate_key))
        .route("/{id}/watermark", post(watermark::preview))
        .route("/{id}/session", get(live::session).delete(live::disconnect))
        .route("/{id}/usage", get(usage::usage))
        .route("/{id}/recordings", get(recordings::list))
        .route("/{id}/recordings/{*name}", delete(recordings::remove))
        .fallback(problem::not_found);
    Router::new()
        .nest("/videostream", channels)
        .route(
            "/streamdns",
            get(platform::stream_dns).put(platform::put_stream_dns),
        )
        .route("/events", get(platform::events))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(middleware::from_fn_with_state(
            Arc::clone(api),
            token::require_operator,
        ))
        .layer(middleware::from_fn(token::keep_private))
}

#[cfg(test)]
#[cfg(all(feature = "embedded", feature = "conformance"))]
mod tests;
