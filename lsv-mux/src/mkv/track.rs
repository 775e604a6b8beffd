//! `TrackEntry`: what a decoder must know before the first frame (RFC 9559 §5.1.4.1).

use bytes::{Bytes, BytesMut};
use lsv_core::codec::{Colour, FourCc, Picture, aac, flac, opus};
use lsv_core::media::{Codec, Kind, Sound, Track};

use super::Options;
use super::ebml::{binary, float, master, text, unsigned};
use crate::Error;

/// A track as the header describes it.
pub(super) struct TrackEntry<'a> {
    track: &'a Track,
    number: u8,
    codec_id: &'static str,
    picture: Option<Picture>,
    frame_rate_millis: Option<u32>,
}

impl<'a> TrackEntry<'a> {
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::NoPicture`].
    pub(super) fn of(track: &'a Track, number: u8, options: &Options) -> Result<Self, Error> {
        let codec_id =
            codec_id(&track.codec).ok_or_else(|| Error::unsupported("Matroska", &track.codec))?;
        let picture = track.codec.picture();
        // VP8 has no configuration; a reader finds the size in its first frame.
        if track.kind == Kind::Video && picture.is_none() && codec_id != VP8 {
            return Err(Error::NoPicture);
        }
        let said = picture.and_then(|picture| picture.frame_rate_millis);
        Ok(Self {
            track,
            number,
            codec_id,
            picture,
            frame_rate_millis: options.frame_rate_millis.or(said),
        })
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        master(out, TRACK_ENTRY, |out| {
            unsigned(out, 0xD7, u64::from(self.number));
            unsigned(out, 0x73C5, u64::from(self.number));
            let is_video = self.track.kind == Kind::Video;
            unsigned(out, 0x83, if is_video { 1 } else { 2 });
            // No frames share a block.
            unsigned(out, 0x9C, 0);
            // English unless said otherwise.
            text(out, 0x22_B59C, "und");
            text(out, 0x86, self.codec_id);
            let private = codec_private(&self.track.codec);
            if !private.is_empty() {
                binary(out, 0x63A2, &private);
            }
            match self.track.codec.sound() {
                Some(sound) => self.put_sound(out, sound),
                None => self.put_picture(out),
            }
        });
    }

    fn put_picture(&self, out: &mut BytesMut) {
        if let Some(rate) = self.frame_rate_millis.filter(|rate| *rate > 0) {
            unsigned(out, 0x23_E383, 1_000_000_000_000 / u64::from(rate));
        }
        master(out, 0xE0, |out| {
            let Some(picture) = &self.picture else {
                return;
            };
            let (width, height) = (u64::from(picture.width), u64::from(picture.height));
            unsigned(out, 0xB0, width);
            unsigned(out, 0xBA, height);
            if let Some((aspect_width, aspect_height)) = picture.pixel_aspect {
                unsigned(out, 0x54B0, width * u64::from(aspect_width));
                unsigned(out, 0x54BA, height * u64::from(aspect_height));
                unsigned(out, 0x54B2, DISPLAY_ASPECT);
            }
            if let Some(colour) = &picture.colour {
                master(out, 0x55B0, |out| put_colour(out, colour));
            }
        });
    }

    /// What a decoder of Opus drops at the start of a recording is not said: who joins a live stream has none to drop.
    fn put_sound(&self, out: &mut BytesMut, sound: Sound) {
        if let Codec::Opus(_) = self.track.codec {
            unsigned(out, 0x56BB, OPUS_SEEK_PRE_ROLL);
        }
        master(out, 0xE1, |out| {
            float(out, 0xB5, f64::from(coded_rate(&self.track.codec, sound)));
            float(out, 0x78B5, f64::from(sound.sample_rate));
            unsigned(out, 0x9F, u64::from(sound.channels.max(1)));
            if let Codec::Flac(flac::Config {
                bits_per_sample, ..
            }) = &self.track.codec
            {
                unsigned(out, 0x6264, u64::from(*bits_per_sample));
            }
        });
    }
}

fn codec_id(codec: &Codec) -> Option<&'static str> {
    Some(match codec {
        Codec::Avc(_) => "V_MPEG4/ISO/AVC",
        Codec::Hevc(_) => "V_MPEGH/ISO/HEVC",
        Codec::Av1(_) => "V_AV1",
        Codec::Vp9(_) => "V_VP9",
        Codec::Other { fourcc, .. } if *fourcc == FourCc::VP08 => VP8,
        Codec::Aac(_) => "A_AAC",
        Codec::Opus(_) => "A_OPUS",
        Codec::Flac(_) => "A_FLAC",
        Codec::Ac3(_) => "A_AC3",
        Codec::Eac3(_) => "A_EAC3",
        Codec::Mp3(_) => "A_MPEG/L3",
        _ => return None,
    })
}

fn codec_private(codec: &Codec) -> Bytes {
    match codec {
        Codec::Vp9(_) | Codec::Other { .. } => Bytes::new(),
        Codec::Flac(config) => flac_header(config),
        Codec::Opus(config) if config.record.is_empty() => opus_header(config),
        other => other.config_record().clone(),
    }
}

/// The signature, and STREAMINFO as the last block, whatever else the record has (RFC 9639 §8).
fn flac_header(config: &flac::Config) -> Bytes {
    let length = config.stream_info.len() as u8;
    [b"fLaC\x80\0\0", &[length][..], &config.stream_info]
        .concat()
        .into()
}

/// The identification header that an empty record stands for (RFC 7845 §5.1); its numbers are little-endian.
fn opus_header(config: &opus::Config) -> Bytes {
    let rate = opus::SAMPLE_RATE.to_le_bytes();
    [
        b"OpusHead\x01",
        &[config.channels, 0, 0][..],
        &rate,
        &[0, 0, 0],
    ]
    .concat()
    .into()
}

/// The rate of the core that spectral band replication doubles, where there is one.
fn coded_rate(codec: &Codec, sound: Sound) -> u32 {
    match codec {
        Codec::Aac(aac::Config { sample_rate, .. }) => *sample_rate,
        _ => sound.sample_rate,
    }
}

fn put_colour(out: &mut BytesMut, colour: &Colour) {
    unsigned(out, 0x55B1, u64::from(colour.matrix));
    unsigned(out, 0x55B9, if colour.full_range { 2 } else { 1 });
    unsigned(out, 0x55BA, u64::from(colour.transfer));
    unsigned(out, 0x55BB, u64::from(colour.primaries));
}

const TRACK_ENTRY: u32 = 0xAE;
const VP8: &str = "V_VP8";
/// `DisplayWidth` and `DisplayHeight` are a ratio.
const DISPLAY_ASPECT: u64 = 3;
/// 80 ms (RFC 7845 §4.6).
const OPUS_SEEK_PRE_ROLL: u64 = 80_000_000;
