//! Who does what for a channel where several nodes work for it: the node that takes its publisher, and one that encodes.

use crate::hub::{Processing, Recording, Settings};
use crate::ports::TaskKind;

/// Which part of the work on a channel a node does.
///
/// What is only remuxed is done where the publisher is: it costs next to nothing there, and waits for nobody. What shows
/// a watermark is done where that is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Share {
    /// All of it: a node alone.
    #[default]
    Everything,
    /// What needs no encoder; the rest is for a node whose share is [`Share::Encoding`].
    Remuxing,
    /// Renditions, watermarks and motion, and the recordings of channels with a watermark.
    Encoding,
}

impl Share {
    /// Whether a task of `kind` is this node's, for a channel that wants `wanted`.
    pub fn does(self, kind: TaskKind, wanted: &Processing) -> bool {
        let encoding = match kind {
            TaskKind::Transcode | TaskKind::Motion => true,
            TaskKind::Snapshot => wanted.watermark.is_some(),
            _ => false,
        };
        match self {
            Self::Everything => true,
            Self::Remuxing => !encoding,
            Self::Encoding => encoding,
        }
    }

    /// What of a channel's recordings this node writes.
    pub fn records(self, settings: &Settings) -> Recording {
        let encoding = settings.processing.watermark.is_some();
        match self {
            Self::Everything => settings.recording.clone(),
            Self::Remuxing if !encoding => settings.recording.clone(),
            Self::Encoding if encoding => settings.recording.clone(),
            _ => Recording::default(),
        }
    }

    /// Whether a channel that wants `wanted` needs a node with the share [`Share::Encoding`], beside this one.
    pub fn leaves_work(self, wanted: &Processing) -> bool {
        let encoding =
            !wanted.renditions.is_empty() || wanted.watermark.is_some() || wanted.motion.is_some();
        self == Self::Remuxing && encoding
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::hub::Watermark;

    #[test]
    fn the_two_shares_are_everything_once() {
        let mut settings = Settings::default();
        settings.recording.files = Some(Duration::from_secs(60));
        for watermark in [None, Some(Watermark::new(None, None, 0, 0))] {
            settings.processing.watermark = watermark;
            for kind in [
                TaskKind::Transcode,
                TaskKind::Motion,
                TaskKind::Snapshot,
                TaskKind::Relay,
            ] {
                let does = |share: Share| share.does(kind, &settings.processing);
                assert!(does(Share::Everything));
                assert_ne!(does(Share::Remuxing), does(Share::Encoding), "{kind}");
            }
            let records = |share: Share| share.records(&settings).files.is_some();
            assert!(records(Share::Everything));
            assert_ne!(records(Share::Remuxing), records(Share::Encoding));
        }
    }

    #[test]
    fn what_must_show_the_watermark_is_done_where_it_is_drawn() {
        let mut settings = Settings::default();
        settings.recording.files = Some(Duration::from_secs(60));
        let snapshot = |share: Share, settings: &Settings| {
            share.does(TaskKind::Snapshot, &settings.processing)
        };
        assert!(snapshot(Share::Remuxing, &settings));
        assert!(!Share::Remuxing.leaves_work(&settings.processing));
        settings.processing.watermark = Some(Watermark::new(None, None, 0, 0));
        assert!(snapshot(Share::Encoding, &settings));
        assert!(Share::Encoding.records(&settings).files.is_some());
        assert!(Share::Remuxing.leaves_work(&settings.processing));
        assert!(!Share::Everything.leaves_work(&settings.processing));
    }
}
