//! Hostile frames through the segmenter and its window, down to every playlist.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lsv_core::codec::avc;
use lsv_core::hub::Settings;
use lsv_core::media::{Codec, Kind, MediaFrame, Track, TrackName, Tracks};
use lsv_core::time::Timestamp;
use lsv_core::wire::{Reader, Truncated};

use crate::playlist::{hls, low_latency, master, mpd};
use crate::segmenter::{Options, Segment, Segmenter};
use crate::window::body::Text;
use crate::window::snapshot::Snapshot;
use crate::window::{Limits, Skip, Window};

/// Any frames in any order at any time: segments number on, do not overlap and stay within their bounds, and playlists
/// keep what they promise.
pub fn segmenter(data: &[u8]) {
    let mut reader = Reader::new(data);
    let mut script = Script::new();
    let mut packaged = Packaged::new();
    while let Ok(step) = script.next(&mut reader) {
        match step {
            Step::Frame(frame) => packaged.push(&frame),
            Step::Announce => packaged.segmenter.announce(&script.tracks()),
            Step::Interrupt => packaged.segmenter.interrupt(),
            Step::Configure(settings) => packaged.configure(&settings),
        }
    }
    packaged.end();
}

enum Step {
    Frame(MediaFrame),
    Announce,
    Interrupt,
    Configure(Box<Settings>),
}

/// Reads noise as what a publisher and an operator do.
struct Script {
    /// Two configurations of the pictures, two sounds, and script data.
    tracks: Vec<Arc<Track>>,
    at: Timestamp,
    epoch: u32,
}

impl Script {
    fn new() -> Self {
        let Tracks { video, audio, .. } = super::tracks();
        let mut record = super::AVC_RECORD.to_vec();
        if let Some(level) = record.get_mut(3) {
            *level += 1;
        }
        let other = avc::Config::parse(record.into()).ok();
        let other = other.map(|config| Arc::new(Track::new(Kind::Video, Codec::Avc(config))));
        let beside = audio
            .as_deref()
            .map(|audio| Arc::new(audio.clone().with_id(1)));
        let script = Arc::new(Track::new(Kind::Data, Codec::Data));
        Self {
            tracks: [video, other, audio, beside, Some(script)]
                .into_iter()
                .flatten()
                .collect(),
            at: Timestamp::ZERO,
            epoch: 0,
        }
    }

    fn tracks(&self) -> Tracks {
        let mut tracks = Tracks::default();
        self.tracks.iter().for_each(|track| tracks.set(track));
        tracks
    }

    /// A byte of flags, and what they ask for: the time, how it is shown, and the length of the payload.
    fn next(&mut self, reader: &mut Reader<'_>) -> Result<Step, Truncated> {
        let flags = reader.u8()?;
        let Some(track) = self.tracks.get(usize::from(flags & 7)).cloned() else {
            return self.control(reader);
        };
        match flags & 0x10 {
            0 => self.at = self.at + Duration::from_millis(u64::from(reader.u8()?) * 2),
            _ => self.at = Timestamp::from_nanos(reader.u64()? as i64),
        }
        let length = usize::from(reader.u8()?) * if flags & 0x20 != 0 { 64 } else { 1 };
        let mut frame = MediaFrame::new(&track, self.at, vec![flags; length].into());
        if flags & 0x80 != 0 {
            frame.composition = Timestamp::from_millis(i64::from(reader.u32()? as i32));
        }
        if flags & 0x40 != 0 {
            let unit = (length as u32).to_be_bytes();
            frame.payload = Bytes::from([&unit[..], &frame.payload].concat());
        }
        frame.key = flags & 8 != 0;
        frame.is_default = track.id == 0;
        frame.epoch = self.epoch;
        Ok(Step::Frame(frame))
    }

    fn control(&mut self, reader: &mut Reader<'_>) -> Result<Step, Truncated> {
        let what = reader.u8()?;
        Ok(match what & 3 {
            0 => Step::Announce,
            1 => Step::Interrupt,
            2 => {
                self.epoch = self.epoch.wrapping_add(1);
                Step::Announce
            }
            _ => {
                let mut settings = Settings::default();
                (settings.hls, settings.cmaf) = (what & 4 != 0, what & 8 != 0);
                settings.segment = Duration::from_secs(u64::from(what >> 4) + 1);
                settings.list_size = 3;
                Step::Configure(Box::new(settings))
            }
        })
    }
}

struct Packaged {
    segmenter: Segmenter,
    window: Window,
    now: SystemTime,
    last: Option<Arc<Segment>>,
    target_duration: u64,
}

impl Packaged {
    fn new() -> Self {
        let mut settings = Settings::default();
        settings.cmaf = true;
        let options = Options {
            segment_bytes: SEGMENT_BYTES,
            ..Options::default()
        };
        let limits = Limits {
            bytes: WINDOW_BYTES,
            ..Limits::default()
        };
        let now = SystemTime::UNIX_EPOCH;
        Self {
            window: Window::new(limits, &settings, options.part_target, now),
            segmenter: Segmenter::new(options, &settings),
            now,
            last: None,
            target_duration: 0,
        }
    }

