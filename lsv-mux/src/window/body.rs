//! The bytes of a file, in pieces that files share: a playlist of a day is megabytes, of which a new part changes a line.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

/// The bytes of a file: one piece mostly, many of a long playlist. Clones share them.
#[derive(Clone, Default)]
pub struct Body(Pieces);

#[derive(Clone)]
enum Pieces {
    One(Bytes),
    Many { pieces: Arc<[Bytes]>, length: usize },
}

impl Default for Pieces {
    fn default() -> Self {
        Self::One(Bytes::new())
    }
}

impl Body {
    /// Its pieces, in order.
    pub fn pieces(&self) -> &[Bytes] {
        match &self.0 {
            Pieces::One(bytes) => std::slice::from_ref(bytes),
            Pieces::Many { pieces, .. } => pieces,
        }
    }

    /// Its length, in bytes.
    pub fn len(&self) -> usize {
        match &self.0 {
            Pieces::One(bytes) => bytes.len(),
            Pieces::Many { length, .. } => *length,
        }
    }

    /// It has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it side by side: copied, unless it is one piece.
    pub fn to_bytes(&self) -> Bytes {
        match &self.0 {
            Pieces::One(bytes) => bytes.clone(),
            Pieces::Many { .. } => self.to_vec().into(),
        }
    }

    /// A copy of all of it.
    pub fn to_vec(&self) -> Vec<u8> {
        self.pieces().concat()
    }

    /// The bytes of `range`, as far as they are there, sharing the pieces.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let mut before: usize = 0;
        let mut kept = Vec::new();
        for piece in self.pieces() {
            let start = range.start.saturating_sub(before).min(piece.len());
            let end = range.end.saturating_sub(before).min(piece.len());
            if start < end {
                kept.push(piece.slice(start..end));
            }
            before = before.saturating_add(piece.len());
        }
        kept.into()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Pieces::One(bytes))
    }
}

impl From<Vec<Bytes>> for Body {
    fn from(mut pieces: Vec<Bytes>) -> Self {
        match pieces.len() {
            0 | 1 => pieces.pop().unwrap_or_default().into(),
            _ => Self(Pieces::Many {
                length: pieces.iter().map(Bytes::len).sum(),
                pieces: pieces.into(),
            }),
        }
    }
}

impl PartialEq<[u8]> for Body {
    fn eq(&self, other: &[u8]) -> bool {
        let mut rest = other;
        let all = self.pieces().iter().all(|piece| {
            let stripped = rest.strip_prefix(&piece[..]);
            rest = stripped.unwrap_or_default();
            stripped.is_some()
        });
        all && rest.is_empty()
    }
}

impl PartialEq<Bytes> for Body {
    fn eq(&self, other: &Bytes) -> bool {
        *self == other[..]
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        *self == other.to_bytes()
    }
}

impl Eq for Body {}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.len())
    }
}

/// Text that is ready, as it goes into many bodies: its pieces, and what tells it from other text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ready {
    pieces: Vec<Bytes>,
    hash: u64,
}

impl Ready {
    /// Appends `piece`, whose hash is `hash`.
    pub(crate) fn push(&mut self, piece: &Bytes, hash: u64) {
        if !piece.is_empty() {
            self.pieces.push(piece.clone());
            self.hash = hash_of(&(self.hash, hash));
        }
    }
}

/// A body on its way: text that is written, and text that is ready.
#[derive(Debug, Default)]
pub(crate) struct Text {
    pieces: Vec<Bytes>,
    hasher: DefaultHasher,
    written: String,
}

impl Text {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            written: String::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// What is being written, behind what is ready.
    pub(crate) fn written(&mut self) -> &mut String {
        &mut self.written
    }

    /// Appends what is ready, without a copy.
    pub(crate) fn push_ready(&mut self, ready: &Ready) {
        if !ready.pieces.is_empty() {
            self.close_piece();
            ready.hash.hash(&mut self.hasher);
            self.pieces.extend_from_slice(&ready.pieces);
        }
    }

    /// The body, and its hash: equal for equal text with the same text ready, different for different text.
    pub(crate) fn finish(mut self) -> (Body, u64) {
        self.close_piece();
        (self.pieces.into(), self.hasher.finish())
    }

    /// All of it side by side.
    pub(crate) fn joined(self) -> String {
        String::from_utf8_lossy(&self.finish().0.to_bytes()).into_owned()
    }

    fn close_piece(&mut self) {
        if !self.written.is_empty() {
            let written = std::mem::take(&mut self.written);
            written.hash(&mut self.hasher);
            self.pieces.push(written.into());
        }
    }
}

impl From<String> for Text {
    fn from(written: String) -> Self {
        Self {
            written,
            ..Self::default()
        }
    }
}

/// The same for equal values, in every process.
pub(crate) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_shared_and_read_as_one() {
        let mut ready = Ready::default();
        for piece in ["old ", "", "older "] {
            ready.push(&Bytes::from(piece), hash_of(&piece));
        }
        let mut text = Text::default();
        text.written().push_str("1 ");
        text.push_ready(&ready);
        text.written().push_str("new");
        let (body, _) = text.finish();
        assert_eq!(body.pieces().len(), 4);
        assert_eq!(body.pieces()[1].as_ptr(), ready.pieces[0].as_ptr());
        assert_eq!(body, Bytes::from("1 old older new"));
        assert_ne!(body, Bytes::from("1 old older new "));
        assert_ne!(body, Bytes::from("1 old older ne"));
        for (start, end) in [(0, 0), (0, 15), (1, 7), (3, 4), (12, 99), (40, 50)] {
            let range = start..end.min(15).max(start.min(15));
            let expected = body.to_vec().get(range).unwrap_or_default().to_vec();
            let slice = body.slice(start..end);
            assert_eq!((slice.len(), slice.to_vec()), (expected.len(), expected));
        }
    }

    #[test]
    fn different_text_has_different_hashes() {
        let hash = |first: &str, ready: &[&str], last: &str| {
            let mut all = Ready::default();
            for piece in ready {
                all.push(&Bytes::copy_from_slice(piece.as_bytes()), hash_of(piece));
            }
            let mut text = Text::from(first.to_owned());
            text.push_ready(&all);
            text.written().push_str(last);
            text.finish().1
        };
        let one = hash("a", &["b", "c"], "d");
        assert_eq!(one, hash("a", &["b", "c"], "d"));
        for (first, ready, last) in [
            ("a", ["b", "e"], "d"),
            ("e", ["b", "c"], "d"),
            ("a", ["b", "c"], "e"),
        ] {
            assert_ne!(one, hash(first, &ready, last));
        }
    }
}
