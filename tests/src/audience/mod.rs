//! Viewers as a load balancer has them: who is lost by one server goes on at another, and notes when media came.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::{Server, eventually};

mod live;
mod playlists;

/// How a viewer watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// RTMP.
    Rtmp,
    /// HTTP-FLV.
    Flv,
    /// FLV over a WebSocket.
    WebSocket,
    /// HLS with MPEG-TS.
    Ts,
    /// Low-latency HLS: each part, by blocking reloads.
    LowLatency,
    /// DASH.
    Dash,
    /// HLS with MPEG-TS of the smallest rendition.
    Rendition,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Rtmp,
        Self::Flv,
        Self::WebSocket,
        Self::Ts,
        Self::LowLatency,
        Self::Dash,
        Self::Rendition,
    ];

    /// Whether it is one connection without an end.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Rtmp | Self::Flv | Self::WebSocket)
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rtmp => "RTMP",
            Self::Flv => "HTTP-FLV",
            Self::WebSocket => "WebSocket-FLV",
            Self::Ts => "HLS",
            Self::LowLatency => "low-latency HLS",
            Self::Dash => "DASH",
            Self::Rendition => "HLS, 360p",
        })
    }
}

/// Where a server is for viewers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    http: String,
    rtmp: String,
}

impl Place {
    /// Of a server that is there, or comes back there.
    #[must_use]
    pub fn of(server: &Server) -> Self {
        Self {
            http: server.base().to_owned(),
            rtmp: server.rtmp_address().to_owned(),
        }
    }

    fn http(&self, channel: &str, file: &str) -> String {
        format!("{}/{channel}/{file}", self.http)
    }
}

/// Somebody who watches in the background whatever happens; leaves when dropped.
#[derive(Debug)]
pub struct Spectator {
    way: Way,
    notes: Notes,
    task: JoinHandle<()>,
}

impl Spectator {
    /// Watches a channel at the first of these places, and at the next whenever one is lost.
    #[must_use]
    pub fn new(way: Way, channel: &str, places: Vec<Place>, client: reqwest::Client) -> Self {
        let notes = Notes::default();
        let (channel, shared) = (channel.to_owned(), notes.clone());
        let task = tokio::spawn(async move {
            for place in places.iter().cycle() {
                shared.visit();
                visit(way, &channel, place, &client, &shared).await;
                sleep(BEFORE_ANOTHER).await;
            }
        });
        Self { way, notes, task }
    }

    /// How it watches.
    #[must_use]
    pub fn way(&self) -> Way {
        self.way
    }

    /// Waits for something to come at or after `since`.
    pub async fn sees_more(&self, since: Instant) {
        let what = format!("a viewer of {} sees more", self.way);
        eventually(&what, async || {
            self.notes
                .last()
                .is_some_and(|at| at >= since)
                .then_some(())
        })
        .await;
    }

    /// The longest time without anything new that ended, or goes on, after `since`.
    #[must_use]
    pub fn widest_gap(&self, since: Instant) -> Duration {
        let seen = self.notes.lock();
        let now = [Instant::now()];
        let ends = seen.came.iter().chain(&now);
        let gaps = ends.clone().zip(ends.skip(1));
        let gaps = gaps.filter(|(_, end)| **end >= since);
        gaps.map(|(start, end)| *end - *start)
            .max()
            .unwrap_or_default()
    }

    /// How often it had to begin anew after `since`.
    #[must_use]
    pub fn moves(&self, since: Instant) -> usize {
        let seen = self.notes.lock();
        seen.moved.iter().filter(|at| **at >= since).count()
    }

    /// How often a playlist began anew under its player after `since`, as it does where another node makes the segments.
    #[must_use]
    pub fn jumps(&self, since: Instant) -> usize {
        let seen = self.notes.lock();
        seen.jumped.iter().filter(|at| **at >= since).count()
    }

    /// What no server may do to a player, and one did after `since`.
    #[must_use]
    pub fn wrong(&self, since: Instant) -> Vec<String> {
        let seen = self.notes.lock();
        let later = seen.wrong.iter().filter(|(at, _)| *at >= since);
        later.map(|(_, what)| what.clone()).collect()
    }
}

impl Drop for Spectator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Watches at one place until that is lost.
async fn visit(way: Way, channel: &str, place: &Place, client: &reqwest::Client, notes: &Notes) {
    let flv = || place.http(channel, "live.flv");
    match way {
        Way::Rtmp => live::rtmp(&place.rtmp, channel, notes).await,
        Way::Flv => live::flv(&flv(), client, notes).await,
        Way::WebSocket => live::web_socket(&flv(), notes).await,
        Way::Ts => {
            let url = place.http(channel, "live.m3u8");
            playlists::ts(&url, client, notes).await;
        }
        Way::Rendition => {
            let url = place.http(channel, "360p/live.m3u8");
            playlists::ts(&url, client, notes).await;
        }
        Way::LowLatency => {
            let url = place.http(channel, "cmaf/video.m3u8");
            playlists::low_latency(&url, client, notes).await;
        }
        Way::Dash => {
            let url = place.http(channel, "manifest.mpd");
            playlists::dash(&url, client, notes).await;
        }
    }
}

/// What a viewer saw.
#[derive(Debug, Clone, Default)]
struct Notes(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// When media came: a picture, a segment, a part.
    came: Vec<Instant>,
    /// When a place was lost that had media.
    moved: Vec<Instant>,
    /// When a playlist had nothing any more of what it had before.
    jumped: Vec<Instant>,
    wrong: Vec<(Instant, String)>,
    /// What had come when this visit began.
    before: usize,
    /// The latest picture of this visit, in milliseconds.
    shown: Option<u32>,
}

impl Notes {
    /// Another visit begins.
    fn visit(&self) {
        let mut seen = self.lock();
        if seen.came.len() > seen.before {
            seen.moved.push(Instant::now());
        }
        (seen.before, seen.shown) = (seen.came.len(), None);
    }

    fn jumped(&self) {
        self.lock().jumped.push(Instant::now());
    }

    fn came(&self) {
        self.lock().came.push(Instant::now());
    }

    /// A picture came that is decoded at `timestamp`.
    fn picture(&self, timestamp: u32) {
        let mut seen = self.lock();
        seen.came.push(Instant::now());
        if let Some(shown) = seen.shown.filter(|shown| *shown > timestamp) {
            let what = format!("a picture at {timestamp} came behind one at {shown}");
            seen.wrong.push((Instant::now(), what));
        }
        seen.shown = Some(timestamp);
    }

    fn wrong(&self, what: String) {
        let mut seen = self.lock();
        if seen.wrong.iter().all(|(_, known)| *known != what) {
            seen.wrong.push((Instant::now(), what));
        }
    }

    /// Whether anything came on this visit.
    fn has_come(&self) -> bool {
        let seen = self.lock();
        seen.came.len() > seen.before
    }

    fn last(&self) -> Option<Instant> {
        self.lock().came.last().copied()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("nobody panicked")
    }
}

/// As players do.
const BEFORE_ANOTHER: Duration = Duration::from_millis(250);
