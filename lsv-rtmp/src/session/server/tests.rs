use std::time::Duration;

use super::*;
use crate::{
    Budget, Limits,
    chunk::{Decoder, Encoder},
    error::{Limit, PeerMisbehaved},
    session::{Capabilities, FourCcInfo},
};

/// A peer that says exactly what a test wants, after the handshake.
struct Peer {
    server: Server,
    input: BytesMut,
    encoder: Encoder,
    decoder: Decoder,
    answers: BytesMut,
    now: Instant,
}

impl Peer {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = ServerConfig::new([0; 32]);
        configure(&mut config);
        let now = Instant::now();
        let mut peer = Self {
            server: Server::new(config, now),
            input: BytesMut::new(),
            encoder: Encoder::new(),
            decoder: Decoder::new(&Limits::default()),
            answers: BytesMut::new(),
            now,
        };
        peer.input.extend_from_slice(&[3]);
        peer.input.extend_from_slice(&[0; 2 * 1536]);
        assert_eq!(peer.next(), Ok(None));
        let hello = peer.server.take_output();
        assert_eq!(hello.len(), 1 + 2 * 1536);
        peer
    }

    /// A peer that has sent `connect` and `createStream` and seen the answers.
    fn connected() -> Self {
        let mut peer = Self::new();
        peer.command(0, &connect(Object::new().with("app", "stream")));
        peer.command(0, &Command::new("createStream", 2.0));
        assert_eq!(peer.next(), Ok(None));
        peer.heard();
        peer
    }

    fn publishing() -> Self {
        Self::publishing_with(|_| {})
    }

    fn publishing_with(configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut peer = Self::with(configure);
        peer.command(0, &connect(Object::new().with("app", "stream")));
        peer.command(0, &Command::new("createStream", 2.0));
        peer.command(1, &publish("cam"));
        assert!(matches!(peer.next(), Ok(Some(Event::Publish(_)))));
        peer.server.accept_publish(peer.now).unwrap();
        peer.heard();
        peer
    }

    fn command(&mut self, stream_id: u32, command: &Command) {
        self.message(&command.encode(stream_id));
    }

    fn message(&mut self, message: &Message) {
        self.encoder.write(message, &mut self.input).unwrap();
    }

    fn media(&mut self, type_id: MessageType, timestamp: u32, payload: &'static [u8]) {
        let payload = Bytes::from_static(payload);
        self.message(&Message {
            chunk_stream_id: 4,
            timestamp,
            type_id,
            stream_id: 1,
            payload,
        });
    }

    /// The first `sent` bytes of a video message of `length`, in one chunk.
    fn part_of_a_message(&mut self, chunk_stream_id: u8, length: u32, sent: usize) {
        let chunk_size = u32::try_from(sent.max(1)).unwrap();
        self.message(&Control::SetChunkSize(chunk_size).encode());
        let [_, l2, l1, l0] = length.to_be_bytes();
        let header = [chunk_stream_id, 0, 0, 0, l2, l1, l0, 9, 1, 0, 0, 0];
        self.input.extend_from_slice(&header);
        self.input.resize(self.input.len() + sent, 7);
    }

    fn next(&mut self) -> Result<Option<Event>, Error> {
        self.server.next(&mut self.input, self.now)
    }

    /// What the server has written since the last call, except for Set Chunk Size.
    fn heard(&mut self) -> Vec<Message> {
        self.answers.extend_from_slice(&self.server.take_output());
        let mut messages = Vec::new();
        while let Some(message) = self.decoder.next(&mut self.answers).unwrap() {
            messages.push(message);
        }
        assert!(self.answers.is_empty(), "half a message was written");
        messages
    }

    fn heard_commands(&mut self) -> Vec<(u32, Command)> {
        let commands = self.heard().into_iter().filter_map(|message| {
            let command = Command::decode(&message, &Limits::default()).unwrap();
            command.map(|command| (message.stream_id, command))
        });
        commands.collect()
    }

    /// Code and level of each `onStatus` written since the last call.
    fn heard_status(&mut self) -> Vec<(String, String)> {
        let commands = self.heard_commands();
        let status = commands
            .iter()
            .filter(|(_, command)| command.name == "onStatus")
            .map(|(_, command)| {
                let text = |name| {
                    command.arguments[0]
                        .property(name)
                        .unwrap()
                        .as_str()
                        .unwrap()
                        .to_owned()
                };
                (text("code"), text("level"))
            });
        status.collect()
    }
}

fn connect(object: Object) -> Command {
    Command::new("connect", 1.0).object(object)
}

fn publish(name: &str) -> Command {
    Command::new("publish", 5.0).argument(name).argument("live")
}

fn play(name: &str) -> Command {
    Command::new("play", 4.0).argument(name)
}

fn status(code: &str, level: &str) -> (String, String) {
    (code.to_owned(), level.to_owned())
}

