//! Recordings: what is written is what was sent, whenever the writing ends.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use lsv_core::media::{MediaFrame, Track, Tracks};
use lsv_mux::flv::Recording;
use lsv_mux::mp4::recording::{Fragmenter, Index, Options};
use lsv_tests::{
    Packets, Picture, Process, Server, Signal, Viewer, eventually, ffprobe_seconds, files_below,
    flv, frames_of, probe, push_file, stream_key, watch_file,
};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

/// ffmpeg, which decodes every frame without a complaint, finds the packets of the clip in both forms of a recording.
#[tokio::test]
async fn both_forms_hold_the_very_packets() {
    let folder = TempDir::new().unwrap();
    let clip = folder.path().join("clip.flv");
    let frames = frames_with_b(&clip).await;
    let mut tracks: Vec<Arc<Track>> = Vec::new();
    for frame in &frames {
        if !tracks.iter().any(|track| track.kind == frame.kind()) {
            tracks.push(Arc::clone(&frame.track));
        }
    }
    tracks.sort_by_key(|track| track.kind);

    let mut fragmenter = Fragmenter::new(&tracks, Options::default()).unwrap();
    let mut index = Index::new(fragmenter.header());
    let mut grown = fragmenter.header().init().to_vec();
    let made = frames
        .iter()
        .filter_map(|frame| fragmenter.push(frame).unwrap());
    let mut fragments: Vec<_> = made.collect();
    fragments.extend(fragmenter.finish(None));
    for fragment in &fragments {
        grown.extend_from_slice(fragment.bytes());
        index.add(fragment);
    }
    let flat = index.flatten();
    let media = &grown[flat.media.start as usize..flat.media.end as usize];

    let sent = Packets::of(&clip).await;
    for (name, bytes) in [
        ("grown.mp4", &grown),
        ("flat.mp4", &[&flat.header, media].concat()),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        sent.assert_recorded(&file).await;
        let seconds = ffprobe_seconds(&file).await;
        assert!((6.95..7.15).contains(&seconds), "{name}: {seconds} s");
    }
}

/// ffmpeg finds the length and the key frames of a finished FLV file where its front says that they are.
#[tokio::test]
async fn an_flv_file_is_sought_in() {
    let folder = TempDir::new().unwrap();
    let clip = folder.path().join("clip.flv");
    let frames = frames_with_b(&clip).await;
    let mut tracks = Tracks::default();
    frames.iter().for_each(|frame| tracks.set(&frame.track));

    let mut grown = BytesMut::new();
    let mut recording = Recording::start(&tracks, &mut grown);
    for frame in &frames {
        recording.push(frame, &mut grown);
    }
    let finished = recording.finish();
    let tags = &grown[finished.tags.start as usize..finished.tags.end as usize];
    let bytes = [&finished.header[..], tags].concat();

    let file = folder.path().join("finished.flv");
    fs::write(&file, &bytes).unwrap();
    Packets::of(&clip).await.assert_recorded(&file).await;
    let seconds = ffprobe_seconds(&file).await;
    assert!((6.95..7.15).contains(&seconds), "{seconds} s");

    let path = file.to_str().unwrap();
    let entries = ["-v", "warning", "-select_streams", "v", "-of", "csv=p=0"];
    let packet = ["-show_entries", "packet=dts_time,pos,flags"];
    let line = [&entries[..], &packet, &["-read_intervals", "5.5%+#1", path]].concat();
    let mut ffprobe = Process::start("ffprobe", line);
    assert!(ffprobe.ended().await.success(), "{}", ffprobe.stderr());
    assert_eq!(ffprobe.stderr(), "");
    let said = ffprobe.stdout();
    let [at, place, flags] = said.trim().split(',').collect::<Vec<_>>()[..] else {
        panic!("{said}");
    };
    let (at, place): (f64, usize) = (at.parse().unwrap(), place.parse().unwrap());
    assert!(
        (3.0..=5.5).contains(&at) && flags.starts_with('K'),
        "{said}"
    );
    assert_eq!((bytes[place], bytes[place + 11]), (9, 0x17), "{said}");

    let line = ["-v", "warning", "-xerror", "-ss", "5.5", "-i", path];
    let mut player = Process::start("ffmpeg", [&line[..], &["-f", "null", "-"]].concat());
    assert!(player.ended().await.success(), "{}", player.stderr());
    assert_eq!(player.stderr(), "");
}

