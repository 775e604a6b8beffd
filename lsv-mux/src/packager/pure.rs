//! Packaging without tasks and clocks: what [`Packagers`](super::Packagers) does for each stream of a hub, for those who
//! bring frames and time of their own.

use std::sync::Arc;
use std::time::SystemTime;

use lsv_core::hub::Settings;
use lsv_core::media::{MediaFrame, Tracks};

use super::Config;
use crate::dvr::Archive;
use crate::encrypt::ContentKeys;
use crate::segmenter::{Options, Place, Segmenter};
use crate::window::{Outputs, Window};

/// Packages one stream: frames in, playlists and segments out, which [`Packager::outputs`] finds by name.
#[derive(Debug)]
pub struct Packager {
    segmenter: Segmenter,
    window: Window,
    outputs: Arc<Outputs>,
}

impl Packager {
    /// A packager that has seen nothing yet. Its segments are numbered from `first_sequence`.
    pub fn new(config: &Config, settings: &Settings, first_sequence: u64, now: SystemTime) -> Self {
        let options = Options {
            first_sequence,
            part_target: config.part_target,
            segment_bytes: config.segment_bytes,
        };
        let mut segmenter = Segmenter::new(options, settings);
        let mut window = Window::new(config.window.clone(), settings, config.part_target, now);
        let outputs = Arc::new(Outputs::new(window.update(&mut segmenter, now)));
        Self {
            segmenter,
            window,
            outputs,
        }
    }

    /// Encrypts HLS with `keys` whenever the settings want it. Without keys such a stream has no HLS and CMAF.
    #[must_use]
    pub fn with_keys(mut self, keys: ContentKeys, now: SystemTime) -> Self {
        self.window.set_keys(keys);
        self.publish(now);
        self
    }

    /// Keeps what leaves memory in `archive` whenever the settings want it ([`Settings::dvr_window`]). Somebody has to drive
    /// it: see [`Archive::run`].
    #[must_use]
    pub fn with_archive(mut self, archive: Archive, now: SystemTime) -> Self {
        self.window.set_archive(archive);
        self.publish(now);
        self
    }

    /// Has its segments line up with those of the other renditions of its channel, or dates them, if it is the source's.
    #[must_use]
    pub fn in_line(mut self, place: Place, now: SystemTime) -> Self {
        self.window.set_siblings(place.siblings());
        self.segmenter.line_up(place);
        self.publish(now);
        self
    }

    /// Where it stands among the renditions of its channel.
    pub(super) fn place(&self) -> Option<&Place> {
        self.segmenter.place()
    }

    /// What viewers can fetch.
    pub fn outputs(&self) -> &Arc<Outputs> {
        &self.outputs
    }

    /// Tells which tracks the publisher has, as its headers do ahead of the frames.
    pub fn announce(&mut self, tracks: &Tracks) {
        self.segmenter.announce(tracks);
    }

    /// Takes the next frame, which arrived at `now`. Says whether viewers see something new.
    pub fn push(&mut self, frame: &MediaFrame, now: SystemTime) -> bool {
        let news = self.segmenter.push(frame, now);
        if news {
            self.publish(now);
        }
        news
    }

    /// What outputs say of tracks that they do not carry, one sentence each; `None` where they carry all.
    pub fn refusals(&self) -> Option<String> {
        let refusals: Vec<&str> = self.segmenter.refusals().collect();
        (!refusals.is_empty()).then(|| refusals.join(". "))
    }

    /// Follows changed settings.
    pub fn configure(&mut self, settings: &Settings, now: SystemTime) {
        self.segmenter.configure(settings);
        self.window.configure(settings);
        self.publish(now);
    }

    /// Frames are missing: what comes next follows a discontinuity.
    pub fn interrupt(&mut self, now: SystemTime) {
        self.segmenter.interrupt();
        self.publish(now);
    }

    /// The stream is over; its files stay.
    pub fn end(&mut self, now: SystemTime) {
        self.outputs
            .publish(self.window.end(&mut self.segmenter, now));
    }

    fn publish(&mut self, now: SystemTime) {
        let snapshot = self.window.update(&mut self.segmenter, now);
        if let Some(place) = self.segmenter.place() {
            place.report(snapshot.newest_parts());
            if let Some(newest) = snapshot.newest_wall() {
                place.note_lag(now.duration_since(newest).unwrap_or_default());
            }
        }
        self.outputs.publish(snapshot);
    }
}
