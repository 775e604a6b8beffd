//! The window at one moment: immutable, shared by all who read it, with its playlists rendered at most once.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use lsv_core::media::TrackName;

use super::DateRange;
use super::body::Text;
use super::cut::Cut;
use super::file::{Cache, File, Skip};
use super::listing::Listing;
use super::past::{List, Shared};
use crate::dvr::Archive;
use crate::encrypt::ContentKeys;
use crate::playlist;
use crate::playlist::rung::Rung;
use crate::segmenter::{Rendition, Report, Run, Segment, Siblings};

/// The window at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// Closed segments, oldest first: those in playlists, and before them some more for slow viewers.
    pub(crate) segments: Arc<[Arc<Segment>]>,
    /// What is older, in the object store.
    pub(crate) past: Arc<Shared>,
    pub(super) archive: Option<Archive>,
    /// The other renditions of the channel.
    pub(crate) siblings: Option<Siblings>,
    /// How far back playlists go, where that is more than `list_size`.
    pub(crate) dvr_window: Option<Duration>,
    /// Segments in memory that playlists have, if they are fit for it.
    pub(super) recent: usize,
    /// The segment that grows.
    pub(crate) open: Option<Segment>,
    /// The number of the segment that grows, or of the next one.
    pub(crate) next_sequence: u64,
    /// Segments in a playlist.
    pub(crate) list_size: usize,
    pub(crate) hls: bool,
    pub(crate) cmaf: bool,
    /// The number of the key of `next_sequence`.
    pub(crate) next_key: Option<u64>,
    /// The keys of the stream, where it has some.
    pub(super) keys: Option<Arc<ContentKeys>>,
    /// What segments aim at.
    pub(crate) target: Duration,
    /// EXT-X-TARGETDURATION.
    pub(crate) target_duration: u64,
    /// It will stay so with a regular encoder.
    pub(crate) target_known: bool,
    /// PART-TARGET.
    pub(crate) part_target: Duration,
    /// The length that the segment is expected to get that grows, or the next one.
    pub(crate) expected: Duration,
    /// When the stream started.
    pub(crate) started: SystemTime,
    /// When a segment last was closed, or a track of the one that grows began.
    pub(crate) updated: SystemTime,
    /// There will be no more.
    pub(crate) ended: bool,
    /// What playlists tell besides media.
    pub(crate) date_ranges: Arc<[DateRange]>,
    /// What there was is gone too.
    pub(super) withdrawn: bool,
    /// Only so much is shown.
    pub(crate) cut: Option<Cut>,
    pub(super) rendered: Rendered,
}

/// The playlists, each rendered when it is first asked for after a change. Snapshots share what has not changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Rendered {
    /// Changes with the segments that are closed.
    pub(super) index: Slot,
    hls: MediaSlots,
    pub(super) mpd: Slot,
    pub(super) master: Slot,
    /// Those of each track that has a playlist, made when it is first asked for.
    media: Arc<Mutex<Vec<(TrackName, MediaSlots)>>>,
}

pub(super) type Slot = Arc<OnceLock<Option<File>>>;

/// A media playlist, whole and as a delta update.
#[derive(Debug, Clone, Default)]
struct MediaSlots {
    whole: Slot,
    delta: Slot,
}

impl MediaSlots {
    fn slot(&self, skip: Skip) -> &Slot {
        match skip {
            Skip::Nothing => &self.whole,
            Skip::Segments => &self.delta,
        }
    }
}

impl Rendered {
    /// As it is after a new part; whether closed segments changed too is for the caller to know.
    pub(super) fn after_part(&self, has_segments: bool) -> Self {
        Self {
            index: Arc::clone(&self.index),
            hls: self.hls.clone(),
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

    /// As it is after a first part of a track in the segment that grows, which DASH lists then.
    pub(super) fn after_track(&self) -> Self {
        Self {
            mpd: Slot::default(),
            ..self.clone()
        }
    }

    /// The slots of the playlist of `track`, which must be a track that the stream has: viewers may ask for any.
    fn media_slots(&self, track: TrackName) -> MediaSlots {
        let mut media = self.media.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slots)) = media.iter().find(|(name, _)| *name == track) {
            return slots.clone();
        }
        let slots = MediaSlots::default();
        media.push((track, slots.clone()));
        slots
    }
}