/// Twenty times at random moments: every file opens, no more than one fragment is lost, and the next start makes the
/// files whole.
#[tokio::test]
async fn a_killed_process_loses_one_fragment_at_most() {
    let folder = TempDir::new().unwrap();
    let clip = folder.path().join("clip.flv");
    Picture::default().encode(8, &clip).await;
    let data = folder.path().join("data");
    let objects = data.join("objects");
    let recorded = objects.join("record");
    let mut known = BTreeSet::new();
    let mut random = Random(0x005E_ED0F_4B11);
    let mut server = Server::start_in(&data, &[]).await;
    let channel = json!({
        "id": "gate", "isVideo": true, "video_time": 5, "isOnDemand": true, "ondemand_time": 4,
    });
    let key = stream_key(&server.api().create(&channel).await);
    for kill in 0..20 {
        let mut encoder = push_file(&clip, &server.rtmp(&key));
        let viewer = Viewer::open(&server.http("/gate/live.flv")).await;
        viewer.goes_on(1).await;
        tokio::time::sleep(Duration::from_millis(random.below(7_000))).await;
        // What a viewer has of the stream went by the recorder too.
        let seen = flv::tags(&viewer.got().body);
        let seen = f64::from(seen.iter().map(|tag| tag.timestamp).max().unwrap()) / 1000.0;
        server.kill().await;
        encoder.ended().await;

        let files = files_below(&recorded, ".mp4");
        let files: Vec<_> = files.into_iter().filter(|file| is_capture(file)).collect();
        let new = || files.iter().filter(|file| !known.contains(*file));
        let label = format!("kill {kill} at {seen} s");
        let mut seconds = 0.0;
        for file in new() {
            seconds += opened_seconds(file).await;
        }
        assert!(
            seconds >= seen - FRAGMENT,
            "{label}: {seconds} s in {:?}",
            new()
        );

        server = Server::start_in(&data, &[]).await;
        eventually("all recordings are whole", async || {
            let unfinished = files_below(&objects.join("unfinished"), "");
            unfinished.is_empty().then_some(())
        })
        .await;
        let mut whole = 0.0;
        for file in new() {
            assert!(!is_fragmented(file), "{label}: {file:?}");
            watch_file(file).await;
            whole += ffprobe_seconds(file).await;
        }
        assert!(whole >= seen - FRAGMENT, "{label}: {whole} s");
        let sessions = files_below(&recorded, "index.m3u8");
        for playlist in sessions
            .iter()
            .filter(|playlist| !known.contains(*playlist))
        {
            let text = fs::read_to_string(playlist).unwrap();
            assert!(text.ends_with("#EXT-X-ENDLIST\n"), "{label}: {text}");
            let listed = listed_seconds(&text);
            assert!(listed >= seen - FRAGMENT, "{label}: {listed} s in {text}");
            watch_file(playlist).await;
        }
        known.extend(files);
        known.extend(sessions);
    }
    assert!(known.len() >= 20, "{known:?}");
}

