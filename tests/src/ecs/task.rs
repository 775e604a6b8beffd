//! A task of the cluster and its container.

use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Definition, Ecs, STOP_TIMEOUT, Seen};
use crate::server::{STANDARD, binary, command_line};
use crate::{Process, Signal};

#[derive(Debug)]
pub(super) struct Task {
    /// What it is marked with.
    pub(super) mark: String,
    /// The service that it is of.
    pub(super) service: Option<String>,
    pub(super) protected: bool,
    overrides: Value,
    /// Where a task of a service is reached.
    address: Option<IpAddr>,
    container: Option<Container>,
    /// What becomes its container.
    planned: Option<(Command, TempDir)>,
    /// How often it is still described as pending.
    pending: usize,
    /// What listings say of it, and how many have said so since it is not true any more.
    listed: bool,
    outdated: usize,
    created: f64,
    has_ended: bool,
    fate: Option<Fate>,
    exit_code: Option<i32>,
}

/// Why a task ends.
#[derive(Debug, Clone)]
pub(super) struct Fate {
    pub(super) code: &'static str,
    pub(super) reason: String,
}

#[derive(Debug)]
struct Container {
    process: Process,
    /// Since when it is to stop.
    stopping: Option<Instant>,
    // Deletes the folder when the container is gone.
    _folder: TempDir,
}

impl Task {
    /// One that has just been started, as `input` says; it is pending for `late` looks at it.
    pub(super) fn run(definition: &Definition, agent: String, input: &Value, late: usize) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let arguments = definition.arguments.iter().map(String::as_str);
        let arguments: Vec<&str> = STANDARD.into_iter().chain(arguments).collect();
        let mut command = Command::new(binary("lsv-processor"));
        command
            .args(command_line(folder.path(), &arguments))
            .envs(definition.environment.iter().cloned())
            .env("ECS_AGENT_URI", agent);
        let overrides = &input["overrides"];
        let added = overrides["containerOverrides"][0]["environment"].as_array();
        for pair in added.into_iter().flatten() {
            let text = |field: &str| pair[field].as_str().unwrap_or_default();
            command.env(text("name"), text("value"));
        }
        Self {
            mark: input["startedBy"].as_str().unwrap_or_default().to_owned(),
            overrides: overrides.clone(),
            planned: Some((command, folder)),
            // The call that starts it says so as well.
            pending: late + 1,
            ..Self::new()
        }
    }

    /// One of a service, which is somebody else's process; it is pending for `late` looks at it.
    pub(super) fn of_service(service: &str, address: IpAddr, late: usize) -> Self {
        Self {
            mark: "ecs-svc/1".to_owned(),
            service: Some(service.to_owned()),
            address: Some(address),
            pending: late,
            ..Self::new()
        }
    }

    fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            mark: String::new(),
            service: None,
            protected: false,
            overrides: json!({"containerOverrides": []}),
            address: None,
            container: None,
            planned: None,
            pending: 0,
            listed: false,
            outdated: 0,
            created: now.unwrap_or_default().as_secs_f64(),
            has_ended: false,
            fate: None,
            exit_code: None,
        }
    }

    pub(super) fn family(&self) -> &str {
        self.service.as_deref().unwrap_or(Ecs::PROCESSOR)
    }

    /// What ECS wants of it.
    pub(super) fn desired(&self) -> &'static str {
        match self.fate {
            Some(_) => "STOPPED",
            None => "RUNNING",
        }
    }

    /// How far it is.
    fn status(&self) -> &'static str {
        match (self.has_ended, self.pending) {
            (true, _) => "STOPPED",
            (false, 0) => "RUNNING",
            (false, _) => "PENDING",
        }
    }

    /// Whether a listing that is `late` shows it.
    pub(super) fn is_listed(&mut self, late: usize) -> bool {
        let is_to_run = self.desired() == "RUNNING";
        self.outdated = match self.listed == is_to_run {
            true => 0,
            false => self.outdated + 1,
        };
        if self.outdated > late {
            (self.listed, self.outdated) = (is_to_run, 0);
        }
        self.listed
    }

    /// Looks how its container is, and kills one that does not stop.
    pub(super) fn look(&mut self) {
        let Some(container) = &mut self.container else {
            return;
        };
        match container.process.status() {
            Some(status) => {
                self.has_ended = true;
                self.exit_code = status.code().or_else(|| Some(128 + status.signal()?));
                self.fate.get_or_insert_with(|| Fate {
                    code: "EssentialContainerExited",
                    reason: "Essential container in task exited".to_owned(),
                });
            }
            None if container
                .stopping
                .is_some_and(|since| since.elapsed() >= STOP_TIMEOUT) =>
            {
                container.process.signal(Signal::KILL);
            }
            None => {}
        }
    }

    /// Asks it to end.
    pub(super) fn stop(&mut self, fate: Fate) {
        self.look();
        if self.fate.is_some() {
            return;
        }
        self.fate = Some(fate);
        match &mut self.container {
            Some(container) => {
                container.stopping = Some(Instant::now());
                container.process.signal(Signal::TERM);
            }
            None => self.has_ended = true,
        }
    }

    /// What is pending was described once more, and is a container in the end.
    fn goes_on(&mut self) {
        self.pending = self.pending.saturating_sub(1);
        if self.pending == 0
            && let Some((command, folder)) = self.planned.take_if(|_| self.fate.is_none())
        {
            self.container = Some(Container {
                process: Process::run(command),
                stopping: None,
                _folder: folder,
            });
        }
    }

    pub(super) fn seen(&mut self, id: &str) -> Seen {
        self.look();
        let process = self.container.as_ref().filter(|_| !self.has_ended);
        Seen {
            id: id.to_owned(),
            status: self.status(),
            stop_code: self.fate.as_ref().map(|fate| fate.code),
            exit_code: self.exit_code,
            process: process.map(|container| container.process.id()),
        }
    }

    /// What ECS tells of it, but for its name.
    pub(super) fn told(&mut self) -> Value {
        self.look();
        let status = self.status();
        let mut container = json!({"name": self.family(), "lastStatus": status});
        if let Some(code) = self.exit_code {
            container["exitCode"] = json!(code);
        }
        let mut told = json!({
            "startedBy": self.mark, "overrides": self.overrides, "launchType": "FARGATE", "createdAt": self.created,
            "lastStatus": status, "desiredStatus": self.desired(), "containers": [container],
        });
        if let Some(address) = self.address.filter(|_| status != "PENDING") {
            let details = json!([{"name": "privateIPv4Address", "value": address}]);
            told["attachments"] = json!([{"type": "ElasticNetworkInterface", "status": "ATTACHED", "details": details}]);
        }
        match status {
            "PENDING" => self.goes_on(),
            _ => told["startedAt"] = json!(self.created),
        }
        if let Some(fate) = &self.fate {
            told["stopCode"] = json!(fate.code);
            told["stoppedReason"] = json!(fate.reason);
        }
        if self.has_ended {
            told["stoppedAt"] = json!(self.created);
        }
        told
    }

    pub(super) fn log(&self) -> String {
        let container = self.container.as_ref();
        container.map(|it| it.process.stderr()).unwrap_or_default()
    }
}
