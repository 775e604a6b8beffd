use std::time::Duration;

use lsv_core::path::Rendition::{P360, P480, P720};

use super::*;
use crate::segmenter::synthetic::{Rig, Source};

struct Channel {
    lineup: Arc<Lineup>,
    ladder: Ladder,
    rigs: Vec<(Rendition, Rig, Arc<Outputs>)>,
}

impl Channel {
    /// Renditions that have played `source` for some milliseconds.
    fn of(renditions: &[(Rendition, Source)], millis: i64) -> Self {
        let lineup = Arc::new(Lineup::new(0));
        let rigs = renditions.iter().map(|(rendition, source)| {
            let mut rig = Rig::in_line(&lineup, *rendition, Duration::ZERO);
            rig.push(&source.frames(millis));
            let outputs = Arc::new(Outputs::new(rig.snapshot.clone()));
            (*rendition, rig, outputs)
        });
        Self {
            rigs: rigs.collect(),
            ladder: Ladder::default(),
            lineup,
        }
    }

    fn file(&self, which: Master) -> Option<File> {
        let live = self.rigs.iter();
        let live = live.map(|(rendition, _, outputs)| (*rendition, Arc::clone(outputs)));
        self.ladder
            .render(which, &live.collect::<Vec<_>>(), &self.lineup)
    }

    fn text(&self, which: Master) -> String {
        String::from_utf8(self.file(which).unwrap().body.to_vec()).unwrap()
    }

    fn publish(&self) {
        for (_, rig, outputs) in &self.rigs {
            outputs.publish(rig.snapshot.clone());
        }
    }
}

fn two() -> Vec<(Rendition, Source)> {
    vec![(P360, Source::default()), (P720, Source::default())]
}

#[test]
fn hls_lists_the_pictures_of_all_with_one_sound() {
    let channel = Channel::of(&two(), 9_000);
    channel.lineup.sound(0, &[(P720, 1)]);
    let text = channel.text(Master::Cmaf);
    let master = m3u8_rs::parse_master_playlist_res(text.as_bytes()).unwrap();
    let uris: Vec<&str> = master.variants.iter().map(|it| it.uri.as_str()).collect();
    assert_eq!(uris, ["360p/cmaf/video.m3u8", "720p/cmaf/video.m3u8"]);
    let [sound] = &master.alternatives[..] else {
        panic!("{text}");
    };
    assert_eq!(sound.uri.as_deref(), Some("720p/cmaf/audio.m3u8"));
    for variant in &master.variants {
        assert_eq!(variant.audio.as_deref(), Some("audio"));
        assert_eq!(variant.codecs.as_deref(), Some("avc1.64001E,mp4a.40.2"));
        assert_eq!(variant.frame_rate, Some(30.0));
        let size = variant.resolution.map(|size| (size.width, size.height));
        assert_eq!(size, Some((640, 360)));
        assert!(variant.bandwidth >= variant.average_bandwidth.unwrap());
    }
}

#[test]
fn hls_over_mpeg_ts_says_what_is_in_it() {
    let channel = Channel::of(&two(), 9_000);
    let text = channel.text(Master::Index);
    let master = m3u8_rs::parse_master_playlist_res(text.as_bytes()).unwrap();
    let uris: Vec<&str> = master.variants.iter().map(|it| it.uri.as_str()).collect();
    assert_eq!(uris, ["360p/live.m3u8", "720p/live.m3u8"]);
    let segment = &channel.rigs[0].1.closed[1];
    let bits = segment.ts.as_ref().unwrap().bytes.len() as u64 * 8;
    for variant in &master.variants {
        assert_eq!(variant.codecs.as_deref(), Some("avc1.64001E,mp4a.40.2"));
        assert_eq!(variant.frame_rate, Some(30.0));
        let rate = bits / 2;
        assert!(
            variant.bandwidth.abs_diff(rate) < rate / 20,
            "{text} {rate}"
        );
    }
}

