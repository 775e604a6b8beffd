//! Media that lie: each row of a table is published to a real server on a channel of its own, beside a good channel that
//! must not notice. The server either turns the publisher away or goes on; what it serves stays sane meanwhile, and a
//! good stream on the same channel plays afterwards.

use std::{
    collections::HashSet,
    fmt::Display,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures::{StreamExt as _, future::join_all, stream};
use lsv_rtmp::{
    net::{Client, client::Publishing},
    session::Media,
};
use lsv_tests::{Api, PATIENCE, Server, Viewer, eventually, flv, hls, mpd};
use tokio::time::{Instant, sleep, timeout};

use self::rows::{Expected, Row, good_headers, good_pictures, rows};

mod rows;

#[tokio::test(flavor = "multi_thread")]
async fn media_that_lie_hurt_nobody_and_playlists_stay_sane() {
    let server = Server::start(&[]).await;
    let calm_key = server.api().channel("calm").await;
    let number = AtomicU64::new(0);
    let calm = keep_publishing(&server, &calm_key, &number);
    let hostility = async {
        let viewer = Viewer::open(&server.http("/calm/live.flv")).await;
        viewer.goes_on(1).await;
        let faults = all_rows(&server).await;
        let sent = number.load(Ordering::Relaxed);
        eventually("the calm viewer has all that was sent", async || {
            let last = numbers(&viewer.got().body).last().copied()?;
            (last >= sent).then_some(())
        })
        .await;
        assert!(viewer.got().ended.is_none());
        (faults, numbers(&viewer.got().body))
    };
    let (faults, seen) = tokio::select! {
        () = calm => unreachable!("it publishes for ever"),
        outcome = hostility => outcome,
    };
    let resident = server.resident_bytes() >> 20;
    println!("{} calm pictures, {resident} MiB resident", seen.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let gap = seen.windows(2).find(|pair| pair[0] + 1 != pair[1]);
    assert!(gap.is_none(), "the calm viewer missed pictures: {gap:?}");
    assert!(resident < MOST_RESIDENT_MIB, "{resident} MiB");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Plays all rows, a few at a time, and answers what was wrong.
async fn all_rows(server: &Server) -> Vec<String> {
    let rows = rows();
    let all = stream::iter(rows.into_iter().enumerate()).map(async |(index, row)| {
        let begun = Instant::now();
        let name = row.name;
        let faults = Channel::open(server, index).await.suffers(row).await;
        println!("{:>5} ms  {name}", begun.elapsed().as_millis());
        stream::iter(
            faults
                .into_iter()
                .map(move |fault| format!("{name}: {fault}")),
        )
    });
    all.buffer_unordered(AT_ONCE).flatten().collect().await
}

/// A channel with all outputs on, and those who follow its manifests.
struct Channel {
    rtmp: String,
    http: String,
    manifests: Vec<Manifest>,
}

/// A manifest as a player sees it, version after version.
struct Manifest {
    server: Api,
    path: String,
    text: String,
    /// The first segment of the last version.
    sequence: u64,
    faults: HashSet<String>,
}

impl Channel {
    async fn open(server: &Server, index: usize) -> Self {
        let id = format!("bad-{index}");
        let key = server.api().channel(&id).await;
        let anybody = server.api().with_token(None);
        let manifest = |name| Manifest::new(anybody.clone(), format!("/{id}/{name}"));
        Self {
            rtmp: server.rtmp(&key),
            http: server.http(&format!("/{id}")),
            manifests: MANIFESTS.map(manifest).into(),
        }
    }

    /// Plays a row and answers what was wrong.
    async fn suffers(mut self, row: Row) -> Vec<String> {
        let mut manifests = std::mem::take(&mut self.manifests);
        let watching = join_all(manifests.iter_mut().map(Manifest::follow));
        let mut faults = tokio::select! {
            _ = watching => unreachable!("they follow for ever"),
            faults = self.takes(row) => faults,
        };
        for manifest in &mut manifests {
            manifest.look().await;
            faults.extend(manifest.faults.drain().take(4));
        }
        faults
    }

    async fn takes(&self, row: Row) -> Vec<String> {
        let mut faults = Vec::new();
        for (index, media) in row.publications.into_iter().enumerate() {
            let outcome = self.publish(&media, row.expected).await;
            match (row.expected, outcome) {
                (Expected::Refused, Ok(())) => faults.push(format!("publication {index} is taken")),
                (Expected::Taken, Err(error)) => {
                    faults.push(format!("publication {index}: {error}"))
                }
                _ => {}
            }
        }
        let mut good = self.publisher().await;
        match self.plays(&mut good, 0, b"AFTER").await {
            Ok(()) => drop(good.finish().await),
            Err(error) => faults.push(format!("the good stream afterwards: {error}")),
        }
        faults
    }

    /// Publishes `media` and, where it is to be taken, a good stream behind it that must play.
    async fn publish(&self, media: &[Media], expected: Expected) -> Result<(), String> {
        let mut publishing = self.publisher().await;
        for media in media {
            let sent = publishing.send_media(media).await;
            sent.map_err(|error| error.to_string())?;
        }
        if expected == Expected::Refused {
            return turned_away(&mut publishing).await;
        }
        let from = media.last().map_or(0, Media::timestamp);
        self.plays(&mut publishing, from, b"SAME").await?;
        let finished = timeout(PATIENCE, publishing.finish()).await;
        let finished = finished.map_err(|_| "the server says nothing".to_owned())?;
        finished.map_err(|error| error.to_string())
    }

    /// A publisher that the server lets in: the one before may be on its way out.
    async fn publisher(&self) -> Publishing {
        let address = self.rtmp.parse().expect("an address");
        eventually("the server lets a publisher in", async || {
            Client::default().publish(&address).await.ok()
        })
        .await
    }

    /// Publishes a good stream from a time on until HTTP-FLV and CMAF show its pictures, which have `mark` in them.
    async fn plays(&self, good: &mut Publishing, from: u32, mark: &[u8]) -> Result<(), String> {
        let mut viewer = None;
        let begun = Instant::now();
        let (mut at, mut number) = (from.wrapping_add(STEP), 0);
        let mut seen = (false, false);
        for header in good_headers(at) {
            sent(good, &header).await?;
        }
        while seen != (true, true) {
            if begun.elapsed() > PATIENCE {
                return Err(format!("FLV and CMAF show it: {seen:?}"));
            }
            for _ in 0..PICTURES_AT_ONCE {
                for media in good_pictures(at, number, mark) {
                    sent(good, &media).await?;
                }
                (at, number) = (at.wrapping_add(STEP), number + 1);
            }
            if viewer.is_none() {
                let opened = reqwest::get(format!("{}/live.flv", self.http)).await;
                viewer = opened
                    .ok()
                    .filter(|answer| answer.status().is_success())
                    .map(|answer| Viewer::reading(answer, Instant::now(), true));
            }
            let body = viewer.as_ref().map(|viewer| viewer.got().body);
            seen.0 |= body.is_some_and(|body| contains(&body, mark));
            seen.1 = seen.1 || contains(&self.newest_segment().await, mark);
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// The newest video segment of CMAF, or nothing while there is none.
    async fn newest_segment(&self) -> Vec<u8> {
        let read = async || {
            let folder = format!("{}/cmaf", self.http);
            let playlist = reqwest::get(format!("{folder}/video.m3u8")).await.ok()?;
            let playlist = playlist.text().await.ok()?;
            let mut lines = playlist.lines();
            let name = lines.rfind(|line| !line.is_empty() && !line.starts_with('#'))?;
            let segment = reqwest::get(format!("{folder}/{name}")).await.ok()?;
            segment.bytes().await.ok()
        };
        // A playlist that is not there yet is waited for, while the publisher has to go on.
        let segment = timeout(Duration::from_secs(1), read()).await;
        segment.ok().flatten().unwrap_or_default().to_vec()
    }
}

impl Manifest {
    fn new(server: Api, path: String) -> Self {
        Self {
            server,
            path,
            text: String::new(),
            sequence: 0,
            faults: HashSet::new(),
        }
    }

    async fn follow(&mut self) {
        loop {
            self.look().await;
            sleep(PAUSE).await;
        }
    }

    /// Asks once; what is served has to be sane, and all else a problem document.
    async fn look(&mut self) {
        let answer = self.server.read(&self.path).await;
        match answer.status.as_u16() {
            200 if answer.text == self.text => {}
            200 => self.read(answer.text).await,
            status @ (404 | 503) => drop(answer.refused(status)),
            status => self.complain(format!("status {status}")),
        }
    }

    /// Judges one version by itself: streams end here and others begin.
    async fn read(&mut self, text: String) {
        let (parsed, named) = match self.path.rsplit_once('/') {
            Some((_, "manifest.mpd")) => (says(dash_mpd_core::parse(&text)), self.judge_mpd(&text)),
            Some((_, "master.m3u8")) => (
                says(m3u8_rs::parse_master_playlist_res(text.as_bytes())),
                Vec::new(),
            ),
            _ => (
                says(m3u8_rs::parse_media_playlist_res(text.as_bytes())),
                self.judge_playlist(&text),
            ),
        };
        if let Some(error) = parsed {
            self.complain(format!("{error} in {text}"));
        }
        if let Some(newest) = named.last() {
            let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let status = self.server.status(&format!("{folder}/{newest}")).await;
            // What left the window since is gone.
            if !matches!(status.as_u16(), 200 | 404) {
                self.complain(format!("{newest}: status {status}"));
            }
        }
        self.text = text;
    }

    fn judge_mpd(&mut self, text: &str) -> Vec<String> {
        let mut judge = mpd::Judge::default();
        let named = judge.see(text);
        self.faults.extend(judge.complaints().iter().cloned());
        named
    }

    fn judge_playlist(&mut self, text: &str) -> Vec<String> {
        let mut judge = hls::Judge::new(&self.path);
        let named = judge.see(text);
        // Parts are cut while nobody knows yet how long the next frame will claim to be.
        let complaints = judge
            .complaints()
            .iter()
            .filter(|fault| !fault.contains(": part "));
        self.faults.extend(complaints.cloned());
        let sequence = judge.last().map_or(0, |last| last.media_sequence);
        if sequence < self.sequence {
            self.complain(format!(
                "EXT-X-MEDIA-SEQUENCE went from {} to {sequence}",
                self.sequence
            ));
        }
        self.sequence = sequence;
        named
    }

    fn complain(&mut self, fault: String) {
        self.faults.insert(format!("{}: {fault}", self.path));
    }
}

/// What a parser has against a text.
fn says<T, E: Display>(parsed: Result<T, E>) -> Option<String> {
    parsed.err().map(|error| error.to_string())
}

/// Publishes numbered pictures as time goes, for ever.
async fn keep_publishing(server: &Server, key: &str, number: &AtomicU64) {
    let address = server.rtmp(key).parse().expect("an address");
    let mut publishing = Client::default()
        .publish(&address)
        .await
        .expect("a publisher");
    for header in good_headers(0) {
        sent(&mut publishing, &header).await.expect("a good stream");
    }
    for next in 0.. {
        let mark = [CALM, &u64::to_be_bytes(next)[..]].concat();
        let at = u32::try_from(next).expect("a short test") * STEP;
        for media in good_pictures(at, next, &mark) {
            sent(&mut publishing, &media).await.expect("a good stream");
        }
        number.store(next, Ordering::Relaxed);
        sleep(Duration::from_millis(u64::from(STEP))).await;
    }
}

/// Waits until the server ends a stream.
async fn turned_away(publishing: &mut Publishing) -> Result<(), String> {
    let ended = async {
        loop {
            if let Err(error) = publishing.event().await {
                return error.to_string();
            }
        }
    };
    timeout(PATIENCE, ended).await.map_or(Ok(()), Err)
}

async fn sent(publishing: &mut Publishing, media: &Media) -> Result<(), String> {
    let sent = publishing.send_media(media).await;
    sent.map_err(|error| error.to_string())
}

/// The numbers of the calm pictures in HTTP-FLV.
fn numbers(body: &[u8]) -> Vec<u64> {
    let tags = flv::tags(body).into_iter();
    let number = |tag: flv::Tag| {
        let (_, number) = tag.body.split_last_chunk()?;
        let is_picture = tag.body[..tag.body.len() - 8].ends_with(CALM);
        is_picture.then(|| u64::from_be_bytes(*number))
    };
    tags.filter_map(number).collect()
}

fn contains(body: &[u8], mark: &[u8]) -> bool {
    body.windows(mark.len()).any(|window| window == mark)
}

const MANIFESTS: [&str; 5] = [
    "live.m3u8",
    "master.m3u8",
    "cmaf/video.m3u8",
    "cmaf/audio.m3u8",
    "manifest.mpd",
];

const CALM: &[u8] = b"CALM";

/// Milliseconds from picture to picture.
const STEP: u32 = 32;

const PICTURES_AT_ONCE: u64 = 16;

const PAUSE: Duration = Duration::from_millis(100);

const AT_ONCE: usize = 6;

const MOST_RESIDENT_MIB: u64 = 600;
