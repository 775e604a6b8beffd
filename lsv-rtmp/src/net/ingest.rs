//! From a session's events to the hub: clocks unwrapped, tag bodies parsed, frames handed on.

use bytes::Bytes;
use lsv_core::hub::{Closed, Publisher};
use lsv_core::media::MediaFrame;
use lsv_core::tag::{self, TagError};
use lsv_core::time::{Timestamp, Unwrapper};

use crate::session::{Event, Media};

pub(super) struct Ingest {
    publisher: Publisher,
    parser: tag::Parser,
    clock: Unwrapper,
}

/// What an event means to its connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    /// The encoder said that it is done.
    Finished,
    /// The hub takes no more of this publisher.
    Closed(Closed),
}

impl Ingest {
    pub(super) fn new(publisher: Publisher) -> Self {
        Self {
            publisher,
            parser: tag::Parser::default(),
            clock: Unwrapper::default(),
        }
    }

    pub(super) fn publisher(&mut self) -> &mut Publisher {
        &mut self.publisher
    }

    pub(super) fn finish(self) {
        self.publisher.finish();
    }

    pub(super) fn take(&mut self, event: Event) -> Result<Flow, TagError> {
        match event {
            Event::Media(media) => self.take_media(media),
            Event::Unpublished => Ok(Flow::Finished),
            _ => Ok(Flow::Continue),
        }
    }

    fn take_media(&mut self, media: Media) -> Result<Flow, TagError> {
        match media {
            Media::Video { timestamp, payload } => {
                let at = self.place(timestamp);
                let parsed = self.parser.video(&payload, at);
                self.push(parsed)
            }
            Media::Audio { timestamp, payload } => {
                let at = self.place(timestamp);
                let parsed = self.parser.audio(&payload, at);
                self.push(parsed)
            }
            Media::Data { timestamp, payload } if is_metadata(&payload) => {
                self.place(timestamp);
                self.publisher.set_metadata(payload);
                Ok(Flow::Continue)
            }
            Media::Data { timestamp, payload } => {
                let at = self.place(timestamp);
                let frame = self.parser.data(payload, at);
                self.push(Ok(Some(frame)))
            }
        }
    }

    fn place(&mut self, clock: u32) -> Timestamp {
        Timestamp::from_millis(self.clock.unwrap_millis(clock))
    }

    fn push(&self, parsed: Result<Option<MediaFrame>, TagError>) -> Result<Flow, TagError> {
        match parsed {
            Ok(Some(frame)) => Ok(match self.publisher.push(frame) {
                Ok(()) => Flow::Continue,
                Err(closed) => Flow::Closed(closed),
            }),
            Ok(None) => {
                for track in self.parser.tracks() {
                    self.publisher.announce(track);
                }
                Ok(Flow::Continue)
            }
            // An encoder that starts in mid-stream sends its headers soon; nobody could decode what came before.
            Err(TagError::NoConfig(_)) => Ok(Flow::Continue),
            Err(error) => Err(error),
        }
    }
}

/// Whether a script data body is `onMetaData`: the AMF0 string of that name comes first.
fn is_metadata(body: &Bytes) -> bool {
    body.starts_with(b"\x02\x00\x0aonMetaData")
}
