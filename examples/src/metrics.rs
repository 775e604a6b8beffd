//! Metrics of a process, what it takes itself among them, and its clock.

use std::time::{Duration, SystemTime};

use anyhow::Context;
use lsv_core::channel::Moment;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

mod process;

use self::process::Process;

/// What is collected. Clones show the same.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    collected: PrometheusHandle,
    process: Process,
}

impl Metrics {
    /// All metrics as Prometheus text, with what the process takes at this moment.
    pub(crate) fn render(&self) -> String {
        self.process.measure();
        self.collected.render()
    }
}

/// Collects metrics from here on.
///
/// # Errors
/// Where the process collects them already.
pub(crate) fn collect() -> anyhow::Result<Metrics> {
    let collected = PrometheusBuilder::new().install_recorder();
    let collected = collected.context("cannot collect metrics")?;
    let process = Process::beginning_at(SystemTime::now());
    metrics::gauge!("lsv_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    let kept = collected.clone();
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tick.tick().await;
            kept.run_upkeep();
        }
    });
    Ok(Metrics { collected, process })
}

pub(crate) fn now() -> Moment {
    SystemTime::now().into()
}

const UPKEEP: Duration = Duration::from_secs(5);
