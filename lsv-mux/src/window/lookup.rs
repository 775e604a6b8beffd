//! Finds a file in a snapshot, or says whether waiting for it makes sense.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lsv_core::media::{Kind, TrackName};

use super::cut::Cutting;
use super::name::Name;
use super::past::Entry;
use super::snapshot::Snapshot;
use super::stored::Stored;
use super::{Cache, File, FileError, Opened, Reload};
use crate::segmenter::{Rendition, Run, Segment};

/// What a snapshot says of a file.
#[derive(Debug)]
pub(super) enum Lookup {
    /// Here it is.
    Found(File),
    /// The object store has it.
    Stored(Stored),
    /// It is about to come.
    Wait,
    /// It cannot be had.
    Refused(FileError),
}

impl Lookup {
    /// The answer, unless it is to be waited for.
    pub(super) fn answer(self) -> Option<Result<Opened, FileError>> {
        match self {
            Self::Found(file) => Some(Ok(Opened::Whole(file))),
            Self::Stored(stored) => Some(Ok(Opened::Stored(stored))),
            Self::Refused(error) => Some(Err(error)),
            Self::Wait => None,
        }
    }
}

impl From<Option<File>> for Lookup {
    fn from(file: Option<File>) -> Self {
        file.map_or(Self::Refused(FileError::NotFound), Self::Found)
    }
}

impl From<Option<Stored>> for Lookup {
    fn from(stored: Option<Stored>) -> Self {
        stored.map_or(Self::Refused(FileError::NotFound), Self::Stored)
    }
}

impl Snapshot {
    /// Looks for `name`, in what a clip is cut out of, if it lists segments.
    pub(super) fn lookup(&self, name: Name, reload: Reload) -> Lookup {
        let Some(clip) = reload.clip.filter(|_| name.is_list()) else {
            return self.look(name, reload);
        };
        if self.newest_run().is_none() && !self.ended {
            return Lookup::Wait;
        }
        match self.cut(clip) {
            Cutting::Of(cut) => match cut.look(name, reload) {
                // What is to come does not belong to it.
                Lookup::Wait if cut.ended => Lookup::Refused(FileError::OutsideWindow),
                found => found,
            },
            Cutting::Soon => Lookup::Wait,
            Cutting::Nothing => Lookup::Refused(FileError::OutsideWindow),
        }
    }

    fn look(&self, name: Name, reload: Reload) -> Lookup {
        let name = match name {
            Name::Index if self.cmaf => Name::Master,
            name => name,
        };
        let enabled = self.cmaf && name.is_cmaf() || self.hls && name.is_ts();
        if !enabled {
            return Lookup::Refused(FileError::Disabled);
        }
        if name.is_dash() && self.is_encrypted() {
            return Lookup::Refused(FileError::Encrypted);
        }
        let found = match name {
            Name::Index => self.manifest(self.index(), |run| run.ts),
            Name::Hls => self.ts_playlist(reload),
            Name::Master => self.manifest(self.master(), has_cmaf),
            Name::Mpd => self.manifest(self.mpd(), has_cmaf),
            Name::Media(track) => self.media_playlist(track, reload),
            Name::Init(track, number) => self.init(track, number).into(),
            Name::Segment(track, sequence) => self.whole(track, sequence),
            Name::At(track, init, start) => self.at(track, init, start),
            Name::Part(track, sequence, part) => self.part(track, sequence, part),
            Name::Ts(sequence) => self.ts(sequence),
            Name::Key(number) => self.key(number).into(),
        };
        match found {
            Lookup::Wait if self.ended => Lookup::Refused(FileError::Ended),
            found => found,
        }
    }

    /// A manifest that is not there yet will come with the first segments, if their run has what it is of.
    fn manifest(&self, file: Option<File>, has: impl Fn(&Run) -> bool) -> Lookup {
        match (file, self.newest_run()) {
            (Some(file), _) => Lookup::Found(file),
            (None, Some(run)) if !has(run) => Lookup::Refused(FileError::Uncarried),
            (None, _) => Lookup::Wait,
        }
    }

    fn ts_playlist(&self, reload: Reload) -> Lookup {
        // There are no parts here.
        let reload = Reload {
            part: None,
            ..reload
        };
        self.reloaded(
            reload,
            0,
            |_| None,
            || self.manifest(self.hls(reload.skip), |run| run.ts),
        )
    }

