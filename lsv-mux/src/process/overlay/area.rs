//! Rectangles in a picture and beyond its edges.

/// A rectangle, its top left corner counted from that of the source's picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Area {
    pub(super) const fn new(left: i32, top: i32, width: u32, height: u32) -> Self {
        Self {
            left,
            top,
            width,
            height,
        }
    }

    /// Whether it has no pixel.
    pub(super) const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// The part that lies in `other`; none if that has no pixel.
    pub(super) fn within(self, other: Self) -> Option<Self> {
        Self::spanning(
            (self.left.max(other.left), self.top.max(other.top)),
            (
                self.right().min(other.right()),
                self.bottom().min(other.bottom()),
            ),
        )
        .filter(|area| !area.is_empty())
    }

    /// Whether it goes on beyond the right or lower edge of `other`.
    pub(super) fn overruns(self, other: Self) -> bool {
        !self.is_empty() && (self.right() > other.right() || self.bottom() > other.bottom())
    }

    /// The smallest that holds both.
    pub(super) fn with(self, other: Self) -> Self {
        Self::spanning(
            (self.left.min(other.left), self.top.min(other.top)),
            (
                self.right().max(other.right()),
                self.bottom().max(other.bottom()),
            ),
        )
        .unwrap_or(self)
    }

    /// The same, grown to even coordinates: where chroma has half the resolution, ffmpeg puts an overlay at those only.
    pub(super) fn even(self) -> Self {
        let down = |start: i32| start.saturating_sub(start.rem_euclid(2));
        let up = |end: i64| end + end.rem_euclid(2);
        let end = (up(self.right()), up(self.bottom()));
        Self::spanning((down(self.left), down(self.top)), end).unwrap_or(self)
    }

    fn right(self) -> i64 {
        i64::from(self.left) + i64::from(self.width)
    }

    fn bottom(self) -> i64 {
        i64::from(self.top) + i64::from(self.height)
    }

    fn spanning((left, top): (i32, i32), (right, bottom): (i64, i64)) -> Option<Self> {
        let width = u32::try_from(right - i64::from(left)).ok()?;
        let height = u32::try_from(bottom - i64::from(top)).ok()?;
        Some(Self::new(left, top, width, height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Area = Area::new(0, 0, 100, 50);

    #[test]
    fn what_lies_within() {
        for (area, seen) in [
            ((10, 10, 20, 20), Some((10, 10, 20, 20))),
            ((-5, -5, 20, 20), Some((0, 0, 15, 15))),
            ((90, 40, 20, 20), Some((90, 40, 10, 10))),
            ((-10, -10, 500, 500), Some((0, 0, 100, 50))),
            ((100, 0, 5, 5), None),
            ((-5, 0, 5, 5), None),
            ((10, 10, 0, 5), None),
            (
                (i32::MIN, i32::MIN, u32::MAX, u32::MAX),
                Some((0, 0, 100, 50)),
            ),
            ((i32::MAX, i32::MAX, u32::MAX, u32::MAX), None),
        ] {
            let [area, seen] = [Some(area), seen].map(|area| {
                area.map(|(left, top, width, height)| Area::new(left, top, width, height))
            });
            assert_eq!(area.unwrap().within(ROOM), seen, "{area:?}");
        }
    }

    #[test]
    fn beyond_the_right_and_lower_edges() {
        assert!(Area::new(99, 0, 2, 1).overruns(ROOM));
        assert!(Area::new(0, 49, 1, 2).overruns(ROOM));
        for area in [
            Area::new(-1, -1, 2, 2),
            Area::new(98, 48, 2, 2),
            Area::new(500, 500, 0, 9),
        ] {
            assert!(!area.overruns(ROOM), "{area:?}");
        }
    }

    #[test]
    fn both_and_even() {
        let both = Area::new(3, 5, 2, 2).with(Area::new(10, 1, 1, 1));
        assert_eq!(both, Area::new(3, 1, 8, 6));
        assert_eq!(both.even(), Area::new(2, 0, 10, 8));
        assert_eq!(Area::new(2, 4, 6, 8).even(), Area::new(2, 4, 6, 8));
        assert_eq!(Area::new(-3, 0, 3, 1).even(), Area::new(-4, 0, 4, 2));
    }
}
