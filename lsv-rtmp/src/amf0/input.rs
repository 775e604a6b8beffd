//! The bytes that a decoder reads, and what it may make of them.

use lsv_core::wire::{Reader, Truncated};

use crate::{
    Limits,
    error::{Error, InvalidMessage, Limit},
};

/// Bytes of one message body, with the bounds that hold for all that is read from it.
#[derive(Clone, Debug)]
pub(crate) struct Input<'a> {
    reader: Reader<'a>,
    length: usize,
    values: usize,
    copied: usize,
    max_depth: usize,
    max_values: usize,
    max_string: usize,
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8], limits: &Limits) -> Self {
        Self {
            reader: Reader::new(bytes),
            length: bytes.len(),
            values: 0,
            copied: 0,
            max_depth: limits.amf_depth,
            max_values: limits.amf_values,
            max_string: limits.amf_string_bytes,
        }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.reader.rest()
    }

    /// Where the next byte stands in the body.
    pub(crate) fn at(&self) -> usize {
        self.length.saturating_sub(self.reader.remaining())
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        self.read(Reader::u8)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        self.read(Reader::u16)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.read(Reader::u32)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Error> {
        self.read(Reader::u64).map(f64::from_bits)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        self.read(|reader| reader.take(length))
    }

    /// Text of `length` bytes.
    pub(crate) fn text(&mut self, length: usize) -> Result<String, Error> {
        if length > self.max_string {
            return Err(Limit::AmfStringBytes(self.max_string).into());
        }
        let bytes = self.take(length)?;
        // Some encoders write the system's code page; a wrong letter in a comment is no reason to end a broadcast.
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Counts a value that is about to be made.
    pub(crate) fn count_value(&mut self) -> Result<(), Error> {
        self.values = self.values.saturating_add(1);
        self.check_values(self.values)
    }

    /// Whether so many values, or names, may be kept.
    pub(crate) fn check_values(&self, count: usize) -> Result<(), Error> {
        if count > self.max_values {
            return Err(Limit::AmfValues(self.max_values).into());
        }
        Ok(())
    }

    /// Whether one more value may be opened inside `depth` others.
    pub(crate) fn check_depth(&self, depth: usize) -> Result<(), Error> {
        if depth >= self.max_depth {
            return Err(Limit::AmfDepth(self.max_depth).into());
        }
        Ok(())
    }

    /// Counts text that is written out where a reference may stand for it. What the body could have said itself is
    /// free, and the length of one string more.
    pub(crate) fn count_copy(&mut self, bytes: usize) -> Result<(), Error> {
        self.copied = self.copied.saturating_add(bytes);
        let most = self.length.saturating_add(self.max_string);
        if self.copied > most {
            return Err(Limit::AmfCopiedBytes(most).into());
        }
        Ok(())
    }

    fn read<T>(
        &mut self,
        field: impl FnOnce(&mut Reader<'a>) -> Result<T, Truncated>,
    ) -> Result<T, Error> {
        let at = self.at();
        field(&mut self.reader)
            .map_err(|Truncated { .. }| InvalidMessage::AmfTruncated { at }.into())
    }
}
