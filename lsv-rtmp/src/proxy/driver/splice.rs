//! Carrying bytes both ways between a client and its back end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Error;
use super::dial::Counted;
use crate::net::Io;
use crate::proxy::Continuation;

/// What a connection starts with, and how patient it is.
pub(super) struct Splice {
    /// How long either end may take no data; also how long a back end may be silent once the client has closed its half.
    pub(super) patience: Duration,
    /// What the back end is to get before anything else.
    pub(super) to_back_end: BytesMut,
    /// What has come from the back end already.
    pub(super) from_back_end: BytesMut,
    /// What becomes of the back end's bytes; none leaves them as they are.
    pub(super) continuation: Option<Continuation>,
}

/// Bytes carried.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Moved {
    pub(super) to_back_end: u64,
    pub(super) to_client: u64,
}

impl Splice {
    /// Carries until both ends have closed, or one has and the other is silent. `counted` is given back as soon as the
    /// back end has said its last.
    pub(super) async fn run(
        self,
        client: Box<dyn Io>,
        back_end: TcpStream,
        counted: Counted,
    ) -> Result<Moved, Error> {
        let (client_read, client_write) = tokio::io::split(client);
        let (back_end_read, back_end_write) = back_end.into_split();
        let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
        let up = Pump {
            patience: self.patience,
            pending: self.to_back_end,
            translate: None,
            moved: &sent,
        };
        let down = Pump {
            patience: self.patience,
            pending: self.from_back_end,
            translate: self.continuation,
            moved: &received,
        };
        let mut up = std::pin::pin!(up.run(client_read, back_end_write));
        let mut down = std::pin::pin!(down.run(back_end_read, client_write));
        tokio::select! {
            ended = &mut up => {
                ended?;
                finish(down, &received, self.patience).await?;
            }
            ended = &mut down => {
                drop(counted);
                if matches!(ended, Err(Error::BackEnd(_))) {
                    // The client was told why; it is read from for as long as it may take to hear that.
                    drop(timeout(GOODBYE, up).await);
                    return ended.map(|()| Moved::default());
                }
                ended?;
                // However the client takes its leave, the session is over.
                drop(finish(up, &sent, GOODBYE).await);
            }
        }
        Ok(Moved {
            to_back_end: sent.load(Ordering::Relaxed),
            to_client: received.load(Ordering::Relaxed),
        })
    }
}

/// Closes in order: a peer that still sends would get a reset, which may overtake what it was just told.
pub(super) async fn hang_up(mut io: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Error> {
    io.shutdown().await?;
    let mut rest = [0; 4096];
    while io.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Waits for the other direction for as long as it moves.
async fn finish(
    mut rest: impl Future<Output = Result<(), Error>> + Unpin,
    moved: &AtomicU64,
    patience: Duration,
) -> Result<(), Error> {
    loop {
        let before = moved.load(Ordering::Relaxed);
        match timeout(patience, &mut rest).await {
            Ok(ended) => return ended,
            Err(_) if moved.load(Ordering::Relaxed) == before => {
                return Err(Error::Stalled(patience));
            }
            Err(_) => {}
        }
    }
}

/// One direction.
struct Pump<'a> {
    patience: Duration,
    /// Bytes that have been read and not been dealt with.
    pending: BytesMut,
    translate: Option<Continuation>,
    moved: &'a AtomicU64,
}

impl Pump<'_> {
    async fn run(
        mut self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> Result<(), Error> {
        loop {
            self.forward(&mut to).await?;
            if self.pending.capacity() - self.pending.len() < READ_BYTES / 4 {
                self.pending.reserve(READ_BYTES);
            }
            if from.read_buf(&mut self.pending).await? == 0 {
                // The other end learns it, and may go on talking.
                to.shutdown().await?;
                return Ok(());
            }
        }
    }

    async fn forward(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> Result<(), Error> {
        let Some(continuation) = &mut self.translate else {
            return write(to, &mut self.pending, self.patience, self.moved).await;
        };
        let mut output = BytesMut::new();
        let passed = continuation.pass(&mut self.pending, &mut output);
        write(to, &mut output, self.patience, self.moved).await?;
        if passed.is_err() {
            to.shutdown().await?;
        }
        Ok(passed?)
    }
}

/// Writes all of `bytes` to a peer that takes some at least every once in a while.
async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    bytes: &mut BytesMut,
    patience: Duration,
    moved: &AtomicU64,
) -> Result<(), Error> {
    let stalled = |_| Error::Stalled(patience);
    if bytes.is_empty() {
        return Ok(());
    }
    while bytes.has_remaining() {
        let written = timeout(patience, to.write_buf(bytes))
            .await
            .map_err(stalled)??;
        if written == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into());
        }
        let written = u64::try_from(written).unwrap_or(u64::MAX);
        moved.fetch_add(written, Ordering::Relaxed);
    }
    // TLS holds records back until it is told.
    timeout(patience, to.flush()).await.map_err(stalled)??;
    Ok(())
}

/// Room made for one read.
const READ_BYTES: usize = 16 * 1024;

/// How long a peer that is told goodbye may take to hang up.
pub(super) const GOODBYE: Duration = Duration::from_secs(2);
