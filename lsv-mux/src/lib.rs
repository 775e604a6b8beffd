//! FLV, MPEG-TS, CMAF, HLS and DASH from live streams: muxers without I/O, and an HTTP router.
//!
//! Every muxer stands alone: frames go in, bytes come out, and nothing reads a clock or a socket. Frames are
//! [`lsv_core::media::MediaFrame`]s, which carry their track and so its codec; a changed configuration needs no call.
//!
//! ```
//! use bytes::BytesMut;
//! use lsv_core::media::{Kind, Tracks};
//! use lsv_mux::{flv, ts};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut frames = flv::Frames::default(); // or any other source of frames
//! frames.push(include_bytes!("../../examples/assets/demo.flv"));
//!
//! let (mut tracks, mut muxer, mut out) = (Tracks::default(), ts::Muxer::new(), BytesMut::new());
//! while let Some(frame) = frames.next()? {
//!     tracks.set(&frame.track);
//!     if frame.key && frame.kind() == Kind::Video {
//!         muxer.finish_segment(&mut out);
//!         muxer.start_segment(&tracks, &mut out);
//!     }
//!     muxer.push(&frame, &mut out)?;
//! }
//! muxer.finish_segment(&mut out);
//! assert_eq!(out.len() % 188, 0);
//! # Ok(()) }
//! ```
//!
//! # What goes where
//!
//! | | FLV | CMAF, MP4 | MPEG-TS | Matroska |
//! | --- | --- | --- | --- | --- |
//! | H.264, HEVC | yes | yes | yes | yes |
//! | AV1, VP9 | yes | yes | no common mapping | yes |
//! | VP8 | yes | no | no | yes |
//! | VVC | yes | no | no | no |
//! | AAC, MP3, Opus, AC-3, E-AC-3 | yes | yes | yes | yes |
//! | FLAC | yes | yes | no | yes |
//! | several tracks of a kind | the default one | yes | sounds | yes |
//! | script data | yes | `EXT-X-DATERANGE` in playlists | timed ID3 | no |
//!
//! What a format cannot carry is an [`Error::Unsupported`]; the caller goes on with the rest.
//!
//! # Features
//!
//! | feature | adds |
//! | --- | --- |
//! | none | muxers, the segmenter, AES-128 |
//! | `live` | `packager` and `window`: what is fetchable of a stream, with its playlists; the task per stream of a hub; `dvr`: what is older, in an object store |
//! | `record` | `record`: streams into an object store, as MP4 files and as video on demand |
//! | `process` | `process`: renditions and watermarks, by ffmpeg as a child process |
//! | `http` | `http`: an axum router with every playback address and the player pages, to nest in any app |
//! | `edge` | `http::edge`: playback addresses answered from other nodes, each object fetched once, through a cache in memory and on disk |
//!
//! # Documents
//!
//! | Nickname | Document | Module |
//! | --- | --- | --- |
//! | Annex B | ISO/IEC 14496-10 annex B | [`annexb`] |
//! | FLV | Adobe FLV 10.1 annex E | [`flv`] |
//! | Matroska, EBML | RFC 9559, RFC 8794 | [`mkv`] |
//! | ISO BMFF, AVC file format, CMAF | ISO/IEC 14496-12, 14496-15, 23000-19 | [`mp4`] |
//! | MPEG-TS | ISO/IEC 13818-1 | [`ts`] |
//! | ID3 | ID3v2.4, "Timed Metadata for HTTP Live Streaming" | [`id3`] |
//! | HLS, low-latency HLS | RFC 8216, draft-pantos-hls-rfc8216bis ("RFC 8216bis") | `playlist` |
//! | DASH | ISO/IEC 23009-1 | `playlist` |

pub mod annexb;
#[cfg(feature = "live")]
pub mod dvr;
pub mod encrypt;
pub mod flv;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "http")]
pub mod http;
pub mod id3;
pub mod mkv;
pub mod mp4;
#[cfg(feature = "live")]
pub mod packager;
#[cfg(feature = "live")]
mod playlist;
#[cfg(feature = "live")]
pub mod poster;
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "record")]
pub mod record;
#[cfg(feature = "live")]
mod retry;
#[cfg(feature = "live")]
mod scte35;
pub mod segmenter;
pub mod ts;
#[cfg(feature = "live")]
pub mod window;

mod error;

pub use error::Error;

#[cfg(test)]
mod testing;
