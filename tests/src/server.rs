//! The real binaries that take one configuration, `lsv` and its parts, on free ports, in a folder of its own.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::OnceLock,
    time::Duration,
};

use tempfile::TempDir;

use crate::{Api, Certificate, Process, Signal, eventually};

/// The API token that [`Server::start`] gives.
pub const TOKEN: &str = "token-of-the-tests-0123456789abcdef";

/// The signing secret that [`Server::start`] gives: the one of the published push vectors.
pub const SECRET: &str = "nodemedia2017privatekey";

/// The secret of playback tokens that all have here.
pub const PLAYBACK_SECRET: &str = "playback-secret-of-the-tests";

/// A running `lsv`, or one of its parts; killed when dropped.
#[derive(Debug)]
pub struct Server {
    process: Process,
    printed: String,
    data: PathBuf,
    role: Option<Role>,
    // Deletes the folder when the server is gone.
    _folder: Option<TempDir>,
}

/// How a part of the platform was started.
#[derive(Debug)]
struct Role {
    name: &'static str,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Role {
    fn run(&self, data: &Path, listening: &[&str]) -> Process {
        let arguments = self.arguments.iter().map(String::as_str);
        let arguments: Vec<&str> = arguments.chain(listening.iter().copied()).collect();
        let mut command = tokio::process::Command::new(binary(self.name));
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command
            .args(command_line(data, &arguments))
            .envs(environment);
        Process::run(command)
    }
}

impl Server {
    /// Starts the binary in a new folder and waits until it is ready.
    ///
    /// # Panics
    /// If it does not get ready, with what it wrote.
    pub async fn start(arguments: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut server = Self::start_in(folder.path(), arguments).await;
        server._folder = Some(folder);
        server
    }

    /// Starts the binary in a new folder, on a machine whose only trusted authority is that of `certificate`.
    ///
    /// # Panics
    /// If it does not get ready, with what it wrote.
    pub async fn start_trusting(certificate: &Certificate, arguments: &[&str]) -> Self {
        Self::start_with("SSL_CERT_FILE", &certificate.chain, arguments).await
    }

    /// Starts the binary in a new folder, with a variable in its environment that names a file or folder.
    ///
    /// # Panics
    /// If it does not get ready, with what it wrote.
    pub async fn start_with(variable: &str, value: &Path, arguments: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let arguments = [&STANDARD, arguments].concat();
        let mut command = tokio::process::Command::new(binary("lsv"));
        command
            .args(command_line(folder.path(), &arguments))
            .env(variable, value);
        let mut server = Self::running(Process::run(command), folder.path()).await;
        server._folder = Some(folder);
        server
    }

    /// Starts the binary over the data in a folder that the caller keeps.
    ///
    /// # Panics
    /// If it does not get ready, with what it wrote.
    pub async fn start_in(data: &Path, arguments: &[&str]) -> Self {
        Self::start_bare(data, &[&STANDARD, arguments].concat()).await
    }

    /// Starts the binary with neither token nor secret given.
    ///
    /// # Panics
    /// If it does not get ready, with what it wrote.
    pub async fn start_bare(data: &Path, arguments: &[&str]) -> Self {
        let process = Process::start(binary("lsv"), command_line(data, arguments));
        Self::running(process, data).await
    }

    /// Starts an origin of the nodes at these addresses, such as `http://127.0.0.1:8080`, with the token that all have here.
    ///
    /// # Panics
    /// If it does not get ready, with what it wrote.
    pub async fn start_origin(nodes: &[&str], arguments: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let nodes = nodes.join(",");
        let arguments = [&PLAYER, &["--nodes", &nodes][..], arguments].concat();
        let line = command_line(folder.path(), &arguments);
        let process = Process::start(binary("lsv-origin"), line);
        let mut origin = Self::running(process, folder.path()).await;
        origin._folder = Some(folder);
        origin
    }

