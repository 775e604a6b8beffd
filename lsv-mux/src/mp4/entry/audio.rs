//! Sample entries of sound.

use bytes::{BufMut, BytesMut};
use lsv_core::codec::aac;
use lsv_core::wire::put_u24;

use super::super::boxes::{descriptor, full};

/// ISO/IEC 14496-14 §5.6.
pub(super) fn mp4a(out: &mut BytesMut, config: &aac::Config) {
    audio(
        out,
        b"mp4a",
        (config.channels(), config.sample_rate),
        |out| {
            full(out, b"esds", (0, 0), |out| elementary_stream(out, config));
        },
    );
}

/// An `AudioSampleEntry` (ISO/IEC 14496-12 §12.2.3) with the boxes that `boxes` appends.
fn audio(
    out: &mut BytesMut,
    kind: &[u8; 4],
    (channels, sample_rate): (u8, u32),
    boxes: impl FnOnce(&mut BytesMut),
) {
    super::put(out, kind, |out| {
        out.put_bytes(0, 8);
        out.put_u16(u16::from(channels));
        out.put_u16(16);
        out.put_u32(0);
        // The field has 16 bits before the point; a higher rate is told by the codec's own box alone.
        out.put_u16(u16::try_from(sample_rate).unwrap_or(0));
        out.put_u16(0);
        boxes(out);
    });
}

/// ISO/IEC 14496-1 §7.2.6.5 and following.
fn elementary_stream(out: &mut BytesMut, config: &aac::Config) {
    descriptor(out, ES_DESCRIPTOR, |out| {
        out.put_u16(0);
        out.put_u8(0);
        descriptor(out, DECODER_CONFIG_DESCRIPTOR, |out| {
            out.put_u8(OBJECT_TYPE_AAC);
            out.put_u8(STREAM_TYPE_AUDIO << 2 | 1);
            // Buffer size and bit rates are not known of a live stream.
            put_u24(out, 0);
            out.put_u32(0);
            out.put_u32(0);
            descriptor(out, DECODER_SPECIFIC_INFO, |out| {
                out.put_slice(&config.record);
            });
        });
        descriptor(out, SL_CONFIG_DESCRIPTOR, |out| out.put_u8(2));
    });
}

const ES_DESCRIPTOR: u8 = 3;
const DECODER_CONFIG_DESCRIPTOR: u8 = 4;
const DECODER_SPECIFIC_INFO: u8 = 5;
const SL_CONFIG_DESCRIPTOR: u8 = 6;

/// Audio ISO/IEC 14496-3.
const OBJECT_TYPE_AAC: u8 = 0x40;
const STREAM_TYPE_AUDIO: u8 = 5;