/// Recording follows the channel's settings while the encoder goes on; a session outlives its encoder's connection; what
/// was recorded is listed, and served in ranges; an operator's stop makes all of it whole.
#[tokio::test]
async fn a_session_from_its_start_to_its_end() {
    let folder = TempDir::new().unwrap();
    let clip = folder.path().join("clip.flv");
    Picture::default().encode(8, &clip).await;
    let data = folder.path().join("data");
    let recorded = data.join("objects/record/gate");
    let mut server = Server::start_in(&data, &["--grace", "10s"]).await;
    let api = server.api();
    let key = stream_key(&api.create(&json!({ "id": "gate", "isCMAF": true })).await);
    let mut encoder = push_file(&clip, &server.rtmp(&key));
    let viewer = Viewer::open(&server.http("/gate/live.flv")).await;
    viewer.goes_on(1).await;
    assert!(files_below(&recorded, "").is_empty());

    let on = json!({ "isVideo": true, "video_time": 5, "isOnDemand": true, "ondemand_time": 2 });
    let answer = api
        .send(Method::PATCH, "/videostream/gate", on.to_string())
        .await;
    assert!(answer.status.is_success(), "{}", answer.text);
    let playlist = eventually("two segments are listed", async || {
        let playlist = files_below(&recorded, "index.m3u8").pop()?;
        let text = fs::read_to_string(&playlist).unwrap();
        assert!(text.contains("#EXT-X-PLAYLIST-TYPE:EVENT\n"), "{text}");
        (text.matches("#EXTINF").count() >= 2).then_some(playlist)
    })
    .await;
    assert!(encoder.runs());

    encoder.signal(Signal::KILL);
    encoder.ended().await;
    let mut encoder = push_file(&clip, &server.rtmp(&key));
    eventually("the session goes on after a discontinuity", async || {
        let text = fs::read_to_string(&playlist).unwrap();
        let (_, after) = text.split_once("#EXT-X-DISCONTINUITY\n")?;
        (after.matches("#EXTINF").count() >= 2).then_some(())
    })
    .await;
    eventually("the first file is whole", async || {
        let listed = api.read("/videostream/gate/recordings").await.json();
        let listed = listed.as_array().unwrap().clone();
        let file = listed.iter().find(|recording| {
            let name = recording["name"].as_str().unwrap();
            name.starts_with("mp4/") && recording["length"].as_f64().is_some()
        });
        file.cloned()
    })
    .await;
    assert!(server.stop().await.success());
    encoder.ended().await;

    assert!(files_below(&data.join("objects/unfinished"), "").is_empty());
    let text = fs::read_to_string(&playlist).unwrap();
    assert!(
        text.contains("#EXT-X-PLAYLIST-TYPE:VOD\n") && text.ends_with("#EXT-X-ENDLIST\n"),
        "{text}"
    );
    let mut seconds = 0.0;
    for file in files_below(&recorded.join("mp4"), ".mp4") {
        assert!(!is_fragmented(&file), "{file:?}");
        watch_file(&file).await;
        seconds += ffprobe_seconds(&file).await;
    }
    let listed = listed_seconds(&text);
    assert!(
        (listed - seconds).abs() < 0.5,
        "{seconds} s of files, {listed} s in {text}"
    );

    let server = Server::start_in(&data, &[]).await;
    let listing = server.api().read("/gate/vod/").await.json();
    let urls: Vec<_> = listing["recordings"].as_array().unwrap().clone();
    assert!(urls.len() >= 2, "{listing}");
    for recording in urls {
        let address = server.http(&format!("/gate/vod/{}", recording["url"].as_str().unwrap()));
        let played = probe(&address).await;
        assert_eq!(played.len(), 2, "{address}");
    }
    let file = files_below(&recorded.join("mp4"), ".mp4").remove(0);
    let name = file
        .strip_prefix(&recorded)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let bytes = fs::read(&file).unwrap();
    let part = reqwest::Client::new()
        .get(server.http(&format!("/gate/vod/{name}")))
        .header("range", "bytes=1000-300999")
        .send()
        .await
        .unwrap();
    assert_eq!(part.status().as_u16(), 206);
    let end = bytes.len().min(301_000);
    assert_eq!(part.bytes().await.unwrap(), bytes[1_000..end]);
}

/// The longest that fragments get.
const FRAGMENT: f64 = 2.0;

/// The numbers of xorshift, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn is_capture(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("capture-")
}

/// Whether its samples are in fragments rather than in tables.
fn is_fragmented(file: &Path) -> bool {
    let bytes = fs::read(file).expect("a file");
    bytes.windows(4).take(64 << 10).any(|word| word == b"mvex")
}

/// How long a file plays that may be torn at its end.
async fn opened_seconds(file: &Path) -> f64 {
    let path = file.to_str().expect("a path in UTF-8");
    let entries = ["-v", "error", "-show_entries", "format=duration"];
    let mut ffprobe = Process::start(
        "ffprobe",
        [&entries[..], &["-of", "csv=p=0", path]].concat(),
    );
    assert!(
        ffprobe.ended().await.success(),
        "{path}: {}",
        ffprobe.stderr()
    );
    ffprobe.stdout().trim().parse().expect("seconds")
}

/// The length of all segments of a playlist.
fn listed_seconds(playlist: &str) -> f64 {
    let lines = playlist
        .lines()
        .filter_map(|line| line.strip_prefix("#EXTINF:"));
    lines
        .map(|line| line.trim_end_matches(',').parse::<f64>().expect("seconds"))
        .sum()
}

/// The frames of seven seconds with B-frames, as they are in `clip` then.
async fn frames_with_b(clip: &Path) -> Vec<MediaFrame> {
    let picture = Picture {
        preset: "veryfast",
        ..Picture::default()
    };
    picture.encode(7, clip).await;
    frames_of(clip)
}
