//! What a peer sent or got, packet by packet: any codec, any number of tracks.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use crate::{Process, flv, peers};

/// The streams of a recording in their order: video before audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Each stream.
    pub streams: Vec<Stream>,
}

/// One stream of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// `video` or `audio`.
    pub kind: String,
    /// The codec as ffmpeg names it.
    pub codec: String,
    /// MD5 of its configuration; empty where it needs none.
    pub config: String,
    /// Its packets as they are stored.
    pub packets: Vec<Packet>,
}

/// A packet without what the container adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Decoding time in milliseconds.
    pub dts: i64,
    /// Presentation time in milliseconds.
    pub pts: i64,
    /// MD5 of the payload.
    pub hash: String,
}

/// What makes ffmpeg write a recording of all audio and video of its input; a file name follows.
pub(crate) const RECORDED: [&str; 13] = [
    "-map",
    "0:v?",
    "-map",
    "0:a?",
    "-c",
    "copy",
    "-copyts",
    "-flush_packets",
    "1",
    "-f",
    "framehash",
    "-hash",
    "md5",
];

impl Recording {
    /// Reads a file that ffmpeg can read; of an FLV file the tags that are there whole.
    ///
    /// # Panics
    /// If it cannot be read.
    pub async fn of(file: &Path) -> Self {
        let bytes = fs::read(file).expect("a file to read");
        let whole = file.with_extension("whole");
        match bytes.starts_with(b"FLV") {
            true => fs::write(&whole, flv::file(&flv::tags(&bytes))),
            false => fs::write(&whole, bytes),
        }
        .expect("a file to write");
        let hashes = file.with_extension("framehash");
        let mut line = vec!["-hide_banner", "-nostdin", "-loglevel", "error", "-y", "-i"];
        line.push(whole.to_str().expect("a path in UTF-8"));
        line.extend(RECORDED);
        line.push(hashes.to_str().expect("a path in UTF-8"));
        let mut reader = Process::start(peers::newest_ffmpeg(), line);
        let status = reader.ended().await;
        assert!(status.success(), "{}: {}", file.display(), reader.stderr());
        Self::read(&fs::read_to_string(&hashes).expect("ffmpeg wrote the hashes"))
    }

    /// Reads what ffmpeg wrote; a last line without an end is left out.
    ///
    /// # Panics
    /// If it wrote anything else.
    #[must_use]
    pub(crate) fn read(text: &str) -> Self {
        let mut streams: Vec<Stream> = Vec::new();
        let (mut configs, mut kinds) = (BTreeMap::new(), BTreeMap::new());
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            if let Some(config) = line.strip_prefix("#extradata ") {
                let (stream, config) = config.split_once(',').expect("a stream's configuration");
                configs.insert(stream.to_owned(), config.replace(' ', ""));
            } else if let Some(base) = line.strip_prefix("#tb ") {
                assert!(base.ends_with(": 1/1000"), "not in milliseconds: {line}");
            } else if let Some(kind) = line.strip_prefix("#media_type ") {
                let (stream, kind) = kind.split_once(": ").expect("a stream's kind");
                kinds.insert(stream.to_owned(), kind.to_owned());
            } else if let Some(codec) = line.strip_prefix("#codec_id ") {
                let (stream, codec) = codec.split_once(": ").expect("a stream's codec");
                streams.push(Stream {
                    kind: kinds
                        .remove(stream)
                        .expect("the kind comes before the codec"),
                    codec: codec.to_owned(),
                    config: configs.remove(stream).unwrap_or_default(),
                    packets: Vec::new(),
                });
            }
            if line.starts_with('#') {
                continue;
            }
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let &[stream, dts, pts, _, _, hash, ..] = fields.as_slice() else {
                panic!("not a line of framehash: {line}");
            };
            let number = |text: &str| text.parse::<i64>().expect("a number of framehash");
            let stream = usize::try_from(number(stream)).expect("a stream's index");
            streams[stream].packets.push(Packet {
                dts: number(dts),
                pts: number(pts),
                hash: hash.to_owned(),
            });
        }
        Self { streams }
    }

    /// The codecs of the streams in order.
    #[must_use]
    pub fn codecs(&self) -> Vec<&str> {
        self.streams.iter().map(|stream| &*stream.codec).collect()
    }

    /// The first track of each kind.
    #[must_use]
    pub fn first_tracks(&self) -> Self {
        let of = |kind: &str| self.streams.iter().find(|stream| stream.kind == kind);
        let streams = ["video", "audio"].into_iter().filter_map(of);
        Self {
            streams: streams.cloned().collect(),
        }
    }

    /// The fewest packets that any stream has; 0 without streams.
    #[must_use]
    pub fn shortest(&self) -> usize {
        let lengths = self.streams.iter().map(|stream| stream.packets.len());
        lengths.min().unwrap_or(0)
    }

    /// Asserts that each stream is a part of the stream of `sent` in its place: the same codec and configuration, the
    /// same payloads in the same order without a gap, and a presentation time that differs by the same for all of
    /// them. Answers that difference in milliseconds for each stream.
    ///
    /// # Panics
    /// If they are not; `label` says whose they are.
    pub fn assert_part_of(&self, sent: &Self, label: &str) -> Vec<i64> {
        assert_eq!(self.codecs(), sent.codecs(), "{label}: codecs");
        let streams = self.streams.iter().zip(&sent.streams);
        streams
            .map(|(got, sent)| got.assert_part_of(sent, label))
            .collect()
    }
}

impl Stream {
    fn assert_part_of(&self, sent: &Self, label: &str) -> i64 {
        let codec = &self.codec;
        assert_eq!(self.config, sent.config, "{label}: {codec} configuration");
        let same = |(got, sent): (&Packet, &Packet)| got.hash == sent.hash;
        let found = sent
            .packets
            .windows(self.packets.len().max(1))
            .find(|window| self.packets.iter().zip(*window).all(same));
        let Some(window) = found else {
            panic!("{label}: {codec} differs: {}", difference(self, sent));
        };
        let shifts = self.packets.iter().zip(window);
        let shifts = shifts.map(|(got, sent)| got.pts - sent.pts);
        let (least, most) = (shifts.clone().min(), shifts.max());
        let (Some(least), Some(most)) = (least, most) else {
            panic!("{label}: no packets of {codec}");
        };
        assert!(
            most - least <= ROUNDING_MS,
            "{label}: {codec} is shifted in time by {least} to {most} ms"
        );
        least
    }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, stream) in self.streams.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} {}", stream.packets.len(), stream.codec)?;
        }
        Ok(())
    }
}

fn difference(got: &Stream, sent: &Stream) -> String {
    let (got, sent) = (&got.packets, &sent.packets);
    let known = |packet: &&Packet| sent.iter().any(|sent| sent.hash == packet.hash);
    let Some(first) = got.first() else {
        return "nothing came".to_owned();
    };
    let Some(start) = sent.iter().position(|sent| sent.hash == first.hash) else {
        let known = got.iter().filter(known).count();
        return format!("the first was never sent, {known} of {} were", got.len());
    };
    let pairs = got.iter().zip(&sent[start..]);
    let same = pairs.take_while(|(got, sent)| got.hash == sent.hash);
    format!(
        "from packet {start} of {} on {} of {} are the same",
        sent.len(),
        same.count(),
        got.len()
    )
}

/// Clients that keep times in other units may round by a millisecond.
const ROUNDING_MS: i64 = 1;