#[test]
fn connect_is_answered_as_encoders_expect() {
    let mut peer = Peer::new();
    peer.command(
        0,
        &connect(
            Object::new()
                .with("app", "stream")
                .with("objectEncoding", 3.0),
        ),
    );
    assert_eq!(peer.next(), Ok(None));
    let heard = peer.heard();
    let controls: Vec<_> = heard
        .iter()
        .filter_map(|message| Control::decode(message).unwrap())
        .collect();
    let limit = crate::message::BandwidthLimit::DYNAMIC;
    assert_eq!(
        controls,
        [
            Control::WindowAcknowledgementSize(5_000_000),
            Control::SetPeerBandwidth {
                window: 5_000_000,
                limit
            }
        ]
    );
    assert_eq!(peer.decoder.chunk_size(), 60_000);
    let result = Command::decode(heard.last().unwrap(), &Limits::default())
        .unwrap()
        .unwrap();
    assert_eq!(
        (result.name.as_str(), result.transaction_id),
        ("_result", 1.0)
    );
    let information = &result.arguments[0];
    assert_eq!(
        information.property("code"),
        Some(&"NetConnection.Connect.Success".into())
    );
    assert_eq!(information.property("objectEncoding"), Some(&3.0.into()));
    assert_eq!(
        Capabilities::of(information.as_object().unwrap()),
        Capabilities::forwarder()
    );
    assert_eq!(information.property("capsEx"), Some(&15.0.into()));
}

/// The order that OBS and FFmpeg follow, with the answers that they wait for.
#[test]
fn a_publisher_from_connect_to_the_end() {
    let mut peer = Peer::new();
    peer.command(
        0,
        &connect(
            Object::new()
                .with("app", "stream")
                .with("type", "nonprivate")
                .with("flashVer", "FMLE/3.0 (compatible; FMSc/1.0)")
                .with("tcUrl", "rtmp://host/stream")
                .with(
                    "fourCcList",
                    Value::StrictArray(vec!["av01".into(), "hvc1".into()]),
                )
                .with(
                    "videoFourCcInfoMap",
                    Object::new().with("hvc1", 1.0).with("*", 4.0),
                )
                .with("capsEx", 5.0),
        ),
    );
    peer.command(
        0,
        &Command::new("releaseStream", 2.0).argument("cam?sign=1-a"),
    );
    peer.command(0, &Command::new("FCPublish", 3.0).argument("cam?sign=1-a"));
    peer.command(0, &Command::new("createStream", 4.0));
    assert_eq!(peer.next(), Ok(None));
    let results: Vec<_> = peer
        .heard_commands()
        .into_iter()
        .map(|(_, c)| (c.name, c.transaction_id))
        .collect();
    assert_eq!(
        results,
        [1.0, 2.0, 3.0, 4.0].map(|id| ("_result".to_owned(), id))
    );

    peer.command(1, &publish("cam?sign=1-a"));
    peer.media(MessageType::VIDEO, 40, b"early");
    let Ok(Some(Event::Publish(request))) = peer.next() else {
        panic!("no publish request")
    };
    assert_eq!(
        (request.target.app.as_str(), request.target.name.as_str()),
        ("stream", "cam")
    );
    assert_eq!(request.target.query.as_deref(), Some("sign=1-a"));
    assert_eq!(request.kind, "live");
    assert_eq!(
        request.connect.flash_ver.as_deref(),
        Some("FMLE/3.0 (compatible; FMSc/1.0)")
    );
    let said = &request.connect.capabilities;
    assert_eq!(said.four_cc_list, ["av01", "hvc1"]);
    let any = Capabilities::ANY.to_owned();
    let expected = [("hvc1".to_owned(), FourCcInfo(1)), (any, FourCcInfo(4))];
    assert_eq!(said.video, expected);
    assert_eq!(said.caps_ex, CapsEx(5));
    assert!(!format!("{request:?}").contains("1-a"));

    // Nothing is decoded and nothing is said until the decision.
    let waiting = peer.input.len();
    assert!(waiting > 0);
    assert_eq!(peer.next(), Ok(None));
    assert_eq!(peer.input.len(), waiting);
    assert_eq!(peer.heard(), []);
    assert_eq!(peer.server.timeout(), None);

    peer.server.accept_publish(peer.now).unwrap();
    let commands = peer.heard_commands();
    assert_eq!(commands[0].1.name, "onFCPublish");
    assert_eq!(
        (commands[1].0, commands[1].1.name.as_str()),
        (1, "onStatus")
    );
    assert_eq!(
        commands[1].1.arguments[0].property("code"),
        Some(&"NetStream.Publish.Start".into())
    );

    assert_eq!(
        peer.next(),
        Ok(Some(Event::Media(Media::Video {
            timestamp: 40,
            payload: Bytes::from_static(b"early")
        })))
    );
    peer.media(
        MessageType::DATA,
        0,
        b"\x02\0\x0d@setDataFrame\x02\0\x0aonMetaData",
    );
    peer.media(MessageType::AUDIO, 50, b"");
    peer.media(MessageType::AUDIO, 60, b"a");
    let payload = Bytes::from_static(b"\x02\0\x0aonMetaData");
    assert_eq!(
        peer.next(),
        Ok(Some(Event::Media(Media::Data {
            timestamp: 0,
            payload
        })))
    );
    assert_eq!(
        peer.next(),
        Ok(Some(Event::Media(Media::Audio {
            timestamp: 60,
            payload: Bytes::from_static(b"a")
        })))
    );

    peer.command(0, &Command::new("FCUnpublish", 6.0).argument("cam"));
    peer.command(0, &Command::new("deleteStream", 7.0).argument(1.0));
    peer.media(MessageType::AUDIO, 70, b"late");
    assert_eq!(peer.next(), Ok(Some(Event::Unpublished)));
    assert_eq!(peer.next(), Ok(None));

    // And once more on the same connection, on the same message stream.
    peer.heard();
    peer.command(0, &Command::new("createStream", 8.0));
    peer.command(1, &publish("cam"));
    assert!(matches!(peer.next(), Ok(Some(Event::Publish(_)))));
    assert_eq!(peer.heard_commands()[0].1.arguments, [Value::Number(1.0)]);
}

