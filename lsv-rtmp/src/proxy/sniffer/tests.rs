use std::time::Duration;

use super::*;
use crate::{
    error::{Limit, PeerMisbehaved, Waiting},
    message::Command,
    session::{Client, ClientConfig, ClientEvent},
};

/// All that a client sends and is told, until its wish or its fault.
fn sniff(bytes: &[u8], piece: usize) -> (Result<Option<Wish>, SniffError>, Sniffer, BytesMut) {
    let now = Instant::now();
    let mut sniffer = Sniffer::new(&Config::default(), [7; 32], now);
    let mut input = BytesMut::new();
    let mut outcome = Ok(None);
    for piece in bytes.chunks(piece) {
        input.extend_from_slice(piece);
        if matches!(outcome, Ok(None)) {
            outcome = sniffer.next(&mut input, now);
            drop(sniffer.take_output());
        }
    }
    (outcome, sniffer, input)
}

#[test]
fn recorded_clients_however_they_are_cut() {
    for (recording, purpose) in RECORDINGS {
        for piece in [1, 2, 7, 1000, 3073, usize::MAX] {
            let (wish, sniffer, rest) = sniff(recording, piece);
            let wish = wish.unwrap().unwrap();
            assert_eq!(wish.purpose, purpose);
            assert_eq!(wish.target.app, "stream");
            // Nothing is lost, nothing comes twice.
            let replay = sniffer.hand_over().unwrap().replay;
            let all = [&replay, &rest[..]].concat();
            assert_eq!(all, &recording[handshake::CLIENT_BYTES..]);
        }
    }
}

#[test]
fn the_query_is_no_part_of_the_channel() {
    let channel = |name| {
        let target = Target::new("stream", name);
        Wish {
            purpose: Purpose::Play,
            target,
        }
        .channel()
    };
    assert_eq!(channel("cam?sign=1-a"), channel("cam"));
    assert_ne!(channel("cam"), channel("cam2"));
}

#[test]
fn a_client_that_only_talks_is_let_go() {
    let now = Instant::now();
    let config = Config {
        replay_bytes: 1000,
        ..Config::default()
    };
    let ping = [2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1];
    let mut wire = vec![3];
    wire.resize(handshake::CLIENT_BYTES, 0);
    wire.extend(ping.repeat(100));
    let mut outcomes = Vec::new();
    for piece in [1, 64, usize::MAX] {
        let mut sniffer = Sniffer::new(&config, [0; 32], now);
        let mut input = BytesMut::new();
        let outcome = wire.chunks(piece).find_map(|piece| {
            input.extend_from_slice(piece);
            sniffer.next(&mut input, now).err()
        });
        outcomes.push(outcome.unwrap());
    }
    assert_eq!(outcomes, vec![SniffError::TooLong(1000); 3]);
}

#[test]
fn what_is_held_for_clients_is_within_the_budget() {
    let now = Instant::now();
    let config = Config {
        budget: crate::Budget::new(40_000),
        ..Config::default()
    };
    let ping = [2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1];
    let mut wire = vec![3];
    wire.resize(handshake::CLIENT_BYTES, 0);
    wire.extend(ping.repeat(500));
    let mut sniffers = Vec::new();
    let refused = loop {
        let mut sniffer = Sniffer::new(&config, [0; 32], now);
        match sniffer.next(&mut BytesMut::from(&wire[..]), now) {
            Ok(None) => sniffers.push(sniffer),
            outcome => break outcome,
        }
    };
    let over = crate::Error::from(Limit::Budget(40_000));
    assert_eq!(refused, Err(over.into()));
    assert!((1..=4).contains(&sniffers.len()), "{}", sniffers.len());
    assert!(config.budget.used() >= sniffers.len() * 9000);
    drop(sniffers);
    assert_eq!(config.budget.used(), 0);
}

#[test]
fn hostile_bytes_and_silence_end_it() {
    let (outcome, ..) = sniff(b"GET / HTTP/1.1\r\n\r\n", 1);
    let not_rtmp = crate::Error::from(PeerMisbehaved::NotRtmp(b'G'));
    assert_eq!(outcome, Err(not_rtmp.into()));

    let mut flood = vec![3];
    flood.resize(handshake::CLIENT_BYTES, 0);
    for number in 1..100 {
        let name = if number == 1 {
            "connect"
        } else {
            "createStream"
        };
        let object = crate::amf0::Object::new().with("app", "stream");
        let command = Command::new(name, f64::from(number)).object(object);
        let mut wire = BytesMut::new();
        let mut encoder = crate::chunk::Encoder::new();
        encoder.write(&command.encode(0), &mut wire).unwrap();
        flood.extend_from_slice(&wire);
    }
    let (outcome, ..) = sniff(&flood, usize::MAX);
    let too_many = crate::Error::from(Limit::MessageStreams(8));
    assert_eq!(outcome, Err(too_many.into()));

    let start = Instant::now();
    let mut sniffer = Sniffer::new(&Config::default(), [0; 32], start);
    let due = sniffer.timeout().unwrap();
    assert_eq!(due, start + Duration::from_secs(5));
    assert_eq!(sniffer.handle_timeout(start), Ok(()));
    let timed_out = crate::Error::from(Waiting::Handshake);
    assert_eq!(sniffer.handle_timeout(due), Err(timed_out.into()));
}

