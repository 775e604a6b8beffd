//! When frames are and how long they last, in the ticks of a track.

use lsv_core::media::{Codec, MediaFrame, Track};
use lsv_core::time::Timestamp;

use crate::mp4::{self, Sample};

/// A sample with its decoding time in ticks.
#[derive(Debug)]
pub(crate) struct Timed {
    /// When it is to be decoded.
    pub(crate) ticks: i64,
    /// With its true duration.
    pub(crate) sample: Sample,
}

/// Turns the times of one track's frames into ticks of its timescale.
#[derive(Debug)]
pub(crate) enum Clock {
    /// The differences of the frames' times count.
    Measured(Measured),
    /// The codec's own count does.
    Counted(Counted),
}

impl Clock {
    /// The clock that suits the codec of `track`.
    pub(crate) fn new(track: &Track) -> Self {
        let timescale = mp4::timescale(track);
        match track.codec.sound() {
            Some(_) => Self::Counted(Counted::new(&track.codec, timescale)),
            None => Self::Measured(Measured::new(timescale)),
        }
    }

    /// Takes a frame; gives one whose duration is known, which is this one or the one before.
    pub(crate) fn push(&mut self, frame: &MediaFrame) -> Option<Timed> {
        match self {
            Self::Measured(clock) => clock.push(frame),
            Self::Counted(clock) => Some(clock.push(frame)),
        }
    }

    /// It always holds one frame back, which opens what follows.
    pub(crate) fn holds_back(&self) -> bool {
        matches!(self, Self::Measured(_))
    }

    /// Gives the frame that is held back, before `next` is pushed or because nothing follows.
    pub(crate) fn settle(&mut self, next: Option<&MediaFrame>) -> Option<Timed> {
        match self {
            Self::Measured(clock) => clock.settle(next),
            Self::Counted(_) => None,
        }
    }

    /// Gives the frame that is held back if it has lasted for long at `end`, and ends it there.
    pub(crate) fn expire(&mut self, end: Timestamp) -> Option<Timed> {
        match self {
            Self::Measured(clock) => clock.expire(end),
            Self::Counted(_) => None,
        }
    }
}

/// Durations are the differences of decoding times, so a frame is held back until the next one is there.
#[derive(Debug)]
pub(crate) struct Measured {
    timescale: u32,
    held: Option<Timed>,
    last_duration: u32,
    /// The end of the last frame that was given: the next one cannot begin earlier.
    floor: i64,
}

impl Measured {
    fn new(timescale: u32) -> Self {
        Self {
            timescale,
            held: None,
            last_duration: timescale / DEFAULT_FRAME_RATE,
            floor: 0,
        }
    }

    fn push(&mut self, frame: &MediaFrame) -> Option<Timed> {
        let done = self.settle(Some(frame));
        let ticks = frame.dts.to_scale(self.timescale).max(self.floor);
        let presented = frame.pts().to_scale(self.timescale);
        let composition = presented.saturating_sub(ticks);
        self.held = Some(Timed {
            ticks,
            sample: Sample {
                duration: 0,
                composition: i32::try_from(composition).unwrap_or(0),
                key: frame.key,
                payload: frame.payload.clone(),
            },
        });
        done
    }

    fn settle(&mut self, next: Option<&MediaFrame>) -> Option<Timed> {
        match next {
            Some(next) => self.end(next.dts),
            None => {
                let timed = self.held.take()?;
                Some(self.give(timed))
            }
        }
    }

    fn expire(&mut self, end: Timestamp) -> Option<Timed> {
        let ticks = self.held.as_ref()?.ticks;
        let age = end.to_scale(self.timescale).saturating_sub(ticks);
        match age > i64::from(self.timescale) * LONG_FRAME_MILLIS / 1000 {
            true => self.end(end),
            false => None,
        }
    }

    /// The frame that is held back lasts until `end`.
    fn end(&mut self, end: Timestamp) -> Option<Timed> {
        let timed = self.held.take()?;
        let step = end.to_scale(self.timescale).saturating_sub(timed.ticks);
        // Two frames at one time: a tick apart, as no player likes a frame without duration.
        self.last_duration = u32::try_from(step.max(1)).unwrap_or(u32::MAX);
        Some(self.give(timed))
    }

    fn give(&mut self, mut timed: Timed) -> Timed {
        timed.sample.duration = self.last_duration;
        self.floor = timed.ticks.saturating_add(i64::from(self.last_duration));
        timed
    }
}

/// Durations are known from the codec, and the frames' own times only steer.
///
/// RTMP's times are whole milliseconds, so taken as they come they would leave gaps and overlaps of up to a
/// millisecond at each frame, which is audible. Frames therefore follow each other sample by sample, and their
/// times are believed again when they are off by more than any rounding or jitter could explain.
#[derive(Debug)]
pub(crate) struct Counted {
    codec: Codec,
    /// The samples of the last frame that said how many it has.
    frame: u32,
    timescale: u32,
    /// The end of the last sample.
    next: Option<i64>,
    squeezing: bool,
}

impl Counted {
    fn new(codec: &Codec, timescale: u32) -> Self {
        Self {
            codec: codec.clone(),
            frame: DEFAULT_SAMPLES,
            timescale: timescale.max(1),
            next: None,
            squeezing: false,
        }
    }

    fn push(&mut self, frame: &MediaFrame) -> Timed {
        let at = frame.dts.to_scale(self.timescale).max(0);
        if let Some(samples) = self.codec.samples(&frame.payload) {
            self.frame = samples.clamp(1, self.timescale);
        }
        let mut ticks = self.next.unwrap_or(at);
        let ahead = ticks.saturating_sub(at);
        let bound = self.tolerance();
        if ahead < -bound {
            // Sound is missing: leave the gap where it is.
            ticks = at;
        }
        // There is more sound than time: no frame is dropped, but each takes half its time until that is made up.
        self.squeezing = ahead > bound || (self.squeezing && ahead > 0);
        let duration = match self.squeezing {
            // It comes at more than twice its rate: it would run away from the pictures, and past a target duration.
            true if ahead > bound.max(i64::from(self.timescale) * FAR_AHEAD_MILLIS / 1000) => 1,
            true => self.frame.div_ceil(2),
            false => self.frame,
        };
        self.next = Some(ticks.saturating_add(i64::from(duration)));
        Timed {
            ticks,
            sample: Sample {
                duration,
                composition: 0,
                key: true,
                payload: frame.payload.clone(),
            },
        }
    }

    /// Well above a millisecond of rounding and the jitter of encoders that stamp frames as they come, and below
    /// the 45 ms from which people notice that sound leads the picture (ITU-R BT.1359), or one frame and a half.
    fn tolerance(&self) -> i64 {
        let noticed = u64::from(self.timescale) * 45 / 1000;
        let frames = u64::from(self.frame) * 3 / 2;
        i64::try_from(noticed.max(frames)).unwrap_or(i64::MAX)
    }
}

/// A picture that stands for longer is one of a slide show: a gap behind it tells no lie, as its end in another segment
/// would.
const LONG_FRAME_MILLIS: i64 = 50;

/// Further than by any jitter, and not so far that a segment's sound gets half a second longer than its pictures.
const FAR_AHEAD_MILLIS: i64 = 300;

/// Of a video frame that never got a neighbour.
const DEFAULT_FRAME_RATE: u32 = 30;

/// Of sound that does not say how long it is: about that of most codecs.
const DEFAULT_SAMPLES: u32 = 1024;
