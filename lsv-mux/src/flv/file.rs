//! FLV files that say how long they are and where their key frames lie (FLV 10.1 §E.5).
//!
//! ```text
//! frames ─> Recording ─┬─ header, metadata, tag, tag, ...   a file that plays as it grows
//!                      └─> Finished { header, tags }        a file that players can seek in
//! ```
//!
//! The two have their tags in common: the second file is another header, and the bytes behind the first one's as they
//! are. So a store can make it without the media passing through anybody's memory.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use lsv_core::codec::FourCc;
use lsv_core::hub::Package;
use lsv_core::media::{Codec, Kind, MediaFrame, Tracks};
use lsv_core::script::{Message, Value};
use lsv_core::time::Timestamp;

use super::{FlvPackage, Muxer, header, put_tag, script};

/// Writes an FLV file and remembers what its finished form says in front: some bytes for each key frame.
///
/// It has the default tracks of one stream, and its time begins with the first frame. A break of the timeline is not
/// mended: it takes another file.
///
/// ```
/// use lsv_core::media::{MediaFrame, Tracks};
/// use lsv_mux::flv::Recording;
/// # fn record(tracks: &Tracks, frames: &[MediaFrame]) -> Vec<u8> {
/// let mut file = bytes::BytesMut::new();
/// let mut recording = Recording::start(tracks, &mut file);
/// for frame in frames {
///     recording.push(frame, &mut file);
/// }
/// // `file` plays as it is. The same with its length and the places of its key frames in front:
/// let finished = recording.finish();
/// let tags = &file[finished.tags.start as usize..finished.tags.end as usize];
/// [&finished.header[..], tags].concat()
/// # }
/// # record(&Tracks::default(), &[]);
/// ```
#[derive(Debug)]
pub struct Recording {
    muxer: Muxer,
    /// The publisher's last `onMetaData`.
    metadata: Option<Bytes>,
    /// How long the file is, and what of it the finished one replaces.
    length: u64,
    front: u64,
    /// The zero of the file on the stream's timeline, once there is a frame.
    origin: Option<Timestamp>,
    video: Lane,
    audio: Lane,
    keys: Keys,
}

/// A file that can be sought in, in two pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The file header, and `onMetaData` with the length of the file and the places of its key frames.
    pub header: Bytes,
    /// The bytes of the file as it grew that follow.
    pub tags: Range<u64>,
}

impl Recording {
    /// Appends what a file opens with: the file header, the metadata and the sequence headers of `tracks`.
    pub fn start(tracks: &Tracks, out: &mut BytesMut) -> Self {
        let before = out.len();
        let muxer = Muxer::start(tracks, out);
        let mut said = Tracks::default();
        said.metadata.clone_from(&tracks.metadata);
        let metadata = FlvPackage.prelude(&said, Timestamp::ZERO);
        Self {
            muxer,
            metadata: said.metadata,
            length: (out.len() - before) as u64,
            front: (header(true, true).len() + metadata.len()) as u64,
            origin: None,
            video: Lane::default(),
            audio: Lane::default(),
            keys: Keys::default(),
        }
    }

    /// Appends `frame`, behind the sequence header of its track where that is new or has changed. All that is appended
    /// belongs into the file.
    ///
    /// An empty frame, one of more than 16 MiB, and a frame of another track than the default one append nothing.
    /// `onMetaData` neither: the finished file says it in front.
    pub fn push(&mut self, frame: &MediaFrame, out: &mut BytesMut) {
        let is_data = frame.kind() == Kind::Data;
        if is_data && frame.payload.starts_with(ON_META_DATA) {
            self.metadata = Some(frame.payload.clone());
            return;
        }
        if !frame.is_default || frame.payload.is_empty() {
            return;
        }
        let origin = match is_data {
            true => self.origin.unwrap_or(frame.dts),
            false => *self.origin.get_or_insert(frame.dts),
        };
        let mut frame = frame.clone();
        // Sound that was mixed in a little late goes to the front.
        frame.dts = (frame.dts - origin).max(Timestamp::ZERO);
        let before = out.len();
        self.muxer.push(&frame, out);
        let written = out.len() - before;
        if written > frame.payload.len() {
            self.note(&frame);
        }
        self.length += written as u64;
    }

    /// What the file becomes once it is over; more may be pushed all the same. Needs as much memory again as the header
    /// has, which is 2 MiB at most and the publisher's own metadata.
    pub fn finish(&self) -> Finished {
        // The size of the header does not depend on what it says.
        let measured = self.header(0).len() as u64;
        Finished {
            header: self.header(measured),
            tags: self.front..self.length,
        }
    }

