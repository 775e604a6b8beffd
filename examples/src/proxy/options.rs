//! The configuration of a proxy: one typed schema for flags, `LSV_PROXY_*` variables and the TOML file, by the rules of
//! [`config`](crate::config).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use lsv_rtmp::net::IpNet;
use lsv_rtmp::proxy::{BackEnds, Check, Endpoint, Mode};
use serde::Deserialize;

use super::Service;
use crate::config::{
    CertificateFiles, LogForm, certificates, duration, log_form, log_level, networks, read, secured,
};

/// What can be given to a proxy, in any of the three places; absent fields take the defaults of [`Config`].
#[derive(Debug, Clone, Default, Parser, Deserialize)]
#[command(
    name = "lsv-proxy",
    version,
    about = "One address for RTMP and RTMPS in front of many servers that come and go"
)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// TOML file with the same names as these flags; reread at SIGHUP
    #[arg(long, env = "LSV_PROXY_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// RTMP [default: 0.0.0.0:1935]
    #[arg(long, env = "LSV_PROXY_RTMP", value_name = "ADDR")]
    pub rtmp: Option<SocketAddr>,
    /// RTMPS, which ends here [default: off without a certificate, else 0.0.0.0:1938]
    #[arg(long, env = "LSV_PROXY_RTMPS", value_name = "ADDR")]
    pub rtmps: Option<SocketAddr>,
    /// Certificate chains in PEM, by comma: the default first, then others by server name; reread when they change
    #[arg(long, env = "LSV_PROXY_TLS_CERT", value_name = "FILES")]
    pub tls_cert: Option<String>,
    /// Private keys in PEM, by comma, in the order of the certificates
    #[arg(long, env = "LSV_PROXY_TLS_KEY", value_name = "FILES")]
    pub tls_key: Option<String>,
    /// Metrics and health [default: off]
    #[arg(long, env = "LSV_PROXY_HTTP", value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Servers behind the proxy, HOST:PORT by comma; names are looked up again and again
    #[arg(long, env = "LSV_PROXY_BACKENDS", value_name = "LIST")]
    pub backends: Option<String>,
    /// Service of ECS whose tasks are behind it too, CLUSTER/SERVICE:PORT, asked for again and again [default: none]
    #[arg(long, env = "LSV_PROXY_DISCOVER", value_name = "SERVICE")]
    pub discover: Option<String>,
    /// How much is understood: tcp, rtmp (all of a channel reaches the same server) [default: tcp]
    #[arg(long, env = "LSV_PROXY_MODE", value_name = "MODE")]
    pub mode: Option<String>,
    /// How servers are checked: rtmp, tcp (for servers that speak RTMPS; one that hangs passes) [default: rtmp]
    #[arg(long, env = "LSV_PROXY_CHECK", value_name = "CHECK")]
    pub check: Option<String>,
    /// Most sessions of one server [default: no bound]
    #[arg(
        long,
        env = "LSV_PROXY_MAX_CONNECTIONS_PER_BACKEND",
        value_name = "COUNT"
    )]
    pub max_connections_per_backend: Option<usize>,
    /// Tell servers the client's address, in PROXY protocol version 2: on, off [default: on]
    #[arg(long, env = "LSV_PROXY_PROXY_PROTOCOL", value_name = "SWITCH")]
    pub proxy_protocol: Option<String>,
    /// Networks of load balancers in front that send PROXY protocol, version 1 or 2 [default: none]
    #[arg(long, env = "LSV_PROXY_ACCEPT_PROXY_PROTOCOL", value_name = "NETWORKS")]
    pub accept_proxy_protocol: Option<String>,
    /// How long a stop may take while sessions go on [default: 30s]
    #[arg(long, env = "LSV_PROXY_GRACE", value_name = "DURATION")]
    pub grace: Option<String>,
    /// Form of the log: text, json [default: text]
    #[arg(long, env = "LSV_PROXY_LOG", value_name = "FORM")]
    pub log: Option<String>,
    /// Least level that is logged: error, warn, info, debug, trace [default: info]
    #[arg(long, env = "LSV_PROXY_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<String>,
}

