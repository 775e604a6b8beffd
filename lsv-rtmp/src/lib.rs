//! RTMP: publish and play, as a server and as a client, without I/O.
//!
//! Bytes go in, events and bytes come out; sockets, clocks and random numbers are the caller's. What is said here is
//! said of these papers:
//!
//! | called here | paper | what of it |
//! | --- | --- | --- |
//! | RTMP 1.0 | Adobe, *Real-Time Messaging Protocol*, December 2012 | all but shared objects and RTMPE |
//! | AMF0 | Adobe, *Action Message Format AMF 0*, December 2007 | all but references, record sets and AMF3 inside |
//! | E-RTMP v2 | Veovera, *Enhanced RTMP (V2)* | all but `MPEG2TSSequenceStart` and AMF3 in video metadata |
//!
//! Connections through a load balancer may open with HAProxy's PROXY protocol, versions 1 and 2: [`proxy_protocol`].
//! The digest handshake, which no paper describes, is in [`handshake`].
//!
//! | module | holds | RTMP 1.0 |
//! | --- | --- | --- |
//! | [`handshake`] | C0 to S2, both forms, both ends | §5.2 |
//! | [`chunk`] | messages to chunks and back | §5.3, §5.4.1, §5.4.2 |
//! | [`message`] | control, command, data and aggregate messages | §5.4, §6, §7.1 |
//! | [`amf0`] | the notation of commands and metadata | |
//! | [`session`] | the whole conversation: [`session::Server`], [`session::Client`] | §7.2 |
//! | [`media`] | media messages to tracks and frames and back | §7.1.4, §7.1.5, E-RTMP v2 |
//!
//! A server takes a publisher like this; the full loop with a socket is in [`session`].
//!
//! ```
//! use std::time::Instant;
//! use bytes::BytesMut;
//! use lsv_rtmp::session::{Client, ClientConfig, ClientEvent, Event, Purpose, Server, ServerConfig};
//!
//! # fn main() -> Result<(), lsv_rtmp::Error> {
//! let mut client = Client::new(ClientConfig::new(Purpose::Publish, "host", "stream", "cam", [1; 32]), Instant::now());
//! let mut server = Server::new(ServerConfig::new([2; 32]), Instant::now());
//! // Two buffers stand for the connection.
//! let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
//!
//! let payload = loop {
//!     while let Some(event) = client.next(&mut to_client, Instant::now())? {
//!         if event == ClientEvent::Started {
//!             client.send_video(40, &[b"\x17\x01", b" a key frame"])?;
//!         }
//!     }
//!     to_server.extend_from_slice(&client.take_output());
//!     match server.next(&mut to_server, Instant::now())? {
//!         // Here a server looks at `request.target.query`, and may refuse.
//!         Some(Event::Publish(request)) if request.target.name == "cam" => server.accept_publish(Instant::now())?,
//!         Some(Event::Media(media)) => break media.payload().clone(),
//!         _ => {}
//!     }
//!     to_client.extend_from_slice(&server.take_output());
//! };
//! assert!(payload.ends_with(b"a key frame"));
//! # Ok(())
//! # }
//! ```

#![warn(clippy::indexing_slicing)]

pub mod amf0;
pub mod amf3;
mod budget;
pub mod chunk;
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
