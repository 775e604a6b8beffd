//! A processor between the publisher and the readers of a stream, as its owner holds it.

use std::sync::Arc;

use tokio::sync::watch;

use super::feed::Subscriber;
use super::route::Stage;
use super::stream::Stream;
use crate::media::{MediaFrame, Track};

/// A processor's place in a stream: it reads what the publisher sends, and readers see what it pushes in its stead.
///
/// Until it is [engaged](Self::engage) readers see the publisher's frames, so that a processor can warm up; they stay, with
/// the stream's timeline and epoch, through every switch. Switches are at key frames of the publisher's default video
/// track, for all tracks at the same time; without video, at one of the places about a second apart where readers may
/// start. Script data keeps coming from the publisher, in its place between the pictures.
///
/// A processor takes its time, so from engaging on readers are as far behind the publisher as it is. One that stops
/// pushing holds them up, until it says [`Insert::fail`] or is dropped, which is the same. When the stream has ended, which
/// ends what it reads, readers still get what it pushes; they are told of the end when it is dropped.
#[derive(Debug)]
pub struct Insert {
    stream: Arc<Stream>,
}

impl Insert {
    pub(super) fn new(stream: Arc<Stream>) -> Self {
        Self { stream }
    }

    /// The stream that it is in.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Reads what the publisher sends, as [`Stream::subscribe`] would without an insert: on the stream's timeline, from the
    /// newest key frame on.
    pub fn subscribe(&self) -> Subscriber<MediaFrame> {
        self.stream.subscribe_source()
    }

    /// Tells of all tracks of what follows, in place of those before. They are in force from the next frame that readers
    /// get of what is pushed.
    ///
    /// A frame brings its track along, so nothing is lost without it; with it, every format opens with the headers of
    /// all tracks.
    pub fn announce(&self, tracks: &[Arc<Track>]) {
        self.stream.with_flow(|flow| flow.announce_inserted(tracks));
    }

    /// From the publisher's next key frame on, readers see what is pushed. Takes back [`Insert::release`].
    pub fn engage(&self) {
        self.stream.with_flow(|flow| flow.engage());
    }

    /// Hands on a frame that was made of the publisher's: its time, and its epoch, are those of the frame it was made of. A
    /// track begins at a key frame.
    ///
    /// Says whether readers get it. They do not where it is not, or no longer, their turn (see [`Insert::stage`]), where
    /// its track would run backwards or repeat what was shown, or where it lies ahead of all that the publisher sent. Script
    /// data goes its own way and cannot be pushed.
    pub fn push(&self, frame: MediaFrame) -> bool {
        self.stream.with_flow(|flow| flow.push_inserted(frame))
    }

    /// Ends it without a gap: readers see what is pushed up to the publisher's next key frame, and what the publisher sent
    /// from there on as soon as a frame from there on is pushed, or the insert is dropped.
    pub fn release(&self) {
        self.stream.with_flow(|flow| flow.release());
    }

    /// Ends it at once: readers go on with what the publisher sent, at its first key frame after what they have seen. It
    /// may be engaged again.
    pub fn fail(&self) {
        self.stream.with_flow(|flow| flow.fail());
    }

    /// Where it stands.
    pub fn stage(&self) -> Stage {
        *self.watch_stage().borrow()
    }

    /// Where it stands, with changes.
    pub fn watch_stage(&self) -> watch::Receiver<Stage> {
        self.stream.watch_stage()
    }
}

impl Drop for Insert {
    fn drop(&mut self) {
        self.stream.with_flow(|flow| flow.leave());
    }
}
