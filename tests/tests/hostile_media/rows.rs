//! The table: what is sent, and whether the server is to turn it away or to go on.

use bytes::Bytes;
use lsv_core::fuzzing::vectors::{AV1_RECORD, HEVC_RECORD, VP9_RECORD};
use lsv_mux::fuzzing::AVC_RECORD;
use lsv_rtmp::session::Media;

/// What the server is to make of a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It is told so and closed.
    Refused,
    /// It goes on, and so may end in order.
    Taken,
}

/// A line of the table. Each publication is a connection of its own, one after the other.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) expected: Expected,
    pub(crate) publications: Vec<Vec<Media>>,
}

#[rustfmt::skip]
pub(crate) fn rows() -> Vec<Row> {
    vec![
        // Codec configurations: cut short anywhere.
        refused("AVC record cut short", cut(avc_start, &AVC_RECORD[..43])),
        refused("HEVC record cut short", cut(|body| ex_video(START, b"hvc1", body), HEVC_RECORD)),
        refused("AV1 record cut short", cut(|body| ex_video(START, b"av01", body), &AV1_RECORD[..4])),
        refused("VP9 record cut short", cut(|body| ex_video(START, b"vp09", body), &VP9_RECORD[..6])),
        refused("AAC record cut short", cut(aac_start, &AAC_RECORD)),
        refused("Opus header cut short", cut(|body| ex_audio(START, b"Opus", body), &OPUS_HEADER).split_off(1)),
        refused("FLAC header cut short", cut(|body| ex_audio(START, b"fLaC", body), &FLAC_HEADER)),
        // Codec configurations that lie.
        refused("AVC record: parameter set past the end", alone(avc_start(&patched(AVC_RECORD, 6, &[0xFF, 0xFF])))),
        refused("AVC record: no parameter set", alone(avc_start(&patched(AVC_RECORD, 5, &[0xE0])))),
        refused("AVC record: lengths of three bytes", alone(avc_start(&patched(AVC_RECORD, 4, &[0xFE])))),
        refused("AVC record: parameter set of ones", alone(avc_start(&avc_record(&[0xFF; 26])))),
        refused("AVC record: parameter set of zeros", alone(avc_start(&avc_record(&[0; 26])))),
        refused("AVC record of a mebibyte", alone(avc_start(&vec![1; 1 << 20]))),
        refused("HEVC record: 255 arrays", alone(ex_video(START, b"hvc1", &patched(HEVC_RECORD, 22, &[255])))),
        refused("HEVC record: unit past the end", alone(ex_video(START, b"hvc1", &patched(HEVC_RECORD, 26, &[0xFF, 0xFF])))),
        refused("AV1 record: OBU past the end", alone(ex_video(START, b"av01", &patched(AV1_RECORD, 5, &[0xFF, 0xFF, 0xFF, 0x7F])))),
        refused("VP9 record: profile 200, 0 bits", alone(ex_video(START, b"vp09", &patched(VP9_RECORD, 4, &[200, 0, 0])))),
        refused("AAC record: reserved frequency", alone(aac_start(&[0x16, 0x90]))),
        refused("AAC record: frequency zero", alone(aac_start(&[0x17, 0x80, 0, 0, 0x10]))),
        refused("Opus header: no channel", alone(ex_audio(START, b"Opus", &patched(&OPUS_HEADER, 9, &[0])))),
        refused("Opus header: 255 channels of nothing", alone(ex_audio(START, b"Opus", &patched(&OPUS_HEADER, 9, &[255, 0, 0, 0, 0, 0, 0, 0, 0, 255])))),
        refused("FLAC header: frequency zero", alone(ex_audio(START, b"fLaC", &patched(&FLAC_HEADER, 18, &[0, 0, 0])))),
        refused("a codec that nobody knows", alone(ex_video(START, b"evil", &[1; 64]))),
        refused("100 tracks, one by one", vec![(0..100).map(|id| audio(0, &track(START, id, &AAC_RECORD))).collect()]),
        refused("100 tracks in one body", alone(audio(0, &hundred_tracks()))),
        // Pictures larger than any.
        taken("AVC of 8K", pictures(&sps(480, 270))),
        refused("AVC of 64K", pictures(&sps(4096, 4096))),
        refused("AVC of 34 billion pixels a line", pictures(&sps(1 << 31, 1 << 31))),
        // Frames.
        taken("as many tracks as are taken", vec![many_tracks(8)]),
        taken("NAL lengths past the end", opened(500, |n| video(40 * n, &picture(n, 0, &[0xFF, 0xFF, 0xFF, 0xF0, 0x65])))),
        taken("NAL lengths cut short", opened(500, |n| video(40 * n, &picture(n, 0, &[0, 0, 0])))),
        taken("units of no length", opened(500, |n| video(40 * n, &picture(n, 0, &[0; 64])))),
        taken("samples of no length", opened(1_000, |n| match n % 2 { 0 => video(32 * n, &picture(n, 0, &[])), _ => audio(32 * n - 32, &[0xAF, 1]) })),
        taken("100,000 tiny frames at one time", opened(100_000, |n| match n % 2 { 0 => video(0, &picture(1, 0, &[0, 0, 0, 1, 0x41])), _ => audio(0, &[0xAF, 1, 0x21]) })),
        taken("20,000 key frames a millisecond apart", opened(20_000, |n| video(n, &picture(0, 0, UNIT)))),
        taken("a minute without a key frame", opened(1_500, |n| video(40 * n, &picture(n.min(1), 0, UNIT)))),
        taken("a minute that never had a key frame", opened(1_500, |n| video(40 * n, &picture(1, 0, UNIT)))),
        refused("a picture of more than 8 MiB", opened(3, |n| video(40 * n, &picture(n, 0, &[&[0, 0x80, 0, 0, 0x65][..], &vec![7; (8 << 20) - 1]].concat())))),
        taken("compositions at both ends of 24 bits", opened(500, |n| video(40 * n, &picture(n, [0, 0x7F_FFFF, -0x80_0000][n as usize % 3], UNIT)))),
        taken("another configuration every picture", vec![another_every_picture(500)]),
        taken("a codec that changes back and forth", vec![back_and_forth(200)]),
        // Clocks.
        taken("times that jump anywhere", opened(2_000, |n| video(n.wrapping_mul(0x9E37_79B9), &picture(n % 5, 0, UNIT)))),
        taken("times that go back", opened(2_000, |n| video(1_000_000 - 40 * n, &picture(n % 25, 0, UNIT)))),
        taken("sound and pictures weeks apart", opened(1_000, |n| match n % 2 { 0 => video(32 * n, &picture(n % 50, 0, UNIT)), _ => audio(0x7000_0000 + 32 * n, &[0xAF, 1, 0x21]) })),
        taken("both ends of 32 bits by turns", opened(500, |n| video(if n % 2 == 0 { 0 } else { u32::MAX }, &picture(n % 10, 0, UNIT)))),
        // Script data.
        taken("20,000 metadata", opened(20_000, |n| data(n, "onMetaData", 100))),
        taken("300 texts of 60 kB", opened(300, |n| data(40 * n, "onTextData", 60_000))),
        taken("20,000 cue points at one time", opened(20_000, |_| data(0, "onCuePoint", 20))),
    ]
}

