//! Reading fragmented MP4 as it comes: what another program writes into a pipe (ISO/IEC 14496-12 §8.8).
//!
//! | sample entry | codec |
//! | --- | --- |
//! | `avc1`, `avc3` | H.264 |
//! | `hvc1`, `hev1` | HEVC |
//! | `av01`, `vp09` | AV1, VP9 |
//! | `mp4a` | AAC, MP3 |
//! | `Opus`, `fLaC`, `ac-3`, `ec-3`, `.mp3` | Opus, FLAC, AC-3, E-AC-3, MP3 |
//!
//! Other tracks, of text say, are passed over; another codec of picture or sound is an error. A frame comes out as soon as its
//! last byte is there. Its payload is a slice of what was pushed, or a copy where it lies in several pieces; so whoever
//! keeps frames keeps the pieces.
//!
//! Edit lists are not applied: times are those of the fragments, which is what live streams have.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use lsv_core::codec::InvalidConfig;
use lsv_core::media::{Codec, Kind, MediaFrame, Track};
use lsv_core::time::Timestamp;

use super::boxes::{Head, LONG_HEAD, Missing, SHORT_HEAD};

mod entry;
mod fragment;
mod input;
mod movie;

#[cfg(test)]
mod tests;

use fragment::Sample;
use input::Input;
use movie::Movie;

/// How much a [`Demuxer`] takes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// The longest header, `moov` or `moof`, in bytes: 1 MiB. What a writer makes wait in memory.
    pub max_header_bytes: usize,
    /// The longest frame in bytes: 16 MiB, likewise.
    pub max_frame_bytes: usize,
    /// The most samples of a fragment, 65,536: a few bytes can announce any number of them.
    pub max_samples: usize,
    /// The most tracks, 32.
    pub max_tracks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_header_bytes: 1 << 20,
            max_frame_bytes: 16 << 20,
            max_samples: 65_536,
            max_tracks: 32,
        }
    }
}

/// What a [`Demuxer`] reads.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The tracks of pictures and sound, in the order of the file, numbered from 0 within their kind. AC-3 and Enhanced
    /// AC-3 stand as [`Codec::Other`]: their first frames bring what is known of the sound.
    Tracks(Vec<Arc<Track>>),
    /// A frame.
    Frame {
        /// The place of its track among those announced.
        track: usize,
        /// The frame itself.
        frame: MediaFrame,
    },
}