#[test]
fn a_refused_publisher_never_sees_start() {
    for (reject, code) in [
        (Reject::denied("no"), "NetStream.Publish.Denied"),
        (Reject::bad_name("no"), "NetStream.Publish.BadName"),
        (Reject::not_found("no"), "NetStream.Publish.BadName"),
    ] {
        let mut peer = Peer::new();
        peer.command(0, &connect(Object::new().with("app", "stream")));
        peer.command(0, &Command::new("FCPublish", 2.0).argument("cam"));
        peer.command(1, &publish("cam"));
        peer.media(MessageType::VIDEO, 0, b"x");
        assert!(matches!(peer.next(), Ok(Some(Event::Publish(_)))));
        peer.server.reject_publish(&reject).unwrap();
        assert!(peer.server.is_closing());
        assert_eq!(peer.next(), Ok(None));
        let output = peer.server.take_output();
        assert!(!output.windows(5).any(|window| window == b"Start"));
        peer.answers.extend_from_slice(&output);
        assert_eq!(peer.heard_status(), [status(code, "error")]);
    }
}

#[test]
fn a_player_from_request_to_the_end() {
    let mut peer = Peer::connected();
    let buffer = UserControl::SetBufferLength {
        stream_id: 1,
        millis: 3000,
    };
    peer.command(0, &Command::new("getStreamLength", 3.0).argument("cam"));
    peer.command(1, &play("cam?token=t"));
    peer.message(&Control::UserControl(buffer).encode());
    let Ok(Some(Event::Play(request))) = peer.next() else {
        panic!("no play request")
    };
    assert_eq!(
        (request.target.name.as_str(), request.stream_id),
        ("cam", 1)
    );
    assert_eq!(peer.heard_commands()[0].1.arguments, [Value::Number(0.0)]);
    peer.server.accept_play().unwrap();
    let heard = peer.heard();
    let begin = Control::UserControl(UserControl::StreamBegin(1));
    assert_eq!(Control::decode(&heard[0]), Ok(Some(begin)));
    let last = heard.last().unwrap();
    assert_eq!(last.type_id, MessageType::DATA);
    assert!(last.payload.starts_with(b"\x02\0\x11|RtmpSampleAccess"));
    assert_eq!(peer.server.timeout(), None);

    // Media of a player goes nowhere.
    peer.media(MessageType::VIDEO, 0, b"x");
    peer.command(1, &Command::new("pause", 0.0).argument(true).argument(0.0));
    assert_eq!(peer.next(), Ok(None));
    assert_eq!(peer.heard(), []);

    peer.server.end_play(peer.now).unwrap();
    let eof = Control::UserControl(UserControl::StreamEof(1));
    let heard = peer.heard();
    assert_eq!(Control::decode(&heard[0]), Ok(Some(eof)));
    assert_eq!(heard.len(), 3);
    assert_eq!(peer.next(), Ok(None));
}

#[test]
fn a_player_that_closes_its_stream() {
    for (stream_id, command) in [
        (1, Command::new("closeStream", 0.0)),
        (0, Command::new("deleteStream", 0.0).argument(1.0)),
    ] {
        let mut peer = Peer::connected();
        peer.command(1, &play("cam"));
        assert!(matches!(peer.next(), Ok(Some(Event::Play(_)))));
        peer.server.accept_play().unwrap();
        // Streams of another number are none of this one's business.
        peer.command(2, &Command::new("closeStream", 0.0));
        peer.command(0, &Command::new("deleteStream", 0.0).argument(2.0));
        assert_eq!(peer.next(), Ok(None));
        peer.command(stream_id, &command);
        assert_eq!(peer.next(), Ok(Some(Event::PlayEnded)));
    }
}

#[test]
fn a_refused_player_is_told_why() {
    for (reject, code) in [
        (Reject::denied("no"), "NetStream.Play.Failed"),
        (Reject::not_found("no"), "NetStream.Play.StreamNotFound"),
    ] {
        let mut peer = Peer::connected();
        peer.command(1, &play("cam"));
        assert!(matches!(peer.next(), Ok(Some(Event::Play(_)))));
        peer.server.reject_play(&reject).unwrap();
        assert!(peer.server.is_closing());
        assert_eq!(peer.heard_status(), [status(code, "error")]);
    }
}

#[test]
fn a_publisher_can_be_closed_from_this_side() {
    let mut peer = Peer::publishing();
    peer.server
        .close_publish("another encoder took over")
        .unwrap();
    assert!(peer.server.is_closing());
    assert_eq!(peer.heard_status(), [status("NetStream.Failed", "error")]);
}

#[test]
fn a_client_that_understands_it_is_asked_to_reconnect() {
    let mut peer = Peer::connected();
    assert_eq!(peer.server.request_reconnect(None, "elsewhere"), Ok(false));
    assert_eq!(peer.heard(), []);

    let mut peer = Peer::new();
    peer.command(
        0,
        &connect(Object::new().with("app", "stream").with("capsEx", 1.0)),
    );
    assert_eq!(peer.next(), Ok(None));
    peer.heard();
    assert_eq!(peer.server.request_reconnect(None, "elsewhere"), Ok(true));
    let asked = status("NetConnection.Connect.ReconnectRequest", "status");
    assert_eq!(peer.heard_status(), [asked]);
}

