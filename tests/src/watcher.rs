//! Viewers that note when what they got came: of HTTP-FLV each picture, of HLS each segment.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::{eventually, flv, hls};

/// Watches HTTP-FLV in the background and notes each picture; stops when dropped.
#[derive(Debug)]
pub struct FlvWatcher {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    pictures: Vec<Shown>,
    ended: bool,
}

/// A picture that a viewer got.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// When it came.
    pub came: Instant,
    /// When it is shown, in milliseconds.
    pub at: i64,
    /// It is a key frame.
    pub key: bool,
}

impl FlvWatcher {
    /// Opens an address, again and again until it answers with success.
    pub async fn open(url: &str) -> Self {
        let response = eventually(url, async || {
            let response = reqwest::get(url).await.ok()?;
            response.status().is_success().then_some(response)
        })
        .await;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn(watch(response, Arc::clone(&seen)));
        Self { seen, task }
    }

    /// The pictures so far.
    ///
    /// # Panics
    /// If the response has ended: nobody who watches is to be dropped.
    #[must_use]
    pub fn pictures(&self) -> Vec<Shown> {
        let seen = self.seen.lock().expect("no watcher panicked");
        assert!(!seen.ended, "a viewer was dropped");
        seen.pictures.clone()
    }

    /// Waits for pictures of so much time after `since`.
    pub async fn shows(&self, since: Instant, millis: i64) {
        eventually("a viewer sees more", async || {
            let pictures = self.pictures();
            let first = pictures.iter().find(|picture| picture.came >= since)?;
            (pictures.last()?.at >= first.at + millis).then_some(())
        })
        .await;
    }
}

impl Drop for FlvWatcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(response: reqwest::Response, seen: Arc<Mutex<Seen>>) {
    let mut pieces = response.bytes_stream();
    let mut reader = flv::Reader::default();
    while let Some(Ok(piece)) = pieces.next().await {
        let came = Instant::now();
        let tags = reader.push(&piece);
        let pictures = tags
            .iter()
            .filter(|tag| tag.kind == 9 && flv::is_picture(&tag.body));
        let pictures = pictures.map(|tag| Shown {
            came,
            at: i64::from(tag.timestamp) + composition(tag),
            key: tag.body[0] >> 4 & 7 == 1,
        });
        seen.lock()
            .expect("nobody panicked")
            .pictures
            .extend(pictures);
    }
    seen.lock().expect("nobody panicked").ended = true;
}

/// Milliseconds from decoding to showing.
fn composition(tag: &flv::Tag) -> i64 {
    let start = match tag.body[0] {
        head if head & 0x80 == 0 => 2,
        head if head & 0x0f == 1 && &tag.body[1..5] != b"av01" => 5,
        _ => return 0,
    };
    let bytes = &tag.body[start..start + 3];
    i64::from(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], 0]) >> 8)
}

/// Watches a media playlist in the background as a player does and fetches each segment; stops when dropped.
#[derive(Debug)]
pub struct HlsWatcher {
    seen: Arc<Mutex<Followed>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Followed {
    judge: hls::Judge,
    segments: Vec<Fetched>,
    failed: Vec<String>,
}

/// A segment that a viewer fetched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fetched {
    /// When it was there.
    pub came: Instant,
    /// Its media sequence number.
    pub sequence: u64,
    /// In seconds.
    pub duration: f64,
    /// What is before it ends there.
    pub discontinuity: bool,
}

impl HlsWatcher {
    /// Follows the playlist at an address, which may still be to come.
    #[must_use]
    pub fn open(url: &str) -> Self {
        let seen = Followed {
            judge: hls::Judge::new(url),
            segments: Vec::new(),
            failed: Vec::new(),
        };
        let seen = Arc::new(Mutex::new(seen));
        let task = tokio::spawn(follow(url.to_owned(), Arc::clone(&seen)));
        Self { seen, task }
    }

    /// The segments so far.
    ///
    /// # Panics
    /// If one of them could not be fetched, or the playlist ever broke a rule.
    #[must_use]
    pub fn segments(&self) -> Vec<Fetched> {
        let seen = self.seen.lock().expect("no watcher panicked");
        assert_eq!(seen.judge.complaints(), [""; 0]);
        assert_eq!(seen.failed, [""; 0]);
        seen.segments.clone()
    }

    /// Waits for so many segments after `since`.
    pub async fn goes_on(&self, since: Instant, more: usize) {
        eventually("a playlist goes on", async || {
            let segments = self.segments();
            let new = segments.iter().filter(|segment| segment.came >= since);
            (new.count() >= more).then_some(())
        })
        .await;
    }

    /// How long a player stands still that begins once it has three segments.
    #[must_use]
    pub fn stalled(&self) -> Duration {
        let segments = self.segments();
        let Some(begun) = segments.get(2) else {
            return Duration::ZERO;
        };
        let (mut played, mut stalled) = (0.0, 0.0_f64);
        for segment in &segments {
            let came = segment.came.saturating_duration_since(begun.came);
            stalled = stalled.max(came.as_secs_f64() - played);
            played += segment.duration;
        }
        Duration::from_secs_f64(stalled.max(0.0))
    }
}

impl Drop for HlsWatcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(url: String, seen: Arc<Mutex<Followed>>) {
    let folder = url.rsplit_once('/').map_or("", |(folder, _)| folder);
    let client = reqwest::Client::new();
    loop {
        if let Some(text) = text(&client, &url).await {
            let new = {
                let mut seen = seen.lock().expect("nobody panicked");
                let known = seen.judge.listed().len();
                seen.judge.see(&text);
                let listed = &seen.judge.listed()[known.min(seen.judge.listed().len())..];
                let segments = listed.iter().map(|listed| listed.segment.clone());
                segments.collect::<Vec<_>>()
            };
            for segment in new {
                let address = format!("{folder}/{}", segment.uri);
                let fetched = client.get(&address).send().await;
                let bytes = match fetched.and_then(reqwest::Response::error_for_status) {
                    Ok(answer) => answer.bytes().await.map(|body| body.len()),
                    Err(error) => Err(error),
                };
                let mut seen = seen.lock().expect("nobody panicked");
                match bytes {
                    Ok(1..) => seen.segments.push(Fetched {
                        came: Instant::now(),
                        sequence: segment.sequence,
                        duration: segment.duration,
                        discontinuity: segment.discontinuity,
                    }),
                    wrong => seen.failed.push(format!("{address}: {wrong:?}")),
                }
            }
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

async fn text(client: &reqwest::Client, url: &str) -> Option<String> {
    let answer = client.get(url).send().await.ok()?;
    let answer = answer.error_for_status().ok()?;
    answer.text().await.ok()
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
