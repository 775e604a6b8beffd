//! Child processes that end with the test that started them and keep what they said.

use std::{
    ffi::OsStr,
    fs,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::PATIENCE;

/// A child process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: Said,
    stderr: Said,
}

#[derive(Debug)]
struct Said {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts a program.
    ///
    /// # Panics
    /// If it is not installed.
    pub fn start<A: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::run(command)
    }

    /// Starts a program as its command says, but for its standard streams.
    ///
    /// # Panics
    /// If it is not installed.
    pub fn run(mut command: Command) -> Self {
        let name = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            stdout: Said::by(child.stdout.take()),
            stderr: Said::by(child.stderr.take()),
            name,
            child,
        }
    }

    /// Waits for the end and answers how it went.
    ///
    /// # Panics
    /// If it goes on for longer than [`PATIENCE`].
    pub async fn ended(&mut self) -> ExitStatus {
        self.ended_after(Duration::ZERO).await
    }

    /// As [`Process::ended`], of a process that has something to do for `busy` first.
    ///
    /// # Panics
    /// If it goes on for longer than that and [`PATIENCE`].
    pub async fn ended_after(&mut self, busy: Duration) -> ExitStatus {
        let patience = PATIENCE + busy;
        let Ok(status) = timeout(patience, self.child.wait()).await else {
            panic!(
                "{} did not end in {patience:?}: {}",
                self.name,
                self.stderr()
            );
        };
        self.stdout.finish().await;
        self.stderr.finish().await;
        status.expect("a child can be waited for")
    }

    /// Sends a signal; a process that has already ended gets none.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id() {
            let pid = Pid::from_raw(pid.cast_signed()).expect("a process id is not 0");
            kill_process(pid, signal).expect("a child can be signalled");
        }
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How it ended, if it has.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The process id.
    ///
    /// # Panics
    /// If it has ended and was waited for.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().expect("the process still runs")
    }

    /// The ids of its children that are called `name`, oldest first.
    ///
    /// # Panics
    /// If the system does not tell.
    #[must_use]
    pub fn children(&self, name: &str) -> Vec<u32> {
        let parent = self.id().to_string();
        let processes = fs::read_dir("/proc").expect("the system tells of processes");
        let ids = processes.flatten().filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse::<u32>().ok()?;
            // It may have ended meanwhile.
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let (head, fields) = stat.rsplit_once(')')?;
            let mut fields = fields.split_whitespace();
            let (state, of) = (fields.next()?, fields.next()?);
            let called = head.split_once('(')?.1 == name;
            (called && of == parent && state != "Z").then_some(id)
        });
        let mut ids: Vec<u32> = ids.collect();
        ids.sort_unstable();
        ids
    }

    /// How many files, pipes and sockets it has open.
    ///
    /// # Panics
    /// If it no longer runs.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.id()));
        open.expect("the process runs").count()
    }

    /// Memory that it holds now, in bytes.
    ///
    /// # Panics
    /// If it no longer runs.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.expect("the process runs");
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.trim().parse::<u64>().ok())
            .expect("VmRSS in KiB")
            * 1024
    }

    /// Processor time used so far, in user and system mode together.
    ///
    /// # Panics
    /// If it no longer runs.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        processor_time(self.id())
    }

    /// The program that it runs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has written to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }
}

/// Processor time that a process has used so far, in user and system mode together.
///
/// # Panics
/// If it no longer runs.
#[must_use]
pub fn processor_time(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("the process runs");
    // The second field is the name in parentheses; user and system ticks are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().expect("ticks"))
        .sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

/// Kills a process that is a child of one that a test started.
///
/// # Panics
/// If there is no such process.
pub fn kill(id: u32) {
    signal(id, Signal::KILL);
}

/// Sends a signal to a process that is a child of one that a test started.
///
/// # Panics
/// If there is no such process.
pub fn signal(id: u32, signal: Signal) {
    let id = Pid::from_raw(id.cast_signed()).expect("a process id is not 0");
    kill_process(id, signal).expect("the process is there");
}

/// Whether a process of this id is there and has not ended.
#[must_use]
pub fn is_there(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map(|(_, fields)| fields.trim_start());
    state.is_some_and(|state| !state.starts_with(['Z', 'X']))
}

impl Said {
    fn by(stream: Option<impl AsyncRead + Unpin + Send + 'static>) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let reader = stream.map(|stream| tokio::spawn(keep(stream, Arc::clone(&text))));
        Self { text, reader }
    }

    async fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.await.expect("reading a pipe does not panic");
        }
    }

    fn text(&self) -> String {
        self.text.lock().expect("no reader panicked").clone()
    }
}

async fn keep(mut stream: impl AsyncRead + Unpin, text: Arc<Mutex<String>>) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        let said = String::from_utf8_lossy(&piece[..length]);
        text.lock().expect("no reader panicked").push_str(&said);
    }
}
