//! Multivariant playlists (RFC 8216bis §4.4.6): over the CMAF tracks of a stream, and over the renditions of a channel.

use std::fmt::Write;
use std::sync::Arc;

use lsv_core::codec::Colour;
use lsv_core::media::{Codec, TrackName};
use lsv_core::path::Rendition;

use super::measure::{Bandwidth, bandwidth, frame_rate, of_ts};
use super::put;
use super::rung::Rung;
use crate::segmenter::Init;
use crate::ts;
use crate::window::snapshot::Snapshot;

/// `master.m3u8`, once there is something of each track, or a whole segment.
pub(crate) fn render(window: &Snapshot) -> Option<String> {
    let alone = Rung::alone(window);
    is_ready(window).then(|| render_all(&[alone], &alone))
}

/// There is something of each track, or a whole segment.
pub(crate) fn is_ready(window: &Snapshot) -> bool {
    let Some(run) = window.cmaf_run() else {
        return false;
    };
    // A track beside the default ones may be silent; it appears when it has something.
    let mut awaited = run.video().into_iter().chain(run.audio().next());
    !run.inits.is_empty() && awaited.all(|init| window.is_heard(init.track.name()))
}

/// The bit rates of the sounds of `rungs`, of those that have one.
pub(crate) fn sounds(rungs: &[Rung<'_>]) -> Vec<(Rendition, u64)> {
    let rate = |rung: &Rung<'_>| {
        let sound = rung.window.cmaf_run()?.audio().next()?.track.name();
        Some((rung.rendition, bandwidth(rung.window, &[sound]).average))
    };
    rungs.iter().filter_map(rate).collect()
}

