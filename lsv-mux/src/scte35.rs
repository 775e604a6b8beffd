//! What a splice information section says to playlists (ANSI/SCTE 35 §9): a break begins, or ends, or anything else.
//!
//! Sections come in script data as text, in base64 or as hexadecimal digits. Their own times are of a clock that RTMP does
//! not carry, so a splice is where its message is: `splice_time` is read over, and who needs a splice at an exact time
//! sends its message at that time. Players that read the section themselves find it in there unchanged.

use std::time::Duration;

use lsv_core::wire::{Reader, Truncated};

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
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
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

/// What a command says: its role, which event it is about, and for how long.
type Said = (Role, Option<u32>, Option<Duration>);

/// Reads the command of a section without its checksum.
fn command(body: &[u8]) -> Result<Said, Truncated> {
    let mut reader = Reader::new(body);
    reader.take(4)?;
    let is_encrypted = reader.u8()? & 0x80 != 0;
    reader.take(8)?;
    match reader.u8()? {
        SPLICE_INSERT if !is_encrypted => splice_insert(&mut reader),
        TIME_SIGNAL if !is_encrypted => time_signal(&mut reader),
        _ => Ok((Role::Command, None, None)),
    }
}

/// §9.7.3.
fn splice_insert(reader: &mut Reader<'_>) -> Result<Said, Truncated> {
    let event = Some(reader.u32()?);
    let is_cancelled = reader.u8()? & 0x80 != 0;
    if is_cancelled {
        return Ok((Role::Command, event, None));
    }
    let flags = reader.u8()?;
    let (is_out, is_program, has_duration, is_immediate) = (
        flags & 0x80 != 0,
        flags & 0x40 != 0,
        flags & 0x20 != 0,
        flags & 0x10 != 0,
    );
    let components = if is_program { 1 } else { reader.u8()? };
    for _ in 0..components {
        if !is_program {
            reader.u8()?;
        }
        if !is_immediate {
            splice_time(reader)?;
        }
    }
    let duration = match has_duration {
        true => Some(ticks(reader.u8()? & 1, reader.u32()?)),
        false => None,
    };
    let role = if is_out { Role::Out } else { Role::In };
    Ok((role, event, duration))
}

/// §9.7.4, with the first of its segmentation descriptors that begins or ends a break.
fn time_signal(reader: &mut Reader<'_>) -> Result<Said, Truncated> {
    splice_time(reader)?;
    let length = usize::from(reader.u16()?);
    let mut descriptors = Reader::new(reader.take(length)?);
    while !descriptors.is_empty() {
        let tag = descriptors.u8()?;
        let length = usize::from(descriptors.u8()?);
        let descriptor = descriptors.take(length)?;
        if tag == SEGMENTATION
            && let Some(said) = segmentation(descriptor)?
        {
            return Ok(said);
        }
    }
    Ok((Role::Command, None, None))
}

/// §10.3.3.
fn segmentation(descriptor: &[u8]) -> Result<Option<Said>, Truncated> {
    let mut reader = Reader::new(descriptor);
    reader.take(4)?;
    let event = Some(reader.u32()?);
    let is_cancelled = reader.u8()? & 0x80 != 0;
    if is_cancelled {
        return Ok(None);
    }
    let flags = reader.u8()?;
    let is_program = flags & 0x80 != 0;
    if !is_program {
        let components = usize::from(reader.u8()?);
        reader.take(components * 6)?;
    }
    let has_duration = flags & 0x40 != 0;
    let duration = match has_duration {
        true => Some(ticks(reader.u8()?, reader.u32()?)),
        false => None,
    };
    reader.u8()?;
    let identifier = usize::from(reader.u8()?);
    reader.take(identifier)?;
    let kind = reader.u8()?;
    Ok(match kind {
        _ if BREAK_STARTS.contains(&kind) => Some((Role::Out, event, duration)),
        _ if BREAK_STARTS.contains(&kind.wrapping_sub(1)) => Some((Role::In, event, None)),
        _ => None,
    })
}

