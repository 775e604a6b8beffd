//! Where what is encoded goes: the renditions are streams of the hub, and the source's picture with a watermark goes to
//! those who watch the source.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lsv_core::hub::{
    Closed, Delivery, Hub, Insert, Offer, Publisher, Settings, Stage, State, Subscriber, Times,
};
use lsv_core::media::{Kind, MediaFrame, Orientation, Track, Tracks};
use lsv_core::path::{Rendition, StreamPath};
use lsv_core::time::Timestamp;

use super::lineup::Step;
use crate::process::plan::Encoding;

/// What is published of one source.
pub(super) struct Publication {
    hub: Hub,
    insert: Insert,
    settings: Settings,
    renditions: BTreeMap<Rendition, Published>,
    /// The source's frames beside its pictures, which pass the encoder by as they are.
    beside: Subscriber<MediaFrame>,
    waiting: VecDeque<MediaFrame>,
    /// Up to when the publisher has sent.
    sent: Option<Timestamp>,
    /// How its pictures are to be turned, once it has sent any.
    orientation: Option<Orientation>,
    /// Whether a watermark is wanted, and since when there are pictures with it.
    draws: bool,
    drawn: Option<Instant>,
    /// Breaks of the renditions beside those of the source: as often as they had no encoder.
    breaks: u32,
    /// When the last pictures that were published are decoded.
    last: Option<Timestamp>,
}

struct Published {
    publisher: Publisher,
    last_sound: Option<Timestamp>,
}

impl Publication {
    /// Publishes nothing yet.
    pub(super) fn new(hub: Hub, insert: Insert) -> Self {
        let settings = renditions_settings(&insert.stream().settings().borrow());
        Self {
            beside: insert.subscribe(),
            hub,
            insert,
            settings,
            renditions: BTreeMap::new(),
            waiting: VecDeque::new(),
            sent: None,
            orientation: None,
            draws: false,
            drawn: None,
            breaks: 0,
            last: None,
        }
    }

    pub(super) fn insert(&self) -> &Insert {
        &self.insert
    }

    /// When the last pictures that were published are decoded.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// How far what was published is behind the publisher.
    pub(super) fn lag(&self) -> Duration {
        let both = self.sent.zip(self.last);
        both.map_or(Duration::ZERO, |(sent, last)| sent.since(last))
    }

    /// How the publisher's pictures are to be turned, as its last key frame says.
    pub(super) fn orientation(&self) -> Option<Orientation> {
        self.orientation
    }

    /// The renditions have the live outputs of the channel.
    pub(super) fn configure(&mut self, settings: &Settings) {
        self.settings = renditions_settings(settings);
        for published in self.renditions.values() {
            let stream = published.publisher.stream();
            stream.set_settings(self.settings.clone());
        }
    }

    /// Whether those who watch the source are to see it with a watermark. True once they do as is wanted.
    pub(super) fn draw(&mut self, wanted: bool) -> bool {
        self.draws = wanted;
        let stage = self.insert.stage();
        if !wanted {
            self.drawn = None;
            if stage != Stage::Source {
                self.insert.release();
            }
        }
        wanted || stage == Stage::Source
    }

    /// Bits a second of each rendition.
    pub(super) fn bit_rates(&self) -> impl Iterator<Item = (Rendition, u64)> {
        self.renditions.iter().map(|(rendition, published)| {
            let ingest = published.publisher.stream().ingest();
            (*rendition, ingest.bit_rate)
        })
    }

    /// Publishes what the encoder of `encoding` gave, whose tracks are `tracks`.
    pub(super) fn publish(&mut self, encoding: &Encoding, tracks: &[Arc<Track>], step: Step) {
        match step {
            Step::Pictures(pictures) => self.publish_pictures(encoding, tracks, pictures),
            Step::Sound(number, frame) => self.publish_sound(encoding, number, &frame),
        }
    }

    fn publish_pictures(
        &mut self,
        encoding: &Encoding,
        tracks: &[Arc<Track>],
        pictures: Vec<MediaFrame>,
    ) {
        let key = pictures.iter().all(|picture| picture.key);
        if let Some(first) = pictures.first() {
            self.last = Some(first.dts);
        }
        let sounds = tracks.get(pictures.len()..).unwrap_or_default();
        let mut pictures = pictures.into_iter();
        if encoding.program.is_some()
            && let Some(picture) = pictures.next()
        {
            self.publish_program(picture);
        }
        let wanted = |rendition: &Rendition| {
            let outputs = &encoding.renditions;
            outputs.iter().any(|output| output.rendition == *rendition)
        };
        if key {
            // Those of an encoder before that this one does not have.
            for (_, gone) in self.renditions.extract_if(.., |it, _| !wanted(it)) {
                gone.publisher.finish();
            }
        }
        for (output, mut picture) in encoding.renditions.iter().zip(pictures) {
            picture.epoch = picture.epoch.wrapping_add(self.breaks);
            let Some(published) = self.published(output.rendition, key) else {
                continue;
            };
            if key {
                let bit_rates = encoding.sounds();
                let sound = bit_rates.iter().position(|it| *it == output.audio_kbit);
                let sound = sound.and_then(|number| sounds.get(number));
                for track in std::iter::once(&picture.track).chain(sound) {
                    published.publisher.announce(track);
                }
            }
            // The operator ended it, or the node stops: so does its source.
            let _closed = published.publisher.push(picture);
        }
    }

