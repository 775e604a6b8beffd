//! CMAF chunks: one `moof` with one `traf`, and the `mdat` with its samples (ISO/IEC 23000-19 §7.3.2.3).

use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};

use super::TRACK_ID;
use super::boxes::{full, plain};

/// One access unit on its way into a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Decoding time of the next sample less that of this one, in ticks of the track's timescale.
    pub duration: u32,
    /// Presentation time less decoding time in ticks; may be negative.
    pub composition: i32,
    /// A sync sample: decoding may start here. True of every audio sample.
    pub key: bool,
    /// The access unit in the codec's own form, below 4 GiB.
    pub payload: Bytes,
}

/// A CMAF chunk: `moof` and `mdat`. Chunks that follow each other make a fragment, a segment, a track file.
///
/// `sequence` numbers the chunks of a track upward; `base` is the decoding time of the first sample in ticks of the
/// track's timescale. Every payload is copied once.
pub fn fragment(sequence: u32, base: u64, samples: &[Sample]) -> Bytes {
    let track = TrackSamples {
        id: TRACK_ID,
        base,
        samples,
    };
    let (bytes, _) = of_tracks(sequence, &[track]);
    bytes
}

/// The same chunk with a `prft` in front of it (ISO/IEC 14496-12 §8.16.5), which tells players when its first sample was
/// `produced`: how far behind live they are does not depend on the manifest then.
pub fn timed_fragment(sequence: u32, base: u64, samples: &[Sample], produced: SystemTime) -> Bytes {
    let track = TrackSamples {
        id: TRACK_ID,
        base,
        samples,
    };
    let composition = samples.first().map_or(0, |sample| sample.composition);
    let presented = base.saturating_add_signed(i64::from(composition));
    let mut head = BytesMut::with_capacity(PRFT_SIZE);
    producer_reference_time(&mut head, produced, presented);
    let (bytes, _) = behind(&head, sequence, &[track]);
    bytes
}

/// What one track has in a fragment.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrackSamples<'a> {
    /// The track's number in the file.
    pub(super) id: u32,
    /// The decoding time of the first sample in ticks of the track's timescale.
    pub(super) base: u64,
    pub(super) samples: &'a [Sample],
}

impl TrackSamples<'_> {
    fn payload_size(&self) -> usize {
        self.samples.iter().map(|sample| sample.payload.len()).sum()
    }

    /// The size of its `traf`.
    fn header_size(&self) -> usize {
        let run = Run::of(self.samples);
        TRAF_FIXED_SIZE + run.header_fields() + run.sample_size() * self.samples.len()
    }

    /// Its `traf`; the samples lie at `data` from the start of the `moof` on.
    fn write(&self, out: &mut BytesMut, data: usize) {
        let run = Run::of(self.samples);
        plain(out, b"traf", |out| {
            full(out, b"tfhd", (0, TFHD_FLAGS), |out| {
                out.put_u32(self.id);
                out.put_u32(run.duration.unwrap_or(0));
                out.put_u32(flags_of(run.rest_key));
            });
            full(out, b"tfdt", (1, 0), |out| out.put_u64(self.base));
            full(out, b"trun", (1, run.flags()), |out| {
                out.put_u32(self.samples.len() as u32);
                out.put_u32(data as u32);
                run.write(out, self.samples);
            });
        });
    }
}