#[test]
fn a_client_is_asked_to_reconnect_in_the_form_that_it_understands() {
    let connected = |properties: Object| {
        let mut peer = Peer::new();
        peer.command(0, &connect(properties.with("app", "stream")));
        assert_eq!(peer.next(), Ok(None));
        peer.heard();
        peer
    };
    let address = "rtmp://other/stream";
    let mut peer = connected(Object::new().with("capsEx", 1.0));
    assert_eq!(peer.server.request_reconnect(Some(address), ""), Ok(true));
    let (stream_id, command) = peer.heard_commands().remove(0);
    assert_eq!(stream_id, 0);
    assert_eq!(
        command.arguments[0].property("tcUrl"),
        Some(&address.into())
    );

    // OBS 29.0.2: it can be told to go, but not where.
    let mut obs = connected(Object::new().with("supportsGoAway", true));
    assert_eq!(obs.server.request_reconnect(Some(address), ""), Ok(false));
    assert_eq!(obs.heard(), []);
    assert_eq!(obs.server.request_reconnect(None, ""), Ok(true));
    assert_eq!(obs.heard(), [GO_AWAY]);
}

#[test]
fn callers_add_properties_to_answers() {
    let mut peer = Peer::with(|config| {
        config.connect_properties = Object::new().with("build", 7.0);
        config.connect_information = Object::new().with("region", "eu");
    });
    peer.command(0, &connect(Object::new().with("app", "stream")));
    peer.command(0, &Command::new("createStream", 2.0));
    peer.command(1, &publish("cam"));
    assert!(matches!(peer.next(), Ok(Some(Event::Publish(_)))));
    let (_, result) = peer.heard_commands().remove(0);
    assert_eq!(result.object.property("build"), Some(&7.0.into()));
    assert_eq!(result.arguments[0].property("region"), Some(&"eu".into()));

    let further = Object::new().with("clientid", "a1").with("details", "cam");
    peer.server.set_status_properties(further.clone());
    peer.server.accept_publish(peer.now).unwrap();
    let (_, status) = peer.heard_commands().remove(0);
    let information = status.arguments[0].as_object().unwrap();
    assert!(information.0.ends_with(&further.0), "{information:?}");
}

#[test]
fn messages_are_bounded_in_time() {
    let mut peer = Peer::with(|config| config.limits.messages_per_second = 10);
    peer.command(0, &connect(Object::new().with("app", "stream")));
    let ping = Control::UserControl(UserControl::PingRequest(1)).encode();
    for _ in 0..99 {
        peer.message(&ping);
    }
    assert_eq!(peer.next(), Ok(None));
    // An aggregate counts, and so does what is in it.
    peer.now += Duration::from_millis(100);
    let inside = b"\x08\0\0\x01\0\0\0\0\0\0\0a\0\0\0\x0c";
    peer.media(MessageType::AGGREGATE, 0, inside);
    assert_eq!(peer.next(), Err(Limit::MessagesPerSecond(10).into()));
    assert!(peer.server.is_closing());
}

#[test]
fn sessions_share_a_budget() {
    let budget = Budget::new(100_000);
    let open = || Peer::publishing_with(|config| config.budget = Some(budget.clone()));
    let announce = |peer: &mut Peer| {
        let message = Message {
            chunk_stream_id: 4,
            timestamp: 0,
            type_id: MessageType::VIDEO,
            stream_id: 1,
            payload: Bytes::from(vec![0; 60_000]),
        };
        let before = peer.input.len();
        peer.message(&message);
        peer.input.truncate(before + 58_000);
        peer.next()
    };
    let mut first = open();
    assert_eq!(announce(&mut first), Ok(None));
    assert_eq!(budget.used(), 60_000);
    let mut second = open();
    assert_eq!(announce(&mut second), Err(Limit::Budget(100_000).into()));
    drop(first);
    assert_eq!(announce(&mut open()), Ok(None));
}

#[test]
fn strangers_leave_the_budget_to_publishers() {
    let budget = Budget::new(300_000);
    let share = |config: &mut ServerConfig| config.budget = Some(budget.clone());
    let mut publisher = Peer::publishing_with(share);
    let strangers: Vec<_> = (0..20)
        .map(|_| {
            let mut peer = Peer::with(share);
            peer.part_of_a_message(4, 60_000, 59_999);
            assert_eq!(peer.next(), Ok(None));
            peer
        })
        .collect();
    assert_eq!(budget.used(), 0);
    publisher.part_of_a_message(4, 200_000, 199_999);
    assert_eq!(publisher.next(), Ok(None));
    assert_eq!(budget.used(), 200_000);
    drop(strangers);
    assert_eq!(budget.used(), 200_000);
}

