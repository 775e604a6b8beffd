//! Sample entries: what a decoder must know before the first sample (ISO/IEC 14496-12 §8.5.2).

use bytes::{BufMut, BytesMut};
use lsv_core::media::{Codec, Track};

use super::boxes::plain;
use crate::Error;

pub(super) mod audio;
mod video;

/// The sample entry of `track`.
///
/// # Errors
/// [`Error::Unsupported`] where there is none for its codec, or the size of its pictures is not known.
pub(super) fn sample_entry(track: &Track) -> Result<BytesMut, Error> {
    let mut out = BytesMut::with_capacity(256 + track.codec.config_record().len());
    match &track.codec {
        Codec::Avc(config) => video::avc1(&mut out, config),
        Codec::Hevc(config) => video::hvc1(&mut out, config),
        Codec::Av1(config) => video::av01(&mut out, config)?,
        Codec::Vp9(config) => video::vp09(&mut out, config)?,
        Codec::Aac(config) => audio::mp4a(&mut out, config),
        Codec::Opus(config) => audio::opus(&mut out, config),
        Codec::Flac(config) => audio::flac(&mut out, config),
        Codec::Ac3(config) => audio::ac3(&mut out, config),
        Codec::Eac3(config) => audio::eac3(&mut out, config),
        Codec::Mp3(config) => audio::mp3(&mut out, config),
        other => return Err(Error::unsupported("CMAF", other)),
    }
    Ok(out)
}

/// The box `kind` of a `SampleEntry` (ISO/IEC 14496-12 §8.5.2.2): its media is in the file that the first data reference
/// names.
fn put(out: &mut BytesMut, kind: &[u8; 4], content: impl FnOnce(&mut BytesMut)) {
    plain(out, kind, |out| {
        out.put_bytes(0, 6);
        out.put_u16(1);
        content(out);
    });
}

#[cfg(test)]
mod tests;
