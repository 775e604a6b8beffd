use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use lsv_core::codec::FourCc;
use lsv_core::media::{Codec, Kind, MediaFrame, Track, Tracks};
use lsv_core::tag::TagError;
use lsv_core::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::Limits;
use crate::amf0::{Object, encode_all};
use crate::message::MessageType;
use crate::session::Media;

fn video(timestamp: u32, payload: &[u8]) -> Media {
    let payload = Bytes::copy_from_slice(payload);
    Media::Video { timestamp, payload }
}

fn items(demuxer: &mut Demuxer, media: &Media) -> Vec<Item> {
    demuxer.push(media).collect::<Result<_, _>>().unwrap()
}

fn track(kind: Kind, fourcc: FourCc, id: u8) -> Arc<Track> {
    let config = Bytes::from_static(b"record");
    Arc::new(Track::new(kind, Codec::Other { fourcc, config }).with_id(id))
}

fn frame(track: &Arc<Track>, nanos: i64) -> MediaFrame {
    let at = Timestamp::from_nanos(nanos);
    MediaFrame::new(track, at, Bytes::from_static(b"frame"))
}

/// What a message says, as one line.
fn bodies(messages: impl IntoIterator<Item = Message>) -> Vec<(u32, String)> {
    messages
        .into_iter()
        .map(|message| {
            let body = message.parts().concat();
            (message.timestamp, body.escape_ascii().to_string())
        })
        .collect()
}

