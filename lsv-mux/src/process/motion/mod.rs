//! Motion: what moves in a channel's picture is told, and kept as a clip with a picture of its moment.
//!
//! ```text
//! frames ─┬─> Eye (ffmpeg) ─> 5 small grey pictures a second ─> Detector ─> Clips ─┬─> event, one for each clip
//!         │                                                                       ├─> record/<id>/motion/images/...
//!         └─> Ring: the newest, from a key frame on ──────────────────────────────┴─> record/<id>/motion/mp4/...
//! ```
//!
//! Clips are recorded as all files are: a crash costs the last fragment. Nothing grows however long it runs.

pub mod clips;
pub mod detector;
mod eye;
mod job;
mod ring;

pub use job::Watch;
