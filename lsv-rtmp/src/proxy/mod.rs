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
//! [`Proxy`] is the tokio driver around them. It follows a list of back ends that may be replaced while it runs:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use lsv_rtmp::proxy::{BackEnds, Config, Mode, Proxy};
//!
//! let mut config = Config::default();
//! config.mode = Mode::Rtmp;
//! let mut list = BackEnds::default();
//! list.endpoints.push("gateway.internal:1935".parse()?);
//! let back_ends = tokio::sync::watch::Sender::new(list);
//! let mut proxy = Proxy::new(config, back_ends.subscribe());
//! proxy.listen("0.0.0.0:1935".parse()?).await?;
//! proxy.run(tokio_util::sync::CancellationToken::new()).await;
//! # Ok(())
//! # }
//! ```
//!
//! The log names clients by address and channels by application and name. The query of a name, which carries
//! credentials, is never in it.
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