/// The master over `rungs`, all of them ready, whose pictures go with the sounds of `sound`.
pub(crate) fn render_all(rungs: &[Rung<'_>], sound: &Rung<'_>) -> String {
    let run = sound.window.cmaf_run();
    let audio = run.into_iter().flat_map(|run| run.audio());
    let audio = audio.filter(|init| sound.window.is_heard(init.track.name()));
    let groups = groups(audio.cloned().collect());
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:6\n");
    let video = |rung: &Rung<'_>| rung.window.cmaf_run()?.video().cloned();
    if rungs.iter().all(|rung| video(rung).is_none()) {
        put_sound(&mut out, sound, &groups);
        return out;
    }
    for group in &groups {
        put_group(&mut out, sound, group);
    }
    for rung in rungs {
        let Some(video) = video(rung) else {
            continue;
        };
        if groups.is_empty() {
            put_pictures(&mut out, rung, &video, None);
        }
        for group in &groups {
            put_pictures(&mut out, rung, &video, Some((sound, group)));
        }
    }
    out
}

/// The multivariant playlist over MPEG-TS, whose segments have pictures and sounds in one, over `rungs` that have a segment each.
pub(crate) fn render_ts(rungs: &[Rung<'_>]) -> String {
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:6\n");
    for rung in rungs {
        let window = rung.window;
        let listed = window.listed_ts();
        let Some(run) = listed.run().or_else(|| window.newest_run()) else {
            continue;
        };
        let carried = run.inits.iter();
        let carried = carried.filter(|init| ts::Muxer::carries(&init.track));
        let mut codecs: Vec<String> = Vec::new();
        for codec in carried.map(|init| codec_string(&init.track.codec)) {
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        let measured = of_ts(window);
        put_variant(&mut out, measured.bandwidth(), &codecs.join(","));
        if let Some(video) = run.video() {
            put_picture(&mut out, video, measured.frame_rate(video));
        }
        put!(out, "\n{}\n", rung.address(format_args!("live.m3u8")));
    }
    out
}

/// Sounds of one codec. A player that lacks the codec passes over the variants with it and keeps the others, where one
/// group of all sounds would leave it nothing.
struct Group {
    codec: String,
    /// The default sound first, where it is of this codec.
    members: Vec<Arc<Init>>,
}

impl Group {
    /// What names it: its first sound.
    fn id(&self) -> Option<TrackName> {
        self.members.first().map(|init| init.track.name())
    }
}

/// The default sound's group comes first.
fn groups(audio: Vec<Arc<Init>>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for init in audio {
        let codec = codec_string(&init.track.codec);
        match groups.iter_mut().find(|group| group.codec == codec) {
            Some(group) => group.members.push(init),
            None => groups.push(Group {
                codec,
                members: vec![init],
            }),
        }
    }
    groups
}

/// What CODECS says. Apple's players and hls.js know MP3 only as object type 34 of MPEG-4 audio, which is what others call it
/// when it is within MPEG-4.
fn codec_string(codec: &Codec) -> String {
    match codec {
        Codec::Mp3(_) => "mp4a.40.34".to_owned(),
        codec => codec.rfc6381(),
    }
}

/// The sounds of a stream without pictures: a variant each, as there is nothing that they could go with.
fn put_sound(out: &mut String, rung: &Rung<'_>, groups: &[Group]) {
    for group in groups {
        for init in &group.members {
            let name = init.track.name();
            put_variant(out, bandwidth(rung.window, &[name]), &group.codec);
            put!(out, "\n{}\n", rung.media(name));
        }
    }
}

/// The members of a group. What is said to be at the same place in each group is the same sound in another encoding, so
/// it has the same name (RFC 8216bis §4.4.6.1.1).
fn put_group(out: &mut String, rung: &Rung<'_>, group: &Group) {
    let (Some(id), Some(run)) = (group.id(), rung.window.cmaf_run()) else {
        return;
    };
    let names = run.audio().map(|init| init.track.name());
    for (index, (init, called)) in group.members.iter().zip(names).enumerate() {
        put!(
            out,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{id}\",NAME=\"{called}\""
        );
        out.push_str(match index {
            0 => ",DEFAULT=YES,AUTOSELECT=YES",
            _ => ",DEFAULT=NO,AUTOSELECT=YES",
        });
        if let Some(sound) = init.track.codec.sound() {
            put!(out, ",CHANNELS=\"{}\"", sound.channels);
        }
        put!(out, ",URI=\"{}\"\n", rung.media(init.track.name()));
    }
}

/// The pictures of a rung, with one of the sounds of a group of the same or another rung.
fn put_pictures(
    out: &mut String,
    rung: &Rung<'_>,
    video: &Init,
    sounds: Option<(&Rung<'_>, &Group)>,
) {
    let pictures = video.track.name();
    let mut codecs = video.track.codec.rfc6381();
    // The most that a player can choose to fetch at once.
    let alone = bandwidth(rung.window, &[pictures]);
    let mut measured = alone;
    if let Some((of, group)) = sounds {
        put!(codecs, ",{}", group.codec);
        for init in &group.members {
            let name = init.track.name();
            measured = measured.most(match of.folder == rung.folder {
                true => bandwidth(rung.window, &[pictures, name]),
                false => alone.and(bandwidth(of.window, &[name])),
            });
        }
    }
    put_variant(out, measured, &codecs);
    put_picture(out, video, frame_rate(rung.window));
    if let Some(id) = sounds.and_then(|(_, group)| group.id()) {
        put!(out, ",AUDIO=\"{id}\"");
    }
    put!(out, "\n{}\n", rung.media(pictures));
}

/// The attributes that only pictures have.
fn put_picture(out: &mut String, video: &Init, rate: Option<f64>) {
    if let Some(picture) = video.track.codec.picture() {
        put!(out, ",RESOLUTION={}x{}", picture.width, picture.height);
        if let Some(range) = picture.colour.and_then(video_range) {
            put!(out, ",VIDEO-RANGE={range}");
        }
    }
    if let Some(rate) = rate {
        put!(out, ",FRAME-RATE={rate:.3}");
    }
}

/// By the transfer characteristics of ISO/IEC 23091-2 table 3, where they are said (RFC 8216bis §4.4.6.2).
fn video_range(colour: Colour) -> Option<&'static str> {
    Some(match colour.transfer {
        1 | 6 | 13 | 14 | 15 => "SDR",
        16 => "PQ",
        18 => "HLG",
        _ => return None,
    })
}

/// A variant, up to the attributes that only pictures have.
fn put_variant(out: &mut String, measured: Bandwidth, codecs: &str) {
    let Bandwidth { peak, average } = measured;
    put!(
        out,
        "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codecs}\""
    );
}

#[cfg(test)]
mod tests {
    use super::super::mpd;
    use super::*;
    use crate::fuzzing;
    use crate::segmenter::synthetic::{Rig, Source};
    use lsv_core::codec::hevc;
    use lsv_core::fuzzing::vectors;
    use lsv_core::media::{Kind, Track};

    #[test]
    fn high_dynamic_range_is_told() {
        let config = hevc::Config::parse(vectors::HEVC_HDR_RECORD.into()).unwrap();
        let source = Source {
            video: Some(Arc::new(Track::new(Kind::Video, Codec::Hevc(config)))),
            ..Source::default()
        };
        for (source, range) in [(source, Some("PQ")), (Source::default(), None)] {
            let mut rig = Rig::new();
            rig.push(&source.frames(6_000));
            let text = render(&rig.snapshot).unwrap();
            let told = text.split_once(",VIDEO-RANGE=").map(|(_, told)| told);
            let told = told.and_then(|told| told.split([',', '\n']).next());
            assert_eq!(told, range, "{text}");
        }
    }

    #[test]
    fn mp3_has_the_name_of_its_sample_entry_in_dash_and_the_one_that_hls_knows() {
        let mut sounds = fuzzing::sounds().into_iter();
        let mp3 = sounds.find(|track| matches!(track.codec, Codec::Mp3(_)));
        let source = Source {
            audio: mp3.map(|track| Arc::new(Track::new(track.kind, track.codec.clone()))),
            ..Source::default()
        };
        let mut rig = Rig::new();
        rig.push(&source.frames(6_000));
        let segments = &rig.snapshot.segments;
        let header = &segments[0].run.audio().next().unwrap().bytes;
        // The object type in `esds`, behind the tag and the length of its descriptor.
        let descriptor = [4, 0x80, 0x80, 0x80, 13, 0x6B, 0x15];
        assert!(header.windows(7).any(|bytes| bytes == descriptor));
        let (master, mpd) = (render(&rig.snapshot), mpd::render(&rig.snapshot));
        assert!(mpd.unwrap().joined().contains(" codecs=\"mp4a.6B\""));
        assert!(
            master
                .unwrap()
                .contains("CODECS=\"avc1.64001E,mp4a.40.34\"")
        );
    }
}
