//! Processing as a whole, under those who watch: encoders that die or hang, sessions that follow each other, switches that
//! are flipped, odd sources.

use std::fs;
use std::time::Duration;

use lsv_tests::{
    Api, FlvWatcher, HlsWatcher, Picture, Process, Server, Signal, eventually, probe, stream_key,
    strict,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::Instant;

mod deaths;
mod sessions;

/// Who watches sees the picture go on whatever is switched on and off.
#[tokio::test]
async fn every_switch_is_flipped_before_the_eyes_of_who_watches() {
    let logo = picture_host().await;
    let sink = Server::start(&[]).await;
    let target = sink.rtmp(&sink.api().channel("cam").await);
    let server = Server::start(&["--allow-private-targets"]).await;
    let api = server.api();
    let record = api
        .create(&json!({ "id": "cam", "isFlv": true, "isHls": true }))
        .await;
    let source = Picture {
        size: "854x480",
        rate: 15,
        gop: 30,
        preset: "superfast",
        ..Picture::default()
    };
    let _push = source.push(&server.rtmp(&stream_key(&record)));
    let viewer = FlvWatcher::open(&server.http("/cam/live.flv")).await;
    let playlist = HlsWatcher::open(&server.http("/cam/live.m3u8"));
    playlist.goes_on(Instant::now(), 3).await;

    let text = json!({ "isWaterMark": true, "WaterMarkText": "直播 lsv", "WaterMarkFontSize": 40 });
    let both = json!({ "isCodec": true, "ld": true, "sd": true });
    let image = json!({ "isImageWaterMark": true, "ImageURL": logo });
    let relay = json!({ "isRelay": true, "relayURL": target });
    let rows = [
        ("nothing", json!({ "description": "one" }), None),
        ("isWaterMark on", text, Some(true)),
        (
            "WaterMarkText",
            json!({ "WaterMarkText": "12:30" }),
            Some(true),
        ),
        ("isImageWaterMark on", image, Some(true)),
        (
            "isImageWaterMark off",
            json!({ "isImageWaterMark": false }),
            Some(true),
        ),
        (
            "isWaterMark off",
            json!({ "isWaterMark": false }),
            Some(false),
        ),
        ("isCodec, ld, sd on", both, Some(true)),
        ("codec x265", json!({ "codec": "libx265" }), Some(true)),
        ("codec x264", json!({ "codec": "libx264" }), Some(true)),
        ("sd off", json!({ "sd": false }), Some(true)),
        ("isCodec off", json!({ "isCodec": false }), Some(false)),
        (
            "isVideo on",
            json!({ "isVideo": true, "video_time": 5 }),
            None,
        ),
        ("isVideo off", json!({ "isVideo": false }), None),
        (
            "isOnDemand on",
            json!({ "isOnDemand": true, "ondemand_time": 2 }),
            None,
        ),
        ("isOnDemand off", json!({ "isOnDemand": false }), None),
        (
            "isImage on",
            json!({ "isImage": true, "image_time": 1 }),
            None,
        ),
        ("isImage off", json!({ "isImage": false }), None),
        (
            "isMotion on",
            json!({ "isMotion": true, "motion_percent": 1 }),
            None,
        ),
        ("isMotion off", json!({ "isMotion": false }), None),
        ("isRelay on", relay, None),
        ("isRelay off", json!({ "isRelay": false }), None),
        ("isCMAF on", json!({ "isCMAF": true }), None),
        ("isCMAF off", json!({ "isCMAF": false }), None),
    ];
    println!("switch                 gap ms  step ms  HLS gap ms  breaks");
    let (mut worst, mut torn) = (Duration::ZERO, Vec::new());
    for (name, fields, encodes) in rows {
        let flipped = Instant::now();
        api.change("cam", &fields).await;
        if let Some(encodes) = encodes {
            eventually(name, async || {
                let task = transcoding(&api).await;
                let runs = task.map(|task| task["state"] == "running");
                (runs == encodes.then_some(true)).then_some(())
            })
            .await;
        }
        viewer.shows(Instant::now(), WATCHED_MS).await;
        let pictures = viewer.pictures();
        let first = pictures.partition_point(|picture| picture.came < flipped);
        let pairs = pictures[first.saturating_sub(1)..].windows(2);
        let gaps = pairs.map(|pair| pair[1].came - pair[0].came);
        let mut times: Vec<_> = pictures[first.saturating_sub(1)..]
            .iter()
            .map(|picture| picture.at)
            .collect();
        times.sort_unstable();
        // The last ones wait for some that are shown before them.
        times.truncate(times.len() - OUT_OF_ORDER);
        let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
        let (gap, step) = (gaps.max().unwrap(), steps.max().unwrap());
        let segments = playlist.segments();
        let first = segments.partition_point(|segment| segment.came < flipped);
        let pairs = segments[first.saturating_sub(1)..].windows(2);
        let waits = pairs.map(|pair| (pair[1].came - pair[0].came).as_millis());
        let breaks = segments[first..]
            .iter()
            .filter(|segment| segment.discontinuity);
        println!(
            "{name:22} {:6} {step:8} {:11} {:7}",
            gap.as_millis(),
            waits.max().unwrap_or_default(),
            breaks.count()
        );
        if step > USUAL_STEP {
            torn.push(format!("{name}: pictures are {step} ms apart"));
        }
        worst = worst.max(gap);
    }
    let stalled = playlist.stalled();
    println!("the widest gap is {worst:?}; a player of HLS stands still for {stalled:?}");
    assert_eq!(torn, [""; 0]);
    if strict() {
        assert!(worst <= Duration::from_secs(1), "{worst:?}");
        assert!(stalled <= Duration::from_secs(1), "{stalled:?}");
    }
}

/// The encoder's task as the session shows it.
async fn transcoding(api: &Api) -> Option<Value> {
    api.task("cam", "transcode").await
}

fn restarts(task: &Value) -> u64 {
    task["restarts"].as_u64().unwrap_or_default()
}

/// The address of a small picture.
async fn picture_host() -> String {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("logo.png");
    let line = "-v error -f lavfi -i testsrc=s=64x48 -frames:v 1 -y";
    let line = line
        .split(' ')
        .chain([file.to_str().expect("a path in UTF-8")]);
    assert!(Process::start("ffmpeg", line).ended().await.success());
    let logo = fs::read(&file).expect("a picture");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    let answer = axum::routing::get(move || std::future::ready(logo.clone()));
    let router = axum::Router::new().route("/logo.png", answer);
    tokio::spawn(axum::serve(listener, router).into_future());
    format!("http://{address}/logo.png")
}

/// How much is watched of each switch, once what it begins or ends is at work: two key frames.
const WATCHED_MS: i64 = 4_500;

/// From one of its pictures to the next, and what clocks of milliseconds are off by.
const USUAL_STEP: i64 = 67 + 2;

/// Most pictures of the source that come before one that is shown earlier.
const OUT_OF_ORDER: usize = 4;

/// What encoders send that is not a picture of 16:9 with a tone.
#[tokio::test]
async fn odd_sources_get_fitting_renditions() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let h264 = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -sc_threshold 0 -g 15";
    let interlaced =
        "-pix_fmt yuv420p -c:v libx264 -preset superfast -g 15 -flags +ilme+ildct -top 1";
    let whole = "-pix_fmt yuv444p -c:v libx264 -preset ultrafast -g 15";
    for (id, filter, encoder, sound, size) in [
        ("upright", "testsrc2=s=360x640:r=15", h264, true, [360, 640]),
        (
            "old",
            "testsrc2=s=720x576:r=15,setsar=16/15",
            h264,
            true,
            [480, 360],
        ),
        ("odd", "testsrc=s=853x481:r=15", whole, true, [638, 360]),
        ("silent", "testsrc2=s=640x360:r=15", h264, false, [640, 360]),
        (
            "fields",
            "testsrc2=s=640x480:r=30,tinterlace=interleave_top",
            interlaced,
            true,
            [480, 360],
        ),
    ] {
        let push = Odd {
            filter,
            encoder,
            sound,
        };
        let mut push = push.start(&server, &api, id).await;
        let url = server.http(&format!("/{id}/360p/live.flv"));
        let viewer = FlvWatcher::open(&url).await;
        viewer.shows(Instant::now(), 1_500).await;
        let streams = probe(&url).await;
        let video = of_kind(&streams, "video").expect("pictures");
        println!(
            "{id}: {} x {}, {} streams",
            video["width"],
            video["height"],
            streams.len()
        );
        assert_eq!([&video["width"], &video["height"]], size, "{id}");
        assert_eq!(of_kind(&streams, "audio").is_some(), sound, "{id}");
        assert_ne!(video["field_order"], "tt", "{id}");
        assert_eq!(video["pix_fmt"], "yuv420p", "{id}");
        push.signal(Signal::KILL);
        push.ended().await;
    }
}

