use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use lsv_core::codec::opus;
use lsv_core::media::{Codec, Kind, MediaFrame, Track, TrackName};
use lsv_core::time::Timestamp;
use m3u8_rs::{MasterPlaylist, MediaPlaylist};
use proptest::prelude::*;

use super::*;
use crate::segmenter::synthetic::{Rig, Source};
use crate::testing::{self, AUDIO, VIDEO};
use crate::window::body::Text;
use crate::window::snapshot::Snapshot;
use crate::window::{Limits, Skip};

mod hls {
    use super::*;

    pub(super) fn render(window: &Snapshot, skip: Skip) -> Option<String> {
        super::super::hls::render(window, skip).map(Text::joined)
    }
}

mod low_latency {
    use super::*;

    pub(super) fn render(window: &Snapshot, track: TrackName, skip: Skip) -> Option<String> {
        super::super::low_latency::render(window, track, skip).map(Text::joined)
    }
}

mod mpd {
    use super::*;

    pub(super) fn render(window: &Snapshot) -> Option<String> {
        super::super::mpd::render(window).map(Text::joined)
    }
}

fn limits(bytes: usize) -> Limits {
    Limits {
        bytes,
        ..Limits::default()
    }
}

fn media(text: &str) -> MediaPlaylist {
    m3u8_rs::parse_media_playlist_res(text.as_bytes())
        .unwrap_or_else(|error| panic!("{error:?} in\n{text}"))
}

fn master_of(text: &str) -> MasterPlaylist {
    m3u8_rs::parse_master_playlist_res(text.as_bytes())
        .unwrap_or_else(|error| panic!("{error:?} in\n{text}"))
}

fn rig(source: &Source, millis: i64) -> Rig {
    let mut rig = Rig::new();
    rig.push(&source.frames(millis));
    rig
}

#[test]
fn hls() {
    let rig = rig(&Source::default(), 20_500);
    let text = hls::render(&rig.snapshot, Skip::Nothing).unwrap();
    let playlist = media(&text);
    assert_eq!(
        (playlist.target_duration, playlist.media_sequence),
        (2, 1004)
    );
    assert_eq!(playlist.segments.len(), 6);
    assert!(playlist.independent_segments && !playlist.end_list);
    assert!(
        text.starts_with(
            "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=6\n\
         #EXT-X-MEDIA-SEQUENCE:1004\n#EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:08.000Z\n#EXTINF:2.00000,\nts/1004.ts\n"
        ),
        "{text}"
    );
}

#[test]
fn low_latency() {
    let rig = rig(&Source::default(), 20_500);
    let text = low_latency::render(&rig.snapshot, VIDEO, Skip::Nothing).unwrap();
    let playlist = media(&text);
    assert_eq!(
        (playlist.target_duration, playlist.media_sequence),
        (2, 1004)
    );
    for tag in [
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.000,HOLD-BACK=6\n",
        "#EXT-X-PART-INF:PART-TARGET=0.216\n",
        "#EXT-X-MAP:URI=\"video-init-1000.mp4\"\n",
        "#EXT-X-PART:DURATION=0.20000,URI=\"video-1010.0.m4s\",INDEPENDENT=YES\n",
        "#EXT-X-PART:DURATION=0.20000,URI=\"video-1010.1.m4s\"\n",
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"video-1010.2.m4s\"\n",
        "#EXT-X-RENDITION-REPORT:URI=\"audio.m3u8\",LAST-MSN=1010,LAST-PART=1\n",
        "#EXTINF:2.00000,\nvideo-1009.m4s\n",
    ] {
        assert_eq!(text.matches(tag).count(), 1, "{tag} in\n{text}");
    }
    // Three target durations of parts, and those of the segment that grows.
    assert_eq!(text.matches("#EXT-X-PART:").count(), 3 * 10 + 2);
    let audio = low_latency::render(&rig.snapshot, AUDIO, Skip::Nothing).unwrap();
    assert_eq!(media(&audio).media_sequence, 1004);
}

