//! How long parts are, over all tracks and runs of a stream.

use std::time::Duration;

use lsv_core::media::Kind;

use super::segment::Part;

/// How long parts are.
///
/// RFC 8216bis §4.4.4.9 wants every part but the last of a segment within 85 % to 100 % of PART-TARGET, in every track.
/// So the target follows from the real frames: the first part is filled to the frame that ends nearest to what was
/// configured, and PART-TARGET is 8 % more than that, which absorbs the millisecond clocks of RTMP both ways. Where no whole
/// number of a sound's frames comes to that, it is what is nearest of all that fit both, up to twice as long; where nothing
/// does, as at 12.5 pictures a second with AAC at 11,025 Hz, the sound's parts are too short.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    configured: Duration,
    /// In milliseconds, once known.
    target: Option<u64>,
    /// The longest part so far, in milliseconds.
    longest: u64,
    /// The kind of track whose first part decides.
    leader: Kind,
    /// What the frames so far let expect of that part.
    plan: Option<Plan>,
    /// How long frames of tracks of the other kind last.
    beside: Vec<Micros>,
    /// Parts made since last asked.
    made: u32,
}

type Micros = u64;

/// The first part of the leader, and PART-TARGET.
#[derive(Debug, Clone, Copy)]
struct Plan {
    length: Micros,
    target: Micros,
}

impl Parts {
    pub(super) fn new(configured: Duration) -> Self {
        Self {
            configured,
            target: None,
            longest: 0,
            leader: Kind::Video,
            plan: None,
            beside: Vec::new(),
            made: 0,
        }
    }

    /// Tracks of `kind` decide, if nothing has been decided yet.
    pub(super) fn lead(&mut self, kind: Kind) {
        self.leader = kind;
        self.beside.clear();
    }

    pub(super) fn is_led_by(&self, kind: Kind) -> bool {
        self.leader == kind
    }

    /// Frames of a track of `kind` last for `duration` ticks.
    pub(super) fn meet(&mut self, kind: Kind, duration: u64, timescale: u32) {
        if self.target.is_some() {
            return;
        }
        let frame = duration.saturating_mul(1_000_000) / u64::from(timescale.max(1));
        if self.is_led_by(kind) {
            self.plan = self.plan_of(frame);
        } else if !self.beside.contains(&frame) && self.beside.len() < MAX_BESIDE {
            self.beside.push(frame);
        }
    }

    /// PART-TARGET, once there are parts. A part longer than was decided, or before anything was, makes it grow: no
    /// part may be longer.
    pub(super) fn target(&self) -> Option<Duration> {
        let longest =
            (self.longest > 0).then(|| self.configured.max(Duration::from_millis(self.longest)));
        match self.target {
            Some(target) => Some(Duration::from_millis(target.max(self.longest))),
            None => longest,
        }
    }

    /// Whether parts were made since the last call.
    pub(super) fn take_made(&mut self) -> bool {
        std::mem::take(&mut self.made) > 0
    }

    /// The longest that a part of a track of `kind` may get, in ticks: what is planned, until the leader has decided.
    pub(super) fn limit(&self, kind: Kind, timescale: u32) -> Option<u64> {
        let planned = self.plan.filter(|_| !self.is_led_by(kind));
        match self.target {
            Some(target) => Some(target.max(self.longest) * u64::from(timescale) / 1000),
            None => Some(planned?.target * u64::from(timescale) / 1_000_000),
        }
    }

    /// The length that the first part aims at, in ticks.
    pub(super) fn aim(&self, timescale: u32) -> u64 {
        let planned = self
            .plan
            .map_or(self.configured, |plan| Duration::from_micros(plan.length));
        let ticks = planned.as_nanos() * u128::from(timescale) / 1_000_000_000;
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// The first part that was filled rather than cut short decides.
    pub(super) fn decide(&mut self, length: u64, timescale: u32) {
        let plan = self.plan.unwrap_or(Plan {
            length: 100,
            target: ROOMY,
        });
        let scaled = u128::from(length) * u128::from(plan.target) * 1000;
        let millis = scaled.div_ceil(u128::from(plan.length.max(1)) * u128::from(timescale.max(1)));
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.target.get_or_insert(millis);
    }

    pub(super) fn made(&mut self, part: &Part, timescale: u32) {
        self.made += 1;
        let millis = (part.duration * 1000).div_ceil(u64::from(timescale.max(1)));
        self.longest = self.longest.max(millis);
    }

    /// What frames of the leader that last for `frame` let expect.
    fn plan_of(&self, frame: Micros) -> Option<Plan> {
        let aim = u64::try_from(self.configured.as_micros()).unwrap_or(u64::MAX);
        if frame == 0 {
            return self.plan;
        }
        let nearest = ((aim + (frame - 1) / 2) / frame).max(1);
        let lengths = (nearest..=nearest * 2).map(|frames| frames * frame);
        let mut plans = lengths.flat_map(|length| {
            let target = move |percent| Plan {
                length,
                target: length * percent / 100,
            };
            TARGETS.into_iter().map(target)
        });
        let simple = Plan {
            length: nearest * frame,
            target: nearest * frame * ROOMY / 100,
        };
        let fits = |plan: &Plan| self.beside.iter().all(|frame| fit(*frame, plan.target));
        Some(plans.find(fits).unwrap_or(simple))
    }
}

/// A whole number of frames comes to no more than `target`, and not much less.
fn fit(frame: Micros, target: Micros) -> bool {
    let whole = (target / frame.max(1)) * frame;
    whole > 0 && whole * 100 >= target * LEAST
}

/// PART-TARGET in percent of a part of the leader.
const ROOMY: u64 = 108;

/// The same and what else may be, the best first.
const TARGETS: [u64; 13] = [
    ROOMY, 107, 109, 106, 110, 105, 111, 104, 112, 103, 113, 114, 115,
];

/// A part in percent of PART-TARGET: 85, and room for rounding.
const LEAST: u64 = 86;

/// More sounds than the hub takes.
const MAX_BESIDE: usize = 8;
