//! Writes the seed corpora: `cargo run -p lsv-fuzz --example seeds`.
//!
//! Every seed is a well-formed input of its target or one that comes close, so that a fuzzer starts from what real
//! peers send. Found crashes are kept beside these as files of their own; this program never deletes one.

use std::{fs, io, path::Path, time::Instant};

use bytes::BytesMut;
use lsv_auth::{
    Secret,
    push::{self, Algorithm, Expiry},
};
use lsv_core::fuzzing::vectors;
use lsv_mux::fuzzing::AVC_RECORD;
use lsv_rtmp::{
    fuzzing::{CLIENT_SCRIPT, SERVER_SCRIPT},
    proxy_protocol::Header,
    session::{Event, Server, ServerConfig},
};

fn main() -> io::Result<()> {
    rtmp()?;
    proxy()?;
    amf0()?;
    amf3()?;
    messages()?;
    sessions()?;
    formats()?;
    tags()?;
    pictures()?;
    sounds()?;
    channels()?;
    credentials()
}

/// What real clients send, whole and cut: four bytes of lengths stand in front.
fn rtmp() -> io::Result<()> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lsv-rtmp/tests/vectors");
    for name in [
        "ffmpeg-publish",
        "ffmpeg-play",
        "librtmp-publish",
        "librtmp-play",
        "obs-publish",
        "gstreamer-play",
        "ffmpeg9-multitrack-publish",
    ] {
        let recording = fs::read(vectors.join(name).with_extension("bin"))?;
        let (hello, rest) = recording.split_at(HANDSHAKE);
        for target in ["rtmp_chunk", "rtmp_server_session"] {
            seed(target, name, &[&[0; 4], rest])?;
            seed(target, &format!("{name}-cut"), &[&[0, 11, 126, 2], rest])?;
        }
        seed("rtmp_handshake", name, &[&[255; 4], hello])?;
        seed(
            "rtmp_handshake",
            &format!("{name}-short"),
            &[&[9; 4], &hello[..1600]],
        )?;
    }
    let audio = |head: &[u8]| [head, &[0xAF, 1, 0x21]].concat();
    let deltas = [
        audio(&[4, 0, 3, 0xE8, 0, 0, 3, 8, 1, 0, 0, 0]),
        audio(&[0x44, 0, 0, 20, 0, 0, 3, 8]),
        audio(&[0x84, 0, 0, 20]),
        audio(&[0xC4]),
    ];
    seed("rtmp_chunk", "deltas", &[&[0; 4], &deltas.concat()])?;
    let extended = audio(&[
        4, 0xFF, 0xFF, 0xFF, 0, 0, 3, 8, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xF0,
    ]);
    let wrapped = audio(&[0x84, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0]);
    seed("rtmp_chunk", "extended", &[&[0; 4], &extended, &wrapped])?;
    let abort = [2, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 4];
    let half = [4, 0, 0, 0, 0, 1, 0, 8, 1, 0, 0, 0];
    seed("rtmp_chunk", "abort", &[&[0; 4], &half, &[0; 128], &abort])
}

/// What load balancers, clients and back ends send to a proxy, whole and cut.
fn proxy() -> io::Result<()> {
    let target = "rtmp_proxy_protocol";
    let header = Header::Proxied {
        source: ([10, 0, 0, 1], 56324).into(),
        destination: "[2001:db8::7]:1935".parse().map_err(io::Error::other)?,
    };
    for (name, header) in [
        ("proxied", header),
        ("local", Header::Local),
        ("unknown", Header::Unknown),
    ] {
        let (mut text, mut binary) = (BytesMut::new(), BytesMut::new());
        header.write_v1(&mut text);
        header.write_v2(&mut binary);
        seed(
            target,
            &format!("{name}-1"),
            &[&[3, 9, 0, 1], &text, b"\x03"],
        )?;
        seed(
            target,
            &format!("{name}-2"),
            &[&[11, 0, 2, 1], &binary, b"\x03"],
        )?;
    }
    let endpoint = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13\x0a\0\0\x01\xc0\xa8\0\x02\xdc\x04\x07\x8f\xea\0\x04\x01vpc";
    seed(target, "tlv", &[&[0; 4], endpoint])?;

    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lsv-rtmp/tests/vectors");
    for name in ["ffmpeg-publish", "librtmp-play"] {
        let recording = fs::read(vectors.join(name).with_extension("bin"))?;
        let target = "rtmp_proxy_sniffer";
        // Far enough for the wish and some media.
        let rest = &recording[HANDSHAKE..recording.len().min(HANDSHAKE + 4096)];
        seed(target, name, &[&[0, 11, 126, 2], rest])?;
        let answers = answers(&recording).map_err(io::Error::other)?;
        seed(
            target,
            &format!("{name}-answers"),
            &[&[0, 50, 3, 200], &answers],
        )?;
    }
    Ok(())
}

