//! Players that other people wrote, each with each protocol that it knows, for half a minute side by side: every picture
//! is shown in its time, and nobody complains. What a player cannot do is in INTEROP.md.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use lsv_tests::peers::{installed, there};
use lsv_tests::{Picture, Process, Server, Signal, Viewer, eventually, seconds};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

#[tokio::test(flavor = "multi_thread")]
async fn every_player_plays_every_protocol() {
    let server = Server::start(&[]).await;
    let key = server.api().channel("cam").await;
    let picture = Picture {
        rate: RATE,
        gop: RATE,
        preset: "veryfast",
        ..Picture::default()
    };
    let mut publisher = picture.push(&server.rtmp(&key));
    Viewer::open(&server.http("/cam/live.flv"))
        .await
        .goes_on(1)
        .await;
    for file in ["live.m3u8", "master.m3u8", "manifest.mpd"] {
        listed(&server, file).await;
    }
    let pairs = PLAYERS.into_iter().flat_map(|player| {
        let protocols = PROTOCOLS
            .into_iter()
            .filter(move |(protocol, _)| player.knows(protocol));
        protocols.map(move |(protocol, address)| (player, protocol, address))
    });
    let watching =
        pairs
            .filter(|(player, ..)| player.there())
            .map(|(player, protocol, address)| {
                let url = match protocol {
                    "RTMP" => server.rtmp(address),
                    _ => server.http(&format!("/{address}")),
                };
                async move { (player, protocol, player.watch(&url).await) }
            });
    let mut faults = Vec::new();
    for (player, protocol, seen) in join_all(watching).await {
        let label = format!("{player:?}, {protocol}");
        println!(
            "{label}: first picture after {:.1} s, {} pictures, longest pause {:.1} s",
            seen.startup.as_secs_f64(),
            seen.pictures,
            seen.longest_pause.as_secs_f64()
        );
        faults.extend(
            seen.faults(player.pause(protocol))
                .into_iter()
                .map(|fault| format!("{label}: {fault}")),
        );
    }
    assert!(publisher.runs(), "{}", publisher.stderr());
    publisher.signal(Signal::INT);
    publisher.ended().await;
    assert_eq!(faults, [""; 0]);
}

/// Waits until a manifest lists a segment.
async fn listed(server: &Server, file: &str) {
    eventually(file, async || {
        let answer = server.api().read(&format!("/cam/{file}")).await;
        let ready = file != "live.m3u8" || answer.text.matches("#EXTINF").count() >= 3;
        (answer.status.is_success() && ready).then_some(())
    })
    .await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Player {
    Vlc,
    Mpv,
    GStreamer,
}

/// What a player did while it was watched.
#[derive(Debug, Default)]
struct Seen {
    /// From its start to its first picture.
    startup: Duration,
    pictures: u64,
    longest_pause: Duration,
    complaints: Vec<String>,
}

impl Seen {
    fn faults(self, pause: Duration) -> Vec<String> {
        let mut faults = self.complaints;
        let enough = (seconds(TIME) - 2 - pause.as_secs()) * u64::from(RATE);
        if self.pictures < enough {
            faults.push(format!("{} pictures instead of {enough}", self.pictures));
        }
        if self.longest_pause > pause {
            faults.push(format!("it stood still for {:?}", self.longest_pause));
        }
        faults
    }
}

impl Player {
    fn there(self) -> bool {
        let (name, program) = match self {
            Self::Vlc => ("VLC", "cvlc"),
            Self::Mpv => ("mpv", "mpv"),
            Self::GStreamer => ("GStreamer", "gst-launch-1.0"),
        };
        there(name, installed(program))
    }

    /// The DASH demultiplexers of GStreamer 1.22 look for the live edge of a segment timeline twice as far as it is.
    fn knows(self, protocol: &str) -> bool {
        (self, protocol) != (Self::GStreamer, "DASH")
    }

    /// The longest that it may stand still. VLC buffers DASH again when it has shown the first pictures: it asks for the
    /// segment that grows, which comes no faster than it is made.
    fn pause(self, protocol: &str) -> Duration {
        match (self, protocol) {
            (Self::Vlc, "DASH") => Duration::from_secs(8),
            _ => Duration::from_millis(1_500),
        }
    }

    /// Plays for as long as it takes from the first picture on, then ends the player.
    async fn watch(self, url: &str) -> Seen {
        let folder = TempDir::new().expect("a temporary folder");
        let mut playing = self.play(url, &folder);
        let (mut seen, started) = (Seen::default(), Instant::now());
        let mut moved: Option<(Instant, Instant)> = None;
        loop {
            sleep(LOOK).await;
            let shown = playing.shown().await;
            let now = Instant::now();
            let news = shown > seen.pictures;
            seen.pictures = seen.pictures.max(shown);
            match &mut moved {
                None if news => {
                    seen.startup = now - started;
                    moved = Some((now, now));
                }
                Some((_, last)) => {
                    seen.longest_pause = seen.longest_pause.max(now - *last);
                    *last = if news { now } else { *last };
                }
                None => {}
            }
            let since = moved.map_or(started, |(first, _)| first);
            let patience = if moved.is_some() { 0 } else { STARTUP };
            if !playing.process.runs()
                || now - since >= Duration::from_secs(seconds(TIME) + patience)
            {
                break;
            }
        }
        if !playing.process.runs() {
            seen.complaints.push("it ended by itself".to_owned());
        }
        playing.process.signal(Signal::INT);
        if timeout(Duration::from_secs(10), playing.process.ended())
            .await
            .is_err()
        {
            playing.process.signal(Signal::KILL);
        }
        seen.complaints.extend(playing.complaints());
        seen
    }

    fn play(self, url: &str, folder: &TempDir) -> Playing {
        let socket = folder.path().join("control");
        let mut command = match self {
            Self::Vlc => vlc(folder, &socket),
            Self::Mpv => {
                let mut command = Command::new("mpv");
                command.args([
                    "--no-config",
                    "--vo=null",
                    "--ao=null",
                    "--msg-level=all=error,statusline=status",
                ]);
                command.arg("--term-status-msg=SHOWN ${=estimated-frame-number}");
                command
            }
            Self::GStreamer => {
                let mut command = Command::new("gst-launch-1.0");
                command.args(["-v", "playbin3"]);
                command.arg(
                    "video-sink=fpsdisplaysink video-sink=fakesink text-overlay=false sync=true",
                );
                command.arg("audio-sink=fakesink sync=true");
                command
            }
        };
        match self {
            Self::GStreamer => command.arg(format!("uri={url}")),
            _ => command.arg(url),
        };
        Playing {
            player: self,
            process: Process::run(command),
            socket,
        }
    }
}

/// VLC does not run as root; there it runs as nobody.
fn vlc(folder: &TempDir, socket: &std::path::Path) -> Command {
    let root = rustix::process::geteuid().is_root();
    let mut command = Command::new(if root { "setpriv" } else { "cvlc" });
    if root {
        let everybody = Permissions::from_mode(0o777);
        fs::set_permissions(folder.path(), everybody).expect("the owner of the folder");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "cvlc"]);
    }
    command.args([
        "--intf=oldrc",
        "--rc-fake-tty",
        "--vout=dummy",
        "--aout=dummy",
        "--quiet",
    ]);
    command.arg(format!("--rc-unix={}", socket.display()));
    command
        .env("HOME", folder.path())
        .env_remove("XDG_RUNTIME_DIR");
    command
}

