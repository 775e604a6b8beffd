//! The master playlist over the CMAF renditions (RFC 8216 §4.3.4).

use std::fmt::Write;

use lsv_core::media::TrackName;

use super::measure::{bandwidth, frame_rate};
use super::put;
use crate::segmenter::Init;
use crate::window::snapshot::Snapshot;

/// `master.m3u8`, once there is something of each track, or a whole segment.
pub(crate) fn render(window: &Snapshot) -> Option<String> {
    let run = window.cmaf_run()?;
    let is_there = |track: TrackName| {
        !window.listed_media(track).is_empty() || window.open_media(track).is_some()
    };
    let tracks: Vec<TrackName> = window.cmaf_tracks().collect();
    // A track beside the default ones may be silent; it appears when it has something.
    let awaited = || run.video().into_iter().chain(run.audio().next());
    if tracks.is_empty() || !awaited().all(|init| is_there(init.track.name())) {
        return None;
    }
    // What a player fetches at once: the pictures and one of the sounds.
    let played: Vec<TrackName> = awaited().map(|init| init.track.name()).collect();
    let measured = bandwidth(window, &played);
    let mut codecs: Vec<String> = run
        .inits
        .iter()
        .map(|init| init.track.codec.rfc6381())
        .collect();
    codecs.dedup();
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:6\n");
    let grouped = tracks.len() > 1;
    if grouped {
        let audio = run.audio().filter(|init| is_there(init.track.name()));
        for (index, init) in audio.enumerate() {
            put_audio(&mut out, init, index == 0);
        }
    }
    put!(
        out,
        "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"",
        measured.peak,
        measured.average,
        codecs.join(",")
    );
    if let Some(init) = run.video() {
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
    let media = played.first()?;
    put!(out, "\ncmaf/{media}.m3u8\n");
    Some(out)
}

/// One sound of the group that every picture goes with.
fn put_audio(out: &mut String, init: &Init, is_default: bool) {
    let name = init.track.name();
    put!(
        out,
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"{name}\""
    );
    out.push_str(match is_default {
        true => ",DEFAULT=YES,AUTOSELECT=YES",
        false => ",DEFAULT=NO,AUTOSELECT=YES",
    });
    if let Some(sound) = init.track.codec.sound() {
        put!(out, ",CHANNELS=\"{}\"", sound.channels);
    }
    put!(out, ",URI=\"cmaf/{name}.m3u8\"\n");
}
