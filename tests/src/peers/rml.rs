//! The client of the crate rml_rtmp, over a socket.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;
use rml_rtmp::{
    handshake::{Handshake, HandshakeProcessResult, PeerType},
    sessions::{
        ClientSession, ClientSessionConfig, ClientSessionEvent, ClientSessionResult,
        PublishRequestType,
    },
    time::RtmpTimestamp,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::collecting::Collecting;
use crate::flv::{self, Tag};

/// Publishes the audio and video of an FLV file in real time; rml_rtmp cannot send metadata as they are.
pub(super) fn publish(file: &Path, url: &str) -> JoinHandle<()> {
    let tags = flv::tags(&fs::read(file).expect("a file to publish"));
    let url = url.to_owned();
    tokio::spawn(async move {
        let mut client = Client::connect(&url).await;
        client.publish().await;
        let started = Instant::now();
        for tag in tags {
            let at = started + Duration::from_millis(tag.timestamp.into());
            client.serve_until(at).await;
            client.send(tag).await;
        }
    })
}

/// Plays an address.
pub(super) fn play(url: &str) -> Collecting {
    let url = url.to_owned();
    Collecting::with(async move |kept| {
        let mut client = Client::connect(&url).await;
        let mut events = client.play().await;
        loop {
            let tags = events.drain(..).filter_map(tag);
            kept.lock().expect("nobody panicked").extend(tags);
            events = client.receive().await;
        }
    })
}

fn tag(event: ClientSessionEvent) -> Option<Tag> {
    let (kind, timestamp, data) = match event {
        ClientSessionEvent::AudioDataReceived { timestamp, data } => (8, timestamp, data),
        ClientSessionEvent::VideoDataReceived { timestamp, data } => (9, timestamp, data),
        _ => return None,
    };
    Some(Tag {
        kind,
        timestamp: timestamp.value,
        body: data.to_vec(),
    })
}

/// A connection with an accepted `connect`.
struct Client {
    socket: TcpStream,
    session: ClientSession,
    name: String,
}

impl Client {
    async fn connect(url: &str) -> Self {
        let rest = url.strip_prefix("rtmp://").expect("an RTMP address");
        let (host, path) = rest.split_once('/').expect("an application");
        let (app, name) = path.split_once('/').expect("a stream");
        let mut socket = TcpStream::connect(host).await.expect("a listener");
        let early = shake(&mut socket, PeerType::Client).await;
        let mut config = ClientSessionConfig::new();
        config.tc_url = Some(format!("rtmp://{host}/{app}"));
        let (session, first) = ClientSession::new(config).expect("a session");
        let mut client = Self {
            socket,
            session,
            name: name.to_owned(),
        };
        client.handle(first).await;
        let answers = client.session.handle_input(&early).expect("messages");
        client.handle(answers).await;
        let request = client.session.request_connection(app.to_owned());
        client.handle(vec![request.expect("a request")]).await;
        client
            .wait_for(&ClientSessionEvent::ConnectionRequestAccepted)
            .await;
        client
    }

    async fn publish(&mut self) {
        let name = self.name.clone();
        let request = self
            .session
            .request_publishing(name, PublishRequestType::Live);
        self.handle(vec![request.expect("a request")]).await;
        self.wait_for(&ClientSessionEvent::PublishRequestAccepted)
            .await;
    }

    async fn play(&mut self) -> Vec<ClientSessionEvent> {
        let request = self.session.request_playback(self.name.clone());
        self.handle(vec![request.expect("a request")]).await;
        self.wait_for(&ClientSessionEvent::PlaybackRequestAccepted)
            .await
    }

    async fn send(&mut self, tag: Tag) {
        let (data, timestamp) = (Bytes::from(tag.body), RtmpTimestamp::new(tag.timestamp));
        let sent = match tag.kind {
            8 => self.session.publish_audio_data(data, timestamp, false),
            9 => self.session.publish_video_data(data, timestamp, false),
            _ => return,
        };
        self.handle(vec![sent.expect("a message")]).await;
    }

    /// Answers what the server sends until an instant.
    async fn serve_until(&mut self, at: Instant) {
        loop {
            let come = tokio::select! {
                () = sleep_until(at) => return,
                come = self.socket.readable() => come,
            };
            come.expect("a connection");
            self.receive().await;
        }
    }

    /// Waits for an event and answers those that came with it.
    async fn wait_for(&mut self, event: &ClientSessionEvent) -> Vec<ClientSessionEvent> {
        loop {
            let events = self.receive().await;
            if events.contains(event) {
                return events;
            }
        }
    }

    /// What the next bytes of the server bring.
    async fn receive(&mut self) -> Vec<ClientSessionEvent> {
        let mut piece = [0; 16 * 1024];
        let length = self.socket.read(&mut piece).await.expect("a connection");
        assert!(length > 0, "the server closed the connection");
        let results = self.session.handle_input(&piece[..length]);
        self.handle(results.expect("messages of the server")).await
    }

    async fn handle(&mut self, results: Vec<ClientSessionResult>) -> Vec<ClientSessionEvent> {
        let mut events = Vec::new();
        for result in results {
            match result {
                ClientSessionResult::OutboundResponse(packet) => {
                    let written = self.socket.write_all(&packet.bytes).await;
                    written.expect("a connection");
                }
                ClientSessionResult::RaisedEvent(event) => events.push(event),
                ClientSessionResult::UnhandleableMessageReceived(_) => {}
            }
        }
        events
    }
}

/// The handshake as one of the peers; answers what the other sent behind it.
pub(super) async fn shake(socket: &mut TcpStream, peer: PeerType) -> Vec<u8> {
    let mut handshake = Handshake::new(peer);
    let first = handshake
        .generate_outbound_p0_and_p1()
        .expect("the first bytes");
    socket.write_all(&first).await.expect("a connection");
    let mut piece = [0; 4096];
    loop {
        let length = socket.read(&mut piece).await.expect("a connection");
        assert!(length > 0, "the peer closed the connection");
        match handshake
            .process_bytes(&piece[..length])
            .expect("a handshake")
        {
            HandshakeProcessResult::InProgress { response_bytes } => {
                socket
                    .write_all(&response_bytes)
                    .await
                    .expect("a connection");
            }
            HandshakeProcessResult::Completed {
                response_bytes,
                remaining_bytes,
            } => {
                socket
                    .write_all(&response_bytes)
                    .await
                    .expect("a connection");
                return remaining_bytes;
            }
        }
    }
}
