//! Metrics of a process, and its clock.

use std::time::{Duration, SystemTime};

use anyhow::Context;
use lsv_core::channel::Moment;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Collects metrics from here on.
///
/// # Errors
/// Where the process collects them already.
pub(crate) fn collect() -> anyhow::Result<PrometheusHandle> {
    let metrics = PrometheusBuilder::new().install_recorder();
    let metrics = metrics.context("cannot collect metrics")?;
    let kept = metrics.clone();
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tick.tick().await;
            kept.run_upkeep();
        }
    });
    Ok(metrics)
}

pub(crate) fn now() -> Moment {
    SystemTime::now().into()
}

const UPKEEP: Duration = Duration::from_secs(5);
