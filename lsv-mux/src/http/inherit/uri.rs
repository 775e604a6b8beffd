//! An address inside a body, byte by byte (RFC 3986), and the name that announces it.

use super::Separator;

/// What is known of an address whose bytes come one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Uri {
    length: usize,
    /// It can still turn out to be a scheme.
    may_be_scheme: bool,
    /// It leads to another host, for all that can be told.
    is_foreign: bool,
    starts_with_slash: bool,
    has_query: bool,
    is_done: bool,
}

impl Uri {
    /// One of which nothing has come.
    pub(super) const fn new() -> Self {
        Self {
            length: 0,
            may_be_scheme: true,
            is_foreign: false,
            starts_with_slash: false,
            has_query: false,
            is_done: false,
        }
    }

    /// Takes the next byte of the address; answers what to put before it where it begins the fragment.
    pub(super) fn before(&mut self, byte: u8) -> Option<Separator> {
        match byte {
            b'#' => return self.end(),
            // A scheme, or the host after `//`.
            b':' if self.may_be_scheme => self.is_foreign = true,
            b'/' if self.length == 0 => self.starts_with_slash = true,
            b'/' | b'\\' if self.length == 1 && self.starts_with_slash => self.is_foreign = true,
            b'?' => self.has_query = true,
            _ => {}
        }
        self.may_be_scheme &= !matches!(byte, b'/' | b'?');
        self.length += 1;
        None
    }

    /// Answers what to put behind the last byte.
    pub(super) fn end(&mut self) -> Option<Separator> {
        let separator = match self.has_query {
            true => Separator::And,
            false => Separator::Question,
        };
        let is_own = self.length > 0 && !self.is_foreign && !self.is_done;
        self.is_done = true;
        is_own.then_some(separator)
    }
}

/// A name, as far as it can be one that is looked for.
#[derive(Debug, Default)]
pub(super) struct Name {
    bytes: [u8; MAX_NAME],
    length: usize,
}

impl Name {
    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    pub(super) fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
        }
        self.length = self.length.saturating_add(1);
    }

    /// The name; nothing of a longer one.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The longest name that is looked for, and one more.
const MAX_NAME: usize = 16;