#[test]
fn masters() {
    let text = master::render(&rig(&Source::default(), 9_000).snapshot).unwrap();
    let parsed = master_of(&text);
    let variant = &parsed.variants[0];
    assert_eq!(variant.uri, "cmaf/video.m3u8");
    assert_eq!(variant.codecs.as_deref(), Some("avc1.64001E,mp4a.40.2"));
    assert_eq!(
        variant.resolution.map(|size| (size.width, size.height)),
        Some((640, 360))
    );
    assert_eq!(variant.frame_rate, Some(30.0));
    assert!(variant.bandwidth >= variant.average_bandwidth.unwrap());
    assert_eq!(
        parsed.alternatives[0].uri.as_deref(),
        Some("cmaf/audio.m3u8")
    );

    let text = master::render(&rig(&Source::video_only(), 9_000).snapshot).unwrap();
    assert!(
        text.contains("CODECS=\"avc1.64001E\"") && !text.contains("AUDIO"),
        "{text}"
    );

    let text = master::render(&rig(&Source::audio_only(), 9_000).snapshot).unwrap();
    assert!(
        text.ends_with("CODECS=\"mp4a.40.2\"\ncmaf/audio.m3u8\n"),
        "{text}"
    );
}

/// The default sound and another in AAC, and one in Opus: a player that lacks Opus has the first variant.
#[test]
fn each_codec_of_sound_has_a_variant_of_its_own() {
    let opus = Codec::Opus(opus::Config::parse(Bytes::new()).unwrap());
    let beside = [
        Arc::new(Track::clone(&testing::audio()).with_id(1)),
        Arc::new(Track::new(Kind::Audio, opus).with_id(2)),
    ];
    let mut frames = Vec::new();
    for frame in Source::default().frames(9_000) {
        if frame.kind() == Kind::Audio {
            for track in &beside {
                let mut other = frame.clone();
                other.is_default = false;
                other.track = Arc::clone(track);
                frames.push(other);
            }
        }
        frames.push(frame);
    }
    let mut rig = Rig::new();
    rig.push(&frames);
    let text = master::render(&rig.snapshot).unwrap();
    let lines: Vec<&str> = text.lines().skip(2).collect();
    let variant = |line: &str, codecs: &str, group: &str| {
        assert!(line.starts_with("#EXT-X-STREAM-INF:BANDWIDTH="), "{line}");
        let ends =
            format!("CODECS=\"{codecs}\",RESOLUTION=640x360,FRAME-RATE=30.000,AUDIO=\"{group}\"");
        assert!(line.ends_with(&ends), "{line}");
    };
    assert_eq!(lines.len(), 7, "{text}");
    assert_eq!(
        lines[..3],
        [
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"audio\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"cmaf/audio.m3u8\"",
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"audio1\",DEFAULT=NO,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"cmaf/audio1.m3u8\"",
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio2\",NAME=\"audio\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"cmaf/audio2.m3u8\"",
        ]
    );
    variant(lines[3], "avc1.64001E,mp4a.40.2", "audio");
    variant(lines[5], "avc1.64001E,Opus", "audio2");
    assert_eq!((lines[4], lines[6]), ("cmaf/video.m3u8", "cmaf/video.m3u8"));
    assert!(
        master_of(&text)
            .variants
            .iter()
            .all(|variant| variant.bandwidth >= variant.average_bandwidth.unwrap())
    );
}

#[test]
fn the_master_comes_with_the_first_parts() {
    let rig = rig(&Source::default(), 600);
    assert!(hls::render(&rig.snapshot, Skip::Nothing).is_none());
    assert!(mpd::render(&rig.snapshot).is_none());
    let text = master::render(&rig.snapshot).unwrap();
    assert_eq!(master_of(&text).variants.len(), 1);
}

#[test]
fn dash() {
    let rig = rig(&Source::default(), 20_500);
    let text = mpd::render(&rig.snapshot).unwrap();
    let mpd = dash_mpd_core::parse(&text).unwrap();
    assert_eq!(dash_mpd_core::check_conformity(&mpd), [""; 0]);
    assert_eq!(mpd.mpdtype.as_deref(), Some("dynamic"));
    assert_eq!(mpd.minimumUpdatePeriod, Some(Duration::from_secs(1)));
    assert_eq!(mpd.periods.len(), 1);
    let sets = &mpd.periods[0].adaptations;
    assert_eq!(sets.len(), 2);
    let representation = &sets[0].representations[0];
    let template = representation.SegmentTemplate.as_ref().unwrap();
    assert_eq!(template.startNumber, None);
    let media = template.media.as_deref();
    assert_eq!(media, Some("cmaf/video-1000-$Time$.m4s"));
    let timeline = template.SegmentTimeline.as_ref().unwrap();
    // Six closed ones, and the one that grows.
    assert_eq!(timeline.segments.len(), 7);
    assert_eq!(
        (timeline.segments[0].t, timeline.segments[0].d),
        (Some(8 * 90_000), 180_000)
    );
    assert!(text.contains("urn:mpeg:dash:utc:http-iso:2014\" value=\"time\""));
}

