//! From a session's events to the hub.

use lsv_core::hub::{Closed, Publisher};
use lsv_core::tag::TagError;

use crate::media::{Demuxer, Item, Options};
use crate::session::{Event, Media};

pub(super) struct Ingest {
    publisher: Publisher,
    demuxer: Demuxer,
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
    pub(super) fn new(publisher: Publisher, options: Options) -> Self {
        Self {
            publisher,
            demuxer: Demuxer::new(options),
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
            Event::Media(media) => self.take_media(&media),
            Event::Unpublished => Ok(Flow::Finished),
            _ => Ok(Flow::Continue),
        }
    }

    fn take_media(&mut self, media: &Media) -> Result<Flow, TagError> {
        for item in self.demuxer.push(media) {
            match item {
                Ok(Item::Frame(frame)) => {
                    if let Err(closed) = self.publisher.push(frame) {
                        return Ok(Flow::Closed(closed));
                    }
                }
                Ok(Item::Track(track)) => self.publisher.announce(&track),
                Ok(Item::Metadata(metadata)) => self.publisher.set_metadata(metadata),
                // The session says when the stream ends.
                Ok(Item::End(_)) => {}
                // An encoder that starts in mid-stream sends its headers soon; nobody could decode what came before.
                Err(TagError::NoConfig(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Flow::Continue)
    }
}
