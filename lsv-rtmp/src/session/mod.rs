//! Sessions: the conversation over one connection, from the handshake to the last message, without any I/O.
//!
//! [`Server`] is the end that encoders and players connect to, [`Client`] the other one. Both are driven the same way.
//!
//! **The drain contract: after bytes have been added to `input`, and after each answer (`accept_..`, `reject_..`,
//! `end_play`, `close_publish`), call `next` until it returns `None` or an error, and after each call of any method
//! that takes `&mut self` write what `take_output` returns, before waiting for anything. A publish or play event
//! pauses the session: `next` returns `None` and takes nothing from `input` until the answer. Wait for readable bytes
//! and for `timeout` at once; when that instant has come, call `handle_timeout`. When `is_closing` is true, write the
//! output and close. After an error, write the output and close.** The end of input is the driver's to see: it closes,
//! whatever the session was doing. A driver that breaks the contract gets late answers, never mixed-up bytes.
//!
//! ```no_run
//! use std::{io::{Read, Write}, net::TcpStream, time::Instant};
//! use bytes::BytesMut;
//! use lsv_rtmp::session::{Event, Reject, Server, ServerConfig};
//!
//! fn run(mut socket: TcpStream, seed: [u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut session = Server::new(ServerConfig::new(seed), Instant::now());
//!     let end = converse(&mut socket, &mut session);
//!     // What is left to say, after an error too.
//!     socket.write_all(&session.take_output())?;
//!     end
//! }
//!
//! fn converse(socket: &mut TcpStream, session: &mut Server) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut input = BytesMut::new();
//!     let mut buffer = [0; 16 * 1024];
//!     loop {
//!         while let Some(event) = session.next(&mut input, Instant::now())? {
//!             match event {
//!                 Event::Publish(request) if request.target.app == "stream" => session.accept_publish(Instant::now())?,
//!                 Event::Publish(_) => session.reject_publish(&Reject::bad_name("publish to /stream/NAME"))?,
//!                 Event::Play(_) => session.reject_play(&Reject::denied("this server only records"))?,
//!                 Event::Media(media) => println!("{} ms: {} bytes", media.timestamp(), media.payload().len()),
//!                 _ => {}
//!             }
//!             socket.write_all(&session.take_output())?;
//!         }
//!         socket.write_all(&session.take_output())?;
//!         if session.is_closing() {
//!             return Ok(());
//!         }
//!         if let Some(deadline) = session.timeout() {
//!             let left = deadline.saturating_duration_since(Instant::now());
//!             socket.set_read_timeout(Some(left.max(std::time::Duration::from_millis(1))))?;
//!         }
//!         match socket.read(&mut buffer) {
//!             Ok(0) => return Ok(()),
//!             Ok(length) => input.extend_from_slice(&buffer[..length]),
//!             Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => session.handle_timeout(Instant::now())?,
//!             Err(error) => return Err(error.into()),
//!         }
//!     }
//! }
//! ```

use std::time::{Duration, Instant};

use crate::error::Waiting;

mod ack;
mod answers;
mod capabilities;
mod client;
mod connect;
mod events;
mod media;
mod rate;
mod server;
mod target;
mod wire;

#[cfg(feature = "tokio")]
pub(crate) use self::target::Public;
pub use self::{
    capabilities::{Capabilities, CapsEx, FourCcInfo, VideoFunction},
    client::{Client, ClientConfig, ClientEvent, Purpose},
    connect::{ConnectInfo, ServerInfo},
    events::{Event, PlayRequest, PublishRequest, Reject},
    media::Media,
    server::{Server, ServerConfig},
    target::Target,
};

/// When a session gives up waiting; never where that lies beyond what the clock can tell.
fn deadline(now: Instant, after: Duration, waiting: Waiting) -> Option<(Instant, Waiting)> {
    now.checked_add(after).map(|at| (at, waiting))
}

#[cfg(test)]
mod tests;