#[test]
fn dash_has_all_pictures_in_one_set_and_one_sound() {
    let late = Source {
        start: 5_000,
        ..Source::default()
    };
    let mut channel = Channel::of(&two(), 9_000);
    let mut rig = Rig::in_line(&channel.lineup, P480, Duration::ZERO);
    rig.push(&late.frames(4_000));
    let outputs = Arc::new(Outputs::new(rig.snapshot.clone()));
    channel.rigs.insert(1, (P480, rig, outputs));
    let text = channel.text(Master::Dash);
    let mpd = dash_mpd_core::parse(&text).unwrap();
    let [period] = &mpd.periods[..] else {
        panic!("{text}");
    };
    let [pictures, sounds] = &period.adaptations[..] else {
        panic!("{text}");
    };
    assert_eq!(pictures.segmentAlignment, Some(true));
    let ids: Vec<_> = pictures
        .representations
        .iter()
        .map(|it| it.id.clone().unwrap())
        .collect();
    assert_eq!(ids, ["360p-video", "480p-video", "720p-video"]);
    assert_eq!(sounds.representations.len(), 1);
    let starts = |at: usize| -> Vec<u64> {
        let template = pictures.representations[at]
            .SegmentTemplate
            .as_ref()
            .unwrap();
        assert_eq!(template.presentationTimeOffset, Some(0));
        let timeline = template.SegmentTimeline.as_ref().unwrap();
        let mut time = 0;
        let mut starts = Vec::new();
        for entry in &timeline.segments {
            time = entry.t.unwrap_or(time);
            for _ in 0..=entry.r.unwrap_or(0) {
                starts.push(time);
                time += entry.d;
            }
        }
        starts
    };
    assert_eq!(starts(0), starts(2));
    assert_eq!(starts(0).len(), 5);
    assert_eq!(starts(1), starts(0)[3..]);
}

#[test]
fn only_what_can_be_played_is_listed() {
    let mut channel = Channel::of(&[(P360, Source::default()), (P720, Source::default())], 100);
    assert!(channel.file(Master::Cmaf).is_none());
    assert!(channel.file(Master::Index).is_none());
    assert!(channel.file(Master::Dash).is_none());
    channel.rigs[0].1.push(
        &Source {
            start: 100,
            ..Source::default()
        }
        .frames(9_000),
    );
    channel.publish();
    assert!(channel.text(Master::Cmaf).contains("360p"));
    assert!(!channel.text(Master::Cmaf).contains("720p/cmaf/video"));
    channel.rigs[0].1.end();
    channel.publish();
    assert!(channel.file(Master::Cmaf).is_none());
}

#[test]
fn a_master_is_rendered_once_after_a_change() {
    let mut channel = Channel::of(&two(), 9_000);
    let first = channel.file(Master::Dash).unwrap();
    let again = channel.file(Master::Dash).unwrap();
    assert_eq!(
        first.body.pieces()[0].as_ptr(),
        again.body.pieces()[0].as_ptr()
    );
    let more = Source {
        start: 9_000,
        ..Source::default()
    }
    .frames(3_000);
    for (_, rig, _) in &mut channel.rigs {
        rig.push(&more);
    }
    channel.publish();
    assert_ne!(channel.file(Master::Dash).unwrap().etag, first.etag);
}

#[test]
fn channels_without_pictures_or_sound_have_masters_too() {
    for source in [Source::audio_only(), Source::video_only()] {
        let channel = Channel::of(&[(P360, source.clone()), (P480, source)], 9_000);
        for which in [Master::Index, Master::Cmaf] {
            let text = channel.text(which);
            let master = m3u8_rs::parse_master_playlist_res(text.as_bytes()).unwrap();
            assert!(!master.variants.is_empty(), "{text}");
            assert!(master.alternatives.is_empty(), "{text}");
        }
        assert!(dash_mpd_core::parse(&channel.text(Master::Dash)).is_ok());
    }
}
