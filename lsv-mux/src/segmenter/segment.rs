//! What the segmenter makes: runs, segments, renditions and parts, all cheap to share.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lsv_core::media::{Kind, Track, TrackName};
use lsv_core::time::Timestamp;

/// A stretch of a stream without discontinuity: one epoch under one set of codec configurations.
#[derive(Debug)]
pub struct Run {
    /// Counts the discontinuities before it: the discontinuity sequence number of its segments.
    pub number: u64,
    /// When its first frame arrived.
    pub start: SystemTime,
    /// The presentation time of that frame.
    pub origin: Timestamp,
    /// Presentation time less decoding time of that frame: by how much the wall clock of a decoding time lies behind.
    pub composition: Timestamp,
    /// The CMAF headers of its tracks, as far as CMAF carries them: video, then default audio, then other audio.
    pub inits: Vec<Arc<Init>>,
    /// MPEG-TS carries some of its tracks.
    pub ts: bool,
}

impl Run {
    /// The wall clock at `at` on the stream's timeline.
    pub fn wall(&self, at: Timestamp) -> SystemTime {
        let after = self.start.checked_add(at.since(self.origin));
        let wall = after.and_then(|wall| wall.checked_sub(self.origin.since(at)));
        wall.unwrap_or(self.start)
    }

    /// The CMAF header of a track.
    pub fn init(&self, name: TrackName) -> Option<&Arc<Init>> {
        self.inits.iter().find(|init| init.track.name() == name)
    }

    /// The CMAF header of its video.
    pub fn video(&self) -> Option<&Arc<Init>> {
        self.of_kind(Kind::Video).next()
    }

    /// The CMAF headers of its audio, the default track first.
    pub fn audio(&self) -> impl Iterator<Item = &Arc<Init>> {
        self.of_kind(Kind::Audio)
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Arc<Init>> {
        self.inits
            .iter()
            .filter(move |init| init.track.kind == kind)
    }
}

/// A CMAF header: what a player needs before the first segment of a track (ISO/IEC 23000-19 §7.3.1).
#[derive(Debug)]
pub struct Init {
    /// Names it: the media sequence number of the first segment that needs it.
    pub number: u64,
    /// `ftyp` and `moov`.
    pub bytes: Bytes,
    /// The track that it describes.
    pub track: Arc<Track>,
    /// Ticks a second of the track.
    pub timescale: u32,
}

/// A segment in every format that is on, closed or still growing. Formats share boundaries and numbers.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its media sequence number.
    pub sequence: u64,
    /// The run that it belongs to.
    pub run: Arc<Run>,
    /// A discontinuity lies in front of it.
    pub discontinuity: bool,
    /// Where it starts on the stream's timeline: when its first frame is decoded, later by [`Run::composition`]. Within a run
    /// the next one starts [`Segment::duration`] later, whichever picture is shown first.
    pub start: Timestamp,
    /// The time to the next segment's start; what is there so far while it grows.
    pub duration: Duration,
    /// CMAF is on: a rendition that is missing is a gap, not a format turned off.
    pub cmaf: bool,
    /// The number of the key that its media is encrypted with; the segmenter itself encrypts nothing.
    pub key: Option<u64>,
    /// The MPEG-TS segment; never before it closes.
    pub ts: Option<TsSegment>,
    /// The CMAF tracks in the order of [`Run::inits`]; one that has sent nothing here is missing.
    pub renditions: Vec<Rendition>,
    /// Script data messages that came while it grew, in their order; some may lie in a neighbour's time.
    pub events: Vec<Event>,
}

impl Segment {
    /// The CMAF rendition of a track.
    pub fn rendition(&self, name: TrackName) -> Option<&Rendition> {
        self.renditions
            .iter()
            .find(|rendition| rendition.init.track.name() == name)
    }

    /// The CMAF rendition of its video.
    pub fn video(&self) -> Option<&Rendition> {
        self.of_kind(Kind::Video)
    }

    /// The CMAF rendition of the first audio track that it has.
    pub fn audio(&self) -> Option<&Rendition> {
        self.of_kind(Kind::Audio)
    }