impl Snapshot {
    /// The last segments that have MPEG-TS, as many as a playlist lists.
    pub(crate) fn listed_ts(&self) -> Listing<'_> {
        self.listing(List::Ts, |segment| segment.ts.is_some())
    }

    /// The last CMAF segments in memory, as many as a playlist lists.
    pub(crate) fn listed_cmaf(&self) -> &[Arc<Segment>] {
        self.cut_segments(self.listed(|segment| segment.cmaf))
    }

    /// The CMAF segments of a DASH manifest: the listed ones and the one that grows, once it has a part.
    pub(crate) fn listed_dash(&self) -> Vec<&Segment> {
        let closed = self.listed_cmaf().iter().map(AsRef::as_ref);
        // Before anything is closed, it is to be known at least how long segments get.
        let open = self.open.iter().filter(|_| self.target_known);
        closed
            .chain(open.filter(|open| open.cmaf && !open.renditions.is_empty()))
            .collect()
    }

    /// The numbers of the segments of a DASH manifest that have left memory.
    pub(crate) fn older_dash(&self) -> Range<u64> {
        match self.listed(|segment| segment.cmaf).len() == self.segments.len() {
            true => self.cut_numbers(self.past.listed_dash()),
            false => 0..0,
        }
    }

    /// Segments are too large for a whole list of them to be kept; a list that still fills up does not count.
    pub(crate) fn is_shortened(&self) -> bool {
        let oldest = self.segments.first();
        self.segments.len() < self.list_size
            && oldest.is_some_and(|oldest| oldest.wall() > self.started)
    }

    /// The CMAF segments of a media playlist of `track`: from the first one that is there on. All of them, as gaps, where
    /// it is silent: a player that chose it before has to be told something.
    pub(crate) fn listed_media(&self, track: TrackName) -> Listing<'_> {
        let listing = self.listing(List::Media(track), |segment| segment.cmaf);
        if !listing.older.is_empty() {
            return listing;
        }
        let listed = listing.newer;
        let has_it = |segment: &Arc<Segment>| segment.rendition(track).is_some();
        let newer = match (listed.iter().position(has_it), self.open_media(track)) {
            (Some(first), _) => listed.get(first..).unwrap_or_default(),
            (None, Some(_)) => &[],
            (None, None) => listed,
        };
        Listing { newer, ..listing }
    }

    /// The track has something in the segments of a playlist, or in the one that grows.
    pub(crate) fn is_heard(&self, track: TrackName) -> bool {
        if self.cut.is_some() {
            return self.listed_media(track).first().is_some();
        }
        let mut listed = self.listed_cmaf().iter();
        self.open_media(track).is_some() || listed.any(|segment| segment.rendition(track).is_some())
    }

    /// The growing segment's rendition of `track`, once it has a part.
    pub(crate) fn open_media(&self, track: TrackName) -> Option<(&Segment, &Rendition)> {
        let open = self.open.as_ref()?;
        Some((open, open.rendition(track)?))
    }

    /// The newest segment that has something of `track`, growing or closed.
    pub(crate) fn newest_media(&self, track: TrackName) -> Option<(&Segment, &Rendition)> {
        let closed = self.listed_media(track).newer.iter().rev();
        let closed =
            closed.filter_map(|segment| Some((segment.as_ref(), segment.rendition(track)?)));
        self.open_media(track).into_iter().chain(closed).next()
    }

    /// The newest part of `track`.
    pub(crate) fn newest_part(&self, track: TrackName) -> Option<Report> {
        let (segment, rendition) = self.newest_media(track)?;
        Some(Report {
            track,
            sequence: segment.sequence,
            part: rendition.parts.len().saturating_sub(1),
        })
    }

    /// The date of the newest frame of the segment that grows.
    pub(crate) fn newest_wall(&self) -> Option<SystemTime> {
        let open = self.open.as_ref()?;
        open.wall().checked_add(open.duration)
    }

    /// By how much what is listed comes later than its date.
    pub(crate) fn delay(&self) -> Duration {
        let siblings = self.siblings.as_ref();
        siblings.map_or(Duration::ZERO, Siblings::delay)
    }

    /// The newest part of each track under CMAF, where it is on.
    pub(crate) fn newest_parts(&self) -> Vec<Report> {
        let tracks = self.cmaf_tracks().filter(|_| self.cmaf);
        tracks.filter_map(|track| self.newest_part(track)).collect()
    }

    /// The track is so far behind in the segment that grows that nothing may come of it there any more.
    pub(crate) fn has_stopped(&self, track: TrackName) -> bool {
        let there = self.open_media(track);
        let there = there.map_or(0.0, |(_, rendition)| rendition.seconds());
        let open = self.open.as_ref();
        let whole = open.map_or(0.0, |open| open.duration.as_secs_f64());
        whole - there > STOPPED_AFTER.as_secs_f64()
    }

    /// The run of the segment that grows, or of the last one.
    pub(crate) fn newest_run(&self) -> Option<&Arc<Run>> {
        self.newest().map(|newest| &newest.run)
    }

    /// The newest run under CMAF.
    pub(crate) fn cmaf_run(&self) -> Option<&Arc<Run>> {
        if let Some(run) = self.cut_run() {
            return Some(run);
        }
        let newest = self.newest().filter(|newest| newest.cmaf);
        newest.map(|newest| &newest.run)
    }

    fn newest(&self) -> Option<&Segment> {
        let last = self.segments.last().map(AsRef::as_ref);
        self.open.as_ref().or(last)
    }

    /// The tracks of the newest run under CMAF.
    pub(crate) fn cmaf_tracks(&self) -> impl Iterator<Item = TrackName> {
        let inits = self.cmaf_run().into_iter().flat_map(|run| &run.inits);
        inits.map(|init| init.track.name())
    }

    /// The track belongs to a run of which something is left.
    pub(super) fn knows(&self, track: TrackName) -> bool {
        let closed = self.segments.iter().map(AsRef::as_ref);
        let runs = closed.chain(&self.open).map(|segment| &segment.run);
        let mut runs = runs.chain(self.past.blocks().map(|block| &block.run));
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

    /// Something of it is encrypted, or is going to be.
    pub(super) fn is_encrypted(&self) -> bool {
        let mut kept = self.segments.iter();
        self.next_key.is_some() || kept.any(|segment| segment.key.is_some())
    }

    /// The content key of that number, if something that can be fetched, or is about to be, needs it.
    pub(super) fn key(&self, number: u64) -> Option<File> {
        let closed = self.segments.iter().map(|segment| segment.key);
        let mut needed = closed.chain([self.next_key]).flatten();
        let is_needed = needed.any(|needed| needed == number) || self.past.needs_key(number);
        if !is_needed {
            return None;
        }
        Some(File::key(&self.keys.as_ref()?.key(number), number))
    }

    /// The same without anything to fetch.
    pub(super) fn withdrawn(&self) -> Self {
        Self {
            segments: Arc::default(),
            past: Arc::default(),
            open: None,
            next_key: None,
            ended: true,
            withdrawn: true,
            rendered: Rendered::default(),
            ..self.clone()
        }
    }

    pub(super) fn hls(&self, skip: Skip) -> Option<File> {
        let skip = self.honoured(skip, &self.listed_ts());
        let file = self.rendered.hls.slot(skip).get_or_init(|| {
            let body = playlist::hls::render(self, skip)?;
            Some(File::manifest(body, HLS_TYPE, self.pace()))
        });
        file.clone()
    }

    /// The master over its own MPEG-TS.
    pub(super) fn index(&self) -> Option<File> {
        let file = self.rendered.index.get_or_init(|| {
            self.listed_ts().first()?;
            let body = playlist::master::render_ts(&[Rung::alone(self)]);
            Some(self.master_file(body))
        });
        file.clone()
    }

    pub(super) fn master_file(&self, body: String) -> File {
        File::manifest(body.into(), HLS_TYPE, self.pace())
    }

    pub(super) fn mpd_file(&self, body: Text) -> File {
        File::manifest(body, MPD_TYPE, self.quick_pace())
    }

    pub(super) fn master(&self) -> Option<File> {
        let file = self.rendered.master.get_or_init(|| {
            let body = playlist::master::render(self)?;
            Some(self.master_file(body))
        });
        file.clone()
    }

    pub(super) fn mpd(&self) -> Option<File> {
        let file = self.rendered.mpd.get_or_init(|| {
            let body = playlist::mpd::render(self)?;
            Some(self.mpd_file(body))
        });
        file.clone()
    }

    pub(super) fn media(&self, track: TrackName, skip: Skip) -> Option<File> {
        if !self.knows(track) {
            return None;
        }
        let skip = self.honoured(skip, &self.listed_media(track));
        let slots = self.rendered.media_slots(track);
        let file = slots.slot(skip).get_or_init(|| {
            let body = playlist::low_latency::render(self, track, skip)?;
            Some(File::manifest(body, HLS_TYPE, self.pace()))
        });
        file.clone()
    }

    /// Half a target duration (RFC 8216bis appendix B.1): a cache then delays a player by less than the playlist is late
    /// anyway, and one that needs better asks with a blocking reload, whose answers are kept apart.
    fn pace(&self) -> Cache {
        let max_age = match self.ended {
            true => ENDED_MAX_AGE,
            false => Duration::from_secs(self.target_duration) / 2,
        };
        Cache::Manifest { max_age }
    }

    /// For low latency: not at all while the stream lives.
    fn quick_pace(&self) -> Cache {
        match self.ended {
            true => self.pace(),
            false => Cache::Manifest {
                max_age: Duration::ZERO,
            },
        }
    }
}

