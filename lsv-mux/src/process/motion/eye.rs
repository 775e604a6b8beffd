//! An ffmpeg that decodes a stream and makes small grey pictures of it, five a second.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use futures::future::OptionFuture;
use lsv_core::media::{MediaFrame, Track};
use lsv_core::time::Timestamp;

use crate::mkv;
use crate::process::arguments::Arguments;
use crate::process::stills::{Error, Style};
use crate::process::{Child, Ffmpeg, Input, Options, Output, threads};

/// Decodes one track.
#[derive(Debug)]
pub(super) struct Eye {
    child: Child,
    /// Until it is closed, and all of it is written.
    input: Option<Input>,
    is_closing: bool,
    output: Output,
    muxer: mkv::Muxer,
    buffer: BytesMut,
    /// Which picture comes next, counted from the zero of the timeline; known from the first frame on.
    next: Option<i64>,
}

impl Eye {
    pub(super) fn open(ffmpeg: &Ffmpeg, track: &Arc<Track>, style: Style) -> Result<Self, Error> {
        let muxer = mkv::Muxer::new(&[Arc::clone(track)], mkv::Options::default())?;
        let options = Options::new("motion", style.size);
        let mut child = Child::spawn(ffmpeg, arguments(style), options)?;
        let pipes = child.take_input().zip(child.take_output());
        let (mut input, output) =
            pipes.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        input.queue(muxer.header());
        Ok(Self {
            child,
            input: Some(input),
            is_closing: false,
            output,
            muxer,
            buffer: BytesMut::new(),
            next: None,
        })
    }

    /// Whether it can go on with `frame`.
    pub(super) fn suits(&self, frame: &MediaFrame) -> bool {
        self.muxer.describes(&frame.track)
    }

    /// Whether it takes more: it does not, as long as it is behind.
    pub(super) fn has_room(&self) -> bool {
        let input = self.input.as_ref();
        input.is_some_and(|input| input.unwritten() < MAX_UNWRITTEN)
    }

    /// Shows it the next frame; the first is a key frame.
    pub(super) fn show(&mut self, frame: &MediaFrame) -> Result<(), Error> {
        let mut lying = frame.clone();
        // Motion is the same whichever way up. Where only some pictures say how they lie, all filters would begin anew.
        lying.payload = frame.track.codec.without_orientation(&frame.payload);
        for piece in self.muxer.frame(&lying)? {
            if let Some(input) = &mut self.input {
                input.queue(piece);
            }
        }
        self.next.get_or_insert_with(|| nearest(frame.pts()));
        Ok(())
    }

    /// No frame comes any more. The last pictures do, and then an error.
    pub(super) fn close(&mut self) {
        self.is_closing = true;
    }

    /// Goes on until the next picture is there: its time, and its pixels. May be given up and called again.
    pub(super) async fn picture(&mut self) -> Result<(Timestamp, BytesMut), Error> {
        loop {
            if self.buffer.len() >= PICTURE_BYTES {
                let picture = self.buffer.split_to(PICTURE_BYTES);
                let number = self.next.unwrap_or_default();
                self.next = Some(number + 1);
                return Ok((time(number), picture));
            }
            let is_waiting = |input: &&mut Input| input.unwritten() > 0;
            let mut waiting = self.input.as_mut().filter(is_waiting);
            if waiting.is_none() && self.is_closing {
                self.input = None;
                waiting = None;
            }
            let write = OptionFuture::from(waiting.map(Input::write));
            let read = tokio::select! {
                biased;
                read = self.output.read() => Some(read?),
                Some(written) = write => {
                    written?;
                    None
                }
            };
            match read {
                Some(Some(mut bytes)) => {
                    while bytes.has_remaining() {
                        let chunk = bytes.chunk();
                        let length = chunk.len();
                        self.buffer.extend_from_slice(chunk);
                        bytes.advance(length);
                    }
                }
                Some(None) => return Err(self.ended().await),
                None => {}
            }
        }
    }

    async fn ended(&mut self) -> Error {
        match self.child.ended().await {
            Ok(()) => Error::NoPicture {
                said: self.child.said().last_line(),
            },
            Err(error) => error.into(),
        }
    }
}

/// The pictures' times are multiples of their distance: the filter gives each as many frames as it lasts, also where some
/// are missing, and counts from the first frame's time, rounded.
fn arguments(style: Style) -> Vec<OsString> {
    let mut line = Arguments::new(style.log);
    line.option("-probesize", "32");
    line.option("-analyzeduration", "0");
    line.option("-threads", threads(style.size).to_string());
    line.feed().option("-map", "0:v:0");
    line.option("-vf", FILTERS)
        .option("-fps_mode", "passthrough");
    line.option("-c:v", "rawvideo").option("-pix_fmt", "gray");
    line.option("-flush_packets", "1");
    line.option("-protocol_whitelist", "pipe");
    line.option("-f", "rawvideo").flag("pipe:1");
    line.into_vec()
}

/// The number of the picture nearest to `at`.
fn nearest(at: Timestamp) -> i64 {
    at.to_scale(RATE)
}

fn time(number: i64) -> Timestamp {
    let millis = i64::try_from(DISTANCE.as_millis()).unwrap_or_default();
    Timestamp::from_millis(number.saturating_mul(millis))
}

/// Each pixel is the mean of what it stands for, so that noise does not look like motion.
const FILTERS: &str = "fps=5,scale=160:90:flags=area,format=gray";
const PICTURE_BYTES: usize = 160 * 90;
/// Pictures a second, and the time between them.
const RATE: u32 = 5;
pub(super) const DISTANCE: Duration = Duration::from_millis(200);
/// What may wait for the decoder: seconds of most streams, and at least some frames of any.
const MAX_UNWRITTEN: usize = 4 << 20;