/// Input that is not fragmented MP4, or none that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("MP4 stream at byte {offset}: {reason}")]
pub struct DemuxError {
    /// Where in the stream the box starts that cannot be taken.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong at a place of an MP4 stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It does not begin with a box that MP4 begins with.
    #[error("no MP4: it does not begin with ftyp")]
    NotMp4,
    /// A box that ends within its own head, or with the stream.
    #[error("a box whose size is none")]
    BoxSize,
    /// A header that is longer than [`Limits::max_header_bytes`].
    #[error("a header of {size} bytes; at most {limit} are taken")]
    HeaderTooLong {
        /// The length in bytes that it announces.
        size: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// A box that is not there, or cannot be read.
    #[error("no {} that can be read", .0.escape_ascii())]
    Missing([u8; 4]),
    /// A box that ended before its fields did.
    #[error("a {} that is cut short", .0.escape_ascii())]
    Truncated([u8; 4]),
    /// More tracks than [`Limits::max_tracks`].
    #[error("more than {0} tracks")]
    TooManyTracks(usize),
    /// A picture or sound in a codec that is not read here.
    #[error("the sample entry {}, which is not read", .0.escape_ascii())]
    Unsupported([u8; 4]),
    /// The configuration of a codec cannot be used.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// A field has a value that the standard does not allow, or nobody uses.
    #[error("an unusable {0}")]
    Field(&'static str),
    /// A fragment before the header of the file, or a second header.
    #[error("a fragment before the tracks are known, or tracks that are announced twice")]
    Order,
    /// A fragment of a track that was not announced.
    #[error("a fragment of track {0}, which is unknown")]
    UnknownTrack(u32),
    /// More samples in a fragment than [`Limits::max_samples`].
    #[error("a fragment with more than {0} samples")]
    TooManySamples(usize),
    /// A frame that is longer than [`Limits::max_frame_bytes`].
    #[error("a frame of {size} bytes; at most {limit} are taken")]
    FrameTooLong {
        /// Its length in bytes.
        size: u32,
        /// The limit in bytes.
        limit: usize,
    },
    /// A sample that lies elsewhere than in the media behind its fragment, or on another.
    #[error("a sample that does not lie in the media behind its fragment")]
    Place,
    /// A time beyond the 292 years that are counted.
    #[error("a time that is out of range")]
    Time,
}

/// Reads the frames of one fragmented MP4 stream.
///
/// There is no search for the next good fragment after an error: the stream is over, and the error comes again.
///
/// ```
/// # use lsv_mux::mp4::demux::{DemuxError, Demuxer, Event};
/// # fn print(read: bytes::Bytes) -> Result<(), DemuxError> {
/// let mut demuxer = Demuxer::default();
/// demuxer.push(read);
/// while let Some(event) = demuxer.next()? {
///     match event {
///         Event::Tracks(tracks) => println!("{} tracks", tracks.len()),
///         Event::Frame { track, frame } => println!("{track} at {:?}", frame.pts()),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// # print(bytes::Bytes::new()).unwrap();
/// ```
#[derive(Debug, Default)]
pub struct Demuxer {
    limits: Limits,
    input: Input,
    movie: Option<Movie>,
    state: State,
    /// Where the box at hand starts, in bytes from the stream's start.
    box_start: u64,
    /// The samples of the fragment at hand in the order in which they lie.
    samples: VecDeque<Sample>,
    failed: Option<DemuxError>,
}

/// What the next bytes are.
#[derive(Debug, Default)]
enum State {
    /// The `ftyp` of the file.
    #[default]
    Start,
    /// The head of a box.
    Between,
    /// The content of a header.
    Header(Head),
    /// Media up to here, in bytes from the stream's start.
    Media { end: u64 },
    /// A box that nobody needs, up to here.
    Ignored { end: u64 },
}

impl Demuxer {
    /// A demuxer at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Takes the bytes that follow. Call [`Demuxer::next`] until there is nothing before pushing more: what is not read
    /// stays in memory.
    pub fn push(&mut self, bytes: Bytes) {
        if self.failed.is_none() {
            self.input.push(bytes);
        }
    }

    /// The next event; `None` until more is pushed.
    ///
    /// # Errors
    /// [`DemuxError`] at the first box that no such stream has, and from then on.
    #[expect(
        clippy::should_implement_trait,
        reason = "nothing now is not the end: more may be pushed"
    )]
    pub fn next(&mut self) -> Result<Option<Event>, DemuxError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.step().map_err(|reason| {
            let offset = self.box_start;
            let error = DemuxError { offset, reason };
            self.failed = Some(error);
            self.input = Input::default();
            error
        })
    }

    fn step(&mut self) -> Result<Option<Event>, Reason> {
        loop {
            match self.state {
                State::Start | State::Between => {
                    let Some(head) = self.head()? else {
                        return Ok(None);
                    };
                    self.state = self.enter(head)?;
                }
                State::Header(head) => {
                    let Some(content) = self.content(&head) else {
                        return Ok(None);
                    };
                    self.state = State::Between;
                    if let Some(event) = self.read(&head, &content)? {
                        return Ok(Some(event));
                    }
                }
                State::Media { end } => match self.samples.pop_front() {
                    Some(sample) => {
                        let frame = self.frame(&sample)?;
                        if frame.is_none() {
                            self.samples.push_front(sample);
                        }
                        return Ok(frame);
                    }
                    None => self.state = State::Ignored { end },
                },
                State::Ignored { end } => match self.input.skip_to(end) {
                    true => self.state = State::Between,
                    false => return Ok(None),
                },
            }
        }
    }

    /// The head of the next box, which is taken off; `None` while it is not there whole.
    fn head(&mut self) -> Result<Option<Head>, Reason> {
        let mut bytes = [0; LONG_HEAD];
        let known = self.input.peek(&mut bytes);
        self.box_start = self.input.offset();
        let bytes = bytes.get(..known).unwrap_or_default();
        if known < SHORT_HEAD {
            return Ok(None);
        }
        let (size, kind) = bytes.split_at(4);
        if matches!(self.state, State::Start) && !kind.starts_with(b"ftyp") {
            return Err(Reason::NotMp4);
        }
        match Head::of(bytes) {
            Some(head) => {
                self.input.skip(head.length);
                Ok(Some(head))
            }
            // The size is one of 64 bits, whose bytes are to come.
            None if size == [0, 0, 0, 1] && known < LONG_HEAD => Ok(None),
            None => Err(Reason::BoxSize),
        }
    }

    /// What is to be done with the box whose head was taken.
    fn enter(&mut self, head: Head) -> Result<State, Reason> {
        let content = head.size - head.length as u64;
        let end = self.input.offset().checked_add(content);
        let end = end.ok_or(Reason::BoxSize)?;
        match &head.kind {
            b"moov" | b"moof" => {
                let limit = self.limits.max_header_bytes;
                match head.size <= limit as u64 {
                    true => Ok(State::Header(head)),
                    false => Err(Reason::HeaderTooLong {
                        size: head.size,
                        limit,
                    }),
                }
            }
            b"mdat" => {
                let mut place = self.input.offset();
                for sample in &self.samples {
                    if sample.place < place {
                        return Err(Reason::Place);
                    }
                    place = sample.place + u64::from(sample.size);
                }
                match place <= end {
                    true => Ok(State::Media { end }),
                    false => Err(Reason::Place),
                }
            }
            _ => Ok(State::Ignored { end }),
        }
    }

    fn content(&mut self, head: &Head) -> Option<Bytes> {
        let content = usize::try_from(head.size).ok()?.checked_sub(head.length)?;
        self.input.take(content)
    }

    fn read(&mut self, head: &Head, content: &[u8]) -> Result<Option<Event>, Reason> {
        match (&head.kind, &mut self.movie) {
            (b"moov", None) => {
                let movie = Movie::read(content, &self.limits)?;
                let tracks = movie.tracks();
                self.movie = Some(movie);
                Ok(Some(Event::Tracks(tracks)))
            }
            (b"moof", Some(movie)) if self.samples.is_empty() => {
                self.samples = fragment::read(content, self.box_start, movie, &self.limits)?.into();
                Ok(None)
            }
            (b"moof", Some(_)) => Err(Reason::Place),
            _ => Err(Reason::Order),
        }
    }

    /// The frame of `sample`; `None` while it is not there whole.
    fn frame(&mut self, sample: &Sample) -> Result<Option<Event>, Reason> {
        if !self.input.skip_to(sample.place) {
            return Ok(None);
        }
        let Some(payload) = self.input.take(sample.size as usize) else {
            return Ok(None);
        };
        let lane = self
            .movie
            .as_mut()
            .and_then(|movie| movie.lane(sample.lane));
        let lane = lane.ok_or(Reason::Order)?;
        if let Codec::Other { fourcc, .. } = lane.track.codec
            && let Some(codec) = Codec::of_frame(fourcc, &payload)
        {
            let track = Track::new(lane.track.kind, codec?).with_id(lane.track.id);
            lane.track = Arc::new(track);
        }
        let at = |ticks| Timestamp::of_scale(ticks, lane.timescale).ok_or(Reason::Time);
        let dts = at(sample.time)?;
        let mut frame = MediaFrame::new(&lane.track, dts, payload);
        let presented = sample.time.checked_add(sample.composition.into());
        frame.composition = at(presented.ok_or(Reason::Time)?)? - dts;
        frame.key = sample.key && lane.track.kind == Kind::Video;
        Ok(Some(Event::Frame {
            track: sample.lane,
            frame,
        }))
    }
}

impl From<Missing> for Reason {
    fn from(Missing(kind): Missing) -> Self {
        Self::Missing(kind)
    }
}
