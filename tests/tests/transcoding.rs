//! Renditions and watermarks, made by a real encoder of a real push.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lsv_tests::{
    Api, FlvWatcher, Picture, Process, Server, Signal, Viewer, eventually, flv, probe, seconds,
    stream_key,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// A source of which two renditions are made without the machine being short of breath.
fn source() -> Picture {
    Picture {
        size: "1280x720",
        rate: 15,
        gop: 30,
        bit_rate: Some("1500k"),
        ..Picture::default()
    }
}

/// A server with the channel `cam`, all live outputs on and `more`, and a push to it.
async fn live(picture: &Picture, more: Value) -> (Server, Api, Process) {
    let server = Server::start(&["--reconnect-window", "60s"]).await;
    let api = server.api();
    let mut channel = json!({ "id": "cam", "isFlv": true, "isHls": true, "isCMAF": true });
    let fields = channel.as_object_mut().expect("an object");
    fields.extend(more.as_object().cloned().unwrap_or_default());
    let record = api.create(&channel).await;
    let push = picture.push(&server.rtmp(&stream_key(&record)));
    (server, api, push)
}

/// The pictures of an FLV body by their times, each with whether it is a key frame; without codec headers.
fn pictures(body: &[u8]) -> BTreeMap<u32, bool> {
    let tags = flv::tags(body).into_iter();
    let pictures = tags.filter(|tag| tag.kind == 9 && tag.body.get(1) == Some(&1));
    pictures
        .map(|tag| (tag.timestamp, tag.body[0] >> 4 == 1))
        .collect()
}

/// Waits until a viewer has pictures of so many milliseconds, and gives its body.
async fn watch(viewer: &Viewer, millis: u32) -> Vec<u8> {
    eventually("enough pictures", async || {
        let body = viewer.got().body;
        let shown = pictures(&body);
        let (first, last) = (shown.keys().next()?, shown.keys().last()?);
        (last - first >= millis).then_some(body)
    })
    .await
}

/// When the last picture and the last sound of an FLV body are, counted from its stream's first.
fn lasts(body: &[u8], first: u32) -> [u32; 2] {
    [9, 8].map(|kind| {
        let tags = flv::tags(body).into_iter().rev();
        let mut media = tags.filter(|tag| tag.kind == kind && tag.body.get(1) == Some(&1));
        media.next().expect("media of each kind").timestamp - first
    })
}

/// What is in the encoder when the publisher ends is seen too.
#[tokio::test]
async fn a_stream_with_a_watermark_is_seen_to_its_end() {
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("sent.flv");
    let picture = Picture {
        // What a slow machine encodes in time too: at the end it is not waited for for ever.
        size: "640x360",
        copy: Some(copy.clone()),
        ..source()
    };
    let more =
        json!({ "isWaterMark": true, "WaterMarkText": "to the end", "isCodec": true, "ld": true });
    let (server, api, mut push) = live(&picture, more).await;
    eventually("the watermark", async || {
        let task = api.task("cam", "transcode").await?;
        let outputs = task["outputs"].as_array()?;
        outputs
            .iter()
            .all(|it| it["state"] == "running")
            .then_some(())
    })
    .await;
    let source = Viewer::open(&server.http("/cam/live.flv")).await;
    let rendition = Viewer::open(&server.http("/cam/360p/live.flv")).await;
    watch(&source, 4_000).await;
    push.signal(Signal::INT);
    push.ended().await;

    let sent = std::fs::read(&copy).unwrap();
    let media = flv::tags(&sent).into_iter();
    let times = media.filter(|tag| tag.kind != 18 && tag.body.get(1) == Some(&1));
    let first = times.map(|tag| tag.timestamp).min().unwrap();
    let sent = lasts(&sent, first);
    for (name, viewer) in [("the source", source), ("360p", rendition)] {
        let ended = eventually("its end", async || viewer.got().ended).await;
        assert_eq!(ended, Ok(()), "{name}");
        let got = lasts(&viewer.got().body, 0);
        println!("{name}: last picture and sound at {got:?} of {sent:?} ms");
        assert_eq!(got[0], sent[0], "{name}");
        // A rendition's sound is encoded anew, in frames of its own.
        assert!(got[1] + 30 > sent[1], "{name}");
    }
}