#[test]
fn the_dash_manifest_to_the_letter() {
    let mut rig = Rig::new();
    rig.configure(|settings| settings.list_size = 1);
    rig.push(&Source::default().frames(4_500));
    assert_eq!(
        mpd::render(&rig.snapshot).unwrap(),
        r#"<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019,http://www.dashif.org/guidelines/low-latency-live-v5" type="dynamic" availabilityStartTime="2026-01-01T00:00:00.000Z" publishTime="2026-01-01T00:00:04.226Z" minimumUpdatePeriod="PT1.000S" timeShiftBufferDepth="PT2.000S" suggestedPresentationDelay="PT2.000S" maxSegmentDuration="PT2.000S" minBufferTime="PT2.000S">
  <ServiceDescription id="0">
    <Latency referenceId="0" target="2000" min="1000" max="8000"/>
    <PlaybackRate min="0.96" max="1.1"/>
  </ServiceDescription>
  <Period id="0" start="PT0.000S">
    <AdaptationSet id="0" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">
      <ProducerReferenceTime id="0" inband="true" type="encoder" wallClockTime="2026-01-01T00:00:00.000Z" presentationTime="0">
        <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="time"/>
      </ProducerReferenceTime>
      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
      <Representation id="video" codecs="avc1.64001E" bandwidth="60992" width="640" height="360" frameRate="30">
        <SegmentTemplate timescale="90000" presentationTimeOffset="0" availabilityTimeOffset="1.784" availabilityTimeComplete="false" initialization="cmaf/video-init-1000.mp4" media="cmaf/video-1000-$Time$.m4s">
          <SegmentTimeline>
            <S t="180000" d="180000"/>
            <S d="180000"/>
          </SegmentTimeline>
        </SegmentTemplate>
      </Representation>
    </AdaptationSet>
    <AdaptationSet id="1" contentType="audio" mimeType="audio/mp4" segmentAlignment="true" startWithSAP="1">
      <ProducerReferenceTime id="1" inband="true" type="encoder" wallClockTime="2026-01-01T00:00:00.000Z" presentationTime="0">
        <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="time"/>
      </ProducerReferenceTime>
      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
      <Representation id="audio" codecs="mp4a.40.2" bandwidth="20608" audioSamplingRate="44100">
        <AudioChannelConfiguration schemeIdUri="urn:mpeg:mpegB:cicp:ChannelConfiguration" value="2"/>
        <SegmentTemplate timescale="44100" presentationTimeOffset="0" availabilityTimeOffset="1.784" availabilityTimeComplete="false" initialization="cmaf/audio-init-1000.mp4" media="cmaf/audio-1000-$Time$.m4s">
          <SegmentTimeline>
            <S t="89088" d="88064"/>
            <S d="88064"/>
          </SegmentTimeline>
        </SegmentTemplate>
      </Representation>
    </AdaptationSet>
  </Period>
  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="time"/>
</MPD>
"#
    );
    rig.end();
    let text = mpd::render(&rig.snapshot).unwrap();
    assert!(text.contains(" type=\"static\" mediaPresentationDuration=\"PT4."));
    for live in [
        "UTCTiming",
        "ServiceDescription",
        "ProducerReferenceTime",
        "availability",
        "minimumUpdatePeriod",
    ] {
        assert!(!text.contains(live), "{live} in\n{text}");
    }
}

