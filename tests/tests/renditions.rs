//! The renditions of a channel side by side, as players have them: what lists them, that they line up to the
//! millisecond, and players that change from one to another.
//!
//! Mostly nothing is transcoded here: two clips with key frames at the same times are published in lock-step, as an encoder of the
//! platform does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lsv_core::channel;
use lsv_core::hub::{Hub, Offer, Publisher, Times};
use lsv_core::media::{Kind, MediaFrame};
use lsv_core::path::{ChannelId, Rendition, StreamPath};
use lsv_core::ports::{AccessRequest, Authorizer, Denied, Grant};
use lsv_core::time::Timestamp;
use lsv_mux::flv::Frames;
use lsv_mux::http::{State, router};
use lsv_mux::packager::{Config, Packagers};
use lsv_tests::hls::{MediaPlaylist, Segment};
use lsv_tests::{Picture, Server, cmaf, eventually, play_qualities, probe, seconds, stream_key};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

#[tokio::test]
async fn masters_list_all_renditions_and_players_change_between_them() {
    let node = Node::start().await;
    let encoder = node.encode(Timestamp::ZERO);
    let channel = node.channel();
    channel.lists_both().await;
    channel.is_probed().await;
    channel.is_played().await;
    channel.lines_up().await;
    encoder.abort();
}

#[tokio::test]
async fn renditions_line_up_over_a_restart_of_their_encoder() {
    let node = Node::start().await;
    let begun = Instant::now();
    let encoder = node.encode(Timestamp::ZERO);
    let channel = node.channel();
    channel.lists_both().await;
    let before = channel.lines_up().await;
    encoder.abort();
    // Publishers are dropped with the task, as they are when an encoder dies.
    assert!(encoder.await.is_err());
    let later = Duration::from_secs(begun.elapsed().as_secs() + 2);
    let encoder = node.encode(Timestamp::ZERO + later);
    channel.breaks(before).await;
    assert_eq!(channel.lines_up().await, before + 1);
    encoder.abort();
}

/// The same over what a real encoder makes of a real push.
#[tokio::test]
async fn a_transcoded_channel_lines_up_and_players_change_between_its_renditions() {
    let mut server = Server::start(&["--reconnect-window", "60s"]).await;
    let fields = json!({ "id": "cam", "isCMAF": true, "isCodec": true, "ld": true, "sd": true });
    let record = server.api().create(&fields).await;
    let picture = Picture {
        size: "854x480",
        rate: 15,
        gop: 15,
        bit_rate: Some("900k"),
        ..Picture::default()
    };
    let _push = picture.push(&server.rtmp(&stream_key(&record)));
    let channel = Channel {
        address: server.http("/cam"),
        rungs: [("360p", 640, 360), ("480p", 854, 480)],
        rate: 15.0,
    };
    channel.lists_both().await;
    channel.is_probed().await;
    for (rung, width, _) in channel.rungs {
        let streams = probe(&server.rtmp(&format!("cam/{rung}"))).await;
        assert!(streams.iter().any(|it| it["width"] == width), "{streams:?}");
    }
    channel.is_played().await;
    let before = channel.lines_up().await;
    channel.is_dated_as_its_source().await;

    let encoders = server.process().children("ffmpeg");
    encoders.into_iter().for_each(lsv_tests::kill);
    channel.breaks(before).await;
    assert_eq!(channel.lines_up().await, before + 1);
    channel.is_dated_as_its_source().await;
}

/// A node without API and RTMP, into which clips are published.
struct Node {
    hub: Hub,
    address: SocketAddr,
    clips: Arc<Clips>,
}

impl Node {
    async fn start() -> Self {
        let hub = Hub::default();
        let packagers = Packagers::new(Config::default());
        tokio::spawn(packagers.clone().run(hub.clone()));
        let state = State::new(hub.clone(), packagers, Arc::new(Everybody));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let service = router(state).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(axum::serve(listener, service).into_future());
        Self {
            hub,
            address,
            clips: Arc::new(Clips::make().await),
        }
    }