/// Of sound alone nothing is encoded, and its own outputs are there.
#[tokio::test]
async fn sound_alone_needs_no_encoder() {
    let mut server = Server::start(&[]).await;
    let api = server.api();
    let channel = json!({ "id": "cam", "isFlv": true, "isHls": true, "isCodec": true, "ld": true });
    let url = server.rtmp(&stream_key(&api.create(&channel).await));
    let line = "-nostdin -v error -re -f lavfi -i sine -c:a aac -f flv";
    let _push = Process::start("ffmpeg", line.split(' ').chain([&*url]));
    let playlist = HlsWatcher::open(&server.http("/cam/live.m3u8"));
    playlist.goes_on(Instant::now(), 2).await;
    let streams = probe(&server.http("/cam/live.m3u8")).await;
    assert_eq!(streams.len(), 1, "{streams:?}");
    assert_eq!(transcoding(&api).await, None);
    assert_eq!(server.process().children("ffmpeg"), [0; 0]);
    let session = api.read("/videostream/cam/session").await.json();
    let mut warnings = session["warnings"].as_array().unwrap().iter();
    let told = warnings.any(|it| {
        it["topic"] == "renditions" && it["text"].as_str().unwrap().contains("no picture")
    });
    assert!(told, "{session}");
}

/// Key frames that come too rarely for segments, and a publisher that comes back with another size.
#[tokio::test]
async fn renditions_have_key_frames_for_their_segments_and_follow_the_size() {
    let server = Server::start(&["--reconnect-window", "60s"]).await;
    let api = server.api();
    let large = Odd {
        filter: "testsrc2=s=640x360:r=15",
        encoder: "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -sc_threshold 0 -g 90 -keyint_min 90",
        sound: true,
    };
    let mut push = large.start(&server, &api, "cam").await;
    let url = server.http("/cam/360p/live.flv");
    let viewer = FlvWatcher::open(&url).await;
    let often = eventually("key frames two seconds apart", async || {
        let pictures = viewer.pictures();
        let keys = pictures.iter().filter(|picture| picture.key);
        let keys: Vec<_> = keys.map(|picture| picture.at).collect();
        let steps = keys.windows(2).map(|pair| pair[1] - pair[0]);
        let steps: Vec<_> = steps.collect();
        let [.., one, two, three] = steps[..] else {
            return None;
        };
        [one, two, three]
            .iter()
            .all(|&step| (1_900..2_200).contains(&step))
            .then_some(steps)
    })
    .await;
    println!("key frames are {often:?} ms apart");

    push.signal(Signal::KILL);
    push.ended().await;
    let small = Odd {
        filter: "testsrc2=s=640x480:r=15",
        ..large
    };
    let returned = Instant::now();
    let _push = small.push(&server.rtmp(&stream_key(&api.read("/videostream/cam").await.json())));
    viewer.shows(returned, 2_000).await;
    eventually("the other size", async || {
        FlvWatcher::open(&url).await;
        let size = size(&url).await?;
        (size == "480x360").then_some(())
    })
    .await;
}

