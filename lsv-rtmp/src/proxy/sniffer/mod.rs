//! Finding out what a client wants, by being its server for as long as that takes.

mod promises;

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use self::promises::Promises;
pub(super) use self::promises::{Promise, PromiseKind, number};
use super::{Channel, Config, Continuation};
use crate::{
    budget::Share,
    handshake,
    session::{Capabilities, Event, Purpose, Reject, Server, ServerConfig, Target},
};

/// What a client wants of a back end.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Wish {
    /// Publish or play.
    pub purpose: Purpose,
    /// The stream, with the query.
    pub target: Target,
}

impl Wish {
    /// The channel that decides which back end it is.
    pub fn channel(&self) -> Channel {
        Channel::of(&self.target)
    }
}

/// Why a client gets no back end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SniffError {
    /// It broke the protocol or a limit of the session.
    #[error(transparent)]
    Session(#[from] crate::Error),
    /// It has sent so many bytes, and not said what it wants.
    #[error("more than {0} bytes came before a publish or play request")]
    TooLong(usize),
}

/// The server that a client talks to until it has said what it wants.
///
/// Driven like a [`Server`], whose drain contract it has: after bytes have come, call [`next`](Self::next), and write
/// what [`take_output`](Self::take_output) returns. The wish pauses it: answer with [`hand_over`](Self::hand_over) or
/// [`refuse`](Self::refuse).
#[derive(Debug)]
pub struct Sniffer {
    session: Server,
    /// What the session has not used yet.
    input: BytesMut,
    /// All that has come, handshake and all.
    received: usize,
    /// All that has come behind the handshake.
    replay: BytesMut,
    replay_bytes: usize,
    /// What `input` and `replay` take of the budget.
    share: Share,
    promises: Promises,
    wish: Option<Purpose>,
}

/// What a back end needs to go on where the sniffer stops.
#[derive(Debug)]
#[non_exhaustive]
pub struct Handover {
    /// What the client has said since its handshake, to be written to the back end after one.
    pub replay: Bytes,
    /// Lets through what the back end says, but for what the client has been told already.
    pub continuation: Continuation,
}

impl Sniffer {
    /// A sniffer on a connection that was accepted at `now`, with 32 bytes that differ for each connection.
    pub fn new(config: &Config, seed: [u8; 32], now: Instant) -> Self {
        let mut server = ServerConfig::new(seed);
        server.limits = config.limits.clone();
        server.budget = Some(config.budget.clone());
        // No message can be longer than all that may come; nor can memory for unfinished ones, but for what rounding up
        // adds.
        let limits = &mut server.limits;
        limits.message_bytes = limits.message_bytes.min(config.replay_bytes);
        limits.partial_bytes = limits.partial_bytes.min(2 * config.replay_bytes);
        // As every connection begins: what the back end announces later is passed on as it comes.
        server.chunk_size = crate::chunk::DEFAULT_CHUNK_SIZE;
        // Whatever the codec is, it is forwarded.
        server.capabilities = Capabilities::any();
        Self {
            session: Server::new(server, now),
            input: BytesMut::new(),
            received: 0,
            replay: BytesMut::new(),
            replay_bytes: config.replay_bytes,
            share: Share::of(Some(config.budget.clone())),
            promises: Promises::new(&config.limits),
            wish: None,
        }
    }

    /// What the client wants, or `None` where more bytes are needed. Takes from `input` what it has used; what comes
    /// behind the wish may stay there, and goes to the back end after [`Handover::replay`].
    ///
    /// # Errors
    /// [`SniffError`]. Write the output and close.
    pub fn next(&mut self, input: &mut BytesMut, now: Instant) -> Result<Option<Wish>, SniffError> {
        if self.wish.is_some() || self.is_closing() {
            return Ok(None);
        }
        self.take(input)?;
        while let Some(event) = self.session.next(&mut self.input, now)? {
            let (purpose, target) = match event {
                Event::Publish(request) => (Purpose::Publish, request.target),
                Event::Play(request) => (Purpose::Play, request.target),
                _ => continue,
            };
            self.wish = Some(purpose);
            return Ok(Some(Wish { purpose, target }));
        }
        if !input.is_empty() && !self.is_closing() {
            return Err(SniffError::TooLong(self.replay_bytes));
        }
        Ok(None)
    }

    /// Everything that waits to be written, and nothing the second time.
    pub fn take_output(&mut self) -> Bytes {
        let output = self.session.take_output();
        self.promises.note(&output);
        output
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, unless something happens before.
    pub fn timeout(&self) -> Option<Instant> {
        self.session.timeout()
    }

    /// Says that it is `now`.
    ///
    /// # Errors
    /// [`crate::Error::TimedOut`] where the client was due to do something by now.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SniffError> {
        Ok(self.session.handle_timeout(now)?)
    }

    /// Whether the connection is to be closed once the output is written.
    pub fn is_closing(&self) -> bool {
        self.session.is_closing()
    }

    /// Tells the client that there is no back end for it.
    ///
    /// # Errors
    /// [`crate::Error::Misuse`] before it has said what it wants.
    pub fn refuse(&mut self, description: &str) -> Result<(), SniffError> {
        let reject = Reject::denied(description);
        Ok(match self.wish {
            Some(Purpose::Play) => self.session.reject_play(&reject),
            _ => self.session.reject_publish(&reject),
        }?)
    }

    /// What a back end needs to take the client over. The output must have been taken. May be called again where a back
    /// end fails before it has said anything.
    ///
    /// # Errors
    /// [`crate::Error::Misuse`] before the client has said what it wants.
    pub fn hand_over(&self) -> Result<Handover, SniffError> {
        let purpose = self
            .wish
            .ok_or(crate::Error::Misuse("hand_over before there is a wish"))?;
        Ok(Handover {
            replay: Bytes::copy_from_slice(&self.replay),
            continuation: Continuation::new(purpose, self.promises.all().to_vec()),
        })
    }

    /// Moves what may come into the session's input, and keeps what is behind the handshake.
    fn take(&mut self, input: &mut BytesMut) -> Result<(), SniffError> {
        let allowed = self.replay_bytes.saturating_add(handshake::CLIENT_BYTES);
        let room = allowed.saturating_sub(self.received);
        let taken = input.split_to(input.len().min(room));
        let handshake = handshake::CLIENT_BYTES.saturating_sub(self.received);
        self.replay
            .extend_from_slice(taken.get(handshake..).unwrap_or_default());
        self.received = self.received.saturating_add(taken.len());
        self.input.unsplit(taken);
        let held = self.replay.capacity().saturating_add(self.input.len());
        Ok(self.share.resize(held).map_err(crate::Error::from)?)
    }
}

#[cfg(test)]
mod tests;