/// Playlist delta updates (RFC 8216bis §6.2.5.1).
impl Snapshot {
    /// CAN-SKIP-UNTIL in seconds, where playlists get long enough for anything to be skipped. By the settings rather
    /// than by what is there, so that the attribute does not come and go.
    pub(crate) fn skip_boundary(&self) -> Option<u64> {
        let list_size = u32::try_from(self.list_size).unwrap_or(u32::MAX);
        let longest = self.target.saturating_mul(list_size);
        let longest = longest.max(self.dvr_window.unwrap_or_default());
        let boundary = skip_boundary(self.target_duration);
        (longest > boundary).then_some(boundary.as_secs())
    }

    /// How many of the segments `listed` lie behind the skip boundary with their whole length: none of those in the object store,
    /// or all.
    pub(crate) fn skippable(&self, listed: &Listing<'_>) -> usize {
        let Some(boundary) = self.skip_boundary().map(Duration::from_secs) else {
            return 0;
        };
        match near(listed.newer, boundary) {
            (_, length) if length < boundary => 0,
            (near, _) => listed.count() - near,
        }
    }

    /// What is really left out of a playlist of the segments `listed` for a client that asks for `skip`.
    fn honoured(&self, skip: Skip, listed: &Listing<'_>) -> Skip {
        match self.ended || self.skippable(listed) == 0 {
            true => Skip::Nothing,
            false => skip,
        }
    }
}