    fn channel(&self) -> Channel {
        Channel {
            address: format!("http://{}/cam", self.address),
            rungs: [("360p", 320, 180), ("720p", 640, 360)],
            rate: 25.0,
        }
    }

    /// Publishes the source and the renditions in lock-step and real time, from `start` on the source's timeline on.
    fn encode(&self, start: Timestamp) -> JoinHandle<()> {
        let publishers = [Rendition::Source, Rendition::P360, Rendition::P720].map(|rendition| {
            let channel = ChannelId::parse("cam").expect("an id");
            let mut offer = Offer::new("encoder");
            offer.times = Times::Given;
            offer.settings.cmaf = true;
            let path = StreamPath { channel, rendition };
            let publisher = self.hub.publish(&path, offer, std::time::Instant::now());
            publisher.expect("a free channel")
        });
        let clips = Arc::clone(&self.clips);
        tokio::spawn(async move { clips.play(&publishers, start).await })
    }
}

/// A channel with two renditions, as viewers have it.
struct Channel {
    address: String,
    /// Their names, and the size of their pictures.
    rungs: [(&'static str, u64, u64); 2],
    rate: f64,
}

impl Channel {
    fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    async fn text(&self, name: &str) -> Option<String> {
        let answer = reqwest::get(self.url(name)).await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    }

    async fn playlist(&self, name: &str) -> Option<MediaPlaylist> {
        let text = self.text(name).await?;
        Some(MediaPlaylist::parse(&text).unwrap_or_else(|why| panic!("{name}: {why} in {text}")))
    }

    /// Both renditions are in what lists them, with what is true of them.
    async fn lists_both(&self) {
        for (name, file) in [
            ("index.m3u8", "live.m3u8"),
            ("master.m3u8", "cmaf/video.m3u8"),
        ] {
            let master = eventually("both renditions", async || {
                let text = self.text(name).await?;
                let master = m3u8_rs::parse_master_playlist_res(text.as_bytes()).ok()?;
                let both = self.rungs.map(|(rung, ..)| format!("{rung}/{file}"));
                let listed = master.variants.iter().map(|variant| &variant.uri);
                listed.eq(&both).then_some(master)
            })
            .await;
            for (variant, (_, width, height)) in master.variants.iter().zip(self.rungs) {
                let size = variant.resolution.map(|size| (size.width, size.height));
                assert_eq!(size, Some((width, height)), "{name}");
                assert_eq!(variant.frame_rate, Some(self.rate), "{name}");
                let codecs = variant.codecs.as_deref().unwrap_or_default();
                assert!(codecs.starts_with("avc1.") && codecs.ends_with(",mp4a.40.2"));
            }
            let [low, high] = &master.variants[..] else {
                panic!("{name}: two variants")
            };
            assert!(low.bandwidth < high.bandwidth, "{name}");
        }
        let mpd = eventually("a manifest of both", async || {
            let text = self.text("manifest.mpd").await?;
            (text.matches("<Representation ").count() == 3).then_some(text)
        })
        .await;
        let mpd = dash_mpd_core::parse(&mpd).expect("a manifest");
        assert_eq!(dash_mpd_core::check_conformity(&mpd), Vec::<String>::new());
    }

    /// Compares what both renditions list, to the millisecond, and where their segments really begin; answers the number
    /// of discontinuities.
    async fn lines_up(&self) -> u64 {
        let [low, high] = self.rungs.map(|(rung, ..)| rung);
        for name in ["live.m3u8", "cmaf/video.m3u8", "cmaf/audio.m3u8"] {
            let (one, other) = eventually("playlists of the same moment", async || {
                let one = self.playlist(&format!("{low}/{name}")).await?;
                let other = self.playlist(&format!("{high}/{name}")).await?;
                let last = |it: &MediaPlaylist| it.segments.last().map(|last| last.sequence);
                (last(&one) == last(&other)).then_some((one, other))
            })
            .await;
            assert_eq!(one.target_duration, other.target_duration, "{name}");
            assert_eq!(one.part_target, other.part_target, "{name}");
            assert_eq!(one.discontinuity_sequence, other.discontinuity_sequence);
            assert_eq!(seen(&one), seen(&other), "{name}");
        }
        let playlist = self.playlist(&format!("{low}/cmaf/video.m3u8")).await;
        let playlist = playlist.expect("a playlist");
        for segment in playlist.segments.iter().rev().take(3) {
            let begins = async |rung: &str| self.begins(&format!("{rung}/"), segment).await;
            let (one, other) = (begins(low).await, begins(high).await);
            assert_eq!(one, other, "segment {}", segment.sequence);
        }
        let last = playlist.segments.last().expect("a segment");
        last.discontinuity_sequence
    }

    /// ffprobe finds in each rendition what the master says.
    async fn is_probed(&self) {
        for (rung, width, height) in self.rungs {
            for file in ["live.m3u8", "master.m3u8"] {
                let streams = probe(&self.url(&format!("{rung}/{file}"))).await;
                let video = streams.iter().find(|it| it["codec_type"] == "video");
                let video = video.expect("pictures");
                assert_eq!(
                    [&video["width"], &video["height"]],
                    [width, height],
                    "{rung}"
                );
                assert!(streams.iter().any(|it| it["codec_type"] == "audio"));
            }
        }
    }

    /// Every player changes down and up again. With `LSV_STRICT`, on a machine that does nothing else, it never stands still.
    async fn is_played(&self) {
        for (player, page) in [
            ("hls.js, low-latency CMAF", "hls.html?src=cmaf"),
            ("hls.js, MPEG-TS", "hls.html"),
            ("shaka-player, DASH", "dash.html"),
        ] {
            let seen = play_qualities(&self.url(page), seconds(20), "1,0,1").await;
            println!("{player}: {seen:?}");
            assert!(seen.ok, "{player}: {seen:?}");
            if std::env::var_os("LSV_STRICT").is_some() {
                assert_eq!((seen.stalls, seen.waits), (0, 0), "{player}: {seen:?}");
            }
            assert!(
                seen.requests_to_other_hosts.is_empty(),
                "{player}: {seen:?}"
            );
            let [low, high] = self.rungs.map(|(_, width, _)| width as u32);
            // Wherever it began.
            let down = seen.widths.windows(2).position(|pair| pair == [high, low]);
            let up = seen.widths.windows(2).rposition(|pair| pair == [low, high]);
            assert!(
                down.zip(up).is_some_and(|(down, up)| down < up),
                "{player}: {seen:?}"
            );
        }
    }

    /// Waits for a segment behind more than `before` discontinuities.
    async fn breaks(&self, before: u64) {
        let name = format!("{}/cmaf/video.m3u8", self.rungs[0].0);
        eventually("a discontinuity", async || {
            let playlist = self.playlist(&name).await?;
            let last = playlist.segments.last()?;
            (last.discontinuity_sequence > before).then_some(())
        })
        .await;
    }

    /// What begins at one time in the source and a rendition has the same date in both.
    async fn is_dated_as_its_source(&self) {
        let (rung, ..) = self.rungs[0];
        let dated = async |folder: &str| {
            let playlist = self.playlist(&format!("{folder}cmaf/video.m3u8")).await?;
            let mut dated = BTreeMap::new();
            for segment in playlist.segments.iter().rev().take(3) {
                dated.insert(self.begins(folder, segment).await, segment.date?);
            }
            Some(dated)
        };
        let pairs = eventually("segments that begin together", async || {
            let (source, of_rung) = (dated("").await?, dated(&format!("{rung}/")).await?);
            let pairs = source
                .iter()
                .filter_map(|(at, date)| Some((*date, *of_rung.get(at)?)));
            let pairs: Vec<_> = pairs.collect();
            (!pairs.is_empty()).then_some(pairs)
        })
        .await;
        for (of_source, of_rung) in pairs {
            assert!((of_source - of_rung).abs() <= 1, "{of_source} {of_rung}");
        }
    }

    /// Where the pictures of a segment begin, in ticks.
    async fn begins(&self, folder: &str, segment: &Segment) -> i64 {
        let fetch = async |name: &str| {
            let url = self.url(&format!("{folder}cmaf/{name}"));
            let answer = reqwest::get(url).await.expect("an answer");
            answer.bytes().await.expect("its bytes")
        };
        let map = segment.map.as_deref().expect("a map");
        let header = cmaf::header(&fetch(map).await).expect("a header");
        let chunks = cmaf::chunks(&fetch(&segment.uri).await, header.track);
        let chunks = chunks.expect("chunks");
        chunks.first().expect("a chunk").earliest()
    }
}

type Listed = (u64, u64, bool, Option<i64>, f64, Vec<f64>);

fn seen(playlist: &MediaPlaylist) -> Vec<Listed> {
    let segments = playlist.segments.iter();
    let seen = segments.map(|it| {
        let parts = it.parts.iter().map(|part| part.duration).collect();
        let breaks = (it.discontinuity_sequence, it.discontinuity);
        (it.sequence, breaks.0, breaks.1, it.date, it.duration, parts)
    });
    seen.collect()
}

/// The same picture and sound in two sizes, with key frames at the same times.
struct Clips {
    small: Vec<MediaFrame>,
    large: Vec<MediaFrame>,
}

impl Clips {
    async fn make() -> Self {
        let folder = TempDir::new().expect("a folder");
        Self {
            small: clip(folder.path(), "320x180").await,
            large: clip(folder.path(), "640x360").await,
        }
    }

    /// Publishes them over and over: the source and the larger rendition are the same here.
    async fn play(&self, [source, low, high]: &[Publisher; 3], start: Timestamp) {
        for (publisher, clip) in [
            (source, &self.large),
            (low, &self.small),
            (high, &self.large),
        ] {
            for kind in [Kind::Video, Kind::Audio] {
                let first = clip.iter().find(|frame| frame.kind() == kind);
                publisher.announce(&first.expect("a frame").track);
            }
        }
        let begun = Instant::now();
        for round in 0.. {
            for (small, large) in self.small.iter().zip(&self.large) {
                let at = small.dts + LENGTH * round;
                sleep_until(begun + at.since(Timestamp::ZERO)).await;
                for (publisher, frame) in [(source, large), (low, small), (high, large)] {
                    let mut frame = frame.clone();
                    frame.dts = start + (frame.dts + LENGTH * round);
                    if publisher.push(frame).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// The frames of a clip, without its script data.
async fn clip(folder: &Path, size: &'static str) -> Vec<MediaFrame> {
    let file = folder.join(format!("{size}.flv"));
    let picture = Picture {
        size,
        ..Picture::default()
    };
    picture.encode(LENGTH.as_secs() as u32, &file).await;
    let mut reader = Frames::default();
    reader.push(&std::fs::read(&file).expect("the clip"));
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().expect("a good clip") {
        let is_media = frame.kind() != Kind::Data;
        if is_media && frame.dts < Timestamp::ZERO + LENGTH {
            frames.push(frame);
        }
    }
    frames
}

/// Lets everybody in.
#[derive(Debug)]
struct Everybody;

#[async_trait]
impl Authorizer for Everybody {
    async fn authorize(&self, request: AccessRequest<'_>) -> Result<Grant, Denied> {
        let channel = channel::Channel::new(request.path.channel.clone(), request.now);
        Ok(Grant::new(Arc::new(channel), None))
    }
}

const LENGTH: Duration = Duration::from_secs(20);
