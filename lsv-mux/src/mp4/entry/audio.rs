//! Sample entries of sound.

use bytes::{BufMut, BytesMut};
use lsv_core::codec::{aac, ac3, flac, mp3, opus};
use lsv_core::wire::put_u24;

use super::super::boxes::{descriptor, full, plain};

/// ISO/IEC 14496-14 §5.6.
pub(super) fn mp4a(out: &mut BytesMut, config: &aac::Config) {
    let sound = (config.channels(), 16, config.output_sample_rate);
    audio(out, b"mp4a", sound, |out| {
        full(out, b"esds", (0, 0), |out| {
            elementary_stream(out, OBJECT_TYPE_AAC, &config.record);
        });
    });
}

/// MP3 in the same entry, by its own object type: FFmpeg, VLC and QuickTime take it so, and browsers that take MP3 in MP4.
/// The entry `.mp3` of QuickTime is no part of ISO BMFF.
pub(super) fn mp3(out: &mut BytesMut, config: &mp3::Config) {
    let object_type = match config.is_mpeg1() {
        true => OBJECT_TYPE_MPEG_1_AUDIO,
        false => OBJECT_TYPE_MPEG_2_AUDIO,
    };
    let sound = (config.channels, 16, config.sample_rate);
    audio(out, b"mp4a", sound, |out| {
        full(out, b"esds", (0, 0), |out| {
            elementary_stream(out, object_type, &[]);
        });
    });
}

/// "Encapsulation of Opus in ISO Base Media File Format" §4.3. The samples to drop at the start are told as `pre-skip`
/// alone: who joins a live stream has none to drop.
pub(super) fn opus(out: &mut BytesMut, config: &opus::Config) {
    let sound = (config.channels, 16, opus::SAMPLE_RATE);
    audio(out, b"Opus", sound, |out| {
        plain(out, b"dOps", |out| {
            // Version 0; unlike in the identification header, numbers are big-endian.
            out.put_slice(&[0, config.channels]);
            out.put_u16(config.pre_skip);
            out.put_u32(config.input_sample_rate);
            out.put_i16(config.output_gain);
            out.put_u8(config.mapping_family);
            if let Some(mapping) = &config.mapping {
                out.put_slice(&[mapping.streams, mapping.coupled]);
                out.put_slice(&mapping.table);
            }
        });
    });
}

/// "Encapsulation of FLAC in ISO Base Media File Format" §3.3.
pub(super) fn flac(out: &mut BytesMut, config: &flac::Config) {
    let bits = u16::from(config.bits_per_sample);
    let sound = (config.channels, bits, config.sample_rate);
    audio(out, b"fLaC", sound, |out| {
        full(out, b"dfLa", (0, 0), |out| {
            // STREAMINFO, the last block.
            out.put_u8(0x80);
            put_u24(out, config.stream_info.len() as u32);
            out.put_slice(&config.stream_info);
        });
    });
}

/// ETSI TS 102 366 §F.3, §F.4.
pub(super) fn ac3(out: &mut BytesMut, config: &ac3::Config) {
    let sound = (config.channels, 16, config.sample_rate);
    audio(out, b"ac-3", sound, |out| {
        plain(out, b"dac3", |out| out.put_slice(&config.dac3()));
    });
}

/// ETSI TS 102 366 §F.5, §F.6.
pub(super) fn eac3(out: &mut BytesMut, config: &ac3::Config) {
    let sound = (config.channels, 16, config.sample_rate);
    audio(out, b"ec-3", sound, |out| {
        plain(out, b"dec3", |out| out.put_slice(&config.dec3()));
    });
}

/// An `AudioSampleEntry` (ISO/IEC 14496-12 §12.2.3) with the boxes that `boxes` appends.
fn audio(
    out: &mut BytesMut,
    kind: &[u8; 4],
    (channels, bits, sample_rate): (u8, u16, u32),
    boxes: impl FnOnce(&mut BytesMut),
) {
    super::put(out, kind, |out| {
        out.put_bytes(0, 8);
        out.put_u16(u16::from(channels));
        out.put_u16(bits);
        out.put_u32(0);
        out.put_u16(expressible(sample_rate));
        out.put_u16(0);
        boxes(out);
    });
}

/// The field has 16 bits before the point. A higher rate is told by the codec's own box, and here by its greatest regular
/// division that fits, or if there is none by the most that does ("Encapsulation of FLAC in ISO Base Media File Format"
/// §3.3.1). FFmpeg and Chromium go by the codec's own box. The entry of version 1 with its own box for rates, which ISO
/// BMFF has for codecs that lack one, would be none that these take.
pub(super) fn expressible(sample_rate: u32) -> u16 {
    let halves = std::iter::successors(Some(sample_rate), |rate| {
        rate.is_multiple_of(2).then_some(rate / 2)
    });
    let mut fitting = halves.take(32).filter_map(|rate| u16::try_from(rate).ok());
    fitting.next().unwrap_or(u16::MAX)
}

/// ISO/IEC 14496-1 §7.2.6.5 and following.
fn elementary_stream(out: &mut BytesMut, object_type: u8, specific_info: &[u8]) {
    descriptor(out, ES_DESCRIPTOR, |out| {
        out.put_u16(0);
        out.put_u8(0);
        descriptor(out, DECODER_CONFIG_DESCRIPTOR, |out| {
            out.put_u8(object_type);
            out.put_u8(STREAM_TYPE_AUDIO << 2 | 1);
            // Buffer size and bit rates are not known of a live stream.
            put_u24(out, 0);
            out.put_u32(0);
            out.put_u32(0);
            if !specific_info.is_empty() {
                descriptor(out, DECODER_SPECIFIC_INFO, |out| {
                    out.put_slice(specific_info)
                });
            }
        });
        descriptor(out, SL_CONFIG_DESCRIPTOR, |out| out.put_u8(2));
    });
}

pub(in crate::mp4) const ES_DESCRIPTOR: u8 = 3;
pub(in crate::mp4) const DECODER_CONFIG_DESCRIPTOR: u8 = 4;
pub(in crate::mp4) const DECODER_SPECIFIC_INFO: u8 = 5;
const SL_CONFIG_DESCRIPTOR: u8 = 6;

/// Audio ISO/IEC 14496-3.
pub(in crate::mp4) const OBJECT_TYPE_AAC: u8 = 0x40;
/// Audio ISO/IEC 13818-3 and 11172-3.
pub(in crate::mp4) const OBJECT_TYPE_MPEG_2_AUDIO: u8 = 0x69;
pub(in crate::mp4) const OBJECT_TYPE_MPEG_1_AUDIO: u8 = 0x6B;
const STREAM_TYPE_AUDIO: u8 = 5;