#[test]
fn little_is_held_before_a_publish_is_accepted_and_after_it_ended() {
    let too_much = Err(Limit::BytesBeforePublish(65_536).into());
    let refused = |mut peer: Peer| {
        peer.part_of_a_message(4, 65_537, 0);
        assert_eq!(peer.next(), too_much);
    };
    refused(Peer::new());
    refused(Peer::connected());

    let mut peer = Peer::connected();
    peer.part_of_a_message(4, 65_536, 65_535);
    assert_eq!(peer.next(), Ok(None));
    peer.part_of_a_message(5, 100, 1);
    assert_eq!(peer.next(), too_much);

    let mut player = Peer::connected();
    player.command(1, &play("cam"));
    assert!(matches!(player.next(), Ok(Some(Event::Play(_)))));
    player.server.accept_play().unwrap();
    refused(player);

    let mut publisher = Peer::publishing();
    publisher.part_of_a_message(4, 1_000_000, 1_000_000);
    assert!(matches!(publisher.next(), Ok(Some(Event::Media(_)))));
    publisher.command(0, &Command::new("deleteStream", 7.0).argument(1.0));
    assert_eq!(publisher.next(), Ok(Some(Event::Unpublished)));
    // The header of the message before holds for this one too.
    publisher.input.extend_from_slice(&[0xC4, 7]);
    assert_eq!(publisher.next(), Ok(None));
    publisher.input.resize(20_000, 7);
    assert_eq!(publisher.next(), too_much);
}

