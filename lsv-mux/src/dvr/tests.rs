use std::collections::BTreeMap;

use bytes::Bytes;
use futures::FutureExt;
use lsv_core::channel::Moment;
use lsv_core::hub::Settings;
use lsv_core::media::MediaFrame;
use lsv_core::path::ChannelId;
use lsv_core::ports::ObjectName;
use lsv_core::time::Timestamp;

use super::*;
use crate::encrypt::ContentKeys;
use crate::packager::{self, Packager};
use crate::record::tests::Store;
use crate::segmenter::synthetic::{Source, base};
use crate::window::{FileError, Opened, Reload, Skip};

mod clips;
mod day;
mod streams;

/// A stream with a time-shift window, and the same stream with all of its segments in memory, which has to look the same.
pub(crate) struct Live {
    pub(crate) store: Store,
    pub(crate) dvr: Dvr,
    pub(crate) archive: Archive,
    pub(crate) packager: Packager,
    pub(crate) reference: Packager,
    settings: Settings,
    /// Every segment that was ever listed, by its name.
    seen: BTreeMap<String, Bytes>,
}

impl Live {
    pub(crate) fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let config = Config {
            grace: Some(Duration::ZERO),
            ..Config::default()
        };
        Self::with(config, change)
    }

    pub(crate) fn with(config: Config, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        (settings.cmaf, settings.list_size) = (true, 3);
        settings.dvr_window = Some(Duration::from_secs(60));
        change(&mut settings);
        let store = Store::default();
        let dvr = Dvr::new(Arc::new(store.clone()), config);
        let path = StreamPath::source(ChannelId::parse("cam").expect("an id"));
        let archive = dvr.open(&path, base());
        tokio::spawn(archive.clone().run());
        let packager = |settings: &Settings| {
            let keys =
                ContentKeys::derive(&lsv_auth::Secret::new("secret").expect("a secret"), "cam");
            Packager::new(&packager::Config::default(), settings, 1000, base())
                .with_keys(keys, base())
        };
        let mut all = settings.clone();
        (all.list_size, all.dvr_window) = (100_000, None);
        Self {
            packager: packager(&settings).with_archive(archive.clone(), base()),
            reference: packager(&all),
            seen: BTreeMap::new(),
            store,
            dvr,
            archive,
            settings,
        }
    }

    pub(crate) fn configure(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
        let now = base();
        self.packager.configure(&self.settings, now);
    }

    pub(crate) async fn push(&mut self, frames: &[MediaFrame]) {
        for frame in frames {
            let now = base() + frame.dts.since(Timestamp::ZERO);
            self.reference.push(frame, now);
            if self.packager.push(frame, now) {
                settle().await;
                self.look();
            }
        }
    }

    /// Notes what is new.
    fn look(&mut self) {
        for (playlist, folder) in PLAYLISTS {
            let Some(text) = text(&self.packager, playlist, Reload::default()) else {
                continue;
            };
            for name in media(&text) {
                let name = format!("{folder}{name}");
                if !self.seen.contains_key(&name) {
                    let bytes = fetch(&self.packager, &name).expect("what is listed");
                    self.seen.insert(name, bytes);
                }
            }
        }
    }

    /// Makes the reference list as many segments as `live.m3u8` does.
    pub(crate) fn cut_reference(&mut self) {
        let count = segments(&self.text("live.m3u8"));
        let mut all = self.settings.clone();
        (all.list_size, all.dvr_window) = (count, None);
        self.reference.configure(&all, base());
    }

    pub(crate) fn text(&self, name: &str) -> String {
        text(&self.packager, name, Reload::default()).unwrap_or_else(|| panic!("no {name}"))
    }

    /// Every playlist is that of the reference, and every segment in it is there as it was.
    fn check(&mut self) {
        self.cut_reference();
        if self.settings.key_rotation.is_none() {
            let theirs =
                text(&self.reference, "manifest.mpd", Reload::default()).expect("a manifest");
            let ours = self.text("manifest.mpd");
            assert_eq!(comparable(&ours), comparable(&theirs));
            let names = dash_names(&ours);
            assert!(names.len() > 20, "{ours}");
            for name in &names {
                let theirs = fetch(&self.reference, name).expect("a segment");
                assert_eq!(fetch(&self.packager, name), Ok(theirs), "{name}");
            }
        }
        for (playlist, folder) in PLAYLISTS {
            let ours = self.text(playlist);
            let theirs = text(&self.reference, playlist, Reload::default()).expect("a playlist");
            let lines = |text: &str| -> Vec<String> {
                let lines = text.lines().map(str::to_owned);
                lines
                    .filter(|line| !line.contains("SERVER-CONTROL"))
                    .collect()
            };
            for (our, their) in lines(&ours).iter().zip(&lines(&theirs)) {
                assert_eq!(our, their, "{playlist}\n{ours}\n{theirs}");
            }
            assert_eq!(lines(&ours).len(), lines(&theirs).len());
            for name in media(&ours) {
                let name = format!("{folder}{name}");
                assert_eq!(
                    fetch(&self.packager, &name).as_ref(),
                    Ok(&self.seen[&name]),
                    "{name}"
                );
            }
        }
    }
}