/// H.264 and AAC as they should be.
pub(crate) fn good_headers(at: u32) -> [Media; 2] {
    [
        video(at, &avc_body(0, AVC_RECORD)),
        audio(at, &[&[0xAF, 0][..], &AAC_RECORD].concat()),
    ]
}

/// Every 32 ms a picture with `mark` at its end, a key frame every 32nd, and with every second one its sound.
pub(crate) fn good_pictures(at: u32, number: u64, mark: &[u8]) -> Vec<Media> {
    let (slice, kind) = match number % 32 {
        0 => ([0x65, 0x88], 0),
        _ => ([0x41, 0x9A], 1),
    };
    let length = u32::try_from(slice.len() + mark.len()).expect("a short mark");
    let unit = [&length.to_be_bytes()[..], &slice, mark].concat();
    let mut media = vec![video(at, &picture(kind, 0, &unit))];
    if number.is_multiple_of(2) {
        media.push(audio(at, &[0xAF, 1, 0x21, 0x10, 0x04, 0x60, 0x8C, 0x1C]));
    }
    media
}

fn refused(name: &'static str, publications: Vec<Vec<Media>>) -> Row {
    Row {
        name,
        expected: Expected::Refused,
        publications,
    }
}

fn taken(name: &'static str, publications: Vec<Vec<Media>>) -> Row {
    Row {
        name,
        expected: Expected::Taken,
        publications,
    }
}

