//! The client of this workspace against servers that other people wrote: what it publishes to them and plays from them
//! is what it was given. `INTEROP.md` keeps what was seen.

use std::path::PathBuf;

use futures::future::join_all;
use lsv_rtmp::net::{
    Address, Client,
    client::{Played, Playing, Publishing},
};
use lsv_tests::{
    Recording, Server,
    peers::{Addresses, Audio, Clip, PeerServer, Player, Publisher, Video, serve_file},
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

#[tokio::test]
async fn every_server_gets_h264_and_aac_as_they_were_sent() {
    let clip = File::new(&Clip::PLAIN).await;
    let servers = PeerServer::ALL.into_iter().filter(|server| server.there());
    clip.goes_to(&servers.collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn servers_get_enhanced_codecs_as_they_were_sent() {
    if !Publisher::NewFfmpeg.there() {
        return;
    }
    for (video, audio) in [
        (Video::Hevc, Audio::Opus),
        (Video::Av1, Audio::Flac),
        (Video::Vp9, Audio::Ac3),
        (Video::H264, Audio::Mp3),
    ] {
        let (video, audio) = ([video], [audio]);
        let clip = File::new(&Clip {
            video: &video,
            audio: &audio,
        })
        .await;
        clip.goes_to(&[PeerServer::NewFfmpeg, PeerServer::Rml, PeerServer::Scuffle])
            .await;
    }
}

#[tokio::test]
async fn what_another_server_plays_can_be_published_here() {
    let clip = File::new(&Clip::PLAIN).await;
    let from = serve_file(&clip.path).await;
    let server = Server::start(&[]).await;
    let key = server.api().channel("pulled").await;
    let to = server.rtmp(&key);
    let pull = push(address(&from), address(&to));
    let addresses = Addresses {
        rtmp: server.rtmp("pulled"),
        http_flv: server.http("/pulled/live.flv"),
    };
    let got = Player::HttpFlv.record(&addresses, PACKETS).await;
    pull.abort();
    got.assert_part_of(&clip.sent, "rml_rtmp server -> lsv");
    println!("rml_rtmp server -> lsv: {got} packets as sent");
}

/// A clip in a file, and what is in it.
struct File {
    path: PathBuf,
    sent: Recording,
    _folder: TempDir,
}

impl File {
    async fn new(clip: &Clip<'_>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let path = folder.path().join("clip.flv");
        clip.encode(SECONDS, &path).await;
        let sent = Recording::of(&path).await;
        Self {
            path,
            sent,
            _folder: folder,
        }
    }

    /// Publishes it to this server with ffmpeg, plays it with the client of this workspace, and publishes it with that
    /// to other servers, all at once.
    async fn goes_to(&self, servers: &[PeerServer]) {
        let lsv = Server::start(&[]).await;
        let key = lsv.api().channel("source").await;
        let publisher = match Publisher::NewFfmpeg.there() {
            true => Publisher::NewFfmpeg,
            false => Publisher::Ffmpeg,
        };
        let folder = TempDir::new().expect("a temporary folder");
        let remuxed = folder.path().join("sent.flv");
        let source = publisher.publish(&self.path, &remuxed, &lsv.rtmp(&key));
        lsv.logged(&["publishing", "source"]).await;
        let from = lsv.rtmp("source");
        let taken = servers.iter().map(async |server| {
            let listening = server.listen().await;
            let push = push(address(&from), address(&listening.url));
            let got = listening.record(PACKETS).await;
            push.abort();
            got
        });
        let taken = join_all(taken).await;
        source.end().await;
        let sent = Recording::of(&remuxed).await;
        for (server, got) in servers.iter().zip(taken) {
            let label = format!("lsv -> {}", server.name());
            got.assert_part_of(&sent, &label);
            println!("{label}: {got} packets as sent");
        }
    }
}

fn push(from: Address, to: Address) -> JoinHandle<()> {
    tokio::spawn(async move {
        let client = Client::default();
        let playing = client.play(&from).await.expect("it plays");
        let publishing = client.publish(&to).await.expect("it publishes");
        forward(playing, publishing).await;
    })
}

async fn forward(mut playing: Playing, mut publishing: Publishing) {
    while let Some(played) = playing.next().await.expect("a stream") {
        match played {
            Played::Frame(frame) => publishing.send(&frame).await.expect("a server"),
            Played::Metadata(metadata) => {
                publishing.send_metadata(metadata).await.expect("a server");
            }
            _ => {}
        }
    }
}

fn address(url: &str) -> Address {
    url.parse().expect("an RTMP address")
}

/// Longer than any server needs to see enough.
const SECONDS: u32 = 20;
/// Packets that are waited for: two seconds of video.
const PACKETS: usize = 50;
