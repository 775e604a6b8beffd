//! What publishers say of their tracks, and what the API's callers send.

use std::io;

use lsv_core::fuzzing::vectors;
use lsv_mux::fuzzing::AVC_RECORD;

use super::{ON_CUE_POINT, ON_TEXT_DATA, seed};

pub(super) fn write() -> io::Result<()> {
    tags()?;
    pictures()?;
    sounds()?;
    channels()?;
    pieces()
}

/// Tag bodies, each after a byte with its length and, in the top bit, whether it is audio. In front of all is a byte of
/// options: eight tracks at most, and whether FLV codec 12 is HEVC.
fn tags() -> io::Result<()> {
    let seed = |target, name, bodies: &[Vec<u8>]| seed(target, name, &[&[0xE1], &bodies.concat()]);
    let video = |body: &[u8]| [&[body.len() as u8], body].concat();
    let audio = |body: &[u8]| [&[body.len() as u8 | 0x80], body].concat();
    let payload = [0, 0, 0, 4, 0x65, 0x88, 0x84, 0];
    let target = "core_tag";
    let legacy = [
        video(&[&[0x17, 0, 0, 0, 0], AVC_RECORD].concat()),
        video(&[&[0x17, 1, 0, 0, 40], &payload[..]].concat()),
        video(&[&[0x27, 1, 0xFF, 0xFF, 0xD8], &payload[..]].concat()),
        video(&[0x17, 2, 0, 0, 0]),
        audio(&[0xAF, 0, 0x12, 0x10]),
        audio(&[0xAF, 1, 0x21, 0x10, 4]),
    ];
    seed(target, "legacy", &legacy)?;
    let enhanced = [
        video(&[b"\x90avc1", AVC_RECORD].concat()),
        video(&[b"\x91avc1\0\0\x28", &payload[..]].concat()),
        video(&[b"\xA3avc1", &payload[..]].concat()),
        video(b"\x92avc1"),
        audio(b"\x90mp4a\x12\x10"),
        audio(b"\x91mp4a\x21\x10\x04"),
    ];
    seed(target, "enhanced", &enhanced)?;
    let others = [
        video(b"\x90hvc1\x01\x01\x60\0\0\0"),
        video(b"\x90av01\x81\x04\x0C\0"),
        video(b"\x96\0avc1\0\0\x01\0"),
        audio(b"\x90Opus\x01\x02"),
        audio(&[0x2F, 0xFF, 0xFB]),
    ];
    seed(target, "others", &others)?;
    let codecs = [
        video(&[b"\x90hvc1", vectors::HEVC_RECORD].concat()),
        video(b"\x91hvc1\0\0\x28key"),
        video(b"\xA3hvc1inter"),
        video(b"\x90vvc1record"),
        video(b"\x91vvc1\xFF\xFF\xD8key"),
        video(&[b"\x90vp09", vectors::VP9_RECORD].concat()),
        video(&[b"\x91vp09", vectors::VP9_KEY_FRAME].concat()),
        video(b"\x91vp08key"),
        audio(b"\x90OpusOpusHead"),
        audio(b"\x91Opussound"),
        audio(b"\x90fLaCfLaC"),
        audio(b"\x91fLaCsound"),
        audio(b"\x91ac-3sound"),
        audio(b"\x91ec-3sound"),
        audio(b"\x91.mp3\xFF\xF3\x90\xC0"),
        audio(b"\x92.mp3"),
    ];
    seed(target, "codecs", &codecs)?;
    let sounds = [
        audio(&[&b"\x90Opus"[..], OPUS_RECORD].concat()),
        audio(b"\x91Opus\xFCsound"),
        audio(&[&b"\x90fLaC"[..], FLAC_RECORD].concat()),
        audio(b"\x91fLaC\xFF\xF8\x5A\x18\0"),
        audio(&[&b"\x91ac-3"[..], AC3_FRAME].concat()),
        audio(&[&b"\x91ec-3"[..], EAC3_FRAME].concat()),
        audio(b"\x91.mp3\xFF\xFB\x90\x64"),
        audio(b"\x91.mp3\xFF\xF3\x90\xC4"),
        audio(b"\x2F\xFF\xFB\x90\x64"),
        audio(&[&b"\x90mp4a"[..], AAC_QUAD].concat()),
    ];
    seed(target, "sounds", &sounds)?;
    let old_hevc = [
        video(&[b"\x1C\0\0\0\0", vectors::HEVC_RECORD].concat()),
        video(b"\x1C\x01\0\0\x28key"),
        video(b"\x2C\x01\0\0\0inter"),
        video(b"\x1C\x02\0\0\0"),
    ];
    seed(target, "legacy-hevc", &old_hevc)?;
    let one_track = [
        video(&[b"\x96\0avc1\x01", AVC_RECORD].concat()),
        video(b"\xA6\x01avc1\x01\0\0\0inter"),
        audio(b"\x95\0mp4a\x07\x12\x10"),
        audio(b"\x95\x01mp4a\x07sound"),
        audio(b"\x95\x02mp4a\x07"),
    ];
    seed(target, "one-track", &one_track)?;
    let many_tracks = [
        video(b"\x96\x10vvc1\0\0\0\x04zero\x01\0\0\x03one"),
        video(b"\x96\x11vvc1\0\0\0\x04\0\0\0a\x01\0\0\x04\0\0\0b"),
        video(b"\xA6\x13vvc1\x01\0\0\x01c"),
        audio(b"\x95\x20mp4a\0\0\0\x02\x12\x10Opus\x01\0\0\0"),
        audio(b"\x95\x21mp4a\0\0\0\x01aOpus\x01\0\0\x01bac-3\x02\0\0\x01c"),
        audio(b"\x95\x11mp4a\0\0\0\x09cut"),
    ];
    seed(target, "many-tracks", &many_tracks)?;
    let mod_ex = [
        video(&[b"\x90av01", vectors::AV1_RECORD].concat()),
        video(b"\xA7\x02\x07\xA1\x20\x01av01inter"),
        video(b"\xA7\x02\x07\xA1\x20\x06\x01av01\0inter"),
        audio(b"\x97\0\0\x17\x02\0\0\x01\x01ac-3sound"),
        audio(b"\x97\xFF\0\x02\0\0\x01\x01ac-3sound"),
    ];
    seed(target, "mod-ex", &mod_ex)?;
    let color = b"\x02\0\x09colorInfo\x03\0\x06hdrCll\x03\0\x07maxFall\0\x40\x79\0\0\0\0\0\0\0\0\x09\0\0\x09";
    let side_data = [
        video(&[&b"\x94hvc1"[..], color].concat()),
        video(&[b"\x90hvc1", vectors::HEVC_RECORD].concat()),
        video(b"\xD4hvc1\x02\0\x09colorInfo\x06"),
        video(&[&b"\x96\x04hvc1\x01"[..], color].concat()),
        audio(b"\x90Opus"),
        audio(b"\x94Opus\0\x02"),
        audio(b"\x94Opus\x01\x06\0\0\0\x3F"),
        audio(b"\x94Opus\x02\x03\x02\0\x01"),
        audio(b"\x95\x14Opus\0\0\0\x02\x09\x02\x01\0\0\x02\0\x02"),
    ];
    seed(target, "side-data", &side_data)
}

