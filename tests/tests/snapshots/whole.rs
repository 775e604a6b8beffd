//! All pictures and recordings of one channel of the real server: there, right, listed, played and deleted.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use lsv_tests::{
    Packets, Picture, Server, Told, eventually, probe, read, seconds, stream_key, watch_file,
};
use serde_json::{Value, json};

use crate::archive::{Archive, Kinds, track_seconds};
use crate::studio::Studio;

/// Of twelve seconds, or as many as `LSV_TEST_SECONDS` says: the durations of all pieces of each kind add up to the
/// source's, within a frame. `LSV_TEST_KEEP` names a folder for what is fetched, `LSV_TEST_STAY` the seconds that the server
/// stays for who wants to look at its pages.
#[tokio::test]
async fn all_kinds_of_one_channel() {
    let studio = Studio::open().await;
    let server = Server::start(&["--storage-class", "file=cold,on-demand=cold"]).await;
    let archive = Archive::of(&server);
    let told = Told::by(&server).await;
    let length = seconds(12);
    let pace = Pace::of(length);
    let channel = server.api().create(&pace.channel()).await;
    let none = reqwest::get(server.http("/cam/poster.jpg")).await;
    let none = none.expect("an answer");
    assert_eq!(none.status(), 404, "not live, and never was");

    let source = studio.folder.path().join("source.flv");
    let picture = Picture {
        preset: "veryfast",
        copy: Some(source.clone()),
        ..Picture::default()
    };
    let mut encoder = picture.push(&server.rtmp(&stream_key(&channel)));
    while_live(&studio, &server).await;
    tokio::time::sleep(Duration::from_secs(length)).await;
    encoder.signal(lsv_tests::Signal::TERM);
    encoder.ended().await;
    let kinds = archive.settled().await;

    let source = Source::of(&source).await;
    println!("the source: {:.3} s of pictures", source.video);
    files_add_up(&archive, &kinds, "file", &source).await;
    files_add_up(&archive, &kinds, "motion-clip", &source).await;
    session_adds_up(&studio, &archive, &kinds, &source).await;
    pictures_are_in_time(&studio, &archive, &kinds, &source, &pace).await;
    for recording in kinds.values().flatten() {
        let kind = recording["kind"].as_str().expect("a kind");
        let is_cold = matches!(kind, "file" | "on-demand") && archive.notes_classes();
        let class = if is_cold { "cold" } else { "hot" };
        assert_eq!(recording["storageClass"], class, "{recording}");
    }
    let count: usize = kinds.values().map(Vec::len).sum();
    told.hears("recording-written", count).await;
    told.hears("motion", kinds["motion-clip"].len()).await;

    // Not live any more: the last picture.
    let last = reqwest::get(server.http("/cam/poster.jpg")).await;
    assert_eq!(last.expect("an answer").status(), 200);
    if let Some(seconds) = std::env::var_os("LSV_TEST_STAY") {
        println!("{} for {seconds:?} s", server.http("/cam/vod/"));
        let seconds = seconds.to_str().and_then(|text| text.parse().ok());
        tokio::time::sleep(Duration::from_secs(seconds.expect("seconds"))).await;
    }
    archive.delete(&kinds).await;
}

/// Under a watermark other packets are recorded, of every picture: also the last ones, and where it comes.
#[tokio::test]
async fn recordings_under_a_watermark_add_up() {
    let studio = Studio::open().await;
    let server = Server::start(&[]).await;
    let archive = Archive::of(&server);
    let channel = json!({
        "id": "cam", "isVideo": true, "video_time": 5, "isOnDemand": true, "ondemand_time": 2,
        "isWaterMark": true, "WaterMarkText": "lsv",
    });
    let key = stream_key(&server.api().create(&channel).await);
    let source = studio.folder.path().join("source.flv");
    let picture = Picture {
        preset: "veryfast",
        copy: Some(source.clone()),
        ..Picture::default()
    };
    let mut encoder = picture.push(&server.rtmp(&key));
    let files = async || archive.listed().await.get("file").map_or(0, Vec::len);
    eventually("files", async || (files().await >= 3).then_some(())).await;
    encoder.signal(lsv_tests::Signal::TERM);
    encoder.ended().await;
    let kinds = archive.settled().await;
    let source = Source::of(&source).await;
    let (mut video, mut told) = (0.0, 0.0);
    for recording in of(&kinds, "file") {
        let file = archive.fetched(url(recording)).await;
        watch_file(&file).await;
        video += track_seconds(&file).await.0;
        told += recording["length"].as_f64().expect("seconds");
    }
    source.is_met(video, "files");
    source.is_met(told, "files as listed");
    let [session] = of(&kinds, "on-demand") else {
        panic!("one session: {kinds:?}");
    };
    source.is_met(session["length"].as_f64().expect("seconds"), "on demand");
}

