//! Frames of all tracks in, fragments out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lsv_core::media::{Kind, MediaFrame, Track};
use lsv_core::time::Timestamp;

use super::Header;
use super::index::{Chunk, Entry};
use crate::Error;
use crate::mp4::fragment::{self, TrackSamples};
use crate::mp4::{self, Sample};
use crate::segmenter::clock::{Clock, Timed};
use crate::segmenter::pace::Pace;

/// How long fragments get: as much is lost at most when a process is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// A fragment ends with the group of pictures once it has half of this length, and without waiting for a key frame
    /// once it has all of it. 2 s.
    pub fragment: Duration,
    /// Bytes of payload after which it ends in any case, 16 MiB.
    pub fragment_bytes: usize,
    /// Samples, likewise: what a publisher sends that makes frames of some bytes. 8,192.
    pub fragment_samples: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fragment: Duration::from_secs(2),
            fragment_bytes: 16 << 20,
            fragment_samples: 8_192,
        }
    }
}

/// Turns the frames of a fixed set of tracks into fragments of one file.
///
/// The file's time begins with the earliest frame of its first fragment. Pictures from RTMP's clock of whole milliseconds
/// are placed where their rate says that they are, at most a millisecond from their own time; where there is no regular
/// rate they stay as they are.
#[derive(Debug)]
pub struct Fragmenter {
    options: Options,
    header: Header,
    lanes: Vec<Lane>,
    /// Whose frames decide where fragments end.
    leader: usize,
    sequence: u32,
    /// The zero of the file on the stream's timeline, once there is a fragment.
    origin: Option<Timestamp>,
    /// The earliest and latest decoding times of the fragment that grows.
    span: Option<(Timestamp, Timestamp)>,
    bytes: usize,
    samples: usize,
}

/// A track and what of it waits for its fragment.
#[derive(Debug)]
struct Lane {
    track: Arc<Track>,
    /// Of pictures.
    pace: Option<Pace>,
    clock: Clock,
    pending: Vec<Sample>,
    /// The decoding time of the first that waits, and the end of the last there was.
    base: i64,
    end: i64,
}

impl Fragmenter {
    /// A fragmenter for frames of `tracks`, of which the first video track leads, or else the first.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a track that MP4 does not carry, or for no track at all.
    pub fn new(tracks: &[Arc<Track>], options: Options) -> Result<Self, Error> {
        let leader = tracks.iter().position(|track| track.kind == Kind::Video);
        if tracks.is_empty() {
            return Err(Error::NoTracks);
        }
        Ok(Self {
            options,
            header: Header::new(tracks)?,
            lanes: tracks.iter().map(Lane::new).collect(),
            leader: leader.unwrap_or(0),
            sequence: 0,
            origin: None,
            span: None,
            bytes: 0,
            samples: 0,
        })
    }

    /// A fragmenter for the file that goes on where this one's ends: what is known of the tracks' rates is kept.
    #[cfg(feature = "record")]
    pub(crate) fn successor(&self) -> Self {
        Self {
            options: self.options.clone(),
            header: self.header.clone(),
            lanes: self.lanes.iter().map(Lane::successor).collect(),
            leader: self.leader,
            sequence: 0,
            origin: None,
            span: None,
            bytes: 0,
            samples: 0,
        }
    }

    /// Whether a file can have `track` as it is.
    pub fn carries(track: &Track) -> bool {
        super::Description::of(track, 1).is_ok()
    }

    /// What the file opens with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The tracks that it was made for, in their order.
    pub fn tracks(&self) -> Vec<Arc<Track>> {
        self.lanes
            .iter()
            .map(|lane| Arc::clone(&lane.track))
            .collect()
    }

    /// Whether `track`, under this very configuration, is one of the file's.
    pub fn knows(&self, track: &Arc<Track>) -> bool {
        self.lane(track).is_some()
    }

    /// Whether frames of `track` decide where fragments end.
    pub fn is_led_by(&self, track: &Track) -> bool {
        self.lanes
            .get(self.leader)
            .is_some_and(|lane| (lane.track.kind, lane.track.id) == (track.kind, track.id))
    }

