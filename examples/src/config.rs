//! The configuration of a node: one typed schema for flags, `LSV_*` variables and the TOML file.
//!
//! A flag beats its variable, the variable beats the file, the file beats the default. A key that is not known is
//! refused with its line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use lsv_auth::cidr::Networks;
use lsv_auth::push::Algorithm;
use lsv_auth::{EmptySecret, Secret};
use lsv_core::api::Password;
use lsv_core::hub::OnBusy;
use lsv_core::ports::TaskSpec;
use lsv_core::recording::StorageClasses;
use lsv_mux::process::plan::Ladder;
use lsv_rtmp::net::IpNet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

mod options;
mod values;

pub use self::options::Options;

use self::values::push_sign;
pub(crate) use self::values::{
    bit_rate, certificates, duration, log_form, log_level, networks, parsed, secured, words,
};
use crate::limits::Publishing;
use crate::play::Play;
use crate::{classes, ladder, origin, password, stores};

/// The configuration that a node runs with.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where channels, secrets and recordings are kept.
    pub data: PathBuf,
    /// Where channels, recordings and what is live are kept, and who encodes.
    pub stores: stores::Settings,
    /// The one task of a processor that ends with it.
    pub task: Option<TaskSpec>,
    /// Tasks that a processor does at once.
    pub max_tasks: usize,
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// Where HTTPS listens; nowhere without certificates.
    pub https: Option<SocketAddr>,
    /// Where RTMP listens.
    pub rtmp: SocketAddr,
    /// Where RTMPS listens; nowhere without certificates.
    pub rtmps: Option<SocketAddr>,
    /// The certificates of HTTPS and RTMPS, the default first.
    pub certificates: Vec<CertificateFiles>,
    /// Whether plain HTTP leads to HTTPS.
    pub https_redirect: bool,
    /// The folder of a client of ACME, if there is one.
    pub acme_webroot: Option<PathBuf>,
    /// Where load balancers are that open connections with a PROXY protocol header.
    pub proxy_protocol: Vec<IpNet>,
    /// Where proxies are whose word on HTTP clients counts.
    pub trusted_proxies: Networks,
    /// What an origin is set to.
    pub origin: origin::Settings,
    /// Where other nodes pull from this one, if it was given.
    pub node_address: Option<String>,
    /// Where they do over TLS, if it was given.
    pub node_rtmps_address: Option<String>,
    /// The API's bearer token, if it was given.
    pub api_token: Option<Secret>,
    /// Who may sign in to the console beside whoever has the token.
    pub console: Option<Password>,
    /// The signing secret, if it was given.
    pub secret: Option<Secret>,
    /// The secret of playback tokens, if it was given.
    pub playback_secret: Option<Secret>,
    /// Who may watch.
    pub play: Play,
    /// Accepted signatures; the first is the one that keys are made with.
    pub push_sign: Vec<Algorithm>,
    /// What a second publisher does.
    pub on_busy: OnBusy,
    /// Whether FLV video codec 12 is HEVC.
    pub legacy_hevc: bool,
    /// How long viewers wait for a lost publisher.
    pub reconnect_window: Duration,
    /// Bits a second above which operators are warned.
    pub plan_bitrate: u64,
    /// What bounds publishing.
    pub publishing: Publishing,
    /// Whether targets in private networks are allowed.
    pub allow_private_targets: bool,
    /// The ffmpeg that encodes, if it was given.
    pub ffmpeg: Option<PathBuf>,
    /// The renditions that channels can have.
    pub ladder: Ladder,
    /// In which class of storage recordings are kept.
    pub storage_classes: StorageClasses,
    /// How long other nodes wait for one that is gone before they make whole what it was recording.
    pub adopt_after: Duration,
    /// How long a stop may take.
    pub grace: Duration,
    /// The form of the log.
    pub log: LogForm,
    /// The least level that is logged.
    pub log_level: tracing::Level,
    /// Whether the demo runs.
    pub demo: bool,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Options {
    /// The configuration of flags, variables and file together.
    ///
    /// # Errors
    /// Names the place and the value that cannot be used.
    pub fn resolve(&self) -> anyhow::Result<Config> {
        let file = read(self.config.as_deref())?;
        self.clone().over(file).into_config()
    }

    fn into_config(self) -> anyhow::Result<Config> {
        let text = |value: &Option<String>, default: &str| {
            value.clone().unwrap_or_else(|| default.to_owned())
        };
        let play = Play::of(&self)?;
        let origin = origin::Settings::of(&self)?;
        let stores = stores::Settings::of(&self)?;
        let publishing = Publishing::of(&self)?;
        let console = password::of(&self)?;
        let certificates = certificates(self.tls_cert, self.tls_key)?;
        if self.https_redirect && certificates.is_empty() {
            bail!("https-redirect needs a certificate: give tls-cert and tls-key");
        }
        Ok(Config {
            data: self.data.unwrap_or_else(|| PathBuf::from("lsv-data")),
            stores,
            task: match &self.task {
                Some(task) => Some(serde_json::from_str(task).context("task")?),
                None => None,
            },
            max_tasks: self.max_tasks.unwrap_or(MAX_TASKS),
            http: self
                .http
                .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 8080))),
            https: secured("https", self.https, 8443, &certificates)?,
            rtmp: self
                .rtmp
                .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 1935))),
            rtmps: secured("rtmps", self.rtmps, 1938, &certificates)?,
            certificates,
            https_redirect: self.https_redirect,
            acme_webroot: self.acme_webroot,
            proxy_protocol: networks(
                "proxy-protocol",
                self.proxy_protocol.as_deref().unwrap_or_default(),
            )?,
            trusted_proxies: parsed("trusted-proxies", self.trusted_proxies.as_deref())?,
            origin,
            node_address: self.node_address,
            node_rtmps_address: match self.node_rtmps_address {
                Some(address) if !address.starts_with("rtmps://") => bail!(
                    "node-rtmps-address is where other nodes pull over TLS, such as rtmps://gateway-1.example.com:1938, not {address:?}"
                ),
                address => address,
            },
            api_token: self.api_token,
            console,
            secret: self.secret,
            playback_secret: self.playback_secret,
            play,
            push_sign: push_sign(&text(&self.push_sign, "hmac-sha256"))?,
            on_busy: match text(&self.on_busy, "take-over").as_str() {
                "take-over" => OnBusy::TakeOver,
                "reject" => OnBusy::Reject,
                other => bail!("on-busy is take-over or reject, not {other:?}"),
            },
            legacy_hevc: self.legacy_hevc,
            reconnect_window: duration("reconnect-window", &text(&self.reconnect_window, "15s"))?,
            plan_bitrate: bit_rate("plan-bitrate", &text(&self.plan_bitrate, "10M"))?,
            publishing,
            allow_private_targets: self.allow_private_targets,
            ffmpeg: self.ffmpeg,
            ladder: match &self.ladder {
                Some(ladder) => ladder::parse(ladder)?,
                None => Ladder::default(),
            },
            storage_classes: match &self.storage_class {
                Some(list) => classes::parse(list)?,
                None => StorageClasses::default(),
            },
            adopt_after: match duration("adopt-after", &text(&self.adopt_after, "5m"))? {
                short if short < MIN_ADOPT_AFTER => bail!("adopt-after is at least 5s"),
                after => after,
            },
            grace: duration("grace", &text(&self.grace, "30s"))?,
            log: log_form(&text(&self.log, "text"))?,
            log_level: log_level(&text(&self.log_level, "info"))?,
            demo: self.demo,
        })
    }
}

