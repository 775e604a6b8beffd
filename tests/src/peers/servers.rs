//! Servers that other people wrote, for what publishes to them and plays from them.

use std::{
    fs,
    net::TcpListener as StdListener,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use rml_rtmp::{
    handshake::PeerType,
    sessions::{ServerSession, ServerSessionConfig, ServerSessionEvent, ServerSessionResult},
    time::RtmpTimestamp,
};
use scuffle_rtmp::session::server::{
    ServerSession as ScuffleSession, ServerSessionError, SessionData, SessionHandler,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until},
};

use super::{
    collecting::{Collecting, Kept},
    installed, new_ffmpeg,
    rml::shake,
    there,
};
use crate::{
    Process, Recording, eventually,
    flv::{self, Tag},
    recording::RECORDED,
};

/// A server that takes a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerServer {
    /// The system's ffmpeg with `-listen 1`.
    Ffmpeg,
    /// An ffmpeg that speaks Enhanced RTMP with `-listen 1`.
    NewFfmpeg,
    /// The crate rml_rtmp.
    Rml,
    /// The crate scuffle-rtmp.
    Scuffle,
}

/// A server that waits for a publisher, or has one; ends when dropped.
#[derive(Debug)]
pub struct Listening {
    /// Where to publish to.
    pub url: String,
    got: Got,
    folder: TempDir,
}

#[derive(Debug)]
enum Got {
    Hashes {
        file: PathBuf,
        _process: Box<Process>,
    },
    Tags(Collecting),
}

impl PeerServer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ffmpeg, Self::NewFfmpeg, Self::Rml, Self::Scuffle];

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ffmpeg => "ffmpeg -listen 1",
            Self::NewFfmpeg => "new ffmpeg -listen 1",
            Self::Rml => "rml_rtmp server",
            Self::Scuffle => "scuffle-rtmp server",
        }
    }

    /// Whether it is installed; see [`there`].
    #[must_use]
    pub fn there(self) -> bool {
        let found = match self {
            Self::Ffmpeg => installed("ffmpeg"),
            Self::NewFfmpeg => new_ffmpeg().is_some(),
            Self::Rml | Self::Scuffle => true,
        };
        there(self.name(), found)
    }

    /// Waits for one publisher.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn listen(self) -> Listening {
        let folder = TempDir::new().expect("a temporary folder");
        let path = folder.path().join("got");
        let (port, got) = match self {
            Self::Ffmpeg => ffmpeg(Path::new("ffmpeg"), &path).await,
            Self::NewFfmpeg => {
                let program = new_ffmpeg().expect("an ffmpeg that speaks Enhanced RTMP");
                ffmpeg(program, &path).await
            }
            Self::Rml => in_process(rml).await,
            Self::Scuffle => in_process(scuffle).await,
        };
        Listening {
            url: format!("rtmp://127.0.0.1:{port}/live/key"),
            got,
            folder,
        }
    }
}

impl Listening {
    /// Waits until `packets` packets of video and as many of audio have come, and answers them.
    ///
    /// # Panics
    /// If they do not come.
    pub async fn record(&self, packets: usize) -> Recording {
        eventually(&format!("{packets} packets at {}", self.url), async || {
            (self.packets() >= packets).then_some(())
        })
        .await;
        match &self.got {
            Got::Hashes { file, .. } => {
                Recording::read(&fs::read_to_string(file).expect("ffmpeg wrote the hashes"))
            }
            Got::Tags(collecting) => {
                let file = self.folder.path().join("got.flv");
                fs::write(&file, flv::file(&collecting.tags())).expect("a file to write");
                Recording::of(&file).await
            }
        }
    }

    fn packets(&self) -> usize {
        match &self.got {
            Got::Hashes { file, .. } => {
                Recording::read(&fs::read_to_string(file).unwrap_or_default()).shortest()
            }
            Got::Tags(collecting) => flv::packets(&collecting.tags()),
        }
    }
}

/// Sends the tags of a file in real time to whoever plays from it; rml_rtmp's server. Answers the address.
///
/// # Panics
/// If it cannot listen.
pub async fn serve_file(file: &Path) -> String {
    let tags = flv::tags(&fs::read(file).expect("a file to play"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a player");
        let mut server = Rml::accept(socket).await;
        let stream = loop {
            let mut events = server.receive().await.expect("a player").into_iter();
            let played = events.find_map(|event| match event {
                ServerSessionEvent::PlayStreamRequested { stream_id, .. } => Some(stream_id),
                _ => None,
            });
            if let Some(stream) = played {
                break stream;
            }
        };
        let started = Instant::now();
        for tag in tags {
            sleep_until(started + Duration::from_millis(tag.timestamp.into())).await;
            if server.send(stream, tag).await.is_none() {
                return;
            }
        }
    });
    format!("rtmp://{address}/live/key")
}

async fn ffmpeg(program: &Path, file: &Path) -> (u16, Got) {
    let port = StdListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let url = format!("rtmp://127.0.0.1:{port}/live/key");
    let mut line = vec!["-hide_banner", "-nostdin", "-loglevel", "warning", "-y"];
    line.extend(["-listen", "1", "-i", &url]);
    line.extend(RECORDED);
    line.push(file.to_str().expect("a path in UTF-8"));
    let mut process = Process::start(program, line);
    eventually("ffmpeg listens", async || {
        assert!(process.runs(), "{}", process.stderr());
        listens(port).then_some(())
    })
    .await;
    let got = Got::Hashes {
        file: file.to_owned(),
        _process: Box::new(process),
    };
    (port, got)
}

