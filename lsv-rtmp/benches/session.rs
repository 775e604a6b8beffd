//! What a publisher costs a server session, from received bytes to events.
//!
//! `time` is for one message, `thrpt` for the bytes on the wire; the bytes are those of the `chunk` benchmark.

mod stream;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lsv_rtmp::session::{Client, ClientConfig, ClientEvent, Event, Purpose, Server, ServerConfig};

/// What one read of a socket brings at most, as in this library's driver.
const READ_BYTES: usize = 64 << 10;

fn ingest(criterion: &mut Criterion) {
    for (rate, bits) in [("1 Mbit/s", 1_000_000), ("20 Mbit/s", 20_000_000)] {
        let messages = stream::two_seconds(bits);
        let wire = stream::wire(&messages, 4096);
        assert_eq!(receive(&wire).1, messages.len());
        let mut group = criterion.benchmark_group("ingest");
        group
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2))
            .sample_size(30)
            .throughput(Throughput::Bytes((wire.len() / messages.len()) as u64));
        group.bench_function(rate, |bench| {
            bench.iter_custom(|wanted| {
                let passes = wanted.div_ceil(messages.len() as u64);
                let spent: Duration = (0..passes).map(|_| receive(&wire).0).sum();
                let done = passes as f64 * messages.len() as f64;
                spent.mul_f64(wanted as f64 / done)
            });
        });
    }
}

/// Time and media events of a session that gets `wire` once it publishes.
fn receive(wire: &[u8]) -> (Duration, usize) {
    let now = Instant::now();
    let mut server = publishing(now);
    let mut input = BytesMut::with_capacity(READ_BYTES);
    let (mut spent, mut events) = (Duration::ZERO, 0);
    for piece in wire.chunks(READ_BYTES) {
        input.extend_from_slice(piece);
        let start = Instant::now();
        while let Ok(Some(event)) = &server.next(&mut input, now) {
            events += 1;
            _ = black_box(event);
        }
        drop(black_box(server.take_output()));
        spent += start.elapsed();
    }
    (spent, events)
}

/// A server whose publisher has been accepted.
fn publishing(now: Instant) -> Server {
    let mut server = Server::new(ServerConfig::new([1; 32]), now);
    let config = ClientConfig::new(Purpose::Publish, "host", "stream", "cam", [2; 32]);
    let mut client = Client::new(config, now);
    let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
    loop {
        while let Some(event) = client.next(&mut to_client, now).expect("a good server") {
            if event == ClientEvent::Started {
                return server;
            }
        }
        to_server.extend_from_slice(&client.take_output());
        if let Some(Event::Publish(_)) = server.next(&mut to_server, now).expect("a good client") {
            server.accept_publish(now).expect("a request");
        }
        to_client.extend_from_slice(&server.take_output());
    }
}

criterion_group!(benches, ingest);
criterion_main!(benches);
