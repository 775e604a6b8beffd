//! A day of a stream in a minute: 24 hours of a publisher's clock, past its wrap and through three jumps, with playlists
//! that stay right and memory that stays flat. Nothing sleeps and nothing reads a clock: time goes as the media does.

use std::alloc::System;
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures::FutureExt as _;
use lsv_core::hub::{Delivery, Hub, Offer, Publisher, Settings, Subscriber};
use lsv_core::media::MediaFrame;
use lsv_core::path::{ChannelId, StreamPath};
use lsv_core::time::Timestamp;
use lsv_mux::fuzzing::AVC_RECORD;
use lsv_mux::packager::{Config, Packager};
use lsv_mux::window::Reload;
use lsv_rtmp::media::{Demuxer, Item};
use lsv_rtmp::session::Media;
use lsv_tests::{hls, mpd};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn playlists_stay_right_and_memory_flat_for_a_day() {
    let mut day = Day::new();
    let mut held = Vec::new();
    for hour in 0..24 {
        if let Some(jump) = jump_at(hour) {
            day.clock = day.clock.wrapping_add_signed(jump);
            day.watch_closely();
        }
        day.run(HOUR);
        held.push(day.held_bytes());
    }
    let day = day.end();
    let summary = format!(
        "{} looks, {} segments, held: {held:?}",
        day.looks,
        day.segments()
    );
    println!("{summary}");
    assert!(day.wrapped, "the clock did not wrap");
    assert_eq!(day.complaints(), [""; 0]);
    assert_eq!(day.runs(), 1 + JUMPS.len() as u64);
    assert!(day.segments() >= (24 * HOUR / GROUP) as u64, "{summary}");
    let most = held.iter().max().copied().unwrap_or_default();
    assert!(most <= held[0] + FLAT, "{summary}");
}

/// The jump of the publisher's clock, in milliseconds, at the beginning of an hour.
fn jump_at(hour: u32) -> Option<i32> {
    let found = JUMPS.iter().find(|(at, _)| *at == hour);
    found.map(|(_, jump)| *jump)
}

/// A stream on its way from RTMP's messages to playlists, and those who look at them.
struct Day {
    /// The publisher's clock.
    clock: u32,
    wrapped: bool,
    /// The stream's own time in milliseconds, of pictures and sound sent.
    sent: i64,
    publisher: Publisher,
    demuxer: Demuxer,
    frames: Subscriber<MediaFrame>,
    packager: Packager,
    next_look: i64,
    closely_until: i64,
    watched: Watched,
}

/// What was seen.
#[derive(Default)]
struct Watched {
    looks: u64,
    wrapped: bool,
    playlists: HashMap<&'static str, hls::Judge>,
    mpd: mpd::Judge,
}

impl Day {
    fn new() -> Self {
        let mut offer = Offer::new("test");
        let mut settings = Settings::default();
        (settings.cmaf, settings.list_size) = (true, 10);
        offer.settings = settings.clone();
        let path = StreamPath::source(ChannelId::parse("cam").expect("a channel"));
        let publisher = Hub::default()
            .publish(&path, offer, Instant::now())
            .expect("a publisher");
        let mut day = Self {
            clock: FIRST_TIME,
            wrapped: false,
            sent: 0,
            frames: publisher.stream().subscribe(),
            publisher,
            demuxer: Demuxer::default(),
            packager: Packager::new(&Config::default(), &settings, 1_000, start()),
            next_look: 0,
            closely_until: CLOSELY,
            watched: Watched::default(),
        };
        day.push_video(&[&[0x17, 0, 0, 0, 0], AVC_RECORD].concat());
        day.push_audio(&[0xAF, 0, 0x15, 0x88]);
        day
    }

    /// The next minute is looked at whenever something is new.
    fn watch_closely(&mut self) {
        self.closely_until = self.sent + CLOSELY;
    }

    fn run(&mut self, millis: i64) {
        let end = self.sent + millis;
        while self.sent < end {
            // A group of pictures with its sound, in the order of time.
            for step in 0..GROUP / SOUND_STEP {
                let at = step * SOUND_STEP;
                self.push_audio(&[0xAF, 1, 0x21, 0x10, 0x04, 0x60, 0x8C, 0x1C]);
                if at % PICTURE_STEP == 0 {
                    let body: &[u8] = match at {
                        0 => &[0x17, 1, 0, 0, 0, 0, 0, 0, 4, 0x65, 0x88, 0x84, 0x21],
                        _ => &[0x27, 1, 0, 0, 0, 0, 0, 0, 4, 0x41, 0x9A, 0x24, 0x6C],
                    };
                    self.push_video(body);
                }
                let before = self.clock;
                self.clock = self.clock.wrapping_add(SOUND_STEP as u32);
                self.wrapped |= before > self.clock;
                self.sent += SOUND_STEP;
            }
        }
    }

