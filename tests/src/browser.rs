//! Player pages and the console in headless Chromium, through the scripts of `tests/browser/`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Process;

/// What a page did while it was watched.
#[derive(Debug, Deserialize)]
pub struct Seen {
    /// Whether it played all along, without a fault and without another host.
    pub ok: bool,
    /// Which player and address the page chose.
    pub source: Option<String>,
    /// Seconds from opening the page to the first moving picture.
    pub startup: Option<f64>,
    /// Seconds by which the picture moved on.
    pub advanced: f64,
    /// Seconds behind live, in the middle and at worst; none where the page cannot tell.
    pub latency_p50: Option<f64>,
    /// The same of 95 in a hundred looks.
    pub latency_p95: Option<f64>,
    /// The worst of it.
    pub latency_max: Option<f64>,
    /// Seconds since what was on screen was drawn, in the middle, in 95 of a hundred looks and at worst, where the
    /// pictures have a clock.
    pub glass_p50: Option<f64>,
    /// See there.
    pub glass_p95: Option<f64>,
    /// See there.
    pub glass_max: Option<f64>,
    /// How often it stood still.
    pub stalls: u32,
    /// How often the browser had nothing to show (`waiting` events).
    pub waits: u32,
    /// Pictures that came too late to be shown, and all of them.
    pub dropped: u32,
    /// See there.
    pub frames: u32,
    /// What playlists and media came by, as in `nextHopProtocol`: `h2`, `http/1.1`.
    pub protocols: Vec<String>,
    /// Width of the picture in pixels.
    pub width: u32,
    /// The same from its start to its end, wherever it changed.
    pub widths: Vec<u32>,
    /// What went wrong in the page.
    pub errors: Vec<String>,
    /// Hosts asked other than the server.
    pub requests_to_other_hosts: Vec<String>,
}

/// Opens a page and watches it for some seconds.
///
/// # Panics
/// If Node or Chromium is missing, or the page never answers.
pub async fn play(url: &str, seconds: u64, screenshot: Option<&Path>) -> Seen {
    match screenshot {
        None => look(url, seconds, &[]).await,
        Some(file) => {
            let file = file.to_str().expect("a path in UTF-8");
            look(url, seconds, &["--screenshot", file]).await
        }
    }
}

/// As [`play`], at pictures with a clock ([`Picture::clock`](crate::Picture::clock)).
///
/// # Panics
/// As [`play`] does.
pub async fn play_clock(url: &str, seconds: u64) -> Seen {
    look(url, seconds, &["--clock"]).await
}

/// As [`play`], while the page chooses these of its qualities one after another.
///
/// # Panics
/// As [`play`] does.
pub async fn play_qualities(url: &str, seconds: u64, qualities: &str) -> Seen {
    look(url, seconds, &["--qualities", qualities]).await
}

async fn look(url: &str, seconds: u64, options: &[&str]) -> Seen {
    let watched = seconds.to_string();
    let arguments = [&["--url", url, "--seconds", &watched], options].concat();
    run("play.mjs", &arguments, Duration::from_secs(seconds)).await
}

/// What happened while the console was used, scenario by scenario.
#[derive(Debug, Deserialize)]
pub struct Operated {
    /// What each scenario did.
    pub scenarios: BTreeMap<String, Scenario>,
    /// What was measured on the way.
    pub facts: serde_json::Value,
    /// What went wrong in pages, against their policy or by themselves.
    pub faults: Vec<String>,
    /// Hosts asked other than the server.
    pub requests_to_other_hosts: Vec<String>,
}

/// What one scenario did.
#[derive(Debug, Deserialize)]
pub struct Scenario {
    /// The seconds that it took.
    pub seconds: f64,
    /// What was not as it should be; none if all was.
    pub failure: Option<String>,
}

/// Uses the console at `url` as an operator does who has `token`, while somebody publishes `channel`.
///
/// # Panics
/// If Node or Chromium is missing, or there is no report.
pub async fn operate(url: &str, token: &str, channel: &str, screenshots: Option<&str>) -> Operated {
    let mut arguments = vec!["--url", url, "--token", token, "--live", channel];
    arguments.extend(
        screenshots
            .iter()
            .flat_map(|folder| ["--screenshots", folder]),
    );
    run("operator.mjs", &arguments, OPERATING).await
}

/// Runs a script of `tests/browser/` that prints one line of JSON at its end.
async fn run<T: DeserializeOwned>(script: &str, arguments: &[&str], busy: Duration) -> T {
    let script = format!("{}/browser/{script}", env!("CARGO_MANIFEST_DIR"));
    let arguments = [&[script.as_str()], arguments].concat();
    let mut node = Process::start("node", arguments);
    node.ended_after(busy).await;
    let said = node.stdout();
    let line = said.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| {
        panic!(
            "{error} in {said:?}; is `npm ci` done in tests/browser?\n{}",
            node.stderr()
        )
    })
}

/// All scenarios of the console take about two minutes together.
const OPERATING: Duration = Duration::from_secs(600);
