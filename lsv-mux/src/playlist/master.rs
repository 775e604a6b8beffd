//! The master playlist over the CMAF renditions (RFC 8216 §4.3.4).

use std::fmt::Write;

use lsv_core::media::Kind;

use super::measure::{bandwidth, frame_rate};
use super::{KINDS, put};
use crate::window::snapshot::Snapshot;

/// `master.m3u8`, once there is something of each track, or a whole segment.
pub(crate) fn render(window: &Snapshot) -> Option<String> {
    let run = window.cmaf_run()?;
    let is_there =
        |kind: Kind| !window.listed_media(kind).is_empty() || window.open_media(kind).is_some();
    let kinds: Vec<Kind> = KINDS
        .into_iter()
        .filter(|kind| run.init(*kind).is_some())
        .collect();
    if kinds.is_empty() || !kinds.iter().all(|kind| is_there(*kind)) {
        return None;
    }
    let measured = bandwidth(window, &kinds);
    let codecs: Vec<String> = kinds
        .iter()
        .filter_map(|kind| run.init(*kind))
        .map(|init| init.track.codec.rfc6381())
        .collect();
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:6\n");
    let grouped = kinds.len() > 1;
    if grouped {
        out.push_str(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"audio\",DEFAULT=YES,AUTOSELECT=YES",
        );
        let sound = run.audio.as_ref().and_then(|init| init.track.codec.sound());
        if let Some(sound) = sound {
            put!(out, ",CHANNELS=\"{}\"", sound.channels);
        }
        out.push_str(",URI=\"cmaf/audio.m3u8\"\n");
    }
    put!(
        out,
        "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"",
        measured.peak,
        measured.average,
        codecs.join(",")
    );
    if let Some(init) = &run.video {
        if let Some(picture) = init.track.codec.picture() {
            put!(out, ",RESOLUTION={}x{}", picture.width, picture.height);
        }
        if let Some(rate) = frame_rate(window) {
            put!(out, ",FRAME-RATE={rate:.3}");
        }
    }
    if grouped {
        out.push_str(",AUDIO=\"audio\"");
    }
    let media = if run.video.is_some() {
        "video"
    } else {
        "audio"
    };
    put!(out, "\ncmaf/{media}.m3u8\n");
    Some(out)
}
