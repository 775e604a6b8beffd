//! Clips: files that begin and end where somebody else says.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lsv_core::media::{MediaFrame, Tracks};
use lsv_core::path::ChannelId;
use lsv_core::ports::{self, ObjectName};
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::cutter::{self, Cutter};
use super::files::Files;
use super::names::{self, Shelf};
use super::spill::Spill;
use super::{Recorders, Unfinished};

/// Writes the motion clips of one channel, one after the other, as files are recorded: they grow in fragments, are noted in
/// the journal, and get their tables when they end.
#[derive(Debug)]
pub(crate) struct ClipWriter {
    channel: ChannelId,
    cutter: Cutter,
    spill: Arc<Spill>,
    /// What the name of the last clip was made of: no other has the same.
    last: SystemTime,
    work: JoinHandle<()>,
}

impl ClipWriter {
    /// A writer of clips of `channel` into the store of `recorders`.
    pub(crate) fn new(recorders: &Recorders, channel: &ChannelId) -> Self {
        let spill = Arc::new(Spill::new(recorders.config.spill_bytes));
        let output = recorders.output(channel);
        let unfinished = Unfinished::new(&recorders.unfinished);
        let (files, queue) = (Files::new(output, Shelf::MotionFiles), Arc::clone(&spill));
        let work = async move { files.run(&queue, unfinished).await };
        Self {
            channel: channel.clone(),
            cutter: Cutter::new(
                cutter::Files::Whole,
                ENDLESS,
                recorders.config.fragments.clone(),
            ),
            spill,
            last: SystemTime::UNIX_EPOCH,
            work: tokio::spawn(work.in_current_span()),
        }
    }

    /// The name of the clip that begins next, and when its first frame is to have arrived, which was at `wall`.
    ///
    /// # Errors
    /// Where that makes no name.
    pub(crate) fn begin(&mut self, wall: SystemTime) -> ports::Result<(ObjectName, SystemTime)> {
        let wall = wall.max(self.last + names::STEP);
        self.last = wall;
        let name = names::capture(&self.channel, Shelf::MotionFiles, wall)?;
        Ok((name, wall))
    }

    /// The clip's next frame; the first is a key frame.
    pub(crate) fn push(&mut self, frame: &MediaFrame, wall: SystemTime, tracks: &Arc<Tracks>) {
        self.cutter.expect(tracks);
        self.cutter.push(frame, wall);
        self.hand_over();
    }

    /// Ends the clip.
    pub(crate) fn end(&mut self) {
        self.cutter.interrupt();
        self.hand_over();
    }

    /// Ends the clip, and waits until all are whole.
    pub(crate) async fn finish(mut self) {
        self.end();
        self.spill.close();
        if let Err(error) = (&mut self.work).await {
            tracing::error!(%error, "a clip is not whole for now");
        }
    }

    fn hand_over(&mut self) {
        let cuts = self.cutter.take();
        if !cuts.is_empty() {
            self.spill.push(cuts);
        }
    }
}

impl Drop for ClipWriter {
    /// Nobody writes on: what was begun is not noted any longer, so that it is made whole later.
    fn drop(&mut self) {
        self.spill.close();
    }
}

/// Longer than any clip: where it ends is decided elsewhere.
const ENDLESS: Duration = Duration::from_secs(30 * 24 * 3600);
