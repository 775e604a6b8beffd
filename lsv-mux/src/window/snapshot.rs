//! The window at one moment: immutable, shared by all who read it, with its playlists rendered at most once.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use lsv_core::media::TrackName;

use super::file::{Cache, File};
use crate::playlist;
use crate::segmenter::{Rendition, Run, Segment};

/// The window at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// Closed segments, oldest first: those in playlists, and before them some more for slow viewers.
    pub(crate) segments: Arc<[Arc<Segment>]>,
    /// The segment that grows.
    pub(crate) open: Option<Segment>,
    /// The number of the segment that grows, or of the next one.
    pub(crate) next_sequence: u64,
    /// Segments in a playlist.
    pub(crate) list_size: usize,
    pub(crate) hls: bool,
    pub(crate) cmaf: bool,
    /// What segments aim at.
    pub(crate) target: Duration,
    /// EXT-X-TARGETDURATION.
    pub(crate) target_duration: u64,
    /// It will stay so with a regular encoder.
    pub(crate) target_known: bool,
    /// PART-TARGET.
    pub(crate) part_target: Duration,
    /// When the stream started.
    pub(crate) started: SystemTime,
    /// When a segment last was closed.
    pub(crate) updated: SystemTime,
    /// There will be no more.
    pub(crate) ended: bool,
    /// What there was is gone too.
    pub(super) withdrawn: bool,
    pub(super) rendered: Rendered,
}

/// The playlists, each rendered when it is first asked for after a change. Snapshots share what has not changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Rendered {
    hls: Slot,
    mpd: Slot,
    master: Slot,
    /// A slot for each track that has a playlist, made when it is first asked for.
    media: Arc<Mutex<Vec<(TrackName, Slot)>>>,
}

type Slot = Arc<OnceLock<Option<File>>>;

impl Rendered {
    /// As it is after a new part; whether closed segments changed too is for the caller to know.
    pub(super) fn after_part(&self, has_segments: bool) -> Self {
        Self {
            hls: Arc::clone(&self.hls),
            mpd: Arc::clone(&self.mpd),
            // Before the first segment, the master is measured from parts.
            master: if has_segments {
                Arc::clone(&self.master)
            } else {
                Slot::default()
            },
            ..Self::default()
        }
    }

    /// The slot of the playlist of `track`, which must be a track that the stream has: viewers may ask for any.
    fn media_slot(&self, track: TrackName) -> Slot {
        let mut slots = self.media.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slot)) = slots.iter().find(|(name, _)| *name == track) {
            return Arc::clone(slot);
        }
        let slot = Slot::default();
        slots.push((track, Arc::clone(&slot)));
        slot
    }
}

impl Snapshot {
    /// The last segments that have MPEG-TS, as many as a playlist lists.
    pub(crate) fn listed_ts(&self) -> &[Arc<Segment>] {
        self.listed(|segment| segment.ts.is_some())
    }

    /// The last CMAF segments, as many as a playlist lists.
    pub(crate) fn listed_cmaf(&self) -> &[Arc<Segment>] {
        self.listed(|segment| segment.cmaf)
    }

    /// Segments are too large for a whole list of them to be kept; a list that still fills up does not count.
    pub(crate) fn is_shortened(&self) -> bool {
        let oldest = self.segments.first();
        self.segments.len() < self.list_size
            && oldest.is_some_and(|oldest| oldest.wall() > self.started)
    }

    /// The CMAF segments of a media playlist of `track`: from the first one that is there on.
    pub(crate) fn listed_media(&self, track: TrackName) -> &[Arc<Segment>] {
        let listed = self.listed_cmaf();
        let gaps = listed
            .iter()
            .take_while(|segment| segment.rendition(track).is_none())
            .count();
        listed.get(gaps..).unwrap_or_default()
    }

    /// The growing segment's rendition of `track`, once it has a part.
    pub(crate) fn open_media(&self, track: TrackName) -> Option<(&Segment, &Rendition)> {
        let open = self.open.as_ref()?;
        Some((open, open.rendition(track)?))
    }