#[tokio::test]
async fn renditions_are_what_their_templates_say_and_stand_on_the_sources_key_frames() {
    let more = json!({ "isCodec": true, "ld": true, "sd": true, "hd": false, "ud": true });
    let (server, api, _push) = live(&source(), more).await;
    let millis = u32::try_from(seconds(8)).unwrap() * 1_000;
    let open = async |path: &str| Viewer::open(&server.http(path)).await;
    let (low, high, whole) = tokio::join!(
        open("/cam/360p/live.flv"),
        open("/cam/480p/live.flv"),
        open("/cam/live.flv"),
    );
    let (low, high, whole) = tokio::join!(
        watch(&low, millis),
        watch(&high, millis),
        watch(&whole, millis),
    );
    let (of_low, of_high, of_source) = (pictures(&low), pictures(&high), pictures(&whole));
    for (name, body, shown, kbit, size) in [
        ("360p", &low, &of_low, 400.0, [640, 360]),
        ("480p", &high, &of_high, 600.0, [854, 480]),
    ] {
        let (first, last) = (*shown.keys().next().unwrap(), *shown.keys().last().unwrap());
        let source = of_source.range(first..=last).map(|(at, key)| (*at, *key));
        let shared = shown.range(..=*of_source.keys().last().unwrap());
        let shared: Vec<_> = shared.map(|(at, key)| (*at, *key)).collect();
        assert_eq!(shared, source.collect::<Vec<_>>(), "{name}");

        let bytes: usize = flv::tags(body)
            .iter()
            .filter(|tag| tag.kind == 9)
            .map(|tag| tag.body.len())
            .sum();
        let measured = bytes as f64 * 8.0 / f64::from(last - first);
        println!(
            "{name}: {measured:.0} kbit/s of pictures, {} pictures in {} ms",
            shown.len(),
            last - first
        );
        assert!(
            (kbit * 0.8..=kbit * 1.2).contains(&measured),
            "{name}: {measured} kbit/s"
        );

        let folder = TempDir::new().unwrap();
        let file = folder.path().join("seen.flv");
        std::fs::write(&file, body).unwrap();
        let streams = probe(file.to_str().unwrap()).await;
        let video = streams
            .iter()
            .find(|it| it["codec_type"] == "video")
            .unwrap();
        assert_eq!(
            [&video["width"], &video["height"]],
            [size[0], size[1]],
            "{name}"
        );
        let rate = (shown.len() - 1) as f64 * 1_000.0 / f64::from(last - first);
        assert!(
            (rate - 15.0).abs() < 0.1,
            "{name}: {rate} pictures a second"
        );
        let audio = streams
            .iter()
            .find(|it| it["codec_type"] == "audio")
            .unwrap();
        assert_eq!(audio["codec_name"], "aac", "{name}");
    }
    let both = |at: &u32| of_low.contains_key(at) && of_high.contains_key(at);
    assert!(of_low.keys().filter(|at| both(at)).count() > 60);

    let session = api.read("/videostream/cam/session").await.json();
    let warnings = session["warnings"].as_array().unwrap();
    let of_renditions = warnings.iter().find(|it| it["topic"] == "renditions");
    assert!(
        of_renditions.is_some_and(|it| it["text"].as_str().unwrap().starts_with("1080p")),
        "{session}"
    );
}

/// The share of pixels in an area of a picture that are about as red, green and blue as wanted.
async fn share(file: &Path, area: &str, wanted: [u8; 3]) -> f64 {
    let filter = format!("crop={area},format=rgb24");
    let file = file.to_str().expect("a path in UTF-8");
    let line = [
        "-v",
        "error",
        "-i",
        file,
        "-vf",
        &filter,
        "-frames:v",
        "1",
        "-f",
        "rawvideo",
        "-",
    ];
    let output = tokio::process::Command::new("ffmpeg")
        .args(line)
        .output()
        .await
        .expect("ffmpeg runs");
    let pixels = output.stdout.chunks_exact(3);
    let (count, near) = (pixels.len(), |pixel: &[u8]| {
        pixel
            .iter()
            .zip(wanted)
            .all(|(is, wanted)| is.abs_diff(wanted) < 80)
    });
    pixels.filter(|pixel| near(pixel)).count() as f64 / count.max(1) as f64
}