    /// Takes the next frame. Gives the fragment in front of it where one ends here. A frame without bytes is left out.
    ///
    /// # Errors
    /// [`Error::UnknownTrack`] where the header does not describe the frame's track; it takes a new file.
    pub fn push(&mut self, frame: &MediaFrame) -> Result<Option<Fragment>, Error> {
        let index = self.lane(&frame.track).ok_or(Error::UnknownTrack)?;
        if frame.payload.is_empty() {
            return Ok(None);
        }
        let placed = self.lanes.get_mut(index).map(|lane| lane.place(frame));
        let frame = &placed.ok_or(Error::UnknownTrack)?;
        let done = match self.is_due(index, frame) {
            true => self.cut_at(index, frame),
            false => None,
        };
        let (first, last) = self.span.unwrap_or((frame.dts, frame.dts));
        self.span = Some((first.min(frame.dts), last.max(frame.dts)));
        self.bytes += frame.payload.len();
        self.samples += 1;
        if let Some(lane) = self.lanes.get_mut(index) {
            let timed = lane.clock.push(frame);
            lane.add(timed);
        }
        Ok(done)
    }

    /// Ends the fragment in front of `next`, which is not pushed yet: its track's frame before gets its true length.
    pub fn cut(&mut self, next: &MediaFrame) -> Option<Fragment> {
        let index = self.lane(&next.track)?;
        let next = self.lanes.get(index)?.foresee(next);
        self.cut_at(index, &next)
    }

    /// Ends the file in front of `next`, which belongs to another one or is not there: gives what is left.
    pub fn finish(&mut self, next: Option<&MediaFrame>) -> Option<Fragment> {
        for lane in &mut self.lanes {
            let next = next.filter(|next| lane.is_of(&next.track));
            let next = next.map(|next| lane.foresee(next));
            lane.settle(next.as_ref());
        }
        self.fragment()
    }

    /// Ends the fragment in front of `next`, which was placed already.
    fn cut_at(&mut self, index: usize, next: &MediaFrame) -> Option<Fragment> {
        self.lanes.get_mut(index)?.settle(Some(next));
        self.fragment()
    }

    fn lane(&self, track: &Arc<Track>) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.is_of(track))
    }

    fn is_due(&self, index: usize, frame: &MediaFrame) -> bool {
        let Some((first, _)) = self.span else {
            return false;
        };
        let (elapsed, whole) = (frame.dts.since(first), self.options.fragment);
        let long_enough = match index == self.leader {
            true if frame.key => elapsed >= whole / 2,
            true => elapsed >= whole,
            // A leader that fell silent is not waited for.
            false => elapsed >= whole * 2,
        };
        long_enough
            || self.bytes.saturating_add(frame.payload.len()) > self.options.fragment_bytes
            || self.samples >= self.options.fragment_samples
    }

    /// What waits, as a fragment.
    fn fragment(&mut self) -> Option<Fragment> {
        if self.lanes.iter().all(|lane| lane.pending.is_empty()) {
            return None;
        }
        let (first, last) = self.span.take()?;
        let origin = *self.origin.get_or_insert(first);
        self.sequence = self.sequence.wrapping_add(1);
        let parts: Vec<(usize, u64)> = self
            .lanes
            .iter()
            .enumerate()
            .filter(|(_, lane)| !lane.pending.is_empty())
            .map(|(index, lane)| (index, lane.base_since(origin)))
            .collect();
        let tracks: Vec<TrackSamples<'_>> = parts
            .iter()
            .filter_map(|&(index, base)| {
                let samples = &self.lanes.get(index)?.pending;
                Some(TrackSamples {
                    id: index as u32 + 1,
                    base,
                    samples,
                })
            })
            .collect();
        let (bytes, mut offset) = fragment::of_tracks(self.sequence, &tracks);
        let independent = self.lanes.get(self.leader).is_some_and(|lane| {
            let first = lane.pending.first();
            first.is_some_and(|sample| sample.key)
        });
        let mut chunks = Vec::with_capacity(parts.len());
        for (index, base) in parts {
            let Some(lane) = self.lanes.get_mut(index) else {
                continue;
            };
            let entries: Vec<Entry> = lane.pending.drain(..).map(Entry::from).collect();
            let size: usize = entries.iter().map(|entry| entry.size as usize).sum();
            chunks.push(Chunk {
                track: index,
                offset: offset as u64,
                base,
                entries,
            });
            offset += size;
        }
        self.bytes = 0;
        self.samples = 0;
        Some(Fragment {
            bytes,
            start: first,
            end: last,
            independent,
            chunks,
        })
    }
}

