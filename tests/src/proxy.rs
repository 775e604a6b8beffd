//! The real `lsv-proxy` binary, on free ports.

use std::{net::SocketAddr, process::ExitStatus};

use crate::{
    Process, Signal, eventually,
    server::{binary, printed, ready},
};

/// A running `lsv-proxy`; killed when dropped.
#[derive(Debug)]
pub struct Proxy {
    process: Process,
    printed: String,
}

impl Proxy {
    /// Starts the binary and waits until it is ready.
    ///
    /// # Panics
    /// If it does not get ready, with what it wrote.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::start_with(&[], arguments).await
    }

    /// The same with these variables in its environment.
    ///
    /// # Panics
    /// If it does not get ready, with what it wrote.
    pub async fn start_with(environment: &[(&str, String)], arguments: &[&str]) -> Self {
        let mut command = tokio::process::Command::new(binary("lsv-proxy"));
        command
            .args(command_line(arguments))
            .envs(environment.iter().map(|(name, value)| (name, value)));
        let mut process = Process::run(command);
        let printed = ready(&mut process).await;
        Self { process, printed }
    }

    /// Where it listens for RTMP.
    ///
    /// # Panics
    /// If it printed no address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let address = printed(&self.printed, "RTMP").parse();
        address.expect("an address")
    }

    /// Where it listens for RTMPS.
    ///
    /// # Panics
    /// If it printed no address.
    #[must_use]
    pub fn tls_address(&self) -> SocketAddr {
        let address = printed(&self.printed, "RTMPS").parse();
        address.expect("an address")
    }

    /// The RTMP address of a stream key.
    #[must_use]
    pub fn rtmp(&self, key: &str) -> String {
        format!("rtmp://{}/stream/{key}", self.address())
    }

    /// What a path of its HTTP server answers: status and text.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn http(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", printed(&self.printed, "HTTP"));
        let answer = reqwest::get(url).await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    /// Waits until so many back ends work.
    pub async fn healthy(&self, count: usize) {
        let expected = format!("{count} back ends work\n");
        eventually(&expected, async || {
            (self.http("/readyz").await.1 == expected).then_some(())
        })
        .await;
    }

    /// Everything logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        self.process.ended().await
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.process.runs()
    }
}

/// Runs the binary to its end; for what must fail at start.
///
/// # Panics
/// If it does not end.
pub async fn lsv_proxy(arguments: &[&str]) -> (ExitStatus, String) {
    let mut process = Process::start(binary("lsv-proxy"), command_line(arguments));
    let status = process.ended().await;
    (status, process.stderr())
}

fn command_line(arguments: &[&str]) -> Vec<String> {
    let mut line: Vec<String> = arguments.iter().map(|&part| part.to_owned()).collect();
    for flag in ["--rtmp", "--http"] {
        if !arguments.contains(&flag) {
            line.extend([flag, "127.0.0.1:0"].map(str::to_owned));
        }
    }
    line
}
