//! What the operator of a live stream should know: what its encoder does that viewers suffer from, as measured.

use std::time::Duration;

use super::doctor::Doctor;
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
    /// There are pictures and no sound.
    pub const AUDIO: &'static str = "audio";
    /// Pictures come in another order than they are shown in.
    pub const B_FRAMES: &'static str = "bFrames";
    /// Pictures come at uneven distances.
    pub const FRAME_RATE: &'static str = "frameRate";
    /// More comes in than is planned for; see [`Limits::advised_bit_rate`](super::Limits::advised_bit_rate).
    pub const BIT_RATE: &'static str = "bitRate";
    /// Media comes more slowly than it plays; see [`Stream::observe`](super::Stream::observe).
    pub const SPEED: &'static str = "speed";
    /// The publisher's timestamps jumped.
    pub const TIMESTAMPS: &'static str = "timestamps";
    /// Some output goes on without some track.
    pub const TRACKS: &'static str = "tracks";
    /// A rendition that is wanted is not made.
    pub const RENDITIONS: &'static str = "renditions";
    /// What is encoded falls behind the source.
    pub const ENCODER_SPEED: &'static str = "encoderSpeed";
    /// What is drawn into the picture is not as it should be.
    pub const WATERMARK: &'static str = "watermark";
    /// Something needs an encoder that this machine has not.
    pub const FFMPEG: &'static str = "ffmpeg";

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
    let advised = match segment > LONGEST_GROUP {
        true => SHORT_GROUP,
        false => segment,
    };
    let advice = format!(
        "set the encoder's key-frame interval to {} s",
        advised.as_secs_f64()
    );
    let tolerated = segment.mul_f64(TOLERATED).min(LONGEST_GROUP + CLOCK_JITTER);
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
        KeyFrames::Missing(interval) | KeyFrames::Every(interval) if interval > tolerated => {
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
        "the encoder's timestamps jumped by {:+.1} s within the last minute, {} in this session: players see a break each \
         time; check the encoder's source and clock",
        jumps.by.as_secs_f64(),
        match jumps.count {
            1 => "once".to_owned(),
            count => format!("{count} times"),
        }
    );
    Some(Warning::new(Warning::TIMESTAMPS, text))
}

/// What is to be said of sound, order, rhythm and pace.
pub(super) fn of_media(doctor: &Doctor) -> impl Iterator<Item = Warning> + use<> {
    let silence = Some(doctor.silence()).filter(|silence| *silence > SILENCE_TOLERATED);
    let audio = silence.map(|silence| {
        let text = format!(
            "no sound has come for {:.0} s: some players and sites wait for it, or play nothing; let the encoder send an \
             audio track, if need be a silent one",
            silence.as_secs_f64()
        );
        Warning::new(Warning::AUDIO, text)
    });
    let order = doctor.reordering().map(|delay| {
        let text = format!(
            "the encoder sends B-frames, which makes each picture wait {} ms for its turn: viewers with low latency are \
             that much further behind; where delay matters set B-frames to 0 (x264: bframes=0, or tune zerolatency)",
            delay.as_millis()
        );
        Warning::new(Warning::B_FRAMES, text)
    });
    let rhythm = doctor.uneven().map(|(short, long)| {
        let text = format!(
            "the frame rate varies, from {} to {} ms between pictures: motion stutters, and segments differ in length; set \
             the encoder to a constant frame rate",
            short.as_millis(),
            long.as_millis()
        );
        Warning::new(Warning::FRAME_RATE, text)
    });
    let pace = doctor.slowness().map(|speed| {
        let text = format!(
            "media comes at {speed:.2} times the speed that it plays at: players run dry again and again; give the encoder \
             a faster preset or a smaller picture, and see that its network carries the bit rate"
        );
        Warning::new(Warning::SPEED, text)
    });
    [audio, order, rhythm, pace].into_iter().flatten()
}

/// What is to be said of `bit_rate`, the average over some seconds, where `advised` bits a second are planned for.
pub(super) fn of_bit_rate(bit_rate: u64, advised: u64) -> Option<Warning> {
    // What encoders are off their own setting by, and the sound beside the pictures.
    if bit_rate <= advised.saturating_add(advised / 10) {
        return None;
    }
    let mega = |bits: u64| bits as f64 / 1e6;
    let text = format!(
        "{:.1} Mbit/s come in where {:.1} are planned for: viewers with less bandwidth stall; lower the encoder's bit rate, \
         or offer smaller renditions",
        mega(bit_rate),
        mega(advised)
    );
    Some(Warning::new(Warning::BIT_RATE, text))
}

/// How much longer than a segment groups of pictures may be before anybody is told.
const TOLERATED: f64 = 1.5;

/// Groups of pictures longer than this are too long for any segment: who joins waits for the next one.
const LONGEST_GROUP: Duration = Duration::from_secs(4);

/// What is advised where segments are longer than that.
const SHORT_GROUP: Duration = Duration::from_secs(2);

/// By how much groups may be off for the sake of clocks that count milliseconds, and of frame rates that do not fit.
const CLOCK_JITTER: Duration = Duration::from_millis(100);

/// How long pictures may come alone before anybody is told.
const SILENCE_TOLERATED: Duration = Duration::from_secs(5);

/// From the first frame of video to a first key frame.
const PATIENCE: Duration = Duration::from_secs(5);

/// Without a key frame for so long, there is no interval to speak of.
const NO_KEY_FRAMES: Duration = Duration::from_secs(30);

/// How long a jump is told of.
const REMEMBERED: Duration = Duration::from_secs(60);