    fn media_playlist(&self, track: TrackName, reload: Reload) -> Lookup {
        let growing = self.open_media(track);
        let parts = growing.map_or(0, |(_, rendition)| rendition.parts.len());
        let parts_of = |segment: &Segment| Some(segment.rendition(track)?.parts.len());
        self.reloaded(reload, parts, parts_of, || {
            match self.knows(track) {
                true => self.manifest(self.media(track, reload.skip), has_cmaf),
                // A run that is about to come may have it.
                false if self.newest_run().is_none() => Lookup::Wait,
                false => Lookup::Refused(FileError::NotFound),
            }
        })
    }

    /// The playlist, once it has what a blocking reload asks for. `parts` are there of the segment that grows, and
    /// `parts_of` a closed one.
    fn reloaded(
        &self,
        reload: Reload,
        parts: usize,
        parts_of: impl Fn(&Segment) -> Option<usize>,
        playlist: impl FnOnce() -> Lookup,
    ) -> Lookup {
        match self.has(reload, parts, parts_of) {
            Ok(true) => {}
            Ok(false) => return Lookup::Wait,
            Err(error) => return Lookup::Refused(error),
        }
        match playlist() {
            Lookup::Found(file) if reload.msn.is_some() && !self.ended => Lookup::Found(File {
                // The query names this state of the playlist, so it may be kept (RFC 8216bis appendix B.1).
                cache: Cache::Manifest {
                    max_age: Duration::from_secs(
                        self.target_duration.saturating_mul(BLOCKING_MAX_AGE),
                    ),
                },
                ..file
            }),
            other => other,
        }
    }

    /// Whether the playlist has what a blocking reload asks for (RFC 8216bis §6.2.5.2).
    fn has(
        &self,
        reload: Reload,
        parts: usize,
        parts_of: impl Fn(&Segment) -> Option<usize>,
    ) -> Result<bool, FileError> {
        let (msn, part) = match (reload.msn, reload.part) {
            (None, None) => return Ok(true),
            (None, Some(_)) => return Err(FileError::BadReload),
            (Some(msn), part) => (msn, part),
        };
        if self.ended {
            return Ok(true);
        }
        let edge = self.next_sequence;
        let ahead =
            u64::from(part.unwrap_or(0)).saturating_sub(if msn == edge { parts as u64 } else { 0 });
        if msn > edge.saturating_add(1) || (msn >= edge && ahead > self.advance_part_limit()) {
            return Err(FileError::BadReload);
        }
        let Some(part) = part else {
            return Ok(msn < edge);
        };
        if msn >= edge {
            return Ok(msn == edge && parts > part as usize);
        }
        // A part past the end of its segment is the first part of the next one.
        let closed = self.segment(msn).and_then(parts_of);
        let past_end = closed.is_some_and(|closed| closed <= part as usize);
        Ok(!past_end || msn + 1 < edge || parts > 0)
    }

    /// How many parts ahead a reload may ask for.
    fn advance_part_limit(&self) -> u64 {
        let target = self.part_target.as_secs_f64().max(0.001);
        if target >= 1.0 {
            3
        } else {
            (3.0 / target).ceil() as u64
        }
    }

    fn init(&self, track: TrackName, number: u64) -> Option<File> {
        let segments = self.segments.iter().map(AsRef::as_ref);
        let runs = segments.chain(&self.open).map(|segment| &segment.run);
        let runs = runs.chain(self.past.blocks().map(|block| &block.run));
        let mut inits = runs.filter_map(|run| run.init(track));
        let init = inits.find(|init| init.number == number)?;
        Some(media(
            track,
            init.bytes.clone(),
            format_args!("init-{number}"),
        ))
    }

    fn whole(&self, track: TrackName, sequence: u64) -> Lookup {
        let Some(segment) = self.segment(sequence) else {
            let older = self.past.entry(sequence);
            return self.older_media(older, track);
        };
        let found = segment
            .rendition(track)
            .map(|rendition| media(track, rendition.bytes.clone(), format_args!("{sequence}")));
        found.into()
    }

    fn older_media(&self, entry: Option<&Entry>, track: TrackName) -> Lookup {
        let stored = entry.filter(|entry| entry.is_stored && entry.track(track).is_some());
        let stored = stored.and_then(|entry| {
            let archive = self.archive.as_ref()?;
            let sequence = entry.sequence;
            let etag = etag(track, format_args!("{sequence}"));
            Stored::new(
                archive,
                archive.media(track, sequence)?,
                media_type(track),
                etag,
            )
        });
        stored.into()
    }