/// Configurations and frames of each codec of sound, behind the byte that chooses it.
fn sounds() -> io::Result<()> {
    let he_aac = [0x13, 0x88, 0x56, 0xE5, 0xA5, 0x48, 0x80];
    let two_frames = [AC3_FRAME, &[0; 377], AC3_FRAME].concat();
    let surround = b"OpusHead\x01\x06\x38\x01\x80\xBB\0\0\0\0\x01\x04\x02\0\x04\x01\x02\x03\x05";
    let seeds: [(&str, u8, &[u8]); 12] = [
        ("aac-lc", 0, &[0x12, 0x10]),
        ("aac-he", 0, &[0x2B, 0x11, 0x88, 0]),
        ("aac-he-behind", 0, &he_aac),
        ("aac-quad", 0, AAC_QUAD),
        ("opus", 1, OPUS_RECORD),
        ("opus-surround", 1, surround),
        ("flac", 2, FLAC_RECORD),
        ("flac-ffmpeg", 2, &FLAC_RECORD[8..]),
        ("ac3", 3, &two_frames),
        ("eac3", 4, EAC3_FRAME),
        ("mp3", 5, &[0xFF, 0xFB, 0x90, 0x64]),
        ("mp3-low", 5, &[0xFF, 0xF3, 0x90, 0xC4]),
    ];
    for (name, codec, data) in seeds {
        seed("core_sound", name, &[&[codec], data])?;
    }
    seed("core_script", "text", &[ON_TEXT_DATA])?;
    seed("core_script", "cue", &[ON_CUE_POINT])
}

