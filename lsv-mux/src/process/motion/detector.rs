//! Whether anything moves, from small grey pictures. Pure: pictures in, shares of changed pixels out.

/// When there is motion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sensitivity {
    /// The share of a picture's pixels that has to change, in percent; of 0 and of what is less than one pixel, one has to.
    pub percent: u32,
    /// By how much of 255 a pixel has to change to count. What is the same has not changed, so 0 is as 1.
    pub difference: u8,
}

impl Sensitivity {
    /// Motion where `percent` of the pixels change by `difference` or more.
    pub fn new(percent: u32, difference: u8) -> Self {
        Self {
            percent,
            difference,
        }
    }
}

/// Compares each picture with the one before it.
///
/// With the one before and not with a background that is learned: a scene that has changed for good, as where a light is
/// switched on, is one motion, over at once, and there is nothing to learn that could be wrong after days.
#[derive(Debug, Default)]
pub struct Detector {
    before: Vec<u8>,
}

impl Detector {
    /// One that has not seen anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next picture, a byte for each pixel, and says whether something moves between the one before and this.
    /// The first, and one of another size, has nothing to be compared with.
    pub fn push(&mut self, picture: &[u8], sensitivity: Sensitivity) -> bool {
        let moves = self.before.len() == picture.len()
            && is_enough(
                changed(&self.before, picture, sensitivity.difference),
                picture.len(),
                sensitivity.percent,
            );
        self.before.clear();
        self.before.extend_from_slice(picture);
        moves
    }

    /// Forgets the picture before: what comes next does not go on from it.
    pub fn reset(&mut self) {
        self.before.clear();
    }
}

/// How many pixels differ by `difference` or more.
fn changed(before: &[u8], picture: &[u8], difference: u8) -> usize {
    let least = difference.max(1);
    let pairs = before.iter().zip(picture);
    pairs
        .filter(|(before, pixel)| before.abs_diff(**pixel) >= least)
        .count()
}

fn is_enough(changed: usize, pixels: usize, percent: u32) -> bool {
    let changed_percent = changed as u128 * 100;
    changed > 0 && changed_percent >= pixels as u128 * u128::from(percent)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether there is motion when `changed` of 100 pixels change by `by`.
    fn moves(changed: usize, by: u8, percent: u32, difference: u8) -> bool {
        let mut detector = Detector::new();
        let sensitivity = Sensitivity::new(percent, difference);
        assert!(!detector.push(&[100; 100], sensitivity));
        let mut picture = [100; 100];
        picture[..changed].fill(100 + by);
        detector.push(&picture, sensitivity)
    }

    #[test]
    fn share_and_difference_decide() {
        for (changed, by, percent, difference, expected) in [
            (30, 10, 30, 10, true),
            (29, 10, 30, 10, false),
            (100, 9, 30, 10, false),
            (100, 10, 100, 10, true),
            (99, 10, 100, 10, false),
            (1, 1, 0, 0, true),
            (0, 0, 0, 0, false),
            (1, 155, 1, 155, true),
            (100, 155, 0, 156, false),
            (100, 155, 100, 255, false),
        ] {
            let found = moves(changed, by, percent, difference);
            assert_eq!(
                found, expected,
                "{changed} by {by} at {percent} %, {difference}"
            );
        }
    }

    #[test]
    fn a_scene_that_changes_for_good_moves_once() {
        let sensitivity = Sensitivity::new(30, 10);
        let mut detector = Detector::new();
        let scene = [[20; 64], [20; 64], [200; 64], [200; 64], [200; 64]];
        let found: Vec<bool> = scene
            .iter()
            .map(|picture| detector.push(picture, sensitivity))
            .collect();
        assert_eq!(found, [false, false, true, false, false]);
    }

    #[test]
    fn what_does_not_go_on_is_not_compared() {
        let sensitivity = Sensitivity::new(1, 1);
        let mut detector = Detector::new();
        detector.push(&[0; 64], sensitivity);
        assert!(!detector.push(&[255; 32], sensitivity), "another size");
        detector.reset();
        assert!(!detector.push(&[0; 32], sensitivity), "after a break");
        assert!(detector.push(&[255; 32], sensitivity));
        assert!(!Detector::new().push(&[], sensitivity));
    }

    proptest! {
        #[test]
        fn what_moves_moves_for_the_more_sensitive(
            before in prop::collection::vec(any::<u8>(), 48),
            after in prop::collection::vec(any::<u8>(), 48),
            percent in 0..=100_u32, difference in any::<u8>(), less in 0..100_u32, finer in any::<u8>(),
        ) {
            let moves = |sensitivity| {
                let mut detector = Detector::new();
                detector.push(&before, sensitivity);
                detector.push(&after, sensitivity)
            };
            let coarse = Sensitivity::new(percent, difference);
            let fine = Sensitivity::new(percent.saturating_sub(less), difference.saturating_sub(finer));
            prop_assert!(!moves(coarse) || moves(fine));
        }

        #[test]
        fn stillness_never_moves(picture in prop::collection::vec(any::<u8>(), 0..64), percent in 0..=100_u32, difference in any::<u8>()) {
            let mut detector = Detector::new();
            let sensitivity = Sensitivity::new(percent, difference);
            for _ in 0..3 {
                prop_assert!(!detector.push(&picture, sensitivity));
            }
        }
    }
}
