//! HTTP-FLV: a stream as one endless response, or the same bytes as messages of a WebSocket.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{FutureExt, SinkExt, StreamExt, stream};
use http::request::Parts;
use http::{HeaderValue, Method, header};
use lsv_core::access::Seat;
use lsv_core::hub::{Chunk, Protocol, Settings, Stream, Subscriber, Viewer};
use lsv_core::media::Tracks;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::guest::Guest;
use super::patience::{Patient, Stall};
use super::{Config, Limits};
use crate::flv::{self, FlvPackage};

/// Answers a GET or HEAD for `live.flv`, whose extensions may hold a [`Stall`].
pub(super) fn answer(
    stream: &Arc<Stream>,
    config: &Config,
    limits: &Limits,
    guest: &Guest,
    parts: &Parts,
) -> Response {
    let body = match parts.method {
        // Of unknown length, as the body would be.
        Method::HEAD => Body::from_stream(stream::empty::<Result<Bytes, Infallible>>()),
        _ => {
            let chunks = stream::unfold(Reader::new(stream, config, guest), async |mut reader| {
                let chunk = reader.next().await?;
                Some((chunk, reader))
            });
            let stall = parts.extensions.get::<Stall>().cloned();
            let chunks = Patient::new(chunks, limits.stall, stall.unwrap_or_default());
            Body::from_stream(chunks)
        }
    };
    let fields = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("video/x-flv"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Told to proxies that would otherwise wait for the end.
        (ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    (fields, body).into_response()
}

/// Answers a WebSocket handshake for `live.flv`.
pub(super) fn upgrade(
    upgrade: WebSocketUpgrade,
    stream: &Arc<Stream>,
    config: &Config,
    limits: &Limits,
    guest: &Guest,
) -> Response {
    let reader = Reader::new(stream, config, guest);
    let stall = limits.stall;
    upgrade
        .max_message_size(MAX_INCOMING_BYTES)
        .max_frame_size(MAX_INCOMING_BYTES)
        .on_upgrade(move |socket| converse(socket, reader, stall))
}

/// Sends until the stream ends or the viewer leaves, or takes longer than `stall` for a batch. What the viewer says is
/// read, so that pings are answered and its leaving is noticed, and has no meaning otherwise.
async fn converse(mut socket: WebSocket, mut reader: Reader, stall: Duration) {
    loop {
        tokio::select! {
            ready = reader.fill() => {
                if !ready {
                    break;
                }
                let chunks = reader.ready.by_ref();
                let mut batch = stream::iter(chunks.map(|chunk| Ok(Message::Binary(chunk))));
                let sent = socket.send_all(&mut batch);
                if !matches!(timeout(stall, sent).await, Ok(Ok(()))) {
                    return;
                }
            }
            said = socket.next() => match said {
                None | Some(Err(_) | Ok(Message::Close(_))) => return,
                Some(Ok(_)) => {}
            },
        }
    }
    let close = Message::Close(Some(CloseFrame {
        code: close_code::NORMAL,
        reason: "the stream ended".into(),
    }));
    let goodbye = async {
        if socket.send(close).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    // Gone either way.
    drop(timeout(GOODBYE, goodbye).await);
}

/// One viewer's way through a packaged stream.
struct Reader {
    stream: Arc<Stream>,
    subscriber: Subscriber<Chunk>,
    settings: watch::Receiver<Settings>,
    viewer: Viewer,
    /// Held for as long as it reads.
    _seat: Option<Seat>,
    linger: Duration,
    batch_bytes: usize,
    batch: Vec<Bytes>,
    ready: std::vec::IntoIter<Bytes>,
    opened: bool,
    behind: bool,
}

impl Reader {
    fn new(stream: &Arc<Stream>, config: &Config, guest: &Guest) -> Self {
        Self {
            subscriber: stream.packaged::<FlvPackage>(),
            settings: stream.settings(),
            viewer: stream.viewer(Protocol::Flv),
            _seat: guest.seat.clone(),
            stream: Arc::clone(stream),
            linger: config.linger,
            batch_bytes: config.batch_bytes,
            batch: Vec::new(),
            ready: Vec::new().into_iter(),
            opened: false,
            behind: false,
        }
    }

    /// The next piece of the body; `None` at its end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(chunk) = self.ready.next() {
                return Some(chunk);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Waits for more of the stream and collects what comes within the linger time; false at the end. Nothing is
    /// lost when it is dropped before it is done.
    async fn fill(&mut self) -> bool {
        if self.batch.is_empty() {
            if !self.settings.borrow().flv {
                return false;
            }
            match self
                .subscriber
                .batch(self.batch_bytes, &mut self.batch)
                .await
            {
                Some(batch) => self.behind = batch.bytes >= self.batch_bytes,
                None => return false,
            }
        }
        // The first picture should not wait, nor a viewer who has to catch up.
        if self.opened && !self.behind && !self.linger.is_zero() {
            tokio::time::sleep(self.linger).await;
            // Whether there is more, or an end, is seen at the next call.
            let _more = self
                .subscriber
                .batch(self.batch_bytes, &mut self.batch)
                .now_or_never();
        }
        if !self.opened {
            let tracks = self.tracks().await;
            self.opened = true;
            let header = flv::header(tracks.video.is_some(), tracks.audio.is_some());
            self.batch.insert(0, Bytes::copy_from_slice(&header));
        }
        self.viewer.sent(self.batch.iter().map(Bytes::len).sum());
        self.ready = std::mem::take(&mut self.batch).into_iter();
        true
    }

    /// The tracks for the file header, which is written once: a stream that has just begun is given time to bring
    /// them all. Players ignore a track that the header denies, and wait for ever for one that it promises in vain.
    async fn tracks(&self) -> Arc<Tracks> {
        let begun = self.stream.since().map(Instant::from_std);
        let mut watched = self.stream.watch_tracks();
        loop {
            let tracks = Arc::clone(&watched.borrow_and_update());
            let age = begun.map_or(Duration::MAX, |begun| begun.elapsed());
            let rest = completion_time(&tracks).saturating_sub(age);
            if rest.is_zero() {
                return tracks;
            }
            // Looked at again either way.
            drop(timeout(rest, watched.changed()).await);
        }
    }
}

/// How long after its beginning a stream with these tracks may still bring one that is missing.
fn completion_time(tracks: &Tracks) -> Duration {
    let missing = match (&tracks.video, &tracks.audio) {
        (Some(_), Some(_)) => return Duration::ZERO,
        (Some(_), None) => AUDIO_CODEC,
        (None, _) => VIDEO_CODEC,
    };
    match &tracks.metadata {
        None => UNANNOUNCED,
        Some(metadata) if metadata.windows(missing.len()).any(|at| at == missing) => ANNOUNCED,
        Some(_) => Duration::ZERO,
    }
}

/// Properties of `onMetaData` with the lengths of their names before them (FLV 10.1 §E.5).
const VIDEO_CODEC: &[u8] = b"\0\x0Cvideocodecid";
const AUDIO_CODEC: &[u8] = b"\0\x0Caudiocodecid";
/// How long a track is waited for that the metadata promises: encoders start cameras slowly.
const ANNOUNCED: Duration = Duration::from_secs(5);
/// How long a second track is waited for where there is no metadata.
const UNANNOUNCED: Duration = Duration::from_secs(1);
pub(super) const ACCEL_BUFFERING: header::HeaderName =
    header::HeaderName::from_static("x-accel-buffering");
/// A viewer has nothing to say but control frames, which have 125 bytes at most.
const MAX_INCOMING_BYTES: usize = 4096;
/// How long a viewer may take to answer a closing handshake.
const GOODBYE: Duration = Duration::from_secs(5);