    fn publish_program(&mut self, picture: MediaFrame) {
        if self.insert.stage() == Stage::Source && self.is_ready(&picture) {
            let source = self.insert.stream().source_tracks();
            let beside = source
                .iter()
                .filter(|track| !is_main_picture(&source, track));
            let tracks = std::iter::once(&picture.track).chain(beside).cloned();
            self.insert.announce(&tracks.collect::<Vec<_>>());
            self.insert.engage();
        }
        let due = self
            .waiting
            .partition_point(|frame| frame.dts <= picture.dts);
        for frame in self.waiting.drain(..due) {
            self.insert.push(frame);
        }
        self.insert.push(picture);
    }

    /// An encoder begins in the past and catches up; viewers who changed to it before would wait for it.
    fn is_ready(&mut self, picture: &MediaFrame) -> bool {
        let since = *self.drawn.get_or_insert_with(Instant::now);
        let lag = self
            .sent
            .map_or(Duration::ZERO, |sent| sent.since(picture.dts));
        self.draws && (lag <= CLOSE || since.elapsed() > PATIENCE)
    }

    fn publish_sound(&mut self, encoding: &Encoding, number: usize, frame: &MediaFrame) {
        let sounds = encoding.sounds();
        let Some(kbit) = sounds.get(number) else {
            return;
        };
        for output in encoding
            .renditions
            .iter()
            .filter(|it| it.audio_kbit == *kbit)
        {
            let Some(published) = self.renditions.get_mut(&output.rendition) else {
                continue;
            };
            // After a change of encoders, what the one before gave.
            if published.last_sound.is_some_and(|last| frame.dts <= last) {
                continue;
            }
            published.last_sound = Some(frame.dts);
            let mut frame = frame.clone();
            frame.epoch = frame.epoch.wrapping_add(self.breaks);
            let _closed = published.publisher.push(frame);
        }
    }

    /// The stream of a rendition, which begins with a key frame where there is none.
    fn published(&mut self, rendition: Rendition, key: bool) -> Option<&mut Published> {
        if key && !self.renditions.contains_key(&rendition) {
            let path = StreamPath {
                channel: self.insert.stream().path().channel.clone(),
                rendition,
            };
            // That of a source before this one, which is just ending, lies on another timeline.
            if let Some(former) = self.hub.find(&path) {
                former.close(Closed::TakenOver);
            }
            let mut offer = Offer::new("transcoder");
            offer.settings = self.settings.clone();
            offer.times = Times::Given;
            match self.hub.publish(&path, offer, Instant::now()) {
                Ok(publisher) => {
                    let published = Published {
                        publisher,
                        last_sound: None,
                    };
                    self.renditions.insert(rendition, published);
                }
                Err(error) => {
                    tracing::warn!(%path, %error, "the rendition cannot be published");
                    return None;
                }
            }
        }
        self.renditions.get_mut(&rendition)
    }

    /// The encoder is gone and none follows at once: renditions wait for the next, behind a break, and the source is seen as
    /// it is.
    pub(super) fn interrupt(&mut self) {
        // Nothing would take the place of the source's last sound.
        if self.insert.stream().state() == State::Ended {
            return;
        }
        self.insert.fail();
        self.drawn = None;
        self.breaks = self.breaks.wrapping_add(1);
    }

    /// Waits for frames that pass the encoder by, and keeps them until their time. False when the source has ended.
    pub(super) async fn pass_by(&mut self) -> bool {
        match self.beside.next().await {
            Some(Delivery::Item(frame)) => {
                self.sent = self.sent.max(Some(frame.dts));
                let is_picture = frame.kind() == Kind::Video && frame.is_default;
                if is_picture && frame.key {
                    self.orientation = Some(frame.track.codec.orientation(&frame.payload));
                }
                if !is_picture && frame.kind() != Kind::Data {
                    self.waiting.push_back(frame);
                }
                if let (Some(first), Some(last)) = (self.waiting.front(), self.waiting.back())
                    && last.dts.since(first.dts) > KEPT
                {
                    self.waiting.pop_front();
                }
                true
            }
            Some(Delivery::Skipped(_)) => true,
            None => false,
        }
    }

    /// The source is over, or is seen as it is: what passed the encoder by goes out, and the renditions are over for viewers
    /// too.
    pub(super) fn finish(&mut self) {
        for frame in self.waiting.drain(..) {
            self.insert.push(frame);
        }
        for (_, published) in std::mem::take(&mut self.renditions) {
            published.publisher.finish();
        }
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        // Publishers that are dropped would be waited for.
        self.finish();
    }
}

fn is_main_picture(tracks: &Tracks, track: &Track) -> bool {
    track.kind == Kind::Video && tracks.is_default(track)
}

/// What renditions offer: the live outputs of their channel. Nothing is recorded or kept of them, or made of them again.
fn renditions_settings(settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    settings.dvr_window = None;
    settings.recording = Default::default();
    settings.processing = Default::default();
    settings
}

/// How far behind its source an encoder may be when viewers change to it.
const CLOSE: Duration = Duration::from_millis(400);

/// After this time one that is further behind is taken all the same.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long frames that pass the encoder by wait for its pictures.
const KEPT: Duration = Duration::from_secs(10);
