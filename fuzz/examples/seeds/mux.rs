//! What the muxers and demuxers get: files, frames, script data.

use std::io;

use lsv_mux::fuzzing::AVC_RECORD;
use lsv_mux::mp4;

use super::{ON_CUE_POINT, ON_TEXT_DATA, flv_tag, length32, seed};

pub(super) fn write() -> io::Result<()> {
    frames()?;
    segmenter()?;
    script()?;
    fragments()?;
    vod_playlists()
}

fn frames() -> io::Result<()> {
    let unit = |bytes: &[u8]| [&length32(bytes.len()), bytes].concat();
    let key = [unit(&[0x06, 5, 1, 0, 0x80]), unit(&[0x65, 0x88, 0x84, 0])].concat();
    let inter = unit(&[0x41, 0x9A, 0, 0x10]);
    let delimited = [unit(&[0x09, 0xF0]), unit(&[0x67, 0x64]), key.clone()].concat();
    seed("mux_annexb", "key", &[&key])?;
    seed("mux_annexb", "delimited", &[&delimited])?;
    seed("mux_annexb", "empty-unit", &[&unit(&[]), &inter])?;
    seed("mux_annexb", "too-long", &[&[0xFF; 4], &inter])?;

    let header = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";
    let script = b"\x02\0\x0AonMetaData\x08\0\0\0\0\0\0\x09";
    let flv = [
        header.to_vec(),
        flv_tag(18, script),
        flv_tag(9, &[&[0x17, 0, 0, 0, 0], AVC_RECORD].concat()),
        flv_tag(8, &[0xAF, 0, 0x12, 0x10]),
        flv_tag(9, &[&[0x17, 1, 0, 0, 40], key.as_slice()].concat()),
        flv_tag(8, &[0xAF, 1, 0x21, 0x10, 4]),
    ];
    let flv = flv.concat();
    seed("mux_flv_demux", "stream", &[&[0], &flv])?;
    seed("mux_flv_demux", "cut", &[&[6], &flv[..flv.len() - 5]])?;
    seed(
        "mux_flv_demux",
        "too-long",
        &[&[200], header, &[9, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0]],
    )?;

    let frames = [
        frame(2, 0, 40_000_000, &key),
        frame(1, 5_000_000, 0, &[0x21, 0x10, 4]),
        frame(0, 40_000_000, 80_000_000, &inter),
        frame(1, 28_000_000, 0, &[0x21, 0x10, 4]),
    ];
    let jump = frame(2, u64::MAX >> 1, u64::MAX, &key);
    for target in [
        "mux_ts",
        "mux_mp4_fragment",
        "mux_mp4_recording",
        "mux_flv_recording",
    ] {
        seed(target, "frames", &[&frames.concat()])?;
        seed(target, "jump", &[&frames[0], &jump, &frames[2]])?;
        seed(
            target,
            "empty",
            &[&frame(2, 0, 0, &[]), &frame(1, 0, 0, &[])],
        )?;
    }
    Ok(())
}

/// A track with fragments, as the demuxer's target reads it: a byte that says how it is cut, then the stream. The target
/// puts a right header in front of the fragments once more.
fn fragments() -> io::Result<()> {
    let sample = |key, composition, payload: &[u8]| mp4::Sample {
        duration: 3_000,
        composition,
        key,
        payload: payload.to_vec().into(),
    };
    let samples = [
        sample(true, 6_000, &[0, 0, 0, 2, 0x65, 0x88]),
        sample(false, 0, &[0, 0, 0, 2, 0x41, 0x9A]),
    ];
    let header = lsv_mux::fuzzing::tracks().video;
    let header = header.and_then(|track| mp4::init(&track).ok());
    let header = header.unwrap_or_default();
    let first = mp4::fragment(1, 90_000, &samples);
    let second = mp4::fragment(2, 96_000, &samples[1..]);
    seed("mux_mp4_demux", "track", &[&[9], &header, &first, &second])?;
    seed("mux_mp4_demux", "fragments", &[&[80], &first, &second])?;
    let cut = &first[..first.len() - 3];
    seed("mux_mp4_demux", "cut", &[&[0], &header, cut, &second])
}

