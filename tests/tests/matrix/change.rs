//! What changes while a publisher sends: the sound in the midst of a group of pictures, the codec with a key frame. Each run
//! is a discontinuity with headers of its own, decodes without a word from ffmpeg, and nothing is lost between them.

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;
use lsv_tests::flv::Tag;
use lsv_tests::input::{Input, Order, Pictures, Rate, Sound, VideoCodec};
use lsv_tests::{Sent, Trace, hls};
use tempfile::TempDir;

use super::script::{Clip, Take, time};
use super::studio::{self, Played};

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_that_changes_in_mid_group_is_heard_without_a_gap() {
    for (order, from, to) in [
        (Order::Shown, Sound::Aac, Sound::AacMono),
        (Order::BFrames, Sound::AacMono, Sound::AacSurround),
        (Order::Pyramid, Sound::Aac, Sound::Opus),
        (Order::Shown, Sound::Opus, Sound::Ac3),
    ] {
        let inputs = [from, to].map(|sound| input(VideoCodec::H264, 10.0, order, sound, 12));
        let folder = TempDir::new().expect("a temporary folder");
        let [before, after] = clips(&inputs, folder.path()).await;
        let mut take = before.take(.., 0);
        let after = after.take(.., 0);
        let of_later: Vec<Tag> = after
            .tags
            .iter()
            .filter(|tag| tag.kind == 8)
            .cloned()
            .collect();
        take.tags
            .retain(|tag| tag.kind != 8 || time(tag) < CHANGED_AT);
        take.tags.extend(of_later.into_iter().filter_map(changed));
        take.tags.sort_by_key(time);
        let (pictures, sound) = (&take.sent.streams[0], &after.sent.streams[1]);
        let is_early = |sent: &&Sent| sent.dts.round() < f64::from(CHANGED_AT);
        let early = take.playable(1, true);
        let early: Vec<Sent> = early.into_iter().filter(|sent| is_early(&sent)).collect();
        let late: Vec<Sent> = sound.iter().skip_while(is_early).cloned().collect();
        let pictures = pictures.clone();
        let played = play(vec![take]).await;
        for runs in runs(played, &inputs, folder.path()).await {
            let place = format!("{from:?} to {to:?}, {}", runs.format);
            for (run, sent) in [&early, &late].into_iter().enumerate() {
                assert_eq!(hashes(&runs.sound[run]), hashes(sent), "{place}, run {run}");
            }
            // The second run has some of the first once more, and then all others.
            let [first, second] = [0, 1].map(|run| hashes(&runs.pictures[run]));
            let all = hashes(&pictures);
            assert_eq!(first, all[..first.len()], "{place}");
            assert_eq!(second, all[all.len() - second.len()..], "{place}");
            assert!(first.len() + second.len() >= all.len(), "{place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_another_codec_follow_a_discontinuity() {
    for (from, to) in [
        (VideoCodec::H264, VideoCodec::Hevc),
        (VideoCodec::Hevc, VideoCodec::H264),
        (VideoCodec::H264, VideoCodec::Av1),
    ] {
        let inputs = [from, to].map(|codec| input(codec, 2.0, Order::Shown, Sound::Aac, 6));
        let folder = TempDir::new().expect("a temporary folder");
        let [before, after] = clips(&inputs, folder.path()).await;
        let later = before.end();
        let (mut first, mut second) = (before.take(.., 0), after.take(.., later));
        first.adopt_sound(&mut second, |key| key.dts);
        let sent = [&first, &second].map(|take| [take.playable(0, true), take.playable(1, true)]);
        let played = play(vec![first, second]).await;
        for runs in runs(played, &inputs, folder.path()).await {
            let place = format!("{from:?} to {to:?}, {}", runs.format);
            for (run, sent) in sent.iter().enumerate() {
                assert_eq!(
                    hashes(&runs.sound[run]),
                    hashes(&sent[1]),
                    "{place}, run {run}"
                );
                if !runs.pictures[run].is_empty() {
                    assert_eq!(
                        hashes(&runs.pictures[run]),
                        hashes(&sent[0]),
                        "{place}, run {run}"
                    );
                }
            }
        }
    }
}

/// What ffmpeg finds in an output, run by run.
struct Runs {
    format: &'static str,
    /// None where the format does not carry the codec.
    pictures: [Vec<Sent>; 2],
    sound: [Vec<Sent>; 2],
}

fn input(codec: VideoCodec, group: f64, order: Order, sound: Sound, seconds: u32) -> Input {
    let audio: &'static [Sound] = match sound {
        Sound::Aac => &[Sound::Aac],
        Sound::AacMono => &[Sound::AacMono],
        Sound::AacSurround => &[Sound::AacSurround],
        Sound::Opus => &[Sound::Opus],
        _ => &[Sound::Ac3],
    };
    Input {
        video: Some(Pictures {
            codec,
            rate: Rate::Fixed("25"),
            group,
            order,
            size: "160x90",
        }),
        audio,
        seconds,
    }
}

async fn clips(inputs: &[Input; 2], folder: &Path) -> [Clip; 2] {
    let [before, after] = ["before.flv", "after.flv"].map(|name| folder.join(name));
    [
        Clip::encode(&inputs[0], &before).await,
        Clip::encode(&inputs[1], &after).await,
    ]
}

/// A tag of the later sound: what is due after the change, and the headers at its time.
fn changed(tag: Tag) -> Option<Tag> {
    let is_header = match tag.body.as_slice() {
        // AAC, and any other codec by its FourCC: the start of the sequence, or its channels.
        [first, second, ..] if first >> 4 == 10 => *second == 0,
        [first, ..] if first >> 4 == 9 => [0, 4].contains(&(first & 0x0F)),
        _ => false,
    };
    match is_header {
        true => Some(Tag {
            timestamp: CHANGED_AT.cast_unsigned(),
            ..tag
        }),
        false => (time(&tag) >= CHANGED_AT).then_some(tag),
    }
}

async fn play(takes: Vec<Take>) -> Played {
    let played = tokio::task::spawn_blocking(move || studio::play(&takes, 100));
    played.await.expect("packaging does not panic")
}

/// Holds the playlists to their media, and decodes each run.
async fn runs(mut played: Played, inputs: &[Input; 2], folder: &Path) -> Vec<Runs> {
    let files = played.files.clone();
    let cmaf: HashMap<String, Bytes> = files
        .iter()
        .filter_map(|(name, bytes)| Some((name.strip_prefix("cmaf/")?.to_owned(), bytes.clone())))
        .collect();
    let mut of_cmaf = Runs {
        format: "CMAF",
        pictures: Default::default(),
        sound: Default::default(),
    };
    for (stream, name) in ["cmaf/video.m3u8", "cmaf/audio.m3u8"]
        .into_iter()
        .enumerate()
    {
        let judge = played.playlists.get_mut(name).expect("a media playlist");
        let media = hls::judge_cmaf(judge, &cmaf);
        assert_eq!(judge.complaints(), [""; 0], "{name}");
        assert_eq!(media.runs.keys().collect::<Vec<_>>(), [&0, &1], "{name}");
        for (number, run) in media.runs.values().enumerate() {
            let file = folder.join(format!("{number}-{stream}.mp4"));
            std::fs::write(&file, &run.file).expect("a file to write");
            let got = Trace::of_tracks(&file, &inputs[number], &[stream]).await;
            let packets = got.expect("a run that decodes").streams.remove(0);
            match stream {
                0 => of_cmaf.pictures[number] = packets,
                _ => of_cmaf.sound[number] = packets,
            }
        }
    }
    let judge = played.playlists.get_mut("live.m3u8").expect("live.m3u8");
    drop(hls::judge_ts(judge, &files));
    assert_eq!(judge.complaints(), [""; 0], "live.m3u8");
    let mut of_ts = Runs {
        format: "MPEG-TS",
        pictures: Default::default(),
        sound: Default::default(),
    };
    for (number, input) in inputs.iter().enumerate() {
        let of_run = judge.listed().iter().map(|listed| &listed.segment);
        let of_run = of_run.filter(|segment| segment.discontinuity_sequence == number as u64);
        let whole: Vec<u8> = of_run
            .flat_map(|segment| files[&segment.uri].to_vec())
            .collect();
        let file = folder.join(format!("{number}.ts"));
        std::fs::write(&file, whole).expect("a file to write");
        let has_pictures = input.video.is_some_and(|pictures| pictures.codec.has_ts());
        let tracks: &[usize] = if has_pictures { &[0, 1] } else { &[1] };
        let got = Trace::of_tracks(&file, input, tracks).await;
        let mut streams = got.expect("a run that decodes").streams;
        of_ts.sound[number] = streams.pop().expect("sound");
        of_ts.pictures[number] = streams.pop().unwrap_or_default();
    }
    vec![of_cmaf, of_ts]
}

fn hashes(packets: &[Sent]) -> Vec<&str> {
    packets.iter().map(|packet| packet.hash.as_str()).collect()
}

/// In milliseconds, five seconds from any key frame.
const CHANGED_AT: i32 = 5_200;