/// One body for each length that a record may be cut to.
fn cut(header: impl Fn(&[u8]) -> Media, record: &[u8]) -> Vec<Vec<Media>> {
    (0..record.len())
        .map(|length| vec![header(&record[..length])])
        .collect()
}

fn alone(media: Media) -> Vec<Vec<Media>> {
    vec![vec![media]]
}

/// Good headers, then what `frame` makes of the numbers up to `count`.
fn opened(count: u32, frame: impl Fn(u32) -> Media) -> Vec<Vec<Media>> {
    vec![
        good_headers(0)
            .into_iter()
            .chain((0..count).map(frame))
            .collect(),
    ]
}

/// Ten seconds of pictures under a parameter set.
fn pictures(sps: &[u8]) -> Vec<Vec<Media>> {
    let frames = (0..250).map(|n| video(40 * n, &picture(n % 25, 0, UNIT)));
    vec![
        [avc_start(&avc_record(sps))]
            .into_iter()
            .chain(frames)
            .collect(),
    ]
}

fn many_tracks(count: u8) -> Vec<Media> {
    let headers = (0..count).map(|id| audio(0, &track(START, id, &AAC_RECORD)));
    let frames = (0..300).flat_map(|n| {
        (0..count).map(move |id| audio(64 * n, &track(FRAMES, id, &[0x21, 0x10, 4])))
    });
    headers.chain(frames).collect()
}

fn hundred_tracks() -> Vec<u8> {
    let tracks = (0..100).flat_map(|id| [id, 0, 0, 2, AAC_RECORD[0], AAC_RECORD[1]]);
    [0x95, 0x10, b'm', b'p', b'4', b'a']
        .into_iter()
        .chain(tracks)
        .collect()
}

fn another_every_picture(count: u32) -> Vec<Media> {
    let each = |n| {
        let header = avc_start(&avc_record(&sps(20 + n, 20)));
        [at(40 * n, header), video(40 * n, &picture(0, 0, UNIT))]
    };
    (0..count).flat_map(each).collect()
}

fn back_and_forth(count: u32) -> Vec<Media> {
    let each = |n| match n % 2 {
        0 => [
            at(40 * n, avc_start(AVC_RECORD)),
            video(40 * n, &picture(0, 0, UNIT)),
        ],
        _ => [
            at(40 * n, ex_video(START, b"hvc1", HEVC_RECORD)),
            at(
                40 * n,
                ex_video(FRAMES_X, b"hvc1", &[0, 0, 0, 4, 0x26, 1, 0xAF, 7]),
            ),
        ],
    };
    (0..count).flat_map(each).collect()
}

fn video(timestamp: u32, body: &[u8]) -> Media {
    Media::Video {
        timestamp,
        payload: Bytes::copy_from_slice(body),
    }
}

fn audio(timestamp: u32, body: &[u8]) -> Media {
    Media::Audio {
        timestamp,
        payload: Bytes::copy_from_slice(body),
    }
}

/// Script data: a name and a text of `length`.
fn data(timestamp: u32, name: &str, length: u16) -> Media {
    let text = |text: &[u8]| {
        let length = u16::try_from(text.len()).expect("a short text");
        [&[2][..], &length.to_be_bytes(), text].concat()
    };
    let payload = [text(name.as_bytes()), text(&vec![b'x'; length.into()])].concat();
    Media::Data {
        timestamp,
        payload: payload.into(),
    }
}

