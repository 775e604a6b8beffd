//! Clients that other people wrote against the real server: each publishes, each plays, and every packet arrives as it
//! was sent. `INTEROP.md` keeps what was seen.

use std::path::PathBuf;

use futures::future::join_all;
use lsv_tests::{
    Recording, Server, Viewer, eventually, flv,
    peers::{Addresses, Audio, Clip, Obs, Player, Publisher, Video},
};
use tempfile::TempDir;

#[tokio::test]
async fn every_client_plays_what_every_client_publishes() {
    let server = Server::start(&[]).await;
    let clip = Encoded::new(&Clip::PLAIN).await;
    for publisher in Publisher::ALL {
        if publisher.there() {
            let players = Player::ALL.into_iter().filter(|player| player.there());
            clip.travels(&server, publisher, &players.collect::<Vec<_>>())
                .await;
        }
    }
}

#[tokio::test]
async fn hevc_and_opus_arrive_as_they_were_sent() {
    travels_enhanced(Video::Hevc, Audio::Opus).await;
}

#[tokio::test]
async fn av1_and_flac_arrive_as_they_were_sent() {
    travels_enhanced(Video::Av1, Audio::Flac).await;
}

#[tokio::test]
async fn vp9_and_ac3_arrive_as_they_were_sent() {
    travels_enhanced(Video::Vp9, Audio::Ac3).await;
}

#[tokio::test]
async fn h264_and_eac3_arrive_as_they_were_sent() {
    travels_enhanced(Video::H264, Audio::Eac3).await;
}

#[tokio::test]
async fn av1_and_opus_arrive_as_they_were_sent() {
    travels_enhanced(Video::Av1, Audio::Opus).await;
}

#[tokio::test]
async fn hevc_and_aac_arrive_as_they_were_sent() {
    travels_enhanced(Video::Hevc, Audio::Aac).await;
}

#[tokio::test]
async fn vp9_and_mp3_arrive_as_they_were_sent() {
    travels_enhanced(Video::Vp9, Audio::Mp3).await;
}

#[tokio::test]
async fn sound_in_six_channels_arrives_as_it_was_sent() {
    travels_enhanced(Video::H264, Audio::OpusSurround).await;
    travels_enhanced(Video::Hevc, Audio::AacSurround).await;
}

#[tokio::test]
async fn tracks_of_one_codec_arrive_as_they_were_sent() {
    many_tracks_travel(Clip {
        video: &[Video::H264, Video::H264],
        audio: &[Audio::Aac, Audio::Aac, Audio::Aac],
    })
    .await;
}

#[tokio::test]
async fn tracks_of_many_codecs_arrive_as_they_were_sent() {
    many_tracks_travel(Clip {
        video: &[Video::Hevc, Video::Av1, Video::Vp9],
        audio: &[Audio::Opus, Audio::Flac],
    })
    .await;
}

/// All tracks for a player that says it knows them, the first of each kind for the others.
async fn many_tracks_travel(clip: Clip<'_>) {
    if !Publisher::NewFfmpeg.there() {
        return;
    }
    let server = Server::start(&[]).await;
    let clip = Encoded::new(&clip).await;
    let players: Vec<Player> = [Player::Announcing]
        .into_iter()
        .chain(Player::CODEC_BLIND)
        .filter(|player| player.there())
        .collect();
    for publisher in [Publisher::NewFfmpeg, Publisher::Rml] {
        clip.travels(&server, publisher, &players).await;
    }
}

/// One track of each, by every client that speaks Enhanced RTMP or does not look at what it carries.
async fn travels_enhanced(video: Video, audio: Audio) {
    if !Publisher::NewFfmpeg.there() {
        return;
    }
    let server = Server::start(&[]).await;
    let (video, audio) = ([video], [audio]);
    let clip = Encoded::new(&Clip {
        video: &video,
        audio: &audio,
    })
    .await;
    let players = Player::CODEC_BLIND
        .into_iter()
        .filter(|player| player.there());
    let players: Vec<Player> = players.collect();
    for publisher in [Publisher::NewFfmpeg, Publisher::Rml] {
        clip.travels(&server, publisher, &players).await;
    }
}

