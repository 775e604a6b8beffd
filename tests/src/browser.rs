//! Player pages in headless Chromium, through `tests/browser/play.mjs`.

use std::path::Path;

use serde::Deserialize;

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
    /// The worst of it.
    pub latency_max: Option<f64>,
    /// How often it ran dry.
    pub stalls: u32,
    /// Width of the picture in pixels.
    pub width: u32,
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
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/browser/play.mjs");
    let seconds = seconds.to_string();
    let mut arguments = vec![script, "--url", url, "--seconds", &seconds];
    if let Some(file) = screenshot {
        arguments.extend(["--screenshot", file.to_str().expect("a path in UTF-8")]);
    }
    let mut node = Process::start("node", arguments);
    node.ended().await;
    let said = node.stdout();
    let line = said.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| {
        panic!(
            "{error} in {said:?}; is `npm ci` done in tests/browser?\n{}",
            node.stderr()
        )
    })
}