/// The configuration that a proxy runs with.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where RTMP listens.
    pub rtmp: SocketAddr,
    /// Where RTMPS listens; nowhere without certificates.
    pub rtmps: Option<SocketAddr>,
    /// The certificates of RTMPS, the default first.
    pub certificates: Vec<CertificateFiles>,
    /// Where metrics and health are served.
    pub http: Option<SocketAddr>,
    /// The servers, and how much each takes.
    pub back_ends: BackEnds,
    /// The service of ECS whose tasks are servers as well.
    pub discover: Option<Service>,
    /// How much is understood.
    pub mode: Mode,
    /// How servers are checked.
    pub check: Check,
    /// Whether servers are told the client's address.
    pub proxy_protocol: bool,
    /// Where other load balancers are that clients come through.
    pub accept_proxy_protocol: Vec<IpNet>,
    /// How long a stop may take.
    pub grace: Duration,
    /// The form of the log.
    pub log: LogForm,
    /// The least level that is logged.
    pub log_level: tracing::Level,
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
            rtmp: self.rtmp.or(file.rtmp),
            rtmps: self.rtmps.or(file.rtmps),
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            http: self.http.or(file.http),
            backends: self.backends.or(file.backends),
            discover: self.discover.or(file.discover),
            mode: self.mode.or(file.mode),
            check: self.check.or(file.check),
            max_connections_per_backend: self
                .max_connections_per_backend
                .or(file.max_connections_per_backend),
            proxy_protocol: self.proxy_protocol.or(file.proxy_protocol),
            accept_proxy_protocol: self.accept_proxy_protocol.or(file.accept_proxy_protocol),
            grace: self.grace.or(file.grace),
            log: self.log.or(file.log),
            log_level: self.log_level.or(file.log_level),
        }
    }

    fn into_config(self) -> anyhow::Result<Config> {
        let mode = self.mode.as_deref().unwrap_or("tcp");
        let check = self.check.as_deref().unwrap_or("rtmp");
        let connections_each = self.max_connections_per_backend;
        if connections_each == Some(0) {
            bail!("max-connections-per-backend is at least 1");
        }
        let discover = self.discover.as_deref().map(str::parse).transpose()?;
        let endpoints = endpoints(self.backends.as_deref().unwrap_or_default())?;
        if endpoints.is_empty() && discover.is_none() {
            bail!("backends is empty: give HOST:PORT, several by comma, or discover a service");
        }
        let certificates = certificates(self.tls_cert, self.tls_key)?;
        Ok(Config {
            rtmp: self
                .rtmp
                .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 1935))),
            rtmps: secured("rtmps", self.rtmps, 1938, &certificates)?,
            certificates,
            http: self.http,
            back_ends: BackEnds {
                endpoints,
                connections_each,
            },
            discover,
            mode: match mode {
                "tcp" => Mode::Tcp,
                "rtmp" => Mode::Rtmp,
                other => bail!("mode is tcp or rtmp, not {other:?}"),
            },
            check: match check {
                "tcp" => Check::Tcp,
                "rtmp" => Check::Rtmp,
                other => bail!("check is tcp or rtmp, not {other:?}"),
            },
            proxy_protocol: match self.proxy_protocol.as_deref().unwrap_or("on") {
                "on" => true,
                "off" => false,
                other => bail!("proxy-protocol is on or off, not {other:?}"),
            },
            accept_proxy_protocol: networks(
                "accept-proxy-protocol",
                self.accept_proxy_protocol.as_deref().unwrap_or_default(),
            )?,
            grace: duration("grace", self.grace.as_deref().unwrap_or("30s"))?,
            log: log_form(self.log.as_deref().unwrap_or("text"))?,
            log_level: log_level(self.log_level.as_deref().unwrap_or("info"))?,
        })
    }
}

