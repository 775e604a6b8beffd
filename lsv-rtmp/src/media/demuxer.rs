//! From media messages to tracks and frames.

use std::sync::Arc;

use bytes::Bytes;
use lsv_core::media::{MediaFrame, Track};
use lsv_core::tag::{Options, Packet, Packets, Parser, TagError};
use lsv_core::time::{Timestamp, Unwrapper};

use crate::session::Media;

/// Reads what one publisher sends, message by message in their order.
///
/// Payloads share the memory of their messages, but for frames that are the lesser part of one. Times are those of the
/// sender, from whatever they started at, on a clock that does not wrap.
#[derive(Debug, Clone, Default)]
pub struct Demuxer {
    parser: Parser,
    clock: Unwrapper,
}

/// What a message says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Item {
    /// A track is new, or has a new configuration or side data.
    Track(Arc<Track>),
    /// A frame, or script data other than metadata.
    Frame(MediaFrame),
    /// A track pauses or ends. It may go on under the same configuration.
    End(Arc<Track>),
    /// `onMetaData`, whole: the AMF0 name, then the value. [`Metadata`](super::Metadata) reads it.
    Metadata(Bytes),
}

impl Demuxer {
    /// A demuxer that has seen nothing yet.
    pub fn new(options: Options) -> Self {
        Self {
            parser: Parser::new(options),
            clock: Unwrapper::default(),
        }
    }

    /// Reads a message. Take all items out: only so is all of it seen.
    pub fn push<'a>(&'a mut self, media: &'a Media) -> Items<'a> {
        let at = Timestamp::from_millis(self.clock.unwrap_millis(media.timestamp()));
        Items(match media {
            Media::Audio { payload, .. } => Source::Packets(self.parser.audio(payload, at)),
            Media::Video { payload, .. } => Source::Packets(self.parser.video(payload, at)),
            Media::Data { payload, .. } if payload.starts_with(ON_META_DATA) => {
                Source::Data(Some(Item::Metadata(payload.clone())))
            }
            Media::Data { payload, .. } => {
                let frame = self.parser.data(payload.clone(), at);
                Source::Data(Some(Item::Frame(frame)))
            }
        })
    }
}

/// What one message says, in its order.
///
/// After [`TagError::NoConfig`] the items of other tracks follow; any other error is the last item.
#[derive(Debug)]
pub struct Items<'a>(Source<'a>);

#[derive(Debug)]
enum Source<'a> {
    Packets(Packets<'a>),
    Data(Option<Item>),
}

impl Iterator for Items<'_> {
    type Item = Result<Item, TagError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Source::Packets(packets) => loop {
                return Some(match packets.next()? {
                    Ok(Packet::Track(track)) => Ok(Item::Track(track)),
                    Ok(Packet::Frame(frame)) => Ok(Item::Frame(frame)),
                    Ok(Packet::End(track)) => Ok(Item::End(track)),
                    // What a later version may say besides.
                    Ok(_) => continue,
                    Err(error) => Err(error),
                });
            },
            Source::Data(item) => item.take().map(Ok),
        }
    }
}

/// How a data message with metadata begins: the AMF0 string of its name.
pub(crate) const ON_META_DATA: &[u8] = b"\x02\x00\x0aonMetaData";
