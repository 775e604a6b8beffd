//! EXT-X-KEY (RFC 8216bis §4.4.4.4): said where it changes, it holds for all that follows.

use std::fmt::Write;
use std::sync::Arc;

use super::put;
use crate::segmenter::Segment;

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
    /// At the start of what a playlist lists, behind the segments that a delta update skips. They have their keys from
    /// the playlist before; the last one is said again nevertheless, as players exist that forget it.
    pub(super) fn new(folder: &'static str, skipped: &[Arc<Segment>]) -> Self {
        Self {
            folder,
            in_force: skipped.last().and_then(|segment| segment.key),
            said: false,
        }
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
