//! How publishers take a channel over from each other, on this node or across nodes: whether one may, and how often.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Limits, Offer, OnBusy, PublishError};
use crate::channel::Moment;

/// What another node has of a channel that is to be published here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Since when it is live there, by the clock of that node.
    pub since: Moment,
    /// Whether its publisher was lost, or asked to go elsewhere: it is expected, anywhere.
    pub is_free: bool,
    /// How long ago the channel was taken over lately, the longest first.
    pub take_overs: Vec<Duration>,
}

/// When a channel was taken over lately.
#[derive(Debug, Default)]
pub(super) struct TakeOvers {
    times: VecDeque<Instant>,
}

impl TakeOvers {
    /// Counts a newcomer who takes the channel over from who has it live, here or elsewhere.
    pub(super) fn admit(
        &mut self,
        offer: &Offer,
        is_live: bool,
        limits: &Limits,
        now: Instant,
    ) -> Result<(), PublishError> {
        let elsewhere = offer.elsewhere.as_ref();
        let is_over =
            |then: &Instant| now.saturating_duration_since(*then) >= limits.take_over_window;
        if let Some(elsewhere) = elsewhere {
            self.learn(&elsewhere.take_overs, now);
        }
        self.times.retain(|then| !is_over(then));
        let too_many = self.times.len().saturating_sub(limits.take_overs);
        drop(self.times.drain(..too_many));
        let is_elsewhere = elsewhere.is_some_and(|elsewhere| !elsewhere.is_free);
        if !is_live && !is_elsewhere {
            return Ok(());
        }
        if offer.on_busy == OnBusy::Reject {
            return Err(PublishError::Busy);
        }
        if self.times.len() >= limits.take_overs {
            return Err(PublishError::TooManyTakeOvers);
        }
        self.times.push_back(now);
        Ok(())
    }

    /// The oldest first.
    pub(super) fn times(&self) -> Vec<Instant> {
        self.times.iter().copied().collect()
    }

    /// Adds what is known elsewhere, and not here.
    fn learn(&mut self, ages: &[Duration], now: Instant) {
        let mut known = self.times.clone();
        for told in ages.iter().filter_map(|age| now.checked_sub(*age)) {
            let is_same =
                |known: &Instant| known.max(&told).duration_since(*known.min(&told)) < SAME;
            match known.iter().position(is_same) {
                Some(index) => {
                    known.remove(index);
                }
                None => self.times.push_back(told),
            }
        }
        self.times.make_contiguous().sort_unstable();
    }
}

/// By how much the time of one take-over differs that was told from node to node.
const SAME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: &[u64]) -> Offer {
        let mut offer = Offer::new("192.0.2.1:5000");
        offer.elsewhere = Some(Elsewhere {
            since: Moment::from_unix(1),
            is_free: false,
            take_overs: seconds.iter().copied().map(Duration::from_secs).collect(),
        });
        offer
    }

    #[test]
    fn take_overs_on_other_nodes_count() {
        let limits = Limits::default();
        let now = Instant::now() + Duration::from_secs(100);
        let admit = |offer: &Offer| {
            let mut take_overs = TakeOvers::default();
            let admitted = take_overs.admit(offer, false, &limits, now);
            (admitted, take_overs.times().len())
        };
        assert_eq!(admit(&Offer::new("alone")), (Ok(()), 0));
        assert_eq!(admit(&after(&[])), (Ok(()), 1));
        assert_eq!(admit(&after(&[9, 5])), (Ok(()), 3));
        let too_many = Err(PublishError::TooManyTakeOvers);
        assert_eq!(admit(&after(&[9, 5, 1])), (too_many, 3));
        assert_eq!(admit(&after(&[10, 5, 1])), (Ok(()), 3));
        let mut lost = after(&[9, 5, 1]);
        lost.elsewhere.as_mut().unwrap().is_free = true;
        assert_eq!(admit(&lost), (Ok(()), 3));
        for offer in [&mut after(&[]), &mut lost] {
            let is_busy = !offer.elsewhere.as_ref().unwrap().is_free;
            offer.on_busy = OnBusy::Reject;
            assert_eq!(admit(offer).0 == Err(PublishError::Busy), is_busy);
        }
    }

    #[test]
    fn take_overs_elsewhere_are_learnt_beside_those_here() {
        let limits = Limits {
            take_overs: 5,
            ..Limits::default()
        };
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut take_overs = TakeOvers::default();
        for second in 0..5 {
            assert_eq!(
                take_overs.admit(&Offer::new("here"), true, &limits, at(second)),
                Ok(())
            );
        }
        // Long over, so that none of them stands for what is told.
        let admitted = take_overs.admit(&after(&[2, 1]), false, &limits, at(3_600));
        assert_eq!(admitted, Ok(()));
        assert_eq!(take_overs.times(), [at(3_598), at(3_599), at(3_600)]);
        // What is known here is told again by who has learnt it, and something new.
        let admitted = take_overs.admit(&after(&[4, 2, 1]), false, &limits, at(3_602));
        assert_eq!(admitted, Ok(()));
        let known = [3_598, 3_599, 3_600, 3_601, 3_602].map(at);
        assert_eq!(take_overs.times(), known);
        let admitted = take_overs.admit(&after(&[]), false, &limits, at(3_603));
        assert_eq!(admitted, Err(PublishError::TooManyTakeOvers));
    }
}
