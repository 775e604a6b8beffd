//! The writing end of a stream, as its owner holds it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::stream::Stream;
use crate::media::{MediaFrame, Track};

/// The exclusive writer of a stream.
///
/// Dropped, it counts as lost: the stream waits for the publisher to come back. [`Publisher::finish`] ends it.
#[derive(Debug)]
pub struct Publisher {
    stream: Arc<Stream>,
    session: u64,
    closed: watch::Receiver<Option<Closed>>,
}

/// Why a publisher may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// Another publisher took over.
    #[error("another publisher took over")]
    TakenOver,
    /// Somebody ended the session, or deleted the channel.
    #[error("the session was ended by the operator")]
    Kicked,
    /// The node is stopping; an encoder does well to connect again, elsewhere.
    #[error("the server is stopping; connect again")]
    Draining,
}

impl Publisher {
    pub(super) fn new(
        stream: Arc<Stream>,
        session: u64,
        closed: watch::Receiver<Option<Closed>>,
    ) -> Self {
        Self {
            stream,
            session,
            closed,
        }
    }

    /// The stream that it writes.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Hands on a frame. Its time is on the publisher's own clock; the hub places it on the stream's timeline.
    pub fn push(&self, frame: MediaFrame) -> Result<(), Closed> {
        self.stream.push(self.session, frame)
    }

    /// What follows does not go on from what came before, though its times do: the publisher is a stream of another node
    /// that has come to another epoch, and `number` is that node's for it.
    ///
    /// Said ahead of the first frame, the number only names the epoch that begins with it. [`Stream::clock`] tells it.
    pub fn begin_epoch(&self, number: Option<u32>) {
        self.stream.begin_epoch(self.session, number);
    }

    /// Tells readers of a track ahead of its first frame, as encoders send sequence headers.
    ///
    /// A frame brings its track along, so nothing is lost without it; with it, every format opens with the headers of
    /// all tracks, and not each track's at its first frame.
    pub fn announce(&self, track: &Arc<Track>) {
        self.stream.announce(self.session, track);
    }

    /// Remembers the publisher's `onMetaData`, an FLV script tag body, for those who join. One that is longer than
    /// [`Limits::metadata_bytes`](super::Limits::metadata_bytes) is left out: the last one that was not stays.
    pub fn set_metadata(&self, metadata: Bytes) {
        self.stream.set_metadata(self.session, metadata);
    }

    /// Waits until this publisher may not go on, and says why.
    pub async fn closed(&mut self) -> Closed {
        match self.closed.wait_for(Option::is_some).await {
            Ok(closed) => closed.unwrap_or(Closed::TakenOver),
            // The other end is replaced only by the next publisher's.
            Err(_) => Closed::TakenOver,
        }
    }

    /// Ends the stream: its publisher said that it is done.
    pub fn finish(self) {
        self.stream.lose(self.session, true);
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stream.lose(self.session, false);
    }
}
