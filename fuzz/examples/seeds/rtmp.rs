//! What peers of RTMP send, from whole connections down to single values.

use std::{fs, io, path::Path, time::Instant};

use bytes::BytesMut;
use lsv_rtmp::{
    fuzzing::{CLIENT_SCRIPT, SERVER_SCRIPT},
    proxy_protocol::Header,
    session::{Event, Server, ServerConfig},
};

use super::{flv_tag, seed};

pub(super) fn write() -> io::Result<()> {
    connections()?;
    proxy()?;
    amf0()?;
    amf3()?;
    messages()?;
    sessions()
}

/// What real clients send, whole and cut: four bytes of lengths stand in front.
fn connections() -> io::Result<()> {
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

/// Length of C0, C1 and C2 together (RTMP 1.0 §5.2).
const HANDSHAKE: usize = 1 + 2 * 1536;