/// §9.8.1, read over.
fn splice_time(reader: &mut Reader<'_>) -> Result<(), Truncated> {
    let is_specified = reader.u8()? & 0x80 != 0;
    if is_specified {
        reader.take(4)?;
    }
    Ok(())
}

/// A duration at 90 kHz.
fn ticks(high: u8, low: u32) -> Duration {
    let ticks = u64::from(high) << 32 | u64::from(low);
    Duration::from_nanos(ticks * 100_000 / 9)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| Some(digit(high)? << 4 | digit(low)?))
        .collect()
}

/// RFC 4648 §4, padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    Some(bytes)
}

const TABLE_ID: u8 = 0xFC;
const SPLICE_INSERT: u8 = 0x05;
const TIME_SIGNAL: u8 = 0x06;
const SEGMENTATION: u8 = 0x02;

/// The segmentation types that begin a break, an advertisement, a placement opportunity or a block of advertisements; the
/// number after each ends it (§10.3.3.1).
const BREAK_STARTS: [u8; 7] = [0x22, 0x30, 0x32, 0x34, 0x36, 0x44, 0x46];

/// A section has 4 KiB at most, and twice as many digits.
const MAX_TEXT_BYTES: usize = 8200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A section around a command.
    fn section(kind: u8, command: &[u8]) -> Vec<u8> {
        let mut section = vec![TABLE_ID, 0x30, (command.len() + 15) as u8, 0];
        section.extend([0, 0, 0, 0, 0, 0, 0xFF, 0xF0, command.len() as u8, kind]);
        section.extend(command);
        let checksum = crate::ts::crc32(&section);
        section.extend(checksum.to_be_bytes());
        section
    }

    #[test]
    fn published_example() {
        // A splice_insert of SCTE 35 §14.2: out of the network for 60.3 s, event 0x4800008F.
        let text = "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=";
        let splice = Splice::of_text(text).unwrap();
        assert_eq!((splice.role, splice.event), (Role::Out, Some(0x4800_008F)));
        assert_eq!(splice.duration.unwrap().as_millis(), 60_293);
        let hex: String = splice
            .section
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        assert_eq!(Splice::of_text(&format!("0x{hex}")), Some(splice.clone()));
        assert_eq!(Splice::of_text(&hex.to_lowercase()), Some(splice));
    }

    #[test]
    fn time_signal_of_a_placement_opportunity() {
        // SCTE 35 §14.1: provider placement opportunity starts, event 0x4800008E.
        let text = "/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg==";
        let splice = Splice::of_text(text).unwrap();
        assert_eq!((splice.role, splice.event), (Role::Out, Some(0x4800_008E)));
        assert_eq!(splice.duration.unwrap().as_secs(), 307);
    }

    #[test]
    fn the_end_of_a_break_and_other_commands() {
        let end =
            Splice::parse(section(SPLICE_INSERT, &[0, 0, 0, 7, 0, 0x50, 0, 1, 0, 0])).unwrap();
        assert_eq!(
            (end.role, end.event, end.duration),
            (Role::In, Some(7), None)
        );
        let null = Splice::parse(section(0, &[])).unwrap();
        assert_eq!((null.role, null.event), (Role::Command, None));
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "0x",
            "FC",
            "hello",
            "/DAv",
            "0xFC3020",
            "{\"a\":1}",
            "ü",
        ] {
            assert_eq!(Splice::of_text(text), None, "{text}");
        }
        let mut damaged = section(0, &[]);
        damaged[5] ^= 1;
        assert_eq!(Splice::parse(damaged), None);
    }

    proptest! {
        #[test]
        fn any_command_is_read_or_kept_as_it_is(kind in 0u8..8, command in prop::collection::vec(any::<u8>(), 0..120)) {
            let section = section(kind, &command);
            prop_assert_eq!(Splice::parse(section.clone()).unwrap().section, section);
        }
    }
}