/// Frames as the segmenter's target reads them: flags with the track's number, a step of 2 ms each, a length.
fn segmenter() -> io::Result<()> {
    const KEY: u8 = 8;
    let pictures = |track: u8, count: u8| {
        let picture = move |n: u8| match n % 30 {
            0 => [track | KEY | 0x60, 16, 9],
            _ => [track | 0x40, 16, 90],
        };
        (0..count).flat_map(picture).collect::<Vec<u8>>()
    };
    let sounds = |track: u8, count: u8| [track, 11, 40].repeat(usize::from(count));
    let stream = [pictures(0, 95), sounds(2, 200), sounds(3, 9)].concat();
    let target = "mux_segmenter";
    seed(target, "stream", &[&[7, 0], &stream])?;
    seed(
        target,
        "configuration",
        &[&stream, &pictures(1, 70), &pictures(0, 70)],
    )?;
    seed(
        target,
        "epoch",
        &[&stream, &[7, 2], &pictures(0, 70), &[7, 1], &sounds(2, 200)],
    )?;
    seed(
        target,
        "settings",
        &[
            &stream,
            &[7, 0x0B],
            &pictures(0, 70),
            &[7, 0x27],
            &sounds(2, 200),
        ],
    )?;
    seed(
        target,
        "script",
        &[&stream, &[4, 0, 200].repeat(300), &pictures(0, 70)],
    )?;
    let mut far = [0x18, 0, 0, 0, 0, 0, 0, 0, 0, 40];
    far[1..9].copy_from_slice(&(i64::MAX - 5).to_be_bytes());
    seed(target, "far", &[&stream, &far, &pictures(0, 70)])?;
    seed(
        target,
        "composition",
        &[
            &stream,
            &[0xC8, 4, 9, 0x7F, 0xFF, 0xFF, 0xFF],
            &pictures(0, 70),
        ],
    )
}

/// Messages for viewers, and SCTE-35 sections: as text, and bare without their frame.
fn script() -> io::Result<()> {
    let target = "mux_script";
    seed(target, "text", &[ON_TEXT_DATA])?;
    seed(target, "cue", &[ON_CUE_POINT])?;
    let insert = b"/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=";
    seed(target, "insert", &[insert])?;
    seed(
        target,
        "hexadecimal",
        &[b"0xFC301100000000000000FFFFFF0000004F253396"],
    )?;
    let head = [0, 0, 0, 0, 0, 0, 0xFF, 0xF0];
    let insert = [
        20, 5, 0x48, 0, 0, 0x8F, 0x7F, 0xEF, 0xFE, 0x73, 0x69, 0xC0, 0x2E, 0xFE, 0, 0x52,
    ];
    seed(
        target,
        "bare-insert",
        &[&head, &insert, &[0xCC, 0xF5, 0, 0, 0, 0, 0]],
    )?;
    let signal = [5, 6, 0xFE, 0x73, 0x69, 0xC0, 0x2E, 0, 20, 2, 18];
    let break_start = [
        b'C', b'U', b'E', b'I', 0, 0, 0, 1, 0x7F, 0xFF, 0, 0, 0x52, 0xCC, 0xF5, 0, 0, 0x34, 1, 1,
    ];
    seed(target, "bare-signal", &[&head, &signal, &break_start])
}

/// Playlists of recordings that a crash left unfinished.
fn vod_playlists() -> io::Result<()> {
    let target = "mux_vod_playlist";
    let event =
        b"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:61\n#EXT-X-PLAYLIST-TYPE:EVENT\n\
        #EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n\
        #EXT-X-MAP:URI=\"init-0.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z\n\
        #EXTINF:60.00000,\nsegment-0.m4s\n\
        #EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-1.mp4\"\n\
        #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:02:00.000Z\n#EXTINF:61.49900,\nsegment-1.m4s\n";
    seed(target, "event", &[event])?;
    seed(target, "cut", &[&event[..200]])?;
    let huge = b"#EXTM3U\n#EXTINF:1e19,\nsegment-18446744073709551615.m4s\n";
    seed(target, "huge", &[huge])
}

/// A frame as the format targets read it: flags, decoding time and composition offset in nanoseconds, length, payload.
fn frame(flags: u8, time: u64, composition: u64, payload: &[u8]) -> Vec<u8> {
    let length = &length32(payload.len())[2..];
    [
        &[flags],
        &time.to_be_bytes()[..],
        &composition.to_be_bytes(),
        length,
        payload,
    ]
    .concat()
}
