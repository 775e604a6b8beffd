//! The media layer: what a session's media messages mean, and how frames become such messages. No I/O, no clock.
//!
//! ```text
//! session event ─> Media ─> Demuxer ─> Item: tracks, frames, metadata
//! Tracks, MediaFrame ─> Muxer ─> Message ─> session
//! ```
//!
//! Tracks and frames are those of [`lsv_core::media`]; how tag bodies are read, and which are refused, is said in
//! [`lsv_core::tag`]. [`Demuxer`] adds what is RTMP's own: the clock of 32 bits, and the metadata among the data
//! messages. [`Muxer`] puts headers in front of payloads, which it does not copy.
//!
//! ```
//! use bytes::Bytes;
//! use lsv_rtmp::media::{Demuxer, Features, Item, Muxer};
//! use lsv_rtmp::session::Media;
//!
//! # fn main() -> Result<(), lsv_core::tag::TagError> {
//! let (mut demuxer, mut muxer) = (Demuxer::default(), Muxer::new(Features::default()));
//! let header = Media::Audio { timestamp: 0, payload: Bytes::from_static(&[0xAF, 0, 0x12, 0x10]) };
//! let sound = Media::Audio { timestamp: 23, payload: Bytes::from_static(&[0xAF, 1, 0x21, 0x10, 0x05]) };
//! let mut sent = Vec::new();
//! for media in [header, sound] {
//!     for item in demuxer.push(&media) {
//!         match item? {
//!             Item::Track(track) => assert_eq!(track.codec.rfc6381(), "mp4a.40.2"),
//!             Item::Frame(frame) => sent.extend(muxer.push(&frame)),
//!             _ => {}
//!         }
//!     }
//! }
//! // The sequence header came along, and the payload is the one that came in.
//! assert_eq!(sent.len(), 2);
//! assert_eq!(sent[1].timestamp, 23);
//! assert_eq!(sent[1].parts(), [&[0xAF, 1][..], &[0x21, 0x10, 0x05]]);
//! # Ok(())
//! # }
//! ```

use crate::amf0::{Object, Value};
use crate::session::{Capabilities, CapsEx, ConnectInfo, ServerInfo};

mod color;
mod demuxer;
mod metadata;
mod muxer;

pub use color::{ColorConfig, ColorInfo, LightLevel, MasteringDisplay};
#[cfg(feature = "tokio")]
pub(crate) use demuxer::ON_META_DATA;
pub use demuxer::{Demuxer, Item, Items};
pub use lsv_core::tag::{Features, Options};
pub use metadata::{CodecId, Metadata};
pub use muxer::{Message, Messages, Muxer};

/// What a client reads of Enhanced RTMP beyond codecs by their FourCC, by what it said when it connected.
///
/// A client that names any extended capability reads side data too, as they are of the same paper; one of the first
/// Enhanced RTMP says so in `videoFunction`, which counts only beside a list of FourCCs: FFmpeg has always sent it.
pub fn features(connect: &ConnectInfo) -> Features {
    features_of(&connect.capabilities, &connect.properties)
}

/// What a server reads of it, by what it said when it let a client connect.
pub fn server_features(server: &ServerInfo) -> Features {
    features_of(&server.capabilities, &server.properties)
}

fn features_of(capabilities: &Capabilities, properties: &Object) -> Features {
    let has = |wanted| capabilities.caps_ex.contains(wanted);
    let video_function = properties
        .property("videoFunction")
        .and_then(Value::as_number)
        .unwrap_or(0.0) as u32;
    let of_version_1 =
        !capabilities.four_cc_list.is_empty() && video_function & VIDEO_METADATA != 0;
    let mut features = Features::default();
    features.multitrack = has(CapsEx::MULTITRACK);
    features.nanoseconds = has(CapsEx::MOD_EX | CapsEx::TIMESTAMP_NANO_OFFSET);
    features.side_data = has(CapsEx::MULTITRACK) || has(CapsEx::MOD_EX) || of_version_1;
    features
}

/// `SUPPORT_VID_CLIENT_HDR` and `SUPPORT_VID_CLIENT_VIDEO_PACKET_TYPE_METADATA` (E-RTMP v2 "Metadata Frame").
const VIDEO_METADATA: u32 = 0x02 | 0x04;

#[cfg(test)]
mod tests;