/// How long the pieces of each kind are.
struct Pace {
    file: u64,
    segment: u64,
    image: u64,
    clip: u64,
}

impl Pace {
    fn of(length: u64) -> Self {
        match length > 60 {
            true => Self {
                file: 60,
                segment: 10,
                image: 10,
                clip: 60,
            },
            false => Self {
                file: 5,
                segment: 2,
                image: 2,
                clip: 5,
            },
        }
    }

    fn channel(&self) -> Value {
        json!({
            "id": "cam", "isVideo": true, "video_time": self.file, "isOnDemand": true,
            "ondemand_time": self.segment, "isImage": true, "image_time": self.image, "isMotion": true,
            "motion_percent": 1, "motion_diff": 5, "motion_duration": 1, "motion_timeout": self.clip,
        })
    }
}

/// What was sent, as the encoder kept it.
struct Source {
    packets: Packets,
    /// Seconds of pictures.
    video: f64,
}

impl Source {
    async fn of(file: &Path) -> Self {
        let packets = Packets::of(file).await;
        Self {
            video: packets.video.len() as f64 * FRAME,
            packets,
        }
    }

    fn is_met(&self, video: f64, label: &str) {
        let missing = self.video - video;
        println!("{label}: {video:.3} s, {:+.1} ms", -1000.0 * missing);
        assert!(missing.abs() < FRAME, "{label}: {video} s");
    }
}

/// Looks at what is there while the channel is live.
async fn while_live(studio: &Studio, server: &Server) {
    let poster = eventually("a poster", async || {
        let answer = reqwest::get(server.http("/cam/poster.jpg")).await.ok()?;
        (answer.status() == 200).then_some(answer)
    })
    .await;
    assert_eq!(poster.headers()["content-type"], "image/jpeg");
    let (size, _) = studio.look(&poster.bytes().await.expect("a body")).await;
    assert_eq!(size, "320x180");
    eventually("the tasks", async || {
        let session = server.api().read("/videostream/cam/session").await.json();
        let tasks = session["tasks"].to_string();
        (tasks.contains("snapshot") && tasks.contains("motion")).then_some(())
    })
    .await;
}

/// Every frame is in one of the files, and these are as long as the source.
async fn files_add_up(archive: &Archive<'_>, kinds: &Kinds, kind: &str, source: &Source) {
    let (mut video, mut told) = (0.0, 0.0);
    let mut packets = Packets::default();
    for recording in of(kinds, kind) {
        let file = archive.fetched(url(recording)).await;
        watch_file(&file).await;
        video += track_seconds(&file).await.0;
        told += recording["length"].as_f64().expect("seconds");
        let held = Packets::of(&file).await;
        packets.video.extend(held.video);
        packets.audio.extend(held.audio);
    }
    let count = kinds[kind].len();
    assert!(count >= 2, "{count} of {kind}");
    source.is_met(video, &format!("{count} of {kind}"));
    println!(
        "{kind}: {told:.3} s listed, {} of {} frames of sound",
        packets.audio.len(),
        source.packets.audio.len()
    );
    assert_eq!(packets.video, source.packets.video, "{kind}");
    packets.assert_part_of(&source.packets, 1, kind);
    // All but what is heard before the first picture.
    let missing = source.packets.audio.len() - packets.audio.len();
    assert!(missing as f64 * SOUND < FRAME, "{kind}: {missing} frames");
    assert!(
        (source.video - told).abs() < FRAME,
        "{kind}: {told} s listed"
    );
}

