//! What happens before a run: frames are held until it is clear which tracks there are.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use lsv_core::hub::Item;
use lsv_core::media::{Kind, MediaFrame, TrackName, Tracks};
use lsv_core::time::Timestamp;

use super::Options;

/// Frames in front of a run.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    held: VecDeque<(MediaFrame, SystemTime)>,
    /// What the held frames take in memory, and which sounds are among them: counted along, as a publisher may send
    /// any number of frames at one time.
    bytes: usize,
    held_audio: Vec<TrackName>,
    has_default_audio: bool,
    /// The sounds that were seen since a run last started without them.
    expected_audio: Vec<TrackName>,
    /// When the wait began.
    since: Option<Timestamp>,
    /// Video was seen, so it is worth waiting for its next key frame.
    expects_video: bool,
    /// The publisher said that it has video, and sound.
    announced_video: bool,
    announced_audio: bool,
}

impl Waiting {
    /// The publisher says that it has these.
    pub(super) fn announce(&mut self, tracks: &Tracks) {
        self.announced_video = tracks.video.is_some();
        self.announced_audio = tracks.audio.is_some();
    }

    /// Video is, or is not, about to come.
    pub(super) fn expect_video(&mut self, expected: bool) {
        self.expects_video = expected;
    }

    /// This sound is there, and worth waiting for.
    pub(super) fn expect_audio(&mut self, name: TrackName) {
        if !self.expected_audio.contains(&name) {
            self.expected_audio.push(name);
        }
    }

    /// The wait for sounds begins at `at`.
    pub(super) fn count_from(&mut self, at: Timestamp) {
        self.since = Some(at);
    }

    /// Lets go of what is held: it belongs to a timeline that is over.
    pub(super) fn clear(&mut self) {
        let expected = std::mem::take(&mut self.expected_audio);
        self.take();
        self.expected_audio = expected;
    }

    /// The held frames, in order, with their arrivals. The wait is over, and what has not come in its time is not
    /// waited for again.
    pub(super) fn take(&mut self) -> VecDeque<(MediaFrame, SystemTime)> {
        self.expected_audio.clone_from(&self.held_audio);
        self.since = None;
        self.bytes = 0;
        self.held_audio.clear();
        self.has_default_audio = false;
        std::mem::take(&mut self.held)
    }

    /// Holds `frame`; true when a run can start with the held frames.
    pub(super) fn push(&mut self, frame: &MediaFrame, now: SystemTime, options: &Options) -> bool {
        if frame.kind() == Kind::Data {
            self.hold_data(frame, now, options);
            return false;
        }
        let since = *self.since.get_or_insert(frame.dts);
        let is_video = frame.kind() == Kind::Video;
        self.expects_video |= is_video;
        let (complete, limit) = if self.has_video() {
            self.hold(frame, now);
            let limit = match self.announced_audio {
                true => ANNOUNCED_AUDIO_WAIT,
                false => AUDIO_WAIT,
            };
            (self.has_all_audio(), limit)
        } else if is_video && frame.key {
            // Sound ahead of the first picture has nothing to go with.
            self.release(|held| held < frame.dts);
            self.held.push_front((frame.clone(), now));
            self.bytes += frame.size();
            self.since = Some(frame.dts);
            return self.has_all_audio() || self.is_full(options);
        } else if is_video {
            return false;
        } else {
            self.hold(frame, now);
            let limit = match (self.expects_video, self.announced_video) {
                (true, _) => KEY_WAIT,
                (false, true) => ANNOUNCED_VIDEO_WAIT,
                (false, false) => VIDEO_WAIT,
            };
            if limit > AHEAD {
                self.release(|held| frame.dts.since(held) > AHEAD);
            }
            (false, limit)
        };
        complete || frame.dts.since(since) >= limit || self.is_full(options)
    }

    /// Script data goes along with the frames around it.
    fn hold_data(&mut self, frame: &MediaFrame, now: SystemTime, options: &Options) {
        if !self.held.is_empty() && !self.is_full(options) {
            self.bytes += frame.size();
            self.held.push_back((frame.clone(), now));
        }
    }

    fn hold(&mut self, frame: &MediaFrame, now: SystemTime) {
        let name = frame.track.name();
        if name.kind == Kind::Audio && !self.held_audio.contains(&name) {
            self.held_audio.push(name);
        }
        self.has_default_audio |= name.kind == Kind::Audio && frame.is_default;
        self.bytes += frame.size();
        self.held.push_back((frame.clone(), now));
    }

    /// Lets go of what is `outdated` by its decoding time; no pictures are held yet.
    fn release(&mut self, outdated: impl Fn(Timestamp) -> bool) {
        while let Some((frame, _)) = self.held.pop_front_if(|(held, _)| outdated(held.dts)) {
            self.bytes -= frame.size();
        }
        let held = &self.held;
        self.held_audio
            .retain(|name| held.iter().any(|(frame, _)| frame.track.name() == *name));
        let is_default_audio = |frame: &MediaFrame| frame.kind() == Kind::Audio && frame.is_default;
        self.has_default_audio = held.iter().any(|(frame, _)| is_default_audio(frame));
    }

    /// The default sound is there, and whatever others were seen.
    fn has_all_audio(&self) -> bool {
        let mut expected = self.expected_audio.iter();
        self.has_default_audio && expected.all(|name| self.held_audio.contains(name))
    }

    fn has_video(&self) -> bool {
        self.held
            .front()
            .is_some_and(|(frame, _)| frame.kind() == Kind::Video)
    }

    fn is_full(&self, options: &Options) -> bool {
        self.held.len() >= MAX_HELD || self.bytes >= options.segment_bytes
    }
}

/// Frames at most, which is several times what comes within the waits below from 240 pictures a second, or from sound
/// in frames of 2.5 ms.
const MAX_HELD: usize = 2048;

/// From the first key frame to a first audio frame; no more than a few parts, so that nobody waits for it.
const AUDIO_WAIT: Duration = Duration::from_millis(500);

/// The same where the publisher said that it has sound.
const ANNOUNCED_AUDIO_WAIT: Duration = Duration::from_secs(1);

/// From the first audio frame to a first video frame, where the publisher said that it has video.
const ANNOUNCED_VIDEO_WAIT: Duration = Duration::from_secs(3);

/// From the first audio frame to a first video frame, where none was ever seen.
const VIDEO_WAIT: Duration = Duration::from_secs(1);

/// How much of the sound is kept for pictures that come later than the sound that goes with them.
const AHEAD: Duration = Duration::from_secs(3);

/// From the first frame to a key frame, where there is video.
const KEY_WAIT: Duration = Duration::from_secs(12);
