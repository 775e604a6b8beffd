//! A proxy in front of RTMP servers: one address for clients, any number of back ends that come and go behind it.
//!
//! In [`Mode::Tcp`] it carries bytes and knows nothing of them. In [`Mode::Rtmp`] it answers the client itself until it
//! knows which channel is meant, then picks the back end that has the channel, replays to it what the client has said,
//! and steps out of the way. The parts that decide do no I/O:
//!
//! | part | decides |
//! | --- | --- |
//! | [`Pool`] | which back end gets a session: health, load, caps, where a channel lives |
//! | [`Known`] | which addresses a name stands for, from answers that come and fail |
//! | [`Sniffer`] | what a client wants, from its bytes |
//! | [`Continuation`] | what of a back end's bytes the client still needs to hear |
//!
//! [`Proxy`] is the tokio driver around them.
//!
//! What a client and its back end say to each other passes through unchanged in meaning, with three marks of the proxy
//! in [`Mode::Rtmp`]: the answer to `connect` is the proxy's (it names every codec, because it forwards any); messages
//! to the client carry full headers; a client's acknowledgements count those headers, so a back end that stops sending
//! when the counts differ by some percent does not belong behind this mode. None is known to.

mod config;
mod continuation;
mod driver;
mod endpoint;
#[doc(hidden)]
pub mod fuzzing;
mod pool;
mod sniffer;

pub use self::{
    config::{BackEnds, Check, Config, Mode},
    continuation::{BackEndFault, Continuation},
    driver::{Error, Proxy, Status},
    endpoint::{Endpoint, InvalidEndpoint, Known},
    pool::{Changes, Channel, Lease, Pool, Refusal},
    sniffer::{Handover, SniffError, Sniffer, Wish},
};