/// Whether somebody listens on a port of this machine, without connecting: ffmpeg takes one connection only.
fn listens(port: u16) -> bool {
    let sockets = fs::read_to_string("/proc/net/tcp").expect("Linux");
    let local = format!(":{port:04X} 00000000:0000 0A");
    sockets.contains(&local)
}

async fn in_process<F>(session: impl FnOnce(TcpStream, Kept) -> F + Send + 'static) -> (u16, Got)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let collecting = Collecting::with(async move |kept| {
        let (socket, _) = listener.accept().await.expect("a publisher");
        session(socket, kept).await;
    });
    (port, Got::Tags(collecting))
}

async fn rml(socket: TcpStream, kept: Kept) {
    let mut server = Rml::accept(socket).await;
    while let Some(events) = server.receive().await {
        let tags = events.into_iter().filter_map(|event| match event {
            ServerSessionEvent::AudioDataReceived {
                data, timestamp, ..
            } => Some((8, timestamp, data)),
            ServerSessionEvent::VideoDataReceived {
                data, timestamp, ..
            } => Some((9, timestamp, data)),
            _ => None,
        });
        let tags = tags.map(|(kind, timestamp, data)| tag(kind, timestamp.value, &data));
        kept.lock().expect("nobody panicked").extend(tags);
    }
}

fn tag(kind: u8, timestamp: u32, data: &Bytes) -> Tag {
    Tag {
        kind,
        timestamp,
        body: data.to_vec(),
    }
}

/// A session of rml_rtmp that accepts whatever is asked.
struct Rml {
    socket: TcpStream,
    session: ServerSession,
}

impl Rml {
    async fn accept(mut socket: TcpStream) -> Self {
        let early = shake(&mut socket, PeerType::Server).await;
        let (session, first) = ServerSession::new(ServerSessionConfig::new()).expect("a session");
        let mut server = Self { socket, session };
        server.handle(first).await.expect("a client");
        let answers = server.session.handle_input(&early).expect("messages");
        server.handle(answers).await.expect("a client");
        server
    }

    /// What the next bytes of the client bring; none when it has left.
    async fn receive(&mut self) -> Option<Vec<ServerSessionEvent>> {
        let mut piece = [0; 16 * 1024];
        let length = self
            .socket
            .read(&mut piece)
            .await
            .ok()
            .filter(|&length| length > 0)?;
        let results = self.session.handle_input(&piece[..length]);
        self.handle(results.expect("messages of the client")).await
    }

    async fn send(&mut self, stream: u32, tag: Tag) -> Option<()> {
        let (data, timestamp) = (Bytes::from(tag.body), RtmpTimestamp::new(tag.timestamp));
        let packet = match tag.kind {
            8 => self.session.send_audio_data(stream, data, timestamp, false),
            9 => self.session.send_video_data(stream, data, timestamp, false),
            _ => return Some(()),
        };
        self.socket
            .write_all(&packet.expect("a message").bytes)
            .await
            .ok()
    }

    async fn handle(
        &mut self,
        results: Vec<ServerSessionResult>,
    ) -> Option<Vec<ServerSessionEvent>> {
        let mut events = Vec::new();
        let mut results = std::collections::VecDeque::from(results);
        while let Some(result) = results.pop_front() {
            match result {
                ServerSessionResult::OutboundResponse(packet) => {
                    self.socket.write_all(&packet.bytes).await.ok()?;
                }
                ServerSessionResult::RaisedEvent(event) => {
                    if let ServerSessionEvent::ConnectionRequested { request_id, .. }
                    | ServerSessionEvent::ReleaseStreamRequested { request_id, .. }
                    | ServerSessionEvent::PublishStreamRequested { request_id, .. }
                    | ServerSessionEvent::PlayStreamRequested { request_id, .. } = &event
                    {
                        let answers = self.session.accept_request(*request_id);
                        results.extend(answers.expect("a request to accept"));
                    }
                    events.push(event);
                }
                ServerSessionResult::UnhandleableMessageReceived(_) => {}
            }
        }
        Some(events)
    }
}

async fn scuffle(socket: TcpStream, kept: Kept) {
    // It ends with an error where the publisher just closes.
    let end = ScuffleSession::new(socket, Keeper(kept)).run().await;
    if let Err(error) = end {
        println!("scuffle-rtmp: {error}");
    }
}

struct Keeper(Kept);

impl SessionHandler for Keeper {
    async fn on_publish(
        &mut self,
        _: u32,
        app: &str,
        name: &str,
    ) -> Result<(), ServerSessionError> {
        assert_eq!((app, name), ("live", "key"));
        Ok(())
    }

    async fn on_unpublish(&mut self, _: u32) -> Result<(), ServerSessionError> {
        Ok(())
    }

    async fn on_data(&mut self, _: u32, data: SessionData) -> Result<(), ServerSessionError> {
        let tag = match data {
            SessionData::Audio { timestamp, data } => tag(8, timestamp, &data),
            SessionData::Video { timestamp, data } => tag(9, timestamp, &data),
            SessionData::Amf0 { .. } => return Ok(()),
        };
        self.0.lock().expect("nobody panicked").push(tag);
        Ok(())
    }
}
