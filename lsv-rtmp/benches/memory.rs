//! What an idle publisher's session holds beside the buffers of its socket.
//!
//! Makes many sessions, brings each to where its publisher is accepted and has sent its metadata and sequence headers,
//! and divides by their number what the process's resident memory has grown meanwhile: all of the heap counts, also
//! what the allocator loses. The buffers between socket and session are dropped, as they are the driver's.

use std::{fs, time::Instant};

use bytes::BytesMut;
use lsv_rtmp::session::{Client, ClientConfig, ClientEvent, Event, Purpose, Server, ServerConfig};

const SESSIONS: usize = 10_000;

fn main() {
    // `cargo test --benches` only wants to know that this starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let now = Instant::now();
    // The first one pays for what the process has once.
    drop(publishing(now));
    let mut sessions = Vec::with_capacity(SESSIONS);
    let before = resident_bytes();
    sessions.extend((0..SESSIONS).map(|_| publishing(now)));
    let after = resident_bytes();
    println!("session::Server itself: {} bytes", size_of::<Server>());
    println!(
        "an idle publisher's session: {} bytes resident, the mean of {SESSIONS}",
        (after - before) / SESSIONS
    );
}

/// A server whose publisher has been accepted and has announced its media.
fn publishing(now: Instant) -> Server {
    let mut server = Server::new(ServerConfig::new([1; 32]), now);
    let config = ClientConfig::new(Purpose::Publish, "host", "stream", "cam?sign=1-a", [2; 32]);
    let mut client = Client::new(config, now);
    let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
    let mut media = 0;
    while media < 2 {
        while let Some(event) = client.next(&mut to_client, now).expect("a good server") {
            if event == ClientEvent::Started {
                client.send_video(0, &[&[0x17; 50]]).expect("it publishes");
                client.send_audio(0, &[&[0xAF; 7]]).expect("it publishes");
            }
        }
        to_server.extend_from_slice(&client.take_output());
        while let Some(event) = server.next(&mut to_server, now).expect("a good client") {
            match event {
                Event::Publish(_) => server.accept_publish(now).expect("a request"),
                Event::Media(_) => media += 1,
                _ => {}
            }
        }
        to_client.extend_from_slice(&server.take_output());
    }
    server
}

/// `VmRSS` of this process.
fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<usize>().ok())
        .expect("a number of KiB")
        * 1024
}
