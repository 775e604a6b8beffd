//! The ways out of a channel, as they are found in its own playlists and listing.

use lsv_tests::eventually;

use crate::asking::Asker;

/// A way out.
pub(crate) struct Way {
    pub(crate) label: &'static str,
    /// Its path; over RTMP that of the stream.
    pub(crate) address: String,
    /// The status for those who are let in.
    pub(crate) allowed: u16,
    pub(crate) form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Get,
    Head,
    WebSocket,
    Rtmp,
}

impl Way {
    pub(crate) fn is_rtmp(&self) -> bool {
        self.form == Form::Rtmp
    }
}

/// All ways, with segments that are there now.
pub(crate) async fn ways(asker: &Asker) -> Vec<Way> {
    let way = |label, address: &str, allowed, form| Way {
        label,
        address: address.to_owned(),
        allowed,
        form,
    };
    let get = |label, address: &str| way(label, address, 200, Form::Get);
    let ts = asker.inside("/cam/live.m3u8", "ts/").await;
    let master = "/cam/cmaf/video.m3u8";
    let init = asker.inside(master, "URI=\"video-init").await;
    let segment = asker.newest(master).await;
    let part = asker.inside(master, ",URI=\"video-").await;
    let (playlist, recorded) = recordings(asker).await;
    let recorded_segment = asker.inside(&playlist, "segment-").await;
    vec![
        way("RTMP", "/cam", 200, Form::Rtmp),
        get("FLV", "/cam/live.flv"),
        way("FLV HEAD", "/cam/live.flv", 200, Form::Head),
        way("WebSocket", "/cam/live.flv", 101, Form::WebSocket),
        get("HLS", "/cam/live.m3u8"),
        get("index", "/cam/index.m3u8"),
        get("TS", &ts),
        get("LL-HLS", "/cam/master.m3u8"),
        get("video", master),
        get("init", &init),
        get("segment", &segment),
        get("part", &part),
        get("DASH", "/cam/manifest.mpd"),
        // There is none, which is learnt by those who may watch.
        way("key", "/cam/key/7", 404, Form::Get),
        way("720p", "/cam/720p/live.m3u8", 404, Form::Get),
        get("VoD", "/cam/vod/"),
        get("VoD list", &playlist),
        get("VoD media", &recorded_segment),
        get("MP4", &recorded),
        get("poster", "/cam/poster.jpg"),
        get("page", "/cam/"),
        get("FLV page", "/cam/flv.html"),
        get("HLS page", "/cam/hls.html"),
        get("DASH page", "/cam/dash.html"),
        get("clock", "/cam/time"),
        way("bare", "/cam", 308, Form::Get),
    ]
}

/// A recorded playlist and an MP4 file.
async fn recordings(asker: &Asker) -> (String, String) {
    eventually("recordings", async || {
        let listing: serde_json::Value =
            serde_json::from_str(&asker.text("/cam/vod/").await?).ok()?;
        let of = |kind: &str| {
            let mut recordings = listing["recordings"].as_array()?.iter();
            let found = recordings.find(|recording| recording["kind"] == kind)?;
            Some(format!("/cam/vod/{}", found["url"].as_str()?))
        };
        let playlist = of("on-demand")?;
        let has_segment = asker.text(&playlist).await?.contains("segment-");
        Some((playlist, of("file")?)).filter(|_| has_segment)
    })
    .await
}
