//! From tracks and frames to media messages.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use lsv_core::media::{Kind, MediaFrame, Track, Tracks};
use lsv_core::tag::{self, Features};
use lsv_core::time::Timestamp;

use crate::error::Error;
use crate::message::MessageType;
use crate::session::Client;

/// Writes a stream for one kind of reader.
///
/// Tracks are introduced before their first frame, and again when they change. A reader without
/// [`Features::multitrack`] gets the default tracks only.
#[derive(Debug)]
pub struct Muxer {
    features: Features,
    /// The tracks that the reader knows, as it knows them.
    introduced: Vec<Arc<Track>>,
    buffer: BytesMut,
}

/// A media message: a header and a payload, whose bytes end to end are its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it carries.
    pub kind: Kind,
    /// Milliseconds on the stream's timeline, modulo 2^32.
    pub timestamp: u32,
    /// What stands in front of the payload.
    pub header: Bytes,
    /// The payload of the frame, not copied; empty for sequence headers and side data.
    pub payload: Bytes,
}

impl Message {
    /// The type of the message (RTMP 1.0 §7.1).
    pub fn message_type(&self) -> MessageType {
        match self.kind {
            Kind::Video => MessageType::VIDEO,
            Kind::Audio => MessageType::AUDIO,
            Kind::Data => MessageType::DATA,
        }
    }

    /// The body in its pieces.
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.header, &self.payload]
    }

    /// Sends it as a publisher.
    ///
    /// # Errors
    /// As [`Client::send_audio`].
    pub fn send(&self, client: &mut Client) -> Result<(), Error> {
        match self.kind {
            Kind::Video => client.send_video(self.timestamp, &self.parts()),
            Kind::Audio => client.send_audio(self.timestamp, &self.parts()),
            Kind::Data => client.send_data(self.timestamp, &self.parts()),
        }
    }
}

/// At most what precedes a frame, and the frame.
pub type Messages = std::iter::Flatten<std::array::IntoIter<Option<Message>, 3>>;

impl Muxer {
    /// A muxer at the start of a stream, for a reader that understands `features`.
    pub fn new(features: Features) -> Self {
        Self {
            features,
            introduced: Vec::new(),
            buffer: BytesMut::new(),
        }
    }

    /// What a reader needs before a frame at `at`: the metadata, then what introduces each track.
    ///
    /// Metadata is about the whole stream, and at time 0 wherever a reader starts: FFmpeg takes a data message with
    /// another time for the start of a subtitle track.
    pub fn open(&mut self, tracks: &Tracks, at: Timestamp) -> Vec<Message> {
        let metadata = tracks.metadata.clone();
        let metadata = metadata.map(|metadata| message(Kind::Data, Timestamp::ZERO, metadata));
        let mut messages = Vec::from_iter(metadata);
        let others = match self.features.multitrack {
            true => &tracks.others[..],
            false => &[],
        };
        for track in tracks.defaults().chain(others) {
            messages.extend(self.introduce(track, at).into_iter().flatten());
        }
        messages
    }

    /// The frame, behind what introduces its track where the reader does not know it as it is.
    pub fn push(&mut self, frame: &MediaFrame) -> Messages {
        let track = &frame.track;
        if !frame.is_default && !self.features.multitrack {
            return [None, None, None].into_iter().flatten();
        }
        let known = |known: &Arc<Track>| Arc::ptr_eq(known, track);
        let [config, side_data] = match self.introduced.iter().any(known) {
            true => [None, None],
            false => self.introduce(track, frame.dts),
        };
        tag::put_frame_header(&mut self.buffer, frame, self.features);
        let header = self.buffer.split().freeze();
        let payload = frame.payload.clone();
        let frame = Message {
            header,
            ..message(track.kind, frame.dts, payload)
        };
        [config, side_data, Some(frame)].into_iter().flatten()
    }

    /// The sequence header, then side data, where a track has such.
    fn introduce(&mut self, track: &Arc<Track>, at: Timestamp) -> [Option<Message>; 2] {
        if track.kind == Kind::Data {
            return [None, None];
        }
        let multitrack = self.features.multitrack;
        self.introduced
            .retain(|known| known.kind != track.kind || (multitrack && known.id != track.id));
        self.introduced.push(Arc::clone(track));
        [tag::put_config, tag::put_side_data].map(|put| {
            put(&mut self.buffer, track, self.features);
            let header = self.buffer.split().freeze();
            (!header.is_empty()).then(|| Message {
                header,
                ..message(track.kind, at, Bytes::new())
            })
        })
    }
}

/// A message without header. RTMP's clock has 32 bits and wraps.
fn message(kind: Kind, at: Timestamp, payload: Bytes) -> Message {
    Message {
        kind,
        timestamp: at.as_millis() as u32,
        header: Bytes::new(),
        payload,
    }
}
