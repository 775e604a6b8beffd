//! What a viewer asks for, as upstream is asked for it: no part of it is what the viewer wrote.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use lsv_core::path::{ChannelId, StreamPath};
use lsv_core::ports::ObjectName;

use super::super::address::Target;
use super::super::problem::Problem;
use super::super::{reload, site};
use super::{Key, Limits};
use crate::window::{Reload, Skip};

/// An object, by what it is called at every upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) channel: ChannelId,
    pub(super) path: String,
    /// What of the query decides what comes, in one order and spelling; empty if nothing.
    pub(super) query: String,
    pub(super) kind: Kind,
    /// The part that is wanted of what is too large to be fetched whole.
    pub(super) part: Option<Part>,
}

/// A part of an object that was seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) range: Range<u64>,
    /// The length of the whole.
    pub(super) total: u64,
    /// By which the object is known again.
    pub(super) validator: Arc<str>,
}

/// What sort of object it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A live playlist or manifest.
    Playlist,
    /// Live media.
    Segment,
    /// A content key.
    ContentKey,
    /// Something recorded.
    Recorded,
    /// A recorded file that may be long.
    File,
    /// A part of such a file.
    Chunk,
    Poster,
}

impl Kind {
    /// As metrics call it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Playlist => "playlist",
            Self::Segment => "segment",
            Self::ContentKey => "key",
            Self::Recorded => "recorded",
            Self::File => "file",
            Self::Chunk => "chunk",
            Self::Poster => "poster",
        }
    }

    pub(super) fn is_recorded(self) -> bool {
        matches!(self, Self::Recorded | Self::File | Self::Chunk)
    }
}

impl Wish {
    /// # Errors
    /// 404 for a name that no recording has, 400 for a query that makes no sense.
    pub(super) fn read(
        stream: &StreamPath,
        target: Target<'_>,
        query: Option<&str>,
    ) -> Result<Self, Problem> {
        let none = || Problem::not_found("there is no such address");
        let (path, query, kind) = match target {
            Target::File(name) => {
                let wanted = reload::reload(name, query)?;
                let kind = match name {
                    name if site::is_manifest(name) => Kind::Playlist,
                    name if site::is_key(name) => Kind::ContentKey,
                    _ => Kind::Segment,
                };
                (format!("/{stream}/{name}"), directives(&wanted), kind)
            }
            Target::Poster => (format!("/{stream}/poster.jpg"), String::new(), Kind::Poster),
            Target::Recorded("") => {
                let cursor = cursor(query.unwrap_or_default())?;
                (format!("/{stream}/vod/"), cursor, Kind::Recorded)
            }
            Target::Recorded(name) => {
                let name = ObjectName::parse(name);
                let name = name.map_err(|_| Problem::not_found(NO_RECORDING))?;
                let kind = match name.as_str().ends_with(".mp4") {
                    true => Kind::File,
                    false => Kind::Recorded,
                };
                (format!("/{stream}/vod/{name}"), String::new(), kind)
            }
            Target::Bare(_) | Target::Page(_) | Target::Flv | Target::Time => return Err(none()),
        };
        Ok(Self {
            channel: stream.channel.clone(),
            path,
            query,
            kind,
            part: None,
        })
    }

    /// A chunk of the same.
    pub(super) fn chunk(&self, part: Part) -> Self {
        Self {
            kind: Kind::Chunk,
            part: Some(part),
            ..self.clone()
        }
    }

    /// What it is kept under. Paths hold no `?`, queries no `#`.
    pub(super) fn key(&self) -> Key {
        match (self.query.as_str(), &self.part) {
            ("", None) => self.path.as_str().into(),
            (query, None) => format!("{}?{query}", self.path).into(),
            (query, Some(part)) => {
                let (start, total) = (part.range.start, part.total);
                format!("{}?{query}#{start}/{total}#{}", self.path, part.validator).into()
            }
        }
    }

    /// How long upstream may take to answer.
    pub(super) fn patience(&self, limits: &Limits) -> Duration {
        match self.kind {
            Kind::Playlist => limits.playlist,
            _ => limits.head,
        }
    }
}

/// The delivery directives, and the clip.
fn directives(reload: &Reload) -> String {
    let mut pairs = Vec::new();
    pairs.extend(reload.msn.map(|msn| format!("_HLS_msn={msn}")));
    pairs.extend(reload.part.map(|part| format!("_HLS_part={part}")));
    if reload.skip == Skip::Segments {
        pairs.push("_HLS_skip=YES".to_owned());
    }
    pairs.extend(reload.clip.map(|clip| clip.to_string()));
    pairs.join("&")
}

/// Where a listing goes on.
fn cursor(query: &str) -> Result<String, Problem> {
    let cursor = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("cursor="));
    let Some(cursor) = cursor else {
        return Ok(String::new());
    };
    let cursor = ObjectName::parse(cursor);
    let cursor = cursor.map_err(|_| Problem::bad_request("cursor is the `next` of a listing"))?;
    Ok(format!("cursor={cursor}"))
}

const NO_RECORDING: &str = "there is no recording of this name";
