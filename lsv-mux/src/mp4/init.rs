//! The CMAF header: `ftyp` and `moov` of one track (ISO/IEC 23000-19 §7.3.1).

use bytes::{BufMut, Bytes, BytesMut};
use lsv_core::media::{Codec, Track};

use super::TRACK_ID;
use super::boxes::plain;
use super::movie::{self, Description};
use crate::Error;

/// The CMAF header of `track`, which a player loads before the track's first fragment.
///
/// # Errors
/// [`Error::Unsupported`] for script data, and for a codec that has no sample entry here.
pub fn init(track: &Track) -> Result<Bytes, Error> {
    let is_av1 = matches!(track.codec, Codec::Av1(_));
    let track = Description::of(track, TRACK_ID)?;
    let mut out = BytesMut::with_capacity(640 + track.entry.len());
    plain(&mut out, b"ftyp", |out| {
        out.put_slice(b"cmfc");
        out.put_u32(0);
        out.put_slice(b"cmfciso6isommp41");
        if is_av1 {
            // AV1 in ISO BMFF §2.1.
            out.put_slice(b"av01");
        }
    });
    plain(&mut out, b"moov", |out| {
        movie::header(out, track.timescale, 0, TRACK_ID);
        track.write(out, (0, 0), |_| {}, movie::no_samples);
        movie::extends(out, [TRACK_ID]);
    });
    Ok(out.freeze())
}