/// The same at another time.
fn at(time: u32, mut media: Media) -> Media {
    if let Media::Video { timestamp, .. } = &mut media {
        *timestamp = time;
    }
    media
}

fn avc_start(record: &[u8]) -> Media {
    video(0, &avc_body(0, record))
}

fn aac_start(record: &[u8]) -> Media {
    audio(0, &[&[0xAF, 0][..], record].concat())
}

fn ex_video(packet: u8, codec: &[u8; 4], body: &[u8]) -> Media {
    video(0, &[&[0x90 | packet][..], codec, body].concat())
}

fn ex_audio(packet: u8, codec: &[u8; 4], body: &[u8]) -> Media {
    audio(0, &[&[0x90 | packet][..], codec, body].concat())
}

/// A body of Enhanced RTMP's multitrack audio for one track.
fn track(packet: u8, id: u8, body: &[u8]) -> Vec<u8> {
    [&[0x95, packet, b'm', b'p', b'4', b'a', id][..], body].concat()
}

fn avc_body(packet: u8, content: &[u8]) -> Vec<u8> {
    [&[0x17, packet, 0, 0, 0][..], content].concat()
}

/// A picture of H.264: a key frame where `number` is zero.
fn picture(number: u32, composition: i32, units: &[u8]) -> Vec<u8> {
    let first = if number == 0 { 0x17 } else { 0x27 };
    let [_, high, middle, low] = composition.to_be_bytes();
    [&[first, 1, high, middle, low][..], units].concat()
}

fn avc_record(sps: &[u8]) -> Vec<u8> {
    let length = u16::try_from(sps.len())
        .expect("a short parameter set")
        .to_be_bytes();
    [
        &[1, 0x42, 0, 0x1E, 0xFF, 0xE1][..],
        &length,
        sps,
        &[1, 0, 4, 0x68, 0xCE, 0x3C, 0x80],
    ]
    .concat()
}

/// A sequence parameter set of Baseline (ISO/IEC 14496-10 §7.3.2.1.1) for pictures of so many macroblocks.
fn sps(width: u32, height: u32) -> Vec<u8> {
    let mut bits = String::new();
    // Parameter set, frame numbers, order of pictures, reference frames.
    for value in [0, 0, 2, 1] {
        golomb(&mut bits, value);
    }
    bits.push('0');
    golomb(&mut bits, width - 1);
    golomb(&mut bits, height - 1);
    // Whole frames, 8x8 inference, no cropping, no VUI, and the bit that ends it.
    bits.push_str("11001");
    while !bits.len().is_multiple_of(8) {
        bits.push('0');
    }
    let bytes = bits
        .as_bytes()
        .chunks(8)
        .map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | (bit & 1)));
    [0x67, 0x42, 0, 0x1E].into_iter().chain(bytes).collect()
}

/// An unsigned Exp-Golomb code (ISO/IEC 14496-10 §9.1).
fn golomb(bits: &mut String, value: u32) {
    let code = format!("{:b}", u64::from(value) + 1);
    bits.push_str(&"0".repeat(code.len() - 1));
    bits.push_str(&code);
}

fn patched(record: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut patched = record.to_vec();
    patched.resize(patched.len().max(at + with.len()), 0);
    patched[at..at + with.len()].copy_from_slice(with);
    patched
}

const START: u8 = 0;
const FRAMES: u8 = 1;
const FRAMES_X: u8 = 3;

/// One unit with its length.
const UNIT: &[u8] = &[0, 0, 0, 4, 0x65, 0x88, 0x84, 0x21];

/// AAC LC, 16 kHz, one channel: a frame is 64 ms long.
const AAC_RECORD: [u8; 2] = [0x14, 0x08];

/// Two channels, no mapping.
const OPUS_HEADER: [u8; 19] = *b"OpusHead\x01\x02\x38\x01\x80\xBB\0\0\0\0\0";

/// Signature and STREAMINFO: 48 kHz, two channels, 16 bits.
const FLAC_HEADER: [u8; 42] = *b"fLaC\x80\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0B\xB8\x02\xF0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
