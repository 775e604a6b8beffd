//! Addresses in HLS playlists (RFC 8216 §4.1) and in WebVTT that names pictures, line by line.

use super::uri::Uri;
use super::{Scan, Separator};

/// Lines that are addresses, and the attribute `URI` of tags.
#[derive(Debug, Default)]
pub(super) struct Playlist(Line);

#[derive(Debug, Default)]
enum Line {
    #[default]
    Start,
    /// A line that is an address.
    Address(Uri),
    /// A tag, outside of quotes: how many bytes of [`ATTRIBUTE`] have come.
    Tag { matched: usize },
    /// A tag, within quotes.
    Quoted,
    /// The value of an attribute that is an address.
    Attribute(Uri),
}

impl Playlist {
    /// What follows the last byte of the playlist.
    pub(super) fn end(&mut self) -> Option<Separator> {
        match &mut self.0 {
            Line::Address(uri) => uri.end(),
            _ => None,
        }
    }
}

impl Scan for Playlist {
    fn before(&mut self, byte: u8) -> Option<Separator> {
        if matches!(byte, b'\r' | b'\n') {
            let separator = self.end();
            self.0 = Line::Start;
            return separator;
        }
        match &mut self.0 {
            Line::Start if byte == b'#' => self.0 = Line::Tag { matched: 0 },
            Line::Start => {
                let mut uri = Uri::new();
                uri.before(byte);
                self.0 = Line::Address(uri);
            }
            Line::Address(uri) => return uri.before(byte),
            Line::Tag { matched } => {
                *matched = match (byte, *matched) {
                    (b':' | b',', _) => 1,
                    (_, 0) => 0,
                    (byte, at) if ATTRIBUTE.get(at) == Some(&byte) => at + 1,
                    _ => 0,
                };
                if *matched == ATTRIBUTE.len() {
                    self.0 = Line::Attribute(Uri::new());
                } else if byte == b'"' {
                    self.0 = Line::Quoted;
                }
            }
            Line::Quoted if byte == b'"' => self.0 = Line::Tag { matched: 0 },
            Line::Quoted => {}
            Line::Attribute(uri) if byte == b'"' => {
                let separator = uri.end();
                self.0 = Line::Tag { matched: 0 };
                return separator;
            }
            Line::Attribute(uri) => return uri.before(byte),
        }
        None
    }
}

/// Lines that are addresses with a fragment, such as `thumbnails-0.jpg#xywh=0,0,160,90`.
#[derive(Debug, Default)]
pub(super) struct Thumbnails(Option<Uri>);

impl Scan for Thumbnails {
    fn before(&mut self, byte: u8) -> Option<Separator> {
        if matches!(byte, b'\r' | b'\n') {
            self.0 = None;
            return None;
        }
        self.0.get_or_insert(Uri::new()).before(byte)
    }
}

/// An attribute whose value is an address, with what stands before its name: `:` counts as `,` here.
const ATTRIBUTE: &[u8] = b",URI=\"";