impl Lane {
    fn new(track: &Arc<Track>) -> Self {
        let said = track.codec.picture().and_then(|it| it.frame_rate_millis);
        Self {
            track: Arc::clone(track),
            pace: (track.kind == Kind::Video).then(|| Pace::new(said)),
            clock: Clock::new(track),
            pending: Vec::new(),
            base: 0,
            end: i64::MIN,
        }
    }

    #[cfg(feature = "record")]
    fn successor(&self) -> Self {
        Self {
            pace: self.pace.clone(),
            ..Self::new(&self.track)
        }
    }

    fn is_of(&self, track: &Arc<Track>) -> bool {
        Arc::ptr_eq(&self.track, track) || self.track.decodes_like(track)
    }

    /// `frame` at its true time, as the next one of the track.
    fn place(&mut self, frame: &MediaFrame) -> MediaFrame {
        let mut frame = frame.clone();
        if let Some(pace) = &mut self.pace {
            pace.place(&mut frame);
        }
        frame
    }

    /// `next` where it is going to be placed once it is pushed.
    fn foresee(&self, next: &MediaFrame) -> MediaFrame {
        let mut next = next.clone();
        if let Some(mut pace) = self.pace.clone() {
            pace.place(&mut next);
        }
        next
    }

    /// Gives the frame that is held back its length: until `next`, which was placed.
    fn settle(&mut self, next: Option<&MediaFrame>) {
        let timed = self.clock.settle(next);
        self.add(timed);
    }

    fn add(&mut self, timed: Option<Timed>) {
        let Some(Timed { ticks, mut sample }) = timed else {
            return;
        };
        // What a clock places a little too early goes where there is room; it is shown when it was to be.
        let placed = ticks.max(self.end);
        let late = i32::try_from(placed.saturating_sub(ticks)).unwrap_or(0);
        sample.composition = sample.composition.saturating_sub(late);
        match self.pending.last_mut() {
            // Time in which nothing comes belongs to the sample before it.
            Some(before) => {
                let gap = u32::try_from(placed.saturating_sub(self.end)).unwrap_or(u32::MAX);
                before.duration = before.duration.saturating_add(gap);
            }
            None => self.base = placed,
        }
        self.end = placed.saturating_add(i64::from(sample.duration));
        self.pending.push(sample);
    }

    fn base_since(&self, origin: Timestamp) -> u64 {
        let origin = origin.to_scale(mp4::timescale(&self.track));
        u64::try_from(self.base.saturating_sub(origin)).unwrap_or(0)
    }
}

/// A stretch of a recording, of all tracks: a `moof` and its `mdat`.
#[derive(Debug, Clone)]
pub struct Fragment {
    bytes: Bytes,
    start: Timestamp,
    end: Timestamp,
    independent: bool,
    pub(super) chunks: Vec<Chunk>,
}

impl Fragment {
    /// `moof` and `mdat`.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The earliest decoding time in it.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The latest decoding time in it: where its last frame begins.
    pub fn end(&self) -> Timestamp {
        self.end
    }

    /// The time from the first frame in it to where the last begins.
    #[cfg(feature = "record")]
    pub(crate) fn length(&self) -> Duration {
        self.end.since(self.start)
    }

    /// It opens with a key frame of the leading track.
    pub fn is_independent(&self) -> bool {
        self.independent
    }

    /// How many samples it has, of all tracks.
    pub fn samples(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.entries.len()).sum()
    }

    /// The bytes that it takes in memory.
    pub fn size(&self) -> usize {
        self.bytes.len() + size_of::<Self>() + self.samples() * size_of::<Entry>()
    }
}
