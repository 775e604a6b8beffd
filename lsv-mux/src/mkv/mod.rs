//! Matroska as a live feed: what another program reads from a pipe (RFC 9559, on EBML, RFC 8794).
//!
//! | codec | `CodecID` | `CodecPrivate` |
//! | --- | --- | --- |
//! | H.264, HEVC, AV1 | `V_MPEG4/ISO/AVC`, `V_MPEGH/ISO/HEVC`, `V_AV1` | the configuration record |
//! | VP9, VP8 | `V_VP9`, `V_VP8` | |
//! | AAC | `A_AAC` | `AudioSpecificConfig` |
//! | Opus | `A_OPUS` | the identification header |
//! | FLAC | `A_FLAC` | `fLaC` and STREAMINFO |
//! | AC-3, E-AC-3, MP3 | `A_AC3`, `A_EAC3`, `A_MPEG/L3` | |
//!
//! Frames go in as they come, each in a cluster of its own, so that a reader has it as soon as its last byte is there.
//! Payloads are passed on, not copied. Times are in microseconds, which hold RTMP's milliseconds exactly and all else to
//! half a microsecond. Matroska carries presentation times alone; a reader gets decoding times from the codec.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use lsv_core::media::{Kind, MediaFrame, Track};

use crate::Error;

mod ebml;
mod track;

#[cfg(test)]
mod tests;

use ebml::{master, put_size, text, unknown_size, unsigned};
use track::TrackEntry;

/// What is said of a feed beside its tracks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Frames a second of the pictures in thousandths, where it is known better than by their configuration: a reader
    /// that is told need not find out.
    pub frame_rate_millis: Option<u32>,
}

/// Turns the frames of a fixed set of tracks into one Matroska stream.
///
/// ```
/// # use lsv_core::media::{Kind, MediaFrame, Tracks};
/// # fn feed(tracks: &Tracks, frames: &[MediaFrame]) -> Result<Vec<bytes::Bytes>, lsv_mux::Error> {
/// let tracks: Vec<_> = tracks.defaults().cloned().collect();
/// let muxer = lsv_mux::mkv::Muxer::new(&tracks, Default::default())?;
/// let mut pieces = vec![muxer.header()];
/// for frame in frames {
///     pieces.extend(muxer.frame(frame)?);
/// }
/// # Ok(pieces)
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Muxer {
    tracks: Vec<Arc<Track>>,
    header: Bytes,
}

impl Muxer {
    /// A muxer for frames of `tracks`, which get the numbers from 1 in that order.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for script data and codecs that Matroska does not know, [`Error::NoPicture`] for pictures of
    /// no known size, [`Error::NoTracks`].
    pub fn new(tracks: &[Arc<Track>], options: Options) -> Result<Self, Error> {
        if tracks.is_empty() || tracks.len() > MAX_TRACKS {
            return Err(Error::NoTracks);
        }
        let entries: Vec<TrackEntry<'_>> = tracks
            .iter()
            .zip(1..)
            .map(|(track, number)| TrackEntry::of(track, number, &options))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            header: header(&entries),
            tracks: tracks.to_vec(),
        })
    }

    /// Whether a feed can have `track` as it is.
    pub fn carries(track: &Track) -> bool {
        TrackEntry::of(track, 1, &Options::default()).is_ok()
    }

    /// What the stream opens with, once.
    pub fn header(&self) -> Bytes {
        self.header.clone()
    }

    /// Whether the header describes `track` as it is. Where it does not, another stream must be begun.
    pub fn describes(&self, track: &Arc<Track>) -> bool {
        self.number(track).is_some()
    }

    /// A cluster with `frame` alone: what comes before its payload, and the payload itself.
    ///
    /// # Errors
    /// [`Error::UnknownTrack`] where the header does not describe its track; [`Error::NegativeTime`] where it is
    /// presented before the zero of its timeline.
    pub fn frame(&self, frame: &MediaFrame) -> Result<[Bytes; 2], Error> {
        let number = self.number(&frame.track).ok_or(Error::UnknownTrack)?;
        let micros = frame.pts().to_scale(1_000_000);
        let micros = u64::try_from(micros).map_err(|_| Error::NegativeTime)?;
        let block = BLOCK_HEADER_BYTES + frame.payload.len() as u64;
        let mut out = BytesMut::with_capacity(FRAME_OVERHEAD);
        out.put_u32(CLUSTER);
        put_size(&mut out, TIMESTAMP_BYTES + BLOCK_PREFIX_BYTES + block);
        out.put_slice(&[TIMESTAMP, 0x88]);
        out.put_u64(micros);
        out.put_u8(SIMPLE_BLOCK);
        put_size(&mut out, block);
        // The track's number as EBML has sizes, then the time from the cluster's on.
        out.put_u8(0x80 | number);
        out.put_i16(0);
        // Sound starts anywhere, whether its frames say so or not; FFmpeg 9 passes over it where blocks do not.
        let is_key = frame.key || frame.kind() == Kind::Audio;
        out.put_u8(if is_key { KEY } else { 0 });
        Ok([out.freeze(), frame.payload.clone()])
    }

    fn number(&self, track: &Arc<Track>) -> Option<u8> {
        let same = |known: &Arc<Track>| Arc::ptr_eq(known, track);
        let like = |known: &Arc<Track>| {
            known.name() == track.name() && known.codec.decodes_like(&track.codec)
        };
        let place = self.tracks.iter().position(same);
        let place = place.or_else(|| self.tracks.iter().position(like))?;
        u8::try_from(place + 1).ok()
    }
}

/// The EBML header, and the segment up to its first cluster.
fn header(entries: &[TrackEntry<'_>]) -> Bytes {
    let mut out = BytesMut::with_capacity(1024);
    master(&mut out, EBML, |out| {
        unsigned(out, 0x4286, 1);
        unsigned(out, 0x42F7, 1);
        unsigned(out, 0x42F2, 4);
        unsigned(out, 0x42F3, 8);
        text(out, 0x4282, "matroska");
        // Version 4 has what Opus needs; SimpleBlock makes 2 the least that reads it.
        unsigned(out, 0x4287, 4);
        unsigned(out, 0x4285, 2);
    });
    unknown_size(&mut out, SEGMENT);
    master(&mut out, INFO, |out| {
        unsigned(out, TIMESTAMP_SCALE, 1_000);
        text(out, MUXING_APP, "lsv");
        text(out, WRITING_APP, "lsv");
    });
    master(&mut out, TRACKS, |out| {
        for entry in entries {
            entry.write(out);
        }
    });
    out.freeze()
}

const EBML: u32 = 0x1A45_DFA3;
const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_A966;
const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
const MUXING_APP: u32 = 0x4D80;
const WRITING_APP: u32 = 0x5741;
const TRACKS: u32 = 0x1654_AE6B;
const CLUSTER: u32 = 0x1F43_B675;
const TIMESTAMP: u8 = 0xE7;
const SIMPLE_BLOCK: u8 = 0xA3;
/// In the flags of a block: decoding may start here.
const KEY: u8 = 0x80;

/// What a number of one byte holds.
const MAX_TRACKS: usize = 126;

/// Track, time and flags.
const BLOCK_HEADER_BYTES: u64 = 4;
/// The name and size of a block.
const BLOCK_PREFIX_BYTES: u64 = 1 + 8;
/// The whole element.
const TIMESTAMP_BYTES: u64 = 2 + 8;
/// All that comes before a payload.
const FRAME_OVERHEAD: usize = 12 + 10 + 9 + 4;
