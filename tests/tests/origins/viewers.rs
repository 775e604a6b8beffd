//! Viewers of RTMP, of FLV over a WebSocket, and of DASH, that note when media came.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::StreamExt as _;
use lsv_core::media::Kind;
use lsv_rtmp::net::Client;
use lsv_rtmp::net::client::Played;
use lsv_tests::{eventually, mpd};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// A viewer whom nobody may drop; it leaves when dropped here.
pub(crate) struct Watching {
    seen: Seen,
    task: JoinHandle<()>,
}

/// What came, and when.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Arrivals>>);

#[derive(Default)]
struct Arrivals {
    at: Vec<Instant>,
    ended: Option<String>,
}

impl Watching {
    /// Plays from an RTMP address.
    pub(crate) async fn rtmp(address: &str) -> Self {
        let address = address.parse().expect("an address");
        let mut playing = Client::default().play(&address).await.expect("plays");
        let notes = Seen::default();
        let seen = notes.clone();
        let task = tokio::spawn(async move {
            loop {
                match playing.next().await {
                    Ok(Some(Played::Frame(frame))) if frame.kind() == Kind::Video => notes.note(),
                    Ok(Some(_)) => {}
                    end => return notes.end(format!("{end:?}")),
                }
            }
        });
        Self { seen, task }
    }

    /// Reads FLV from a WebSocket.
    pub(crate) async fn web_socket(url: &str) -> Self {
        let url = url.replacen("http", "ws", 1);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("opens");
        let notes = Seen::default();
        let seen = notes.clone();
        let task = tokio::spawn(async move {
            loop {
                match socket.next().await {
                    Some(Ok(message)) if message.is_binary() => notes.note(),
                    Some(Ok(_)) => {}
                    end => return notes.end(format!("{end:?}")),
                }
            }
        });
        Self { seen, task }
    }

    /// Follows a manifest of DASH and fetches each newest segment of its pictures.
    pub(crate) fn dash(url: &str) -> Self {
        let (url, notes) = (url.to_owned(), Seen::default());
        let seen = notes.clone();
        let task = tokio::spawn(async move {
            let (folder, _) = url.rsplit_once('/').expect("an address");
            let (mut judge, mut last) = (mpd::Judge::default(), None);
            loop {
                sleep(BETWEEN_LOOKS).await;
                let Some(manifest) = text(&url).await else {
                    continue;
                };
                judge.see(&manifest);
                if !judge.complaints().is_empty() {
                    return notes.end(format!("{:?}", judge.complaints()));
                }
                let newest = mpd::newest(&manifest);
                if newest == last {
                    continue;
                }
                if let Some(name) = &newest
                    && text(&format!("{folder}/{name}")).await.is_none()
                {
                    return notes.end(format!("{name} is listed and not there"));
                }
                notes.note();
                last = newest;
            }
        });
        Self { seen, task }
    }

    /// Waits until so much more has come after `since`.
    pub(crate) async fn goes_on(&self, since: Instant, more: usize) {
        eventually("a viewer sees more", async || {
            let later = self.arrivals().into_iter().filter(|at| *at > since);
            (later.count() >= more).then_some(())
        })
        .await;
    }

    /// The longest time in which nothing came.
    pub(crate) fn widest_gap(&self) -> Duration {
        let arrivals = self.arrivals();
        let gaps = arrivals.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or_default()
    }

    /// When something came.
    ///
    /// # Panics
    /// If the connection has ended: nobody who watches is to be dropped.
    fn arrivals(&self) -> Vec<Instant> {
        let seen = self.seen.lock();
        assert_eq!(seen.ended, None, "a viewer was dropped");
        seen.at.clone()
    }
}

impl Seen {
    fn note(&self) {
        self.lock().at.push(Instant::now());
    }

    fn end(&self, how: String) {
        self.lock().ended = Some(how);
    }

    fn lock(&self) -> MutexGuard<'_, Arrivals> {
        self.0.lock().expect("nobody panicked")
    }
}

async fn text(url: &str) -> Option<String> {
    let answer = reqwest::get(url).await.ok()?.error_for_status().ok()?;
    let bytes = answer.bytes().await.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}
