//! A child process: fed, read, listened to, held to its size, and gone when it should be.
//!
//! A child does not outlive the node, not even one that is killed with SIGKILL, in three ways:
//!
//! - Its streams are pipes whose other ends nobody else holds: it meets the end of its input, and at the next byte that it
//!   writes a broken pipe. One that hangs meets neither.
//! - On Linux it is started through `setpriv` of util-linux, where that is in a folder of `PATH`: it gets SIGKILL from the
//!   system, its parent-death signal, which nothing can hang too much for. To ask for it without `setpriv` takes `unsafe`.
//! - It has a process group of its own. Should that be orphaned while a process in it is stopped, POSIX has the system send
//!   it SIGHUP and SIGCONT. It also keeps from it the SIGINT that a terminal sends to the node: the node ends its children
//!   itself, in order.
//!
//! So without `setpriv` one that hangs in some other way than stopped lives on until it goes on.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use lsv_core::channel::TaskSize;
use rustix::fs::{Access, access};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Error, Ffmpeg};

mod cgroup;
mod limits;
mod output;
mod said;
mod start;

pub use limits::threads;
pub use output::{Output, Outputs};
pub use said::Said;

use limits::Limits;
use output::Pipes;

/// What a child is started as.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Options {
    /// What it is, for logs and errors: `encoder`.
    pub name: &'static str,
    /// How much of the machine it gets.
    pub size: TaskSize,
}

impl Options {
    /// `name`, in logs and errors, with as much of the machine as a task of `size` gets.
    pub fn new(name: &'static str, size: TaskSize) -> Self {
        Self { name, size }
    }
}

/// An ffmpeg that runs. Dropped, it is killed.
///
/// # What its size holds
///
/// | where | memory | processor |
/// | --- | --- | --- |
/// | Linux with a cgroup v2 delegated to the node (systemd: `Delegate=yes`) that has the controllers `cpu` and `memory` | `memory.max`: all it uses, page cache of its files included; beyond it the system kills it | `cpu.max`: its share in each 100 ms, however many threads |
/// | Linux otherwise | `RLIMIT_DATA`: what it allocates, resident or not; beyond it allocations fail and it ends with an error | a lower scheduling priority for sizes below one processor: it yields to others and takes what is idle |
///
/// In both, [`threads`] tells it not to start more threads than its size has processors. It leaves no core dumps.
#[derive(Debug)]
pub struct Child {
    name: &'static str,
    process: tokio::process::Child,
    input: Option<Input>,
    output: Option<Output>,
    outputs: Option<Outputs>,
    said: Said,
    listening: Option<JoinHandle<()>>,
    /// Held until it is gone.
    limits: Limits,
}

impl Child {
    /// Starts `ffmpeg` with `arguments`, in the root folder and without this process's environment.
    ///
    /// Within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Start`] where the system does not start it.
    pub fn spawn(
        ffmpeg: &Ffmpeg,
        arguments: Vec<OsString>,
        options: Options,
    ) -> Result<Self, Error> {
        let mut command = ffmpeg.command();
        command.args(arguments).stdout(Stdio::piped());
        Self::start(command, Pipes::default(), ffmpeg, options)
    }

    /// Starts `ffmpeg` with several outputs, a pipe for each, and none on standard output. `arguments` makes the argument
    /// vector of the addresses that ffmpeg knows them by, such as `pipe:9`.
    ///
    /// Within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Start`] where the system does not start it.
    pub fn spawn_with(
        ffmpeg: &Ffmpeg,
        outputs: usize,
        arguments: impl FnOnce(&[String]) -> Vec<OsString>,
        options: Options,
    ) -> Result<Self, Error> {
        let pipes = Pipes::new(outputs).map_err(|error| not_started(ffmpeg, error))?;
        let mut command = ffmpeg.command();
        command.args(arguments(&pipes.addresses()));
        command.stdout(Stdio::null());
        Self::start(command, pipes, ffmpeg, options)
    }

    fn start(
        mut command: Command,
        pipes: Pipes,
        ffmpeg: &Ffmpeg,
        options: Options,
    ) -> Result<Self, Error> {
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        // What is started first may be another program, which says so too late.
        let there = access(ffmpeg.path(), Access::EXEC_OK).map_err(io::Error::from);
        let started = there.and_then(|()| pipes.spawn(command));
        let (mut process, outputs) = started.map_err(|error| not_started(ffmpeg, error))?;
        let limits = Limits::hold(process.id(), options.size);
        let said = Said::default();
        let stderr = process.stderr.take();
        let listening = stderr.map(|stderr| said.listen(stderr, options.name));
        tracing::debug!(name = options.name, id = process.id(), size = %options.size, ?limits, "started");
        Ok(Self {
            name: options.name,
            input: process.stdin.take().map(Input::new),
            output: process.stdout.take().map(Output::new),
            outputs: Some(outputs),
            process,
            said,
            listening,
            limits,
        })
    }

    /// Its standard input, once. Dropping it is the end of the feed.
    pub fn take_input(&mut self) -> Option<Input> {
        self.input.take()
    }

