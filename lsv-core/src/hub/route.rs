//! Whose frames readers see: the publisher's, or what a processor made of them.
//!
//! ```text
//!          engage            key frame at K                       release             pushed past the key frame at L
//! Source ────────> Engaging ───────────────> Processed from K ───────────> Releasing ──────────────────────────────> Source
//!    ^                                              └──────────── fail ────────┴─────> Returning ──key frame──> Source
//! ```
//!
//! A switch has a border in time that all tracks keep: the source's frames before it and the pushed ones from it on, or the
//! other way about. Whatever comes in whatever order, no track runs backwards, nothing is shown twice, and pictures
//! begin at a key frame after each switch.

use std::time::Duration;

use super::feed::Item;
use crate::media::{Kind, MediaFrame, TrackName};
use crate::time::Timestamp;

/// Where a stream stands between its publisher and an [`Insert`](super::Insert).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Stage {
    /// Readers see what the publisher sends.
    #[default]
    Source,
    /// They do, up to its next key frame.
    Engaging,
    /// Readers see what is pushed, from this time on.
    Processed {
        /// The time of the publisher's key frame at which it began.
        from: Timestamp,
    },
    /// They do, up to the publisher's next key frame.
    Releasing {
        /// The time of the publisher's key frame at which it began.
        from: Timestamp,
        /// The time of the publisher's key frame at which it ends, once that has come.
        until: Option<Timestamp>,
    },
    /// Readers wait for the publisher's first key frame after what they have seen.
    Returning,
}

/// What is to be done with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Readers get it.
    Show,
    /// They do not, or not from here.
    Leave,
    /// They get it when the pictures around it have been shown.
    Wait,
    /// The source is to be taken up again: see [`Route::take_up`].
    Return,
}

#[derive(Debug)]
pub(super) struct Route {
    stage: Stage,
    /// Something has been shown of what was pushed in this stage.
    began: bool,
    /// Engage again after the return.
    again: bool,
    /// What has been shown of each track; 8 bits name one, so there are not many.
    tracks: Vec<Shown>,
    /// The last time shown of the default track of a kind, whichever that was, and what of it was shown at the last switch.
    defaults: [(Option<Timestamp>, Option<Timestamp>); 2],
    /// The last epoch shown.
    epoch: u32,
    /// Where the source stands: its latest time, and its epoch.
    source: Option<(Timestamp, u32)>,
    /// What readers start at: pictures, or sound where there are none.
    lead: Kind,
}

#[derive(Debug)]
struct Shown {
    name: TrackName,
    last: Timestamp,
    /// What had been shown at the last switch; who comes after it has to go beyond that.
    floor: Option<Timestamp>,
    /// Nothing of it can be decoded before a key frame.
    needs_key: bool,
    /// Nor of what the writer from before the last switch still has.
    lost: bool,
}

impl Route {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Source,
            began: false,
            again: false,
            tracks: Vec::new(),
            defaults: Default::default(),
            epoch: 0,
            source: None,
            lead: Kind::Video,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether readers see what is pushed.
    pub(super) fn is_inserted(&self) -> bool {
        matches!(
            self.stage,
            Stage::Processed { .. } | Stage::Releasing { .. }
        )
    }

    /// Whether the tracks that readers know are the processor's.
    pub(super) fn shows_insert(&self) -> bool {
        self.began
    }

    pub(super) fn engage(&mut self) {
        match self.stage {
            Stage::Source => self.stage = Stage::Engaging,
            Stage::Releasing { from, .. } => self.stage = Stage::Processed { from },
            Stage::Returning => self.again = true,
            Stage::Engaging | Stage::Processed { .. } => {}
        }
    }

    pub(super) fn release(&mut self) {
        match self.stage {
            Stage::Engaging => self.stage = Stage::Source,
            Stage::Processed { from } => self.stage = Stage::Releasing { from, until: None },
            Stage::Returning => self.again = false,
            Stage::Source | Stage::Releasing { .. } => {}
        }
    }

