//! The player pages and what they load, embedded in the binary.
//!
//! Everything that a page loads lies under `/players/<version>/`, where the version is a hash of all of it: caches
//! keep it for good, and a new binary is a new address. A page names them relative to itself, so that it works
//! behind a proxy that adds a path in front.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::sync::{LazyLock, OnceLock};

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use lsv_core::path::Rendition;

use super::content::{Content, Gzip};
use super::problem::Problem;

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
        let shelf = &*SHELF;
        let pages = match rendition {
            Rendition::Source => &shelf.pages,
            _ => &shelf.rendition_pages,
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
    let page = &SHELF.recordings;
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
        .replace("@players", &format!("{up}players/{}", SHELF.version))
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

/// Answers for `/players/<version>/<file>`. Another version is most likely that of a neighbour in the middle of an
/// update: it gets what there is, not to be kept.
pub(super) fn asset(path: &str, method: &Method, headers: &HeaderMap) -> Result<Response, Problem> {
    let shelf = &*SHELF;
    let missing = || Problem::not_found("there is no such player file");
    let (version, name) = path.split_once('/').ok_or_else(missing)?;
    let (_, asset) = shelf
        .assets
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(missing)?;
    let cache = match version == shelf.version {
        true => HeaderValue::from_static("public, max-age=31536000, immutable"),
        false => HeaderValue::from_static("no-cache"),
    };
    Ok(asset.answer(cache, method, headers))
}

/// Everything, with its version.
struct Shelf {
    version: String,
    assets: Vec<(&'static str, Asset)>,
    pages: Pages,
    rendition_pages: Pages,
    recordings: Asset,
}

struct Pages {
    auto: Asset,
    flv: Asset,
    hls: Asset,
    dash: Asset,
}

struct Asset {
    body: Bytes,
    content_type: &'static str,
    etag: String,
    gzip: OnceLock<Bytes>,
}

static SHELF: LazyLock<Shelf> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    FILES.hash(&mut hasher);
    let version = format!("{:016x}", hasher.finish());
    let assets = FILES
        .iter()
        .map(|(name, body)| {
            (
                *name,
                Asset::new(Bytes::from_static(body), media_type(name)),
            )
        })
        .collect();
    Shelf {
        pages: Pages::new(&format!("../players/{version}")),
        rendition_pages: Pages::new(&format!("../../players/{version}")),
        recordings: Asset::new(
            Bytes::from(RECORDINGS.replace("@players", &format!("../../players/{version}"))),
            "text/html; charset=utf-8",
        ),
        assets,
        version,
    }
});

impl Pages {
    fn new(players: &str) -> Self {
        let page = |play: &str, title: &str| {
            let text = TEMPLATE
                .replace("@players", players)
                .replace("@play", play)
                .replace("@title", title);
            Asset::new(Bytes::from(text), "text/html; charset=utf-8")
        };
        Self {
            auto: page("auto", "Live"),
            flv: page("flv", "Live, FLV"),
            hls: page("hls", "Live, HLS"),
            dash: page("dash", "Live, DASH"),
        }
    }
}

impl Asset {
    fn new(body: Bytes, content_type: &'static str) -> Self {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        Self {
            etag: format!("\"{:016x}\"", hasher.finish()),
            gzip: OnceLock::new(),
            body,
            content_type,
        }
    }

    fn answer(&self, cache_control: HeaderValue, method: &Method, headers: &HeaderMap) -> Response {
        let gzip = || Some(self.gzip.get_or_init(|| compress(&self.body)).clone());
        let content = Content {
            body: self.body.clone().into(),
            gzip: Gzip::By(&gzip),
            content_type: self.content_type,
            cache_control,
            etag: &self.etag,
            inherits: None,
        };
        content.answer(method, headers)
    }
}

fn compress(body: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing into memory cannot fail.
    let written = encoder.write_all(body);
    debug_assert!(written.is_ok());
    encoder.finish().map(Bytes::from).unwrap_or_default()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
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
        let page = String::from_utf8(SHELF.pages.auto.body.to_vec()).unwrap();
        let prefix = format!("../players/{}/", SHELF.version);
        let named: Vec<&str> = page
            .split('"')
            .filter_map(|text| text.strip_prefix(&prefix))
            .collect();
        assert!(named.len() >= 3);
        for name in named {
            assert!(
                SHELF.assets.iter().any(|(known, _)| *known == name),
                "{name}"
            );
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