#[test]
fn dash_lists_the_segment_that_grows_once_it_has_a_part() {
    let mut follower = HashMap::new();
    let mut texts = 0;
    Rig::new().push_each(&Source::default().frames(9_000), |window| {
        let Some(text) = mpd::render(window) else {
            return;
        };
        texts += 1;
        let mpd = dash_mpd_core::parse(&text).unwrap();
        for set in &mpd.periods[0].adaptations {
            let representation = &set.representations[0];
            let template = representation.SegmentTemplate.as_ref().unwrap();
            let timeline = &template.SegmentTimeline.as_ref().unwrap().segments;
            let name = testing::name(representation.id.as_deref().unwrap());
            let open = window.open_media(name).map(|(_, open)| open.first_time());
            let mut next = 0;
            for entry in timeline {
                let start = entry.t.unwrap_or(next);
                next = start + entry.d;
                // What grows is never listed too long, and sound too short by a frame at most, until it is known to come
                // in step with the pictures.
                let known = follower.insert((name, start), entry.d).unwrap_or(entry.d);
                let settled = name == VIDEO || start > 3 * 44_100;
                let least = if settled { entry.d } else { entry.d - 1024 };
                assert!((least..=entry.d).contains(&known), "{known} in {text}");
            }
            assert!(open.is_none_or(|open| open < next), "{text}");
        }
    });
    assert!(texts > 40);
}

#[test]
fn sounds_are_sets_of_their_own() {
    let mut rig = Rig::new();
    let source = Source::default();
    let other = Arc::new(testing::audio().as_ref().clone().with_id(2));
    let mut frames = source.frames(5_000);
    let others: Vec<_> = frames
        .iter()
        .filter(|frame| frame.kind() == Kind::Audio)
        .map(|frame| {
            let mut frame = frame.clone();
            frame.track = Arc::clone(&other);
            frame.is_default = false;
            frame
        })
        .collect();
    frames.extend(others);
    frames.sort_by_key(|frame| frame.dts);
    let mut tracks = testing::tracks(source.video.as_ref(), source.audio.as_ref());
    tracks.others.push(Arc::clone(&other));
    rig.segmenter.announce(&tracks);
    rig.push(&frames);
    let text = mpd::render(&rig.snapshot).unwrap();
    let mpd = dash_mpd_core::parse(&text).unwrap();
    let sets = &mpd.periods[0].adaptations;
    let said: Vec<_> = sets
        .iter()
        .map(|set| {
            (
                set.id.clone().unwrap(),
                set.representations[0].id.clone().unwrap(),
                set.Role[0].value.clone().unwrap(),
            )
        })
        .collect();
    let said: Vec<_> = said
        .iter()
        .map(|(id, name, role)| (id.as_str(), name.as_str(), role.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("0", "video", "main"),
            ("1", "audio", "main"),
            ("5", "audio2", "alternate")
        ]
    );
}

#[test]
fn dash_players_stay_three_segments_behind_and_within_the_window() {
    let two_seconds = Source::default();
    let ten_seconds = Source {
        gop: 300,
        ..Source::default()
    };
    let ample = Limits::default().bytes;
    for (source, millis, list_size, bytes, delay) in [
        (&two_seconds, 2_500, 6, ample, 6),
        (&two_seconds, 20_500, 6, ample, 6),
        (&two_seconds, 20_500, 1, ample, 2),
        // Of these, there is room for one segment only.
        (&two_seconds, 20_500, 6, 1, 2),
        (&ten_seconds, 10_500, 6, ample, 30),
        (&ten_seconds, 20_500, 6, ample, 30),
        (&ten_seconds, 90_500, 6, ample, 30),
    ] {
        let mut rig = Rig::with(Default::default(), limits(bytes));
        rig.configure(|settings| settings.list_size = list_size);
        rig.push(&source.frames(millis));
        let mpd = dash_mpd_core::parse(&mpd::render(&rig.snapshot).unwrap()).unwrap();
        let suggested = mpd.suggestedPresentationDelay.unwrap();
        let depth = mpd.timeShiftBufferDepth.unwrap();
        assert_eq!(suggested.as_secs_f64().round() as u64, delay);
        assert!(suggested <= depth, "{suggested:?} {depth:?}");
    }
}

