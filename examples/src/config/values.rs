//! Values as operators write them: lists, networks, durations, bit rates.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use lsv_auth::push::Algorithm;
use lsv_rtmp::net::IpNet;

use super::{CertificateFiles, LogForm};

/// The certificates of all listeners with TLS; none where none are given.
pub(crate) fn certificates(
    chains: Option<String>,
    keys: Option<String>,
) -> anyhow::Result<Vec<CertificateFiles>> {
    let (chains, keys) = match (&chains, &keys) {
        (Some(chains), Some(keys)) => (paths(chains), paths(keys)),
        (None, None) => return Ok(Vec::new()),
        _ => bail!("tls-cert and tls-key go together"),
    };
    if chains.len() != keys.len() {
        bail!("tls-cert and tls-key list as many files, each key for the certificate in its place");
    }
    let files = chains.into_iter().zip(keys);
    Ok(files
        .map(|(chain, key)| CertificateFiles { chain, key })
        .collect())
}

/// Where the listener `name` with TLS is to be: by default on `port` where there are certificates, else nowhere.
pub(crate) fn secured(
    name: &str,
    address: Option<SocketAddr>,
    port: u16,
    certificates: &[CertificateFiles],
) -> anyhow::Result<Option<SocketAddr>> {
    match (address, certificates.is_empty()) {
        (Some(_), true) => bail!("{name} needs a certificate: give tls-cert and tls-key"),
        (None, true) => Ok(None),
        (address, false) => Ok(Some(
            address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], port))),
        )),
    }
}

pub(crate) fn words(list: &str) -> Vec<String> {
    let words = list.split(',').map(str::trim);
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn paths(list: &str) -> Vec<PathBuf> {
    list.split(',').map(|path| path.trim().into()).collect()
}

/// Reads `10.0.0.0/8,127.0.0.1`.
pub(crate) fn networks(name: &str, list: &str) -> anyhow::Result<Vec<IpNet>> {
    let words = list.split(',').map(str::trim);
    words
        .filter(|word| !word.is_empty())
        .map(|word| {
            let single = |_| word.parse::<IpAddr>().map(IpNet::from);
            let network = word.parse::<IpNet>().or_else(single);
            network
                .with_context(|| format!("{name} lists networks such as 10.0.0.0/8, not {word:?}"))
        })
        .collect()
}

/// Reads a value that knows its own form; without one it is as by default.
pub(crate) fn parsed<T>(name: &str, text: Option<&str>) -> anyhow::Result<T>
where
    T: FromStr<Err: Display> + Default,
{
    let parsed = text.map(|text| text.parse().map_err(|error| anyhow!("{name}: {error}")));
    parsed.transpose().map(Option::unwrap_or_default)
}

pub(super) fn push_sign(list: &str) -> anyhow::Result<Vec<Algorithm>> {
    list.split(',')
        .map(|name| match name.trim() {
            "hmac-sha256" => Ok(Algorithm::HmacSha256),
            "md5" => Ok(Algorithm::Md5),
            other => bail!("push-sign lists hmac-sha256 and md5, not {other:?}"),
        })
        .collect()
}

pub(crate) fn log_form(text: &str) -> anyhow::Result<LogForm> {
    Ok(match text {
        "text" => LogForm::Text,
        "json" => LogForm::Json,
        other => bail!("log is text or json, not {other:?}"),
    })
}

pub(crate) fn log_level(text: &str) -> anyhow::Result<tracing::Level> {
    text.parse()
        .ok()
        .context("log-level is error, warn, info, debug or trace")
}

/// Reads `30s`, `500ms`, `5m`, `1h`.
pub(crate) fn duration(name: &str, text: &str) -> anyhow::Result<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => bail!("{name} is a number with ms, s, m or h, such as 30s, not {text:?}"),
    };
    let count: u64 = count
        .parse()
        .with_context(|| format!("{name} is a number with a unit, not {text:?}"))?;
    count
        .checked_mul(millis)
        .filter(|millis| *millis <= MAX_DURATION_MILLIS)
        .map(Duration::from_millis)
        .with_context(|| format!("{name} is at most a day, not {text:?}"))
}

/// Reads `10M`, `2500k`, `2500000`.
pub(crate) fn bit_rate(name: &str, text: &str) -> anyhow::Result<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let factor = match unit {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        _ => bail!("{name} is a number of bits a second with k or M, such as 10M, not {text:?}"),
    };
    let rate = count.parse::<u64>().ok();
    rate.and_then(|rate| rate.checked_mul(factor))
        .filter(|rate| *rate > 0)
        .with_context(|| format!("{name} is a number of bits a second, not {text:?}"))
}

const MAX_DURATION_MILLIS: u64 = 86_400_000;