#[test]
fn a_refusal_says_why() {
    let (mut client, mut sniffer, _) = asked(Purpose::Publish);
    sniffer.refuse("all servers are full").unwrap();
    assert!(sniffer.is_closing());
    let mut input = BytesMut::from(&sniffer.take_output()[..]);
    let refused = ClientEvent::Refused {
        code: "NetStream.Publish.Denied".to_owned(),
        description: "all servers are full".to_owned(),
    };
    assert_eq!(client.next(&mut input, Instant::now()), Ok(Some(refused)));
}

#[test]
fn nothing_is_handed_over_before_there_is_a_wish() {
    let sniffer = Sniffer::new(&Config::default(), [0; 32], Instant::now());
    assert!(sniffer.hand_over().is_err());
}

/// The whole way: client, sniffer, and a server that gets the replay and whose answers go on to the client.
#[test]
fn a_back_end_takes_over_where_the_sniffer_stops() {
    for purpose in [Purpose::Publish, Purpose::Play] {
        for piece in [1, 100, usize::MAX] {
            let now = Instant::now();
            let (mut client, sniffer, rest) = asked(purpose);
            assert!(rest.is_empty());
            let Handover {
                replay,
                mut continuation,
            } = sniffer.hand_over().unwrap();

            let mut server = Server::new(ServerConfig::new([9; 32]), now);
            let mut to_server = BytesMut::from(&[3][..]);
            to_server.resize(handshake::CLIENT_BYTES, 0);
            to_server.extend_from_slice(&replay);
            let mut started = false;
            let mut media = Vec::new();
            let mut handshake = handshake::SERVER_BYTES;
            for _ in 0..4 {
                while let Some(event) = server.next(&mut to_server, now).unwrap() {
                    match event {
                        Event::Publish(request) => {
                            assert_eq!(request.target, Target::new("stream", "cam?sign=1-a"));
                            server.accept_publish(now).unwrap();
                        }
                        Event::Play(_) => server.accept_play().unwrap(),
                        other => media.push(other),
                    }
                }
                let said = server.take_output();
                let said = said.slice(std::mem::take(&mut handshake).min(said.len())..);
                let (mut from_server, mut to_client) = (BytesMut::new(), BytesMut::new());
                for piece in said.chunks(piece) {
                    from_server.extend_from_slice(piece);
                    continuation.pass(&mut from_server, &mut to_client).unwrap();
                }
                while let Some(event) = client.next(&mut to_client, now).unwrap() {
                    if event != ClientEvent::Started {
                        continue;
                    }
                    assert!(!started, "told twice");
                    started = true;
                    if purpose == Purpose::Publish {
                        client.send_video(40, &[b"\x17\x01picture"]).unwrap();
                    }
                }
                to_server.extend_from_slice(&client.take_output());
            }
            assert!(started);
            assert_eq!(media.len(), usize::from(purpose == Purpose::Publish));
        }
    }
}

/// A client that has asked, the sniffer that it has asked, and what the sniffer has left.
fn asked(purpose: Purpose) -> (Client, Sniffer, BytesMut) {
    let now = Instant::now();
    let config = ClientConfig::new(purpose, "host", "stream", "cam?sign=1-a", [1; 32]);
    let mut client = Client::new(config, now);
    let mut sniffer = Sniffer::new(&Config::default(), [2; 32], now);
    let (mut to_client, mut to_sniffer) = (BytesMut::new(), BytesMut::new());
    for _ in 0..10 {
        assert_eq!(client.next(&mut to_client, now), Ok(None));
        to_sniffer.extend_from_slice(&client.take_output());
        let wish = sniffer.next(&mut to_sniffer, now).unwrap();
        to_client.extend_from_slice(&sniffer.take_output());
        if wish.is_some() {
            assert_eq!(client.next(&mut to_client, now), Ok(None));
            return (client, sniffer, to_sniffer);
        }
    }
    panic!("the client asks for nothing");
}

const RECORDINGS: [(&[u8], Purpose); 4] = [
    (
        include_bytes!("../../../tests/vectors/ffmpeg-publish.bin"),
        Purpose::Publish,
    ),
    (
        include_bytes!("../../../tests/vectors/ffmpeg-play.bin"),
        Purpose::Play,
    ),
    (
        include_bytes!("../../../tests/vectors/librtmp-publish.bin"),
        Purpose::Publish,
    ),
    (
        include_bytes!("../../../tests/vectors/librtmp-play.bin"),
        Purpose::Play,
    ),
];
