//! A publisher is lost and comes back in the midst of a group of pictures: its sound is there a second before its first
//! picture that can be decoded. The node that it publishes to shows a break, and so do all nodes behind it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lsv_rtmp::net::client::Publishing;
use lsv_rtmp::net::{Address, Client};
use lsv_rtmp::session::Media;
use lsv_tests::{HlsWatcher, Picture, Server, eventually, flv, hls};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{CHANNEL, Platform};

#[tokio::test(flavor = "multi_thread")]
async fn a_break_is_the_same_one_at_every_node_behind() {
    let begun = Instant::now();
    let platform = Platform::start(1).await;
    let gateway = &platform.gateways[0];
    let clip = clip().await;
    let address: Address = gateway.rtmp(&platform.key).parse().expect("an address");
    let mut publisher = publish(&address).await;
    let nodes = [
        gateway,
        &platform.origins[0],
        &platform.origins[1],
        &platform.edge,
    ];
    let playlists = ["cmaf/video.m3u8", "cmaf/audio.m3u8", "live.m3u8"];
    let watching = nodes.map(|node| {
        playlists.map(|name| HlsWatcher::open(&node.http(&format!("/{CHANNEL}/{name}"))))
    });
    send(&mut publisher, &clip, 0, 7_000).await;
    for watchers in &watching {
        for watcher in watchers {
            watcher.goes_on(begun, 2).await;
        }
    }

    // Without a word, as an encoder does that loses its network.
    drop(publisher);
    let lost = Instant::now();
    sleep(AWAY).await;
    let back = clock();
    let mut publisher = publish(&address).await;
    send(&mut publisher, &clip, 1_060, 13_000).await;
    for (node, watchers) in nodes.iter().zip(&watching) {
        for (watcher, name) in watchers.iter().zip(playlists) {
            watcher.goes_on(lost + AWAY, 4).await;
            let segments = watcher.segments();
            let breaks = segments.iter().filter(|segment| segment.discontinuity);
            assert_eq!(breaks.count(), 1, "{name} of {}: {segments:?}", node.name());
        }
    }

    let mut first: Option<Vec<i64>> = None;
    for node in nodes {
        let (count, date, lengths) = behind_the_break(node).await;
        assert_eq!(count, 1, "its discontinuity sequence");
        let manifest = text(&node.http(&format!("/{CHANNEL}/manifest.mpd"))).await;
        assert_eq!(manifest.matches("<Period ").count(), 2, "{manifest}");
        // The time without a publisher is no time of the media.
        let now = clock();
        assert!((back..now).contains(&date), "{date}: from {back} to {now}");
        let first = first.get_or_insert_with(|| lengths.clone());
        let both = first.len().min(lengths.len());
        assert!(
            both >= 3 && first[..both] == lengths[..both],
            "{first:?}, {lengths:?}"
        );
    }
}

/// Of the low-latency playlist of a node: the discontinuity sequence of the first segment behind the break, its date, and how
/// long the segments are from there, in milliseconds.
async fn behind_the_break(node: &Server) -> (u64, i64, Vec<i64>) {
    let url = node.http(&format!("/{CHANNEL}/cmaf/video.m3u8"));
    let playlist = hls::MediaPlaylist::parse(&text(&url).await).expect("a playlist");
    let breaks = playlist.segments.iter().position(|it| it.discontinuity);
    let behind = &playlist.segments[breaks.expect("the break is listed")..];
    let lengths = behind
        .iter()
        .map(|it| (it.duration * 1_000.0).round() as i64);
    let (count, date) = (behind[0].discontinuity_sequence, behind[0].date);
    (count, date.expect("a date"), lengths.collect())
}

/// Milliseconds since 1970.
fn clock() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = now.expect("a clock").as_millis();
    i64::try_from(millis).expect("milliseconds")
}

async fn text(url: &str) -> String {
    let answer = reqwest::get(url).await.expect("an answer");
    answer.text().await.expect("text")
}

/// What an encoder sends, with a key frame each two seconds.
async fn clip() -> Vec<flv::Tag> {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("clip.flv");
    let picture = Picture {
        gop: 50,
        ..Picture::default()
    };
    picture.encode(14, &file).await;
    flv::tags(&std::fs::read(&file).expect("the clip"))
}

async fn publish(address: &Address) -> Publishing {
    eventually("the gateway takes the publisher", async || {
        Client::default().publish(address).await.ok()
    })
    .await
}

/// Sends the headers of the clip and what it has between two times, in real time.
async fn send(publisher: &mut Publishing, clip: &[flv::Tag], from: u32, until: u32) {
    let begun = Instant::now();
    let headers = clip.iter().filter(|tag| is_header(tag));
    let rest = clip.iter().filter(|tag| !is_header(tag));
    let rest = rest.filter(|tag| (from..until).contains(&tag.timestamp));
    for tag in headers.chain(rest) {
        let timestamp = tag.timestamp.max(from);
        sleep_until(begun + Duration::from_millis(u64::from(timestamp - from))).await;
        let payload = tag.body.clone().into();
        let media = match tag.kind {
            8 => Media::Audio { timestamp, payload },
            9 => Media::Video { timestamp, payload },
            _ => continue,
        };
        publisher
            .send_media(&media)
            .await
            .expect("the gateway takes it");
    }
}

/// A codec configuration (FLV 10.1 §E.4.2.1, §E.4.3.1): of AAC and AVC the second byte is 0.
fn is_header(tag: &flv::Tag) -> bool {
    tag.kind != 18 && tag.body.get(1) == Some(&0)
}

/// How long the publisher is away: less than the reconnect window, and more than clocks are off.
const AWAY: Duration = Duration::from_secs(2);
