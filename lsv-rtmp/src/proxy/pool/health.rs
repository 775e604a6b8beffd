//! Whether a back end works, from how its checks come out.

/// What is known of one back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// Not checked yet.
    Unknown,
    Up {
        /// Bad checks in a row.
        bad: u32,
    },
    Down {
        /// Good checks in a row.
        good: u32,
    },
}

impl Health {
    /// Takes the outcome of a check in. The first decides alone; later it takes `rise` good or `fall` bad ones in a
    /// row. Says whether the back end is up now, where that is new.
    pub(super) fn checked(&mut self, well: bool, rise: u32, fall: u32) -> Option<bool> {
        let before = *self;
        *self = match (before, well) {
            (Self::Unknown, true) | (Self::Up { .. }, true) => Self::Up { bad: 0 },
            (Self::Unknown, false) | (Self::Down { .. }, false) => Self::Down { good: 0 },
            (Self::Up { bad }, false) if bad.saturating_add(1) >= fall => Self::Down { good: 0 },
            (Self::Up { bad }, false) => Self::Up {
                bad: bad.saturating_add(1),
            },
            (Self::Down { good }, true) if good.saturating_add(1) >= rise => Self::Up { bad: 0 },
            (Self::Down { good }, true) => Self::Down {
                good: good.saturating_add(1),
            },
        };
        let changed = before == Self::Unknown || before.is_up() != self.is_up();
        changed.then(|| self.is_up())
    }

    /// A connection that was wanted could not be made. Says whether that is new.
    pub(super) fn failed(&mut self) -> bool {
        let new = !self.is_down();
        *self = Self::Down { good: 0 };
        new
    }

    pub(super) fn is_up(self) -> bool {
        matches!(self, Self::Up { .. })
    }

    pub(super) fn is_down(self) -> bool {
        matches!(self, Self::Down { .. })
    }
}
