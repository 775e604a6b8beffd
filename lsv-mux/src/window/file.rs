//! One answer to one viewer: the bytes of a playlist, segment or part, and how they may be kept.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;

use super::body::{Body, Text};
use super::clip::Clip;
use crate::encrypt::ContentKey;

/// A playlist, segment, part or init segment, ready to be sent.
#[derive(Debug, Clone)]
pub struct File {
    /// The bytes.
    pub body: Body,
    /// The media type for `Content-Type`.
    pub content_type: &'static str,
    /// How long caches may keep it.
    pub cache: Cache,
    /// A strong entity tag with its quotes, as in `ETag`.
    pub etag: Arc<str>,
    pub(super) compressed: Option<Arc<OnceLock<Bytes>>>,
}

impl File {
    /// Media: never changes under its name and does not compress.
    pub(crate) fn media(body: Bytes, content_type: &'static str, etag: Arc<str>) -> Self {
        Self {
            body: body.into(),
            content_type,
            cache: Cache::Immutable,
            etag,
            compressed: None,
        }
    }

    /// A content key. Caches are not asked to check who may have it.
    pub(crate) fn key(key: &ContentKey, number: u64) -> Self {
        Self {
            body: Bytes::copy_from_slice(key.expose()).into(),
            content_type: "application/octet-stream",
            cache: Cache::Never,
            etag: format!("\"key-{number}\"").into(),
            compressed: None,
        }
    }

    /// A playlist as rendered. Equal bodies have equal tags, on every node.
    pub(crate) fn manifest(text: Text, content_type: &'static str, cache: Cache) -> Self {
        let (body, hash) = text.finish();
        Self {
            etag: format!("\"{hash:016x}\"").into(),
            body,
            content_type,
            cache,
            compressed: Some(Arc::default()),
        }
    }

    /// The body in gzip, made on first use and shared by all who ask; `None` for media, which does not compress, and for
    /// playlists that are too long to be compressed whenever they change.
    pub fn gzip(&self) -> Option<Bytes> {
        let short = self.body.len() <= MAX_COMPRESSED_BYTES;
        let once = self.compressed.as_ref().filter(|_| short)?;
        Some(once.get_or_init(|| gzip(&self.body)).clone())
    }
}

/// How long a cache may keep a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cache {
    /// A manifest: it changes, but not before `max_age` in a way that a player would miss. Zero: ask every time.
    Manifest {
        /// For `Cache-Control: max-age`, in whole seconds.
        max_age: Duration,
    },
    /// Never changes under its name.
    Immutable,
    /// It is for the one who asked: no cache may keep it.
    Never,
}

/// What the query of a playlist says: the delivery directives of a media playlist (RFC 8216bis §6.2.5), and of which time it
/// is to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reload {
    /// `_HLS_msn`: answer once the playlist has this media sequence number.
    pub msn: Option<u64>,
    /// `_HLS_part`: ... or this part of it.
    pub part: Option<u32>,
    /// `_HLS_skip`: leave out what the client has.
    pub skip: Skip,
    /// `start` and `end`: of a playlist or manifest, only so much.
    pub clip: Option<Clip>,
}

/// What a playlist delta update leaves out (RFC 8216bis §6.2.5.1). Where a playlist offers none, all of it is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skip {
    /// Nothing.
    #[default]
    Nothing,
    /// `YES`: segments behind the skip boundary.
    Segments,
}

/// Why a file cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// No such name, or one that has left the window: answer 404.
    #[error("there is no such file, or it has left the live window")]
    NotFound,
    /// The channel's settings turn this format off: answer 404.
    #[error("this format is turned off for the channel")]
    Disabled,
    /// The format has no place for any of the stream's codecs: answer 404.
    #[error(
        "this format carries none of the stream's codecs; play master.m3u8 or manifest.mpd (CMAF), live.m3u8 (MPEG-TS) or FLV"
    )]
    Uncarried,
    /// What is encrypted is not to be had as DASH: answer 404.
    #[error(
        "the channel is encrypted as HLS can be (AES-128), which DASH does not know; play master.m3u8 or live.m3u8"
    )]
    Encrypted,
    /// The reload asks for what is too far ahead or makes no sense: answer 400 (RFC 8216bis §6.2.5.2).
    #[error(
        "_HLS_msn or _HLS_part asks for what is too far ahead; reload the playlist without them"
    )]
    BadReload,
    /// There is nothing of the clip, any more or yet: answer 404.
    #[error(
        "there is nothing from start to end: it has left the channel's window (dvr_window), or is yet to come"
    )]
    OutsideWindow,
    /// The stream ended before the file came to be: answer 404.
    #[error("the stream ended before this file was made")]
    Ended,
    /// It has left memory, and the object store that keeps it is out of reach: answer 503.
    #[error("the object store that keeps older segments is out of reach; try again")]
    Unavailable,
}

/// `body` in gzip, fast rather than small.
pub(crate) fn gzip(body: &Body) -> Bytes {
    use std::io::Write;

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Writing into memory cannot fail.
    for piece in body.pieces() {
        let written = encoder.write_all(piece);
        debug_assert!(written.is_ok());
    }
    encoder.finish().map(Bytes::from).unwrap_or_default()
}

/// A millisecond or two of work.
const MAX_COMPRESSED_BYTES: usize = 256 << 10;
