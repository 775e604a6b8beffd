//! A gateway dies and its publisher goes to another: viewers of every protocol go on, two tiers away.

use lsv_tests::{FlvWatcher, HlsWatcher, Signal};
use tokio::time::Instant;

use crate::viewers::Watching;
use crate::{CHANNEL, GENEROUS, Platform};

#[tokio::test(flavor = "multi_thread")]
async fn viewers_of_every_protocol_go_on_when_a_gateway_dies() {
    let mut platform = Platform::start(2).await;
    let mut publisher = platform.push(0);
    platform.viewers_at(0).await;
    let edge = &platform.edge;
    let flv = FlvWatcher::open(&edge.http("/cam/live.flv")).await;
    let ts = HlsWatcher::open(&edge.http("/cam/live.m3u8"));
    let cmaf = HlsWatcher::open(&edge.http("/cam/cmaf/video.m3u8"));
    let rtmp = Watching::rtmp(&edge.rtmp(CHANNEL)).await;
    let socket = Watching::web_socket(&edge.http("/cam/live.flv")).await;
    let dash = Watching::dash(&edge.http("/cam/manifest.mpd"));
    let began = Instant::now();
    flv.shows(began, 2_000).await;
    tokio::join!(rtmp.goes_on(began, 25), socket.goes_on(began, 25));
    tokio::join!(
        ts.goes_on(began, 3),
        cmaf.goes_on(began, 3),
        dash.goes_on(began, 3)
    );

    let killed = Instant::now();
    platform.gateways[0].kill().await;
    publisher.signal(Signal::KILL);
    publisher.ended().await;
    let _publisher = platform.push(1);
    platform.viewers_at(1).await;
    flv.shows(Instant::now(), 5_000).await;
    let resumed = Instant::now();
    tokio::join!(rtmp.goes_on(resumed, 75), socket.goes_on(resumed, 75));
    tokio::join!(
        ts.goes_on(resumed, 3),
        cmaf.goes_on(resumed, 3),
        dash.goes_on(resumed, 3)
    );

    let pictures = flv.pictures();
    let gaps = pictures.windows(2).map(|pair| pair[1].came - pair[0].came);
    let gap = gaps.max().unwrap_or_default();
    println!(
        "killed {:?} ago; widest gap: FLV {gap:?}, RTMP {:?}, WebSocket {:?}, new in DASH {:?}; stood still: HLS {:?}, CMAF {:?}",
        killed.elapsed(),
        rtmp.widest_gap(),
        socket.widest_gap(),
        dash.widest_gap(),
        ts.stalled(),
        cmaf.stalled()
    );
    for gap in [
        gap,
        rtmp.widest_gap(),
        socket.widest_gap(),
        ts.stalled(),
        cmaf.stalled(),
    ] {
        assert!(gap < GENEROUS, "{gap:?}");
    }
    let times: Vec<i64> = pictures.iter().map(|picture| picture.at).collect();
    assert!(times.is_sorted(), "time runs backwards for a viewer of FLV");
    for playlist in [&ts, &cmaf] {
        let segments = playlist.segments();
        let sequences: Vec<u64> = segments.iter().map(|segment| segment.sequence).collect();
        assert!(
            sequences.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{sequences:?}"
        );
    }
}