/// The playlist is as long as the source and holds its frames; small pictures show all of its time.
async fn session_adds_up(studio: &Studio, archive: &Archive<'_>, kinds: &Kinds, source: &Source) {
    let [session] = of(kinds, "on-demand") else {
        panic!("one session: {kinds:?}");
    };
    let url = url(session);
    assert_eq!(probe(url).await.len(), 2, "{url}");
    source.is_met(session["length"].as_f64().expect("seconds"), "on demand");
    let watched = read("on demand", &[], url).await;
    assert_eq!(watched.complaints, "");
    assert_eq!(watched.packets.video, source.packets.video);
    watched
        .packets
        .assert_part_of(&source.packets, 1, "on demand");

    let list = session["thumbnails"].as_str().expect("small pictures");
    let answer = reqwest::get(list).await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "text/vtt; charset=utf-8");
    let text = answer.text().await.expect("text");
    let cues: Vec<Cue> = text.split("\n\n").skip(1).map(Cue::read).collect();
    let expected = (source.video / 10.0).ceil() as usize;
    assert_eq!(cues.len(), expected, "one each ten seconds: {text}");
    let mut end = 0.0;
    for cue in &cues {
        assert_eq!(cue.start, end, "{text}");
        assert_eq!(cue.place[2..], [160, 90], "{text}");
        end = cue.end;
        let (folder, _) = list.rsplit_once('/').expect("a folder");
        let sheet = archive.fetched(&format!("{folder}/{}", cue.sheet)).await;
        let (size, _) = studio.look(&std::fs::read(sheet).expect("a sheet")).await;
        let (width, height) = size.split_once('x').expect("a size");
        let fits = |end: u32, side: &str| end <= side.parse::<u32>().expect("a side");
        let [left, top, ..] = cue.place;
        assert!(fits(left + 160, width) && fits(top + 90, height), "{size}");
    }
    source.is_met(end, &format!("{} small pictures", cues.len()));
}

/// A small picture of a session.
struct Cue {
    start: f64,
    end: f64,
    sheet: String,
    place: [u32; 4],
}

impl Cue {
    fn read(block: &str) -> Self {
        let (times, target) = block.trim_end().split_once('\n').expect("two lines");
        let (start, end) = times.split_once(" --> ").expect("two times");
        let (sheet, place) = target.split_once("#xywh=").expect("a place");
        let place = place.split(',').map(|side| side.parse().expect("pixels"));
        Self {
            start: clock(start),
            end: clock(end),
            sheet: sheet.to_owned(),
            place: place.collect::<Vec<_>>().try_into().expect("four numbers"),
        }
    }
}

/// Snapshots come each so often all along, and every picture is one.
async fn pictures_are_in_time(
    studio: &Studio,
    archive: &Archive<'_>,
    kinds: &Kinds,
    source: &Source,
    pace: &Pace,
) {
    for recording in of(kinds, "snapshot")
        .iter()
        .chain(of(kinds, "motion-snapshot"))
    {
        let file = archive.fetched(url(recording)).await;
        let (size, _) = studio.look(&std::fs::read(file).expect("a picture")).await;
        assert_eq!(size, "320x180");
    }
    assert_eq!(kinds["motion-snapshot"].len(), kinds["motion-clip"].len());
    let times: Vec<f64> = of(kinds, "snapshot").iter().map(taken).collect();
    let every = pace.image as f64;
    for pair in times.windows(2) {
        let gap = (pair[1] - pair[0]).rem_euclid(DAY);
        // To the next key frame at most.
        assert!((every - gap).abs() < 1.5, "{gap} s in {times:?}");
    }
    // Each stands for the time until the next: together for all of it, but for what comes before the first key frame.
    let count = (source.video / every).ceil() as usize;
    println!("{} of snapshot, each {every} s", times.len());
    assert_eq!(times.len(), count, "{times:?}");
}

/// When a snapshot was taken, in seconds of its day, as its name says.
fn taken(recording: &Value) -> f64 {
    let name = recording["name"].as_str().expect("a name");
    let (_, time) = name.rsplit_once('T').expect("a time in the name");
    let part = |range: Range<usize>| {
        let number = time.get(range).and_then(|text| text.parse::<f64>().ok());
        number.unwrap_or_else(|| panic!("{name}"))
    };
    part(0..2) * 3600.0 + part(2..4) * 60.0 + part(4..10)
}

fn of<'a>(kinds: &'a Kinds, kind: &str) -> &'a [Value] {
    let recordings = kinds.get(kind);
    recordings.unwrap_or_else(|| panic!("{kind} in {kinds:?}"))
}

fn url(recording: &Value) -> &str {
    recording["url"].as_str().expect("an address")
}

/// A time of WebVTT in seconds.
fn clock(text: &str) -> f64 {
    let parts = text
        .split(':')
        .map(|part| part.parse::<f64>().expect("a time"));
    parts.fold(0.0, |sum, part| sum * 60.0 + part)
}

/// Seconds that a picture is shown, and that a frame of sound lasts.
const FRAME: f64 = 0.04;
const SOUND: f64 = 1024.0 / 48_000.0;
const DAY: f64 = 86_400.0;
