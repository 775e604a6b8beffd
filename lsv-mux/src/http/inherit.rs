//! Carries a viewer's credential on into what it was let in to: a player that was given the address of a playlist with a
//! token asks for everything inside with the same token.
//!
//! A playlist is rendered once for all viewers, and the credential of each is written into it on the way out, byte by
//! byte, wherever a body is cut into pieces. The bytes are copied: a playlist has an address each fifty bytes, so that
//! pieces around them would cost more than they share. Only what can be asked for under the same host gets a credential.
//!
//! The address of an answer holds the same credential as the answer. So whoever keeps answers by their whole address, as
//! caches do, never gives one viewer's credential to another, and an entity tag need not tell them apart.

use std::fmt;

use bytes::Bytes;

use listing::Listing;
use manifest::Manifest;
use playlist::{Playlist, Thumbnails};

mod listing;
mod manifest;
mod playlist;
mod uri;

/// The parameters of a query that let a viewer in, as they are written into addresses.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credential(String);

impl Credential {
    /// Those parameters of `query` that are called one of `names`. None where there are none, or where one has a character that
    /// could end an address somewhere: credentials have none.
    pub(super) fn of(query: Option<&str>, names: &[&str]) -> Option<Self> {
        let pairs = query?.split('&').filter(|pair| {
            let name = pair.split_once('=').map(|(name, _)| name);
            name.is_some_and(|name| names.contains(&name))
        });
        let credential = pairs.collect::<Vec<_>>().join("&");
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%=&".contains(&byte);
        (!credential.is_empty() && credential.bytes().all(is_plain)).then_some(Self(credential))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(hidden)")
    }
}

/// Kinds of bodies with addresses in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// HLS (RFC 8216).
    Playlist,
    /// DASH (ISO/IEC 23009-1).
    Manifest,
    /// WebVTT that names pictures.
    Thumbnails,
    /// A listing of recordings, JSON.
    Listing,
}

impl Kind {
    /// The kind of a body of this media type, if it is one with addresses in it.
    pub(super) fn of(content_type: &str) -> Option<Self> {
        let (essence, _) = content_type.split_once(';').unwrap_or((content_type, ""));
        Some(match essence.trim() {
            "application/vnd.apple.mpegurl" => Self::Playlist,
            "application/dash+xml" => Self::Manifest,
            "text/vtt" => Self::Thumbnails,
            "application/json" => Self::Listing,
            _ => return None,
        })
    }

    /// The media type of such a body.
    #[cfg(feature = "edge")]
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Playlist => "application/vnd.apple.mpegurl",
            Self::Manifest => "application/dash+xml",
            Self::Thumbnails => "text/vtt; charset=utf-8",
            Self::Listing => "application/json",
        }
    }
}

/// Writes a credential into a body that comes in pieces.
#[derive(Debug)]
pub(super) struct Heir {
    scanner: Scanner,
    parameter: Parameter,
}

#[derive(Debug)]
enum Scanner {
    Playlist(Playlist),
    Manifest(Manifest),
    Thumbnails(Thumbnails),
    Listing(Listing),
}

impl Heir {
    /// For a body of this kind.
    pub(super) fn new(kind: Kind, credential: &Credential) -> Self {
        Self {
            scanner: match kind {
                Kind::Playlist => Scanner::Playlist(Playlist::default()),
                Kind::Manifest => Scanner::Manifest(Manifest::default()),
                Kind::Thumbnails => Scanner::Thumbnails(Thumbnails::default()),
                Kind::Listing => Scanner::Listing(Listing::default()),
            },
            parameter: Parameter::new(kind, credential),
        }
    }

    /// The next piece of the body, with the credential in it.
    pub(super) fn piece(&mut self, piece: &[u8]) -> Bytes {
        let parameter = &self.parameter;
        let written = match &mut self.scanner {
            Scanner::Playlist(scanner) => parameter.write(scanner, piece),
            Scanner::Manifest(scanner) => parameter.write(scanner, piece),
            Scanner::Thumbnails(scanner) => parameter.write(scanner, piece),
            Scanner::Listing(scanner) => parameter.write(scanner, piece),
        };
        written.into()
    }

    /// What follows the last piece.
    pub(super) fn end(mut self) -> Bytes {
        let separator = match &mut self.scanner {
            Scanner::Playlist(scanner) => scanner.end(),
            _ => None,
        };
        let parameter = separator.map(|separator| self.parameter.after(separator).to_owned());
        parameter.unwrap_or_default().into()
    }
}

/// A body that is at hand whole, with the credential in it.
pub(super) fn whole<'a>(
    kind: Kind,
    credential: &Credential,
    pieces: impl IntoIterator<Item = &'a Bytes>,
) -> Vec<Bytes> {
    let mut heir = Heir::new(kind, credential);
    let pieces = pieces.into_iter().map(|piece| heir.piece(piece));
    let mut pieces: Vec<Bytes> = pieces.collect();
    pieces.push(heir.end());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// Finds the places in a body where an address ends.
trait Scan {
    /// Whether a parameter is to be put before `byte`, the next of the body.
    fn before(&mut self, byte: u8) -> Option<Separator>;
}

/// What stands between an address and its next parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    /// A question mark: it has no parameter yet.
    Question,
    /// An ampersand.
    And,
}

/// A credential as it is written into a kind of bodies, with what stands before it.
#[derive(Debug)]
struct Parameter {
    first: String,
    further: String,
}

impl Parameter {
    fn new(kind: Kind, credential: &Credential) -> Self {
        let (first, further) = (format!("?{}", credential.0), format!("&{}", credential.0));
        match kind {
            Kind::Manifest => Self {
                first: first.replace('&', "&amp;"),
                further: further.replace('&', "&amp;"),
            },
            Kind::Playlist | Kind::Thumbnails | Kind::Listing => Self { first, further },
        }
    }

    fn after(&self, separator: Separator) -> &str {
        match separator {
            Separator::Question => &self.first,
            Separator::And => &self.further,
        }
    }

    /// `piece` with this behind each address.
    fn write(&self, scanner: &mut impl Scan, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len() * 2);
        for byte in piece {
            if let Some(separator) = scanner.before(*byte) {
                out.extend_from_slice(self.after(separator).as_bytes());
            }
            out.push(*byte);
        }
        out
    }
}

#[cfg(test)]
mod tests;