/// Each is a codec, the length of its record, the record, and a key frame that brings the configuration of another.
fn pictures() -> io::Result<()> {
    let (idr, hevc_idr) = ([0, 0, 0, 2, 0x65, 0x88], [0, 0, 0, 3, 0x28, 1, 0xAF]);
    let seeds: [(&str, u8, &[u8], Vec<u8>); 9] = [
        ("avc", 0, AVC_RECORD, idr.to_vec()),
        ("avc-other", 0, AVC_RECORD, [AVC_OTHER_SPS, &idr].concat()),
        ("hevc", 1, vectors::HEVC_RECORD, hevc_idr.to_vec()),
        ("hevc-hdr", 1, vectors::HEVC_HDR_RECORD, hevc_idr.to_vec()),
        (
            "hevc-other",
            1,
            vectors::HEVC_444_RECORD,
            // The parameter sets of another record, each behind a length of 32 bits rather than 16.
            [
                &[0, 0],
                &vectors::HEVC_RECORD[26..52],
                &[0, 0],
                &vectors::HEVC_RECORD[55..99],
                &hevc_idr,
            ]
            .concat(),
        ),
        (
            "av1",
            2,
            vectors::AV1_RECORD,
            vectors::AV1_HDR_RECORD[4..].to_vec(),
        ),
        (
            "av1-bare",
            2,
            &vectors::AV1_RECORD[..4],
            vectors::AV1_RECORD[4..].to_vec(),
        ),
        (
            "vp9",
            3,
            vectors::VP9_RECORD,
            vectors::VP9_KEY_FRAME.to_vec(),
        ),
        (
            "vp9-hdr",
            3,
            vectors::VP9_HDR_RECORD,
            vectors::VP9_HDR_KEY_FRAME.to_vec(),
        ),
    ];
    for (name, codec, record, key_frame) in seeds {
        let head = [codec, record.len() as u8];
        seed("core_picture", name, &[&head, record, &key_frame])?;
    }
    Ok(())
}

fn channels() -> io::Result<()> {
    let target = "core_channel";
    let full = br#"{"videoname":"Front gate","outdate":"2032-12-09","isFlv":"true","isCMAF":true,
"hls_time":"2","hls_list_size":6,"video_time":"60","codec":"libx264","WaterMarkFontColor":"red","masterSize":"large"}"#;
    seed(target, "full", &[full])?;
    seed(target, "empty", &[b"{}"])?;
    seed(target, "unknown", &[br#"{"isHSL":true}"#])?;
    seed(
        target,
        "range",
        &[br#"{"hls_time":61,"motion_diff":"256","clusterNumber":-1}"#],
    )?;
    seed(target, "dates", &[br#"{"outdate":"2032/2/30"}"#])?;
    seed(
        target,
        "relay",
        &[br#"{"isRelay":"true","relayURL":"rtmp://example.com/live/a,rtmps://example.com/b"}"#],
    )?;
    seed(target, "deep", &[&b"[".repeat(500)])
}

fn pieces() -> io::Result<()> {
    let target = "core_pieces";
    let lines = br#"[{"bytes":6},{"of":"record/cam/a.mp4","from":32,"to":4096},{"bytes":0}]"#;
    seed(target, "recording", &[lines, b"\ntables"])?;
    seed(target, "nothing", &[b"[]\n"])?;
    seed(target, "short", &[br#"[{"bytes":9}]"#, b"\ntables"])?;
    seed(
        target,
        "outside",
        &[br#"[{"of":"../a","from":0,"to":1}]"#, b"\n"],
    )?;
    seed(target, "deep", &[&b"[".repeat(500), b"\n"])
}

/// The identification header of libopus in stereo.
const OPUS_RECORD: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xBB\0\0\0\0\0";

/// FLAC at 48 kHz in stereo.
const FLAC_RECORD: &[u8] = b"fLaC\x80\0\0\x22\x12\0\x12\0\0\0\0\0\0\0\x0B\xB8\x02\xF0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// The beginnings of a frame in stereo, and of one in 5.1.
const AC3_FRAME: &[u8] = &[0x0B, 0x77, 0x38, 0x90, 0x0C, 0x40, 0x43];

const EAC3_FRAME: &[u8] = &[0x0B, 0x77, 0x01, 0x7F, 0x3F, 0x87, 0xC0];

/// AAC in four channels, which only a program configuration can say.
const AAC_QUAD: &[u8] = b"\x11\x80\x04\xC4\x04\0\x21\x10\x0DLavc59.37.100\x56\xE5\0";

/// An SPS of libx264 for pixels of 4:3, behind its length.
const AVC_OTHER_SPS: &[u8] = &[
    0x00, 0x00, 0x00, 0x1e, 0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70, 0xe6,
    0xa0, 0x40, 0x40, 0x28, 0x00, 0x00, 0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x01, 0xe0, 0x78, 0xb1,
    0x6c, 0xb0,
];