struct Playing {
    player: Player,
    process: Process,
    socket: PathBuf,
}

impl Playing {
    /// Pictures that it has shown so far.
    async fn shown(&self) -> u64 {
        match self.player {
            Player::Mpv => {
                let said = self.process.stdout() + &self.process.stderr();
                last_number(&said, "SHOWN ")
            }
            Player::GStreamer => last_number(&self.process.stdout(), "rendered: "),
            Player::Vlc => {
                let asked = timeout(Duration::from_secs(2), ask(&self.socket, "stats"));
                let said = asked.await.ok().flatten().unwrap_or_default();
                last_number(&said, "frames displayed :")
            }
        }
    }

    /// What it says besides how far it is.
    fn complaints(&self) -> Vec<String> {
        let said = self.process.stdout() + &self.process.stderr();
        let lines = said.split(['\n', '\r']).map(str::trim);
        let complains = |line: &&str| match self.player {
            Player::Mpv => line.starts_with('[') && !line.contains("SHOWN "),
            Player::GStreamer => line.starts_with("ERROR") || line.starts_with("WARNING"),
            Player::Vlc => line.contains("error:"),
        };
        lines.filter(complains).map(str::to_owned).collect()
    }
}

/// Asks VLC on its control socket.
async fn ask(socket: &std::path::Path, question: &str) -> Option<String> {
    let mut control = UnixStream::connect(socket).await.ok()?;
    control
        .write_all(format!("{question}\n").as_bytes())
        .await
        .ok()?;
    let mut said = String::new();
    let mut piece = [0; 4096];
    while !said.contains("end of statistical info") {
        let length = control
            .read(&mut piece)
            .await
            .ok()
            .filter(|length| *length > 0)?;
        said.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    Some(said)
}

/// The number behind the last `label`.
fn last_number(text: &str, label: &str) -> u64 {
    let last = text.rsplit(label).find(|rest| rest.len() < text.len());
    let digits = last.map(str::trim_start).unwrap_or_default();
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}

const PLAYERS: [Player; 3] = [Player::Vlc, Player::Mpv, Player::GStreamer];

const PROTOCOLS: [(&str, &str); 5] = [
    ("RTMP", "cam"),
    ("HTTP-FLV", "cam/live.flv"),
    ("HLS", "cam/live.m3u8"),
    ("CMAF as HLS", "cam/master.m3u8"),
    ("DASH", "cam/manifest.mpd"),
];

/// Pictures a second.
const RATE: u32 = 25;

/// Seconds that each player is watched.
const TIME: u64 = 30;

/// Seconds that a player may take to its first picture.
const STARTUP: u64 = 20;

const LOOK: Duration = Duration::from_millis(200);
