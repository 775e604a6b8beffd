use std::time::Duration;

use super::*;
use crate::{
    Budget, Limits,
    amf0::Object,
    chunk::{Decoder, Encoder},
    error::Limit,
};

/// A server that says exactly what a test wants, after the handshake.
struct Peer {
    client: Client,
    input: BytesMut,
    encoder: Encoder,
    decoder: Decoder,
    heard: BytesMut,
    now: Instant,
}

impl Peer {
    fn new(purpose: Purpose) -> Self {
        Self::with(purpose, |_| {})
    }

    fn with(purpose: Purpose, configure: impl FnOnce(&mut ClientConfig)) -> Self {
        let mut config = ClientConfig::new(purpose, "host", "stream", "cam?sign=1-a", [1; 32]);
        configure(&mut config);
        let now = Instant::now();
        let mut peer = Self {
            client: Client::new(config, now),
            input: BytesMut::new(),
            encoder: Encoder::new(),
            decoder: Decoder::new(&Limits::default()),
            heard: BytesMut::new(),
            now,
        };
        peer.input.extend_from_slice(&[3]);
        peer.input.extend_from_slice(&[0; 2 * 1536]);
        assert_eq!(peer.next(), Ok(None));
        assert!(peer.input.is_empty());
        let hello = peer.client.take_output();
        peer.heard.extend_from_slice(&hello[1 + 2 * 1536..]);
        peer
    }

    fn started(purpose: Purpose) -> Self {
        let mut peer = Self::new(purpose);
        peer.start();
        peer
    }

    fn start(&mut self) {
        self.command(0, &Command::new("_result", CONNECT).argument(Object::new()));
        self.command(0, &Command::new("_result", CREATE_STREAM).argument(1.0));
        let code = match self.client.config.purpose {
            Purpose::Publish => START_PUBLISH,
            Purpose::Play => START_PLAY,
        };
        self.status(1, code);
        assert_eq!(self.next(), Ok(Some(ClientEvent::Started)));
    }

    fn command(&mut self, stream_id: u32, command: &Command) {
        self.message(&command.encode(stream_id));
    }

    fn status(&mut self, stream_id: u32, code: &str) {
        let information = Object::new().with("level", "status").with("code", code);
        self.command(
            stream_id,
            &Command::new("onStatus", 0.0).argument(information),
        );
    }

    fn message(&mut self, message: &Message) {
        self.encoder.write(message, &mut self.input).unwrap();
    }

    fn media(&mut self, payload: &'static [u8]) {
        self.message(&Message {
            chunk_stream_id: 4,
            timestamp: 7,
            type_id: MessageType::AUDIO,
            stream_id: 1,
            payload: Bytes::from_static(payload),
        });
    }

    fn next(&mut self) -> Result<Option<ClientEvent>, Error> {
        self.client.next(&mut self.input, self.now)
    }

    /// What the client has written since the last call, except for Set Chunk Size.
    fn heard(&mut self) -> Vec<Message> {
        self.heard.extend_from_slice(&self.client.take_output());
        let mut messages = Vec::new();
        while let Some(message) = self.decoder.next(&mut self.heard).unwrap() {
            messages.push(message);
        }
        assert!(self.heard.is_empty(), "half a message was written");
        messages
    }
}

