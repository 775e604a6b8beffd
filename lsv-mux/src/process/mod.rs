//! Processing: ffmpeg as a child process, fed with a stream's frames and read back through pipes.
//!
//! What a process is told is an argument vector and never a shell's line, and nothing that an operator typed is in it.

pub mod arguments;
mod child;
mod conductor;
mod error;
mod ffmpeg;
pub mod motion;
pub mod overlay;
pub mod plan;
pub mod stills;

pub use child::{Child, Input, Options, Output, Outputs, Said, threads};
pub use conductor::Conductor;
pub use error::Error;
pub use ffmpeg::{Ffmpeg, Version};
