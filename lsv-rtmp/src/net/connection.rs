//! One connection of a server: a socket and the session on it.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use super::Error;
use super::peers::Place;
use super::socket::{Socket, Wake, now};
use crate::media::Options;
use crate::session::{self, Event, Reject};

pub(super) struct Connection {
    pub(super) socket: Socket,
    pub(super) session: session::Server,
    /// Where the client is; behind a load balancer that says so, not what the socket says.
    pub(super) peer: SocketAddr,
    /// What a publisher may send.
    pub(super) media: Options,
    /// Held for as long as the connection stands.
    _place: Place,
}

impl Connection {
    /// Boxed, because it is handed from task to task.
    pub(super) fn new(
        socket: Socket,
        session: session::Server,
        peer: SocketAddr,
        media: Options,
        place: Place,
    ) -> Box<Self> {
        Box::new(Self {
            socket,
            session,
            peer,
            media,
            _place: place,
        })
    }

    /// The next event of the session; `None` once the peer has closed, or the session wants to. Safe to be cancelled.
    pub(super) async fn event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.poll_session()? {
                return Ok(Some(event));
            }
            self.flush().await?;
            if self.session.is_closing() || self.wake().await? == Wake::Eof {
                return Ok(None);
            }
        }
    }

    /// The next event that the bytes at hand hold.
    pub(super) fn poll_session(&mut self) -> Result<Option<Event>, Error> {
        let event = self.session.next(&mut self.socket.input, now());
        event.map_err(|error| self.blamed(error))
    }

    /// Waits for bytes, or for the session's deadline. Safe to be cancelled.
    pub(super) async fn wake(&mut self) -> Result<Wake, Error> {
        let wake = self.socket.wake(self.session.timeout()).await?;
        self.woken(wake)
    }

    /// One look at what [`wake`](Self::wake) waits for.
    pub(super) fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<Result<Wake, Error>> {
        let wake = self.socket.poll_wake(self.session.timeout(), cx);
        wake.map(|wake| self.woken(wake?))
    }

    /// Writes what the session has to say, and what else waits. Safe to be cancelled.
    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// One go at what [`flush`](Self::flush) does.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.socket.queue(self.session.take_output());
        if let Poll::Ready(flushed) = self.socket.poll_flush(cx) {
            return Poll::Ready(flushed);
        }
        // What a peer is due to do it must do in time, however slowly it takes what it is told.
        let due = self.socket.poll_deadline(self.session.timeout(), cx);
        due.map(|()| self.woken(Wake::Deadline).map(drop))
    }

    /// Writes what waits, then waits for bytes or the session's deadline. Safe to be cancelled.
    pub(super) async fn flush_and_wake(&mut self) -> Result<Wake, Error> {
        self.flush().await?;
        self.wake().await
    }

    /// Says what is left to say and closes.
    pub(super) async fn close(mut self: Box<Self>) {
        self.socket.queue(self.session.take_output());
        self.socket.close().await;
    }

    fn woken(&mut self, wake: Wake) -> Result<Wake, Error> {
        if wake == Wake::Deadline {
            let timed_out = self.session.handle_timeout(now());
            timed_out.map_err(|error| self.blamed(error))?;
        }
        Ok(wake)
    }

    /// An error of the session, with whose it is.
    pub(super) fn blamed(&self, source: crate::Error) -> Error {
        Error::Session {
            peer: self.peer,
            position: self.session.position(),
            source,
        }
    }
}

impl Drop for Connection {
    /// A request that was never answered is refused, as far as that goes without waiting.
    fn drop(&mut self) {
        let reject = Reject::denied("the server has dropped the request");
        let refused = self.session.reject_publish(&reject);
        if refused
            .or_else(|_| self.session.reject_play(&reject))
            .is_ok()
        {
            self.socket.queue(self.session.take_output());
            self.socket.flush_now();
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.peer).finish()
    }
}
