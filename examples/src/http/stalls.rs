//! Ends what serves a viewer who stopped reading: a connection of HTTP/1, but of HTTP/2 no more than the stream, since
//! the others on its connection may be well.
//!
//! Of HTTP/1 the system finds most: what is not read is not acknowledged. Over HTTP/2 everything is acknowledged, so that
//! each stream is watched here, whatever it answers with.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use hyper::rt::Executor;
use lsv_mux::http::Stall;

use super::STALL_TIMEOUT;
use super::unread::{Unread, Watched};

tokio::task_local! {
    /// Ends the task that serves.
    static STALL: Stall;
    /// What the client has yet to take of a stream of HTTP/2.
    static UNREAD: Arc<Unread>;
}

/// Runs what serves one viewer; `None` when the viewer stopped reading.
pub(super) async fn until_stalled<F: Future>(served: F) -> Option<F::Output> {
    let stall = Stall::default();
    tokio::select! {
        output = STALL.scope(stall.clone(), served) => Some(output),
        () = stall.happened() => None,
    }
}

/// Lets whoever answers `request` end the task that this is called in.
pub(super) fn hand_on<B>(request: &mut Request<B>) {
    if let Ok(stall) = STALL.try_with(Stall::clone) {
        request.extensions_mut().insert(stall);
    }
}

/// Has the task that this is called in end when the client takes nothing of `response`, if it serves a stream of HTTP/2.
pub(super) fn watch(response: Response) -> Response<Watched> {
    let unread = UNREAD.try_with(Arc::clone).ok();
    response.map(|body| Watched::new(body, unread))
}

/// Runs the streams of HTTP/2 connections. One that is dropped is reset (RFC 9113 §6.4).
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let unread = Arc::<Unread>::default();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = until_stalled(UNREAD.scope(Arc::clone(&unread), stream)) => {}
                () = unread.stalled(STALL_TIMEOUT) => tracing::debug!("a stream of HTTP/2 is not read"),
            }
        });
    }
}
