//! A byte stream with what waits to be read and written, and one timer: what a driver stands on.
//!
//! Every wait here may be cancelled and taken up again: nothing that was read or is to be written is lost.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::{Sleep, sleep_until, timeout};

use super::Error;

/// What a connection runs over: TCP, or TLS on top of it.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(super) struct Socket {
    io: Box<dyn Io>,
    /// What was read and not yet used; without memory of its own while there is nothing.
    pub(super) input: BytesMut,
    output: VecDeque<Bytes>,
    /// When the peer must have taken some of the output.
    write_deadline: Option<Instant>,
    write_timeout: Duration,
    alarm: Alarm,
}

/// What a connection waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// Bytes came.
    Read,
    /// The deadline was met.
    Deadline,
    /// The peer closed its end.
    Eof,
}

impl Socket {
    /// Goes on with `io`, of which `input` was read already.
    pub(super) fn new(io: Box<dyn Io>, input: BytesMut, write_timeout: Duration) -> Self {
        Self {
            io,
            input,
            output: VecDeque::new(),
            write_deadline: None,
            write_timeout,
            alarm: Alarm::default(),
        }
    }

    /// Waits for bytes, for the end of them, or for `deadline`.
    pub(super) async fn wake(&mut self, deadline: Option<Instant>) -> io::Result<Wake> {
        poll_fn(|cx| self.poll_wake(deadline, cx)).await
    }

    /// One look at what [`wake`](Self::wake) waits for.
    pub(super) fn poll_wake(
        &mut self,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Wake>> {
        if let Poll::Ready(read) = self.poll_read(cx) {
            return Poll::Ready(read.map(|length| match length {
                0 => Wake::Eof,
                _ => Wake::Read,
            }));
        }
        self.poll_deadline(deadline, cx)
            .map(|()| Ok(Wake::Deadline))
    }

    /// One look whether `deadline` is met.
    pub(super) fn poll_deadline(
        &mut self,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.alarm.poll(deadline, cx)
    }

    /// Puts `bytes` behind what waits to be written.
    pub(super) fn queue(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.output.push_back(bytes);
        }
    }

    /// Puts all of `batch` there and leaves it empty.
    pub(super) fn queue_all(&mut self, batch: &mut Vec<Bytes>) {
        self.output.extend(batch.drain(..));
    }

    /// Bytes that wait to be written.
    pub(super) fn unwritten(&self) -> usize {
        self.output.iter().map(Bytes::len).sum()
    }

    /// Writes what waits, in as few system calls as the socket allows.
    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Writes as much of what waits as goes without waiting.
    pub(super) fn flush_now(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(Ok(())) = self.poll_write(&mut cx) {
            // Says to the peer that nothing follows; where that takes longer, the close says it.
            drop(Pin::new(&mut self.io).poll_shutdown(&mut cx));
        }
    }

    /// Writes what waits and closes, without waiting long for a peer that does not listen.
    pub(super) async fn close(&mut self) {
        let goodbye = async {
            self.flush().await?;
            poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await?;
            // A peer that still sends would get a reset, which may overtake the reason it was just told.
            while self.wake(None).await? == Wake::Read {
                self.input.clear();
            }
            Ok::<(), Error>(())
        };
        // However it goes, the connection is over.
        drop(timeout(GOODBYE, goodbye).await);
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.park_input();
        let mut buffer = READ_BUFFER.take();
        buffer.extend_from_slice(&self.input);
        buffer.reserve(READ_BYTES);
        let read = pin!(self.io.read_buf(&mut buffer)).poll(cx);
        match read {
            Poll::Ready(Ok(1..)) => self.input = buffer,
            _ => give_back(buffer),
        }
        read
    }

    /// Leaves the thread's buffer to others: what is left in it, mostly nothing, moves to a place of its own.
    fn park_input(&mut self) {
        if self.input.capacity() > PARKED_BYTES {
            let rest = BytesMut::from(&self.input[..]);
            give_back(std::mem::replace(&mut self.input, rest));
        }
    }

    /// One go at what [`flush`](Self::flush) does.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Poll::Ready(written) = self.poll_write(cx) {
            self.write_deadline = None;
            return Poll::Ready(written.map_err(Error::from));
        }
        let deadline = now() + self.write_timeout;
        let deadline = *self.write_deadline.get_or_insert(deadline);
        let stalled = self.alarm.poll(Some(deadline), cx);
        stalled.map(|()| Err(Error::Stalled(self.write_timeout)))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut filled = 0;
            for (slice, chunk) in slices.iter_mut().zip(&self.output) {
                *slice = IoSlice::new(chunk);
                filled += 1;
            }
            let slices = slices.get(..filled).unwrap_or_default();
            match ready!(Pin::new(&mut self.io).poll_write_vectored(cx, slices))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => advance(&mut self.output, written),
            }
            self.write_deadline = None;
        }
        // TLS keeps records back until it is told to send them.
        Pin::new(&mut self.io).poll_flush(cx)
    }
}

