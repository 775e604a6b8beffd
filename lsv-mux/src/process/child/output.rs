//! What a child writes: its standard output, and pipes beside it.

use std::future::{Future as _, poll_fn};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, ChildStdout, Command};

use super::start::start;

/// The standard output of a child.
#[derive(Debug)]
pub struct Output {
    lane: Lane<ChildStdout>,
}

impl Output {
    pub(super) fn new(pipe: ChildStdout) -> Self {
        Self {
            lane: Lane::new(pipe),
        }
    }

    /// The bytes that come next, as many as are there; `None` at the end. May be given up and called again.
    ///
    /// # Errors
    /// Those of the pipe.
    pub async fn read(&mut self) -> io::Result<Option<Bytes>> {
        poll_fn(|context| self.lane.poll_read(context)).await
    }
}

/// The pipes of a child that has several outputs.
#[derive(Debug)]
pub struct Outputs {
    /// None where it has ended.
    lanes: Vec<Option<Lane<Receiver>>>,
    /// Which is asked first, so that none is heard more than others.
    turn: usize,
}

impl Outputs {
    fn new(pipes: Vec<OwnedFd>) -> io::Result<Self> {
        let lanes = pipes.into_iter().map(|pipe| {
            let lane = Lane::new(Receiver::from_owned_fd(pipe)?);
            Ok(Some(lane))
        });
        Ok(Self {
            lanes: lanes.collect::<io::Result<_>>()?,
            turn: 0,
        })
    }

    /// The bytes that come next of any output, with its place among them; `None` when all have ended. May be given up and
    /// called again.
    ///
    /// # Errors
    /// Those of the pipes.
    pub async fn read(&mut self) -> io::Result<Option<(usize, Bytes)>> {
        poll_fn(|context| self.poll_read(context)).await
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<(usize, Bytes)>>> {
        let count = self.lanes.len();
        let mut open = false;
        for index in (self.turn..count).chain(0..self.turn) {
            let Some(Some(lane)) = self.lanes.get_mut(index) else {
                continue;
            };
            match lane.poll_read(context)? {
                Poll::Ready(Some(bytes)) => {
                    self.turn = (index + 1) % count;
                    return Poll::Ready(Ok(Some((index, bytes))));
                }
                Poll::Ready(None) => {
                    if let Some(lane) = self.lanes.get_mut(index) {
                        *lane = None;
                    }
                }
                Poll::Pending => open = true,
            }
        }
        match open {
            true => Poll::Pending,
            false => Poll::Ready(Ok(None)),
        }
    }
}

#[derive(Debug)]
struct Lane<P> {
    pipe: P,
    buffer: BytesMut,
}

impl<P: AsyncRead + Unpin> Lane<P> {
    fn new(pipe: P) -> Self {
        Self {
            pipe,
            buffer: BytesMut::new(),
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if self.buffer.capacity() < LEAST_ROOM {
            self.buffer.reserve(PIPE_BYTES);
        }
        let read = pin!(self.pipe.read_buf(&mut self.buffer)).poll(context)?;
        read.map(|length| Ok((length > 0).then(|| self.buffer.split().freeze())))
    }
}

/// Pipes that a child is to be started with.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    ours: Vec<OwnedFd>,
    theirs: Vec<OwnedFd>,
}

impl Pipes {
    pub(super) fn new(count: usize) -> io::Result<Self> {
        let mut pipes = Self::default();
        for _ in 0..count {
            let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
            pipes.ours.push(ours);
            pipes.theirs.push(theirs);
        }
        Ok(pipes)
    }

    /// By which ffmpeg knows them: the numbers that they have here they have there too.
    pub(super) fn addresses(&self) -> Vec<String> {
        let numbers = self.theirs.iter().map(|pipe| pipe.as_raw_fd());
        numbers.map(|number| format!("pipe:{number}")).collect()
    }

    /// Starts `command` with them.
    pub(super) fn spawn(self, command: Command) -> io::Result<(Child, Outputs)> {
        let outputs = Outputs::new(self.ours)?;
        let child = start(command, self.theirs)?;
        Ok((child, outputs))
    }
}

/// What a pipe holds on Linux.
const PIPE_BYTES: usize = 64 * 1024;
/// With less room left, a new buffer is taken.
const LEAST_ROOM: usize = 4 * 1024;
