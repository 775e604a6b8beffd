//! What real clients sent to a server of this library, byte for byte.
//!
//! Made with `cargo run -p lsv-tests --example record`. The addresses are
//! `rtmp://127.0.0.1:19350/stream/cam?sign=123-abc` for publishers and `.../stream/cam?token=t` for players, whose
//! credentials are made up. The pictures have 64x36 pixels; FFmpeg made them and the tone from its test sources.
//!
//! | recording | client |
//! | --- | --- |
//! | `ffmpeg-publish`, `ffmpeg-play` | FFmpeg 5.1.9, as `-f flv` and `-i`; VLC 3.0.24 plays with FFmpeg's client |
//! | `ffmpeg9-hevc-opus-publish` | FFmpeg 9.0.2 with `-rtmp_enhanced_codecs hvc1,av01,vp09` |
//! | `ffmpeg9-av1-flac-publish` | FFmpeg 9.0.2; without that option it announces nothing |
//! | `ffmpeg9-vp9-ac3-publish` | FFmpeg 9.0.2 |
//! | `ffmpeg9-h264-eac3-publish` | FFmpeg 9.0.2 |
//! | `ffmpeg9-multitrack-publish` | FFmpeg 9.0.2 with H.264 and VP9, AAC and Opus, cut behind 60 messages of media |
//! | `ffmpeg9-hdr-surround-publish` | FFmpeg 9.0.2 with HEVC in BT.2020 and PQ, and Opus in 5.1 |
//! | `gstreamer-publish`, `gstreamer-play` | GStreamer 1.22.0, `flvmux ! rtmp2sink`, cut behind 18, and `rtmp2src` |
//! | `librtmp-publish`, `librtmp-play` | librtmp 2.4 by way of curl 7.88.1 |
//! | `obs-publish` | OBS Studio 29.0.2 with x264 and AAC, cut behind 16 |
//! | `rtmpdump-play` | rtmpdump 2.4 with `--live` |

use std::{collections::BTreeMap, time::Instant};

use bytes::BytesMut;
use lsv_rtmp::{
    Error,
    session::{CapsEx, ConnectInfo, Event, Media, PublishRequest, Server, ServerConfig},
};

const FFMPEG_PUBLISH: &[u8] = include_bytes!("vectors/ffmpeg-publish.bin");
const FFMPEG_PLAY: &[u8] = include_bytes!("vectors/ffmpeg-play.bin");
const FFMPEG9_HEVC_OPUS: &[u8] = include_bytes!("vectors/ffmpeg9-hevc-opus-publish.bin");
const FFMPEG9_AV1_FLAC: &[u8] = include_bytes!("vectors/ffmpeg9-av1-flac-publish.bin");
const FFMPEG9_VP9_AC3: &[u8] = include_bytes!("vectors/ffmpeg9-vp9-ac3-publish.bin");
const FFMPEG9_H264_EAC3: &[u8] = include_bytes!("vectors/ffmpeg9-h264-eac3-publish.bin");
const FFMPEG9_MULTITRACK: &[u8] = include_bytes!("vectors/ffmpeg9-multitrack-publish.bin");
const FFMPEG9_HDR_SURROUND: &[u8] = include_bytes!("vectors/ffmpeg9-hdr-surround-publish.bin");
const GSTREAMER_PUBLISH: &[u8] = include_bytes!("vectors/gstreamer-publish.bin");
const GSTREAMER_PLAY: &[u8] = include_bytes!("vectors/gstreamer-play.bin");
const LIBRTMP_PUBLISH: &[u8] = include_bytes!("vectors/librtmp-publish.bin");
const LIBRTMP_PLAY: &[u8] = include_bytes!("vectors/librtmp-play.bin");
const OBS_PUBLISH: &[u8] = include_bytes!("vectors/obs-publish.bin");
const RTMPDUMP_PLAY: &[u8] = include_bytes!("vectors/rtmpdump-play.bin");

/// Everything that a server learns from a recording that comes in pieces of `piece` bytes.
fn replay(recording: &[u8], piece: usize) -> Result<Vec<Event>, Error> {
    let now = Instant::now();
    let mut server = Server::new(ServerConfig::new([5; 32]), now);
    let mut input = BytesMut::new();
    let mut events = Vec::new();
    for piece in recording.chunks(piece) {
        input.extend_from_slice(piece);
        while let Some(event) = server.next(&mut input, now)? {
            match &event {
                Event::Publish(_) => server.accept_publish(now)?,
                Event::Play(_) => server.accept_play()?,
                _ => {}
            }
            events.push(event);
        }
        drop(server.take_output());
    }
    assert!(input.is_empty());
    Ok(events)
}

