//! The player pages and what they load, embedded in the binary.
//!
//! A page names what it loads under `/players/<version>/` relative to itself, so that it works behind a proxy that adds
//! a path in front.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, get};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use lsv_core::path::Rendition;

use super::cors;
use super::problem::Problem;
use super::shelf::{Leaf, Shelf};

/// What the player pages load, at `/players/<version>/`, for whoever serves no media: [`router`](super::router) has it.
pub fn players() -> Router {
    let file = get(asset)
        .options(async |headers: HeaderMap| cors::preflight(&headers))
        .fallback(async || Problem::method_not_allowed().into_response())
        .layer(map_response(async |mut response: Response| {
            cors::share(response.headers_mut());
            response
        }));
    Router::new().route("/players/{version}/{*file}", file)
}

/// Where [`players`] lie, from the root of the host: for pages of others that play.
pub fn players_path() -> String {
    format!("players/{}", PLAYERS.files.version())
}

async fn asset(
    Path((version, name)): Path<(String, String)>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
) -> Response {
    PLAYERS
        .files
        .answer(&version, &name, &method, &headers)
        .unwrap_or_else(|| {
            Problem::not_found("there is no such player file").answer(uri.path(), &headers)
        })
}

/// A player page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// Picks the best that channel and browser have in common.
    Auto,
    /// FLV.
    Flv,
    /// HLS, with `?src=cmaf` low-latency.
    Hls,
    /// DASH.
    Dash,
}

impl Page {
    /// The page at `name` under a stream's address.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "" | "index.html" => Self::Auto,
            "flv.html" => Self::Flv,
            "hls.html" => Self::Hls,
            "dash.html" => Self::Dash,
            _ => return None,
        })
    }

    /// Answers with the page, for a stream of this rendition.
    pub(super) fn answer(
        self,
        rendition: Rendition,
        method: &Method,
        headers: &HeaderMap,
    ) -> Response {
        let pages = match rendition {
            Rendition::Source => &PLAYERS.pages,
            _ => &PLAYERS.rendition_pages,
        };
        let page = match self {
            Self::Auto => &pages.auto,
            Self::Flv => &pages.flv,
            Self::Hls => &pages.hls,
            Self::Dash => &pages.dash,
        };
        let mut response = page.answer(HeaderValue::from_static("no-cache"), method, headers);
        restrict(response.headers_mut());
        response
    }
}

/// The page of a channel's recordings.
pub(super) fn recordings(method: &Method, headers: &HeaderMap) -> Response {
    let page = &PLAYERS.recordings;
    let mut response = page.answer(HeaderValue::from_static("no-cache"), method, headers);
    restrict(response.headers_mut());
    let vary = HeaderValue::from_static("Accept, Accept-Encoding");
    response.headers_mut().insert(header::VARY, vary);
    response
}

/// A page for somebody who went to `path` and is told of a problem instead.
pub(super) fn problem(path: &str, title: &str, detail: &str) -> String {
    let up = "../".repeat(path.matches('/').count().saturating_sub(1));
    PROBLEM
        .replace("@players", &format!("{up}{}", players_path()))
        .replace("@title", title)
        // May hold anything, so that nothing is replaced in it.
        .replace("@detail", &escape(detail))
}

/// Bounds what a page may load and tell.
pub(super) fn restrict(fields: &mut HeaderMap) {
    fields.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    fields.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Everything that viewers see.
struct Players {
    files: Shelf,
    pages: Pages,
    rendition_pages: Pages,
    recordings: Leaf,
}

struct Pages {
    auto: Leaf,
    flv: Leaf,
    hls: Leaf,
    dash: Leaf,
}

static PLAYERS: LazyLock<Players> = LazyLock::new(|| {
    let files = Shelf::new(&FILES);
    let version = files.version();
    let below = format!("../../players/{version}");
    Players {
        pages: Pages::new(&format!("../players/{version}")),
        rendition_pages: Pages::new(&below),
        recordings: Leaf::page(RECORDINGS.replace("@players", &below)),
        files,
    }
});

impl Pages {
    fn new(players: &str) -> Self {
        let page = |play: &str, title: &str| {
            let text = TEMPLATE
                .replace("@players", players)
                .replace("@play", play)
                .replace("@title", title);
            Leaf::page(text)
        };
        Self {
            auto: page("auto", "Live"),
            flv: page("flv", "Live, FLV"),
            hls: page("hls", "Live, HLS"),
            dash: page("dash", "Live, DASH"),
        }
    }
}

/// Nothing from elsewhere, nothing inline. The libraries play from `blob:` addresses and run workers from them.
const POLICY: &str = "default-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; \
                      img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'";

const TEMPLATE: &str = include_str!("../../players/page.html");
const RECORDINGS: &str = include_str!("../../players/vod.html");
const PROBLEM: &str = include_str!("../../players/problem.html");

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../players/", $name)).as_slice())),*]
    };
}

/// What pages load, and the licences of what others wrote.
static FILES: [(&str, &[u8]); 16] = embedded![
    "clock.js",
    "dash.js",
    "flv.js",
    "hls.js",
    "icon.svg",
    "main.js",
    "player.css",
    "player.js",
    "sources.js",
    "vod.js",
    "vendor/hls.LICENSE",
    "vendor/hls.min.js",
    "vendor/mpegts.LICENSE",
    "vendor/mpegts.js",
    "vendor/shaka-player.LICENSE",
    "vendor/shaka-player.dash-es2021.js",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_name_only_what_is_embedded() {
        let page = PLAYERS.pages.auto.text();
        let prefix = format!("../{}/", players_path());
        let named: Vec<&str> = page
            .split('"')
            .filter_map(|text| text.strip_prefix(&prefix))
            .collect();
        assert!(named.len() >= 3);
        for name in named {
            assert!(PLAYERS.files.names().any(|known| known == name), "{name}");
        }
        assert!(!page.contains('@'));
    }

    #[test]
    fn a_problem_cannot_write_into_its_page() {
        let page = problem("/cam/", "Not found", "<script>@title & more</script>");
        assert!(page.contains("&lt;script&gt;@title &amp; more&lt;/script&gt;"));
    }

    #[test]
    fn scripts_import_only_what_is_embedded() {
        for (name, body) in FILES.iter().filter(|(name, _)| !name.contains('/')) {
            let Ok(text) = std::str::from_utf8(body) else {
                panic!("{name} is not text")
            };
            for import in text.split('\'').filter_map(|word| word.strip_prefix("./")) {
                assert!(
                    FILES.iter().any(|(known, _)| *known == import),
                    "{import} in {name}"
                );
            }
        }
    }
}
