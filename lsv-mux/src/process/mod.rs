//! Processing: what is made of a stream by decoding it, with ffmpeg as a child process that is fed and read through pipes.
//!
//! ```text
//! Hub ─> Conductor ─> TaskScheduler ─> Worker ─> encoder: renditions, and the source with its watermark
//!        plan::Plan says what is to be made of a source, from what its channel wants and what it is
//! ```
//!
//! What a process is told is an argument vector and never a shell's line, and nothing that an operator typed is in it.

use std::time::SystemTime;

use lsv_core::ports::TaskFailure;

pub mod arguments;
mod child;
mod conductor;
mod encoder;
mod error;
mod ffmpeg;
pub mod motion;
pub mod overlay;
pub mod plan;
pub mod stills;
mod worker;

pub use child::{Child, Input, Options, Output, Outputs, Said, threads};
pub use conductor::Conductor;
pub use error::Error;
pub use ffmpeg::{Ffmpeg, Version};
pub use worker::Worker;

/// A failure that has just been, as a task reports it.
fn failure(error: &impl ToString, said: Vec<String>) -> TaskFailure {
    TaskFailure {
        at: SystemTime::now().into(),
        problem: error.to_string(),
        said,
    }
}