/// The same, and that it does not depend on the pieces.
fn replay_in_pieces(recording: &[u8]) -> Vec<Event> {
    let events = replay(recording, usize::MAX).expect("a good recording");
    for piece in [1, 7, 128, 1537, 4096] {
        let again = replay(recording, piece).expect("a good recording");
        assert_eq!(again, events, "in pieces of {piece} bytes");
    }
    events
}

fn publisher(recording: &[u8]) -> (PublishRequest, Vec<Media>) {
    let mut events = replay_in_pieces(recording).into_iter();
    let Some(Event::Publish(request)) = events.next() else {
        panic!("no publish in front")
    };
    assert_eq!(format!("{:?}", request.target), "stream/cam?..");
    assert_eq!(request.target.query.as_deref(), Some("sign=123-abc"));
    assert_eq!(request.kind, "live");
    assert_eq!(request.connect.tc_url.as_deref(), Some(TC_URL));
    let media = events.filter_map(|event| match event {
        Event::Media(media) => Some(media),
        Event::Unpublished => None,
        other => panic!("{other:?}"),
    });
    let media = media.collect();
    (request, media)
}

/// How often each form of tag body comes.
fn forms(media: &[Media]) -> BTreeMap<String, usize> {
    let mut forms = BTreeMap::new();
    for media in media {
        *forms.entry(form(media)).or_default() += 1;
    }
    forms
}

/// What a tag body says of itself: `V7` is legacy video with codec 7, `Vhvc1.1` Enhanced video with packet type 1,
/// `V1:vp09.1` the same of track 1, and `A` stands for audio. Script data is named as it names itself.
fn form(media: &Media) -> String {
    let body = &media.payload()[..];
    let (kind, enhanced, multitrack) = match media {
        Media::Data { .. } => {
            let length = usize::from(u16::from_be_bytes([body[1], body[2]]));
            return String::from_utf8(body[3..3 + length].to_vec()).expect("a name");
        }
        Media::Video { .. } => ('V', body[0] & 0x80 != 0, 6),
        _ => ('A', body[0] >> 4 == 9, 5),
    };
    let (low, high) = (body[0] & 0x0F, body[0] >> 4);
    match (enhanced, low == multitrack) {
        (false, _) if kind == 'V' => format!("V{low}"),
        (false, _) => format!("A{high}"),
        (true, false) => format!("{kind}{}.{low}", four_cc(&body[1..5])),
        (true, true) => {
            assert_eq!(body[1] >> 4, 0, "one track");
            let (packet, track) = (body[1] & 0x0F, body[6]);
            format!("{kind}{track}:{}.{packet}", four_cc(&body[2..6]))
        }
    }
}

fn four_cc(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("a FourCC of letters")
}

fn assert_forms(recording: &[u8], expected: &[(&str, usize)]) {
    let (_, media) = publisher(recording);
    let expected = expected
        .iter()
        .map(|&(form, count)| (form.to_owned(), count));
    assert_eq!(forms(&media), expected.collect());
}

#[test]
fn publishers_with_legacy_codecs() {
    let ffmpeg = [("A10", 11), ("V7", 7), ("onMetaData", 1)];
    assert_forms(FFMPEG_PUBLISH, &ffmpeg);
    assert_forms(LIBRTMP_PUBLISH, &ffmpeg);
    // It sends its metadata a second time, behind the first frame of audio.
    assert_forms(
        GSTREAMER_PUBLISH,
        &[("A10", 12), ("V7", 6), ("onMetaData", 2)],
    );
    assert_forms(OBS_PUBLISH, &[("A10", 9), ("V7", 7), ("onMetaData", 1)]);
}

#[test]
fn publishers_with_enhanced_codecs() {
    // Packet types: 0 configuration, 1 frames, 3 frames without composition time, 4 metadata or channels.
    assert_forms(
        FFMPEG9_HEVC_OPUS,
        &[
            ("AOpus.0", 1),
            ("AOpus.1", 21),
            ("AOpus.4", 1),
            ("Vhvc1.0", 1),
            ("Vhvc1.1", 7),
            ("Vhvc1.3", 3),
            ("Vhvc1.4", 1),
            ("onMetaData", 1),
        ],
    );
    // FLAC's configuration comes again at the end, with the checksum of all samples in it.
    assert_forms(
        FFMPEG9_AV1_FLAC,
        &[
            ("AfLaC.0", 2),
            ("AfLaC.1", 20),
            ("AfLaC.4", 2),
            ("Vav01.0", 1),
            ("Vav01.1", 10),
            ("Vav01.4", 1),
            ("onMetaData", 1),
        ],
    );
    // AC-3 and E-AC-3 have no configuration, and yet an empty one is sent.
    assert_forms(
        FFMPEG9_VP9_AC3,
        &[
            ("Aac-3.0", 1),
            ("Aac-3.1", 13),
            ("Aac-3.4", 1),
            ("Vvp09.0", 1),
            ("Vvp09.1", 10),
            ("Vvp09.4", 1),
            ("onMetaData", 1),
        ],
    );
    assert_forms(
        FFMPEG9_H264_EAC3,
        &[
            ("Aec-3.0", 1),
            ("Aec-3.1", 13),
            ("Aec-3.4", 1),
            ("V7", 12),
            ("onMetaData", 1),
        ],
    );
    assert_forms(
        FFMPEG9_HDR_SURROUND,
        &[
            ("AOpus.0", 1),
            ("AOpus.1", 21),
            ("AOpus.4", 1),
            ("Vhvc1.0", 1),
            ("Vhvc1.3", 10),
            ("Vhvc1.4", 1),
            ("onMetaData", 1),
        ],
    );
}

