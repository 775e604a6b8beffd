//! Addresses in listings of recordings: the values of some names in JSON, byte by byte.

use super::uri::{Name, Uri};
use super::{Scan, Separator};

/// The values of [`NAMES`].
#[derive(Debug, Default)]
pub(super) struct Listing {
    at: At,
    /// The string that came last.
    last: Name,
    /// A colon follows it.
    is_named: bool,
}

#[derive(Debug, Default)]
enum At {
    #[default]
    Outside,
    /// In a string, behind a backslash or not.
    Text { is_escaped: bool },
    /// In a string that is an address; nothing is escaped in those.
    Address(Uri),
}

impl Scan for Listing {
    fn before(&mut self, byte: u8) -> Option<Separator> {
        match (&mut self.at, byte) {
            (At::Outside, b'"') => {
                let is_address = self.is_named && NAMES.contains(&self.last.as_bytes());
                self.at = match is_address {
                    true => At::Address(Uri::new()),
                    false => At::Text { is_escaped: false },
                };
                self.last.clear();
                self.is_named = false;
            }
            (At::Outside, b':') => self.is_named = true,
            (At::Outside, byte) if byte.is_ascii_whitespace() => {}
            (At::Outside, _) => self.is_named = false,
            (At::Text { is_escaped: false }, b'"') => self.at = At::Outside,
            (At::Text { is_escaped }, byte) => {
                *is_escaped = !*is_escaped && byte == b'\\';
                self.last.push(byte);
            }
            (At::Address(uri), b'"') => {
                let separator = uri.end();
                self.at = At::Outside;
                return separator;
            }
            (At::Address(uri), byte) => return uri.before(byte),
        }
        None
    }
}

/// Names of addresses.
const NAMES: [&[u8]; 2] = [b"url", b"thumbnails"];
