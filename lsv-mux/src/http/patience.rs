//! Viewers who stop reading: what their response holds is let go, since nobody else can tell.
//!
//! An HTTP server asks a body for more when the viewer has room, so that a viewer who never has any is silence. Over
//! HTTP/2 even the system takes the connection for a good one.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Tells a listener that the viewer of a response has stopped reading: put one into the extensions of a request.
///
/// Neither an HTTP server nor the body of a response can end a response that the viewer takes nothing of; who runs
/// the server can, by dropping what serves it: the connection, or over HTTP/2 the task of the stream.
#[derive(Debug, Clone, Default)]
pub struct Stall(Arc<Notify>);

impl Stall {
    /// Says that the viewer has stopped reading.
    pub fn report(&self) {
        self.0.notify_one();
    }

    /// Waits until the viewer has stopped reading, for ever if that does not come to pass.
    pub async fn happened(&self) {
        self.0.notified().await;
    }
}

/// Hands on `source`, until what it gave is not followed by the question for more within a limit. Then `source` is
/// dropped at once, and the question, if it ever comes, is answered with [`Stalled`].
///
/// A source that has nothing to give may take its time.
#[derive(Debug)]
pub(super) struct Patient<S> {
    shared: Arc<Mutex<Shared<S>>>,
}

#[derive(Debug)]
struct Shared<S> {
    /// `None` once it was let go.
    source: Option<Pin<Box<S>>>,
    /// Since when it is the reader's turn.
    waiting: Option<Instant>,
}

/// The viewer took nothing for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the viewer stopped reading")]
pub(super) struct Stalled;

impl<S: Send + 'static> Patient<S> {
    /// Waits no longer than `limit` for the reader; tells `stall` when it did in vain.
    pub(super) fn new(source: S, limit: Duration, stall: Stall) -> Self {
        let shared = Arc::new(Mutex::new(Shared {
            source: Some(Box::pin(source)),
            waiting: Some(Instant::now()),
        }));
        // Wakes once per limit, not per frame, and is gone one limit after the viewer.
        tokio::spawn(watch(Arc::downgrade(&shared), limit, stall));
        Self { shared }
    }
}

impl<S: Stream> Stream for Patient<S> {
    type Item = Result<S::Item, Stalled>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut shared = lock(&self.shared);
        let Some(source) = &mut shared.source else {
            return Poll::Ready(Some(Err(Stalled)));
        };
        let next = source.as_mut().poll_next(context);
        shared.waiting = next.is_ready().then(Instant::now);
        next.map(|item| item.map(Ok))
    }
}

async fn watch<S>(shared: Weak<Mutex<Shared<S>>>, limit: Duration, stall: Stall) {
    let mut until = Instant::now() + limit;
    loop {
        tokio::time::sleep_until(until).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let now = Instant::now();
        let mut shared = lock(&shared);
        until = shared.waiting.unwrap_or(now) + limit;
        if until <= now {
            shared.source = None;
            stall.report();
            return;
        }
    }
}

fn lock<S>(shared: &Mutex<Shared<S>>) -> MutexGuard<'_, Shared<S>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt, stream};
    use tokio::sync::mpsc;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn a_source_that_nobody_asks_is_let_go() {
        let held = Arc::new(());
        let kept = Arc::clone(&held);
        let source = stream::repeat_with(move || Arc::strong_count(&kept));
        let stall = Stall::default();
        let mut body = Patient::new(source, LIMIT, stall.clone());
        for _ in 0..10 {
            assert_eq!(body.next().await, Some(Ok(2)));
            tokio::time::sleep(LIMIT * 9 / 10).await;
        }
        assert_eq!(Arc::strong_count(&held), 2);
        assert_eq!(stall.happened().now_or_never(), None);
        tokio::time::sleep(LIMIT).await;
        assert_eq!(Arc::strong_count(&held), 1);
        assert_eq!(stall.happened().now_or_never(), Some(()));
        assert_eq!(body.next().await, Some(Err(Stalled)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_with_nothing_to_give_may_take_its_time() {
        let (sender, mut receiver) = mpsc::channel(1);
        let source = stream::poll_fn(move |context| receiver.poll_recv(context));
        let mut body = Patient::new(source, LIMIT, Stall::default());
        assert_eq!(body.next().now_or_never(), None);
        tokio::time::sleep(LIMIT * 10).await;
        sender.send(7).await.unwrap();
        assert_eq!(body.next().await, Some(Ok(7)));
        drop(sender);
        assert_eq!(body.next().await, None);
    }
}