/// A timer for a deadline that keeps moving away: it is set anew when it goes off, not each time the deadline moves.
#[derive(Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    fn poll(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline.map(tokio::time::Instant::from_std) else {
            return Poll::Pending;
        };
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if deadline <= tokio::time::Instant::now() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

/// The driver's clock; tokio's, so that tests can turn it.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn give_back(mut buffer: BytesMut) {
    buffer.clear();
    READ_BUFFER.set(buffer);
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

thread_local! {
    /// Where reads go. Sessions use up nearly all that they read at once, so those that wait need no buffer.
    static READ_BUFFER: Cell<BytesMut> = Cell::default();
}

/// Room made for one read. Messages are copied out of the buffer, so it is reused rather than grown.
const READ_BYTES: usize = 64 * 1024;

/// Largest buffer that a connection may keep while it waits: an unfinished handshake packet fits.
const PARKED_BYTES: usize = 2 * 1024;

/// Slices of one write: a batch of ten milliseconds has a handful, and Linux takes 1,024.
const MAX_SLICES: usize = 64;

/// How long a peer that is told goodbye may take to hang up.
const GOODBYE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    fn pair(room: usize) -> (Socket, DuplexStream) {
        let (io, peer) = duplex(room);
        let socket = Socket::new(Box::new(io), BytesMut::new(), Duration::from_secs(10));
        (socket, peer)
    }

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

    #[tokio::test(start_paused = true)]
    async fn what_is_left_unused_is_kept_and_takes_no_more_than_it_needs() {
        let (mut socket, mut peer) = pair(1 << 20);
        peer.write_all(&[7; 5000]).await.unwrap();
        assert_eq!(socket.wake(None).await.unwrap(), Wake::Read);
        socket.input.advance(4990);
        let soon = Some(now() + Duration::from_secs(1));
        assert_eq!(socket.wake(soon).await.unwrap(), Wake::Deadline);
        assert_eq!(socket.input, [7; 10][..]);
        assert!(socket.input.capacity() <= PARKED_BYTES);

        peer.write_all(&[8; 5]).await.unwrap();
        assert_eq!(socket.wake(None).await.unwrap(), Wake::Read);
        assert_eq!(socket.input, [&[7; 10][..], &[8; 5]].concat()[..]);
        socket.input.clear();
        drop(peer);
        assert_eq!(socket.wake(None).await.unwrap(), Wake::Eof);
        assert_eq!(socket.input.capacity(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_was_cancelled_goes_on() {
        let (mut socket, mut peer) = pair(4);
        socket.queue(Bytes::from_static(b"abcdef"));
        socket.queue(Bytes::from_static(b"ghi"));
        assert!(
            timeout(Duration::from_secs(1), socket.flush())
                .await
                .is_err()
        );
        let mut got = [0; 9];
        let (flushed, read) = tokio::join!(socket.flush(), peer.read_exact(&mut got));
        flushed.unwrap();
        read.unwrap();
        assert_eq!(&got, b"abcdefghi");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_let_go_however_often_it_is_waited_for() {
        let (mut socket, _peer) = pair(4);
        let start = now();
        socket.queue(Bytes::from_static(b"abcdef"));
        let stalled = loop {
            if let Ok(flushed) = timeout(Duration::from_secs(3), socket.flush()).await {
                break flushed;
            }
        };
        assert!(matches!(stalled, Err(Error::Stalled(_))), "{stalled:?}");
        assert_eq!((now() - start).as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moves_away_is_kept_and_one_that_comes_nearer_too() {
        let (mut socket, _peer) = pair(4);
        let start = now();
        let after = |seconds| Some(start + Duration::from_secs(seconds));
        let early = timeout(Duration::from_secs(1), socket.wake(after(5))).await;
        assert!(early.is_err());
        for (deadline, expected) in [(after(20), 20), (after(21), 21), (after(3), 21)] {
            assert_eq!(socket.wake(deadline).await.unwrap(), Wake::Deadline);
            assert_eq!((now() - start).as_secs(), expected);
        }
        let far = timeout(Duration::from_secs(1), socket.wake(after(60))).await;
        assert!(far.is_err());
        assert_eq!(socket.wake(after(30)).await.unwrap(), Wake::Deadline);
        assert_eq!((now() - start).as_secs(), 30);
    }
}
