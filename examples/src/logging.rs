//! The log: to standard error, as text or JSON, at a level that can change while the node runs.

use std::io::IsTerminal;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::LogForm;

/// Changes the level of the log.
#[derive(Debug, Clone)]
pub struct LogLevel(reload::Handle<LevelFilter, Registry>);

impl LogLevel {
    /// Logs from `level` on.
    pub fn set(&self, level: Level) {
        if let Err(error) = self.0.reload(LevelFilter::from_level(level)) {
            tracing::error!(%error, "the log level could not be changed");
        }
    }
}

/// Starts the log of this process.
pub fn start(form: LogForm, level: Level) -> LogLevel {
    let (filter, handle) = reload::Layer::new(LevelFilter::from_level(level));
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match form {
        LogForm::Text => lines.with_target(false).boxed(),
        LogForm::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
    LogLevel(handle)
}