    fn configure(&mut self, settings: &Settings) {
        self.segmenter.configure(settings);
        self.window.configure(settings);
    }

    fn push(&mut self, frame: &MediaFrame) {
        self.now += Duration::from_millis(10);
        if self.segmenter.push(frame, self.now) {
            let snapshot = self.window.update(&mut self.segmenter, self.now);
            self.check(&snapshot);
        }
    }

    fn end(mut self) {
        let snapshot = self.window.end(&mut self.segmenter, self.now);
        self.check(&snapshot);
    }

    fn check(&mut self, snapshot: &Snapshot) {
        let news = self.last.as_ref().map_or(0, |last| last.sequence + 1);
        let oldest = snapshot.segments.first();
        if oldest.is_some_and(|oldest| oldest.sequence > news) {
            // One frame ended a wait and closed more segments than the window keeps.
            self.last = None;
        }
        for segment in snapshot.segments.iter() {
            if segment.sequence >= news {
                check_segment(self.last.as_deref(), segment);
                self.last = Some(Arc::clone(segment));
            }
        }
        let held: usize = snapshot.segments.iter().map(|segment| segment.size()).sum();
        let newest = snapshot.segments.last().map_or(0, |segment| segment.size());
        assert!(held <= WINDOW_BYTES.max(newest), "{held} bytes are held");
        if snapshot.target_known {
            assert!(
                snapshot.target_duration >= self.target_duration,
                "the target duration shrank"
            );
            self.target_duration = snapshot.target_duration;
        }
        check_playlists(snapshot);
    }
}

fn check_segment(last: Option<&Segment>, segment: &Segment) {
    assert!(!segment.duration.is_zero());
    // Script data of 64 KiB and a frame of 16 KiB, in each of two formats, come on top.
    assert!(segment.size() < 3 * SEGMENT_BYTES, "{}", segment.size());
    assert!(segment.events.len() <= 256);
    for rendition in &segment.renditions {
        let parts: u64 = rendition.parts.iter().map(|part| part.duration).sum();
        assert!(parts <= rendition.duration && rendition.samples > 0);
        let bytes: usize = rendition.parts.iter().map(|part| part.bytes.len()).sum();
        assert_eq!(bytes, rendition.bytes.len());
    }
    let Some(last) = last else {
        return;
    };
    assert_eq!(segment.sequence, last.sequence + 1, "numbers count on");
    assert_eq!(segment.discontinuity, segment.run.number != last.run.number);
    if segment.discontinuity {
        return;
    }
    for rendition in &segment.renditions {
        if let Some(before) = last.rendition(rendition.init.track.name()) {
            let end = before.base.saturating_add_unsigned(before.duration);
            assert!(rendition.base >= end, "{} overlaps {end}", rendition.base);
        }
    }
}

fn check_playlists(snapshot: &Snapshot) {
    let tracks: Vec<TrackName> = snapshot.cmaf_tracks().collect();
    let media = tracks
        .iter()
        .filter_map(|track| low_latency::render(snapshot, *track, Skip::Nothing));
    for playlist in media.chain(hls::render(snapshot, Skip::Nothing)) {
        check_media_playlist(&playlist.joined());
    }
    if let Some(master) = master::render(snapshot) {
        assert!(master.starts_with("#EXTM3U\n") && master.contains("#EXT-X-STREAM-INF:"));
    }
    if let Some(mpd) = mpd::render(snapshot).map(Text::joined) {
        assert!(
            mpd.ends_with("</MPD>\n") || mpd.ends_with("</MPD>"),
            "{mpd}"
        );
        assert!(!mpd.contains("NaN") && !mpd.contains("inf"), "{mpd}");
    }
}

fn check_media_playlist(playlist: &str) {
    assert!(playlist.starts_with("#EXTM3U\n"), "{playlist}");
    let value = |line: &str, tag: &str| {
        let rest = line.strip_prefix(tag)?;
        let end = rest.find([',', '\n']).unwrap_or(rest.len());
        rest.get(..end)?.parse::<f64>().ok()
    };
    let of = |tag: &'static str| playlist.lines().filter_map(move |line| value(line, tag));
    let target = of("#EXT-X-TARGETDURATION:").next();
    let target = target.unwrap_or_default();
    assert!((1.0..=300.0).contains(&target), "{playlist}");
    let longest = of("#EXTINF:").fold(0.0, f64::max);
    assert!(
        longest.round() <= target,
        "{longest} of {target}: {playlist}"
    );
    let segments = playlist.lines().filter(|line| line.starts_with("#EXTINF:"));
    assert_eq!(segments.count(), of("#EXTINF:").count(), "{playlist}");
    let part_target = playlist.split_once("PART-TARGET=");
    let part_target = part_target.and_then(|(_, rest)| value(rest, ""));
    let longest = of("#EXT-X-PART:DURATION=").fold(0.0, f64::max);
    assert!(longest <= part_target.unwrap_or(f64::MAX), "{playlist}");
}

const SEGMENT_BYTES: usize = 64 << 10;
const WINDOW_BYTES: usize = 256 << 10;
