//! Ends what serves a viewer who stopped reading: a connection of HTTP/1, but of HTTP/2 no more than the stream, since
//! the others on its connection may be well.

use axum::extract::Request;
use hyper::rt::Executor;
use lsv_mux::http::Stall;

tokio::task_local! {
    /// Ends the task that serves.
    static STALL: Stall;
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

/// Runs the streams of HTTP/2 connections. One that is dropped is reset (RFC 9113 §6.4).
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(until_stalled(stream));
    }
}
