//! An ffmpeg that makes JPEG pictures of frames.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use lsv_core::channel::{LogLevel, TaskSize};
use lsv_core::media::{Codec, MediaFrame, Orientation};
use lsv_core::time::Timestamp;
use tokio::time::timeout;

use super::error::Error;
use super::multipart::Multipart;
use crate::mkv;
use crate::process::arguments::{Arguments, turn};
use crate::process::{Child, Ffmpeg, Input, Options, Output};

/// How pictures are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Style {
    /// How much of the machine the decoder gets.
    pub size: TaskSize,
    /// How much it logs.
    pub log: LogLevel,
}

impl Style {
    /// With so much of the machine.
    pub fn new(size: TaskSize, log: LogLevel) -> Self {
        Self { size, log }
    }
}

/// A decoder that runs on from one key frame to the next: one frame in, one picture out.
#[derive(Debug)]
pub struct Decoder {
    child: Child,
    input: Input,
    output: Output,
    pictures: Multipart,
    muxer: mkv::Muxer,
    orientation: Orientation,
    /// Key frames so far, each of which has a second of the feed's own timeline.
    count: i64,
    /// How often each is sent again.
    pushes: u32,
}

impl Decoder {
    /// One for the key frame `first` and those that are like it.
    ///
    /// # Errors
    /// Where the track cannot be decoded or the process does not start.
    pub fn start(ffmpeg: &Ffmpeg, first: &MediaFrame, style: Style) -> Result<Self, Error> {
        let track = &first.track;
        let muxer = mkv::Muxer::new(&[Arc::clone(track)], mkv::Options::default())?;
        let orientation = orientation(first);
        let line = arguments(style, ONCE_A_SECOND, orientation);
        let mut child = Child::spawn(ffmpeg, line, Options::new("snapshots", style.size))?;
        let (mut input, output) = pipes(&mut child)?;
        input.queue(muxer.header());
        Ok(Self {
            child,
            input,
            output,
            pictures: Multipart::new(MAX_PICTURE_BYTES),
            muxer,
            orientation,
            count: 0,
            pushes: pushes(&track.codec),
        })
    }

    /// Whether it can go on with `frame`.
    pub fn suits(&self, frame: &MediaFrame) -> bool {
        self.muxer.describes(&frame.track) && orientation(frame) == self.orientation
    }

    /// The process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it said last.
    pub fn said(&self) -> Vec<String> {
        self.child.said().last_lines()
    }

    /// The picture of `frame`, a key frame later than the one before. After an error, or where this is given up, the
    /// decoder is of no more use.
    ///
    /// # Errors
    /// Where there is none in time.
    pub async fn picture(&mut self, frame: &MediaFrame) -> Result<Bytes, Error> {
        self.queue(frame)?;
        match timeout(PATIENCE, self.exchange()).await {
            Ok(picture) => picture,
            Err(_) => Err(Error::Late {
                patience: PATIENCE,
                said: self.child.said().last_line(),
            }),
        }
    }

    fn queue(&mut self, frame: &MediaFrame) -> Result<(), Error> {
        let mut frame = frame.clone();
        upright(&mut frame);
        frame.payload = ended(&frame);
        frame.composition = Timestamp::ZERO;
        frame.dts = Timestamp::from_millis(self.count.saturating_mul(1_000));
        self.count += 1;
        for push in 0..=self.pushes {
            for piece in self.muxer.frame(&frame)? {
                self.input.queue(piece);
            }
            frame.dts = frame.dts + if push == 0 { FIRST_PUSH } else { NEXT_PUSH };
        }
        Ok(())
    }

    async fn exchange(&mut self) -> Result<Bytes, Error> {
        self.input.write().await?;
        loop {
            if let Some(picture) = self.pictures.next()? {
                return Ok(picture);
            }
            match self.output.read().await? {
                Some(bytes) => self.pictures.push(&bytes),
                None => return Err(self.no_picture().await),
            }
        }
    }

    async fn no_picture(&mut self) -> Error {
        match self.child.ended().await {
            Ok(()) => Error::NoPicture {
                said: self.child.said().last_line(),
            },
            Err(error) => error.into(),
        }
    }
}