#[test]
fn a_resumed_stream_has_one_discontinuity_and_a_second_period() {
    let mut rig = rig(&Source::default(), 5_000);
    rig.push(
        &Source {
            epoch: 1,
            start: 9_000,
            ..Source::default()
        }
        .frames(4_500),
    );
    for text in [
        hls::render(&rig.snapshot, Skip::Nothing).unwrap(),
        low_latency::render(&rig.snapshot, VIDEO, Skip::Nothing).unwrap(),
        low_latency::render(&rig.snapshot, AUDIO, Skip::Nothing).unwrap(),
    ] {
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{text}");
        assert!(!text.contains("DISCONTINUITY-SEQUENCE"));
        assert!(text.matches("#EXT-X-MAP").count() <= 1);
    }
    let text = mpd::render(&rig.snapshot).unwrap();
    let mpd = dash_mpd_core::parse(&text).unwrap();
    assert_eq!(mpd.periods.len(), 2);
    assert_eq!(mpd.periods[1].start, Some(Duration::from_secs(9)));
    // The discontinuity leaves the playlist, and its count stays.
    rig.push(
        &Source {
            epoch: 1,
            start: 9_000,
            ..Source::default()
        }
        .frames(30_500)[300..],
    );
    let text = hls::render(&rig.snapshot, Skip::Nothing).unwrap();
    assert!(
        text.contains("#EXT-X-DISCONTINUITY-SEQUENCE:1\n")
            && !text.contains("#EXT-X-DISCONTINUITY\n"),
        "{text}"
    );
}

