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
use lsv_core::hub::OnBusy;
use lsv_core::recording::StorageClasses;
use lsv_mux::process::plan::Ladder;
use lsv_rtmp::net::IpNet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

mod values;

use self::values::push_sign;
pub(crate) use self::values::{
    bit_rate, certificates, duration, log_form, log_level, networks, parsed, secured, words,
};
use crate::limits::Publishing;
use crate::play::Play;
use crate::{classes, ladder, origin};

/// What can be given to a node, in any of the three places; absent fields take the defaults of [`Config`].
#[derive(Debug, Clone, Default, Parser, Deserialize)]
#[command(
    name = "lsv",
    version,
    about = "Live video on one machine: push RTMP; watch HTTP-FLV, HLS, CMAF and DASH"
)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// TOML file with the same names as these flags
    #[arg(long, env = "LSV_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Where channels, secrets and recordings are kept [default: ./lsv-data]
    #[arg(long, env = "LSV_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// HTTP: players, API, metrics [default: 0.0.0.0:8080]
    #[arg(long, env = "LSV_HTTP", value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// HTTPS with HTTP/2: the same as HTTP [default: off without a certificate, else 0.0.0.0:8443]
    #[arg(long, env = "LSV_HTTPS", value_name = "ADDR")]
    pub https: Option<SocketAddr>,
    /// RTMP [default: 0.0.0.0:1935]
    #[arg(long, env = "LSV_RTMP", value_name = "ADDR")]
    pub rtmp: Option<SocketAddr>,
    /// RTMPS [default: off without a certificate, else 0.0.0.0:1938]
    #[arg(long, env = "LSV_RTMPS", value_name = "ADDR")]
    pub rtmps: Option<SocketAddr>,
    /// Certificate chains in PEM, reread when they change; of several the one for the client's server name, else the first
    #[arg(long, env = "LSV_TLS_CERT", value_name = "FILES")]
    pub tls_cert: Option<String>,
    /// Private keys in PEM, in the same order
    #[arg(long, env = "LSV_TLS_KEY", value_name = "FILES")]
    pub tls_key: Option<String>,
    /// Send whoever asks over plain HTTP to HTTPS
    #[arg(long, env = "LSV_HTTPS_REDIRECT")]
    pub https_redirect: bool,
    /// Networks of load balancers that open RTMP and RTMPS with a PROXY protocol header, such as 10.0.0.0/8,127.0.0.1
    #[arg(long, env = "LSV_PROXY_PROTOCOL", value_name = "NETWORKS")]
    pub proxy_protocol: Option<String>,
    /// Networks of proxies in front of HTTP whose X-Forwarded-For and X-Forwarded-Proto count, such as 10.0.0.0/8
    #[arg(long, env = "LSV_TRUSTED_PROXIES", value_name = "NETWORKS")]
    pub trusted_proxies: Option<String>,
    /// The nodes that an origin gets channels from, such as http://10.0.0.7:8080,http://10.0.0.8:8080
    #[arg(long, env = "LSV_NODES", value_name = "ADDRESSES")]
    pub nodes: Option<String>,
    /// Where an origin's HLS and DASH are made: own, from one pull of each channel; nodes, to be kept as they send it [default: own]
    #[arg(long, env = "LSV_SEGMENTS", value_name = "WHERE")]
    pub segments: Option<String>,
    /// What an origin keeps in memory of what it fetched, such as 256M [default: 256M]
    #[arg(long, env = "LSV_CACHE_MEMORY", value_name = "BYTES")]
    pub cache_memory: Option<String>,
    /// What an origin keeps of recordings in its data folder, such as 16G [default: 16G]
    #[arg(long, env = "LSV_CACHE_DISK", value_name = "BYTES")]
    pub cache_disk: Option<String>,
    /// Where other nodes pull RTMP from this one, such as rtmp://10.0.0.9:1935 [default: where it is asked]
    #[arg(long, env = "LSV_NODE_ADDRESS", value_name = "ADDRESS")]
    pub node_address: Option<String>,
    /// Bearer token of the API [default: made on the first start]
    #[arg(long, env = "LSV_API_TOKEN", value_name = "TOKEN", hide_env_values = true, value_parser = parse_secret)]
    #[serde(deserialize_with = "secret")]
    pub api_token: Option<Secret>,
    /// Secret that push keys are signed with [default: made on the first start]
    #[arg(long, env = "LSV_SECRET", value_name = "SECRET", hide_env_values = true, value_parser = parse_secret)]
    #[serde(deserialize_with = "secret")]
    pub secret: Option<Secret>,
    /// Secret that playback tokens are signed with, the same on all nodes of a platform [default: made on the first start]
    #[arg(long, env = "LSV_PLAYBACK_SECRET", value_name = "SECRET", hide_env_values = true, value_parser = parse_secret)]
    #[serde(deserialize_with = "secret")]
    pub playback_secret: Option<Secret>,
    /// Whether viewers need a playback token: off, on, ip for one that is good for their address alone [default: off]
    #[arg(long, env = "LSV_PLAY_TOKEN", value_name = "RULE")]
    pub play_token: Option<String>,
    /// Whether signed URLs and cookies of CloudFront let viewers in, and nothing else does but tokens: on, off [default: off]
    #[arg(long, env = "LSV_PLAY_CLOUDFRONT", value_name = "RULE")]
    pub play_cloudfront: Option<String>,
    /// Key pairs of CloudFront whose signatures count, ids with public keys in PEM, such as K2JCJMDEHXQW5F=public.pem
    #[arg(long, env = "LSV_CLOUDFRONT_KEYS", value_name = "LIST")]
    pub cloudfront_keys: Option<String>,
    /// Hosts under which viewers reach this platform; what CloudFront signs counts under them alone [default: any]
    #[arg(long, env = "LSV_CLOUDFRONT_HOSTS", value_name = "HOSTS")]
    pub cloudfront_hosts: Option<String>,
    /// Key pair of CloudFront that the API signs play addresses with, its id with the private key in PEM, such as
    /// K2JCJMDEHXQW5F=private.pem
    #[arg(long, env = "LSV_CLOUDFRONT_SIGN", value_name = "KEY")]
    pub cloudfront_sign: Option<String>,
    /// Hosts whose pages may embed channels, such as example.com,*.example.com [default: any]
    #[arg(long, env = "LSV_PLAY_HOSTS", value_name = "HOSTS")]
    pub play_hosts: Option<String>,
    /// Viewers who do not say which page they come from, where hosts are named: allow, refuse [default: allow]
    #[arg(long, env = "LSV_PLAY_EMPTY_REFERER", value_name = "RULE")]
    pub play_empty_referer: Option<String>,
    /// Networks that alone may watch [default: all]
    #[arg(long, env = "LSV_PLAY_ALLOW", value_name = "NETWORKS")]
    pub play_allow: Option<String>,
    /// Networks that may not watch
    #[arg(long, env = "LSV_PLAY_DENY", value_name = "NETWORKS")]
    pub play_deny: Option<String>,
    /// Most viewers of a channel at once on this node; 0 for any number [default: 0]
    #[arg(long, env = "LSV_MAX_VIEWERS", value_name = "COUNT")]
    pub max_viewers: Option<u32>,
    /// The same of one address [default: 0]
    #[arg(long, env = "LSV_MAX_VIEWERS_PER_IP", value_name = "COUNT")]
    pub max_viewers_per_ip: Option<u32>,
    /// Accepted signatures of push keys: hmac-sha256, md5 [default: hmac-sha256]
    #[arg(long, env = "LSV_PUSH_SIGN", value_name = "LIST")]
    pub push_sign: Option<String>,
    /// What a second publisher of a channel does: take-over, reject [default: take-over]
    #[arg(long, env = "LSV_ON_BUSY", value_name = "RULE")]
    pub on_busy: Option<String>,
    /// Take FLV video codec 12 for HEVC, as encoders send it that are older than Enhanced RTMP
    #[arg(long, env = "LSV_LEGACY_HEVC")]
    pub legacy_hevc: bool,
    /// How long viewers wait for a lost publisher [default: 15s]
    #[arg(long, env = "LSV_RECONNECT_WINDOW", value_name = "DURATION")]
    pub reconnect_window: Option<String>,
    /// Bits a second of a publisher above which its operator is warned, such as 8M or 2500k [default: 10M]
    #[arg(long, env = "LSV_PLAN_BITRATE", value_name = "RATE")]
    pub plan_bitrate: Option<String>,
    /// Channels that are published at once; those in their reconnect window count [default: no limit]
    #[arg(long, env = "LSV_MAX_PUBLISHERS", value_name = "COUNT")]
    pub max_publishers: Option<usize>,
    /// Bits a second of all publishers together at which one more is refused, such as 500M [default: no limit]
    #[arg(long, env = "LSV_MAX_INGEST_BITRATE", value_name = "RATE")]
    pub max_ingest_bitrate: Option<String>,
    /// Refused attempts to publish within a minute after which an address has to wait; 0 for any number [default: 20]
    #[arg(long, env = "LSV_MAX_PUBLISH_ATTEMPTS", value_name = "COUNT")]
    pub max_publish_attempts: Option<u32>,
    /// Let relays, webhooks and pictures reach private addresses
    #[arg(long, env = "LSV_ALLOW_PRIVATE_TARGETS")]
    pub allow_private_targets: bool,
    /// The ffmpeg that encodes [default: the one in PATH]
    #[arg(long, env = "LSV_FFMPEG", value_name = "FILE")]
    pub ffmpeg: Option<PathBuf>,
    /// Renditions that differ from the templates, with size, video and audio kbit/s, such as 720p=1280x720:2500:128
    #[arg(long, env = "LSV_LADDER", value_name = "LIST")]
    pub ladder: Option<String>,
    /// Kinds of recordings that are not kept hot, such as snapshot=cold,motion-clip=cold [default: all hot]
    #[arg(long, env = "LSV_STORAGE_CLASS", value_name = "LIST")]
    pub storage_class: Option<String>,
    /// How long a stop may take [default: 30s]
    #[arg(long, env = "LSV_GRACE", value_name = "DURATION")]
    pub grace: Option<String>,
    /// Form of the log: text, json [default: text]
    #[arg(long, env = "LSV_LOG", value_name = "FORM")]
    pub log: Option<String>,
    /// Least level that is logged: error, warn, info, debug, trace [default: info]
    #[arg(long, env = "LSV_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Publish a bundled clip to the channel `demo`, for ever
    #[arg(long, env = "LSV_DEMO")]
    pub demo: bool,
}

