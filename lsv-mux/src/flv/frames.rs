//! The frames of an FLV stream: tags read, bodies parsed, times unwrapped.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use lsv_core::media::{Kind, MediaFrame, Track};
use lsv_core::tag::{Packet, Parser, TagError};
use lsv_core::time::{Timestamp, Unwrapper};

use super::{DemuxError, Demuxer, Limits};

/// Reads the frames of one FLV stream: a file, or what another program writes into a pipe.
///
/// ```
/// # fn print(flv: &[u8]) -> Result<(), lsv_mux::flv::FramesError> {
/// let mut frames = lsv_mux::flv::Frames::default();
/// frames.push(flv);
/// while let Some(frame) = frames.next()? {
///     println!("{:?} {} bytes", frame.kind(), frame.payload.len());
/// }
/// # Ok(())
/// # }
/// # print(&lsv_mux::flv::header(true, true)).unwrap();
/// ```
#[derive(Debug)]
pub struct Frames {
    input: BytesMut,
    demuxer: Demuxer,
    parser: Parser,
    clock: Unwrapper,
    /// The frames of the tag that was read last.
    ready: VecDeque<MediaFrame>,
}

impl Frames {
    /// A reader at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            input: BytesMut::new(),
            demuxer: Demuxer::new(limits),
            parser: Parser::default(),
            clock: Unwrapper::default(),
            ready: VecDeque::new(),
        }
    }

    /// Takes the bytes that follow. Call [`Frames::next`] until there is nothing before pushing more: what is not read
    /// stays in memory.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next frame, script data among them; `None` until more is pushed.
    ///
    /// # Errors
    /// [`FramesError`]; after [`FramesError::Tag`] the stream goes on with the next tag.
    #[expect(
        clippy::should_implement_trait,
        reason = "nothing now is not the end: more may be pushed"
    )]
    pub fn next(&mut self) -> Result<Option<MediaFrame>, FramesError> {
        while self.ready.is_empty() {
            let Some(tag) = self.demuxer.next(&mut self.input)? else {
                return Ok(None);
            };
            let at = Timestamp::from_millis(self.clock.unwrap_millis(tag.timestamp));
            let packets = match tag.kind {
                Kind::Video => self.parser.video(&tag.body, at),
                Kind::Audio => self.parser.audio(&tag.body, at),
                Kind::Data => return Ok(Some(self.parser.data(tag.body, at))),
            };
            for packet in packets {
                if let Packet::Frame(frame) = packet? {
                    self.ready.push_back(frame);
                }
            }
        }
        Ok(self.ready.pop_front())
    }

    /// The tracks of which a configuration has come, in that order.
    pub fn tracks(&self) -> impl Iterator<Item = &Arc<Track>> {
        self.parser.tracks()
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

/// Why there is no next frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramesError {
    /// It is not FLV; nothing more comes of it.
    #[error(transparent)]
    Stream(#[from] DemuxError),
    /// The body of one tag cannot be taken.
    #[error(transparent)]
    Tag(#[from] TagError),
}
