//! RTMP: publish and play, as a server and as a client, without I/O.
//!
//! Bytes go in, events and bytes come out; sockets, clocks and random numbers are the caller's. Whatever bytes come, the
//! answer is a typed [`Error`] that says whose fault it is: nothing panics, and memory stays within [`Limits`].
//!
//! # Three layers
//!
//! Each can be used without those above it, and none does I/O.
//!
//! | layer | from | to | module |
//! | --- | --- | --- | --- |
//! | chunk | bytes | whole messages | [`chunk`] |
//! | session | messages | events, requests, answers | [`session`] |
//! | media | events | tracks and frames | [`media`] |
//!
//! **The drain contract: after bytes have come and after each answer, call `next` until it returns `None`, and write what
//! `take_output` returns before waiting for anything.** The whole of it, with the loop printed, is in [`session`].
//!
//! | module | holds | RTMP 1.0 |
//! | --- | --- | --- |
//! | [`handshake`] | C0 to S2, both forms, both ends | §5.2 |
//! | [`chunk`] | messages to chunks and back | §5.3, §5.4.1, §5.4.2 |
//! | [`message`] | control, command, data and aggregate messages | §5.4, §6, §7.1 |
//! | [`amf0`], [`amf3`] | the notations of commands and metadata | |
//! | [`session`] | the whole conversation: [`session::Server`], [`session::Client`] | §7.2 |
//! | [`media`] | media messages to tracks and frames and back | §7.1.4, §7.1.5, E-RTMP v2 |
//! | [`proxy_protocol`] | the client's address ahead of a connection through a load balancer | |
//! | `net` (feature `tokio`) | the driver: a server, a client, relays | |
//! | `play` (feature `tokio`) | a stream of a hub as RTMP, chunked once for all players | |
//! | `proxy` (feature `proxy`) | one address in front of many servers | |
//!
//! Who knows another crate may begin with [`coming_from_rml_rtmp`].
//!
//! # Standards
//!
//! | called here | paper | what of it |
//! | --- | --- | --- |
//! | RTMP 1.0 | Adobe, *Real-Time Messaging Protocol*, December 2012 | all but shared objects and RTMPE |
//! | AMF0 | Adobe, *Action Message Format AMF 0*, December 2007 | all but movie clips and record sets |
//! | AMF3 | Adobe, *Action Message Format AMF 3*, January 2013 | read, but for externalizable objects; never written |
//! | E-RTMP v2 | Veovera, *Enhanced RTMP (V2)* | all but `MPEG2TSSequenceStart` and AMF3 in video metadata |
//! | Go Away | Facebook, *RTMP Go Away* | what OBS understands in place of a reconnect request |
//! | PROXY protocol | HAProxy, *The PROXY protocol*, versions 1 and 2 | [`proxy_protocol`] |
//!
//! The digest handshake, which no paper describes, is in [`handshake`].
//!
//! # A server and a client
//!
//! A server takes a publisher, in fifteen lines:
//!
//! ```
//! use std::time::Instant;
//! use bytes::{Bytes, BytesMut};
//! use lsv_rtmp::session::{Event, Reject, Server};
//!
//! /// Takes what a socket has read, and gives what to write to it.
//! fn serve(session: &mut Server, input: &mut BytesMut, now: Instant) -> Result<Bytes, lsv_rtmp::Error> {
//!     while let Some(event) = session.next(input, now)? {
//!         match event {
//!             // Here a server looks at `request.target.query`, and may refuse.
//!             Event::Publish(request) if request.target.name == "cam" => session.accept_publish(now)?,
//!             Event::Publish(_) => session.reject_publish(&Reject::bad_name("publish cam"))?,
//!             Event::Play(_) => session.reject_play(&Reject::denied("this server only records"))?,
//!             Event::Media(media) => println!("{} ms: {} bytes", media.timestamp(), media.payload().len()),
//!             _ => {}
//!         }
//!     }
//!     Ok(session.take_output())
//! }
//! # use lsv_rtmp::session::{Client, ClientConfig, ClientEvent, Purpose, ServerConfig};
//! # fn publish(session: &mut Client, input: &mut BytesMut, now: Instant) -> Result<Bytes, lsv_rtmp::Error> {
//! #     while let Some(event) = session.next(input, now)? {
//! #         if event == ClientEvent::Started { session.finish()?; }
//! #     }
//! #     Ok(session.take_output())
//! # }
//! # let (now, purpose) = (Instant::now(), Purpose::Publish);
//! # let mut client = Client::new(ClientConfig::new(purpose, "host", "stream", "cam", [1; 32]), now);
//! # let mut server = Server::new(ServerConfig::new([2; 32]), now);
//! # let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
//! # while !client.is_closing() {
//! #     to_server.extend_from_slice(&publish(&mut client, &mut to_client, now)?);
//! #     to_client.extend_from_slice(&serve(&mut server, &mut to_server, now)?);
//! # }
//! # Ok::<(), lsv_rtmp::Error>(())
//! ```
//!
//! A client publishes, here to that server over two buffers in place of a connection:
//!
//! ```
//! use std::time::Instant;
//! use bytes::{Bytes, BytesMut};
//! use lsv_rtmp::session::{Client, ClientConfig, ClientEvent, Event, Purpose, Server, ServerConfig};
//!
//! # fn main() -> Result<(), lsv_rtmp::Error> {
//! let now = Instant::now();
//! let mut client = Client::new(ClientConfig::new(Purpose::Publish, "host", "stream", "cam", [1; 32]), now);
//! let mut server = Server::new(ServerConfig::new([2; 32]), now);
//! let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
//! let payload = loop {
//!     while let Some(event) = client.next(&mut to_client, now)? {
//!         if event == ClientEvent::Started {
//!             client.send_video(40, &[b"\x17\x01\0\0\0", b"a key frame"])?;
//!         }
//!     }
//!     to_server.extend_from_slice(&client.take_output());
//!     match server.next(&mut to_server, now)? {
//!         Some(Event::Publish(_)) => server.accept_publish(now)?,
//!         Some(Event::Media(media)) => break media.payload().clone(),
//!         _ => to_client.extend_from_slice(&server.take_output()),
//!     }
//! };
//! assert_eq!(payload, Bytes::from_static(b"\x17\x01\0\0\0a key frame"));
//! # Ok(())
//! # }
//! ```
#![cfg_attr(feature = "tokio", doc = include_str!("../docs/tokio.md"))]
//!
//! # What players are told
//!
//! | when | message | because |
//! | --- | --- | --- |
//! | at the start | `StreamBegin`, `NetStream.Play.Reset`, `NetStream.Play.Start`, `\|RtmpSampleAccess` | FFmpeg and librtmp wait for `Play.Start`, Flash players show nothing without the last one |
//! | at the end | `StreamEOF`, `NetStream.Play.UnpublishNotify`, `NetStream.Play.Stop` | FFmpeg and librtmp stop at either status |
//! | where what follows does not go on from what came before, and ahead of the first media | `NetStream.Play.PublishNotify` with a number, `epoch`; only to those whose `connect` has `wantsPublishNotify` | whoever relays the stream shows a break where its source does |
//! | before the server stops | a reconnect request, or *Go Away*; only to those who understand it | the stream goes on elsewhere without a gap |
//!
//! While a publisher is away and may come back, players are told nothing: times go on as if it had not been away, and
//! what other servers say then (`UnpublishNotify`, then `PublishNotify`) makes players leave. [`session::Client`] says
//! `wantsPublishNotify` when it plays, and takes `PublishNotify` of other servers, which has no number, for a break too.
//!
//! # Dependencies
//!
//! Without features the tree holds nine packages, this one and [`lsv_core`] among them: `bytes` for payloads that are
//! shared and not copied, and `thiserror` with what its derive needs at build time. Parsers are written by hand over
//! [`lsv_core::wire`]: bounds and positions are checked in one place, and there is nothing else to audit.
//!
//! | feature | adds |
//! | --- | --- |
//! | `digest` | the digest form of the handshake, which some clients and servers insist on |
//! | `tokio` | `net`, the driver: listeners, connections, time-outs; with it `digest` |
//! | `tls` | RTMPS in `net`, for both ends |
//! | `proxy` | `proxy`, with `tls` also in front of RTMPS clients |

#![warn(clippy::indexing_slicing)]

pub mod amf0;
pub mod amf3;
mod budget;
pub mod chunk;
#[doc = include_str!("../docs/coming-from-rml-rtmp.md")]
pub mod coming_from_rml_rtmp {}
pub mod error;
#[doc(hidden)]
pub mod fuzzing;
pub mod handshake;
mod limits;
pub mod media;
pub mod message;
pub mod proxy_protocol;
pub mod session;

pub use budget::Budget;
pub use error::Error;
pub use limits::Limits;

#[cfg(feature = "tokio")]
pub mod net;
#[cfg(feature = "tokio")]
pub mod play;
#[cfg(feature = "proxy")]
pub mod proxy;
