//! How fast chunks become messages and messages become chunks, beside rml_rtmp on the same bytes.
//!
//! `time` is for one message, `thrpt` for the bytes on the wire. The bytes are two seconds of made-up video and audio
//! ([`stream`]), chunked by rml_rtmp, which compresses headers as encoders do and never breaks off a message for
//! another one: its own decoder cannot take that. They come in pieces of [`READ_BYTES`].

mod stream;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use lsv_rtmp::{
    Limits,
    chunk::{Decoder, Header, encode_message},
    message::Message,
};
use rml_rtmp::{
    chunk_io::ChunkDeserializer,
    messages::{MessagePayload, RtmpMessage},
};

/// What one read of a socket brings at most, as in this library's driver.
const READ_BYTES: usize = 64 << 10;
const RATES: [(&str, usize); 2] = [("1 Mbit/s", 1_000_000), ("20 Mbit/s", 20_000_000)];
/// What librtmp and GStreamer leave as it is, what OBS sets, and what FFmpeg and this library set.
const CHUNK_SIZES: [u32; 3] = [128, 4096, 60_000];
const VIEWERS: [usize; 2] = [1, 100];

fn decode(criterion: &mut Criterion) {
    for (rate, bits) in RATES {
        for chunk_size in CHUNK_SIZES {
            let messages = stream::two_seconds(bits);
            let wire = stream::wire(&messages, chunk_size);
            assert_same(&messages, &wire);
            let mut group = group(criterion, &format!("decode {rate} chunks of {chunk_size}"));
            let size = (messages.len(), wire.len());
            run(&mut group, "lsv", size, || {
                decode_lsv(&wire, |message| _ = black_box(message))
            });
            run(&mut group, "copy only", size, || copy_only(&messages));
            run(&mut group, "rml_rtmp", size, || {
                decode_rml(&wire, |message| _ = black_box(message))
            });
        }
    }
}

fn encode(criterion: &mut Criterion) {
    for (rate, bits) in RATES {
        for chunk_size in CHUNK_SIZES {
            let messages = stream::two_seconds(bits);
            let payloads: Vec<_> = messages.iter().map(stream::payload_of).collect();
            for viewers in VIEWERS {
                let name = format!("encode {rate} chunks of {chunk_size} for {viewers}");
                let mut group = group(criterion, &name);
                let bytes = stream::wire(&messages, chunk_size).len() * viewers;
                let size = (messages.len(), bytes);
                run(&mut group, "lsv", size, || {
                    encode_lsv(&messages, chunk_size, viewers)
                });
                run(&mut group, "rml_rtmp", size, || {
                    encode_rml(&payloads, chunk_size, viewers)
                });
            }
        }
    }
}

/// The time that the decoder takes; the socket's read, straight into its input, is not counted.
fn decode_lsv(wire: &[u8], mut take: impl FnMut(&Message)) -> Duration {
    let mut decoder = Decoder::new(&Limits::default());
    let mut input = BytesMut::with_capacity(READ_BYTES);
    let mut spent = Duration::ZERO;
    for piece in wire.chunks(READ_BYTES) {
        input.extend_from_slice(piece);
        let start = Instant::now();
        while let Ok(Some(message)) = &decoder.next(&mut input) {
            take(message);
        }
        spent += start.elapsed();
    }
    spent
}

/// The least that a decoder pays whose messages own their bytes: an allocation and a copy for each.
fn copy_only(messages: &[Message]) -> Duration {
    let longest = messages.iter().map(|message| message.payload.len()).max();
    let source = vec![0; longest.unwrap_or_default()];
    let start = Instant::now();
    for message in messages {
        _ = black_box(&Bytes::copy_from_slice(&source[..message.payload.len()]));
    }
    start.elapsed()
}

/// The same with rml_rtmp: the read into a buffer is not counted, what it does with the slice is.
fn decode_rml(wire: &[u8], mut take: impl FnMut(&MessagePayload)) -> Duration {
    let mut decoder = ChunkDeserializer::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut spent = Duration::ZERO;
    for piece in wire.chunks(READ_BYTES) {
        buffer[..piece.len()].copy_from_slice(piece);
        let start = Instant::now();
        let mut read = &buffer[..piece.len()];
        while let Ok(Some(message)) = &decoder.get_next_message(read) {
            read = &[];
            if message.type_id == 1
                && let Ok(RtmpMessage::SetChunkSize { size }) = message.to_rtmp_message()
            {
                decoder.set_max_chunk_size(size as usize).expect("in range");
                continue;
            }
            take(message);
        }
        spent += start.elapsed();
    }
    spent
}

/// Each message is encoded once, and each viewer gets a handle to the bytes.
fn encode_lsv(messages: &[Message], chunk_size: u32, viewers: usize) -> Duration {
    let start = Instant::now();
    for message in messages {
        let mut out = BytesMut::new();
        encode_message(
            &mut out,
            &Header::of(message),
            &[&message.payload],
            chunk_size,
        )
        .expect("not too long");
        let bytes: Bytes = out.freeze();
        for _ in 0..viewers {
            _ = black_box(&bytes.clone());
        }
    }
    start.elapsed()
}

/// Each viewer has a serializer, as its headers refer to what that viewer got before.
fn encode_rml(messages: &[MessagePayload], chunk_size: u32, viewers: usize) -> Duration {
    let mut encoders: Vec<_> = (0..viewers)
        .map(|_| stream::serializer(chunk_size).0)
        .collect();
    let start = Instant::now();
    for message in messages {
        for encoder in &mut encoders {
            _ = black_box(
                &encoder
                    .serialize(message, false, false)
                    .expect("not too long"),
            );
        }
    }
    start.elapsed()
}

/// Measures `pass`, which handles so many messages in so many bytes, for one message.
fn run(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    (messages, bytes): (usize, usize),
    pass: impl Fn() -> Duration,
) {
    group.throughput(Throughput::Bytes((bytes / messages) as u64));
    group.bench_function(name, |bench| {
        bench.iter_custom(|wanted| {
            let passes = wanted.div_ceil(messages as u64);
            let spent: Duration = (0..passes).map(|_| pass()).sum();
            let done = passes as f64 * messages as f64;
            spent.mul_f64(wanted as f64 / done)
        });
    });
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30);
    group
}

/// Both decoders must give what was sent, else the comparison says nothing.
fn assert_same(sent: &[Message], wire: &[u8]) {
    let sent: Vec<_> = sent
        .iter()
        .map(|message| (message.timestamp, message.payload.clone()))
        .collect();
    let mut lsv = Vec::new();
    decode_lsv(wire, |message| {
        lsv.push((message.timestamp, message.payload.clone()))
    });
    assert!(lsv == sent);
    let mut rml = Vec::new();
    decode_rml(wire, |message| {
        rml.push((message.timestamp.value, message.data.clone()))
    });
    assert!(rml == sent);
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