    /// Gives up what is pushed. [`Route::take_up`] may know where to go on.
    pub(super) fn fail(&mut self) {
        self.again = false;
        match self.stage {
            Stage::Engaging => self.stage = Stage::Source,
            Stage::Processed { .. } | Stage::Releasing { .. } => self.stage = Stage::Returning,
            Stage::Source | Stage::Returning => {}
        }
    }

    /// A frame of the publisher has come.
    pub(super) fn of_source(&mut self, frame: &mut MediaFrame) -> Verdict {
        if frame.kind() == Kind::Data {
            return match self.stage {
                Stage::Source | Stage::Engaging => Verdict::Show,
                _ => Verdict::Wait,
            };
        }
        self.source = self.source.max(Some((frame.dts, frame.epoch)));
        if frame.is_key() {
            self.lead = frame.kind();
        }
        match self.stage {
            Stage::Source => self.admit(frame, true),
            Stage::Engaging if frame.is_key() && self.is_news(frame) => {
                self.switch();
                self.stage = Stage::Processed { from: frame.dts };
                Verdict::Leave
            }
            Stage::Engaging => self.admit(frame, true),
            Stage::Processed { from } => self.admit_before(from, frame),
            Stage::Releasing { from, until } => {
                if until.is_none() && frame.is_key() {
                    let until = Some(frame.dts);
                    self.stage = Stage::Releasing { from, until };
                }
                self.admit_before(from, frame)
            }
            Stage::Returning if frame.is_key() && self.is_news(frame) => Verdict::Return,
            Stage::Returning => Verdict::Leave,
        }
    }

    /// A frame was pushed.
    pub(super) fn of_insert(&mut self, frame: &mut MediaFrame) -> Verdict {
        let (from, until) = match self.stage {
            Stage::Processed { from } => (from, None),
            Stage::Releasing { from, until } => (from, until),
            Stage::Source | Stage::Engaging | Stage::Returning => return Verdict::Leave,
        };
        let ends = until.is_some_and(|until| frame.dts >= until);
        if ends && frame.is_default && frame.kind() == self.lead {
            return Verdict::Return;
        }
        if ends || frame.dts < from || !self.has_come(frame) {
            self.miss(frame);
            return Verdict::Leave;
        }
        let verdict = self.admit(frame, true);
        match verdict {
            Verdict::Show => self.began = true,
            _ => self.miss(frame),
        }
        verdict
    }

    /// Goes back to the source where its `log` has a key frame after what was shown, and gives what readers get at once;
    /// else waits for one.
    pub(super) fn take_up(&mut self, log: Vec<MediaFrame>) -> Option<Vec<MediaFrame>> {
        let start = |frame: &MediaFrame| frame.is_key() && self.is_news(frame);
        let Some((start, key)) = log.iter().enumerate().find(|(_, frame)| start(frame)) else {
            self.stage = Stage::Returning;
            return None;
        };
        // Other tracks go on where they stood, or else where the pictures did.
        let (border, lead) = (key.dts, key.kind());
        let stood = self.default_of(lead).0;
        let since = stood.map_or(border, |stood| border.min(stood - OVERLAP));
        self.switch();
        self.began = false;
        self.stage = match std::mem::take(&mut self.again) {
            true => Stage::Engaging,
            false => Stage::Source,
        };
        let mut shown = Vec::new();
        for (index, mut frame) in log.into_iter().enumerate() {
            let wanted = match frame.kind() {
                Kind::Data => false,
                kind if kind == lead && frame.is_default => index >= start,
                Kind::Video => frame.dts >= border,
                Kind::Audio => frame.dts >= since,
            };
            if wanted && self.admit(&mut frame, true) == Verdict::Show {
                shown.push(frame);
            }
        }
        Some(shown)
    }

