//! What a stream knows about itself: what comes in, who watches, and how much goes out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::media::{Kind, MediaFrame};
use crate::time::Timestamp;

/// A way out of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// RTMP and RTMPS.
    Rtmp,
    /// HTTP-FLV, as a plain response or a WebSocket.
    Flv,
    /// HLS with MPEG-TS segments.
    Hls,
    /// CMAF, as low-latency HLS or DASH.
    Cmaf,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rtmp, Self::Flv, Self::Hls, Self::Cmaf];

    /// The name in metrics and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Flv => "flv",
            Self::Hls => "hls",
            Self::Cmaf => "cmaf",
        }
    }
}

/// What a publisher sends, measured on the stream's own timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ingest {
    /// Payload bytes since the stream began, of all tracks.
    pub bytes: u64,
    /// Bits a second over the last second or so.
    pub bit_rate: u64,
    /// Frames a second of the default video track in thousandths, likewise.
    pub frame_rate_millis: u32,
    /// Time between the last two key frames of the default video track.
    pub key_frame_interval: Option<Duration>,
    /// The longest such time of the last five minutes, or the last one where that is longer ago.
    pub longest_key_frame_interval: Option<Duration>,
}

/// Measures an [`Ingest`].
#[derive(Debug, Default)]
pub(super) struct Meter {
    ingest: Ingest,
    window_start: Option<Timestamp>,
    window_bytes: u64,
    window_frames: u32,
    /// How long the last windows were, and their bytes.
    windows: VecDeque<(Duration, u64)>,
    last_key: Option<Timestamp>,
    /// The newest frame of the default video track.
    latest: Timestamp,
    /// The newest distances between key frames, as far as there are any.
    intervals: [Duration; 3],
    /// When long ones ended: the longest first, each but the last to be outlived by those behind it.
    long_intervals: VecDeque<(Timestamp, Duration)>,
    /// The first and the newest frame of video that came before any key frame, by the publisher's clock.
    undecodable: Option<(Timestamp, Timestamp)>,
}

/// How key frames come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyFrames {
    /// There was none yet, and pictures that need one have come for this long.
    Awaited(Duration),
    /// Longer than ever lately: the last one is this old.
    Missing(Duration),
    /// In this distance at most, lately.
    Every(Duration),
}

impl Meter {
    /// Another publisher sends from now on.
    pub(super) fn restart(&mut self) {
        self.windows.clear();
        self.last_key = None;
        self.intervals = Default::default();
        self.undecodable = None;
    }

    /// A frame of video came ahead of its first key frame, and goes no further.
    pub(super) fn push_undecodable(&mut self, frame: &MediaFrame) {
        let (first, _) = self.undecodable.unwrap_or((frame.dts, frame.dts));
        self.undecodable = Some((first, frame.dts));
    }

    pub(super) fn key_frames(&self) -> KeyFrames {
        let Some(last) = self.last_key else {
            let wait = self.undecodable.map(|(first, latest)| latest.since(first));
            return KeyFrames::Awaited(wait.unwrap_or_default());
        };
        let longest = self.intervals.iter().max().copied().unwrap_or_default();
        match self.latest.since(last) {
            age if age > longest => KeyFrames::Missing(age),
            _ => KeyFrames::Every(longest),
        }
    }

    pub(super) fn ingest(&self) -> Ingest {
        self.ingest
    }

    /// Bits a second over some seconds, so that one large key frame is not all there is to it; 0 until they are over.
    pub(super) fn sustained_bit_rate(&self) -> u64 {
        if self.windows.len() < SUSTAINED_WINDOWS {
            return 0;
        }
        let (elapsed, bytes) = self
            .windows
            .iter()
            .fold((Duration::ZERO, 0), |(elapsed, bytes), (window, more)| {
                (elapsed + *window, bytes + more)
            });
        per_second(bytes * 8, elapsed)
    }

    pub(super) fn push(&mut self, frame: &MediaFrame) {
        let start = *self.window_start.get_or_insert(frame.dts);
        let elapsed = frame.dts.since(start);
        if elapsed >= WINDOW {
            self.ingest.bit_rate = per_second(self.window_bytes * 8, elapsed);
            let millis = u64::from(self.window_frames) * 1000;
            self.ingest.frame_rate_millis = per_second(millis, elapsed) as u32;
            self.windows.push_back((elapsed, self.window_bytes));
            if self.windows.len() > SUSTAINED_WINDOWS {
                self.windows.pop_front();
            }
            (self.window_bytes, self.window_frames) = (0, 0);
            self.window_start = Some(frame.dts);
        }
        self.ingest.bytes += frame.payload.len() as u64;
        self.window_bytes += frame.payload.len() as u64;
        if frame.kind() == Kind::Video && frame.is_default {
            self.window_frames += 1;
            self.latest = frame.dts;
            if frame.key {
                let last = self.last_key.replace(frame.dts);
                let interval = last.map(|last| frame.dts.since(last));
                self.ingest.key_frame_interval = interval;
                self.intervals.rotate_right(1);
                self.intervals[0] = interval.unwrap_or_default();
                if let Some(interval) = interval {
                    self.remember(frame.dts, interval);
                }
            }
        }
    }