/// The picture shown at `at`: of `frames`, the first of which is a key frame, the first that is shown then or later.
///
/// # Errors
/// Where there is none in time.
pub async fn picture_at(
    ffmpeg: &Ffmpeg,
    frames: &[MediaFrame],
    at: Timestamp,
    style: Style,
) -> Result<Bytes, Error> {
    let said = None;
    let first = frames.first().ok_or(Error::NoPicture { said })?;
    let muxer = mkv::Muxer::new(&[Arc::clone(&first.track)], mkv::Options::default())?;
    let from = (at.as_secs_f64() - HALF_FRAME).max(0.0);
    let line = arguments(style, &format!("trim=start={from:.6}"), orientation(first));
    let mut child = Child::spawn(ffmpeg, line, Options::new("picture", style.size))?;
    let (mut input, mut output) = pipes(&mut child)?;
    let mut pictures = Multipart::new(MAX_PICTURE_BYTES);
    let feed = async {
        input.send([muxer.header()]).await?;
        for mut frame in frames.iter().cloned() {
            upright(&mut frame);
            input.send(muxer.frame(&frame)?).await?;
        }
        drop(input);
        Ok::<(), Error>(())
    };
    let read = async {
        loop {
            if let Some(picture) = pictures.next()? {
                return Ok(Some(picture));
            }
            match output.read().await? {
                Some(bytes) => pictures.push(&bytes),
                None => return Ok::<_, Error>(None),
            }
        }
    };
    let both = async {
        // It ends with its first picture, and takes no more then: what counts is the picture.
        let (fed, read) = tokio::join!(feed, read);
        match read? {
            Some(picture) => Ok(picture),
            None => {
                child.ended().await?;
                fed?;
                Err(Error::NoPicture {
                    said: child.said().last_line(),
                })
            }
        }
    };
    match timeout(PATIENCE, both).await {
        Ok(picture) => picture,
        Err(_) => Err(Error::Late {
            patience: PATIENCE,
            said: None,
        }),
    }
}

/// The picture of a key frame alone.
///
/// # Errors
/// Where there is none in time.
pub async fn picture_of(ffmpeg: &Ffmpeg, frame: &MediaFrame, style: Style) -> Result<Bytes, Error> {
    picture_at(ffmpeg, std::slice::from_ref(frame), frame.pts(), style).await
}

/// `choice` filters the pictures that are wanted, which are turned then.
fn arguments(style: Style, choice: &str, orientation: Orientation) -> Vec<OsString> {
    let mut line = Arguments::new(style.log);
    // What the feed's header says is all that is to be known: nothing is waited for.
    line.option("-probesize", "32");
    line.option("-analyzeduration", "0");
    // Threads decode frames side by side, and so later.
    line.option("-threads", "1");
    line.feed().option("-map", "0:v:0");
    line.option("-vf", format!("{choice},{}{SQUARE}", turn(orientation)));
    line.option("-fps_mode", "passthrough");
    line.option("-enc_time_base:v", "1:90000");
    line.option("-c:v", "mjpeg").option("-q:v", QUALITY);
    line.option("-threads", "1");
    line.option("-flush_packets", "1");
    line.option("-protocol_whitelist", "pipe");
    line.option("-f", "mpjpeg").flag("pipe:1");
    line.into_vec()
}

fn pipes(child: &mut Child) -> Result<(Input, Output), Error> {
    let pipes = child.take_input().zip(child.take_output());
    pipes.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::BrokenPipe).into())
}

fn orientation(key_frame: &MediaFrame) -> Orientation {
    key_frame.track.codec.orientation(&key_frame.payload)
}

/// Leaves out of `frame` how it is to be turned: the filters know it.
fn upright(frame: &mut MediaFrame) {
    frame.payload = frame.track.codec.without_orientation(&frame.payload);
}

/// How often a frame is sent again so that a decoder shows it: it holds back as many pictures as it may have to reorder,
/// and does not know that all that it gets are key frames. Of HEVC one is enough, as each begins a sequence of its own.
fn pushes(codec: &Codec) -> u32 {
    match codec {
        Codec::Avc(config) => config.reordered_frames().unwrap_or(0).min(MAX_PUSHES),
        Codec::Hevc(_) => 1,
        _ => 0,
    }
}

/// The access unit; of HEVC with an end of sequence behind it (ITU-T H.265 §7.3.2.6).
fn ended(frame: &MediaFrame) -> Bytes {
    let length_size = match &frame.track.codec {
        Codec::Hevc(config) => usize::from(config.length_size),
        _ => return frame.payload.clone(),
    };
    let mut payload = BytesMut::with_capacity(frame.payload.len() + 8);
    payload.put_slice(&frame.payload);
    payload.put_uint(END_OF_SEQUENCE.len() as u64, length_size);
    payload.put_slice(&END_OF_SEQUENCE);
    payload.freeze()
}

/// Square pixels, whatever the source has, of a full range of values, as JPEG has them.
const SQUARE: &str =
    "scale=w=trunc(iw*sar/2)*2:h=trunc(ih/2)*2:out_range=full,setsar=1,format=yuvj420p";
/// Of JPEG, as ffmpeg counts it: 2 is the best.
const QUALITY: &str = "4";
/// A NAL unit of type 36 (EOS_NUT).
const END_OF_SEQUENCE: [u8; 2] = [0x48, 0x01];
/// What lies on the whole seconds of the feed, and so is no repetition.
const ONCE_A_SECOND: &str = "select='lt(mod(t,1),0.25)'";
const FIRST_PUSH: Duration = Duration::from_millis(500);
const NEXT_PUSH: Duration = Duration::from_millis(20);
/// What H.264 allows.
const MAX_PUSHES: u32 = 16;
/// Seconds by which a picture may be shown earlier than it was asked for: less than a frame lasts.
const HALF_FRAME: f64 = 0.004;
/// How long a picture may take, the start of a process on a busy machine included.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest picture: more than 8K needs.
const MAX_PICTURE_BYTES: usize = 32 << 20;