    fn of_kind(&self, kind: Kind) -> Option<&Rendition> {
        let mut renditions = self.renditions.iter();
        renditions.find(|rendition| rendition.init.track.kind == kind)
    }

    /// The wall clock at its start.
    pub fn wall(&self) -> SystemTime {
        self.run.wall(self.start)
    }

    /// The bytes that it holds in memory.
    pub fn size(&self) -> usize {
        let ts = self.ts.as_ref().map_or(0, |ts| ts.bytes.len());
        let events: usize = self.events.iter().map(|event| event.body.len()).sum();
        // Encrypted, a rendition as a whole is no longer its parts side by side.
        let whole = |rendition: &Rendition| self.key.map_or(0, |_| rendition.bytes.len());
        let cmaf = self.renditions.iter();
        let cmaf = cmaf.map(|rendition| rendition.size() + whole(rendition));
        ts + events + cmaf.sum::<usize>()
    }
}

/// A script data message at its place on the timeline: text, a cue point, an SCTE-35 command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it is due.
    pub at: Timestamp,
    /// The message as in an FLV script tag: the AMF0 name, then the values.
    pub body: Bytes,
}

/// A segment as MPEG-TS, all tracks in one.
#[derive(Debug, Clone)]
pub struct TsSegment {
    /// The packets.
    pub bytes: Bytes,
    /// How many pictures it has.
    pub pictures: u32,
    /// It opens with a key frame.
    pub independent: bool,
}

/// The part of a segment that is one CMAF track.
#[derive(Debug, Clone)]
pub struct Rendition {
    /// The header of its track.
    pub init: Arc<Init>,
    /// The decoding time of its first sample in ticks.
    pub base: i64,
    /// The presentation time of its first sample in ticks.
    pub start: i64,
    /// The sum of its samples' durations in ticks.
    pub duration: u64,
    /// How many samples it has.
    pub samples: u32,
    /// It opens with a key frame.
    pub independent: bool,
    /// Its parts; once the segment is closed they are slices of `bytes`, unless they are encrypted.
    pub parts: Vec<Part>,
    /// All parts in one; empty until the segment is closed.
    pub bytes: Bytes,
}

impl Rendition {
    /// Its length in seconds.
    pub fn seconds(&self) -> f64 {
        self.duration as f64 / f64::from(self.init.timescale)
    }

    /// It still grows.
    pub fn is_open(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where it starts on the stream's timeline.
    pub fn start(&self) -> Timestamp {
        self.timestamp(self.start)
    }

    /// When its first sample is decoded on the stream's timeline, pictures later by [`Run::composition`]: as for
    /// [`Segment::start`], the next one starts [`Rendition::seconds`] later.
    pub fn steady_start(&self, run: &Run) -> Timestamp {
        let decoded = self.timestamp(self.base);
        match self.init.track.kind {
            Kind::Video => decoded + run.composition,
            Kind::Audio | Kind::Data => decoded,
        }
    }

    fn timestamp(&self, ticks: i64) -> Timestamp {
        let nanos = i128::from(ticks) * 1_000_000_000 / i128::from(self.init.timescale.max(1));
        Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// Where it starts in ticks as a DASH timeline has it, which knows no time before zero.
    pub fn first_time(&self) -> u64 {
        u64::try_from(self.start).unwrap_or(0)
    }

    /// The bytes of its parts.
    pub fn size(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.len()).sum()
    }

    /// Puts the parts side by side in memory, once, so that the segment is at hand as one.
    pub(super) fn join(&mut self) {
        let mut whole = Vec::with_capacity(self.size());
        for part in &self.parts {
            whole.extend_from_slice(&part.bytes);
        }
        self.bytes = Bytes::from(whole);
        let mut rest = self.bytes.clone();
        for part in &mut self.parts {
            part.bytes = rest.split_to(part.bytes.len());
        }
    }
}

/// A partial segment of low-latency HLS (RFC 8216bis §4.4.4.9): one CMAF chunk.
#[derive(Debug, Clone)]
pub struct Part {
    /// `prft`, `moof` and `mdat`.
    pub bytes: Bytes,
    /// The sum of its samples' durations in ticks.
    pub duration: u64,
    /// It has a key frame.
    pub independent: bool,
}
