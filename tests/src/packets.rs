//! Packets by their hash, in a form that is the same for every container.

use std::path::Path;

use crate::watch_file;

/// The hashes of a stream's packets in the order in which they are stored.
///
/// Video is hashed as Annex B without access unit delimiters and parameter sets, audio without ADTS headers: a
/// container may move those, and nothing else.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Packets {
    /// Access units.
    pub video: Vec<String>,
    /// AAC frames.
    pub audio: Vec<String>,
}

/// What makes ffmpeg write such hashes of its first input's streams; a file name follows.
pub(crate) const HASHED: [&str; 15] = [
    "-map",
    "0:v:0",
    "-map",
    "0:a:0",
    "-c",
    "copy",
    "-bsf:v",
    // 7, 8 and 9: sequence and picture parameter sets, delimiters.
    "h264_mp4toannexb,filter_units=remove_types=7-9",
    "-bsf:a",
    "aac_adtstoasc",
    "-f",
    "framehash",
    "-hash",
    "md5",
    "-y",
];

impl Packets {
    /// Reads what ffmpeg wrote.
    ///
    /// # Panics
    /// If it wrote anything else.
    #[must_use]
    pub(crate) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).expect("ffmpeg wrote the hashes");
        let mut packets = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let &[stream, _, _, _, _, hash, ..] = fields.as_slice() else {
                panic!("not a line of framehash: {line}");
            };
            match stream {
                "0" => packets.video.push(hash.to_owned()),
                "1" => packets.audio.push(hash.to_owned()),
                _ => panic!("a third stream: {line}"),
            }
        }
        packets
    }

    /// Asserts that a recording, a file or a playlist beside its segments, plays without a complaint and has all of these,
    /// and nothing else.
    ///
    /// # Panics
    /// If it does not.
    pub async fn assert_recorded(&self, recording: &Path) {
        watch_file(recording).await;
        let label = recording.display().to_string();
        let got = Self::of(recording).await;
        for (kind, got, sent) in got.beside(self) {
            assert!(got == sent, "{label}: {kind}: {}", difference(got, sent));
        }
    }

    /// These over and over, as an encoder sends a file that it begins again.
    #[must_use]
    pub fn repeated(&self, times: usize) -> Self {
        let repeated = |packets: &Vec<String>| vec![packets.as_slice(); times].concat();
        Self {
            video: repeated(&self.video),
            audio: repeated(&self.audio),
        }
    }

    fn beside<'a>(&'a self, other: &'a Self) -> [(&'static str, &'a [String], &'a [String]); 2] {
        [
            ("video", &self.video, &other.video),
            ("audio", &self.audio, &other.audio),
        ]
    }

    /// Asserts that these are packets of `sent`, in order and without a gap, and enough of them.
    ///
    /// # Panics
    /// If they are not; `label` says whose they are.
    pub fn assert_part_of(&self, sent: &Self, at_least: usize, label: &str) {
        for (kind, got, sent) in self.beside(sent) {
            assert!(
                got.len() >= at_least,
                "{label}: only {} {kind} packets of {}, at least {at_least} are wanted",
                got.len(),
                sent.len()
            );
            let first = sent.windows(got.len()).position(|window| window == got);
            assert!(
                first.is_some(),
                "{label}: {kind} packets differ from those sent; {}",
                difference(got, sent)
            );
        }
    }
}

fn difference(got: &[String], sent: &[String]) -> String {
    let Some(start) = sent.iter().position(|hash| got.first() == Some(hash)) else {
        let known = got.iter().filter(|hash| sent.contains(hash)).count();
        return format!("the first was never sent, {known} of {} were", got.len());
    };
    let same = got
        .iter()
        .zip(&sent[start..])
        .take_while(|(got, sent)| got == sent)
        .count();
    format!(
        "from packet {start} of {} on {same} of {} are the same",
        sent.len(),
        got.len()
    )
}
