//! The other end for tests of the client: a server session on a byte stream, which does what a test says.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use lsv_core::codec::{aac, hevc};
use lsv_core::fuzzing::vectors::HEVC_RECORD;
use lsv_core::media::{Codec, Kind, MediaFrame, Track};
use lsv_core::time::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::socket::{Io, now};
use super::{Address, Client};
use crate::amf0::Object;
use crate::chunk::{self, Header, encode_message};
use crate::message::{Command, MessageType};
use crate::play::{CHUNK_SIZE, STREAM_ID};
use crate::session::{Event, Media, Server, ServerConfig};

/// The server's end of one connection.
pub(super) struct Peer {
    pub(super) io: Box<dyn Io>,
    pub(super) session: Server,
    input: BytesMut,
}

impl Peer {
    pub(super) fn new(io: impl Io + 'static) -> Self {
        Self::with(io, ServerConfig::new([9; 32]))
    }

    pub(super) fn with(io: impl Io + 'static, config: ServerConfig) -> Self {
        Self {
            io: Box::new(io),
            session: Server::new(config, now()),
            input: BytesMut::new(),
        }
    }

    /// The next event; `None` once the client has closed.
    pub(super) async fn event(&mut self) -> Option<Event> {
        loop {
            let event = self.session.next(&mut self.input, now()).unwrap();
            self.flush().await;
            if event.is_some() {
                return event;
            }
            if let Ok(0) | Err(_) = self.io.read_buf(&mut self.input).await {
                return None;
            }
        }
    }

    /// The next media.
    pub(super) async fn media(&mut self) -> Option<Media> {
        loop {
            match self.event().await? {
                Event::Media(media) => return Some(media),
                Event::Unpublished => return None,
                _ => {}
            }
        }
    }

    /// Waits for a client that wants something, and lets it.
    pub(super) async fn admit(&mut self) {
        match self.event().await {
            Some(Event::Publish(_)) => self.session.accept_publish(now()).unwrap(),
            Some(Event::Play(_)) => self.session.accept_play().unwrap(),
            other => panic!("no request but {other:?}"),
        }
        // What an answer lets the session say comes with the next event.
        assert_eq!(self.session.next(&mut self.input, now()), Ok(None));
        self.flush().await;
    }

    pub(super) async fn flush(&mut self) {
        let output = self.session.take_output();
        self.write(&output).await;
    }

    /// Sends media to a player.
    pub(super) async fn send(&mut self, media: &Media) {
        let (chunk_stream_id, type_id) = match media {
            Media::Audio { .. } => (chunk::id::AUDIO, MessageType::AUDIO),
            Media::Video { .. } => (chunk::id::VIDEO, MessageType::VIDEO),
            Media::Data { .. } => (chunk::id::AUDIO, MessageType::DATA),
        };
        let header = Header {
            chunk_stream_id,
            timestamp: media.timestamp(),
            type_id,
            stream_id: STREAM_ID,
        };
        let mut bytes = BytesMut::new();
        encode_message(&mut bytes, &header, &[media.payload()], CHUNK_SIZE).unwrap();
        self.write(&bytes).await;
    }

    /// Tells a player of a break.
    pub(super) async fn notify_publish(&mut self, epoch: u32) {
        assert_eq!(self.session.notify_publish(epoch), Ok(true));
        self.flush().await;
    }

    /// Sends a reconnect request.
    pub(super) async fn ask_to_reconnect(&mut self, tc_url: Option<&str>) {
        let mut information = Object::new()
            .with("level", "status")
            .with("code", "NetConnection.Connect.ReconnectRequest")
            .with("description", "maintenance");
        if let Some(tc_url) = tc_url {
            information = information.with("tcUrl", tc_url);
        }
        let command = Command::new("onStatus", 0.0).argument(information);
        let message = command.encode(0);
        let header = Header::of(&message);
        let mut bytes = BytesMut::new();
        encode_message(&mut bytes, &header, &[&message.payload], CHUNK_SIZE).unwrap();
        self.write(&bytes).await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        // The client may have closed.
        drop(self.io.write_all(bytes).await);
        drop(self.io.flush().await);
    }
}

/// A port on loopback that serves one connection after the other, and the address of a stream there.
pub(super) struct Listener {
    tcp: TcpListener,
    pub(super) address: Address,
}

impl Listener {
    pub(super) async fn bind() -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = tcp.local_addr().unwrap().port();
        let address = format!("rtmp://127.0.0.1:{port}/live/{NAME}?sign={SIGNATURE}");
        Self {
            tcp,
            address: address.parse().unwrap(),
        }
    }

    pub(super) async fn accept(&self) -> TcpStream {
        self.tcp.accept().await.unwrap().0
    }

    /// The next client, let in.
    pub(super) async fn admit(&self) -> Peer {
        let mut peer = Peer::new(self.accept().await);
        peer.admit().await;
        peer
    }
}