/// The newest picture of what a viewer has, as a file.
async fn newest_picture(viewer: &Viewer, file: &Path) {
    let mut tags = flv::tags(&viewer.got().body);
    // What comes before the headers in force has other ones.
    let is_header = |tag: &flv::Tag| tag.kind == 9 && tag.body.get(1) == Some(&0);
    tags.drain(..tags.iter().rposition(is_header).expect("a header"));
    let source = file.with_extension("flv");
    std::fs::write(&source, flv::file(&tags)).expect("a file");
    let (source, file) = (
        source.to_str().expect("a path in UTF-8"),
        file.to_str().expect("a path in UTF-8"),
    );
    let line = ["-v", "error", "-i", source, "-update", "1", "-y", file];
    let output = tokio::process::Command::new("ffmpeg")
        .args(line)
        .output()
        .await
        .expect("ffmpeg runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A plain blue picture with a tone.
fn push_blue(url: &str) -> Process {
    let line = "-hide_banner -nostdin -loglevel info -nostats -re -f lavfi -i color=c=blue:size=640x360:rate=25 \
                -re -f lavfi -i sine=frequency=440:sample_rate=48000 -pix_fmt yuv420p -c:v libx264 -preset ultrafast \
                -g 50 -keyint_min 50 -sc_threshold 0 -c:a aac -b:a 96k -f flv";
    Process::start("ffmpeg", line.split_whitespace().chain([url]))
}

#[tokio::test]
async fn a_watermark_comes_changes_and_goes_before_the_eyes_of_who_watches() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let record = api
        .create(&json!({ "id": "cam", "isFlv": true, "isHls": true }))
        .await;
    let _push = push_blue(&server.rtmp(&stream_key(&record)));
    let viewer = Viewer::open(&server.http("/cam/live.flv")).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("seen.png");
    let (text_at, red, green) = ("220:80:10:10", [255, 0, 0], [0, 128, 0]);
    watch(&viewer, 3_000).await;
    newest_picture(&viewer, &file).await;
    assert_eq!(share(&file, text_at, red).await, 0.0);

    api.change(
        "cam",
        &json!({ "isWaterMark": true, "WaterMarkText": "直播 lsv %{pts}", "WaterMarkFontSize": 40 }),
    )
    .await;
    let drawn = |wanted: [u8; 3]| {
        let (viewer, file) = (&viewer, &file);
        async move || {
            newest_picture(viewer, file).await;
            (share(file, text_at, wanted).await > 0.03).then_some(())
        }
    };
    eventually("red text", drawn(red)).await;
    api.change("cam", &json!({ "WaterMarkFontColor": "green" }))
        .await;
    eventually("green text", drawn(green)).await;
    api.change("cam", &json!({ "isWaterMark": false })).await;
    eventually("no text", async || {
        newest_picture(&viewer, &file).await;
        (share(&file, "640:360:0:0", [0, 0, 255]).await > 0.99).then_some(())
    })
    .await;

    let body = viewer.got().body;
    let times: Vec<u32> = pictures(&body).into_keys().collect();
    let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
    let widest = steps.max().unwrap();
    assert!(widest <= 120, "pictures are {widest} ms apart");
    assert!(viewer.got().ended.is_none());
}

/// A camera that is held upright: its picture lies on its side, and each key frame says so. Browsers show it as it lies.
#[tokio::test]
async fn a_picture_that_lies_on_its_side_is_made_upright() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let record = api
        .create(
            &json!({ "id": "cam", "isFlv": true, "isCodec": true, "ld": true, "isWaterMark": true,
            "WaterMarkText": "直播 lsv", "WaterMarkFontSize": 60, "WaterMarkFontColor": "green" }),
        )
        .await;
    // Anticlockwise: what is on the right is to be at the top.
    let line = "-hide_banner -nostdin -loglevel info -nostats -re -f lavfi -i color=c=red:size=640x360:rate=15 \
                -vf drawbox=x=320:w=320:h=360:c=blue:t=fill -pix_fmt yuv420p -c:v libx264 -preset ultrafast -g 15 \
                -bsf:v h264_metadata=display_orientation=insert:rotate=90 -f flv";
    let url = server.rtmp(&stream_key(&record));
    let _push = Process::start("ffmpeg", line.split_whitespace().chain([&*url]));
    let folder = TempDir::new().unwrap();
    let (blue, red, green) = ([0, 0, 255], [255, 0, 0], [0, 128, 0]);
    for name in ["360p/", ""] {
        let viewer = Viewer::open(&server.http(&format!("/cam/{name}live.flv"))).await;
        let file = folder.path().join("seen.png");
        eventually("an upright picture with text", async || {
            if pictures(&viewer.got().body).len() < 15 {
                return None;
            }
            newest_picture(&viewer, &file).await;
            (share(&file, "360:120:0:0", green).await > 0.03).then_some(())
        })
        .await;
        let streams = probe(file.to_str().unwrap()).await;
        assert_eq!(
            [&streams[0]["width"], &streams[0]["height"]],
            [360, 640],
            "{name}"
        );
        assert!(share(&file, "360:180:0:130", blue).await > 0.99, "{name}");
        assert!(share(&file, "360:300:0:330", red).await > 0.99, "{name}");
    }
}

