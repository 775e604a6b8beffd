//! The core of lsv, a platform for live video: what a frame is, how it gets from one publisher to many readers, and who
//! may do what.
//!
//! | module | holds | from |
//! | --- | --- | --- |
//! | [`media`], [`codec`], [`time`] | frames, tracks, codec configurations, media time | ISO/IEC 14496-3, -10, -15 |
//! | [`tag`] | audio and video tag bodies, legacy and Enhanced | FLV 10.1 annex E, E-RTMP v2 |
//! | [`script`] | script data messages, read | AMF0, FLV 10.1 annex E |
//! | `hub` (feature `platform`) | streams, feeds, packaging once for all viewers | |
//! | `path`, `channel` (feature `platform`) | names; the channel record, its fields and push keys | |
//! | `ports`, `access`, `events` (feature `platform`) | what a node needs from outside, as traits; who may publish; what happens | |
//! | `cache` (feature `platform`) | one fetch for all who ask meanwhile, time to live, byte budget | RFC 5861 |
//! | `reach` (feature `platform`) | which network addresses may be connected to where others choose | RFC 6890 |
//! | `embedded` (feature) | the ports within one process: redb, a directory, memory | |
//! | `lifecycle` (feature) | reconnect window, announcements, what is live | |
//! | `api` (feature) | the REST API as an axum router; the ports of this node for others | RFC 9457, OpenAPI 3.1 |
//! | `remote` (feature) | the ports over the API of other nodes | |
//! | `exchange` (feature `platform`) | what nodes say to each other for that | |
//! | [`backoff`] | how long to wait before another try | |
//! | [`wire`] | the byte toolbox | |
//!
//! Nothing but `embedded`, `lifecycle`, `api` and `remote` touches a socket, a clock or a file. A stream from one end to the other:
//!
#![cfg_attr(feature = "platform", doc = "```")]
#![cfg_attr(not(feature = "platform"), doc = "```ignore")]
//! use std::time::Instant;
//! use bytes::Bytes;
//! use lsv_core::hub::{Delivery, Hub, Offer};
//! use lsv_core::path::{ChannelId, StreamPath};
//! use lsv_core::tag::{Packet, Parser};
//! use lsv_core::time::Timestamp;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::default();
//! let path = StreamPath::source(ChannelId::parse("cam")?);
//! let publisher = hub.publish(&path, Offer::new("an encoder"), Instant::now())?;
//!
//! // Tag bodies as RTMP and FLV carry them: the AAC configuration, then a frame.
//! let mut parser = Parser::default();
//! for body in [&[0xAF, 0, 0x12, 0x10][..], &[0xAF, 1, 0x21, 0x10, 0x05]] {
//!     for packet in parser.audio(&Bytes::from_static(body), Timestamp::ZERO) {
//!         match packet? {
//!             Packet::Track(track) => publisher.announce(&track),
//!             Packet::Frame(frame) => publisher.push(frame)?,
//!             _ => {}
//!         }
//!     }
//! }
//!
//! let mut reader = hub.find(&path).ok_or("live")?.subscribe();
//! publisher.finish();
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! while let Some(Delivery::Item(frame)) = reader.next().await {
//!     assert_eq!(frame.track.codec.rfc6381(), "mp4a.40.2");
//! }
//! # });
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "platform")]
pub mod access;
#[cfg(feature = "api")]
pub mod api;
pub mod backoff;
#[cfg(feature = "platform")]
pub mod cache;
#[cfg(feature = "platform")]
pub mod channel;
pub mod codec;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "platform")]
pub mod events;
#[cfg(feature = "platform")]
#[cfg_attr(
    not(any(feature = "api", feature = "remote")),
    allow(
        dead_code,
        unused_imports,
        reason = "who answers and who asks has a feature each; fuzzing needs neither"
    )
)]
pub mod exchange;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "platform")]
pub mod hub;
#[cfg(feature = "lifecycle")]
pub mod lifecycle;
pub mod media;
#[cfg(feature = "platform")]
pub mod path;
#[cfg(feature = "platform")]
pub mod ports;
#[cfg(feature = "platform")]
pub mod reach;
#[cfg(feature = "platform")]
pub mod recording;
#[cfg(feature = "remote")]
pub mod remote;
#[cfg(feature = "platform")]
pub mod rendezvous;
pub mod script;
#[cfg(feature = "platform")]
pub mod share;
pub mod tag;
pub mod time;
#[cfg(feature = "platform")]
pub mod via;
pub mod wire;