    /// Its standard output, once.
    pub fn take_output(&mut self) -> Option<Output> {
        self.output.take()
    }

    /// The outputs of [`Child::spawn_with`], once.
    pub fn take_outputs(&mut self) -> Option<Outputs> {
        self.outputs.take()
    }

    /// What it says on standard error, as it runs and after.
    pub fn said(&self) -> Said {
        self.said.clone()
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits until it ends by itself. May be given up and called again.
    ///
    /// # Errors
    /// [`Error::Ended`] where it ended otherwise than well.
    pub async fn ended(&mut self) -> Result<(), Error> {
        let status = self.process.wait().await.map_err(Error::Wait)?;
        self.heard().await;
        self.judge(status)
    }

    /// Closes its input and waits for `patience` until it has ended; then it is killed.
    ///
    /// It ends only if somebody reads its outputs: read to the end first or meanwhile, or drop them. What was never taken
    /// is closed here.
    ///
    /// # Errors
    /// [`Error::Ended`] where it ended otherwise than well, [`Error::Stuck`] where it had to be killed.
    pub async fn finish(mut self, patience: Duration) -> Result<(), Error> {
        drop(self.input.take());
        drop((self.output.take(), self.outputs.take()));
        if let Ok(ended) = timeout(patience, self.ended()).await {
            return ended;
        }
        let (name, said) = (self.name, self.said());
        self.kill().await;
        Err(Error::Stuck {
            name,
            patience,
            said: said.last_lines(),
        })
    }

    /// Kills it and waits until it is gone.
    pub async fn kill(mut self) {
        if let Err(error) = self.process.kill().await {
            tracing::debug!(name = self.name, %error, "it was gone already");
        }
        self.heard().await;
    }

    /// What it said last comes after its end.
    async fn heard(&mut self) {
        if let Some(listening) = self.listening.take() {
            // Whoever got its standard error from it may hold that open; an error says that the task is gone.
            drop(timeout(LAST_WORDS, listening).await);
        }
    }

    fn judge(&self, status: ExitStatus) -> Result<(), Error> {
        tracing::debug!(name = self.name, %status, limits = ?self.limits, "ended");
        match status.success() {
            true => Ok(()),
            false => Err(Error::Ended {
                name: self.name,
                status,
                said: self.said.last_lines(),
            }),
        }
    }
}

/// The standard input of a child: what is queued goes out as fast as the child takes it.
#[derive(Debug)]
pub struct Input {
    pipe: ChildStdin,
    queue: VecDeque<Bytes>,
    unwritten: usize,
}

impl Input {
    fn new(pipe: ChildStdin) -> Self {
        Self {
            pipe,
            queue: VecDeque::new(),
            unwritten: 0,
        }
    }

    /// Queues `bytes`, which are not copied. Look at [`Input::unwritten`] before: nothing else bounds the queue.
    pub fn queue(&mut self, bytes: Bytes) {
        if bytes.has_remaining() {
            self.unwritten += bytes.len();
            self.queue.push_back(bytes);
        }
    }

    /// How many bytes wait for the child.
    pub fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// Writes what is queued. May be given up and called again: nothing is lost, nothing doubled.
    ///
    /// # Errors
    /// `BrokenPipe` once the child has closed its input, and so mostly ended.
    pub async fn write(&mut self) -> io::Result<()> {
        while !self.queue.is_empty() {
            let mut slices = [io::IoSlice::new(&[]); MAX_SLICES];
            for (slice, bytes) in slices.iter_mut().zip(&self.queue) {
                *slice = io::IoSlice::new(bytes);
            }
            let written = self.pipe.write_vectored(&slices).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.advance(written);
        }
        Ok(())
    }

    /// Queues `pieces` and writes.
    ///
    /// # Errors
    /// As [`Input::write`].
    pub async fn send(&mut self, pieces: impl IntoIterator<Item = Bytes>) -> io::Result<()> {
        for piece in pieces {
            self.queue(piece);
        }
        self.write().await
    }

    fn advance(&mut self, mut written: usize) {
        self.unwritten -= written;
        while let Some(first) = self.queue.front_mut() {
            let part = written.min(first.len());
            first.advance(part);
            written -= part;
            if first.has_remaining() {
                break;
            }
            self.queue.pop_front();
        }
    }
}

fn not_started(ffmpeg: &Ffmpeg, source: io::Error) -> Error {
    Error::Start {
        path: ffmpeg.path().to_owned(),
        source,
    }
}

/// Starts `command`, without pipes beside its standard streams.
pub(super) fn spawn(command: Command) -> io::Result<tokio::process::Child> {
    start::start(command, Vec::new())
}

/// A program that gets nothing of this process but where libraries and temporary files are.
pub(super) fn quiet_command(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("AV_LOG_FORCE_NOCOLOR", "1");
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.current_dir("/").process_group(0).kill_on_drop(true);
    command
}

const KEPT: [&str; 2] = ["LD_LIBRARY_PATH", "TMPDIR"];

/// Pieces handed to the system at once.
const MAX_SLICES: usize = 16;

/// For what a process that has ended said last.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