/// What a server answers to a recorded client, behind its handshake.
fn answers(recording: &[u8]) -> Result<Vec<u8>, lsv_rtmp::Error> {
    let now = Instant::now();
    let mut server = Server::new(ServerConfig::new([0; 32]), now);
    let mut input = BytesMut::from(recording);
    let mut said = Vec::new();
    while let Some(event) = server.next(&mut input, now)? {
        match event {
            Event::Publish(_) => server.accept_publish(now)?,
            Event::Play(_) => server.accept_play()?,
            _ => {}
        }
        said.extend_from_slice(&server.take_output());
    }
    Ok(said.split_off(HANDSHAKE))
}

fn amf0() -> io::Result<()> {
    let connect = b"\x02\0\x07connect\0\x3F\xF0\0\0\0\0\0\0\x03\0\x03app\x02\0\x06stream\0\0\x09";
    let target = "rtmp_amf0";
    seed(target, "connect", &[connect])?;
    seed(
        target,
        "ecma-array",
        &[b"\x08\0\0\0\x01\0\x05width\0\x40\x94\0\0\0\0\0\0\0\0\x09"],
    )?;
    seed(target, "strict-array", &[b"\x0A\0\0\0\x03\x05\x06\x01\x01"])?;
    seed(target, "date", &[b"\x0B\x42\x78\0\0\0\0\0\0\0\0"])?;
    seed(target, "long-string", &[b"\x0C\0\0\0\x04text"])?;
    seed(
        target,
        "typed-object",
        &[b"\x10\0\x04type\0\x01a\x05\0\0\x09"],
    )?;
    seed(target, "not-a-number", &[b"\0\x7F\xF8\0\0\0\0\0\x01"])?;
    seed(target, "not-utf-8", &[b"\x02\0\x02\xC3\x28"])?;
    seed(target, "deep", &[&b"\x03\0\x01a".repeat(200)])?;
    seed(target, "endless-array", &[b"\x0A\xFF\xFF\xFF\xFF\x05"])
}

fn amf3() -> io::Result<()> {
    let target = "rtmp_amf3";
    let plain = b"\0\x01\x02\x03\x04\xFF\xFF\xFF\xFF\x05\x3F\xF8\0\0\0\0\0\0\x06\x07abc\x06\0";
    seed(target, "plain", &[plain])?;
    seed(
        target,
        "array",
        &[b"\x09\x05\x03k\x03\x01\x02\x01\x09\x01\x01"],
    )?;
    let twice = b"\x09\x05\x01\x0A\x23\x03P\x03x\x03y\x04\x01\x04\x02\x0A\x01\x04\x03\x04\x04";
    seed(target, "traits-twice", &[twice])?;
    seed(target, "dynamic", &[b"\x0A\x1B\x03C\x03s\x01\x03d\x02\x01"])?;
    seed(
        target,
        "references",
        &[b"\x09\x07\x01\x0B\x03x\x0C\x03\xFF\x0B\x02\x08\x01\x42\x78\0\0\0\0\0\0"],
    )?;
    seed(
        target,
        "vectors",
        &[b"\x0D\x03\0\0\0\0\x01\x0F\x03\0\x3F\xF8\0\0\0\0\0\0\x10\x03\0\x03*\x01"],
    )?;
    seed(
        target,
        "dictionary",
        &[b"\x11\x05\0\x06\x03a\x01\x04\x7F\x02"],
    )?;
    seed(target, "cycle", &[b"\x09\x03\x01\x09\0"])?;
    seed(target, "externalizable", &[b"\x0A\x07\x03E\x01"])?;
    let doubling: Vec<u8> = (1..30)
        .flat_map(|older| [9, 5, 1, 9, older << 1, 9, older << 1])
        .collect();
    seed(target, "doubling", &[&[9, 0x3D, 1, 9, 1, 1], &doubling])
}

