//! Files that are embedded in a binary, as caches like them.
//!
//! Everything lies under `<version>/`, where the version is a hash of all of it: caches keep it for good, and a new
//! binary is a new address.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::sync::OnceLock;

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};

use super::content::{Content, Gzip};

/// Embedded files under the hash of all of them.
#[derive(Debug)]
pub struct Shelf {
    version: String,
    leaves: Vec<(&'static str, Leaf)>,
}

impl Shelf {
    /// A shelf with these files, each with its name, which may hold `/`.
    pub fn new(files: &[(&'static str, &'static [u8])]) -> Self {
        let leaves = files.iter().map(|(name, body)| {
            let leaf = Leaf::new(Bytes::from_static(body), media_type(name));
            (*name, leaf)
        });
        Self {
            version: format!("{:016x}", hash(files)),
            leaves: leaves.collect(),
        }
    }

    /// The first part of every file's address.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What the files are called.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.leaves.iter().map(|(name, _)| *name)
    }

    /// The answer to a GET or HEAD for `name` of a version, `None` where there is no such file. Another version is most
    /// likely that of a neighbour in the middle of an update: it gets what there is, not to be kept.
    pub fn answer(
        &self,
        version: &str,
        name: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Response> {
        let (_, leaf) = self.leaves.iter().find(|(known, _)| *known == name)?;
        let cache = match version == self.version {
            true => HeaderValue::from_static("public, max-age=31536000, immutable"),
            false => HeaderValue::from_static("no-cache"),
        };
        Some(leaf.answer(cache, method, headers))
    }
}

/// One embedded file or page.
#[derive(Debug)]
pub struct Leaf {
    body: Bytes,
    content_type: &'static str,
    etag: String,
    /// Made when it is first asked for.
    gzip: OnceLock<Bytes>,
}

impl Leaf {
    /// A page in HTML.
    pub fn page(text: impl Into<Bytes>) -> Self {
        Self::new(text.into(), HTML)
    }

    fn new(body: Bytes, content_type: &'static str) -> Self {
        Self {
            etag: format!("\"{:016x}\"", hash(&body)),
            gzip: OnceLock::new(),
            body,
            content_type,
        }
    }

    /// The answer to a GET or HEAD for it.
    pub fn answer(
        &self,
        cache_control: HeaderValue,
        method: &Method,
        headers: &HeaderMap,
    ) -> Response {
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

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

fn hash(of: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
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
        Some((_, "js" | "mjs")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some((_, "html")) => HTML,
        Some((_, "json")) => "application/json",
        Some((_, "webmanifest")) => "application/manifest+json",
        Some((_, "png")) => "image/png",
        Some((_, "woff2")) => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

const HTML: &str = "text/html; charset=utf-8";
