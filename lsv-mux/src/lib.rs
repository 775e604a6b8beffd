//! FLV, MPEG-TS, CMAF, HLS and DASH from live streams: muxers without I/O, and an HTTP router.
//!
//! | Nickname | Document | Module |
//! | --- | --- | --- |
//! | Annex B | ISO/IEC 14496-10 annex B | [`annexb`] |
//! | FLV | Adobe FLV 10.1 annex E | [`flv`] |
//! | ISO BMFF, AVC file format, CMAF | ISO/IEC 14496-12, 14496-15, 23000-19 | [`mp4`] |
//! | MPEG-TS | ISO/IEC 13818-1 | [`ts`] |
//! | ID3 | ID3v2.4, "Timed Metadata for HTTP Live Streaming" | [`id3`] |
//! | HLS, low-latency HLS | RFC 8216, draft-pantos-hls-rfc8216bis ("RFC 8216bis") | `playlist` |
//! | DASH | ISO/IEC 23009-1 | `playlist` |

pub mod annexb;
pub mod encrypt;
pub mod flv;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "http")]
pub mod http;
pub mod id3;
pub mod mp4;
#[cfg(feature = "live")]
pub mod packager;
#[cfg(feature = "live")]
mod playlist;
#[cfg(feature = "record")]
pub mod record;
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
