//! Stills: pictures of a live stream, made from its key frames alone.
//!
//! ```text
//! key frames ─> Decoder (ffmpeg) ─> JPEG ─┬─> record/<id>/images/YYYY/MM/DD/capture-<UTC time>.jpg   one each so often
//!                                         ├─> Gallery: the newest, for posters                        while it is asked for
//!                                         └─> Thumbnails: small ones, for recordings on demand         while there are any
//! ```
//!
//! No other frame is decoded. A stream that has no snapshots gets its poster by a decoder that runs for one key frame.

mod decoder;
mod error;
mod gallery;
mod job;
pub mod multipart;
pub mod sheets;

pub use decoder::{Decoder, Style, picture_at, picture_of};
pub use error::Error;
pub use gallery::{Gallery, MAKERS};
pub use job::Snapshots;
pub(crate) use job::keep;