#[test]
fn half_a_message_goes_on_when_a_publish_is_accepted_or_ends() {
    let budget = Budget::new(300_000);
    let mut peer = Peer::with(|config| config.budget = Some(budget.clone()));
    peer.command(0, &connect(Object::new().with("app", "stream")));
    peer.part_of_a_message(4, 60_000, 40_000);
    peer.command(1, &publish("cam"));
    assert!(matches!(peer.next(), Ok(Some(Event::Publish(_)))));
    assert_eq!(budget.used(), 0);
    peer.server.accept_publish(peer.now).unwrap();
    assert_eq!(peer.next(), Ok(None));
    assert_eq!(budget.used(), 60_000);
    let rest = [&[0xC4][..], &[7; 20_000]].concat();
    peer.input.extend_from_slice(&rest);
    let Ok(Some(Event::Media(media))) = peer.next() else {
        panic!("no media")
    };
    assert_eq!(media.payload()[..], [7; 60_000]);
    assert_eq!(budget.used(), 0);

    // What is left of a publisher's last message stays taken until it is gone.
    peer.part_of_a_message(4, 200_000, 150_000);
    peer.command(0, &Command::new("deleteStream", 7.0).argument(1.0));
    assert_eq!(peer.next(), Ok(Some(Event::Unpublished)));
    assert_eq!(peer.next(), Ok(None));
    assert_eq!(budget.used(), 200_000);
    peer.message(&Control::Abort(4).encode());
    assert_eq!(peer.next(), Ok(None));
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_player_that_comes_and_goes_may_hold_no_more() {
    let budget = Budget::new(1 << 20);
    let mut peer = Peer::with(|config| config.budget = Some(budget.clone()));
    peer.command(0, &connect(Object::new().with("app", "stream")));
    peer.part_of_a_message(10, 60_000, 20_000);
    peer.command(1, &play("cam"));
    assert!(matches!(peer.next(), Ok(Some(Event::Play(_)))));
    peer.server.accept_play().unwrap();
    peer.command(1, &Command::new("closeStream", 0.0));
    assert_eq!(peer.next(), Ok(Some(Event::PlayEnded)));
    peer.part_of_a_message(11, 60_000, 20_000);
    assert_eq!(peer.next(), Err(Limit::BytesBeforePublish(65_536).into()));
    assert_eq!(budget.used(), 0);
}

#[test]
fn what_a_peer_says_of_itself_is_bounded() {
    let long = |command: Command| {
        command
            .argument("x".repeat(60_000))
            .argument("y".repeat(6_000))
    };
    let too_long = |result: Result<Option<Event>, Error>| {
        let Err(Error::LimitExceeded(Limit::CommandBytes { length, limit })) = result else {
            panic!("{result:?}")
        };
        assert!(length > 66_000 && limit == 65_536);
    };
    let mut peer = Peer::publishing();
    peer.command(1, &long(play("cam")));
    too_long(peer.next());

    // With the same limit on all that is held, the chunk layer is the first to see it.
    let mut peer = Peer::new();
    peer.command(0, &long(connect(Object::new().with("app", "stream"))));
    assert_eq!(peer.next(), Err(Limit::BytesBeforePublish(65_536).into()));
    let mut peer = Peer::with(|config| config.limits.bytes_before_publish = 1 << 20);
    peer.command(0, &long(connect(Object::new().with("app", "stream"))));
    too_long(peer.next());

    let mut peer = Peer::publishing();
    let amf3 = [&b"\0\x02\0\x01a\x11\x06\x88\x80\x01"[..], &[b'x'; 65_536]].concat();
    peer.media(MessageType::DATA_AMF3, 0, amf3.leak());
    let result = peer.next();
    let expected = Limit::CommandBytes {
        length: 65_545,
        limit: 65_536,
    };
    assert_eq!(result, Err(expected.into()));
}

#[test]
fn messages_to_the_chunk_layer_are_bounded_in_time_too() {
    for control in [Control::Abort(9), Control::SetChunkSize(128)] {
        let flood = |count: usize| {
            let mut peer = Peer::with(|config| config.limits.messages_per_second = 10);
            for _ in 0..count {
                peer.message(&control.encode());
            }
            peer
        };
        assert_eq!(flood(100).next(), Ok(None));
        let too_many = Err(Limit::MessagesPerSecond(10).into());
        assert_eq!(flood(101).next(), too_many);
        // Whatever comes behind them, and however they are cut.
        let mut peer = flood(101);
        peer.input.extend_from_slice(&[0xC7]);
        assert_eq!(peer.next(), too_many);
        let mut peer = flood(101);
        let bytes = peer.input.split();
        let mut results = bytes.chunks(7).map(|piece| {
            peer.input.extend_from_slice(piece);
            peer.next()
        });
        assert_eq!(results.find(|result| *result != Ok(None)), Some(too_many));
    }
}

#[test]
fn what_a_peer_said_is_kept_byte_for_byte() {
    let said = |type_id, stream_id, body: &[u8]| Message {
        chunk_stream_id: 3,
        timestamp: 0,
        type_id,
        stream_id,
        payload: Bytes::copy_from_slice(body),
    };
    // A typed object, and names in Latin-1: `caf\xE9` and `cam\xE9`.
    let connect =
        b"\x02\0\x07connect\0\x3f\xf0\0\0\0\0\0\0\x10\0\x01C\0\x03app\x02\0\x04caf\xE9\0\0\x09";
    let publish = b"\x02\0\x07publish\0\0\0\0\0\0\0\0\0\x05\x02\0\x04cam\xE9";
    let play = b"\x02\0\x04play\0\0\0\0\0\0\0\0\0\x05\x02\0\x04cam\xE9";
    let mut publisher = Peer::new();
    publisher.message(&said(MessageType::COMMAND, 0, connect));
    let framed = [&[0], &publish[..]].concat();
    publisher.message(&said(MessageType::COMMAND_AMF3, 1, &framed));
    let Ok(Some(Event::Publish(request))) = publisher.next() else {
        panic!("no publish request")
    };
    assert_eq!(request.connect.raw, connect[..]);
    assert_eq!(request.raw, publish[..]);
    assert!(!format!("{request:?}").contains("raw"));

    let mut player = Peer::new();
    player.message(&said(MessageType::COMMAND, 0, connect));
    player.message(&said(MessageType::COMMAND, 1, play));
    let Ok(Some(Event::Play(request))) = player.next() else {
        panic!("no play request")
    };
    assert_eq!(request.raw, play[..]);
    assert!(!format!("{request:?}").contains("raw"));
}

#[test]
fn a_request_in_a_log_has_no_credential_in_its_kind() {
    let mut peer = Peer::connected();
    let kind = "live?sign=1670544000-secretsecret";
    peer.command(
        1,
        &Command::new("publish", 5.0).argument("cam").argument(kind),
    );
    let Ok(Some(Event::Publish(request))) = peer.next() else {
        panic!("no publish request")
    };
    assert_eq!(request.kind, kind);
    let text = format!("{request:?}");
    assert!(text.contains("kind: \"live..\""), "{text}");
}

#[test]
fn a_time_out_may_be_longer_than_the_clock_can_tell() {
    let endless = |config: &mut ServerConfig| {
        config.limits.handshake_timeout = Duration::MAX;
        config.limits.command_timeout = Duration::MAX;
        config.limits.publish_idle = Duration::MAX;
    };
    let mut peer = Peer::publishing_with(endless);
    assert_eq!(peer.server.timeout(), None);
    peer.media(MessageType::AUDIO, 0, b"a");
    assert!(matches!(peer.next(), Ok(Some(Event::Media(_)))));
    peer.command(0, &Command::new("deleteStream", 7.0).argument(1.0));
    assert_eq!(peer.next(), Ok(Some(Event::Unpublished)));
    assert_eq!(peer.server.timeout(), None);
}

#[test]
fn errors_have_a_place() {
    let mut peer = Peer::new();
    assert_eq!(peer.server.position(), Position::default());
    peer.command(0, &connect(Object::new().with("app", "stream")));
    let connect_bytes = peer.input.len();
    peer.command(0, &connect(Object::new()));
    assert_eq!(peer.next(), Err(PeerMisbehaved::ConnectedTwice.into()));
    let place = Position {
        byte_offset: u64::try_from(1 + 2 * 1536 + connect_bytes).unwrap(),
        chunk_stream_id: Some(chunk::id::COMMAND),
    };
    assert_eq!(peer.server.position(), place);
}

#[test]
fn an_answer_that_does_not_fit_ends_the_session() {
    let mut peer = Peer::with(|config| config.limits.output_bytes = 1000);
    peer.command(0, &connect(Object::new().with("app", "stream")));
    assert_eq!(peer.next(), Ok(None));
    peer.heard();
    peer.command(1, &play("cam"));
    assert!(matches!(peer.next(), Ok(Some(Event::Play(_)))));
    let long = Object::new().with("details", "x".repeat(2000));
    peer.server.set_status_properties(long);
    let too_much = Err(Limit::OutputBytes(1000).into());
    assert_eq!(peer.server.accept_play(), too_much);
    assert!(peer.server.is_closing());
    assert_eq!(peer.next(), Ok(None));
    // What was written are whole messages all the same.
    assert!(!peer.heard().is_empty());
}

#[test]
fn players_say_where_to_begin() {
    let mut peer = Peer::connected();
    let command = play("cam").argument(-2.0).argument(-1.0).argument(1.0);
    peer.command(1, &command.clone().argument("more"));
    let Ok(Some(Event::Play(request))) = peer.next() else {
        panic!("no play request")
    };
    let typed = (request.start, request.duration, request.reset);
    assert_eq!(typed, (Some(-2.0), Some(-1.0), Some(true)));
    assert_eq!(request.command, command.argument("more"));
    assert!(!format!("{request:?}").contains("more"));
}

#[test]
fn one_stream_at_a_time() {
    let mut peer = Peer::publishing();
    peer.command(2, &publish("other"));
    peer.command(2, &play("other"));
    peer.media(MessageType::AUDIO, 5, b"a");
    assert!(matches!(
        peer.next(),
        Ok(Some(Event::Media(Media::Audio { .. })))
    ));
    assert_eq!(
        peer.heard_status(),
        [
            status("NetStream.Publish.BadName", "error"),
            status("NetStream.Play.Failed", "error")
        ]
    );
}

#[test]
fn answers_out_of_order_are_misuse() {
    let mut peer = Peer::connected();
    let reject = Reject::denied("");
    let (server, now) = (&mut peer.server, peer.now);
    for result in [
        server.accept_publish(now),
        server.reject_publish(&reject),
        server.accept_play(),
        server.reject_play(&reject),
        server.end_play(now),
        server.close_publish(""),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Misuse(_)));
        assert_eq!(error.blame(), Blame::Caller);
    }
    assert_eq!(peer.heard(), []);
}

