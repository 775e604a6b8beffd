//! What encoders send, against all that viewers get of it: every packet as it was, at its time, in files that strict
//! judges and other people's readers have no word to say about.
//!
//! Each row goes straight through the library, on a clock that the media makes. `LSV_MATRIX=name` runs the rows whose
//! names contain that.

mod change;
mod compare;
mod recorder;
mod script;
mod studio;

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;
use futures::StreamExt as _;
use lsv_tests::input::{Input, Order, Pictures, Rate, Sound, VideoCodec};
use lsv_tests::{Trace, hls};
use tempfile::TempDir;

use self::compare::{Start, complaints};
use self::recorder::Recorded;
use self::script::{Jump, Take};
use self::studio::Played;

use Jump::{Backward, Forward, None as Steady, Reconnect, Resolution, Wrap};
use Order::{BFrames, Pyramid, Shown};
use Sound::{Aac, AacEight, AacMono, AacSurround, Ac3, Eac3, Flac, Mp3, Opus};
use VideoCodec::{Av1, H264, Hevc, Vp9};

/// Codec, frames a second, seconds from key frame to key frame, order of pictures; sounds; seconds; what happens;
/// segments in a playlist.
#[rustfmt::skip]
const MATRIX: &[Row] = &[
    row("plain",              Some((H264, "25",         2.0, Shown)),    &[Aac],         6,  Steady,     100),
    row("short groups",       Some((H264, "30",         0.5, BFrames)),  &[Aac],         6,  Steady,     100),
    row("ntsc film",          Some((H264, "24000/1001", 2.0, Pyramid)),  &[AacMono],     6,  Steady,     100),
    row("ntsc",               Some((H264, "30000/1001", 2.0, BFrames)),  &[AacSurround], 6,  Steady,     100),
    row("7.1",                Some((H264, "25",         2.0, Shown)),    &[AacEight],    6,  Reconnect,  100),
    row("50 frames",          Some((H264, "50",         2.0, BFrames)),  &[AacMono],     6,  Wrap,       100),
    row("ntsc, 60 frames",    Some((H264, "60000/1001", 0.5, Pyramid)),  &[Aac],         6,  Forward,    100),
    row("variable rate",      Some((H264, "variable",   2.0, Shown)),    &[Aac],         8,  Steady,     100),
    row("variable, B-frames", Some((H264, "variable",   0.5, BFrames)),  &[],            6,  Backward,   100),
    row("long groups",        Some((H264, "25",         10.0, Pyramid)), &[Aac],         21, Steady,     100),
    row("long group, jump",   Some((H264, "24000/1001", 10.0, Shown)),   &[AacMono],     24, Forward,    100),
    row("pictures only",      Some((H264, "60000/1001", 2.0, Pyramid)),  &[],            6,  Wrap,       100),
    row("sound only",         None,                                      &[Aac],         9,  Steady,     100),
    row("sound only, jump",   None,                                      &[AacMono],     9,  Backward,   100),
    row("forward",            Some((H264, "25",         2.0, BFrames)),  &[Aac],         8,  Forward,    100),
    row("backward",           Some((H264, "30000/1001", 2.0, Shown)),    &[AacSurround], 8,  Backward,   100),
    row("wrap",               Some((H264, "30",         2.0, Pyramid)),  &[Aac],         8,  Wrap,       100),
    row("reconnect",          Some((H264, "50",         0.5, Shown)),    &[Aac],         6,  Reconnect,  100),
    row("reconnect, B",       Some((H264, "25",         2.0, Pyramid)),  &[AacMono],     6,  Reconnect,  100),
    row("resolution",         Some((H264, "25",         2.0, BFrames)),  &[Aac],         6,  Resolution, 100),
    row("resolution, short",  Some((H264, "24000/1001", 0.5, Shown)),    &[],            5,  Resolution, 100),
    row("sliding",            Some((H264, "25",         0.5, BFrames)),  &[Aac],         24, Steady,     3),
    row("sliding, jump",      Some((H264, "30",         2.0, Shown)),    &[Aac],         24, Reconnect,  3),
    row("mp3",                Some((H264, "25",         2.0, Shown)),    &[Mp3],         6,  Steady,     100),
    row("mp3, jump",          Some((H264, "50",         2.0, BFrames)),  &[Mp3],         8,  Forward,    100),
    row("opus",               Some((H264, "30",         2.0, BFrames)),  &[Opus],        6,  Steady,     100),
    row("opus alone",         None,                                      &[Opus],        9,  Reconnect,  100),
    row("ac-3",               Some((H264, "25",         2.0, Pyramid)),  &[Ac3],         6,  Wrap,       100),
    row("ac-3, ntsc",         Some((H264, "30000/1001", 0.5, Shown)),    &[Ac3],         6,  Backward,   100),
    row("e-ac-3",             Some((H264, "25",         2.0, Shown)),    &[Eac3],        6,  Steady,     100),
    row("e-ac-3, jump",       Some((H264, "60000/1001", 2.0, BFrames)),  &[Eac3],        8,  Reconnect,  100),
    row("flac",               Some((H264, "25",         2.0, BFrames)),  &[Flac],        6,  Steady,     100),
    row("flac alone",         None,                                      &[Flac],        9,  Forward,    100),
    row("hevc",               Some((Hevc, "25",         2.0, Shown)),    &[Aac],         6,  Steady,     100),
    row("hevc, pyramid",      Some((Hevc, "60000/1001", 2.0, Pyramid)),  &[Eac3],        6,  Wrap,       100),
    row("hevc, jump",         Some((Hevc, "24000/1001", 0.5, BFrames)),  &[Opus],        6,  Backward,   100),
    row("hevc, resolution",   Some((Hevc, "30",         2.0, Shown)),    &[AacMono],     6,  Resolution, 100),
    row("av1",                Some((Av1,  "25",         2.0, Shown)),    &[Opus],        6,  Steady,     100),
    row("av1, jump",          Some((Av1,  "30000/1001", 2.0, Shown)),    &[Aac],         8,  Forward,    100),
    row("vp9",                Some((Vp9,  "30",         2.0, Shown)),    &[Opus],        6,  Steady,     100),
    row("vp9, reconnect",     Some((Vp9,  "25",         0.5, Shown)),    &[Flac],        6,  Reconnect,  100),
    row("two sounds",         Some((H264, "25",         2.0, BFrames)),  &[Aac, AacMono], 6, Steady,     100),
    row("three sounds, jump", Some((H264, "30",         2.0, Shown)),    &[Aac, Opus, Ac3], 8, Forward,  100),
];

