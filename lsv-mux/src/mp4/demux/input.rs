//! What was pushed and not read yet.

use std::collections::VecDeque;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Pieces of a stream, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Input {
    pieces: VecDeque<Bytes>,
    length: usize,
    /// How much of the stream was taken before.
    offset: u64,
}

impl Input {
    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.length += bytes.len();
            self.pieces.push_back(bytes);
        }
    }

    /// How many bytes of the stream were taken or passed over.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Fills `out` with what comes next and says how much that is.
    pub(super) fn peek(&self, out: &mut [u8]) -> usize {
        let next = self.pieces.iter().flatten();
        let copied = out.iter_mut().zip(next);
        copied.map(|(slot, byte)| *slot = *byte).count()
    }

    /// The next `length` bytes, once they are all there: a slice of a piece, or a copy of several.
    pub(super) fn take(&mut self, length: usize) -> Option<Bytes> {
        if length > self.length {
            return None;
        }
        let first = self
            .pieces
            .front_mut()
            .filter(|first| length <= first.len());
        if let Some(first) = first {
            let taken = first.split_to(length);
            self.took(length);
            return Some(taken);
        }
        let mut taken = BytesMut::with_capacity(length);
        while taken.len() < length
            && let Some(first) = self.pieces.front_mut()
        {
            let part = first.len().min(length - taken.len());
            taken.put(first.split_to(part));
            self.took(part);
        }
        Some(taken.freeze())
    }

    /// Passes over the next `length` bytes, or as many as there are.
    pub(super) fn skip(&mut self, mut length: usize) {
        while length > 0
            && let Some(first) = self.pieces.front_mut()
        {
            let part = first.len().min(length);
            first.advance(part);
            length -= part;
            self.took(part);
        }
    }

    /// Passes over what is there before `offset`, counted from the stream's start. Says whether that is all of it.
    pub(super) fn skip_to(&mut self, offset: u64) -> bool {
        let wanted = offset.saturating_sub(self.offset);
        self.skip(usize::try_from(wanted).unwrap_or(usize::MAX));
        self.offset >= offset
    }

    fn took(&mut self, length: usize) {
        self.length -= length;
        self.offset += length as u64;
        while self.pieces.front().is_some_and(Bytes::is_empty) {
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_sliced_and_joined() {
        let mut input = Input::default();
        let piece = Bytes::from_static(b"abcdef");
        input.push(piece.clone());
        input.push(Bytes::new());
        input.push(Bytes::from_static(b"ghi"));
        let mut peeked = [0; 16];
        assert_eq!(input.peek(&mut peeked), 9);
        assert_eq!(peeked[..9], *b"abcdefghi");
        let slice = input.take(2).unwrap();
        assert_eq!(slice.as_ptr(), piece.as_ptr());
        input.skip(1);
        assert_eq!(input.take(4).as_deref(), Some(&b"defg"[..]));
        assert_eq!((input.offset(), input.take(3)), (7, None));
        assert!(!input.skip_to(10));
        assert_eq!((input.offset(), input.peek(&mut peeked)), (9, 0));
        assert_eq!(input.take(0), Some(Bytes::new()));
    }
}