    /// A frame of the source from before the border where what is pushed begins.
    fn admit_before(&mut self, from: Timestamp, frame: &mut MediaFrame) -> Verdict {
        match frame.dts < from {
            true => self.admit(frame, false),
            false => Verdict::Leave,
        }
    }

    /// Whether the source has come as far as a pushed frame. Nothing can be made of what has not come; and a time that runs
    /// away would keep the source out for as long.
    fn has_come(&self, frame: &MediaFrame) -> bool {
        let known = |(latest, epoch)| frame.dts <= latest + AHEAD && frame.epoch <= epoch;
        frame.kind() != Kind::Data && self.source.is_some_and(known)
    }

    /// A pushed frame is left out. What follows a picture that is cannot be decoded either.
    fn miss(&mut self, frame: &MediaFrame) {
        let name = frame.track.name();
        for track in self.tracks.iter_mut().filter(|track| track.name == name) {
            track.needs_key = name.kind == Kind::Video;
        }
    }

    /// A frame of the source that was to be shown could not be. What follows a picture that is left out cannot be decoded.
    pub(super) fn lose(&mut self, frame: &MediaFrame) {
        let name = frame.track.name();
        for track in self.tracks.iter_mut().filter(|track| track.name == name) {
            track.lost = name.kind == Kind::Video;
        }
    }

    /// Lets a frame through that leaves its track in order. `is_newcomer` says that its writer is the one since the last
    /// switch, and not the one from before.
    fn admit(&mut self, frame: &mut MediaFrame, is_newcomer: bool) -> Verdict {
        let (name, dts) = (frame.track.name(), frame.dts);
        let floor = self.default_of(name.kind).1.filter(|_| frame.is_default);
        if is_newcomer && floor.is_some_and(|floor| dts <= floor) {
            return Verdict::Leave;
        }
        let needs_key = name.kind == Kind::Video && !frame.key;
        match self.tracks.iter_mut().find(|track| track.name == name) {
            Some(track) => {
                let repeats = is_newcomer && track.floor.is_some_and(|floor| dts <= floor);
                let waits = match is_newcomer {
                    true => &mut track.needs_key,
                    false => &mut track.lost,
                };
                if dts < track.last || repeats || (*waits && needs_key) {
                    return Verdict::Leave;
                }
                *waits = false;
                track.last = dts;
            }
            None if needs_key => return Verdict::Leave,
            None => self.tracks.push(Shown {
                name,
                last: dts,
                floor: None,
                needs_key: false,
                lost: false,
            }),
        }
        if frame.is_default {
            self.defaults[usize::from(name.kind == Kind::Audio)].0 = Some(dts);
        }
        self.epoch = self.epoch.max(frame.epoch);
        frame.epoch = self.epoch;
        Verdict::Show
    }

    /// Whether `frame` lies after all that was shown of its track, and of what it is the default of.
    fn is_news(&self, frame: &MediaFrame) -> bool {
        let name = frame.track.name();
        let mut same = self.tracks.iter().filter(|track| track.name == name);
        let default = self.default_of(frame.kind()).0;
        same.all(|track| frame.dts > track.last) && default.is_none_or(|last| frame.dts > last)
    }

    /// Somebody else's frames come from here on.
    fn switch(&mut self) {
        for track in &mut self.tracks {
            track.floor = Some(track.last);
            track.needs_key = track.name.kind == Kind::Video;
            track.lost = false;
        }
        for (last, floor) in &mut self.defaults {
            *floor = *last;
        }
    }

    fn default_of(&self, kind: Kind) -> (Option<Timestamp>, Option<Timestamp>) {
        self.defaults[usize::from(kind == Kind::Audio)]
    }
}

/// How far a pushed frame may lie ahead of the source: sound and pictures do not come at quite the same time.
const AHEAD: Duration = Duration::from_secs(1);

/// How far sound that was not there before goes back before the pictures at which it is taken up.
const OVERLAP: Timestamp = Timestamp::from_millis(500);

#[cfg(test)]
mod tests;