#[derive(Debug, Clone, Copy)]
struct Row {
    name: &'static str,
    input: Input,
    jump: Jump,
    list_size: usize,
}

const fn row(
    name: &'static str,
    video: Option<(VideoCodec, &'static str, f64, Order)>,
    audio: &'static [Sound],
    seconds: u32,
    jump: Jump,
    list_size: usize,
) -> Row {
    let video = match video {
        Some((codec, rate, group, order)) => Some(Pictures {
            codec,
            // No other rate has so many letters.
            rate: if rate.len() == 8 {
                Rate::Variable
            } else {
                Rate::Fixed(rate)
            },
            group,
            order,
            size: "160x90",
        }),
        None => None,
    };
    Row {
        name,
        input: Input {
            video,
            audio,
            seconds,
        },
        jump,
        list_size,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_output_carries_what_every_encoder_sends() {
    let chosen = std::env::var("LSV_MATRIX").unwrap_or_default();
    let rows = MATRIX.iter().filter(|row| row.name.contains(&chosen));
    let results = futures::stream::iter(rows).map(|row| async move {
        let (row, found) = (*row, tokio::spawn(row.run()));
        (row, found.await.expect("a row that does not panic"))
    });
    let results: Vec<_> = results.buffered(AT_ONCE).collect().await;
    let mut faults = 0;
    for (row, complaints) in &results {
        let verdict = match complaints.is_empty() {
            true => "as sent",
            false => "FAULTS",
        };
        println!("{}: {verdict}", row.name);
        for complaint in complaints {
            println!("    {complaint}");
        }
        faults += usize::from(!complaints.is_empty());
    }
    assert!(!results.is_empty(), "no row is called {chosen:?}");
    assert_eq!(faults, 0, "see the table above");
}

impl Row {
    /// Everything that is wrong with what it makes of its input.
    async fn run(self) -> Vec<String> {
        let folder = TempDir::new().expect("a temporary folder");
        let takes = self.jump.script(&self.input, folder.path()).await;
        let (played, takes) = tokio::task::spawn_blocking(move || {
            let played = studio::play(&takes, self.list_size);
            (played, takes)
        })
        .await
        .expect("packaging does not panic");
        self.judge(played, &takes, folder.path()).await
    }

    async fn judge(&self, mut played: Played, takes: &[Take], folder: &Path) -> Vec<String> {
        let mut found = self.judge_flv(&played, takes, folder).await;
        found.extend(self.judge_ts(&mut played, takes, folder).await);
        found.extend(self.judge_cmaf(&mut played, takes, folder).await);
        found.extend(self.judge_recordings(&played.recorded, takes, folder).await);
        let files: HashMap<String, Bytes> = played.files.clone();
        played.mpd.judge_media(&files);
        found.extend(played.mpd.complaints().iter().cloned());
        if self
            .input
            .video
            .is_some_and(|pictures| pictures.rate == Rate::Variable)
        {
            // Between frames of 33 ms and of 100 ms there may be no place to cut that is neither too early nor too late.
            found.retain(|complaint| !complaint.contains("is below 85 %"));
        }
        found
    }

    async fn judge_flv(&self, played: &Played, takes: &[Take], folder: &Path) -> Vec<String> {
        let file = folder.join("live.flv");
        std::fs::write(&file, &played.flv).expect("a file to write");
        self.compare(
            "live.flv",
            &file,
            &self.first_of_each(),
            takes,
            Start::Anywhere,
        )
        .await
    }

    async fn judge_ts(&self, played: &mut Played, takes: &[Take], folder: &Path) -> Vec<String> {
        let tracks = self.ts_tracks();
        let Some(judge) = played.playlists.get_mut("live.m3u8") else {
            let missed = (!tracks.is_empty()).then(|| "there is no live.m3u8".to_owned());
            return missed.into_iter().collect();
        };
        let media = hls::judge_ts(judge, &played.files);
        let mut found = judge.complaints().to_vec();
        found.extend(self.judge_runs("live.m3u8", judge));
        found.extend(second_opinion("live.m3u8", judge, &played.manifests));
        // Also where the playlist slides, all that was ever in it is there.
        let whole: Vec<u8> = judge
            .listed()
            .iter()
            .filter_map(|listed| played.files.get(&listed.segment.uri))
            .flat_map(|bytes| bytes.iter().copied())
            .collect();
        let file = folder.join("whole.ts");
        std::fs::write(&file, whole).expect("a file to write");
        found.extend(
            self.compare("ts", &file, &tracks, takes, Start::KeyFrame)
                .await,
        );
        if media.is_empty() {
            found.push("live.m3u8 has no segments".to_owned());
        }
        if self.list_size >= 100 {
            let file = store(folder, played, "live.m3u8");
            found.extend(
                self.compare("live.m3u8", &file, &tracks, takes, Start::KeyFrame)
                    .await,
            );
        }
        found
    }

    async fn judge_cmaf(&self, played: &mut Played, takes: &[Take], folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let names: Vec<String> = played.playlists.keys().cloned().collect();
        for name in names.iter().filter(|name| name.starts_with("cmaf/")) {
            let Some(judge) = played.playlists.get_mut(name) else {
                continue;
            };
            let files = played.files.iter();
            let files = files.filter_map(|(name, bytes)| {
                Some((name.strip_prefix("cmaf/")?.to_owned(), bytes.clone()))
            });
            let media = hls::judge_cmaf(judge, &files.collect());
            found.extend(judge.complaints().iter().cloned());
            found.extend(self.judge_runs(name, judge));
            found.extend(second_opinion(name, judge, &played.manifests));
            found.extend(self.judge_samples(name, &media));
            if !self.is_for_ffmpeg() {
                found.extend(self.compare_runs(name, &media, takes, folder).await);
            }
        }
        let tracks = self.input.tracks();
        if names
            .iter()
            .filter(|name| name.starts_with("cmaf/"))
            .count()
            != tracks
        {
            found.push(format!(
                "{tracks} tracks were sent, the playlists are {names:?}"
            ));
        }
        if self.is_for_ffmpeg() {
            let file = store(folder, played, "master.m3u8");
            let all: Vec<usize> = (0..tracks).collect();
            found.extend(
                self.compare("master.m3u8", &file, &all, takes, Start::KeyFrame)
                    .await,
            );
        }
        found
    }

    /// Each run is a file and, with all segments in a row, a session.
    async fn judge_recordings(
        &self,
        recorded: &Recorded,
        takes: &[Take],
        folder: &Path,
    ) -> Vec<String> {
        let has_video = self.input.video.is_some();
        let tracks: Vec<usize> = (0..self.input.tracks()).collect();
        let mut found = Vec::new();
        // What is heard before a file's first picture is shown is in the one before.
        let mut of_files = takes.to_vec();
        if let (Resolution, [first, second]) = (self.jump, &mut of_files[..]) {
            first.adopt_sound(second, |key| key.pts);
        }
        for (kind, files, takes) in [
            ("mp4", &recorded.files, &of_files[..]),
            ("session", &recorded.sessions, takes),
        ] {
            if files.len() != takes.len() {
                found.push(format!(
                    "{kind}: {} runs, {} expected",
                    files.len(),
                    takes.len()
                ));
            }
            for ((number, bytes), take) in files.iter().enumerate().zip(takes) {
                let label = format!("{kind}, run {number}");
                let file = folder.join(format!("{kind}-{number}.mp4"));
                std::fs::write(&file, bytes).expect("a file to write");
                let again = std::slice::from_ref(take);
                let start = Start::KeyFrame;
                found.extend(self.compare(&label, &file, &tracks, again, start).await);
                if kind == "mp4" {
                    let sent = tracks
                        .iter()
                        .map(|&track| take.playable(track, has_video).len());
                    let said = recorder::complaints(bytes, &sent.collect::<Vec<_>>());
                    found.extend(said.iter().map(|said| format!("{label}: {said}")));
                }
            }
        }
        let targets = recorded.segments.iter().map(|(_, target)| *target);
        if targets.clone().max() != targets.min() {
            found.push("session: the target duration changes".to_owned());
        }
        for (duration, target) in &recorded.segments {
            if duration.as_secs_f64().round() > target.as_secs_f64() {
                found.push(format!(
                    "session: a segment of {duration:?}, promised were {target:?}"
                ));
            }
        }
        found
    }

    /// Whether ffmpeg can play the whole as HLS with CMAF: what left the playlist is not there, and of a second
    /// EXT-X-MAP its decoders do not hear.
    fn is_for_ffmpeg(&self) -> bool {
        self.list_size >= 100 && self.jump != Resolution
    }

    /// As [`Row::compare`], run by run of one CMAF track: a header and what belongs to it are a file.
    async fn compare_runs(
        &self,
        name: &str,
        media: &hls::Cmaf,
        takes: &[Take],
        folder: &Path,
    ) -> Vec<String> {
        let has_video = self.input.video.is_some();
        let stream = match sound_of(name) {
            None => 0,
            Some(track) => usize::from(has_video) + track,
        };
        let mut found = Vec::new();
        for ((number, run), take) in media.runs.iter().zip(takes) {
            let label = format!("{name}, run {number}");
            let file = folder.join(format!("{}-{number}.mp4", name.replace('/', "-")));
            std::fs::write(&file, &run.file).expect("a file to write");
            let wanted = take.playable(stream, has_video);
            found.extend(
                match Trace::of_tracks(&file, &self.input, &[stream]).await {
                    Ok(got) => compare::stream_complaints(&label, &got.streams[0], &wanted),
                    Err(why) => vec![format!("{label}: {why}")],
                },
            );
        }
        found
    }

    /// There is a discontinuity for each jump, and no other.
    fn judge_runs(&self, name: &str, judge: &hls::Judge) -> Option<String> {
        let mut runs: Vec<u64> = judge
            .listed()
            .iter()
            .map(|listed| listed.segment.discontinuity_sequence)
            .collect();
        runs.dedup();
        let expected: Vec<u64> = (0..self.jump.runs() as u64).collect();
        (runs != expected).then(|| format!("{name}: runs {runs:?}, expected {expected:?}"))
    }

    /// Sound is there to the sample: every frame lasts as long as its codec says.
    fn judge_samples(&self, name: &str, media: &hls::Cmaf) -> Vec<String> {
        let sound = sound_of(name).and_then(|track| self.input.audio.get(track));
        let Some(expected) = sound.and_then(|sound| sound.samples()) else {
            return Vec::new();
        };
        let chunks = media.runs.values().flat_map(|run| &run.chunks);
        let odd = chunks
            .flat_map(|chunk| &chunk.samples)
            .filter(|sample| sample.duration != expected)
            .count();
        match odd {
            0 => Vec::new(),
            _ => vec![format!(
                "{name}: {odd} frames do not last {expected} samples"
            )],
        }
    }

    /// What HTTP-FLV carries: the first track of each kind.
    fn first_of_each(&self) -> Vec<usize> {
        let kinds =
            usize::from(self.input.video.is_some()) + usize::from(!self.input.audio.is_empty());
        (0..kinds).collect()
    }

    /// What MPEG-TS carries.
    fn ts_tracks(&self) -> Vec<usize> {
        let first = usize::from(self.input.video.is_some());
        let pictures = self
            .input
            .video
            .is_some_and(|pictures| pictures.codec.has_ts());
        let sounds = self
            .input
            .audio
            .iter()
            .enumerate()
            .filter(|(_, sound)| sound.has_ts());
        let sounds = sounds.map(|(track, _)| first + track);
        pictures.then_some(0).into_iter().chain(sounds).collect()
    }

    async fn compare(
        &self,
        label: &str,
        file: &Path,
        tracks: &[usize],
        takes: &[Take],
        start: Start,
    ) -> Vec<String> {
        match Trace::of_tracks(file, &self.input, tracks).await {
            Ok(got) => complaints(
                label,
                &got,
                tracks,
                takes,
                start,
                self.input.video.is_some(),
            ),
            Err(why) => vec![format!("{label}: {why}")],
        }
    }
}

/// Which sound the playlist `cmaf/audio.m3u8`, `cmaf/audio1.m3u8`, ... is of.
fn sound_of(name: &str) -> Option<usize> {
    let track = name.strip_prefix("cmaf/audio")?.strip_suffix(".m3u8")?;
    track.parse().ok().or(Some(0))
}

/// The crate `m3u8-rs` finds the same segments.
fn second_opinion(
    name: &str,
    judge: &hls::Judge,
    manifests: &std::collections::BTreeMap<String, String>,
) -> Option<String> {
    let (last, text) = (judge.last()?, manifests.get(name)?);
    let other = match m3u8_rs::parse_media_playlist_res(text.as_bytes()) {
        Ok(other) => other,
        Err(error) => return Some(format!("{name}: m3u8-rs refuses it: {error}")),
    };
    let mine = last
        .segments
        .iter()
        .map(|segment| (segment.uri.clone(), segment.duration as f32));
    let theirs = other
        .segments
        .iter()
        .filter(|segment| !segment.uri.is_empty());
    let theirs = theirs.map(|segment| (segment.uri.clone(), segment.duration));
    let same = mine.eq(theirs)
        && (last.media_sequence, last.discontinuity_sequence, last.ended)
            == (
                other.media_sequence,
                other.discontinuity_sequence,
                other.end_list,
            );
    (!same).then(|| format!("{name}: m3u8-rs reads something else: {other:?}"))
}

/// Puts all files into a folder of their own and answers where `manifest` is.
fn store(folder: &Path, played: &Played, manifest: &str) -> std::path::PathBuf {
    let folder = folder.join(manifest.replace('.', "-"));
    let manifests = played
        .manifests
        .iter()
        .map(|(name, text)| (name, text.as_bytes()));
    let files = played.files.iter().map(|(name, bytes)| (name, &bytes[..]));
    for (name, bytes) in manifests.chain(files) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder to write into");
        std::fs::write(path, bytes).expect("a file to write");
    }
    folder.join(manifest)
}

/// Rows at work at once.
const AT_ONCE: usize = 3;
