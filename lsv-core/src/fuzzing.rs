//! Bodies of this crate's fuzz targets: each takes arbitrary bytes and panics only where an invariant is broken.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

#[cfg(feature = "platform")]
use crate::channel::{Channel, Fields, Moment};
use crate::codec::{aac, ac3, av1, avc, flac, hevc, mp3, opus, vp9};
use crate::media::{Codec, Kind, MediaFrame, Orientation, Track};
#[cfg(feature = "platform")]
use crate::path::ChannelId;
use crate::script::Message;
use crate::tag::{self, Features, Packet};
use crate::time::Timestamp;

pub mod vectors;

/// Whatever JSON asks for a channel: it is refused, or the channel survives its stored form unchanged.
///
/// # Panics
/// If an accepted channel reads back differently.
#[cfg(feature = "platform")]
pub fn channel(data: &[u8]) {
    let Ok(fields) = serde_json::from_slice::<Fields>(data) else {
        return;
    };
    let Ok(id) = ChannelId::parse("fuzz") else {
        return;
    };
    if let Ok(channel) = Channel::create(fields, || id, Moment::EPOCH) {
        assert_eq!(Channel::decode(&channel.encode()).as_ref(), Ok(&channel));
    }
}

/// Whatever pieces another node has an object composed of: they are refused, or they are the same when they are written again.
///
/// # Panics
/// If they are not.
#[cfg(feature = "platform")]
pub fn pieces(data: &[u8]) {
    use crate::exchange::pieces;
    if let Ok(read) = pieces::decode(Bytes::copy_from_slice(data)) {
        assert_eq!(pieces::decode(pieces::encode(&read)), Ok(read));
    }
}

/// Whatever tag bodies come: they parse or are refused, within the bounds that were set; and every track and frame that
/// parses survives being written again, in the form for old players and in the one for new ones.
///
/// The first byte is for the options. A byte in front of each body says its length, and in the top bit that it is
/// audio: so one input holds headers and the frames that need them.
///
/// # Panics
/// If a bound is broken, or what was written reads back differently.
pub fn tag(data: &[u8]) {
    let Some((&first, mut rest)) = data.split_first() else {
        return;
    };
    let options = tag::Options {
        legacy_hevc: first & 1 != 0,
        tracks: usize::from(first >> 5),
    };
    let most = 2 * options.tracks;
    let mut parser = tag::Parser::new(options);
    while let Some((&lead, tail)) = rest.split_first() {
        let (body, tail) = tail.split_at(tail.len().min(usize::from(lead & 0x7F)));
        rest = tail;
        let body = Bytes::copy_from_slice(body);
        let at = Timestamp::from_millis(1);
        let packets: Vec<_> = match lead & 0x80 != 0 {
            true => parser.audio(&body, at).collect(),
            false => parser.video(&body, at).collect(),
        };
        assert!(packets.len() <= body.len().max(1), "packets out of nothing");
        assert!(parser.tracks().count() <= most, "too many tracks");
        for packet in packets.into_iter().flatten() {
            match packet {
                Packet::Track(track) | Packet::End(track) => assert_track(&track),
                Packet::Frame(frame) => assert_frame(&frame),
            }
        }
    }
}

/// Whatever configuration or frame of sound comes: it is refused, or says what an output can work with.
///
/// The first byte chooses the codec.
///
/// # Panics
/// If a rate, a number of channels or a length is out of bounds.
pub fn sound(data: &[u8]) {
    let Some((&codec, data)) = data.split_first() else {
        return;
    };
    let record = Bytes::copy_from_slice(data);
    let codec = match codec % 6 {
        0 => aac::Config::parse(record).map(Codec::Aac),
        1 => opus::Config::parse(record).map(Codec::Opus),
        2 => flac::Config::parse(record).map(Codec::Flac),
        3 => ac3::Config::of_ac3(data).map(Codec::Ac3),
        4 => ac3::Config::of_eac3(data).map(Codec::Eac3),
        _ => mp3::Config::of_frame(data).map(Codec::Mp3),
    };
    let Ok(codec) = codec else {
        return;
    };
    assert!(codec.decodes_like(&codec), "a codec is not like itself");
    let sound = codec.sound().expect("a codec of sound");
    assert!(sound.channels > 0, "no channels");
    assert!((1..=655_350).contains(&sound.sample_rate), "{sound:?}");
    // No frame is shorter than its header, and none longer than FLAC's.
    let most = (data.len() / 2).max(1) as u64 * 262_144;
    let samples = codec.samples(data).unwrap_or(0);
    assert!(u64::from(samples) <= most, "{samples} samples");
    match &codec {
        Codec::Aac(config) => {
            let unit = config.program.as_ref().map_or(0, Bytes::len);
            assert!(unit < 200, "a program of {unit} bytes");
        }
        Codec::Ac3(config) | Codec::Eac3(config) => {
            assert!((5..=6).contains(&config.dec3().len()));
        }
        _ => {}
    }
}