/// A network in memory, on which applications are the hosts, or hosts are where no application is.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    hosts: Arc<Mutex<HashMap<String, mpsc::UnboundedSender<DuplexStream>>>>,
}

/// The connections to an application; dropped, it refuses them.
pub(super) struct Host {
    connections: mpsc::UnboundedReceiver<DuplexStream>,
    pub(super) address: Address,
}

impl Network {
    pub(super) fn listen(&self, app: &str) -> Host {
        let (sender, connections) = mpsc::unbounded_channel();
        self.hosts.lock().unwrap().insert(app.to_owned(), sender);
        Host {
            connections,
            address: format!("rtmp://host/{app}/{NAME}").parse().unwrap(),
        }
    }

    pub(super) fn connect(&self, address: &Address) -> io::Result<Box<dyn Io>> {
        let (near, far) = duplex(SOCKET_BYTES);
        let hosts = self.hosts.lock().unwrap();
        let host = hosts
            .get(address.app())
            .or_else(|| hosts.get(address.host()));
        let sent = host.map(|host| host.send(far));
        match sent {
            Some(Ok(())) => Ok(Box::new(near)),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    /// A client that knows no other network.
    pub(super) fn client(&self) -> Client {
        Client::default().with(|config| config.network = Some(self.clone()))
    }
}

impl Host {
    /// The next client, not yet asked what it wants.
    pub(super) async fn accept(&mut self) -> Peer {
        Peer::new(self.connect().await)
    }

    /// The next connection.
    pub(super) async fn connect(&mut self) -> DuplexStream {
        self.connections.recv().await.unwrap()
    }

    /// The next client, let in.
    pub(super) async fn admit(&mut self) -> Peer {
        let mut peer = self.accept().await;
        peer.admit().await;
        peer
    }
}

/// What the system takes from each end ahead of the other.
pub(super) const SOCKET_BYTES: usize = 64 * 1024;

/// An address that is never connected to.
pub(super) fn address() -> Address {
    format!("rtmp://localhost/live/{NAME}?sign={SIGNATURE}")
        .parse()
        .unwrap()
}

/// A stream name that must show nowhere.
pub(super) const NAME: &str = "a-stream-key";

/// A credential that must show nowhere.
pub(super) const SIGNATURE: &str = "a-signature";

/// A video frame, a key frame where `key` is set, with `payload`.
pub(super) fn video(track: &Arc<Track>, millis: i64, key: bool, payload: &[u8]) -> MediaFrame {
    let mut frame = audio(track, millis, payload);
    (frame.composition, frame.key) = (Timestamp::from_millis(40), key);
    frame
}

/// An audio frame with `payload`.
pub(super) fn audio(track: &Arc<Track>, millis: i64, payload: &[u8]) -> MediaFrame {
    let at = Timestamp::from_millis(millis);
    MediaFrame::new(track, at, Bytes::copy_from_slice(payload))
}

pub(super) fn video_track() -> Arc<Track> {
    let config = hevc::Config::parse(Bytes::from_static(HEVC_RECORD)).unwrap();
    track(Kind::Video, Codec::Hevc(config))
}

pub(super) fn audio_track() -> Arc<Track> {
    let config = aac::Config::parse(Bytes::from_static(&[0x12, 0x10])).unwrap();
    track(Kind::Audio, Codec::Aac(config))
}

fn track(kind: Kind, codec: Codec) -> Arc<Track> {
    Arc::new(Track::new(kind, codec))
}

pub(super) const METADATA: Bytes = Bytes::from_static(b"\x02\x00\x0aonMetaData\x03\x00\x00\x09");

pub(super) const VIDEO_HEADER: &[u8] = &{
    let mut body = [0; 5 + HEVC_RECORD.len()];
    let (fourcc, record) = body.split_at_mut(5);
    fourcc.copy_from_slice(b"\x90hvc1");
    record.copy_from_slice(HEVC_RECORD);
    body
};

pub(super) const AUDIO_HEADER: &[u8] = b"\xAF\x00\x12\x10";

/// Body of a video message as [`video`] frames become one.
pub(super) fn video_body(key: bool, payload: &[u8]) -> Vec<u8> {
    let head: &[u8] = if key {
        b"\x91hvc1\0\0\x28"
    } else {
        b"\xA1hvc1\0\0\x28"
    };
    [head, payload].concat()
}