#[test]
fn unknown_commands_get_an_empty_result_and_answers_get_none() {
    let mut peer = Peer::connected();
    peer.command(0, &Command::new("_checkbw", 9.0));
    peer.command(0, &Command::new("somethingElse", 10.0).argument("x"));
    peer.command(0, &Command::new("somethingElse", 0.0));
    peer.command(0, &Command::new("_result", 11.0));
    assert_eq!(peer.next(), Ok(None));
    let heard: Vec<_> = peer
        .heard_commands()
        .into_iter()
        .map(|(_, c)| (c.name, c.transaction_id))
        .collect();
    assert_eq!(
        heard,
        [("_result".to_owned(), 9.0), ("_result".to_owned(), 10.0)]
    );
}

/// Output that is taken late and events that are left waiting change when things happen, not what.
#[test]
fn a_careless_driver_gets_the_same_bytes() {
    let mut careful = Peer::connected();
    let mut careless = Peer::connected();
    for peer in [&mut careful, &mut careless] {
        peer.command(0, &Command::new("_checkbw", 3.0));
        peer.message(&Control::UserControl(UserControl::PingRequest(7)).encode());
        peer.command(1, &publish("cam"));
        peer.media(MessageType::AUDIO, 5, b"a");
        peer.command(0, &Command::new("_checkbw", 4.0));
    }
    assert!(matches!(careful.next(), Ok(Some(Event::Publish(_)))));
    let mut expected = careful.heard();
    careful.server.accept_publish(careful.now).unwrap();
    expected.extend(careful.heard());
    assert!(matches!(
        careful.next(),
        Ok(Some(Event::Media(Media::Audio { .. })))
    ));
    assert_eq!(careful.next(), Ok(None));
    expected.extend(careful.heard());

    assert!(matches!(careless.next(), Ok(Some(Event::Publish(_)))));
    for _ in 0..3 {
        assert_eq!(careless.next(), Ok(None));
        assert!(matches!(
            careless.server.accept_play(),
            Err(Error::Misuse(_))
        ));
    }
    careless.server.accept_publish(careless.now).unwrap();
    assert!(matches!(
        careless.server.accept_publish(careless.now),
        Err(Error::Misuse(_))
    ));
    assert!(matches!(
        careless.next(),
        Ok(Some(Event::Media(Media::Audio { .. })))
    ));
    assert_eq!(careless.next(), Ok(None));
    assert_eq!(careless.heard(), expected);
}

#[test]
fn nothing_is_decoded_after_an_error() {
    let mut peer = Peer::connected();
    peer.message(&Control::SetChunkSize(128).encode());
    peer.media(MessageType::COMMAND, 0, b"\x03");
    peer.command(1, &publish("cam"));
    assert!(matches!(peer.next(), Err(Error::InvalidMessage(_))));
    assert!(peer.server.is_closing());
    assert_eq!(peer.next(), Ok(None));
    assert_eq!(peer.server.timeout(), None);
}

#[test]
fn commands_out_of_order_end_the_session() {
    let mut peer = Peer::new();
    peer.command(0, &Command::new("createStream", 1.0));
    assert_eq!(peer.next(), Err(PeerMisbehaved::NotConnected.into()));
    let mut peer = Peer::connected();
    peer.command(0, &connect(Object::new().with("app", "stream")));
    assert_eq!(peer.next(), Err(PeerMisbehaved::ConnectedTwice.into()));
}

#[test]
fn what_a_peer_may_take_is_bounded() {
    let mut peer = Peer::connected();
    for id in 0..100 {
        peer.command(0, &Command::new("_checkbw", f64::from(id)));
    }
    assert_eq!(peer.next(), Err(Limit::CommandsBeforeStream(64).into()));

    let mut peer = Peer::connected();
    for id in 0..9 {
        peer.command(0, &Command::new("createStream", f64::from(id)));
    }
    assert_eq!(peer.next(), Err(Limit::MessageStreams(8).into()));

    let mut peer = Peer::connected();
    peer.command(1, &publish(&"x".repeat(5000)));
    assert_eq!(peer.next(), Err(Limit::NameBytes(4096).into()));

    let mut peer = Peer::new();
    peer.command(0, &connect(Object::new().with("app", "x".repeat(5000))));
    assert_eq!(peer.next(), Err(Limit::NameBytes(4096).into()));

    let mut peer = Peer::with(|config| config.limits.output_bytes = 10_000);
    for value in 0..1000 {
        peer.message(&Control::UserControl(UserControl::PingRequest(value)).encode());
    }
    assert_eq!(peer.next(), Err(Limit::OutputBytes(10_000).into()));
}

