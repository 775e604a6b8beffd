//! Frames to messages, and what a server that knows nothing has to be told first.

use std::sync::Arc;

use bytes::Bytes;
use lsv_core::media::{Kind, MediaFrame, Tracks};
use lsv_core::time::Timestamp;

use crate::Error;
use crate::media::{Features, Muxer, server_features};
use crate::session::Client;

/// A stream of frames on its way to a server.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// What is known of the stream, whether or not a server was told.
    tracks: Tracks,
    muxer: Muxer,
}

impl Outgoing {
    /// For a server that `session` has got to know.
    pub(super) fn new(session: &Client) -> Self {
        Self {
            tracks: Tracks::default(),
            muxer: Muxer::new(features(session)),
        }
    }

    /// Whether a decoder can start with `frame`: a key frame, without video any sound.
    pub(super) fn is_start(&self, frame: &MediaFrame) -> bool {
        match frame.kind() {
            Kind::Video => frame.key && frame.is_default,
            Kind::Audio => self.tracks.video.is_none(),
            Kind::Data => false,
        }
    }

    /// Says all that is known to another server, before a frame at `at`.
    pub(super) fn reopen(&mut self, at: Timestamp, session: &mut Client) -> Result<(), Error> {
        self.muxer = Muxer::new(features(session));
        self.open(at, session)
    }

    /// Says what is to be known of `tracks` before a frame at `at`.
    pub(super) fn tracks(
        &mut self,
        tracks: &Tracks,
        at: Timestamp,
        session: &mut Client,
    ) -> Result<(), Error> {
        self.tracks = tracks.clone();
        self.open(at, session)
    }

    pub(super) fn metadata(&mut self, metadata: Bytes, session: &mut Client) -> Result<(), Error> {
        let metadata = self.tracks.metadata.insert(metadata);
        session.send_data(0, &[metadata])
    }

    pub(super) fn frame(&mut self, frame: &MediaFrame, session: &mut Client) -> Result<(), Error> {
        let track = &frame.track;
        let known = self.tracks.find(track.kind, track.id);
        if !known.is_some_and(|known| Arc::ptr_eq(known, track)) {
            self.tracks.set(track);
        }
        let mut messages = self.muxer.push(frame);
        messages.try_for_each(|message| message.send(session))
    }

    fn open(&mut self, at: Timestamp, session: &mut Client) -> Result<(), Error> {
        let messages = self.muxer.open(&self.tracks, at);
        messages
            .iter()
            .try_for_each(|message| message.send(session))
    }
}

fn features(session: &Client) -> Features {
    session.server().map(server_features).unwrap_or_default()
}