impl Config {
    /// The keys whose values differ in `new` and can only be followed by a restart.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        [
            ("data", self.data != new.data),
            ("store, processors or aws", self.stores != new.stores),
            (
                "task or max-tasks",
                (&self.task, self.max_tasks) != (&new.task, new.max_tasks),
            ),
            ("http", self.http != new.http),
            ("https", self.https != new.https),
            ("rtmp", self.rtmp != new.rtmp),
            ("rtmps", self.rtmps != new.rtmps),
            ("https-redirect", self.https_redirect != new.https_redirect),
            ("acme-webroot", self.acme_webroot != new.acme_webroot),
            ("proxy-protocol", self.proxy_protocol != new.proxy_protocol),
            (
                "trusted-proxies",
                self.trusted_proxies != new.trusted_proxies,
            ),
            ("legacy-hevc", self.legacy_hevc != new.legacy_hevc),
            (
                "nodes, segments, cache-memory or cache-disk",
                self.origin != new.origin,
            ),
            (
                "node-address or node-rtmps-address",
                (&self.node_address, &self.node_rtmps_address)
                    != (&new.node_address, &new.node_rtmps_address),
            ),
            ("api-token", self.api_token != new.api_token),
            (
                "console-user or console-password",
                self.console != new.console,
            ),
            ("secret", self.secret != new.secret),
            (
                "playback-secret",
                self.playback_secret != new.playback_secret,
            ),
            ("plan-bitrate", self.plan_bitrate != new.plan_bitrate),
            (
                "max-publishers",
                self.publishing.publishers != new.publishing.publishers,
            ),
            (
                "max-ingest-bitrate",
                self.publishing.ingest_bit_rate != new.publishing.ingest_bit_rate,
            ),
            (
                "max-publish-attempts",
                self.publishing.attempts != new.publishing.attempts,
            ),
            (
                "allow-private-targets",
                self.allow_private_targets != new.allow_private_targets,
            ),
            ("ffmpeg", self.ffmpeg != new.ffmpeg),
            ("ladder", self.ladder != new.ladder),
            ("storage-class", self.storage_classes != new.storage_classes),
            ("adopt-after", self.adopt_after != new.adopt_after),
            ("log", self.log != new.log),
            ("demo", self.demo != new.demo),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }
}

/// The flags and variables of this process, the program `name`. `--help` and `--version` print what they are asked for
/// and end it.
///
/// # Errors
/// Says in one line which flag cannot be used.
pub fn of_process<Options: Parser>(name: &str) -> anyhow::Result<Options> {
    Options::try_parse().map_err(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        anyhow::anyhow!(first_line(name, &error))
    })
}

/// What clap complains of, without its advice and usage.
fn first_line(name: &str, error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim);
    let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{line}; `{name} --help` lists all flags")
}

/// The options of a file, or none without one.
pub(crate) fn read<Options: DeserializeOwned + Default>(
    path: Option<&Path>,
) -> anyhow::Result<Options> {
    let Some(path) = path else {
        return Ok(Options::default());
    };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).map_err(|error| {
        let before = error
            .span()
            .and_then(|span| text.get(..span.start))
            .unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        anyhow::anyhow!("{}, line {line}: {}", path.display(), error.message())
    })
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_secret(&text)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

fn parse_secret(text: &str) -> Result<Secret, EmptySecret> {
    Secret::new(text)
}

/// A node says five times as often that it is still there, and clocks differ by a moment.
const MIN_ADOPT_AFTER: Duration = Duration::from_secs(5);

/// An encoder of the size `large` keeps two processors busy.
const MAX_TASKS: usize = 4;

#[cfg(test)]
mod tests;