    fn at(&self, track: TrackName, init: u64, time: u64) -> Lookup {
        let of_run = |rendition: &&Rendition| rendition.init.number == init;
        let begins = |rendition: &Rendition| rendition.first_time() == time;
        let mut segments = self.segments.iter();
        let found =
            segments.find(|segment| segment.rendition(track).filter(of_run).is_some_and(begins));
        if let Some(segment) = found {
            return self.whole(track, segment.sequence);
        }
        let clear = |entry: &&Entry| entry.key.is_none();
        let older = self.past.entry_at(track, init, time).filter(clear);
        if older.is_some() {
            return self.older_media(older, track);
        }
        let open = self.open_media(track).map(|(_, rendition)| rendition);
        let last = self.segments.last();
        let last = last.and_then(|segment| segment.rendition(track));
        let newest = open.or(last).filter(of_run);
        match newest.is_some_and(|newest| begins(newest) || self.may_end(newest, time)) {
            true => Lookup::Wait,
            false => Lookup::Refused(FileError::NotFound),
        }
    }

    /// Whether what follows `newest` may begin at `time`, as far as a manifest tells that lists it. FFmpeg asks for that
    /// without a pause until it is there, or until it knows better: newer ones give up after a hundred times.
    fn may_end(&self, newest: &Rendition, time: u64) -> bool {
        let ticks = |length: Duration| {
            let ticks = length.as_nanos() * u128::from(newest.init.timescale) / 1_000_000_000;
            u64::try_from(ticks).unwrap_or(u64::MAX)
        };
        let length = newest.duration.max(ticks(self.expected));
        let latest = length.saturating_add(ticks(ESTIMATE_TOLERANCE));
        let after = time.saturating_sub(newest.first_time());
        (after == newest.duration && !newest.is_open()) || (after > length / 2 && after <= latest)
    }

    fn part(&self, track: TrackName, sequence: u64, part: u32) -> Lookup {
        let index = part as usize;
        let segment = self.any_segment(sequence);
        let parts = segment
            .and_then(|segment| segment.rendition(track))
            .map_or(&[][..], |found| &found.parts);
        if let Some(found) = parts.get(index) {
            return Lookup::Found(media(
                track,
                found.bytes.clone(),
                format_args!("{sequence}.{part}"),
            ));
        }
        // Only the part that a playlist hints is waited for.
        let is_next = sequence == self.next_sequence && index == parts.len();
        let hinted = is_next && !self.has_stopped(track);
        match hinted && self.knows(track) {
            true => Lookup::Wait,
            false => Lookup::Refused(FileError::NotFound),
        }
    }

    fn ts(&self, sequence: u64) -> Lookup {
        let etag: Arc<str> = format!("\"ts-{sequence}\"").into();
        let Some(segment) = self.segment(sequence) else {
            let older = self.past.entry(sequence);
            let stored = older.filter(|entry| entry.is_stored && entry.ts.is_some());
            let stored = stored.and_then(|_| {
                let archive = self.archive.as_ref()?;
                Stored::new(archive, archive.ts(sequence)?, TS_TYPE, etag)
            });
            return stored.into();
        };
        let ts = segment.ts.as_ref();
        ts.map(|ts| File::media(ts.bytes.clone(), TS_TYPE, etag))
            .into()
    }
}

fn has_cmaf(run: &Run) -> bool {
    !run.inits.is_empty()
}

fn media(track: TrackName, bytes: Bytes, id: std::fmt::Arguments<'_>) -> File {
    File::media(bytes, media_type(track), etag(track, id))
}

fn etag(track: TrackName, id: std::fmt::Arguments<'_>) -> Arc<str> {
    format!("\"{track}-{id}\"").into()
}

/// For `Content-Type`.
pub(super) fn media_type(track: TrackName) -> &'static str {
    match track.kind {
        Kind::Video => "video/mp4",
        _ => "audio/mp4",
    }
}

/// By how much the end of a segment may be guessed too late.
const ESTIMATE_TOLERANCE: Duration = Duration::from_millis(250);

/// Target durations that the answer to a blocking reload may be cached for.
const BLOCKING_MAX_AGE: u64 = 6;

const TS_TYPE: &str = "video/mp2t";
