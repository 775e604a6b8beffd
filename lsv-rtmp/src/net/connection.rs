//! One connection: a socket, the session on it, and the bytes in between.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep_until, timeout};

use super::Error;
use crate::session::{self, Event};

/// What a connection runs over: TCP, or TLS on top of it.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(super) struct Connection {
    io: Box<dyn Io>,
    input: BytesMut,
    write_timeout: Duration,
    /// Held for as long as the connection stands.
    _slot: OwnedSemaphorePermit,
    pub(super) session: session::Server,
    pub(super) peer: SocketAddr,
}

/// What a connection waited for.
pub(super) enum Wake {
    /// Bytes came, or a deadline was met: ask the session.
    Ready,
    /// The peer closed its end.
    Eof,
}

impl Connection {
    pub(super) fn new(
        io: Box<dyn Io>,
        peer: SocketAddr,
        session: session::Server,
        write_timeout: Duration,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            io,
            input: BytesMut::new(),
            write_timeout,
            _slot: slot,
            session,
            peer,
        }
    }

    /// The next event of the session; `None` once the peer has closed, or the session wants to.
    pub(super) async fn event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.poll_session()? {
                return Ok(Some(event));
            }
            self.flush().await?;
            if self.session.is_closing() {
                return Ok(None);
            }
            if let Wake::Eof = self.wake().await? {
                return Ok(None);
            }
        }
    }

    /// The next event that the bytes at hand hold.
    pub(super) fn poll_session(&mut self) -> Result<Option<Event>, Error> {
        Ok(self.session.next(&mut self.input, now())?)
    }

    /// Waits for bytes or for the session's deadline. Safe to be cancelled: what was read is kept.
    pub(super) async fn wake(&mut self) -> Result<Wake, Error> {
        if self.input.capacity() - self.input.len() < READ_BYTES / 4 {
            self.input.reserve(READ_BYTES);
        }
        let deadline = self.session.timeout();
        tokio::select! {
            read = self.io.read_buf(&mut self.input) => match read? {
                0 => Ok(Wake::Eof),
                _ => Ok(Wake::Ready),
            },
            () = until(deadline) => {
                self.session.handle_timeout(now())?;
                Ok(Wake::Ready)
            }
        }
    }

    /// Writes what the session has to say.
    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(());
        }
        self.write(&mut VecDeque::from([output])).await
    }

    /// Writes `chunks` in as few system calls as the socket allows.
    pub(super) async fn write(&mut self, chunks: &mut VecDeque<Bytes>) -> Result<(), Error> {
        while !chunks.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut filled = 0;
            for (slice, chunk) in slices.iter_mut().zip(chunks.iter()) {
                *slice = IoSlice::new(chunk);
                filled += 1;
            }
            let ready = slices.get(..filled).unwrap_or_default();
            let write = timeout(self.write_timeout, self.io.write_vectored(ready));
            let written = write
                .await
                .map_err(|_| Error::Stalled(self.write_timeout))??;
            if written == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into());
            }
            advance(chunks, written);
        }
        Ok(())
    }

    /// Says what is left to say and closes, without waiting long for a peer that does not listen.
    pub(super) async fn close(mut self) {
        let goodbye = async {
            self.flush().await?;
            self.io.shutdown().await?;
            // A peer that still sends would get a reset, which may overtake the reason it was just told.
            let mut rest = [0; 4096];
            while self.io.read(&mut rest).await? > 0 {}
            Ok::<(), Error>(())
        };
        // However it goes, the connection is over.
        drop(timeout(GOODBYE, goodbye).await);
    }
}

/// The driver's clock; tokio's, so that tests can turn it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

fn advance(chunks: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(chunk) = chunks.front_mut() {
        if written < chunk.len() {
            chunk.advance(written);
            return;
        }
        written -= chunk.len();
        chunks.pop_front();
    }
}

/// Room made for one read. Messages are copied out of the buffer, so it is reused rather than grown.
const READ_BYTES: usize = 64 * 1024;

/// Slices of one write: a batch of ten milliseconds has a handful, and Linux takes 1,024.
const MAX_SLICES: usize = 64;

/// How long a peer that is told goodbye may take to hang up.
const GOODBYE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_writes_go_on_where_they_stopped() {
        let mut chunks = VecDeque::from([Bytes::from_static(b"abc"), Bytes::from_static(b"de")]);
        advance(&mut chunks, 2);
        assert_eq!(chunks, ["c", "de"]);
        advance(&mut chunks, 2);
        assert_eq!(chunks, ["e"]);
        advance(&mut chunks, 1);
        assert!(chunks.is_empty());
    }
}