    /// Remembers `frame`, which is going to be at the end of the file.
    fn note(&mut self, frame: &MediaFrame) {
        match frame.kind() {
            Kind::Video => self.video.note(frame),
            Kind::Audio => self.audio.note(frame),
            Kind::Data => {}
        }
        if frame.kind() == Kind::Video && frame.key {
            // A new sequence header in front belongs to it.
            self.keys.note(frame.dts, self.length - self.front);
        }
    }

    /// The header of the finished file, where the tags begin at `front`.
    fn header(&self, front: u64) -> Bytes {
        let (has_video, has_audio) = (self.video.frames > 0, self.audio.frames > 0);
        let mut out = BytesMut::new();
        out.put_slice(&header(has_video, has_audio));
        let mut properties = self.properties(front);
        properties.extend(self.claims());
        put_tag(&mut out, Kind::Data, Timestamp::ZERO, |out| {
            script::put_message(out, "onMetaData", &properties);
        });
        out.freeze()
    }

    fn properties(&self, front: u64) -> Vec<(String, Value)> {
        let (video, audio) = (&self.video, &self.audio);
        let duration = video.end().max(audio.end()).as_secs_f64();
        let size = front + (self.length - self.front);
        let mut properties = Properties(Vec::with_capacity(OURS.len()));
        properties.number("duration", duration);
        properties.number("filesize", size as f64);
        properties.boolean("hasMetadata", true);
        properties.boolean("hasVideo", video.frames > 0);
        properties.boolean("hasAudio", audio.frames > 0);
        properties.boolean("hasKeyframes", !self.keys.places.is_empty());
        properties.number("lasttimestamp", video.last.max(audio.last).as_secs_f64());
        if let Some(track) = self.muxer.told.video.as_ref().filter(|_| video.frames > 0) {
            properties.number("videocodecid", codec_id(&track.codec));
            properties.number("videodatarate", video.kilobits(duration));
            let picture = track.codec.picture();
            if let Some(picture) = picture {
                properties.number("width", f64::from(picture.width));
                properties.number("height", f64::from(picture.height));
            }
            let said = picture.and_then(|picture| picture.frame_rate_millis);
            if let Some(rate) = video.rate(said) {
                properties.number("framerate", rate);
            }
            let at_end = self.keys.last == Some(video.last);
            properties.boolean("canSeekToEnd", at_end);
        }
        if let Some(track) = self.muxer.told.audio.as_ref().filter(|_| audio.frames > 0) {
            properties.number("audiocodecid", codec_id(&track.codec));
            properties.number("audiodatarate", audio.kilobits(duration));
            if let Some(sound) = track.codec.sound() {
                properties.number("audiosamplerate", f64::from(sound.sample_rate));
                properties.number("audiochannels", f64::from(sound.channels));
                properties.boolean("stereo", sound.channels > 1);
            }
        }
        if let Some(last) = self.keys.last {
            properties.number("lastkeyframetimestamp", last.as_secs_f64());
            properties.put("keyframes", self.keys.value(front));
        }
        properties.0
    }

    /// What the publisher says beside what is known better.
    fn claims(&self) -> impl Iterator<Item = (String, Value)> {
        let message = self
            .metadata
            .as_ref()
            .and_then(|body| Message::parse(body).ok());
        let said = message.and_then(|message| message.values.into_iter().next());
        let claims = match said {
            Some(Value::Object(properties)) => properties,
            _ => Vec::new(),
        };
        let known = |name: &String| OURS.contains(&name.as_str());
        claims.into_iter().filter(move |(name, _)| !known(name))
    }
}

/// Names and values in their order.
struct Properties(Vec<(String, Value)>);

impl Properties {
    fn number(&mut self, name: &str, value: f64) {
        self.put(name, Value::Number(value));
    }

    fn boolean(&mut self, name: &str, value: bool) {
        self.put(name, Value::Boolean(value));
    }

    fn put(&mut self, name: &str, value: Value) {
        self.0.push((name.to_owned(), value));
    }
}

/// What is remembered of the frames of one kind.
#[derive(Debug, Default)]
struct Lane {
    frames: u64,
    bytes: u64,
    /// The decoding times of the first and the last, and the distance of the last two.
    first: Timestamp,
    last: Timestamp,
    step: Timestamp,
    /// The end of what lasts longest, as far as frames say how long they last; and when the last one to be shown is.
    heard: Timestamp,
    shown: Timestamp,
}

