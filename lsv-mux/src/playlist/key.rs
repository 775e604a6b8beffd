//! EXT-X-KEY (RFC 8216bis §4.4.4.4): said where it changes, it holds for all that follows.

use std::fmt::Write;

use super::put;
use crate::window::Skip;

/// The key that is in force as a playlist is written.
#[derive(Debug)]
pub(super) struct KeyTag {
    /// Where keys are, seen from the playlist.
    folder: &'static str,
    in_force: Option<u64>,
    /// This playlist has said so, not one before it.
    said: bool,
}

impl KeyTag {
    /// Behind what a playlist lists first, or leaves out: there `in_force` holds. What a delta update skips has its keys
    /// from the playlist before; the last one is said again nevertheless, as players exist that forget it.
    pub(super) fn new(folder: &'static str, skip: Skip, in_force: Option<u64>) -> Self {
        Self {
            said: skip == Skip::Nothing,
            ..Self::following(folder, in_force)
        }
    }

    /// Behind text of the same playlist.
    pub(super) fn following(folder: &'static str, in_force: Option<u64>) -> Self {
        Self {
            folder,
            in_force,
            said: true,
        }
    }

    /// The key that is in force.
    pub(super) fn in_force(&self) -> Option<u64> {
        self.in_force
    }

    /// What follows is encrypted with key number `key`, or not at all.
    pub(super) fn put(&mut self, out: &mut String, key: Option<u64>) {
        if self.in_force == key && (self.said || key.is_none()) {
            return;
        }
        (self.in_force, self.said) = (key, true);
        match key {
            // Without IV it is the media sequence number.
            Some(number) => put!(
                out,
                "#EXT-X-KEY:METHOD=AES-128,URI=\"{}{number}\"\n",
                self.folder
            ),
            None => out.push_str("#EXT-X-KEY:METHOD=NONE\n"),
        }
    }
}