/// The host of a picture takes the request and never answers, until the address is corrected: the encoder that waits for it
/// gives way at once, and blames nobody.
#[tokio::test]
async fn a_corrected_watermark_does_not_wait_for_the_one_before() {
    let host = PictureHost::start().await;
    let folder = TempDir::new().unwrap();
    let options = ["--allow-private-targets"];
    let mut server = Server::start_in(folder.path(), &options).await;
    let channel = json!({
        "id": "cam", "isFlv": true, "isImageWaterMark": true, "ImageURL": host.url("one.png"),
    });
    let key = stream_key(&server.api().create(&channel).await);
    // It was fetched when it was set, which the next node does not know of.
    assert!(server.stop().await.success());
    host.hangs.store(true, Ordering::SeqCst);
    let server = Server::start_in(folder.path(), &options).await;
    let _push = push_blue(&server.rtmp(&key));
    let viewer = Viewer::open(&server.http("/cam/live.flv")).await;
    eventually("the encoder asks for its picture", async || {
        host.hanging.load(Ordering::SeqCst).then_some(())
    })
    .await;
    let corrected = json!({ "ImageURL": host.url("two.png") });
    server.api().change("cam", &corrected).await;
    let file = folder.path().join("seen.png");
    eventually("the corrected picture", async || {
        newest_picture(&viewer, &file).await;
        (share(&file, "80:30:20:20", [255, 0, 0]).await > 0.9).then_some(())
    })
    .await;
    let log = server.log();
    assert!(!log.contains("the watermark cannot be drawn"), "{log}");
    let session = server.api().read("/videostream/cam/session").await.json();
    let mut warnings = session["warnings"].as_array().unwrap().iter();
    assert!(!warnings.any(|it| it["topic"] == "watermark"), "{session}");
}

/// Serves a red picture under any name, and `one.png` only as long as it does not hang.
struct PictureHost {
    address: SocketAddr,
    hangs: Arc<AtomicBool>,
    /// Somebody waits.
    hanging: Arc<AtomicBool>,
}

impl PictureHost {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let host = Self {
            address: listener.local_addr().expect("its address"),
            hangs: Arc::default(),
            hanging: Arc::default(),
        };
        let (hangs, hanging) = (Arc::clone(&host.hangs), Arc::clone(&host.hanging));
        let picture = red_picture().await;
        let serve = async move |name: axum::extract::Path<String>| {
            if name.0 == "one.png" && hangs.load(Ordering::SeqCst) {
                hanging.store(true, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
            picture
        };
        let router = axum::Router::new().route("/{name}", axum::routing::get(serve));
        tokio::spawn(axum::serve(listener, router).into_future());
        host
    }

    fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }
}