/// A fragment with one `traf` for each of `tracks`, their samples track by track in one `mdat`; and where in it the
/// first of them lies. All payloads together stay below 2 GiB.
pub(super) fn of_tracks(sequence: u32, tracks: &[TrackSamples<'_>]) -> (Bytes, usize) {
    behind(&[], sequence, tracks)
}

/// A fragment behind the boxes in `head`, and where in both together its first sample lies.
fn behind(head: &[u8], sequence: u32, tracks: &[TrackSamples<'_>]) -> (Bytes, usize) {
    let headers: usize = tracks.iter().map(TrackSamples::header_size).sum();
    let moof_size = MOOF_FIXED_SIZE + headers;
    let payload_size: usize = tracks.iter().map(TrackSamples::payload_size).sum();
    let mdat_header = MdatHeader::of(payload_size);
    let media = moof_size + mdat_header.size();
    let mut out = BytesMut::with_capacity(head.len() + media + payload_size);
    out.put_slice(head);
    plain(&mut out, b"moof", |out| {
        full(out, b"mfhd", (0, 0), |out| out.put_u32(sequence));
        let mut data = media;
        for track in tracks {
            track.write(out, data);
            data += track.payload_size();
        }
    });
    debug_assert_eq!(out.len(), head.len() + moof_size);
    mdat_header.write(&mut out);
    for sample in tracks.iter().flat_map(|track| track.samples) {
        out.put_slice(&sample.payload);
    }
    (out.freeze(), head.len() + media)
}

/// `media_time`, in ticks of the track, was produced at `wall` by the clock of UTC.
fn producer_reference_time(out: &mut BytesMut, wall: SystemTime, media_time: u64) {
    full(out, b"prft", (1, 0), |out| {
        out.put_u32(TRACK_ID);
        out.put_u64(ntp(wall));
        out.put_u64(media_time);
    });
}

/// Seconds since 1900 in 32 bits that wrap around, and their fraction in as many (RFC 5905 §6).
fn ntp(wall: SystemTime) -> u64 {
    let since_1970 = wall
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let since_1900 = since_1970.saturating_add(FROM_1900_TO_1970);
    let fraction = (u64::from(since_1900.subsec_nanos()) << 32) / 1_000_000_000;
    (since_1900.as_secs() << 32) | fraction
}

/// Which fields differ from sample to sample; the others are said once (ISO/IEC 14496-12 §8.8.8).
struct Run {
    /// The duration of all samples, if they share one.
    duration: Option<u32>,
    /// Whether the first sample is a sync sample.
    first_key: bool,
    /// Whether the samples after the first are.
    rest_key: bool,
    /// The samples after the first are not of one kind.
    mixed_keys: bool,
    /// Some sample is not presented at its decoding time.
    composition: bool,
}

impl Run {
    fn of(samples: &[Sample]) -> Self {
        let (first, rest) = match samples.split_first() {
            Some((first, rest)) => (Some(first), rest),
            None => (None, samples),
        };
        let first_key = first.is_none_or(|sample| sample.key);
        let rest_key = rest.first().map_or(first_key, |sample| sample.key);
        let duration = first.map_or(0, |sample| sample.duration);
        Self {
            duration: rest
                .iter()
                .all(|sample| sample.duration == duration)
                .then_some(duration),
            first_key,
            rest_key,
            mixed_keys: rest.iter().any(|sample| sample.key != rest_key),
            composition: samples.iter().any(|sample| sample.composition != 0),
        }
    }

    /// The first sample alone differs from the default of `tfhd`: a fragment that opens with a key frame.
    fn first_differs(&self) -> bool {
        !self.mixed_keys && self.first_key != self.rest_key
    }

    fn flags(&self) -> u32 {
        let mut flags = TRUN_DATA_OFFSET | TRUN_SIZE;
        for (present, flag) in [
            (self.first_differs(), TRUN_FIRST_FLAGS),
            (self.duration.is_none(), TRUN_DURATION),
            (self.mixed_keys, TRUN_FLAGS),
            (self.composition, TRUN_COMPOSITION),
        ] {
            if present {
                flags |= flag;
            }
        }
        flags
    }

    /// Bytes of the optional fields before the samples.
    fn header_fields(&self) -> usize {
        4 * usize::from(self.first_differs())
    }

    /// Bytes of one sample's fields.
    fn sample_size(&self) -> usize {
        let optional = [self.duration.is_none(), self.mixed_keys, self.composition];
        4 + 4 * optional.into_iter().filter(|present| *present).count()
    }

    fn write(&self, out: &mut BytesMut, samples: &[Sample]) {
        if self.first_differs() {
            out.put_u32(flags_of(self.first_key));
        }
        for sample in samples {
            if self.duration.is_none() {
                out.put_u32(sample.duration);
            }
            out.put_u32(sample.payload.len() as u32);
            if self.mixed_keys {
                out.put_u32(flags_of(sample.key));
            }
            if self.composition {
                out.put_i32(sample.composition);
            }
        }
    }
}

/// The size of `mdat` in its short form, or the long one from 4 GiB on (ISO/IEC 14496-12 §4.2).
enum MdatHeader {
    Short(u32),
    Long(u64),
}

impl MdatHeader {
    fn of(payload_size: usize) -> Self {
        u32::try_from(payload_size)
            .ok()
            .and_then(|size| size.checked_add(8))
            .map_or(Self::Long(payload_size as u64 + 16), Self::Short)
    }

    fn size(&self) -> usize {
        match self {
            Self::Short(_) => 8,
            Self::Long(_) => 16,
        }
    }

    fn write(&self, out: &mut BytesMut) {
        match *self {
            Self::Short(size) => {
                out.put_u32(size);
                out.put_slice(b"mdat");
            }
            Self::Long(size) => {
                out.put_u32(1);
                out.put_slice(b"mdat");
                out.put_u64(size);
            }
        }
    }
}

/// Sample flags (ISO/IEC 14496-12 §8.8.3.1): a sync sample depends on no other; any other depends on some and is
/// no sync sample.
fn flags_of(key: bool) -> u32 {
    if key { 0x0200_0000 } else { 0x0101_0000 }
}

const PRFT_SIZE: usize = 12 + 4 + 8 + 8;

/// Seventy years, seventeen of them leap years.
const FROM_1900_TO_1970: Duration = Duration::from_secs((70 * 365 + 17) * 86_400);

/// `moof` and `mfhd`.
const MOOF_FIXED_SIZE: usize = 8 + 16;

/// `traf`, `tfhd`, `tfdt` and `trun` up to its optional fields.
const TRAF_FIXED_SIZE: usize = 8 + 24 + 20 + 20;

/// Default base is moof; default duration and flags present (ISO/IEC 14496-12 §8.8.7).
const TFHD_FLAGS: u32 = 0x02_0000 | 0x08 | 0x20;

pub(super) const TRUN_DATA_OFFSET: u32 = 0x001;
pub(super) const TRUN_FIRST_FLAGS: u32 = 0x004;
pub(super) const TRUN_DURATION: u32 = 0x100;
pub(super) const TRUN_SIZE: u32 = 0x200;
pub(super) const TRUN_FLAGS: u32 = 0x400;
pub(super) const TRUN_COMPOSITION: u32 = 0x800;