/// A codec configuration of pictures and a key frame, both from a hostile encoder: refused, or sane and stable.
///
/// The first byte picks the codec, the second is the length of the record, and the rest is the key frame.
///
/// # Panics
/// If a size is out of bounds, or what the key frame brought reads back differently.
pub fn picture(data: &[u8]) {
    let [which, length, rest @ ..] = data else {
        return;
    };
    let (record, key_frame) = rest.split_at(rest.len().min(usize::from(*length)));
    let parse = |record: Bytes| match which % 4 {
        0 => avc::Config::parse(record).map(Codec::Avc),
        1 => hevc::Config::parse(record).map(Codec::Hevc),
        2 => av1::Config::parse(record).map(Codec::Av1),
        _ => vp9::Config::parse(record).map(Codec::Vp9),
    };
    let Ok(codec) = parse(Bytes::copy_from_slice(record)) else {
        return;
    };
    assert_picture(&codec);
    assert!(codec.orientation(key_frame).quarter_turns < 4);
    let quiet = codec.without_orientation(&Bytes::copy_from_slice(key_frame));
    assert_eq!(codec.orientation(&quiet), Orientation::default());
    let Some(brought) = codec.brought_by(key_frame) else {
        return;
    };
    assert_picture(&brought);
    assert_eq!(brought.brought_by(key_frame), None, "not taken up");
    let read = parse(brought.config_record().clone());
    assert_same(&read.expect("a record that was made here"), &brought);
}

fn assert_picture(codec: &Codec) {
    let string = codec.rfc6381();
    let is_plain = |char: char| char.is_ascii_alphanumeric() || char == '.';
    assert!(
        string.len() < 64 && string.chars().all(is_plain),
        "{string}"
    );
    if let Some(picture) = codec.picture() {
        for side in [picture.width, picture.height, picture.display_width()] {
            assert!((1..=65_535).contains(&side), "{picture:?}");
        }
    }
}

/// Whatever script data comes: it is refused, or becomes JSON of bounded length.
///
/// # Panics
/// If the JSON is longer than its input can explain.
pub fn script(data: &[u8]) {
    let Ok(message) = Message::parse(data) else {
        return;
    };
    for value in &message.values {
        // A control character takes six bytes, a number of eight bytes up to some three hundred.
        let json = value.to_string();
        assert!(json.len() <= 16 + data.len() * 40, "{} bytes", json.len());
        assert!(json.bytes().all(|byte| byte >= b' '), "a control character");
    }
}

/// Panics unless `track` survives being written.
pub(crate) fn assert_track(track: &Arc<Track>) {
    let mut parser = tag::Parser::default();
    // A codec without a sequence header shows with its first frame.
    let Some(read) = introduce(&mut parser, track, Features::ALL) else {
        return;
    };
    assert_same(&read.codec, &track.codec);
    let codec = track.codec.clone();
    let read = Track {
        codec,
        ..Track::clone(&read)
    };
    assert_eq!(read, **track, "a track changed");
}

/// Panics unless both codecs are one, of which a key frame may have told one of them more than its record.
fn assert_same(read: &Codec, codec: &Codec) {
    let header = |codec: &Codec| (codec.fourcc(), codec.config_record().clone());
    let told = matches!(codec, Codec::Vp9(_)) && header(read) == header(codec);
    assert!(told || read.decodes_like(codec), "a codec changed");
}

/// Panics unless `frame` survives being written.
pub(crate) fn assert_frame(frame: &MediaFrame) {
    for features in [Features::ALL, Features::default()] {
        let mut parser = tag::Parser::default();
        introduce(&mut parser, &frame.track, features);
        let mut body = BytesMut::new();
        tag::put_frame_header(&mut body, frame, features);
        body.extend_from_slice(&frame.payload);
        let at = Timestamp::from_millis(frame.dts.as_millis());
        let packets = read(&mut parser, frame.kind(), body, at);
        let [Packet::Frame(read)] = &packets[..] else {
            panic!("a frame became {packets:?}");
        };
        let seen = |frame: &MediaFrame| (frame.composition, frame.key, frame.payload.clone());
        assert_eq!(seen(read), seen(frame));
        let codec = &frame.track.codec;
        let brought = codec.brought_by(&frame.payload).filter(|_| frame.key);
        assert_same(&read.track.codec, brought.as_ref().unwrap_or(codec));
        if features == Features::ALL {
            let said = |track: &Track| (track.id, track.metadata.clone(), track.channels.clone());
            assert_eq!(said(&read.track), said(&frame.track));
            assert_eq!(read.dts, frame.dts);
        } else {
            assert_eq!((read.track.id, read.dts), (0, at));
        }
    }
}

/// Writes what precedes the first frame of `track`, and reads it.
fn introduce(parser: &mut tag::Parser, track: &Track, features: Features) -> Option<Arc<Track>> {
    let mut last = None;
    for put in [tag::put_config, tag::put_side_data] {
        let mut body = BytesMut::new();
        put(&mut body, track, features);
        if body.is_empty() {
            continue;
        }
        for packet in read(parser, track.kind, body, Timestamp::ZERO) {
            match packet {
                Packet::Track(track) => last = Some(track),
                other => panic!("a header became {other:?}"),
            }
        }
    }
    last
}

fn read(parser: &mut tag::Parser, kind: Kind, body: BytesMut, at: Timestamp) -> Vec<Packet> {
    let body = body.freeze();
    let packets = match kind {
        Kind::Audio => parser.audio(&body, at),
        _ => parser.video(&body, at),
    };
    packets
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("what was written is refused: {error}"))
}