/// The configuration that a node runs with.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where channels, secrets and recordings are kept.
    pub data: PathBuf,
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
    /// Where load balancers are that open connections with a PROXY protocol header.
    pub proxy_protocol: Vec<IpNet>,
    /// Where proxies are whose word on HTTP clients counts.
    pub trusted_proxies: Networks,
    /// What an origin is set to.
    pub origin: origin::Settings,
    /// Where other nodes pull from this one, if it was given.
    pub node_address: Option<String>,
    /// The API's bearer token, if it was given.
    pub api_token: Option<Secret>,
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

    /// These options where they are set, else those of `file`.
    fn over(self, file: Self) -> Self {
        Self {
            config: self.config,
            data: self.data.or(file.data),
            http: self.http.or(file.http),
            https: self.https.or(file.https),
            rtmp: self.rtmp.or(file.rtmp),
            rtmps: self.rtmps.or(file.rtmps),
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            https_redirect: self.https_redirect || file.https_redirect,
            proxy_protocol: self.proxy_protocol.or(file.proxy_protocol),
            trusted_proxies: self.trusted_proxies.or(file.trusted_proxies),
            nodes: self.nodes.or(file.nodes),
            segments: self.segments.or(file.segments),
            cache_memory: self.cache_memory.or(file.cache_memory),
            cache_disk: self.cache_disk.or(file.cache_disk),
            node_address: self.node_address.or(file.node_address),
            api_token: self.api_token.or(file.api_token),
            secret: self.secret.or(file.secret),
            playback_secret: self.playback_secret.or(file.playback_secret),
            play_token: self.play_token.or(file.play_token),
            play_cloudfront: self.play_cloudfront.or(file.play_cloudfront),
            cloudfront_keys: self.cloudfront_keys.or(file.cloudfront_keys),
            cloudfront_hosts: self.cloudfront_hosts.or(file.cloudfront_hosts),
            cloudfront_sign: self.cloudfront_sign.or(file.cloudfront_sign),
            play_hosts: self.play_hosts.or(file.play_hosts),
            play_empty_referer: self.play_empty_referer.or(file.play_empty_referer),
            play_allow: self.play_allow.or(file.play_allow),
            play_deny: self.play_deny.or(file.play_deny),
            max_viewers: self.max_viewers.or(file.max_viewers),
            max_viewers_per_ip: self.max_viewers_per_ip.or(file.max_viewers_per_ip),
            push_sign: self.push_sign.or(file.push_sign),
            on_busy: self.on_busy.or(file.on_busy),
            legacy_hevc: self.legacy_hevc || file.legacy_hevc,
            reconnect_window: self.reconnect_window.or(file.reconnect_window),
            plan_bitrate: self.plan_bitrate.or(file.plan_bitrate),
            max_publishers: self.max_publishers.or(file.max_publishers),
            max_ingest_bitrate: self.max_ingest_bitrate.or(file.max_ingest_bitrate),
            max_publish_attempts: self.max_publish_attempts.or(file.max_publish_attempts),
            allow_private_targets: self.allow_private_targets || file.allow_private_targets,
            ffmpeg: self.ffmpeg.or(file.ffmpeg),
            ladder: self.ladder.or(file.ladder),
            storage_class: self.storage_class.or(file.storage_class),
            grace: self.grace.or(file.grace),
            log: self.log.or(file.log),
            log_level: self.log_level.or(file.log_level),
            demo: self.demo || file.demo,
        }
    }

    fn into_config(self) -> anyhow::Result<Config> {
        let text = |value: &Option<String>, default: &str| {
            value.clone().unwrap_or_else(|| default.to_owned())
        };
        let play = Play::of(&self)?;
        let origin = origin::Settings::of(&self)?;
        let publishing = Publishing::of(&self)?;
        let certificates = certificates(self.tls_cert, self.tls_key)?;
        if self.https_redirect && certificates.is_empty() {
            bail!("https-redirect needs a certificate: give tls-cert and tls-key");
        }
        Ok(Config {
            data: self.data.unwrap_or_else(|| PathBuf::from("lsv-data")),
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
            proxy_protocol: networks(
                "proxy-protocol",
                self.proxy_protocol.as_deref().unwrap_or_default(),
            )?,
            trusted_proxies: parsed("trusted-proxies", self.trusted_proxies.as_deref())?,
            origin,
            node_address: self.node_address,
            api_token: self.api_token,
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
            ("http", self.http != new.http),
            ("https", self.https != new.https),
            ("rtmp", self.rtmp != new.rtmp),
            ("rtmps", self.rtmps != new.rtmps),
            ("https-redirect", self.https_redirect != new.https_redirect),
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
            ("node-address", self.node_address != new.node_address),
            ("api-token", self.api_token != new.api_token),
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

#[cfg(test)]
mod tests;
