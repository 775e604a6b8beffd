//! What an edge keeps under a name.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::body::Body;
use super::head::Head;
use crate::window;

/// An object of upstream's.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) head: Head,
    pub(super) content: Content,
    /// It in gzip, if it is a text.
    compressed: OnceLock<Option<Bytes>>,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    /// Its bytes, there or on their way.
    Body(Arc<Body>),
    /// So many bytes, which are kept in chunks.
    Large(u64),
}

impl Object {
    pub(super) fn new(head: Head, content: Content) -> Self {
        Self {
            head,
            content,
            compressed: OnceLock::new(),
        }
    }

    /// The same with what upstream has said of its life just now.
    pub(super) fn renewed(&self, head: &Head) -> Self {
        Self {
            head: self.head.renewed(head),
            content: self.content.clone(),
            compressed: self.compressed.clone(),
        }
    }

    /// What it holds in memory, or will.
    pub(super) fn weight(&self) -> usize {
        let content = match &self.content {
            // One whose length is not known yet weighs something, and is weighed again.
            Content::Body(body) => body.length().unwrap_or_default(),
            Content::Large(_) => 0,
        };
        size_of::<Self>() + HEAD_BYTES + usize::try_from(content).unwrap_or(usize::MAX / 2)
    }

    /// Whether it is worth compressing: a playlist of any kind.
    pub(super) fn is_text(&self) -> bool {
        let kind = self.head.content_type.as_bytes();
        TEXTS.iter().any(|text| kind.starts_with(text.as_bytes()))
    }

    /// `body`, which is its, in gzip.
    pub(super) fn gzip(&self, body: &Bytes) -> Option<Bytes> {
        let fits = self.is_text() && body.len() <= MAX_COMPRESSED_BYTES;
        let compressed = || fits.then(|| window::gzip(&body.clone().into()));
        self.compressed.get_or_init(compressed).clone()
    }
}

/// What a head takes.
const HEAD_BYTES: usize = 512;
const TEXTS: [&str; 5] = [
    "application/vnd.apple.mpegurl",
    "application/dash+xml",
    "application/json",
    "application/problem+json",
    "text/",
];
/// A millisecond or two of work.
const MAX_COMPRESSED_BYTES: usize = 256 << 10;