/// The segments of a manifest, without those that grow.
fn dash_names(mpd: &str) -> Vec<String> {
    let value = |line: &str, name: &str| {
        let (_, value) = line.split_once(&format!(" {name}=\""))?;
        Some(value.split_once('"')?.0.to_owned())
    };
    let (mut names, mut template, mut time) = (Vec::new(), String::new(), 0);
    for line in mpd.lines() {
        template = value(line, "media").unwrap_or(template);
        if line.trim_start().starts_with("<S ") {
            let number = |name| value(line, name)?.parse::<u64>().ok();
            time = number("t").unwrap_or(time);
            names.push(template.replace("$Time$", &time.to_string()));
            time += number("d").expect("a duration");
        }
        if line.contains("</SegmentTimeline>") && !mpd.contains("static") {
            names.pop();
        }
    }
    names
}

/// A manifest without what depends on how it is kept.
fn comparable(mpd: &str) -> Vec<String> {
    let mut lines: Vec<String> = mpd.lines().map(str::to_owned).collect();
    for line in &mut lines {
        for attribute in [
            " bandwidth=\"",
            " timeShiftBufferDepth=\"",
            " suggestedPresentationDelay=\"",
            " frameRate=\"",
        ] {
            if let Some((before, value)) = line.split_once(attribute) {
                let after = value.split_once('"').map_or("", |(_, after)| after);
                *line = format!("{before}{after}");
            }
        }
    }
    lines
}

pub(crate) fn text(packager: &Packager, name: &str, reload: Reload) -> Option<String> {
    let file = packager.outputs().file(name, reload).now_or_never()?;
    Some(String::from_utf8(file.ok()?.body.to_vec()).expect("text"))
}

fn fetch(packager: &Packager, name: &str) -> Result<Bytes, FileError> {
    let file = packager.outputs().file(name, Reload::default());
    let file = file
        .now_or_never()
        .unwrap_or_else(|| panic!("{name} is waited for"));
    file.map(|file| file.body.to_bytes())
}

/// The segments of a playlist, without gaps.
fn media(playlist: &str) -> Vec<&str> {
    let mut is_gap = false;
    let mut media = Vec::new();
    for line in playlist.lines() {
        match line {
            "#EXT-X-GAP" => is_gap = true,
            name if !name.starts_with('#') && !std::mem::take(&mut is_gap) => media.push(name),
            _ => {}
        }
    }
    media
}

pub(crate) fn segments(playlist: &str) -> usize {
    playlist.matches("#EXTINF").count()
}

/// Lets the archive do what it can.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// The names of what is kept of each kind, without what they all begin with.
fn kept(store: &Store, kind: &str) -> Vec<String> {
    let prefix = format!("dvr/cam/1767225600000-{kind}-");
    let names = store.names().into_iter();
    let names = names.filter_map(|name| Some(name.strip_prefix(&prefix)?.to_owned()));
    names.collect()
}

