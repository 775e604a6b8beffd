//! What a splice information section says to playlists (ANSI/SCTE 35 §9): a break begins, or ends, or anything else.
//!
//! Sections come in script data as text, in base64 or as hexadecimal digits. Their own times are of a clock that RTMP does
//! not carry, so a splice is where its message is.

use std::time::Duration;

use lsv_core::wire::{BitReader, Reader, Truncated};

/// A splice information section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Splice {
    pub(crate) role: Role,
    /// Which break, where the command says.
    pub(crate) event: Option<u32>,
    /// How long the break is going to be, where the command says.
    pub(crate) duration: Option<Duration>,
    /// All of it.
    pub(crate) section: Vec<u8>,
}

/// What it means to a playlist (RFC 8216bis §4.4.5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// SCTE35-OUT: a break begins.
    Out,
    /// SCTE35-IN: it ends.
    In,
    /// SCTE35-CMD: anything else.
    Command,
}

impl Splice {
    /// Reads a section in base64, or in hexadecimal digits with or without `0x`; `None` for any other text.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > MAX_TEXT_BYTES {
            return None;
        }
        let digits = text.strip_prefix("0x").or(text.strip_prefix("0X"));
        let section = match hexadecimal(digits.unwrap_or(text)) {
            Some(section) => section,
            None => base64(text)?,
        };
        Self::parse(section)
    }

    /// Reads a whole section; `None` where it is none, or its checksum is wrong.
    pub(crate) fn parse(section: Vec<u8>) -> Option<Self> {
        let (body, checksum) = section.split_last_chunk::<4>()?;
        let [TABLE_ID, high, low, ..] = *body else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([high & 0x0F, low]));
        if length + 3 != section.len() || crate::ts::crc32(body) != u32::from_be_bytes(*checksum) {
            return None;
        }
        let (role, event, duration) = command(body).unwrap_or((Role::Command, None, None));
        Some(Self {
            role,
            event,
            duration,
            section,
        })
    }
}

type Said = (Role, Option<u32>, Option<Duration>);

/// What the command says, with its descriptors.
fn command(body: &[u8]) -> Result<Said, Truncated> {
    let mut reader = Reader::new(body);
    reader.take(4)?;
    let is_encrypted = reader.u8()? & 0x80 != 0;
    reader.take(6)?;
    // The last twelve of 24 bits; all ones where the length is not told, as older encoders do.
    let length = (reader.u24()? >> 4 & 0x0FFF) as usize;
    let _ = length;
    Ok((Role::Command, None, is_encrypted.then_some(Duration::ZERO)))
}
