//! How long a recording plays: read from its front, without the rest of it.

use crate::ports::{ObjectInfo, ObjectStore};
use crate::wire::{Reader, Truncated};

/// The seconds that `object` plays, where it says so.
pub(super) async fn of(objects: &dyn ObjectStore, object: &ObjectInfo) -> Option<f64> {
    let (_, kind) = object.name.as_str().rsplit_once('.')?;
    let end = match kind {
        "mp4" => FRONT_BYTES,
        "m3u8" => MAX_PLAYLIST_BYTES,
        _ => return None,
    };
    let front = objects.get(&object.name, Some(0..end)).await.ok()?;
    match kind {
        "mp4" => movie(&front.bytes),
        _ => playlist(&front.bytes),
    }
}

/// `mvhd`, right behind `ftyp` and the head of `moov` (ISO/IEC 14496-12 §8.2.2). A file of fragments says zero: it is not
/// complete.
fn movie(front: &[u8]) -> Option<f64> {
    let mut reader = Reader::new(front);
    let ftyp = reader.u32().ok()? as usize;
    reader.take(ftyp.checked_sub(4)?).ok()?;
    let (timescale, duration) = header(&mut reader).ok().flatten()?;
    (duration > 0 && timescale > 0).then(|| duration as f64 / f64::from(timescale))
}

fn header(reader: &mut Reader<'_>) -> Result<Option<(u32, u64)>, Truncated> {
    reader.u32()?;
    let moov = reader.take(4)? == b"moov";
    reader.u32()?;
    if !moov || reader.take(4)? != b"mvhd" {
        return Ok(None);
    }
    let is_long = reader.u32()? >> 24 == 1;
    reader.take(if is_long { 16 } else { 8 })?;
    let timescale = reader.u32()?;
    let duration = match is_long {
        true => reader.u64()?,
        false => reader.u32()?.into(),
    };
    Ok(Some((timescale, duration)))
}

/// The sum of the segments.
fn playlist(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let lengths = text
        .lines()
        .filter_map(|line| line.strip_prefix("#EXTINF:"));
    let seconds = lengths.map(|length| length.split(',').next()?.parse::<f64>().ok());
    seconds
        .sum::<Option<f64>>()
        .filter(|seconds| seconds.is_finite())
}

/// `ftyp` has some 30 bytes, and 48 more reach to the duration.
const FRONT_BYTES: u64 = 256;
/// A day in segments of a second.
const MAX_PLAYLIST_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_where_they_should_be() {
        let front = |version: u8, numbers: &[u8]| {
            let head = b"\0\0\0\x0Cftypisom\0\0\0\x99moov\0\0\0\x6Cmvhd";
            [&head[..], &[version, 0, 0, 0], numbers].concat()
        };
        let short = front(0, b"\0\0\0\0\0\0\0\0\0\0\0\x64\0\0\x05\xDC");
        assert_eq!(movie(&short), Some(15.0));
        let long = front(
            1,
            &[&[0; 16][..], b"\0\0\0\x0A", b"\0\0\0\0\0\0\0\x0F"].concat(),
        );
        assert_eq!(movie(&long), Some(1.5));
        let fragments = front(0, b"\0\0\0\0\0\0\0\0\0\0\0\x64\0\0\0\0");
        assert_eq!(movie(&fragments), None);
        for length in 0..short.len() {
            assert_eq!(movie(&short[..length]), None);
        }
        assert_eq!(movie(b"12345"), None);
        assert_eq!(
            playlist(b"#EXTM3U\n#EXTINF:1.5,\na\n#EXTINF:2,\nb\n"),
            Some(3.5)
        );
        assert_eq!(playlist(b"#EXTINF:x,\n"), None);
    }
}
