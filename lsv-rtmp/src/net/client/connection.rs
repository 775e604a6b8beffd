//! One connection to a server: a socket and the session on it.
//!
//! Reading and writing go on at once, so what the server sends is taken even while it takes nothing: two ends that each
//! wait for the other to read would wait for ever.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Instant;

use bytes::BytesMut;

use super::Config;
use super::error::{Error, Fault, Place};
use crate::error::Limit;
use crate::net;
use crate::net::socket::{Io, Socket, Wake, now};
use crate::session::{self, ClientEvent};

pub(super) struct Connection {
    socket: Socket,
    pub(super) session: session::Client,
    pub(super) place: Place,
    opened: Instant,
    /// Bytes that were queued so far.
    queued: u64,
    /// Of those that wait to be written, at most so many answer what the server said.
    answers: usize,
    max_answers: usize,
}

/// What a turn brought.
enum Turn {
    /// All is written.
    Flushed,
    /// The session is to be asked.
    Woken,
}

impl Connection {
    pub(super) fn new(
        io: Box<dyn Io>,
        place: Place,
        session: session::Client,
        config: &Config,
    ) -> Self {
        Self {
            socket: Socket::new(io, BytesMut::new(), config.write_timeout),
            session,
            place,
            opened: now(),
            queued: 0,
            answers: 0,
            max_answers: config.session.limits.output_bytes,
        }
    }

    /// The next thing that the server says; what is to be written is, meanwhile. Safe to be cancelled.
    pub(super) async fn event(&mut self) -> Result<ClientEvent, Error> {
        loop {
            if let Some(event) = self.poll_session()? {
                return Ok(event);
            }
            self.turn(false).await?;
        }
    }

    /// Waits until all is written, or the server says something. Safe to be cancelled.
    pub(super) async fn flush(&mut self) -> Result<Option<ClientEvent>, Error> {
        let mut heard = false;
        loop {
            let event = self.poll_session()?;
            // A server that never stops talking is no reason to wait on.
            if event.is_some() || (heard && self.unwritten() == 0) {
                return Ok(event);
            }
            match self.turn(true).await? {
                Turn::Flushed => return Ok(None),
                Turn::Woken => heard = true,
            }
        }
    }

    /// Bytes that wait to be written.
    pub(super) fn unwritten(&self) -> usize {
        self.socket.unwritten()
    }

    /// Bytes that were written so far.
    pub(super) fn written(&self) -> u64 {
        self.queued - self.unwritten() as u64
    }

    /// When it was opened.
    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// Queues what the session has to say, for the next wait to write, and says how many bytes that is.
    pub(super) fn collect(&mut self) -> usize {
        let output = self.session.take_output();
        let length = output.len();
        self.queued += length as u64;
        self.socket.queue(output);
        length
    }

    /// Says goodbye in order and closes, without waiting for a server that does not listen.
    ///
    /// # Errors
    /// Where what was sent before may not have arrived.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        if let Err(error) = self.session.finish() {
            return Err(self.place.fault(error));
        }
        self.collect();
        while let Turn::Woken = self.turn(true).await? {
            // A session that is over takes nothing any more.
            self.socket.input.clear();
            if self.unwritten() == 0 {
                break;
            }
        }
        // All was said; how the other end goes is its own affair.
        self.socket.close().await;
        Ok(())
    }

    fn poll_session(&mut self) -> Result<Option<ClientEvent>, Error> {
        let event = self.session.next(&mut self.socket.input, now());
        self.answers += self.collect();
        let event = event.map_err(|error| {
            let position = self.session.position();
            self.place.fault(error).at(position)
        })?;
        if self.answers > self.max_answers {
            let limit = crate::Error::from(Limit::OutputBytes(self.max_answers));
            return Err(self.place.fault(limit));
        }
        if event.is_none() && self.session.is_closing() {
            return Err(self.place.fault(Fault::Closed));
        }
        Ok(event)
    }

    /// Writes, and waits until something was read or a deadline has come; or, if so wanted, all is written.
    async fn turn(&mut self, until_flushed: bool) -> Result<Turn, Error> {
        let deadline = self.session.timeout();
        let turned = poll_fn(|cx| {
            let flushed = match self.socket.poll_flush(cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(Err(fault(error))),
                flushed => flushed.is_ready(),
            };
            if flushed {
                self.answers = 0;
            }
            // Looked at even where all is written: who only ever sends has to hear what is said.
            match self.socket.poll_wake(deadline, cx) {
                Poll::Ready(wake) => Poll::Ready(wake.map(Some).map_err(Fault::from)),
                Poll::Pending if flushed && until_flushed => Poll::Ready(Ok(None)),
                Poll::Pending => Poll::Pending,
            }
        });
        let turned = match turned.await {
            Ok(None) => Ok(Turn::Flushed),
            Ok(Some(Wake::Read)) => Ok(Turn::Woken),
            Ok(Some(Wake::Eof)) => Err(Fault::Closed),
            Ok(Some(Wake::Deadline)) => match self.session.handle_timeout(now()) {
                Ok(()) => Ok(Turn::Woken),
                Err(error) => Err(error.into()),
            },
            Err(fault) => Err(fault),
        };
        turned.map_err(|fault| self.place.fault(fault))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.place).finish()
    }
}

/// What a socket says, as a client has it.
fn fault(error: net::Error) -> Fault {
    match error {
        net::Error::Io(error) => Fault::Io(error),
        net::Error::Stalled(patience) => Fault::Stalled(patience),
        other => Fault::Io(io::Error::other(other)),
    }
}
