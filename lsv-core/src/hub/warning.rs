//! What the operator of a live stream should know: what its encoder does that viewers suffer from, as measured.

use std::time::Duration;

use super::stats::KeyFrames;
use super::timeline::Jumps;

/// Something about a live stream that its operator can mend. It is withdrawn when it is so no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// What it is about, for programs: [`Warning::KEY_FRAMES`] and the like.
    pub topic: &'static str,
    /// What is wrong, what that does, and what to do about it, for people.
    pub text: String,
}

impl Warning {
    /// Key frames come too rarely, or not at all.
    pub const KEY_FRAMES: &'static str = "keyFrames";
    /// The publisher's timestamps jumped.
    pub const TIMESTAMPS: &'static str = "timestamps";
    /// Some output goes on without some track.
    pub const TRACKS: &'static str = "tracks";

    /// A warning about `topic`.
    pub fn new(topic: &'static str, text: impl Into<String>) -> Self {
        Self {
            topic,
            text: text.into(),
        }
    }
}

/// What is to be said of key frames where segments aim at `segment`.
pub(super) fn of_key_frames(keys: KeyFrames, segment: Duration) -> Option<Warning> {
    let advice = format!(
        "set the encoder's key-frame interval to {} s",
        segment.as_secs_f64()
    );
    let text = match keys {
        KeyFrames::Awaited(wait) if wait > PATIENCE => format!(
            "no key frame has come in {:.0} s, so there is no picture yet; {advice}",
            wait.as_secs_f64()
        ),
        KeyFrames::Missing(age) if age > NO_KEY_FRAMES.max(segment * 4) => format!(
            "the last key frame came {:.0} s ago: nobody can start to watch, and segments are cut where players cannot \
             start; {advice}",
            age.as_secs_f64()
        ),
        KeyFrames::Missing(interval) | KeyFrames::Every(interval)
            if interval > segment.mul_f64(TOLERATED) =>
        {
            format!(
                "key frames come every {:.1} s: players start late and stay further behind; {advice}",
                interval.as_secs_f64()
            )
        }
        _ => return None,
    };
    Some(Warning::new(Warning::KEY_FRAMES, text))
}

/// What is to be said of a publisher's clock.
pub(super) fn of_jumps(jumps: &Jumps) -> Option<Warning> {
    if jumps.count == 0 || jumps.age > REMEMBERED {
        return None;
    }
    let text = format!(
        "the encoder's timestamps jumped by {:+.1} s {:.0} s ago, {} in this session: players see a break each time; \
         check the encoder's source and clock",
        jumps.by.as_secs_f64(),
        jumps.age.as_secs_f64(),
        match jumps.count {
            1 => "once".to_owned(),
            count => format!("{count} times"),
        }
    );
    Some(Warning::new(Warning::TIMESTAMPS, text))
}

/// How much longer than a segment groups of pictures may be before anybody is told.
const TOLERATED: f64 = 1.5;

/// From the first frame of video to a first key frame.
const PATIENCE: Duration = Duration::from_secs(5);

/// Without a key frame for so long, there is no interval to speak of.
const NO_KEY_FRAMES: Duration = Duration::from_secs(30);

/// How long a jump is told of.
const REMEMBERED: Duration = Duration::from_secs(60);
