//! The judges themselves: what is right passes, and every fault is noticed.

use lsv_tests::hls::{Judge, MediaPlaylist};
use lsv_tests::{cmaf, mpd, ts};

const PLAYLIST: &str = "#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.500,HOLD-BACK=6,CAN-SKIP-UNTIL=12
#EXT-X-PART-INF:PART-TARGET=0.500
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:1
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init-7.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXTINF:1.50000,
7.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:01.500Z
#EXT-X-PART:DURATION=0.50000,URI=\"8.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.20000,URI=\"8.1.m4s\"
#EXTINF:0.70000,
8.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI=\"init-9.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:03.000Z
#EXT-X-PART:DURATION=0.50000,URI=\"9.0.m4s\",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"9.1.m4s\"
#EXT-X-RENDITION-REPORT:URI=\"audio.m3u8\",LAST-MSN=9,LAST-PART=0
";

/// What the judge says of the playlist with a replacement, seen alone.
fn alone(from: &str, to: &str) -> Vec<String> {
    assert!(from.is_empty() || PLAYLIST.contains(from), "{from}");
    let mut judge = Judge::new("it");
    judge.see(&PLAYLIST.replacen(from, to, 1));
    judge.complaints().to_vec()
}

/// What it says when the changed playlist follows the unchanged one.
fn next(from: &str, to: &str) -> Vec<String> {
    assert!(PLAYLIST.contains(from), "{from}");
    let mut judge = Judge::new("it");
    judge.see(PLAYLIST);
    judge.see(&PLAYLIST.replacen(from, to, 1));
    judge.complaints().to_vec()
}

#[test]
fn a_right_playlist_passes() {
    let mut judge = Judge::new("it");
    let named = judge.see(PLAYLIST);
    assert!(named.contains(&"8.1.m4s".to_owned()) && named.contains(&"init-9.mp4".to_owned()));
    let grown = PLAYLIST.replace(
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"9.1.m4s\"",
        "#EXT-X-PART:DURATION=0.45000,URI=\"9.1.m4s\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"9.2.m4s\"",
    );
    judge.see(&grown);
    assert_eq!(judge.complaints(), [""; 0]);
    assert_eq!(judge.listed().len(), 2);
    let playlist = MediaPlaylist::parse(PLAYLIST).unwrap();
    let last = playlist.segments.last().unwrap();
    assert_eq!((last.sequence, last.discontinuity_sequence), (8, 1));
    assert_eq!(
        (playlist.open.sequence, playlist.open.discontinuity_sequence),
        (9, 2)
    );
}

#[test]
fn faults_of_one_version_are_noticed() {
    for (from, to) in [
        // Grammar.
        ("#EXTM3U\n", ""),
        ("#EXT-X-VERSION:9", "#EXT-X-VERSION:5"),
        ("#EXT-X-TARGETDURATION:2\n", ""),
        ("#EXT-X-TARGETDURATION:2", "#EXT-X-TARGETDURATION:2.0"),
        (
            "#EXT-X-MEDIA-SEQUENCE:7\n",
            "#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MEDIA-SEQUENCE:7\n",
        ),
        ("#EXT-X-PART-INF:PART-TARGET=0.500\n", ""),
        ("URI=\"init-7.mp4\"", "URI=init-7.mp4"),
        ("INDEPENDENT=YES", "INDEPENDENT=\"YES\""),
        ("DURATION=0.50000,URI", "DURATION=0.50000,,URI"),
        ("#EXTINF:1.50000,", "#EXTINF:1.50000"),
        (
            "#EXT-X-DISCONTINUITY\n",
            "#EXT-X-DISCONTINUITY\n#EXT-X-UNHEARD-OF\n",
        ),
        ("#EXT-X-DISCONTINUITY\n", "\n"),
        ("7.m4s", "7 .m4s"),
        ("00:00:00.000Z", "00:00:00.0004Z"),
        // Numbers that contradict each other.
        ("#EXTINF:1.50000,", "#EXTINF:2.60000,"),
        ("00:00:01.500Z", "00:00:01.503Z"),
        ("00:00:03.000Z", "00:00:01.000Z"),
        ("DURATION=0.20000", "DURATION=0.51000"),
        ("DURATION=0.20000", "DURATION=0.30000"),
        ("DURATION=0.50000,URI=\"8.0", "DURATION=0.40000,URI=\"8.0"),
        ("PART-HOLD-BACK=1.500", "PART-HOLD-BACK=1.400"),
        ("HOLD-BACK=6", "HOLD-BACK=5"),
        ("CAN-SKIP-UNTIL=12", "CAN-SKIP-UNTIL=11"),
        ("CAN-BLOCK-RELOAD=YES,", ""),
        ("#EXT-X-DISCONTINUITY\n", ""),
    ] {
        assert_ne!(alone(from, to), [""; 0], "{from:?} as {to:?}");
    }
}