#[test]
fn time_runs_out_for_a_silent_server() {
    let limits = Limits::default();
    let now = Instant::now();
    let config = ClientConfig::new(Purpose::Play, "host", "stream", "cam", [1; 32]);
    let mut client = Client::new(config, now);
    assert_eq!(client.timeout(), Some(now + limits.handshake_timeout));
    assert_eq!(client.handle_timeout(now), Ok(()));
    let late = client.timeout().unwrap();
    assert_eq!(client.handle_timeout(late), Err(Waiting::Handshake.into()));
    assert!(client.is_closing());
    assert_eq!(client.timeout(), None);

    let mut peer = Peer::new(Purpose::Publish);
    assert_eq!(
        peer.client.timeout(),
        Some(peer.now + limits.command_timeout)
    );
    // Half of the way does not buy more time.
    peer.now += Duration::from_secs(10);
    peer.command(0, &Command::new("_result", CONNECT));
    assert_eq!(peer.next(), Ok(None));
    peer.now += Duration::from_secs(5);
    assert_eq!(
        peer.client.handle_timeout(peer.now),
        Err(Waiting::Answer.into())
    );

    assert_eq!(Peer::started(Purpose::Publish).client.timeout(), None);
    assert_eq!(Peer::started(Purpose::Play).client.timeout(), None);
}

#[test]
fn a_player_gives_up_on_a_stream_that_stands_still_where_it_is_told_to() {
    let idle = Duration::from_secs(8);
    let mut peer = Peer::with(Purpose::Play, |config| {
        config.limits.play_idle = Some(idle);
    });
    peer.start();
    peer.now += Duration::from_secs(7);
    peer.media(b"a");
    assert!(matches!(peer.next(), Ok(Some(ClientEvent::Media(_)))));
    assert_eq!(peer.client.timeout(), Some(peer.now + idle));
    peer.now += idle;
    // Commands are no media.
    peer.status(1, "NetStream.Play.Reset");
    assert_eq!(peer.next(), Ok(None));
    assert_eq!(
        peer.client.handle_timeout(peer.now),
        Err(Waiting::Media.into())
    );
    assert!(peer.client.is_closing());
}

#[test]
fn servers_tell_a_player_of_another_publisher_each_in_its_way() {
    let mut peer = Peer::started(Purpose::Play);
    let notify = |epoch: Option<Value>| {
        let information = Object::new()
            .with("level", "status")
            .with("code", "NetStream.Play.PublishNotify")
            .with("description", "Start publishing");
        let information = match epoch {
            Some(epoch) => information.with("epoch", epoch),
            None => information,
        };
        Command::new("onStatus", 0.0).argument(information)
    };
    for (epoch, expected) in [
        // As nginx-rtmp says it, and as this library does.
        (None, None),
        (Some(Value::from(0.0)), Some(0)),
        (Some(Value::from(4_294_967_295.0)), Some(u32::MAX)),
        // Nonsense counts for nothing.
        (Some(Value::from(4_294_967_296.0)), None),
        (Some(Value::from(-1.0)), None),
        (Some(Value::from(1.5)), None),
        (Some(Value::from(f64::NAN)), None),
        (Some(Value::from("1")), None),
    ] {
        peer.command(1, &notify(epoch));
        let told = ClientEvent::PublishNotify { epoch: expected };
        assert_eq!(peer.next(), Ok(Some(told)));
    }
    let mut publisher = Peer::started(Purpose::Publish);
    publisher.command(1, &notify(None));
    assert_eq!(publisher.next(), Ok(None));
}

#[test]
fn a_time_out_may_be_longer_than_the_clock_can_tell() {
    let mut peer = Peer::with(Purpose::Play, |config| {
        config.limits.handshake_timeout = Duration::MAX;
        config.limits.command_timeout = Duration::MAX;
        config.limits.play_idle = Some(Duration::MAX);
    });
    assert_eq!(peer.client.timeout(), None);
    peer.start();
    peer.media(b"a");
    assert!(matches!(peer.next(), Ok(Some(ClientEvent::Media(_)))));
    assert_eq!(peer.client.timeout(), None);
}

#[test]
fn a_refusal_in_a_log_has_no_credential() {
    let event = ClientEvent::Refused {
        code: "NetStream.Publish.BadName".to_owned(),
        description: "stream/cam?sign=1670544000-secretsecret is taken".to_owned(),
    };
    let text = format!("{event:?}");
    assert!(text.contains("NetStream.Publish.BadName"));
    assert!(!text.contains("secretsecret"));
}