    /// The newest run under CMAF.
    pub(crate) fn cmaf_run(&self) -> Option<&Arc<Run>> {
        let last = self.segments.last().map(AsRef::as_ref);
        let newest = self.open.as_ref().or(last)?;
        newest.cmaf.then_some(&newest.run)
    }

    /// The tracks of the newest run under CMAF.
    pub(crate) fn cmaf_tracks(&self) -> impl Iterator<Item = TrackName> {
        let inits = self.cmaf_run().into_iter().flat_map(|run| &run.inits);
        inits.map(|init| init.track.name())
    }

    /// The track belongs to a run of which something is left.
    fn knows(&self, track: TrackName) -> bool {
        let closed = self.segments.iter().map(AsRef::as_ref);
        let mut runs = closed.chain(&self.open).map(|segment| &segment.run);
        runs.any(|run| run.init(track).is_some())
    }

    /// The kept segment of that number.
    pub(crate) fn segment(&self, sequence: u64) -> Option<&Segment> {
        let first = self.segments.first()?.sequence;
        let index = usize::try_from(sequence.checked_sub(first)?).ok()?;
        self.segments.get(index).map(AsRef::as_ref)
    }

    /// The segment of that number, closed or growing.
    pub(crate) fn any_segment(&self, sequence: u64) -> Option<&Segment> {
        let open = self.open.as_ref().filter(|open| open.sequence == sequence);
        open.or_else(|| self.segment(sequence))
    }

    /// The same without anything to fetch.
    pub(super) fn withdrawn(&self) -> Self {
        Self {
            segments: Arc::default(),
            open: None,
            ended: true,
            withdrawn: true,
            rendered: Rendered::default(),
            ..self.clone()
        }
    }

    pub(super) fn hls(&self) -> Option<File> {
        let file = self.rendered.hls.get_or_init(|| {
            let body = playlist::hls::render(self)?;
            Some(File::manifest(body, HLS_TYPE, self.pace()))
        });
        file.clone()
    }

    pub(super) fn master(&self) -> Option<File> {
        let file = self.rendered.master.get_or_init(|| {
            let body = playlist::master::render(self)?;
            Some(File::manifest(body, HLS_TYPE, self.pace()))
        });
        file.clone()
    }

    pub(super) fn mpd(&self) -> Option<File> {
        let file = self.rendered.mpd.get_or_init(|| {
            let body = playlist::mpd::render(self)?;
            Some(File::manifest(body, MPD_TYPE, self.pace()))
        });
        file.clone()
    }

    pub(super) fn media(&self, track: TrackName) -> Option<File> {
        if !self.knows(track) {
            return None;
        }
        let slot = self.rendered.media_slot(track);
        let file = slot.get_or_init(|| {
            let body = playlist::low_latency::render(self, track)?;
            let pace = if self.ended {
                self.pace()
            } else {
                Cache::Manifest {
                    max_age: Duration::ZERO,
                }
            };
            Some(File::manifest(body, HLS_TYPE, pace))
        });
        file.clone()
    }

    /// Half a target duration: a cache then delays a player by less than the playlist is late anyway.
    fn pace(&self) -> Cache {
        let max_age = if self.ended {
            ENDED_MAX_AGE
        } else {
            self.target / 2
        };
        Cache::Manifest { max_age }
    }
}

impl Snapshot {
    /// The last `list_size` segments, back to the first that is not `fit`.
    fn listed(&self, fit: impl Fn(&Segment) -> bool) -> &[Arc<Segment>] {
        let newest = self.segments.iter().rev().take(self.list_size);
        let count = newest.take_while(|segment| fit(segment)).count();
        self.segments
            .get(self.segments.len() - count..)
            .unwrap_or_default()
    }
}

const HLS_TYPE: &str = "application/vnd.apple.mpegurl";
const MPD_TYPE: &str = "application/dash+xml";

/// A stream that ended may come back under the same address, so not for long.
const ENDED_MAX_AGE: Duration = Duration::from_secs(5);