#[test]
fn the_clock_goes_on_where_it_wraps() {
    let mut demuxer = Demuxer::default();
    items(
        &mut demuxer,
        &video(u32::MAX - 20, b"\x90av01\x81\x04\x0C\0"),
    );
    let mut times = Vec::new();
    for timestamp in [u32::MAX - 19, 21] {
        match &items(&mut demuxer, &video(timestamp, b"\x91av01x"))[..] {
            [Item::Frame(frame)] => times.push(frame.dts.as_millis()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(times, [(1 << 32) - 20, (1 << 32) + 21]);
}

#[test]
fn data_is_metadata_or_a_frame() {
    let mut demuxer = Demuxer::default();
    let payload = Bytes::from_static(b"\x02\0\x0aonMetaData\x08\0\0\0\0\0\0\x09");
    let data = Media::Data {
        timestamp: 5,
        payload,
    };
    let [Item::Metadata(metadata)] = &items(&mut demuxer, &data)[..] else {
        panic!("no metadata");
    };
    assert_eq!(metadata, data.payload());
    let payload = Bytes::from_static(b"\x02\0\x0aonTextData\x05");
    let data = Media::Data {
        timestamp: 7,
        payload,
    };
    let [Item::Frame(frame)] = &items(&mut demuxer, &data)[..] else {
        panic!("no frame");
    };
    assert_eq!(
        (frame.kind(), frame.dts),
        (Kind::Data, Timestamp::from_millis(7))
    );
}

#[test]
fn errors_come_through() {
    let mut demuxer = Demuxer::default();
    let media = video(0, b"\x91av01x");
    let found: Vec<_> = demuxer.push(&media).collect();
    assert_eq!(
        found[0].as_ref().unwrap_err(),
        &TagError::NoConfig(Kind::Video)
    );
    assert_eq!(found.len(), 1);
}

#[test]
fn old_readers_get_the_default_tracks_alone() {
    let mut tracks = Tracks::default();
    let (first, second) = (
        track(Kind::Video, FourCc::AV01, 0),
        track(Kind::Video, FourCc::HVC1, 1),
    );
    let hdr = Some(ColorInfo::default().encode());
    let first = Arc::new(Track::clone(&first).with_metadata(hdr));
    tracks.set(&first);
    tracks.set(&second);
    tracks.metadata = Some(Bytes::from_static(b"metadata"));
    let mut muxer = Muxer::new(Features::default());
    let opening = muxer.open(&tracks, Timestamp::from_millis(9));
    assert_eq!(opening[0].message_type(), MessageType::DATA);
    assert_eq!(
        bodies(opening),
        [(0, "metadata".into()), (9, "\\x90av01record".into())]
    );
    assert_eq!(
        bodies(muxer.push(&frame(&first, 40_500_000))),
        [(40, "\\xa1av01frame".into())]
    );
    let mut other = frame(&second, 0);
    other.is_default = false;
    assert_eq!(muxer.push(&other).count(), 0);
}

#[test]
fn new_readers_get_everything() {
    let first = track(Kind::Video, FourCc::AV01, 0);
    let hdr = Some(Bytes::from_static(b"hdr"));
    let second = Arc::new(Track::clone(&first).with_id(1).with_metadata(hdr));
    let mut tracks = Tracks::default();
    tracks.set(&first);
    tracks.set(&second);
    let mut muxer = Muxer::new(Features::ALL);
    let opening = [
        (9, "\\x90av01record".into()),
        (9, "\\x96\\x00av01\\x01record".into()),
        (9, "\\x96\\x04av01\\x01hdr".into()),
    ];
    assert_eq!(
        bodies(muxer.open(&tracks, Timestamp::from_millis(9))),
        opening
    );
    let mut other = frame(&second, 40_000_001);
    other.is_default = false;
    assert_eq!(
        bodies(muxer.push(&other)),
        [(
            40,
            "\\xa7\\x02\\x00\\x00\\x01\\x06\\x01av01\\x01frame".into()
        )]
    );
}

#[test]
fn a_track_is_introduced_where_it_changes() {
    let mut muxer = Muxer::new(Features::default());
    let (one, two) = (
        track(Kind::Audio, FourCc::OPUS, 2),
        track(Kind::Audio, FourCc::FLAC, 0),
    );
    let header = |fourcc: &str, at| (at, format!("\\x90{fourcc}record"));
    let coded = |fourcc: &str, at| (at, format!("\\x91{fourcc}frame"));
    assert_eq!(
        bodies(muxer.push(&frame(&one, 0))),
        [header("Opus", 0), coded("Opus", 0)]
    );
    assert_eq!(bodies(muxer.push(&frame(&one, 0))), [coded("Opus", 0)]);
    assert_eq!(
        bodies(muxer.push(&frame(&two, 1_000_000))),
        [header("fLaC", 1), coded("fLaC", 1)]
    );
    assert_eq!(
        bodies(muxer.push(&frame(&one, 2_000_000))),
        [header("Opus", 2), coded("Opus", 2)]
    );
}

#[test]
fn payloads_are_not_copied() {
    let sent = frame(&track(Kind::Audio, FourCc::OPUS, 0), 0);
    let message = Muxer::new(Features::ALL).push(&sent).last().unwrap();
    assert_eq!(message.payload.as_ptr(), sent.payload.as_ptr());
}

#[test]
fn features_are_what_a_client_says() {
    let connect = |caps_ex, codecs: &[&str], video_function: f64| {
        let mut connect = ConnectInfo::default();
        connect.capabilities.caps_ex = CapsEx(caps_ex);
        connect.capabilities.four_cc_list = codecs.iter().map(|&name| name.to_owned()).collect();
        connect.properties = Object::new().with("videoFunction", video_function);
        let features = features(&connect);
        (
            features.multitrack,
            features.nanoseconds,
            features.side_data,
        )
    };
    assert_eq!(connect(0, &[], 252.0), (false, false, false), "FFmpeg 5.1");
    assert_eq!(connect(0, &["hvc1"], 4.0), (false, false, true));
    assert_eq!(connect(1, &["hvc1"], 0.0), (false, false, false));
    assert_eq!(connect(2, &[], 0.0), (true, false, true));
    assert_eq!(connect(8, &[], 0.0), (false, false, false));
    assert_eq!(connect(15, &["*"], 252.0), (true, true, true));
}

#[test]
fn colours_are_read_as_the_paper_writes_them() {
    let config = Object::new()
        .with("bitDepth", 10.0)
        .with("colorPrimaries", 9.0)
        .with("transferCharacteristics", 16.0)
        .with("matrixCoefficients", 9.0)
        .with("unknown", true);
    let light = Object::new()
        .with("maxFall", 400.0)
        .with("maxCLL", "bright");
    let info = Object::new()
        .with("colorConfig", config)
        .with("hdrCll", light);
    let mut body = BytesMut::new();
    encode_all(
        &["other".into(), 1.0.into(), "colorInfo".into(), info.into()],
        &mut body,
    );
    let limits = Limits::default();
    let info = ColorInfo::parse(&body, &limits).unwrap().unwrap();
    assert_eq!(info.config.bit_depth, Some(10.0));
    assert_eq!(info.config.transfer_characteristics, Some(16.0));
    assert_eq!(
        (info.light_level.max_fall, info.light_level.max_cll),
        (Some(400.0), None)
    );
    assert_eq!(info.mastering_display, MasteringDisplay::default());
    for cut in 1..body.len() {
        let cut = ColorInfo::parse(&body[..cut], &limits);
        assert!(matches!(cut, Err(_) | Ok(None)), "{cut:?}");
    }
    assert_eq!(ColorInfo::parse(b"\x02\0\x01x\x05", &limits), Ok(None));
    let reset = ColorInfo::parse(b"\x02\0\x09colorInfo\x06", &limits).unwrap();
    assert_eq!(reset, Some(ColorInfo::default()));
}

#[test]
fn metadata_keeps_everything_and_names_the_usual() {
    let track = Object::new().with("width", 640.0);
    let properties = Object::new()
        .with("encoder", "some encoder")
        .with("width", 1280.0)
        .with("height", 720.0)
        .with("framerate", 29.97)
        .with("videocodecid", f64::from(u32::from_be_bytes(*b"av01")))
        .with("audiocodecid", 10.0)
        .with(
            "videoTrackIdInfoMap",
            Object::new().with("1", track.clone()),
        );
    let metadata = Metadata { properties };
    let limits = Limits::default();
    let read = Metadata::parse(&metadata.encode(), &limits)
        .unwrap()
        .unwrap();
    assert_eq!(read, metadata);
    assert_eq!((read.width(), read.height()), (Some(1280.0), Some(720.0)));
    assert_eq!(read.frame_rate(), Some(29.97));
    assert_eq!(read.video_codec(), Some(CodecId::FourCc(FourCc::AV01)));
    assert_eq!(read.audio_codec(), Some(CodecId::Flv(10)));
    assert_eq!(read.track(Kind::Video, 1), Some(&track));
    assert_eq!(read.track(Kind::Audio, 1), None);
    assert_eq!(
        CodecId::of(&"avc1".into()),
        Some(CodecId::FourCc(FourCc::AVC1))
    );
    for odd in [0.5, -1.0, 5e9, f64::NAN, f64::INFINITY] {
        assert_eq!(CodecId::of(&odd.into()), None);
    }
    assert_eq!(Metadata::parse(b"\x02\0\x01x\x05", &limits), Ok(None));
    assert!(Metadata::parse(b"\x02\0\x0aonMeta", &limits).is_err());
}

proptest! {
    #[test]
    fn colours_round_trip(fields in prop::array::uniform16(prop::option::of(0.0..10_000.0))) {
        let mut info = ColorInfo::default();
        let ColorInfo { config, light_level, mastering_display: display } = &mut info;
        [
            config.bit_depth, config.color_primaries, config.transfer_characteristics,
            config.matrix_coefficients, light_level.max_fall, light_level.max_cll, display.red_x,
            display.red_y, display.green_x, display.green_y, display.blue_x, display.blue_y,
            display.white_point_x, display.white_point_y, display.max_luminance,
            display.min_luminance,
        ] = fields;
        prop_assert_eq!(ColorInfo::parse(&info.encode(), &Limits::default()), Ok(Some(info)));
    }
}