#[tokio::test(start_paused = true)]
async fn playlists_go_back_over_the_window_and_everything_in_them_is_there() {
    let mut live = Live::new(|_| {});
    live.push(&Source::default().frames(100_500)).await;
    let playlist = live.text("live.m3u8");
    assert_eq!(segments(&playlist), 30);
    assert!(
        playlist.contains("#EXT-X-MEDIA-SEQUENCE:1020\n"),
        "{playlist}"
    );
    live.check();
    // The store has what is listed, and nothing else.
    for (kind, suffix) in [("ts", "ts"), ("video", "m4s"), ("audio", "m4s")] {
        let expected: Vec<String> = (1020..1050).map(|n| format!("{n}.{suffix}")).collect();
        assert_eq!(kept(&live.store, kind), expected);
    }
    assert_eq!(live.store.names().len(), 90);
    for gone in ["ts/1019.ts", "cmaf/video-1019.m4s", "cmaf/audio-1019.m4s"] {
        assert_eq!(fetch(&live.packager, gone), Err(FileError::NotFound));
    }
    assert!(matches!(
        live.packager.outputs().open("ts/1020.ts", Reload::default()).await,
        Ok(Opened::Stored(stored)) if stored.etag() == "\"ts-1020\"" && stored.content_type() == "video/mp2t"
    ));
    live.archive.close();
    settle().await;
    assert_eq!(live.store.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_listed_any_more_stays_for_those_who_have_an_older_playlist() {
    let config = Config {
        grace: Some(Duration::from_secs(10)),
        ..Config::default()
    };
    let mut live = Live::with(config, |_| {});
    live.push(&Source::default().frames(100_500)).await;
    let playlist = live.text("live.m3u8");
    assert!(
        playlist.contains("#EXT-X-MEDIA-SEQUENCE:1020\n"),
        "{playlist}"
    );
    live.check();
    for (number, is_there) in [(1014, false), (1015, true), (1019, true)] {
        for name in [
            format!("ts/{number}.ts"),
            format!("cmaf/video-{number}.m4s"),
        ] {
            assert_eq!(fetch(&live.packager, &name).is_ok(), is_there, "{name}");
        }
    }
    assert_eq!(live.store.names().len(), 105);
}

/// A segment that left the playlist stays for as long as the longest playlist that had it lasts (RFC 8216bis §6.2.2).
#[tokio::test(start_paused = true)]
async fn who_follows_an_old_playlist_finds_everything_in_it() {
    for key_rotation in [None, std::num::NonZeroU32::new(4)] {
        let mut live = Live::with(Config::default(), |settings| {
            settings.key_rotation = key_rotation
        });
        let frames = Source::default().frames(171_000);
        let at =
            |seconds: i64| frames.partition_point(|frame| frame.dts.as_millis() < seconds * 1000);
        live.push(&frames[..at(101)]).await;
        let mut names = Vec::new();
        for (playlist, folder) in PLAYLISTS {
            let text = live.text(playlist);
            let keys = text.lines().filter_map(|line| {
                let (_, rest) = line.split_once(",URI=\"")?;
                rest.split_once('"').map(|(uri, _)| uri)
            });
            let keys = keys.filter(|uri| uri.contains("key/"));
            let headers = text.lines().filter_map(|line| {
                let rest = line.strip_prefix("#EXT-X-MAP:URI=\"")?;
                rest.split_once('"').map(|(uri, _)| uri)
            });
            let files = media(&text).into_iter().chain(keys).chain(headers);
            names.extend(files.map(|uri| match uri.strip_prefix("../") {
                Some(above) => above.to_owned(),
                None => format!("{folder}{uri}"),
            }));
        }
        if key_rotation.is_none() {
            names.extend(dash_names(&live.text("manifest.mpd")));
        }
        assert!(names.len() >= 93, "{names:?}");
        // The last moment at which the oldest one may be asked for.
        live.push(&frames[at(101)..at(164)]).await;
        assert!(
            live.text("live.m3u8")
                .contains("#EXT-X-MEDIA-SEQUENCE:1051\n")
        );
        for name in &names {
            assert!(fetch(&live.packager, name).is_ok(), "{name}");
        }
        live.push(&frames[at(164)..]).await;
        let oldest = fetch(&live.packager, "ts/1020.ts");
        assert_eq!(oldest, Err(FileError::NotFound));
    }
}

#[tokio::test(start_paused = true)]
async fn breaks_and_new_headers_cross_the_seam() {
    let mut live = Live::new(|_| {});
    let mut start = 0;
    // Runs of many lengths, some with other tracks: some lie in the store, some in memory, some in both.
    for (epoch, length) in [9_000, 31_000, 4_500, 9_000, 17_000, 3_000, 21_000, 6_000]
        .into_iter()
        .enumerate()
    {
        let of_kind = match epoch % 3 {
            1 => Source::video_only(),
            _ => Source::default(),
        };
        let source = Source {
            epoch: epoch as u32,
            start,
            ..of_kind
        };
        live.push(&source.frames(length)).await;
        start += length + 1_500;
        if epoch > 1 {
            assert!(live.text("live.m3u8").contains("#EXT-X-DISCONTINUITY\n"));
        }
    }
    assert!(live.text("cmaf/audio.m3u8").contains("#EXT-X-GAP\n"));
    assert!(
        live.text("cmaf/video.m3u8")
            .contains("#EXT-X-DISCONTINUITY-SEQUENCE:")
    );
    live.check();
}

#[tokio::test(start_paused = true)]
async fn keys_are_given_out_as_long_as_they_are_listed() {
    let mut live = Live::new(|settings| settings.key_rotation = std::num::NonZeroU32::new(4));
    let frames = Source::default().frames(140_500);
    let half = frames.partition_point(|frame| frame.dts.as_millis() < 100_500);
    live.push(&frames[..half]).await;
    live.check();
    let playlist = live.text("live.m3u8");
    let keys: Vec<&str> = playlist
        .lines()
        .filter_map(|line| line.strip_prefix("#EXT-X-KEY:METHOD=AES-128,URI=\""))
        .map(|rest| rest.trim_end_matches('"'))
        .collect();
    assert_eq!(keys.len(), 8, "{playlist}");
    for key in &keys {
        assert_eq!(fetch(&live.packager, key).unwrap().len(), 16, "{key}");
    }
    assert_eq!(fetch(&live.packager, "key/1016"), Err(FileError::NotFound));
    live.push(&frames[half..]).await;
    assert_eq!(fetch(&live.packager, keys[0]), Err(FileError::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_delta_update_leaves_out_what_is_in_the_store() {
    let mut live = Live::new(|_| {});
    let delta = Reload {
        skip: Skip::Segments,
        ..Reload::default()
    };
    live.push(&Source::default().frames(60_500)).await;
    for playlist in ["live.m3u8", "cmaf/video.m3u8"] {
        let whole = live.text(playlist);
        let delta = text(&live.packager, playlist, delta).unwrap();
        let skipped = delta.split_once("#EXT-X-SKIP:SKIPPED-SEGMENTS=").unwrap().1;
        let (skipped, rest) = skipped.split_once('\n').unwrap();
        // Twelve seconds stay.
        assert_eq!(skipped, "24", "{playlist}");
        assert_eq!(segments(&delta), segments(&whole) - 24);
        assert!(whole.ends_with(rest), "{playlist}\n{delta}");
    }
}

/// Segments of 2.5 s are told as 3 s: seven of them, which a short list keeps in memory, end in front of the skip boundary.
#[tokio::test(start_paused = true)]
async fn a_delta_update_leaves_something_out_wherever_it_is_said_so() {
    let mut live = Live::new(|_| {});
    let delta = Reload {
        skip: Skip::Segments,
        ..Reload::default()
    };
    let source = Source {
        fps_millis: 24_000,
        gop: 60,
        ..Source::default()
    };
    live.push(&source.frames(80_500)).await;
    for playlist in ["live.m3u8", "cmaf/video.m3u8", "cmaf/audio.m3u8"] {
        let whole = live.text(playlist);
        assert!(whole.contains(",CAN-SKIP-UNTIL=18,"), "{whole}");
        assert_eq!(segments(&whole), 24, "{playlist}");
        let delta = text(&live.packager, playlist, delta).unwrap();
        assert!(
            delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=16\n"),
            "{delta}"
        );
        assert_eq!(segments(&delta), 8, "{playlist}");
    }
    live.check();
}

#[tokio::test(start_paused = true)]
async fn what_the_store_would_not_take_is_a_gap_and_nobody_waits() {
    let config = Config {
        queue_bytes: 100_000,
        grace: Some(Duration::ZERO),
        ..Config::default()
    };
    let mut live = Live::with(config, |_| {});
    let frames = Source::default().frames(160_000);
    let at = |seconds: i64| frames.partition_point(|frame| frame.dts.as_millis() < seconds * 1000);
    live.push(&frames[..at(40)]).await;
    live.store.set_away(true);
    live.push(&frames[at(40)..at(41)]).await;
    for frame in &frames[at(41)..at(90)] {
        let now = base() + frame.dts.since(Timestamp::ZERO);
        live.packager.push(frame, now);
    }
    // The window holds what waits, as much as may wait, and goes on.
    assert!(
        live.packager.outputs().size() < 700_000,
        "{}",
        live.packager.outputs().size()
    );
    assert!(live.text("live.m3u8").contains("ts/1043.ts"));
    live.store.set_away(false);
    tokio::time::sleep(Duration::from_secs(60)).await;
    for frame in &frames[at(90)..at(98)] {
        let now = base() + frame.dts.since(Timestamp::ZERO);
        live.packager.push(frame, now);
        settle().await;
    }
    let playlist = live.text("live.m3u8");
    let gaps = playlist.matches("#EXT-X-GAP\n").count();
    assert!((5..25).contains(&gaps), "{gaps}\n{playlist}");
    // What is no gap is there.
    let there = media(&playlist);
    let names = playlist.lines().filter(|line| !line.starts_with('#'));
    for name in names {
        assert_eq!(
            fetch(&live.packager, name).is_ok(),
            there.contains(&name),
            "{name}"
        );
    }
    let numbers: Vec<u64> = playlist
        .lines()
        .filter_map(|line| line.strip_prefix("ts/")?.strip_suffix(".ts")?.parse().ok())
        .collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
    // Once it is over, nothing is left of it: neither gaps nor objects without an entry.
    for frame in &frames[at(98)..] {
        let now = base() + frame.dts.since(Timestamp::ZERO);
        live.packager.push(frame, now);
        settle().await;
    }
    assert!(!live.text("live.m3u8").contains("#EXT-X-GAP"));
    assert_eq!(live.store.names().len(), 90);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_holds_nobody_up() {
    let config = Config {
        queue_bytes: 100_000,
        grace: Some(Duration::ZERO),
        ..Config::default()
    };
    let mut live = Live::with(config, |_| {});
    live.store.set_stalled(true);
    for frame in Source::default().frames(300_000) {
        let now = base() + frame.dts.since(Timestamp::ZERO);
        live.packager.push(&frame, now);
        tokio::task::yield_now().await;
    }
    assert!(
        live.packager.outputs().size() < 700_000,
        "{}",
        live.packager.outputs().size()
    );
    tokio::time::sleep(Duration::from_secs(120)).await;
    let playlist = live.text("live.m3u8");
    assert!(playlist.ends_with("ts/1148.ts\n"), "{playlist}");
    live.archive.close();
}

#[tokio::test(start_paused = true)]
async fn the_window_follows_its_setting() {
    let mut live = Live::new(|settings| settings.dvr_window = None);
    let frames = Source::default().frames(150_000);
    let at = |seconds: i64| frames.partition_point(|frame| frame.dts.as_millis() < seconds * 1000);
    live.push(&frames[..at(40)]).await;
    assert_eq!(segments(&live.text("live.m3u8")), 3);
    assert_eq!(live.store.names(), [""; 0]);
    live.configure(|settings| settings.dvr_window = Some(Duration::from_secs(60)));
    // What was still in memory counts.
    assert_eq!(segments(&live.text("live.m3u8")), 7);
    live.push(&frames[at(40)..at(100)]).await;
    assert_eq!(segments(&live.text("live.m3u8")), 30);
    live.check();
    live.configure(|settings| settings.dvr_window = Some(Duration::from_secs(20)));
    settle().await;
    assert_eq!(segments(&live.text("live.m3u8")), 10);
    assert_eq!(kept(&live.store, "ts").len(), 10);
    live.configure(|settings| settings.dvr_window = Some(Duration::from_secs(5)));
    assert_eq!(segments(&live.text("live.m3u8")), 3);
    live.configure(|settings| settings.dvr_window = None);
    settle().await;
    assert_eq!(segments(&live.text("live.m3u8")), 3);
    assert_eq!(live.store.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_process_left_is_deleted_and_nothing_else() {
    let mut live = Live::new(|_| {});
    live.push(&Source::default().frames(30_500)).await;
    let ours = live.store.names();
    let other = |name: &str| ObjectName::parse(name).unwrap();
    for name in [
        "dvr/cam/1767225500000-ts-17.ts",
        "dvr/cam/360p/1767225600000-ts-17.ts",
        "dvr/gone/1767225600000-ts-17.ts",
        "dvr/stray",
        "record/cam/mp4/1767225500000-ts-17.ts",
        "dvrs/cam/1767225500000-ts-17.ts",
    ] {
        live.dvr
            .store
            .put(&other(name), Bytes::new())
            .await
            .unwrap();
    }
    live.dvr.sweep().await.unwrap();
    let mut expected = ours;
    expected.extend(
        [
            "dvrs/cam/1767225500000-ts-17.ts",
            "record/cam/mp4/1767225500000-ts-17.ts",
        ]
        .map(str::to_owned),
    );
    assert_eq!(live.store.names(), expected);
}

#[tokio::test]
async fn what_nodes_left_that_are_gone_is_deleted_when_nobody_can_list_it() {
    let store = Store::default();
    let mut config = Config::default();
    (config.folder, config.shared) = ("dvr/one".to_owned(), Some("dvr".to_owned()));
    let dvr = Dvr::new(Arc::new(store.clone()), config);
    let kept = [
        "dvr/one/cam/1-ts-1.ts",
        "dvrs/1-ts-1.ts",
        "record/cam/a.mp4",
    ];
    let gone = (0..2_500).map(|number| format!("dvr/two/cam/1-ts-{number}.ts"));
    let gone = gone.chain(["dvr/cam/1-ts-1.ts".to_owned()]);
    let all = kept.into_iter().map(str::to_owned).chain(gone);
    for name in all {
        let name = ObjectName::parse(&name).unwrap();
        store.put(&name, Bytes::new()).await.unwrap();
    }
    let count = || store.names().len();
    // All are as old as time itself.
    let old = Moment::EPOCH.plus(keeper::LONGEST_WINDOW * 2 + keeper::MARGIN);
    let before = Moment::from_unix(old.unix() - 1);
    let next = dvr.sweep_others(None, 5, before).await.unwrap();
    assert_eq!((next, count()), (None, 2_504));
    // So much at a time, from where the last one came to.
    let next = dvr.sweep_others(None, 2, old).await.unwrap();
    assert!(next.is_some());
    assert_eq!(count(), 505);
    let next = dvr.sweep_others(next, 2, old).await.unwrap();
    assert_eq!(next, None);
    assert_eq!(store.names(), kept);
    // Nobody else's is touched where nobody else is known of.
    let alone = Dvr::new(Arc::new(store.clone()), Config::default());
    alone.sweep_others(None, 2, old).await.unwrap();
    assert_eq!(store.names(), kept);
}

const PLAYLISTS: [(&str, &str); 3] = [
    ("live.m3u8", ""),
    ("cmaf/video.m3u8", "cmaf/"),
    ("cmaf/audio.m3u8", "cmaf/"),
];