impl Snapshot {
    /// What playlists have of the segments in memory, back to the first that is not `fit`.
    fn listed(&self, fit: impl Fn(&Segment) -> bool) -> &[Arc<Segment>] {
        let newest = self.segments.iter().rev().take(self.recent);
        let count = newest.take_while(|segment| fit(segment)).count();
        self.segments
            .get(self.segments.len() - count..)
            .unwrap_or_default()
    }

    /// Those that are `fit`, and those that lie before them in the object store, unless there is a break in between.
    fn listing(&self, list: List, fit: impl Fn(&Segment) -> bool) -> Listing<'_> {
        let newer = self.listed(fit);
        let older = match newer.len() == self.segments.len() {
            true => self.cut_numbers(self.past.listed(list)),
            false => 0..0,
        };
        Listing {
            list,
            older,
            past: &self.past,
            newer: self.cut_segments(newer),
        }
    }
}

/// CAN-SKIP-UNTIL where segments are so long.
pub(super) fn skip_boundary(target_duration: u64) -> Duration {
    Duration::from_secs(target_duration.saturating_mul(SKIP_TARGET_DURATIONS))
}

/// How many of the newest `segments` are as long as `boundary`, and how long they are: less where all are shorter.
pub(super) fn near<'a>(
    segments: impl IntoIterator<Item = &'a Arc<Segment>, IntoIter: DoubleEndedIterator>,
    boundary: Duration,
) -> (usize, Duration) {
    let (mut count, mut length) = (0, Duration::ZERO);
    for segment in segments.into_iter().rev() {
        if length >= boundary {
            break;
        }
        count += 1;
        length += segment.duration;
    }
    (count, length)
}

const HLS_TYPE: &str = "application/vnd.apple.mpegurl";
const MPD_TYPE: &str = "application/dash+xml";

/// A sound that lags behind the pictures by more, as it comes, has no hints.
const STOPPED_AFTER: Duration = Duration::from_secs(1);

/// The least that CAN-SKIP-UNTIL may be (RFC 8216bis §4.4.3.8).
const SKIP_TARGET_DURATIONS: u64 = 6;

/// A stream that ended may come back under the same address, so not for long.
const ENDED_MAX_AGE: Duration = Duration::from_secs(5);
