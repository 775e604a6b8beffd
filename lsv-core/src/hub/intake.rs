//! From a publisher to its stream: what each frame passes before anybody else sees it.

use std::time::Duration;

use super::Times;
use super::doctor::Doctor;
use super::feed::Item;
use super::lineup::Lineup;
use super::stats::Meter;
use super::timeline::Timeline;
use crate::media::{Kind, MediaFrame, Tracks};
use crate::time::Timestamp;

/// What a stream knows of its publisher.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) lineup: Lineup,
    pub(super) timeline: Timeline,
    pub(super) meter: Meter,
    pub(super) doctor: Doctor,
    starts: Starts,
    /// The video tracks of this publisher whose first key frame has been seen.
    primed: Vec<u8>,
}

impl Intake {
    pub(super) fn new(max_gap: Duration) -> Self {
        Self {
            lineup: Lineup::default(),
            timeline: Timeline::new(max_gap),
            meter: Meter::default(),
            doctor: Doctor::default(),
            starts: Starts::default(),
            primed: Vec::new(),
        }
    }

    /// Another publisher sends from now on; `resumes` says whether the one before it was lost.
    pub(super) fn restart(&mut self, times: Times, resumes: bool) {
        self.lineup.replace();
        self.timeline.restart(times, resumes);
        self.meter.restart();
        self.doctor.restart();
        self.primed.clear();
    }

    /// Takes a frame in: gives it its track, time and marks, and measures it. False for one that goes no further.
    pub(super) fn take(&mut self, frame: &mut MediaFrame, shown: &Tracks, tracks: usize) -> bool {
        if !self.lineup.adopt(&mut frame.track, shown, tracks) {
            return false;
        }
        // Nobody can decode what precedes a track's first key frame.
        if !self.is_primed(frame) {
            self.meter.push_undecodable(frame);
            return false;
        }
        if !self.timeline.place_frame(frame) {
            // Nor what follows a picture that is left out.
            let id = frame.track.id;
            self.primed
                .retain(|primed| *primed != id || frame.kind() != Kind::Video);
            return false;
        }
        self.lineup.begin();
        let tracks = self.lineup.tracks();
        frame.is_default = frame.kind() == Kind::Data || tracks.is_default(&frame.track);
        self.starts.mark(frame, tracks);
        self.meter.push(frame);
        self.doctor.push(frame);
        true
    }

    /// Whether a frame's track has had a key frame, be it this one; sound needs none.
    fn is_primed(&mut self, frame: &MediaFrame) -> bool {
        let id = frame.track.id;
        if frame.kind() != Kind::Video || self.primed.contains(&id) {
            return true;
        }
        if frame.key {
            self.primed.push(id);
        }
        frame.key
    }
}

/// Where a reader may start.
#[derive(Debug, Default)]
pub(super) struct Starts {
    last: Option<Timestamp>,
}

impl Starts {
    /// Without video, a frame of the default audio track about once a second is where a reader may start.
    pub(super) fn mark(&mut self, frame: &mut MediaFrame, tracks: &Tracks) {
        if frame.kind() == Kind::Audio {
            let due = |last: Timestamp| frame.dts.since(last) >= AUDIO_START_INTERVAL;
            let starts = tracks.video.is_none() && frame.is_default;
            frame.key = starts && self.last.is_none_or(due);
        }
        if frame.is_key() {
            self.last = Some(frame.dts);
        }
    }
}

const AUDIO_START_INTERVAL: Duration = Duration::from_secs(1);