#[test]
fn a_publisher_with_several_tracks() {
    // Track 0 goes without its number. So does VP9's metadata, although VP9 is track 1.
    assert_forms(
        FFMPEG9_MULTITRACK,
        &[
            ("A10", 19),
            ("A1:Opus.0", 1),
            ("A1:Opus.1", 18),
            ("A1:Opus.4", 1),
            ("V1:vp09.0", 1),
            ("V1:vp09.1", 9),
            ("V7", 10),
            ("Vvp09.4", 1),
            ("onMetaData", 1),
        ],
    );
}

#[test]
fn what_publishers_say_of_themselves() {
    for (recording, flash_ver, four_ccs, properties) in [
        (
            FFMPEG_PUBLISH,
            Some("FMLE/3.0 (compatible; Lavf59.27.100)"),
            "",
            "app type flashVer tcUrl",
        ),
        (
            FFMPEG9_HEVC_OPUS,
            Some("FMLE/3.0 (compatible; Lavf63.1.102)"),
            "hvc1 av01 vp09",
            "app fourCcList type flashVer tcUrl",
        ),
        (
            FFMPEG9_MULTITRACK,
            Some("FMLE/3.0 (compatible; Lavf63.1.102)"),
            "",
            "app type flashVer tcUrl",
        ),
        (
            GSTREAMER_PUBLISH,
            Some("LNX 10,0,32,18"),
            "",
            "app type flashVer tcUrl",
        ),
        (LIBRTMP_PUBLISH, None, "", "app type tcUrl"),
        (
            OBS_PUBLISH,
            Some("FMLE/3.0 (compatible; FMSc/1.0)"),
            "",
            "app type supportsGoAway flashVer swfUrl tcUrl",
        ),
    ] {
        let (request, _) = publisher(recording);
        let connect: &ConnectInfo = &request.connect;
        assert_eq!(connect.flash_ver.as_deref(), flash_ver);
        assert_eq!(connect.capabilities.four_cc_list.join(" "), four_ccs);
        let names: Vec<&str> = connect.properties.iter().map(|(name, _)| name).collect();
        assert_eq!(names.join(" "), properties);
        // No encoder here says that it could be asked to reconnect.
        assert_eq!(connect.capabilities.caps_ex, CapsEx(0));
        assert_eq!(connect.supports_go_away, recording == OBS_PUBLISH);
    }
}

#[test]
fn two_clients_sent_the_same_media() {
    let media = |recording| -> Vec<Media> {
        let (_, media) = publisher(recording);
        let played = media
            .into_iter()
            .filter(|media| !matches!(media, Media::Data { .. }));
        played.collect()
    };
    assert_eq!(media(FFMPEG_PUBLISH), media(LIBRTMP_PUBLISH));
}

#[test]
fn players() {
    for (recording, flash_ver) in [
        (FFMPEG_PLAY, Some("LNX 9,0,124,2")),
        (GSTREAMER_PLAY, Some("LNX 10,0,32,18")),
        (LIBRTMP_PLAY, None),
        (RTMPDUMP_PLAY, Some("LNX 10,0,32,18")),
    ] {
        let events = replay_in_pieces(recording);
        let Some(Event::Play(request)) = events.first() else {
            panic!("{events:?}")
        };
        assert_eq!(
            (request.target.app.as_str(), request.target.name.as_str()),
            ("stream", "cam")
        );
        assert_eq!(request.target.query.as_deref(), Some("token=t"));
        assert_eq!(request.stream_id, 1);
        assert_eq!(request.connect.tc_url.as_deref(), Some(TC_URL));
        assert_eq!(request.connect.flash_ver.as_deref(), flash_ver);
    }
}

const TC_URL: &str = "rtmp://127.0.0.1:19350/stream";