#[test]
fn a_server_takes_little_until_it_lets_the_client_play() {
    let budget = Budget::new(1 << 20);
    let open = |purpose| Peer::with(purpose, |config| config.budget = Some(budget.clone()));
    let frame = |peer: &mut Peer| {
        peer.message(&Control::SetChunkSize(100_000).encode());
        let before = peer.input.len();
        peer.message(&Message {
            chunk_stream_id: 4,
            timestamp: 7,
            type_id: MessageType::VIDEO,
            stream_id: 1,
            payload: vec![7; 100_000].into(),
        });
        peer.input.truncate(before + 90_000);
        peer.next()
    };
    let too_much = Err(Limit::BytesBeforePublish(65_536).into());
    assert_eq!(frame(&mut open(Purpose::Play)), too_much);
    // Nobody sends media to a client that publishes.
    let mut publisher = open(Purpose::Publish);
    publisher.start();
    assert_eq!(frame(&mut publisher), too_much);

    let mut player = open(Purpose::Play);
    player.start();
    assert_eq!(frame(&mut player), Ok(None));
    assert_eq!(budget.used(), 100_000);
}

#[test]
fn the_stream_goes_on_after_a_reconnect_request() {
    let mut peer = Peer::started(Purpose::Publish);
    let information = Object::new()
        .with("level", "status")
        .with("code", "NetConnection.Connect.ReconnectRequest")
        .with("tcUrl", "rtmp://other/stream?token=secret")
        .with("description", "maintenance");
    let request = Command::new("onStatus", 0.0).argument(information);
    peer.command(0, &request);
    let event = peer.next().unwrap().unwrap();
    let expected = ClientEvent::ReconnectRequest {
        tc_url: Some("rtmp://other/stream?token=secret".to_owned()),
        description: "maintenance".to_owned(),
    };
    assert_eq!(event, expected);
    let text = format!("{event:?}");
    assert!(!text.contains("secret") && !text.contains("maintenance"));
    assert!(text.contains("description_bytes: 11"), "{text}");

    peer.message(&Message {
        chunk_stream_id: 2,
        timestamp: 0,
        type_id: MessageType::GO_AWAY,
        stream_id: 0,
        payload: Bytes::new(),
    });
    let go_away = ClientEvent::ReconnectRequest {
        tc_url: None,
        description: String::new(),
    };
    assert_eq!(peer.next(), Ok(Some(go_away)));

    assert!(!peer.client.is_closing());
    peer.heard();
    peer.client.send_audio(1, &[b"still ", b"here"]).unwrap();
    assert_eq!(peer.heard()[0].payload, b"still here"[..]);
    peer.client.finish().unwrap();
    assert!(peer.client.is_closing());
    assert_eq!(peer.client.send_audio(2, &[b"x"]), Err(NOT_PUBLISHING));
}

/// A key frame may be longer than the output limit; a second one waits until the first is written.
#[test]
fn media_is_refused_while_the_output_is_full_and_not_cut() {
    let mut peer = Peer::started(Purpose::Publish);
    peer.heard();
    let frame = vec![7; 3 << 20];
    peer.client.send_video(0, &[&frame]).unwrap();
    assert_eq!(
        peer.client.send_video(40, &[&frame]),
        Err(Limit::OutputBytes(1 << 20).into())
    );
    assert!(!peer.client.is_closing());
    let lengths: Vec<_> = peer.heard().iter().map(|m| m.payload.len()).collect();
    assert_eq!(lengths, [frame.len()]);
    peer.client.send_video(40, &[&frame]).unwrap();
    assert_eq!(peer.heard().len(), 1);
    let too_long = vec![0; 1 << 24];
    assert!(matches!(
        peer.client.send_video(80, &[&too_long]),
        Err(Error::LimitExceeded(Limit::MessageBytes { .. }))
    ));
    assert_eq!(peer.heard(), []);
}