async fn red_picture() -> Vec<u8> {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("red.png");
    let line = "-v error -f lavfi -i color=c=red:s=64x48 -frames:v 1 -y";
    let line = line.split(' ').chain([file.to_str().expect("UTF-8")]);
    assert!(Process::start("ffmpeg", line).ended().await.success());
    std::fs::read(&file).expect("a picture")
}

/// The source has a key frame every five seconds, so the encoder has some of its own, every three, where one can follow the
/// other.
#[tokio::test]
async fn a_watermark_changes_without_a_hole_where_key_frames_are_rare() {
    let more = json!({ "isCodec": true, "ld": true, "isWaterMark": true, "WaterMarkText": "0", "hls_time": 3 });
    let picture = Picture {
        size: "640x360",
        rate: 15,
        gop: 75,
        preset: "superfast",
        ..Picture::default()
    };
    let (mut server, api, _push) = live(&picture, more).await;
    let whole = FlvWatcher::open(&server.http("/cam/live.flv")).await;
    let low = FlvWatcher::open(&server.http("/cam/360p/live.flv")).await;
    let often = |viewer: &FlvWatcher| {
        let pictures = viewer.pictures();
        let mut keys = pictures.iter().rev().filter(|picture| picture.key);
        let (last, before) = (keys.next()?, keys.next()?);
        (last.at - before.at < 4_000).then_some(())
    };
    for viewer in [&low, &whole] {
        eventually("key frames of the encoder's own", async || often(viewer)).await;
    }
    for text in ["1", "2", "3"] {
        let before = server.process().children("ffmpeg");
        api.change("cam", &json!({ "WaterMarkText": text })).await;
        eventually("another encoder in place of the one before", async || {
            let now = server.process().children("ffmpeg");
            (now.len() == 1 && now != before).then_some(())
        })
        .await;
        for viewer in [&low, &whole] {
            viewer.shows(Instant::now(), 1_000).await;
        }
    }
    for (name, viewer) in [("360p", &low), ("source", &whole)] {
        let mut times: Vec<_> = viewer.pictures().iter().map(|it| it.at).collect();
        times.sort_unstable();
        // The last ones wait for some that are shown before them.
        times.truncate(times.len().saturating_sub(4));
        let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
        let widest = steps.max().unwrap();
        println!(
            "{name}: {} pictures, at most {widest} ms apart",
            times.len()
        );
        assert!(widest <= 70, "{name}: pictures are {widest} ms apart");
    }
}

#[tokio::test]
async fn an_encoder_that_is_killed_comes_back() {
    let more = json!({ "isCodec": true, "ld": true, "isWaterMark": true, "WaterMarkText": "lsv" });
    let (mut server, api, _push) = live(&source(), more).await;
    let viewer = Viewer::open(&server.http("/cam/360p/live.flv")).await;
    let whole = Viewer::open(&server.http("/cam/live.flv")).await;
    watch(&viewer, 2_000).await;
    for round in 0..2 {
        let encoder = eventually("one encoder", async || {
            match server.process().children("ffmpeg")[..] {
                [encoder] => Some(encoder),
                _ => None,
            }
        })
        .await;
        let before = pictures(&viewer.got().body).len();
        lsv_tests::kill(encoder);
        eventually("another encoder", async || {
            let now = server.process().children("ffmpeg");
            (now.len() == 1 && now[0] != encoder).then_some(())
        })
        .await;
        eventually("more pictures", async || {
            (pictures(&viewer.got().body).len() > before + 15).then_some(())
        })
        .await;
        let tasks = api.read("/videostream/cam/session").await.json();
        println!("round {round}: {}", tasks["tasks"]);
    }
    assert!(viewer.got().ended.is_none() && whole.got().ended.is_none());
}
