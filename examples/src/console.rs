//! The console: the files of `examples/console/`, embedded, under `/console/`.
//!
//! ```text
//! /console                      redirect, relative so that it works behind a proxy that adds a path in front
//! /console/                     the page, with what bounds it
//! /console/<version>/<file>     what the page loads, for caches to keep
//! ```
//!
//! What the page may load is said by its content security policy: nothing from elsewhere, but for media from the domain name
//! that play addresses have.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use lsv_core::api::{Elsewhere, Kind, Listeners, Origin, Problem};
use lsv_core::ports::ChannelStore;
use lsv_mux::http::{Leaf, Shelf, players_path};
use tokio::time::timeout;

/// Serves the console beside the API over these, and beside the players, which its previews load.
pub(crate) fn router(channels: Arc<dyn ChannelStore>, listeners: Listeners) -> Router {
    Router::new()
        .route("/console", get(async || Redirect::permanent("console/")))
        .route("/console/", get(page))
        .route("/console/{version}/{*file}", get(file))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Arc::new(Elsewhere::new(channels, listeners)))
}

async fn page(State(elsewhere): State<Arc<Elsewhere>>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let pull = match timeout(PATIENCE, elsewhere.of(&request)).await {
        Ok(Ok(pull)) => pull,
        // The page itself says better what is wrong, once it asks.
        Ok(Err(_)) | Err(_) => {
            tracing::warn!("the console is served without knowing where play addresses lead");
            None
        }
    };
    let no_cache = HeaderValue::from_static("no-cache");
    let mut response = CONSOLE
        .page
        .answer(no_cache, &request.method, &request.headers);
    restrict(response.headers_mut(), pull.as_ref());
    response
}

async fn file(
    Path((version, name)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Some(mut response) = CONSOLE.files.answer(&version, &name, &method, &headers) else {
        let problem = Problem::new(Kind::NotFound, "the console has no such file");
        return problem.into_response();
    };
    let nosniff = HeaderValue::from_static("nosniff");
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

async fn method_not_allowed() -> Problem {
    Problem::new(Kind::MethodNotAllowed, "the console is only read")
}

/// Bounds what the page may load, tell and be put into.
fn restrict(fields: &mut HeaderMap, pull: Option<&Origin>) {
    // An authority is made of characters that a header may hold.
    if let Ok(policy) = HeaderValue::from_str(&policy(pull)) {
        fields.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in BOUNDS {
        fields.insert(name, HeaderValue::from_static(value));
    }
}

/// Nothing from elsewhere but media, nothing inline. The players' libraries play from `blob:` addresses and run workers
/// from them.
fn policy(pull: Option<&Origin>) -> String {
    let (pull, sockets) = match pull {
        None => Default::default(),
        Some(origin) => (
            format!(" {}://{}", origin.scheme(), origin.authority),
            format!(" {}://{}", origin.web_socket_scheme(), origin.authority),
        ),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
         img-src 'self' data: blob:{pull}; media-src 'self' blob:{pull}; \
         connect-src 'self'{pull}{sockets}; worker-src 'self' blob:; manifest-src 'self'; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
}

struct Console {
    page: Leaf,
    files: Shelf,
}

static CONSOLE: LazyLock<Console> = LazyLock::new(|| {
    let loaded = FILES.iter().copied().filter(|(name, _)| *name != PAGE);
    let files = Shelf::new(&loaded.collect::<Vec<_>>());
    let text = TEMPLATE
        .replace("@modules", &modules(&files))
        .replace("@console", files.version())
        .replace("@players", &format!("../{}", players_path()));
    Console {
        page: Leaf::page(text),
        files,
    }
});

/// Has the browser fetch the console's own modules all at once, not one import after another.
fn modules(files: &Shelf) -> String {
    let own = |name: &&str| name.ends_with(".js") && !name.starts_with("vendor/");
    let link = |name| format!("<link rel=\"modulepreload\" href=\"@console/{name}\">\n");
    files.names().filter(own).map(link).collect()
}

/// How long the page waits for the store of domain names.
const PATIENCE: Duration = Duration::from_secs(2);

const PAGE: &str = "index.html";
const TEMPLATE: &str = include_str!("../console/index.html");

/// All files of `examples/console/`, by their paths in it.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/console.rs"));

const BOUNDS: [(HeaderName, &str); 5] = [
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), \
         microphone=(), midi=(), payment=(), usb=()",
    ),
];

#[cfg(test)]
mod tests;