impl Lane {
    fn note(&mut self, frame: &MediaFrame) {
        if self.frames == 0 {
            self.first = frame.dts;
        } else if frame.dts > self.last {
            self.step = frame.dts - self.last;
        }
        self.last = self.last.max(frame.dts);
        self.shown = self.shown.max(frame.pts());
        let codec = &frame.track.codec;
        if let Some((samples, sound)) = codec.samples(&frame.payload).zip(codec.sound()) {
            let nanos = u64::from(samples) * 1_000_000_000 / u64::from(sound.sample_rate.max(1));
            let nanos = i64::try_from(nanos).unwrap_or(0);
            self.heard = self.heard.max(frame.pts() + Timestamp::from_nanos(nanos));
        }
        self.frames += 1;
        self.bytes += frame.payload.len() as u64;
    }

    /// When the last of them is over: the last step is taken for its length where it does not say that itself.
    fn end(&self) -> Timestamp {
        match self.heard {
            Timestamp::ZERO => self.shown + self.step,
            heard => heard,
        }
    }

    fn kilobits(&self, seconds: f64) -> f64 {
        match seconds > 0.0 {
            true => (self.bytes as f64 * 8.0 / 1000.0 / seconds).round(),
            false => 0.0,
        }
    }

    /// Frames a second: what the configuration says, in thousandths, where that is near to what came.
    fn rate(&self, said: Option<u32>) -> Option<f64> {
        let span = self.last.since(self.first).as_secs_f64();
        if span <= 0.0 {
            return None;
        }
        let measured = (self.frames - 1) as f64 / span;
        let said = said.map(|millis| f64::from(millis) / 1000.0);
        let near = said.filter(|said| (said - measured).abs() <= measured / 100.0);
        Some(near.unwrap_or_else(|| (measured * 1000.0).round() / 1000.0))
    }
}

/// Where key frames are: of very many every second one, every fourth, ...
#[derive(Debug)]
struct Keys {
    /// Times, and places from the first tag on.
    places: Vec<(Timestamp, u64)>,
    last: Option<Timestamp>,
    seen: u64,
    every: u64,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            last: None,
            seen: 0,
            every: 1,
        }
    }
}

impl Keys {
    fn note(&mut self, at: Timestamp, place: u64) {
        if self.places.len() == MAX_KEYS {
            let mut number = 0_usize;
            self.places.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.every *= 2;
        }
        if self.seen.is_multiple_of(self.every) {
            self.places.push((at, place));
        }
        self.seen += 1;
        self.last = Some(at);
    }

    fn value(&self, front: u64) -> Value {
        let times = self.places.iter().map(|&(at, _)| seconds(at));
        let places = self.places.iter().map(|&(_, place)| (front + place) as f64);
        Value::Object(vec![
            (
                "filepositions".to_owned(),
                Value::List(places.map(Value::Number).collect()),
            ),
            (
                "times".to_owned(),
                Value::List(times.map(Value::Number).collect()),
            ),
        ])
    }
}

/// The time that a tag has, in seconds that are whole milliseconds again for readers that round down.
fn seconds(at: Timestamp) -> f64 {
    let millis = at.as_millis() as f64;
    match millis / 1000.0 {
        early if early * 1000.0 < millis => early.next_up(),
        seconds => seconds,
    }
}

/// The number of a codec: that of FLV where its tags have it, and else its FourCC (E-RTMP v2 "Enhancing onMetaData").
fn codec_id(codec: &Codec) -> f64 {
    match codec {
        Codec::Avc(_) => 7.0,
        Codec::Aac(_) => 10.0,
        Codec::Mp3(_) => 2.0,
        codec => {
            let FourCc(letters) = codec.fourcc().unwrap_or(FourCc([0; 4]));
            f64::from(u32::from_be_bytes(letters))
        }
    }
}

const ON_META_DATA: &[u8] = b"\x02\0\x0aonMetaData";
/// Two days of a key frame every three seconds. They take 1 MiB in memory, and 18 bytes each in the file.
const MAX_KEYS: usize = 1 << 16;
/// What is not taken from the publisher: what is known better, and what is about tracks that are not in the file.
const OURS: [&str; 23] = [
    "duration",
    "filesize",
    "hasMetadata",
    "hasVideo",
    "hasAudio",
    "hasKeyframes",
    "hasCuePoints",
    "canSeekToEnd",
    "lasttimestamp",
    "lastkeyframetimestamp",
    "keyframes",
    "videocodecid",
    "videodatarate",
    "width",
    "height",
    "framerate",
    "audiocodecid",
    "audiodatarate",
    "audiosamplerate",
    "audiochannels",
    "stereo",
    "videoTrackIdInfoMap",
    "audioTrackIdInfoMap",
];

#[cfg(test)]
mod tests;