    /// An interval has ended. Shorter ones before it can be the longest no more.
    fn remember(&mut self, at: Timestamp, interval: Duration) {
        let long = &mut self.long_intervals;
        while long.back().is_some_and(|(_, other)| *other <= interval) {
            long.pop_back();
        }
        long.push_back((at, interval));
        let is_old = |(ended, _): &(Timestamp, Duration)| at.since(*ended) > REMEMBERED;
        while long.len() > MOST_REMEMBERED || long.front().is_some_and(is_old) {
            long.pop_front();
        }
        self.ingest.longest_key_frame_interval = long.front().map(|(_, interval)| *interval);
    }
}

fn per_second(count: u64, elapsed: Duration) -> u64 {
    let nanos = u128::from(count) * 1_000_000_000;
    nanos.checked_div(elapsed.as_nanos()).unwrap_or_default() as u64
}

/// Windows that make a sustained bit rate.
const SUSTAINED_WINDOWS: usize = 10;

/// How long a long time between key frames is remembered, and how many of them.
const REMEMBERED: Duration = Duration::from_secs(300);
const MOST_REMEMBERED: usize = 256;

/// Long enough to hold some frames, short enough to follow an encoder.
const WINDOW: Duration = Duration::from_secs(1);

/// Viewers and bytes out of a stream, by protocol.
#[derive(Debug, Default)]
pub(super) struct Audience {
    counters: [Counters; Protocol::ALL.len()],
}

#[derive(Debug, Default)]
struct Counters {
    viewers: AtomicU64,
    bytes: AtomicU64,
}

impl Audience {
    fn of(&self, protocol: Protocol) -> Option<&Counters> {
        self.counters.get(protocol as usize)
    }

    pub(super) fn traffic(&self) -> BTreeMap<Protocol, Traffic> {
        let traffic = |protocol: Protocol| {
            let counters = self.of(protocol)?;
            let traffic = Traffic {
                viewers: counters.viewers.load(Ordering::Relaxed),
                bytes: counters.bytes.load(Ordering::Relaxed),
            };
            Some((protocol, traffic))
        };
        Protocol::ALL.into_iter().filter_map(traffic).collect()
    }
}

/// What went out of a stream by one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Viewers at the moment.
    pub viewers: u64,
    /// Bytes since the stream began.
    pub bytes: u64,
}

/// A viewer of a stream: counted until it is dropped.
#[derive(Debug)]
pub struct Viewer {
    audience: Arc<Audience>,
    protocol: Protocol,
}

impl Viewer {
    pub(super) fn new(audience: Arc<Audience>, protocol: Protocol) -> Self {
        if let Some(counters) = audience.of(protocol) {
            counters.viewers.fetch_add(1, Ordering::Relaxed);
        }
        Self { audience, protocol }
    }

    /// Counts bytes that were sent to it.
    pub fn sent(&self, bytes: usize) {
        if let Some(counters) = self.audience.of(self.protocol) {
            counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        if let Some(counters) = self.audience.of(self.protocol) {
            counters.viewers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::FourCc;
    use crate::media::{Codec, Track};
    use bytes::Bytes;

    #[test]
    fn a_long_time_between_key_frames_is_forgotten_after_a_while() {
        let mut meter = Meter::default();
        let mut at = 0;
        let mut longest_after = |seconds: i64| {
            at += seconds;
            let mut frame =
                MediaFrame::new(&track(), Timestamp::from_millis(at * 1_000), Bytes::new());
            (frame.key, frame.is_default) = (true, true);
            meter.push(&frame);
            let longest = meter.ingest().longest_key_frame_interval;
            longest.map_or(0, |longest| longest.as_secs())
        };
        assert_eq!([0, 2, 2].map(&mut longest_after), [0, 2, 2]);
        assert_eq!([7, 2, 5].map(&mut longest_after), [7, 7, 7]);
        let then: Vec<u64> = (0..200).map(|_| longest_after(2)).collect();
        let changes: Vec<usize> = (1..200)
            .filter(|&index| then[index] != then[index - 1])
            .collect();
        assert_eq!(changes, [146, 150]);
        assert_eq!([then[145], then[146], then[150]], [7, 5, 2]);
    }

    fn track() -> Arc<Track> {
        let fourcc = FourCc::AVC1;
        let config = Bytes::new();
        Arc::new(Track::new(Kind::Video, Codec::Other { fourcc, config }))
    }
}
