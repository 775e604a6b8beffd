//! The program clock: where it stands, and when it is to be written again (ISO/IEC 13818-1 §2.7.2).

use lsv_core::time::Timestamp;

use super::packet::Adaptation;
use super::pes;

/// When the program clock was last written, and on which timeline.
#[derive(Debug, Default)]
pub(super) struct ProgramClock {
    last: Option<(u32, Timestamp)>,
}

impl ProgramClock {
    /// Puts the clock at `at` into `adaptation`. It never runs backwards; a new epoch is a discontinuity.
    pub(super) fn tick(&mut self, epoch: u32, at: Timestamp, adaptation: &mut Adaptation) {
        let at = match self.last {
            Some((known, last)) if known == epoch => at.max(last),
            Some(_) => {
                adaptation.discontinuity = true;
                at
            }
            None => at,
        };
        self.last = Some((epoch, at));
        adaptation.clock = Some(pes::clock(at));
    }

    /// When the clock is to be written in front of a frame at `at`, if waiting for another one would be too long.
    /// `carries`: the frame itself is going to bring it. Ask until there is nothing to be done; a gap of many seconds is
    /// left as it is.
    pub(super) fn due(&self, epoch: u32, at: Timestamp, carries: bool) -> Option<Timestamp> {
        let (known, last) = self.last?;
        let age = at - last;
        let most = if carries { MAX_AGE } else { MAX_AGE_BESIDE };
        (known == epoch && age > most && age < LONGEST_GAP).then(|| at.min(last + STEP))
    }
}

/// Less than the 100 ms of §2.7.2.
const MAX_AGE: Timestamp = Timestamp::from_millis(95);
/// Half of them, which leaves time for the next frame to come.
const MAX_AGE_BESIDE: Timestamp = Timestamp::from_millis(50);
/// From one to the next where there is nothing else.
const STEP: Timestamp = Timestamp::from_millis(80);
/// As long as clocks are written into a gap; few enough that odd times do not make more of them than there is media.
const LONGEST_GAP: Timestamp = Timestamp::from_millis(6000);
