//! What of a response its client has yet to take. Neither hyper nor h2 tells: the bytes themselves do, as they are written.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use bytes::Buf;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

/// The bytes of a response that were given to its server and have not gone out.
#[derive(Debug, Default)]
pub(super) struct Unread(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    /// When the last of them went out, or the first came.
    moved: Option<Instant>,
    /// Waits until there are none.
    waiting: Option<Waker>,
}

impl Unread {
    /// Waits until there are bytes of which the client took none for `limit`, for ever if that does not come to pass.
    pub(super) async fn stalled(&self, limit: Duration) {
        let mut until = Instant::now() + limit;
        loop {
            // Wakes once per limit, not per piece.
            tokio::time::sleep_until(until).await;
            let now = Instant::now();
            let state = self.state();
            until = state.moved.filter(|_| state.bytes > 0).unwrap_or(now) + limit;
            if until <= now {
                return;
            }
        }
    }

    fn given(&self, bytes: usize) {
        let mut state = self.state();
        if state.bytes == 0 {
            state.moved = Some(Instant::now());
        }
        state.bytes += bytes;
    }

    fn gone(&self, bytes: usize) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(bytes);
        state.moved = Some(Instant::now());
        let waiting = match state.bytes {
            0 => state.waiting.take(),
            _ => None,
        };
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    fn is_empty(&self) -> bool {
        self.state().bytes == 0
    }

    fn poll_empty(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.bytes == 0 {
            return Poll::Ready(());
        }
        state.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body, of whose bytes an [`Unread`] is told where there is one. Then the end comes when all of them are out: whoever
/// gives the end to h2 has no more hand on the stream, and on what of it nobody takes.
#[derive(Debug)]
pub(super) struct Watched {
    body: Body,
    unread: Option<Arc<Unread>>,
    /// The end of the body, with its trailers if it has any.
    end: Option<Option<Frame<Piece>>>,
}

impl Watched {
    pub(super) fn new(body: Body, unread: Option<Arc<Unread>>) -> Self {
        let end = None;
        Self { body, unread, end }
    }

    fn poll_empty(&self, context: &Context<'_>) -> Poll<()> {
        match &self.unread {
            Some(unread) => unread.poll_empty(context),
            None => Poll::Ready(()),
        }
    }
}

impl HttpBody for Watched {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        let this = self.get_mut();
        if this.end.is_none() {
            let next = ready!(Pin::new(&mut this.body).poll_frame(context)).transpose()?;
            let next =
                next.map(|frame| frame.map_data(|bytes| Piece::new(bytes, this.unread.clone())));
            match next {
                Some(frame) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                end => this.end = Some(end),
            }
        }
        ready!(this.poll_empty(context));
        Poll::Ready(this.end.take().flatten().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        let is_empty = |unread: &Arc<Unread>| unread.is_empty();
        self.end.is_none() && self.body.is_end_stream() && self.unread.as_ref().is_none_or(is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes on their way to the client.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    unread: Option<Arc<Unread>>,
}

impl Piece {
    fn new(bytes: Bytes, unread: Option<Arc<Unread>>) -> Self {
        if let Some(unread) = &unread {
            unread.given(bytes.len());
        }
        Self { bytes, unread }
    }

    fn gone(&self, bytes: usize) {
        if let Some(unread) = &self.unread {
            unread.gone(bytes);
        }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.gone(count);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if self.bytes.has_remaining() {
            self.gone(self.bytes.len());
        }
    }
}