#[test]
fn broken_promises_are_noticed() {
    for (from, to) in [
        ("#EXT-X-TARGETDURATION:2", "#EXT-X-TARGETDURATION:3"),
        ("PART-TARGET=0.500", "PART-TARGET=0.510"),
        ("#EXT-X-MEDIA-SEQUENCE:7", "#EXT-X-MEDIA-SEQUENCE:6"),
        (
            "#EXT-X-DISCONTINUITY-SEQUENCE:1",
            "#EXT-X-DISCONTINUITY-SEQUENCE:2",
        ),
        ("7.m4s", "seven.m4s"),
        ("URI=\"8.1.m4s\"", "URI=\"8.one.m4s\""),
        (
            "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"9.1.m4s\"",
            "#EXT-X-PART:DURATION=0.5,URI=\"9.one.m4s\"",
        ),
    ] {
        assert_ne!(next(from, to), [""; 0], "{from:?} as {to:?}");
    }
    let mut judge = Judge::new("it");
    judge.see(PLAYLIST);
    judge.see(&PLAYLIST.replace("SEQUENCE:7", "SEQUENCE:70"));
    assert!(
        judge
            .complaints()
            .iter()
            .any(|complaint| complaint.contains("was next"))
    );
}

#[test]
fn delta_updates_and_reports_are_held_to_the_truth() {
    let mut judge = Judge::new("it");
    judge.see(&PLAYLIST.replace("CAN-SKIP-UNTIL=12", "CAN-SKIP-UNTIL=12.0"));
    let other = Judge::new("audio");
    judge.judge_report("audio.m3u8", &other);
    assert_eq!(judge.complaints(), [""; 0]);
    let mut other = Judge::new("audio");
    other.see(PLAYLIST);
    judge.judge_report("audio.m3u8", &other);
    assert_eq!(judge.complaints(), [""; 0]);
    let mut behind = Judge::new("audio");
    behind.see(&PLAYLIST.replace(
        "#EXT-X-PART:DURATION=0.50000,URI=\"9.0.m4s\",INDEPENDENT=YES\n",
        "",
    ));
    judge.judge_report("audio.m3u8", &behind);
    assert_eq!(judge.complaints().len(), 1);
    // It skips what is less than CAN-SKIP-UNTIL from the end.
    let start = PLAYLIST.find("#EXT-X-MAP").unwrap();
    let end = PLAYLIST.find("7.m4s\n").unwrap() + "7.m4s\n".len();
    let delta = format!(
        "{}#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n{}",
        &PLAYLIST[..start],
        &PLAYLIST[end..]
    );
    judge.see_delta(&delta);
    assert_eq!(judge.complaints().len(), 2, "{:?}", judge.complaints());
}

#[test]
fn torn_media_is_noticed() {
    let mut packets = vec![0x47, 0x40, 0, 0x10];
    packets.resize(188, 0xFF);
    let mut reader = ts::Reader::default();
    assert!(reader.segment(&packets).is_err());
    assert!(reader.segment(&packets[..187]).is_err());
    assert!(cmaf::header(b"\0\0\0\x10ftypiso6\0\0\0\0").is_err());
    assert!(cmaf::chunks(b"\0\0\0\x09mdat\0", 1).is_err());
    assert!(cmaf::chunks(b"\0\0\0\x10mdat\0", 1).is_err());
}

#[test]
fn a_manifest_that_contradicts_itself_is_noticed() {
    let manifest = |start: &str, gap: u32| {
        format!(
            "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
             profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"dynamic\" \
             availabilityStartTime=\"2026-01-01T00:00:00.000Z\" publishTime=\"2026-01-01T00:00:09.000Z\" \
             minimumUpdatePeriod=\"PT2S\" minBufferTime=\"PT2S\"><Period id=\"0\" start=\"{start}\">\
             <AdaptationSet id=\"0\" contentType=\"video\" mimeType=\"video/mp4\">\
             <Representation id=\"v\" codecs=\"avc1.42c01e\" bandwidth=\"1\">\
             <SegmentTemplate timescale=\"1000\" initialization=\"i.mp4\" media=\"$Time$.m4s\"><SegmentTimeline>\
             <S t=\"0\" d=\"2000\" r=\"1\"/><S t=\"{}\" d=\"2000\"/></SegmentTimeline></SegmentTemplate>\
             </Representation></AdaptationSet></Period>\
             <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"time\"/></MPD>",
            4000 + gap
        )
    };
    let mut judge = mpd::Judge::default();
    let named = judge.see(&manifest("PT0S", 0));
    assert_eq!(judge.complaints(), [""; 0]);
    assert!(named.contains(&"4000.m4s".to_owned()));
    judge.see(&manifest("PT0S", 9));
    assert_eq!(judge.complaints().len(), 1, "{:?}", judge.complaints());
    judge.see(&manifest("PT1S", 0));
    assert_eq!(judge.complaints().len(), 2, "{:?}", judge.complaints());
    judge.see("<MPD/>");
    assert!(judge.complaints().len() > 2);
}