/// Each is a message type and a body.
fn messages() -> io::Result<()> {
    let target = "rtmp_message";
    let connect = b"\x02\0\x07connect\0\x3F\xF0\0\0\0\0\0\0\x03\0\x03app\x02\0\x06stream\0\0\x09";
    seed(target, "command", &[&[20], connect])?;
    seed(
        target,
        "command-amf3",
        &[&[17, 0], connect, b"\x11\x06\x03a"],
    )?;
    let metadata = b"\x02\0\x0AonMetaData";
    let wrapper = b"\x02\0\x0D@setDataFrame";
    let object = b"\x08\0\0\0\0\0\0\x09";
    seed(target, "data", &[&[18], wrapper, metadata, object])?;
    seed(
        target,
        "data-amf3",
        &[&[15, 0], metadata, b"\x11\x0A\x0B\x01\x03a\x04\x01\x01"],
    )?;
    seed(target, "chunk-size", &[&[1, 0, 0, 16, 0]])?;
    seed(target, "bandwidth", &[&[6, 0, 0x4C, 0x4B, 0x40, 2]])?;
    seed(
        target,
        "buffer-length",
        &[&[4, 0, 3, 0, 0, 0, 1, 0, 0, 11, 184]],
    )?;
    seed(target, "ping", &[&[4, 0, 6, 0, 0, 0, 1]])?;
    let tags = [
        flv_tag(8, &[0xAF, 1, 0x21]),
        flv_tag(9, &[0x27, 1, 0, 0, 0]),
    ];
    seed(target, "aggregate", &[&[22], &tags.concat()])?;
    seed(target, "audio", &[&[8, 0xAF, 1, 0x21]])
}

/// Scripts of what peers, callers and the clock do to a session.
fn sessions() -> io::Result<()> {
    for (target, script) in [
        ("rtmp_server_session", SERVER_SCRIPT),
        ("rtmp_client_session", CLIENT_SCRIPT),
    ] {
        seed(target, "script", script)?;
        let backwards: Vec<&[u8]> = script.iter().rev().copied().collect();
        seed(target, "script-backwards", &backwards)?;
    }
    // What this library's own server says to a publisher, as a client reads it.
    let answer = b"\x02\0\x07_result\0\x3F\xF0\0\0\0\0\0\0\x03\0\0\x09\x03\0\x04code\x05\0\0\x09";
    let header = [3, 0, 0, 0, 0, 0, answer.len() as u8, 20, 0, 0, 0, 0];
    let cut: &[u8] = &[0; 4];
    seed("rtmp_client_session", "answer", &[cut, &header, answer])
}

fn formats() -> io::Result<()> {
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
    for target in ["mux_ts", "mux_mp4_fragment", "mux_mp4_recording"] {
        seed(target, "frames", &[&frames.concat()])?;
        seed(target, "jump", &[&frames[0], &jump, &frames[2]])?;
        seed(
            target,
            "empty",
            &[&frame(2, 0, 0, &[]), &frame(1, 0, 0, &[])],
        )?;
    }
    segmenter()
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
    let text = b"\x02\0\x0AonTextData\x03\0\x04text\x02\0\x05hello\0\0\x09";
    seed("core_script", "text", &[text])?;
    let cue = b"\x02\0\x0AonCuePoint\x08\0\0\0\x02\0\x04time\0\x40\x29\0\0\0\0\0\0\0\x04list\x0A\0\0\0\x02\x05\x01\x01\0\0\x09";
    seed("core_script", "cue", &[cue])
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

fn credentials() -> io::Result<()> {
    let secret = Secret::new("fuzzing").map_err(io::Error::other)?;
    let mint = |algorithm| {
        push::mint(
            &secret,
            algorithm,
            &push::path("fuzz"),
            Expiry::from_unix(4_000_000_000),
        )
    };
    let good = mint(Algorithm::HmacSha256);
    let target = "auth_push";
    seed(target, "hmac", &[format!("sign={good}").as_bytes()])?;
    seed(
        target,
        "md5",
        &[format!("sign={}", mint(Algorithm::Md5)).as_bytes()],
    )?;
    seed(target, "bare", &[good.as_bytes()])?;
    seed(
        target,
        "twice",
        &[format!("sign={good}&sign={good}").as_bytes()],
    )?;
    seed(target, "signed", &[format!("sign=+{good}").as_bytes()])?;
    seed(target, "overflow", &[b"sign=99999999999999999999999-00"])?;
    seed(target, "others", &[b"a=1&sign=%31-&b"])
}

fn seed(target: &str, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), parts.concat())
}

/// An FLV tag at time 0 with its trailing length (FLV 10.1 §E.4.1).
fn flv_tag(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = length32(body.len());
    let head = [&[kind], &length[1..], &[0; 7]].concat();
    [head.as_slice(), body, &length32(body.len() + 11)].concat()
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

fn length32(length: usize) -> [u8; 4] {
    (length as u32).to_be_bytes()
}

/// Length of C0, C1 and C2 together (RTMP 1.0 §5.2).
const HANDSHAKE: usize = 1 + 2 * 1536;

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