    /// Starts another binary of the platform that takes the same configuration, with these variables in its environment and
    /// the secrets that all have here.
    ///
    /// # Panics
    /// If it does not get ready, with what it wrote.
    pub async fn start_role(
        name: &'static str,
        environment: &[(&str, String)],
        arguments: &[&str],
    ) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let arguments = STANDARD.iter().chain(arguments);
        let environment = environment.iter();
        let role = Role {
            name,
            environment: environment
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            arguments: arguments.map(|&argument| argument.to_owned()).collect(),
        };
        let process = role.run(folder.path(), &[]);
        let mut server = Self::running(process, folder.path()).await;
        (server.role, server._folder) = (Some(role), Some(folder));
        server
    }

    /// Starts it once more where it was, with what is in its folder.
    ///
    /// # Panics
    /// If it does not get ready, or was not started by [`Server::start_role`].
    pub async fn start_again(&mut self) {
        let role = self.role.as_ref().expect("a part of the platform");
        let mut listening = vec!["--http", self.http_address()];
        if self.printed.contains("rtmp://") {
            listening.extend(["--rtmp", self.rtmp_address()]);
        }
        let mut process = role.run(&self.data, &listening);
        self.printed = ready(&mut process).await;
        self.process = process;
    }

    async fn running(mut process: Process, data: &Path) -> Self {
        let printed = ready(&mut process).await;
        Self {
            process,
            printed,
            data: data.to_owned(),
            role: None,
            _folder: None,
        }
    }

    /// The program's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.process.name()
    }

    /// The value printed after a label at start.
    ///
    /// # Panics
    /// If there is no such line.
    #[must_use]
    pub fn printed(&self, label: &str) -> &str {
        printed(&self.printed, label)
    }

    /// All of what was printed at start.
    #[must_use]
    pub fn banner(&self) -> &str {
        &self.printed
    }

    /// The HTTP address without a path, as other nodes know it.
    #[must_use]
    pub fn base(&self) -> &str {
        self.printed("HTTP")
    }

    /// The HTTP address of a path that begins with a slash.
    #[must_use]
    pub fn http(&self, path: &str) -> String {
        format!("{}{path}", self.printed("HTTP"))
    }

    /// The HTTPS address of a path that begins with a slash.
    #[must_use]
    pub fn https(&self, path: &str) -> String {
        format!("{}{path}", self.printed("HTTPS"))
    }

    /// Host and port of the HTTP listener.
    #[must_use]
    pub fn http_address(&self) -> &str {
        host(self.printed("HTTP"))
    }

    /// Host and port of the HTTPS listener.
    #[must_use]
    pub fn https_address(&self) -> &str {
        host(self.printed("HTTPS"))
    }

    /// The RTMP address of a stream key, credential and all.
    #[must_use]
    pub fn rtmp(&self, key: &str) -> String {
        format!("{}/{key}", self.printed("RTMP"))
    }

    /// The RTMPS address of a stream key, credential and all.
    #[must_use]
    pub fn rtmps(&self, key: &str) -> String {
        format!("{}/{key}", self.printed("RTMPS"))
    }

    /// Host and port of the RTMP listener.
    #[must_use]
    pub fn rtmp_address(&self) -> &str {
        host(self.printed("RTMP"))
    }

    /// Host and port of the RTMPS listener.
    #[must_use]
    pub fn rtmps_address(&self) -> &str {
        host(self.printed("RTMPS"))
    }

    /// The API with the operator's token.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(self.printed("HTTP"), Some(TOKEN))
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Everything logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    /// Waits for the log to hold all of `parts` in one line and answers that line.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn logged(&self, parts: &[&str]) -> String {
        eventually(&format!("a log line with {parts:?}"), async || {
            let log = self.log();
            let mut lines = log.lines();
            lines
                .find(|line| parts.iter().all(|part| line.contains(part)))
                .map(str::to_owned)
        })
        .await
    }

    /// Memory that it holds now, in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.process.resident_bytes()
    }

    /// Processor time used so far, in user and system mode together.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        self.process.processor_time()
    }

    /// Asks it to stop as an operator does and waits for its end.
    pub async fn stop(&mut self) -> ExitStatus {
        self.process.signal(Signal::TERM);
        self.process.ended().await
    }

    /// Stops it at once, as a power cut does.
    pub async fn kill(&mut self) {
        self.process.signal(Signal::KILL);
        self.process.ended().await;
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Runs the binary to its end; for what must fail at start.
///
/// # Panics
/// If it does not end.
pub async fn lsv(data: &Path, arguments: &[&str]) -> (ExitStatus, String) {
    let mut process = Process::start(binary("lsv"), command_line(data, arguments));
    let status = process.ended().await;
    (status, process.stderr())
}

/// Runs `lsv doctor` on a file, and answers with what it wrote.
///
/// # Panics
/// If it does not end.
pub async fn lsv_doctor(file: &Path, options: &[&str]) -> (ExitStatus, String) {
    let file = file.to_str().expect("a path in UTF-8");
    let mut process = Process::start(binary("lsv"), [&["doctor", file], options].concat());
    let status = process.ended().await;
    (status, process.stdout() + &process.stderr())
}

/// What all nodes of a test have in common.
const PLAYER: [&str; 4] = ["--api-token", TOKEN, "--playback-secret", PLAYBACK_SECRET];

/// The same of nodes that take publishers.
pub(crate) const STANDARD: [&str; 6] = [
    PLAYER[0], PLAYER[1], PLAYER[2], PLAYER[3], "--secret", SECRET,
];

pub(crate) fn command_line(data: &Path, arguments: &[&str]) -> Vec<String> {
    let data = data.to_str().expect("a path in UTF-8");
    let mut line: Vec<String> = ["--data", data].map(str::to_owned).to_vec();
    let is_given = |flag| arguments.contains(&flag);
    let secured = is_given("--tls-cert");
    for (flag, listens) in [
        ("--http", true),
        ("--rtmp", true),
        ("--https", secured),
        ("--rtmps", secured),
    ] {
        if listens && !is_given(flag) {
            line.extend([flag, "127.0.0.1:0"].map(str::to_owned));
        }
    }
    line.extend(arguments.iter().map(|&argument| argument.to_owned()));
    line
}

/// Host and port of an address.
fn host(address: &str) -> &str {
    let (_, rest) = address.split_once("://").expect("an address");
    rest.split_once('/').map_or(rest, |(host, _)| host)
}

/// Waits until a binary says that it is ready, and answers what it has printed.
pub(crate) async fn ready(process: &mut Process) -> String {
    eventually("the binary gets ready", async || {
        let printed = process.stdout();
        if !process.runs() {
            let status = process.ended().await;
            panic!("it ended with {status}: {}", process.stderr());
        }
        let ready = printed.lines().any(|line| line.trim() == "Ready");
        ready.then_some(printed)
    })
    .await
}

/// The value printed after a label.
pub(crate) fn printed<'a>(text: &'a str, label: &str) -> &'a str {
    text.lines()
        .find_map(|line| line.trim_start().strip_prefix(label)?.strip_prefix("  "))
        .unwrap_or_else(|| panic!("no line {label:?} in {text}"))
        .trim()
}

/// A binary of this build; `LSV_BIN` names another `lsv`, `LSV_PROXY_BIN` another `lsv-proxy`, and so on. Built here, because cargo
/// makes the binaries of another package only when asked.
///
/// # Panics
/// If they do not build.
#[must_use]
pub fn binary(name: &'static str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let given = format!("{}_BIN", name.to_uppercase().replace('-', "_"));
    std::env::var_os(given).map_or_else(|| BUILT.get_or_init(build).join(name), PathBuf::from)
}

/// Builds the binaries into the folder of this test's profile, and answers that.
fn build() -> PathBuf {
    // <target>/<profile>/deps/<test>-<hash>
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.ancestors().nth(2).expect("a profile's folder");
    let target = profile.parent().expect("the target folder");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--quiet",
            "--package",
            "lsv-examples",
            "--bins",
            "--all-features",
        ])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "the binaries do not build");
    profile.to_owned()
}