/// A source of test pictures, encoded somehow.
#[derive(Debug, Clone, Copy)]
struct Odd {
    filter: &'static str,
    encoder: &'static str,
    sound: bool,
}

impl Odd {
    /// Makes a channel with a rendition and pushes to it.
    async fn start(&self, server: &Server, api: &Api, id: &str) -> Process {
        let channel = json!({
            "id": id, "isFlv": true, "isHls": true, "hls_time": 2, "isCodec": true, "ld": true,
        });
        self.push(&server.rtmp(&stream_key(&api.create(&channel).await)))
    }

    fn push(&self, url: &str) -> Process {
        let mut line = vec![
            "-nostdin",
            "-v",
            "error",
            "-re",
            "-f",
            "lavfi",
            "-i",
            self.filter,
        ];
        if self.sound {
            line.extend("-re -f lavfi -i sine -c:a aac".split(' '));
        }
        line.extend(self.encoder.split(' '));
        line.extend(["-f", "flv", url]);
        Process::start("ffmpeg", line)
    }
}

/// Width and height of what is at an address for now.
async fn size(url: &str) -> Option<String> {
    let line = "-v error -select_streams v:0 -show_entries stream=width,height -of csv=p=0:s=x";
    let mut ffprobe = Process::start("ffprobe", line.split(' ').chain([url]));
    let found = ffprobe.ended().await.success();
    found.then(|| ffprobe.stdout().trim().to_owned())
}

fn of_kind<'a>(streams: &'a [Value], kind: &str) -> Option<&'a Value> {
    streams.iter().find(|stream| stream["codec_type"] == kind)
}