#[tokio::test]
async fn obs_streams_what_it_records() {
    if !Obs::there() {
        return;
    }
    let server = Server::start(&[]).await;
    let folder = TempDir::new().expect("a temporary folder");
    let clip = folder.path().join("clip.flv");
    Clip::PLAIN.encode(SECONDS, &clip).await;
    let key = server.api().channel("obs").await;
    let address = server.rtmp(&key);
    let (tc_url, key) = address.rsplit_once('/').unwrap();
    let mut obs = Obs::stream(&clip, tc_url, key).await;
    online(&server, "obs").await;
    let addresses = addresses(&server, "obs");
    // OBS adds to the first frame of each of its outputs, and these may begin with different frames: key frames later, all
    // that players get is in both.
    obs.records().await;
    let viewer = Viewer::open(&addresses.http_flv).await;
    eventually("three key frames", async || {
        let tags = flv::tags(&viewer.got().body);
        let keys = tags.iter().filter(|tag| tag.body.starts_with(&[0x17, 1]));
        (keys.count() >= 3).then_some(())
    })
    .await;
    let players = Player::ALL.into_iter().filter(|player| player.there());
    let watched =
        join_all(players.map(async |player| (player, player.record(&addresses, PACKETS).await)));
    let watched = watched.await;
    obs.assert_runs();
    let recorded = folder.path().join("recorded.flv");
    obs.end(&recorded).await;
    let sent = Recording::of(&recorded).await;
    for (player, got) in watched {
        let label = format!("OBS -> {}", player.name());
        let shifts = got.assert_part_of(&sent, &label);
        // Its file and its stream begin with different packets of audio, and each begins at zero.
        assert_in_step(&shifts, 22, &label);
        println!("{label}: {got} packets as sent");
    }
}

/// A clip in a file, and what is in it.
struct Encoded {
    file: PathBuf,
    sent: Recording,
    _folder: TempDir,
}

impl Encoded {
    async fn new(clip: &Clip<'_>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("clip.flv");
        clip.encode(SECONDS, &file).await;
        let sent = Recording::of(&file).await;
        Self {
            file,
            sent,
            _folder: folder,
        }
    }

    /// Publishes it with one client and plays it with others, all at once.
    async fn travels(&self, server: &Server, publisher: Publisher, players: &[Player]) {
        let id = format!("{publisher:?}-{}", self.sent.codecs().join("-"));
        let key = server.api().channel(&id).await;
        let folder = TempDir::new().expect("a temporary folder");
        let remuxed = folder.path().join("sent.flv");
        let mut publishing = publisher.publish(&self.file, &remuxed, &server.rtmp(&key));
        online(server, &id).await;
        let addresses = addresses(server, &id);
        let recordings = players.iter().map(|player| {
            // The tracks of a kind are counted together.
            let tracks = match player {
                Player::Announcing => self.sent.streams.len() - 1,
                _ => 1,
            };
            player.record(&addresses, PACKETS * tracks)
        });
        let recordings = join_all(recordings).await;
        publishing.assert_runs();
        publishing.end().await;
        let sent = match remuxed.exists() {
            true => Recording::of(&remuxed).await,
            false => self.sent.clone(),
        };
        for (player, got) in players.iter().zip(&recordings) {
            let label = format!("{} -> {}", publisher.name(), player.name());
            let wanted = match player {
                Player::Announcing => sent.clone(),
                _ => sent.first_tracks(),
            };
            let shifts = got.assert_part_of(&wanted, &label);
            assert_in_step(&shifts, 1, &label);
            assert!(got.shortest() >= PACKETS - 2, "{label}: {got}");
            println!("{label}: {got} packets as sent");
        }
    }
}

/// Asserts that what belongs together stays together, but for some milliseconds.
fn assert_in_step(shifts: &[i64], most: i64, label: &str) {
    let spread = shifts.iter().max().zip(shifts.iter().min());
    let spread = spread.map_or(0, |(latest, earliest)| latest - earliest);
    assert!(spread <= most, "{label}: shifted by {shifts:?} ms");
}

fn addresses(server: &Server, id: &str) -> Addresses {
    Addresses {
        rtmp: server.rtmp(id),
        http_flv: server.http(&format!("/{id}/live.flv")),
    }
}

async fn online(server: &Server, id: &str) {
    let api = server.api();
    eventually(&format!("{id} is live"), async || {
        let online = api.read("/videostream/online").await;
        online.text.contains(id).then_some(())
    })
    .await;
}

/// Longer than the slowest player needs to come and see enough.
const SECONDS: u32 = 30;
/// Packets that a player waits for: three seconds of video.
const PACKETS: usize = 75;