    fn push_video(&mut self, body: &[u8]) {
        let (timestamp, payload) = (self.clock, Bytes::copy_from_slice(body));
        self.push(&Media::Video { timestamp, payload });
    }

    fn push_audio(&mut self, body: &[u8]) {
        let (timestamp, payload) = (self.clock, Bytes::copy_from_slice(body));
        self.push(&Media::Audio { timestamp, payload });
    }

    fn push(&mut self, media: &Media) {
        for item in self.demuxer.push(media) {
            match item.expect("what encoders send") {
                Item::Frame(frame) => self.publisher.push(frame).expect("a hub that takes frames"),
                Item::Track(track) => self.publisher.announce(&track),
                _ => {}
            }
        }
        while let Some(Some(Delivery::Item(frame))) = self.frames.next().now_or_never() {
            let now = start() + frame.dts.since(Timestamp::ZERO);
            let news = self.packager.push(&frame, now);
            let closely = self.sent < self.closely_until;
            if news && (closely || self.sent >= self.next_look) {
                self.next_look = self.sent + NOW_AND_THEN;
                self.watched.look(&self.packager);
            }
        }
    }

    /// All of the heap, less what the judges remember, which is nothing of old.
    fn held_bytes(&mut self) -> usize {
        self.watched.forget();
        let stats = ALLOCATOR.stats();
        stats
            .bytes_allocated
            .saturating_sub(stats.bytes_deallocated)
    }

    fn end(mut self) -> Watched {
        self.packager
            .end(start() + Duration::from_millis(self.sent.unsigned_abs()));
        self.watched.look(&self.packager);
        self.watched.wrapped = self.wrapped;
        self.watched
    }
}

impl Watched {
    fn look(&mut self, packager: &Packager) {
        self.looks += 1;
        for name in PLAYLISTS {
            if let Some(text) = fetch(packager, name) {
                let judge = self
                    .playlists
                    .entry(name)
                    .or_insert_with(|| hls::Judge::new(name));
                judge.see(&text);
            }
        }
        if let Some(text) = fetch(packager, "manifest.mpd")
            && text != self.mpd.text()
        {
            self.mpd.see(&text);
        }
    }

    fn forget(&mut self) {
        for judge in self.playlists.values_mut() {
            judge.forget();
        }
        self.mpd.forget();
    }

    fn complaints(&self) -> Vec<String> {
        let playlists = self.playlists.values().flat_map(hls::Judge::complaints);
        playlists.chain(self.mpd.complaints()).cloned().collect()
    }

    fn segments(&self) -> u64 {
        let last = self
            .playlists
            .values()
            .filter_map(|judge| judge.last()?.segments.last());
        last.map(|last| last.sequence - 999).min().unwrap_or(0)
    }

    fn runs(&self) -> u64 {
        let last = self
            .playlists
            .values()
            .filter_map(|judge| judge.last()?.segments.last());
        last.map(|last| last.discontinuity_sequence + 1)
            .max()
            .unwrap_or(0)
    }
}

fn fetch(packager: &Packager, name: &str) -> Option<String> {
    let file = packager
        .outputs()
        .file(name, Reload::default())
        .now_or_never()?;
    let body = file.ok()?.body;
    Some(String::from_utf8(body.to_vec()).expect("a manifest in UTF-8"))
}

/// 2026-01-01T00:00:00Z.
fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

const PLAYLISTS: [&str; 3] = ["live.m3u8", "cmaf/video.m3u8", "cmaf/audio.m3u8"];

const HOUR: i64 = 3_600_000;

/// The clock wraps in the seventh hour, in the middle of a group of pictures.
const FIRST_TIME: u32 = u32::MAX - 6 * HOUR as u32 - 1_234_567;

/// Hours, and by how much the clock jumps at their beginning: ahead, back, and by an hour.
const JUMPS: [(u32, i32); 3] = [(9, 20_000), (14, -300_000), (19, HOUR as i32)];

/// AAC of 8 kHz: 1,024 samples.
const SOUND_STEP: i64 = 128;

/// Of a picture: about four a second.
const PICTURE_STEP: i64 = 2 * SOUND_STEP;

const GROUP: i64 = 16 * SOUND_STEP;

/// Less than what a playlist lists, so that each segment is seen at least once.
const NOW_AND_THEN: i64 = 15_000;

const CLOSELY: i64 = 60_000;

/// What the heap may differ by from one hour to another, of some 1.4 MiB: the window may stand anywhere between two segments.
const FLAT: usize = 64 << 10;
