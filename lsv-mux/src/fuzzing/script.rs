//! Hostile script data into what is made of it for viewers: ID3 tags and SCTE-35 sections.

use crate::scte35::Splice;
use crate::{id3, ts};

/// Noise as a message, as a section in text, and as a section whose frame is right: no panic, tags that are as long as
/// they say, and sections that are told as they came.
pub fn script(data: &[u8]) {
    if let Ok(Some(tag)) = id3::tag(data) {
        let Some((_, [a, b, c, d])) = tag.get(..10).and_then(|head| head.split_last_chunk()) else {
            panic!("a tag is shorter than its header");
        };
        let said = [a, b, c, d].into_iter().fold(0, |sum, &byte| {
            assert!(byte < 0x80, "a size is not synchsafe");
            sum << 7 | usize::from(byte)
        });
        assert_eq!(said + 10, tag.len(), "a tag is not as long as it says");
    }
    Splice::of_text(&String::from_utf8_lossy(data));
    let section = section(data);
    let splice = Splice::parse(section.clone());
    let splice = splice.map(|splice| splice.section);
    assert_eq!(
        splice,
        Some(section),
        "a section that is whole was not told"
    );
}

/// A section that says `data`, with the length and the checksum that belong there.
fn section(data: &[u8]) -> Vec<u8> {
    let data = data.get(..MAX_DATA).unwrap_or(data);
    let length = (data.len() + CHECKSUM) as u16;
    let mut section = vec![0xFC, 0x30 | (length >> 8) as u8, length as u8];
    section.extend_from_slice(data);
    section.extend(ts::crc32(&section).to_be_bytes());
    section
}

const CHECKSUM: usize = 4;
/// What twelve bits of length have room for.
const MAX_DATA: usize = 0xFFF - CHECKSUM;