#[test]
fn an_ended_stream_says_so_everywhere() {
    let mut rig = rig(&Source::default(), 5_000);
    rig.end();
    let texts = [
        hls::render(&rig.snapshot, Skip::Nothing).unwrap(),
        low_latency::render(&rig.snapshot, VIDEO, Skip::Nothing).unwrap(),
        low_latency::render(&rig.snapshot, AUDIO, Skip::Nothing).unwrap(),
    ];
    for text in texts {
        assert!(text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
        assert!(!text.contains("PRELOAD-HINT"));
        assert_eq!(media(&text).segments.len(), 3);
    }
    let mpd = dash_mpd_core::parse(&mpd::render(&rig.snapshot).unwrap()).unwrap();
    assert_eq!(mpd.mpdtype.as_deref(), Some("static"));
    assert_eq!(
        mpd.mediaPresentationDuration
            .map(|length| length.as_secs_f64().round()),
        Some(5.0)
    );
}

/// What is left of an ended stream begins where its first period says, and ends where the presentation does.
#[test]
fn an_ended_dash_manifest_has_no_hole_in_front() {
    let mut rig = rig(&Source::default(), 41_000);
    let again = Source {
        epoch: 1,
        start: 41_040,
        ..Source::default()
    };
    rig.push(&again.frames(5_000));
    let seconds = |text: &str| {
        let mpd = dash_mpd_core::parse(text).unwrap();
        let mut times = Vec::new();
        for period in &mpd.periods {
            let start = period.start.unwrap().as_secs_f64();
            let template = period.adaptations[0].representations[0]
                .SegmentTemplate
                .clone();
            let template = template.unwrap();
            let timescale = template.timescale.unwrap() as f64;
            let offset = template.presentationTimeOffset.unwrap() as f64;
            let mut at = 0.0;
            for segment in &template.SegmentTimeline.unwrap().segments {
                at = segment.t.map_or(at, |t| t as f64);
                times.push(start + (at - offset) / timescale);
                at += segment.d as f64;
            }
            times.push(start + (at - offset) / timescale);
        }
        (mpd, times)
    };
    let (_, live) = seconds(&mpd::render(&rig.snapshot).unwrap());
    rig.end();
    let (mpd, times) = seconds(&mpd::render(&rig.snapshot).unwrap());
    assert_eq!(mpd.periods.len(), 2);
    let start = mpd.periods[0].start.unwrap().as_secs_f64();
    assert!((start - times[0]).abs() < 0.01, "{start}: {times:?}");
    let length = mpd.mediaPresentationDuration.unwrap().as_secs_f64();
    assert!(
        (length - times.last().unwrap()).abs() < 0.05,
        "{length}: {times:?}"
    );
    // Those who watch go on at the same times.
    assert!(
        live.iter().any(|time| (time - times[2]).abs() < 0.001),
        "{live:?} {times:?}"
    );
}

#[test]
fn the_target_duration_of_a_regular_encoder_never_changes() {
    for (fps_millis, gop, target) in [
        (30_000, 30, 2),
        (29_970, 60, 2),
        (30_000, 45, 3),
        (30_000, 75, 3),
        (29_970, 75, 3),
        // 10.4 s, and room for some jitter.
        (24_000, 250, 11),
        (30_000, 300, 10),
    ] {
        let source = Source {
            fps_millis,
            gop,
            ..Source::default()
        };
        let mut playlists = 0;
        Rig::new().push_each(&source.frames(22_000), |window| {
            let texts = [
                hls::render(window, Skip::Nothing),
                low_latency::render(window, VIDEO, Skip::Nothing),
                low_latency::render(window, AUDIO, Skip::Nothing),
            ];
            for text in texts.into_iter().flatten() {
                playlists += 1;
                assert_eq!(media(&text).target_duration, target, "{gop} in\n{text}");
            }
        });
        assert!(playlists > 100);
    }
}

#[test]
fn parts_are_listed_once_key_frames_tell_how_long_segments_get() {
    for (gop, listed) in [(30, true), (300, false)] {
        let source = Source {
            gop,
            ..Source::default()
        };
        let rig = rig(&source, 1_300);
        let playlist = low_latency::render(&rig.snapshot, VIDEO, Skip::Nothing);
        assert_eq!(playlist.is_some(), listed, "{gop}");
    }
}

/// Two publishers in a row are lost whose sound goes on for a while after the last picture.
#[test]
fn parts_stay_for_three_target_durations_of_their_own_track() {
    let mut frames = Vec::new();
    for (epoch, (from, pictures, sound)) in [
        (0, 8_200, 9_300),
        (9_400, 2_200, 3_300),
        (12_800, 12_000, 12_000),
    ]
    .into_iter()
    .enumerate()
    {
        let until = Timestamp::from_millis(pictures);
        for mut frame in Source::default().frames(sound) {
            if frame.kind() == Kind::Video && frame.dts >= until {
                continue;
            }
            frame.dts = frame.dts + Timestamp::from_millis(from);
            frame.epoch = epoch as u32;
            frames.push(frame);
        }
    }
    let (mut gone, mut stayed) = (0, 0);
    Rig::new().push_each(&frames, |window| {
        let Some(text) = low_latency::render(window, VIDEO, Skip::Nothing) else {
            return;
        };
        let (mut pictures, mut everything) = (0.0, 0.0);
        for segment in window.listed_media(VIDEO).newer.iter().rev() {
            match text.contains(&format!("video-{}.0.m4s", segment.sequence)) {
                true => stayed += usize::from(everything >= 6.0),
                false => {
                    assert!(pictures >= 6.0, "{pictures} s behind it in\n{text}");
                    gone += 1;
                }
            }
            let rendition = segment.rendition(VIDEO);
            pictures += rendition.map_or(0.0, |rendition| rendition.seconds());
            everything += segment.duration.as_secs_f64();
        }
    });
    assert!(gone > 0 && stayed > 0, "{gone} and {stayed}");
}

/// A list of ten segments of two seconds, of which a delta update leaves out those more than twelve seconds back.
#[test]
fn a_delta_update_leaves_out_what_lies_behind_the_skip_boundary() {
    let mut rig = Rig::new();
    rig.configure(|settings| settings.list_size = 10);
    rig.push(&Source::default().frames(30_500));
    let control = "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12,";
    let window = &rig.snapshot;
    let playlists = |skip| {
        [
            hls::render(window, skip).unwrap(),
            low_latency::render(window, VIDEO, skip).unwrap(),
            low_latency::render(window, AUDIO, skip).unwrap(),
        ]
    };
    let deltas = playlists(Skip::Segments);
    for (whole, delta) in playlists(Skip::Nothing).iter().zip(&deltas) {
        assert!(whole.contains(control) && !whole.contains("EXT-X-SKIP"));
        assert_is_delta(whole, delta, 4);
    }
    let [ts, video, _] = deltas;
    assert!(
        ts.starts_with(
            "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n\
             #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12,HOLD-BACK=6\n\
             #EXT-X-MEDIA-SEQUENCE:1005\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:18.000Z\n#EXTINF:2.00000,\nts/1009.ts\n"
        ),
        "{ts}"
    );
    // The map is among what the client has.
    assert!(!video.contains("EXT-X-MAP"), "{video}");
}

#[test]
fn short_lists_offer_no_delta_updates() {
    let rig = rig(&Source::default(), 30_500);
    for text in [
        hls::render(&rig.snapshot, Skip::Segments).unwrap(),
        low_latency::render(&rig.snapshot, VIDEO, Skip::Segments).unwrap(),
    ] {
        assert!(!text.contains("SKIP"), "{text}");
    }
}

/// The same header but for the version, and the same lines but for `skipped` whole segments in front.
fn assert_is_delta(whole: &str, delta: &str, skipped: usize) {
    let tag = format!("#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n");
    let (head, tail) = delta.split_once(&tag).unwrap_or_else(|| panic!("{delta}"));
    assert_eq!(delta.matches("EXT-X-SKIP").count(), 1);
    let head = head.replace("VERSION:9", "VERSION:6");
    let rest = whole
        .strip_prefix(&head)
        .unwrap_or_else(|| panic!("{whole}"));
    let left_out = rest.strip_suffix(tail).unwrap_or_else(|| panic!("{whole}"));
    assert_eq!(left_out.matches("#EXTINF").count(), skipped, "{left_out}");
    let last = left_out.lines().last().unwrap_or_default();
    assert!(last.ends_with(".ts") || last.ends_with(".m4s"), "{last}");
}

#[test]
fn every_preload_hint_comes_true() {
    for (base, fps_millis, gop) in [
        (Source::default(), 30_000, 60),
        (Source::default(), 29_970, 75),
        (Source::default(), 23_976, 48),
        (Source::default(), 59_940, 120),
        (Source::video_only(), 25_000, 50),
        (Source::audio_only(), 30_000, 30),
    ] {
        let source = Source {
            fps_millis,
            gop,
            ..base
        };
        let mut hints = HashMap::new();
        let mut kept = 0;
        Rig::new().push_each(&source.frames(20_000), |window| {
            for track in window.cmaf_tracks() {
                let Some(text) = low_latency::render(window, track, Skip::Nothing) else {
                    continue;
                };
                let hint = text.split_once("TYPE=PART,").map(|(_, hint)| hint);
                let hint = hint
                    .and_then(|hint| hint.lines().next())
                    .unwrap()
                    .to_owned();
                // Still hinted, or there.
                let before = hints.entry(track).or_insert_with(|| hint.clone());
                assert!(
                    text.contains(&format!("{before}\n")) || text.contains(&format!("{before},")),
                    "{before} in\n{text}"
                );
                kept += usize::from(*before != hint);
                *before = hint;
            }
        });
        assert!(kept > 50, "{kept}");
    }
}

/// Pictures come with composition offsets that differ from key frame to key frame, at a variable rate.
#[test]
fn dates_go_on_by_the_durations() {
    let mut frames = Source::default().frames(20_500);
    for (index, frame) in frames.iter_mut().enumerate() {
        if frame.kind() == Kind::Video {
            frame.composition = Timestamp::from_millis([66, 133, 0, 33][index % 4]);
        }
    }
    let mut rig = Rig::new();
    rig.push(&frames);
    for text in [
        hls::render(&rig.snapshot, Skip::Nothing).unwrap(),
        low_latency::render(&rig.snapshot, VIDEO, Skip::Nothing).unwrap(),
        low_latency::render(&rig.snapshot, AUDIO, Skip::Nothing).unwrap(),
    ] {
        let segments = media(&text).segments;
        assert_eq!(segments.len(), 6);
        for pair in segments.windows(2) {
            let date = |at: usize| pair[at].program_date_time.unwrap().timestamp_millis();
            let millis = f64::from(pair[0].duration) * 1000.0;
            let off = (date(1) - date(0)) as f64 - millis;
            assert!(off.abs() < 1.5, "{off} ms in {text}");
        }
    }
}

/// What must hold of a playlist, and from one to the next.
#[derive(Default)]
struct Follower {
    sequences: HashMap<&'static str, u64>,
    targets: HashMap<&'static str, u64>,
    /// The duration that each segment was announced with, so that it never changes.
    announced: HashMap<(&'static str, u64), f32>,
    /// Its date too.
    dated: HashMap<(&'static str, u64), i64>,
    /// How far back a date may lie, in milliseconds: sound without any rhythm runs ahead of its frames' times.
    slack: i64,
}

impl Follower {
    fn check(&mut self, window: &Snapshot) {
        let texts = [
            ("ts", hls::render(window, Skip::Nothing)),
            ("video", low_latency::render(window, VIDEO, Skip::Nothing)),
            ("audio", low_latency::render(window, AUDIO, Skip::Nothing)),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                self.check_media(name, &text);
            }
        }
        if let Some(text) = master::render(window) {
            assert_eq!(master_of(&text).variants.len(), 1);
        }
        if let Some(text) = mpd::render(window) {
            let mpd =
                dash_mpd_core::parse(&text).unwrap_or_else(|error| panic!("{error} in\n{text}"));
            let starts: Vec<_> = mpd.periods.iter().map(|period| period.start).collect();
            assert!(starts.is_sorted(), "{text}");
        }
    }

    fn check_media(&mut self, name: &'static str, text: &str) {
        let playlist = media(text);
        let number = |line: &str, tag: &str| {
            line.strip_prefix(tag)?
                .split(',')
                .next()?
                .parse::<f64>()
                .ok()
        };
        let part_target = text
            .lines()
            .find_map(|line| number(line, "#EXT-X-PART-INF:PART-TARGET="));
        for part in text
            .lines()
            .filter_map(|line| number(line, "#EXT-X-PART:DURATION="))
        {
            assert!(
                part_target.is_some_and(|target| part <= target),
                "{part} in {text}"
            );
        }
        let sequence = self.sequences.entry(name).or_default();
        assert!(playlist.media_sequence >= *sequence, "{text}");
        *sequence = playlist.media_sequence;
        let target = self.targets.entry(name).or_default();
        assert!(playlist.target_duration >= *target);
        *target = playlist.target_duration;
        assert!(playlist.segments.len() <= 6);
        for (segment, number) in playlist.segments.iter().zip(playlist.media_sequence..) {
            assert!(
                segment.duration.round() as u64 <= playlist.target_duration,
                "{text}"
            );
            assert!(segment.uri.contains(&number.to_string()), "{text}");
            let announced = self
                .announced
                .entry((name, number))
                .or_insert(segment.duration);
            assert_eq!(*announced, segment.duration, "{name} {number}");
            let date = segment.program_date_time.unwrap().timestamp_millis();
            assert_eq!(*self.dated.entry((name, number)).or_insert(date), date);
            let before = self.dated.get(&(name, number - 1));
            assert!(
                before.is_none_or(|before| *before <= date + self.slack),
                "{text}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn playlists_hold_together(
        stretches in prop::collection::vec((4_000u32..60_000, 1u32..200, any::<bool>(), 0u8..3, 500i64..15_000), 1..4),
        bytes in 10_000usize..1_000_000,
    ) {
        let mut rig = Rig::with(Default::default(), limits(bytes));
        let mut follower = Follower::default();
        let mut start = 0;
        for (epoch, (fps_millis, gop, b_frames, tracks, length)) in stretches.into_iter().enumerate() {
            let base = match tracks {
                0 => Source::default(),
                1 => Source::video_only(),
                _ => Source::audio_only(),
            };
            let source = Source { fps_millis, gop, b_frames, epoch: epoch as u32, start, ..base };
            rig.push_each(&source.frames(length), |window| {
                follower.check(window);
                let held: usize = window.segments.iter().map(|segment| segment.size()).sum();
                assert!(held <= bytes || window.segments.len() == 1);
            });
            start += length + 40;
        }
        rig.end();
        follower.check(&rig.snapshot);
    }

    #[test]
    fn frames_without_any_rhythm_break_nothing(
        frames in prop::collection::vec((0u8..2, 0i64..400, -300i64..300, any::<bool>(), 0usize..300, 0u8..100), 1..400),
    ) {
        let (picture, sound) = (testing::video(), testing::audio());
        let (mut now, mut epoch) = (0, 0);
        let frames: Vec<MediaFrame> = frames
            .into_iter()
            .map(|(kind, step, composition, key, size, dice)| {
                // Most frames come in time, some at the same time, some after a pause, some after a break.
                now += match dice { 0..80 => step / 10, 80..90 => 0, _ => step * 20 };
                epoch += u32::from(dice == 99);
                let track = if kind == 0 { &picture } else { &sound };
                let mut frame = testing::frame(track, now, key, testing::access_unit(&[&vec![0x41; size + 1]]));
                frame.composition = Timestamp::from_millis(composition);
                frame.epoch = epoch;
                frame
            })
            .collect();
        let mut rig = Rig::new();
        let mut follower = Follower { slack: 1_000, ..Follower::default() };
        rig.push_each(&frames, |window| follower.check(window));
        rig.end();
        follower.check(&rig.snapshot);
    }
}