impl Config {
    /// The keys whose values differ in `new` and can only be followed by a restart.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        [
            ("rtmp", self.rtmp != new.rtmp),
            ("rtmps", self.rtmps != new.rtmps),
            ("http", self.http != new.http),
            ("discover", self.discover != new.discover),
            ("mode", self.mode != new.mode),
            ("check", self.check != new.check),
            ("proxy-protocol", self.proxy_protocol != new.proxy_protocol),
            (
                "accept-proxy-protocol",
                self.accept_proxy_protocol != new.accept_proxy_protocol,
            ),
            ("log", self.log != new.log),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }
}

fn endpoints(list: &str) -> anyhow::Result<Vec<Endpoint>> {
    let names = list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names
        .map(str::parse)
        .collect::<Result<Vec<Endpoint>, _>>()
        .context("backends cannot be used")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, flags: &[&str]) -> anyhow::Result<Config> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("lsv-proxy.toml");
        std::fs::write(&path, text)?;
        let mut options = Options::try_parse_from([&["lsv-proxy"], flags].concat())?;
        options.config = Some(path);
        options.resolve()
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        let config = with_file("backends = \"a:1\"", &[]).unwrap();
        assert_eq!(config.rtmp, "0.0.0.0:1935".parse().unwrap());
        assert_eq!((config.mode, config.check), (Mode::Tcp, Check::Rtmp));
        assert!(config.proxy_protocol && config.accept_proxy_protocol.is_empty());
        assert_eq!(config.back_ends.connections_each, None);
        assert_eq!(config.grace, Duration::from_secs(30));
    }

    #[test]
    fn a_service_is_enough() {
        let config = with_file("discover = \"live/gateway:1935\"", &[]).unwrap();
        assert!(config.back_ends.endpoints.is_empty());
        let service = config.discover.unwrap();
        assert_eq!(
            (&*service.cluster, &*service.name, service.port),
            ("live", "gateway", 1935)
        );
    }

    #[test]
    fn flags_beat_the_file() {
        let file =
            "backends = \"a:1, 10.0.0.1:2\"\nmode = \"tcp\"\nmax-connections-per-backend = 7\n";
        let config = with_file(file, &["--mode", "rtmp"]).unwrap();
        assert_eq!((config.mode, config.check), (Mode::Rtmp, Check::Rtmp));
        assert_eq!(config.back_ends.endpoints.len(), 2);
        assert_eq!(config.back_ends.connections_each, Some(7));
        let config = with_file(file, &["--backends", "[::1]:3", "--check", "tcp"]).unwrap();
        assert_eq!(config.back_ends.endpoints, ["[::1]:3".parse().unwrap()]);
        assert_eq!((config.mode, config.check), (Mode::Tcp, Check::Tcp));
    }

    #[test]
    fn unusable_values_are_named() {
        for (text, part) in [
            ("", "backends"),
            ("backends = \"a\"", "backends"),
            ("discover = \"gateway\"", "CLUSTER/SERVICE:PORT"),
            ("backends = \"a:1,,b\"", "\"b\""),
            ("backends = \"a:1\"\nmode = \"udp\"", "mode"),
            ("backends = \"a:1\"\ncheck = \"ping\"", "check"),
            (
                "backends = \"a:1\"\nproxy-protocol = \"v2\"",
                "proxy-protocol",
            ),
            (
                "backends = \"a:1\"\nmax-connections-per-backend = 0",
                "max-connections",
            ),
            (
                "backends = \"a:1\"\naccept-proxy-protocol = \"lb\"",
                "accept-proxy-protocol",
            ),
            ("backends = \"a:1\"\ngrace = \"1\"", "grace"),
            ("backends = \"a:1\"\ntls-cert = \"a\"", "tls-key"),
            ("\nbackend = \"a:1\"", "line 2"),
        ] {
            let error = format!("{:#}", with_file(text, &[]).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_needs_a_restart_is_named() {
        let before = with_file("backends = \"a:1\"", &[]).unwrap();
        let after = with_file(
            "backends = \"b:1\"\nmode = \"rtmp\"\ncheck = \"tcp\"\ngrace = \"1s\"",
            &[],
        )
        .unwrap();
        assert_eq!(before.needs_restart(&after), ["mode", "check"]);
        assert!(after.needs_restart(&after).is_empty());
    }
}
