//! Both ends against each other.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::{
    amf0::{Object, Value},
    chunk,
    error::Error,
    message::MessageType,
};

/// Carries bytes both ways until nothing moves, and collects what happened.
fn converse(
    client: &mut Client,
    server: &mut Server,
    wires: &mut (BytesMut, BytesMut),
) -> (Vec<ClientEvent>, Vec<Event>) {
    let (to_client, to_server) = wires;
    let (mut heard_by_client, mut heard_by_server) = (Vec::new(), Vec::new());
    loop {
        while let Some(event) = client.next(to_client, Instant::now()).unwrap() {
            heard_by_client.push(event);
        }
        while let Some(event) = server.next(to_server, Instant::now()).unwrap() {
            heard_by_server.push(event);
        }
        let (from_client, from_server) = (client.take_output(), server.take_output());
        if from_client.is_empty() && from_server.is_empty() {
            return (heard_by_client, heard_by_server);
        }
        to_server.extend_from_slice(&from_client);
        to_client.extend_from_slice(&from_server);
    }
}

fn pair(purpose: Purpose) -> (Client, Server, (BytesMut, BytesMut)) {
    let client = ClientConfig::new(purpose, "host", "stream", "cam?sign=1-a", [1; 32]);
    let server = Server::new(ServerConfig::new([2; 32]), Instant::now());
    (
        Client::new(client, Instant::now()),
        server,
        (BytesMut::new(), BytesMut::new()),
    )
}

#[test]
fn a_client_publishes_to_a_server() {
    let (mut client, mut server, mut wires) = pair(Purpose::Publish);
    let (to_client, to_server) = converse(&mut client, &mut server, &mut wires);
    assert_eq!(to_client, []);
    let [Event::Publish(request)] = &to_server[..] else {
        panic!("{to_server:?}")
    };
    assert_eq!(request.target.query.as_deref(), Some("sign=1-a"));
    assert!(matches!(
        client.send_video(0, &[b"x"]),
        Err(Error::Misuse(_))
    ));
    server.accept_publish(Instant::now()).unwrap();
    assert_eq!(
        converse(&mut client, &mut server, &mut wires).0,
        [ClientEvent::Started]
    );

    let frame: Vec<u8> = (0..200_000_u32).map(|i| i as u8).collect();
    client
        .send_data(0, &[b"\x02\0\x0aonMetaData", b"\x05"])
        .unwrap();
    client
        .send_video(0x0100_0000, &[&frame[..9], &frame[9..]])
        .unwrap();
    client
        .send(&Media::Audio {
            timestamp: 0x0100_0001,
            payload: Bytes::from_static(b"aac"),
        })
        .unwrap();
    client.finish().unwrap();
    let (_, to_server) = converse(&mut client, &mut server, &mut wires);
    assert_eq!(
        to_server,
        [
            Event::Media(Media::Data {
                timestamp: 0,
                payload: Bytes::from_static(b"\x02\0\x0aonMetaData\x05")
            }),
            Event::Media(Media::Video {
                timestamp: 0x0100_0000,
                payload: frame.into()
            }),
            Event::Media(Media::Audio {
                timestamp: 0x0100_0001,
                payload: Bytes::from_static(b"aac")
            }),
            Event::Unpublished,
        ]
    );
}

#[test]
fn a_client_plays_from_a_server() {
    let (mut client, mut server, mut wires) = pair(Purpose::Play);
    let (_, to_server) = converse(&mut client, &mut server, &mut wires);
    let [Event::Play(request)] = &to_server[..] else {
        panic!("{to_server:?}")
    };
    let stream_id = request.stream_id;
    server.accept_play().unwrap();
    let (to_client, _) = converse(&mut client, &mut server, &mut wires);
    assert!(matches!(
        &to_client[..],
        [ClientEvent::Started, ClientEvent::Media(Media::Data { payload, .. })] if payload.starts_with(b"\x02\0\x11|RtmpSampleAccess")
    ));

    // What is encoded once for all players goes beside the session, after its output.
    let header = chunk::Header {
        chunk_stream_id: chunk::id::VIDEO,
        timestamp: 7,
        type_id: MessageType::VIDEO,
        stream_id,
    };
    chunk::encode_message(
        &mut wires.0,
        &header,
        &[b"fra", b"me"],
        ServerConfig::CHUNK_SIZE,
    )
    .unwrap();
    server.end_play(Instant::now()).unwrap();
    let (to_client, _) = converse(&mut client, &mut server, &mut wires);
    assert_eq!(
        to_client,
        [
            ClientEvent::Media(Media::Video {
                timestamp: 7,
                payload: Bytes::from_static(b"frame")
            }),
            ClientEvent::Ended
        ]
    );
}

#[test]
fn a_client_is_refused() {
    let (mut client, mut server, mut wires) = pair(Purpose::Publish);
    converse(&mut client, &mut server, &mut wires);
    server
        .reject_publish(&Reject::denied("the credential has expired"))
        .unwrap();
    let (to_client, _) = converse(&mut client, &mut server, &mut wires);
    let code = "NetStream.Publish.Denied".to_owned();
    let description = "the credential has expired".to_owned();
    assert_eq!(to_client, [ClientEvent::Refused { code, description }]);
}