#[test]
fn pings_and_bandwidth_are_answered() {
    let mut peer = Peer::connected();
    let limit = crate::message::BandwidthLimit::HARD;
    peer.message(&Control::UserControl(UserControl::PingRequest(7)).encode());
    peer.message(
        &Control::SetPeerBandwidth {
            window: 1000,
            limit,
        }
        .encode(),
    );
    peer.message(
        &Control::SetPeerBandwidth {
            window: 1000,
            limit,
        }
        .encode(),
    );
    assert_eq!(peer.next(), Ok(None));
    let heard: Vec<_> = peer
        .heard()
        .iter()
        .map(|message| Control::decode(message).unwrap().unwrap())
        .collect();
    assert_eq!(
        heard,
        [
            Control::UserControl(UserControl::PingResponse(7)),
            Control::WindowAcknowledgementSize(1000)
        ]
    );
}

/// Vector 14: acknowledged at exactly the window that the peer asked for, with the total.
#[test]
fn vector_14_acknowledgements() {
    let mut peer = Peer::connected();
    // What the peer sent so far counts too: `connect` and `createStream`, with a chunk header each.
    let mut before = BytesMut::new();
    let mut encoder = Encoder::new();
    for message in [
        connect(Object::new().with("app", "stream")).encode(0),
        Command::new("createStream", 2.0).encode(0),
        Control::WindowAcknowledgementSize(1000).encode(),
    ] {
        encoder.write(&message, &mut before).unwrap();
    }
    peer.message(&Control::WindowAcknowledgementSize(1000).encode());
    assert_eq!(peer.next(), Ok(None));
    assert_eq!(peer.heard(), []);
    let sent = before.len();
    let mut media = BytesMut::new();
    let payload = Bytes::from(vec![0; 5000]);
    let message = Message {
        chunk_stream_id: 4,
        timestamp: 0,
        type_id: MessageType::AUDIO,
        stream_id: 1,
        payload,
    };
    peer.encoder.write(&message, &mut media).unwrap();
    let mut acknowledged = Vec::new();
    for (total, byte) in (sent + 1..).zip(&media[..]) {
        peer.input.extend_from_slice(&[*byte]);
        assert_eq!(peer.next(), Ok(None));
        for message in peer.heard() {
            let Ok(Some(Control::Acknowledgement(received))) = Control::decode(&message) else {
                panic!("{message:?}")
            };
            assert_eq!(usize::try_from(received).unwrap(), total);
            acknowledged.push(total);
        }
    }
    // No chunk header, whose bytes are counted together, happens to lie across these.
    assert_eq!(acknowledged, [1000, 2000, 3000, 4000, 5000]);
}

#[test]
fn time_runs_out_for_the_silent() {
    let now = Instant::now();
    let limits = Limits::default();
    let mut server = Server::new(ServerConfig::new([0; 32]), now);
    assert_eq!(server.timeout(), Some(now + limits.handshake_timeout));
    assert_eq!(server.handle_timeout(now), Ok(()));
    let late = server.timeout().unwrap();
    assert_eq!(server.handle_timeout(late), Err(Waiting::Handshake.into()));

    let mut peer = Peer::connected();
    assert_eq!(
        peer.server.timeout(),
        Some(peer.now + limits.command_timeout)
    );
    let late = peer.server.timeout().unwrap();
    assert_eq!(
        peer.server.handle_timeout(late),
        Err(Waiting::Stream.into())
    );

    let mut peer = Peer::publishing();
    assert_eq!(peer.server.timeout(), Some(peer.now + limits.publish_idle));
    peer.now += Duration::from_secs(9);
    peer.media(MessageType::AUDIO, 0, b"a");
    assert!(matches!(
        peer.next(),
        Ok(Some(Event::Media(Media::Audio { .. })))
    ));
    assert_eq!(peer.server.timeout(), Some(peer.now + limits.publish_idle));
    // Commands are no media.
    peer.now += Duration::from_secs(10);
    peer.command(0, &Command::new("_checkbw", 9.0));
    assert_eq!(peer.next(), Ok(None));
    assert_eq!(
        peer.server.handle_timeout(peer.now),
        Err(Waiting::Media.into())
    );
}

/// Vector 13, the part after the handshake: the end of input anywhere leaves a session that asks for
/// more and writes whole messages only.
#[test]
fn vector_13_input_that_ends_early() {
    let mut stream = BytesMut::from(&[3][..]);
    stream.extend_from_slice(&[0; 2 * 1536]);
    let mut encoder = Encoder::new();
    for message in [
        connect(Object::new().with("app", "stream")).encode(0),
        publish("cam").encode(1),
    ] {
        encoder.write(&message, &mut stream).unwrap();
    }
    for end in 0..stream.len() {
        let mut server = Server::new(ServerConfig::new([0; 32]), Instant::now());
        let mut input = BytesMut::from(&stream[..end]);
        assert_eq!(
            server.next(&mut input, Instant::now()),
            Ok(None),
            "after {end} bytes"
        );
        assert!(input.len() < 1537, "after {end} bytes");
    }
}
