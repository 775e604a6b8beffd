//! Writes down what an RTMP client sends, byte for byte, for `lsv-rtmp/tests/vectors`.
//!
//! ```text
//! cargo run -p lsv-tests --example record -- 19350 client.bin 12
//! ```
//!
//! Whoever connects to port 19350 of this machine may publish and play whatever it names, so no true credential is
//! needed. The recording ends with the client, or behind the message that the last argument counts: media messages of
//! a publisher, 12 if not given. A player is sent nothing.

use std::{
    env,
    error::Error,
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use lsv_rtmp::session::{Event, Media, Server, ServerConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(port), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: record PORT FILE [MEDIA MESSAGES]".into());
    };
    let messages = arguments.next().map_or(Ok(MESSAGES), |text| text.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse()?))?;
    let (socket, _) = listener.accept()?;
    let recording = record(socket, messages)?;
    println!("{file}: {} bytes", recording.len());
    fs::write(file, recording)?;
    Ok(())
}

fn record(mut socket: TcpStream, messages: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    socket.set_read_timeout(Some(SILENCE))?;
    let mut session = Server::new(ServerConfig::new([5; 32]), Instant::now());
    let mut recording = Vec::new();
    let mut input = BytesMut::new();
    let mut buffer = [0; 16 * 1024];
    let mut media = 0;
    loop {
        while let Some(event) = session.next(&mut input, Instant::now())? {
            match event {
                Event::Publish(request) => {
                    println!("{request:?}\n{:?}", request.connect.properties);
                    session.accept_publish(Instant::now())?;
                }
                Event::Play(request) => {
                    println!("{request:?}\n{:?}", request.connect.properties);
                    session.accept_play()?;
                }
                Event::Media(Media::Audio { .. } | Media::Video { .. }) => media += 1,
                _ => {}
            }
            if media == messages {
                recording.truncate(recording.len() - input.len());
                return Ok(recording);
            }
        }
        socket.write_all(&session.take_output())?;
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => return Ok(recording),
            Ok(length) => {
                recording.extend_from_slice(&buffer[..length]);
                input.extend_from_slice(&buffer[..length]);
            }
        }
    }
}

/// Media messages to wait for: enough for metadata, both sequence headers and some frames.
const MESSAGES: usize = 12;
/// A player that asked for everything and waits for media says nothing more.
const SILENCE: Duration = Duration::from_secs(3);