/// A client with a list of odd things to say, and the same said again by a relay between it and the server.
#[test]
fn a_relay_says_what_its_client_said() {
    let mut config = ClientConfig::new(Purpose::Play, "host", "stream?a=1", "cam?b=2", [1; 32]);
    config.properties = Object::new()
        .with("fpad", false)
        .with("app", "repeated")
        .with("nested", Object::new().with("x", Value::Undefined));
    config.arguments = vec!["user".into(), Value::Null, "password".into()];
    config.request_arguments = vec![(-2.0).into(), Value::Unsupported];
    let asked = |config: ClientConfig| {
        let mut client = Client::new(config, Instant::now());
        let mut server = Server::new(ServerConfig::new([2; 32]), Instant::now());
        let mut wires = (BytesMut::new(), BytesMut::new());
        let (_, mut events) = converse(&mut client, &mut server, &mut wires);
        let Some(Event::Play(request)) = events.pop() else {
            panic!("no play request")
        };
        request
    };
    let direct = asked(config.clone());
    assert_eq!(direct.connect.arguments, config.arguments);
    assert!(direct.connect.properties.0.ends_with(&config.properties.0));
    assert_eq!(direct.connect.app, "stream?a=1");
    assert_eq!(direct.command.arguments[1..], config.request_arguments);
    let hidden = format!("{direct:?} {config:?}");
    assert!(!hidden.contains("password") && !hidden.contains("b=2"));

    let relayed = asked(ClientConfig::forward_play(&direct, [3; 32]));
    assert_eq!(relayed, direct);
}

#[test]
fn each_end_knows_what_the_other_can_do() {
    let mut config = ClientConfig::new(Purpose::Publish, "host", "stream", "cam", [1; 32]);
    config.capabilities = Capabilities::any();
    let mut client = Client::new(config, Instant::now());
    let mut server = Server::new(ServerConfig::new([2; 32]), Instant::now());
    assert_eq!(client.server(), None);
    let mut wires = (BytesMut::new(), BytesMut::new());
    let (_, events) = converse(&mut client, &mut server, &mut wires);
    let [Event::Publish(request)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(request.connect.capabilities, Capabilities::any());
    assert!(request.connect.supports_go_away);
    let pictures = VideoFunction::HDR | VideoFunction::PACKET_TYPE_METADATA;
    assert_eq!(request.connect.video_function, pictures);
    let said = request.connect.properties.property("videoFunction");
    assert_eq!(said, Some(&6.0.into()));
    let said = client.server().unwrap();
    assert_eq!(said.capabilities, Capabilities::forwarder());
    assert_eq!(said.fms_ver.as_deref(), Some("FMS/3,5,7,7009"));
    let code = said.arguments[0].property("code");
    assert_eq!(code, Some(&"NetConnection.Connect.Success".into()));

    assert_eq!(
        server.request_reconnect(Some("//other/stream"), "moving"),
        Ok(true)
    );
    let (heard, _) = converse(&mut client, &mut server, &mut wires);
    let expected = ClientEvent::ReconnectRequest {
        tc_url: Some("//other/stream".to_owned()),
        description: "moving".to_owned(),
    };
    assert_eq!(heard, [expected]);
}

#[test]
fn a_player_is_told_of_breaks_if_it_wants_to_know() {
    let player = |configure: fn(&mut ClientConfig)| {
        let mut config = ClientConfig::new(Purpose::Play, "host", "stream", "cam", [1; 32]);
        configure(&mut config);
        let mut client = Client::new(config, Instant::now());
        let mut server = Server::new(ServerConfig::new([2; 32]), Instant::now());
        let mut wires = (BytesMut::new(), BytesMut::new());
        let (_, events) = converse(&mut client, &mut server, &mut wires);
        assert!(matches!(events[..], [Event::Play(_)]), "{events:?}");
        assert!(matches!(server.notify_publish(1), Err(Error::Misuse(_))));
        server.accept_play().unwrap();
        let (heard, _) = converse(&mut client, &mut server, &mut wires);
        assert_eq!(heard.first(), Some(&ClientEvent::Started));
        (client, server, wires)
    };
    let (mut client, mut server, mut wires) = player(|_| {});
    for epoch in [0, 3, 3, u32::MAX] {
        assert_eq!(server.notify_publish(epoch), Ok(true));
        let (heard, _) = converse(&mut client, &mut server, &mut wires);
        let epoch = Some(epoch);
        assert_eq!(heard, [ClientEvent::PublishNotify { epoch }]);
    }

    let (_, mut server, _) = player(|config| {
        config.all_properties = Some(Object::new().with("app", "stream"));
    });
    server.take_output();
    assert_eq!(server.notify_publish(1), Ok(false));
    assert!(
        server.take_output().is_empty(),
        "a player that does not ask hears nothing"
    );
}

#[cfg(feature = "digest")]
#[test]
fn a_client_publishes_after_the_digest_handshake() {
    let mut config = ClientConfig::new(Purpose::Publish, "host", "stream", "cam", [1; 32]);
    config.digest_handshake = true;
    let mut client = Client::new(config, Instant::now());
    let mut server = Server::new(ServerConfig::new([2; 32]), Instant::now());
    let mut wires = (BytesMut::new(), BytesMut::new());
    let (_, events) = converse(&mut client, &mut server, &mut wires);
    assert!(matches!(events[..], [Event::Publish(_)]));
}
