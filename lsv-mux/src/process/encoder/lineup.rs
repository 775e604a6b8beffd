//! What one encoder gives, lined up: the pictures of all its outputs go on together or not at all.
//!
//! So all renditions of a channel begin and end with the same picture, whatever becomes of their encoder, and what is cut
//! from them has the same numbers and times.

use std::collections::VecDeque;

use lsv_core::media::MediaFrame;
use lsv_core::time::Timestamp;

/// What goes on to viewers in one step.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The pictures of one moment, one for each output.
    Pictures(Vec<MediaFrame>),
    /// A frame of the sound of this number.
    Sound(usize, MediaFrame),
}

impl Step {
    /// When it is decoded.
    pub(super) fn at(&self) -> Timestamp {
        match self {
            Self::Pictures(pictures) => pictures.first().map_or(Timestamp::ZERO, |it| it.dts),
            Self::Sound(_, frame) => frame.dts,
        }
    }

    /// Viewers may start here: pictures that need no others.
    pub(super) fn is_start(&self) -> bool {
        match self {
            Self::Pictures(pictures) => pictures.iter().all(|picture| picture.key),
            Self::Sound(..) => false,
        }
    }
}

/// Waits for the pictures of one moment to be complete.
#[derive(Debug)]
pub(super) struct Lineup {
    pictures: Vec<VecDeque<MediaFrame>>,
    sounds: Vec<VecDeque<MediaFrame>>,
    /// The last moment whose pictures went on.
    complete: Option<Timestamp>,
}

impl Lineup {
    /// A lineup of so many outputs with pictures, then so many sounds, in the order of the encoder's tracks.
    pub(super) fn new(pictures: usize, sounds: usize) -> Self {
        Self {
            pictures: vec![VecDeque::new(); pictures],
            sounds: vec![VecDeque::new(); sounds],
            complete: None,
        }
    }

    /// Takes a frame of the encoder's track `index`, and gives what is complete with it, in the order of time.
    pub(super) fn push(&mut self, index: usize, frame: MediaFrame) -> Vec<Step> {
        let of_sound = index.checked_sub(self.pictures.len());
        let queue = match of_sound {
            None => self.pictures.get_mut(index),
            Some(index) => self.sounds.get_mut(index),
        };
        if let Some(queue) = queue {
            // Something is wrong with an output that is so far ahead of another one; the oldest is what is missed least.
            if queue.len() == MOST_WAITING {
                queue.pop_front();
            }
            queue.push_back(frame);
        }
        let mut steps = Vec::new();
        while let Some(row) = self.next_row() {
            let pictures = Step::Pictures(row);
            self.complete = Some(pictures.at());
            self.put_sounds(&mut steps);
            steps.push(pictures);
        }
        self.put_sounds(&mut steps);
        steps
    }

    /// The pictures of the next moment that all outputs have; what one of them lacks is left out of all.
    fn next_row(&mut self) -> Option<Vec<MediaFrame>> {
        loop {
            let heads = self.pictures.iter().map(VecDeque::front);
            let heads = heads.collect::<Option<Vec<_>>>()?;
            let newest = heads.iter().map(|head| head.dts).max()?;
            if heads.iter().all(|head| head.dts == newest) {
                let row = self.pictures.iter_mut().map(VecDeque::pop_front);
                return row.collect();
            }
            for queue in &mut self.pictures {
                while queue.front().is_some_and(|head| head.dts < newest) {
                    queue.pop_front();
                }
            }
        }
    }

    /// The sound up to the last pictures.
    fn put_sounds(&mut self, steps: &mut Vec<Step>) {
        let Some(complete) = self.complete else {
            return;
        };
        for (number, queue) in self.sounds.iter_mut().enumerate() {
            while queue.front().is_some_and(|head| head.dts <= complete) {
                steps.extend(queue.pop_front().map(|frame| Step::Sound(number, frame)));
            }
        }
    }
}

/// Most frames of one track that wait for another one: over ten seconds of sound.
const MOST_WAITING: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use lsv_core::media::Kind;
    use proptest::prelude::*;

    pub(super) fn frame(kind: Kind, millis: i64) -> MediaFrame {
        let tracks = crate::fuzzing::tracks();
        let track = tracks.default_of(kind).unwrap();
        let mut frame = MediaFrame::new(track, Timestamp::from_millis(millis), Bytes::new());
        frame.key = kind == Kind::Video && millis % 2_000 == 0;
        frame
    }

    fn times(steps: &[Step]) -> Vec<(usize, i64)> {
        let time = |step: &Step| match step {
            Step::Pictures(row) => (row.len(), step.at().as_millis()),
            Step::Sound(..) => (0, step.at().as_millis()),
        };
        steps.iter().map(time).collect()
    }

    #[test]
    fn pictures_wait_for_each_other_and_sound_for_them() {
        let mut lineup = Lineup::new(2, 1);
        let video = |millis| frame(Kind::Video, millis);
        assert_eq!(times(&lineup.push(2, frame(Kind::Audio, 10))), []);
        assert_eq!(times(&lineup.push(0, video(0))), []);
        assert_eq!(times(&lineup.push(1, video(0))), [(2, 0)]);
        assert_eq!(times(&lineup.push(0, video(40))), []);
        assert_eq!(times(&lineup.push(1, video(40))), [(0, 10), (2, 40)]);
        assert_eq!(times(&lineup.push(2, frame(Kind::Audio, 33))), [(0, 33)]);
    }

    #[test]
    fn a_picture_that_one_output_lacks_is_left_out_of_all() {
        let mut lineup = Lineup::new(2, 0);
        for millis in [0, 40, 80] {
            lineup.push(0, frame(Kind::Video, millis));
        }
        assert_eq!(times(&lineup.push(1, frame(Kind::Video, 0))), [(2, 0)]);
        assert_eq!(times(&lineup.push(1, frame(Kind::Video, 80))), [(2, 80)]);
    }

    proptest! {
        #[test]
        fn rows_are_whole_and_in_order(arrivals in prop::collection::vec((0usize..4, 0i64..40), 0..200)) {
            let mut lineup = Lineup::new(3, 1);
            let mut clocks = [0i64; 4];
            let mut shown = Timestamp::from_millis(-1);
            for (index, step) in arrivals {
                clocks[index] += 1 + step / 20;
                let kind = if index < 3 { Kind::Video } else { Kind::Audio };
                for step in lineup.push(index, frame(kind, clocks[index] * 40)) {
                    if let Step::Pictures(row) = &step {
                        prop_assert_eq!(row.len(), 3);
                        prop_assert!(row.iter().all(|it| it.dts == step.at()));
                        prop_assert!(step.at() > shown);
                        shown = step.at();
                    }
                }
            }
        }
    }
}
