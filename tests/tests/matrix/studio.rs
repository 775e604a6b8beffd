//! The way of a stream through the library, without sockets and without waiting: tags, hub, packager, files.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use lsv_core::hub::{Delivery, Hub, Offer, Publisher, Settings, Subscriber};
use lsv_core::media::{Kind, MediaFrame, Tracks};
use lsv_core::path::{ChannelId, StreamPath};
use lsv_core::time::Timestamp;
use lsv_mux::flv::{Demuxer, FlvPackage, Limits};
use lsv_mux::packager::{Config, Packager};
use lsv_mux::window::{Outputs, Reload};
use lsv_rtmp::media::{Demuxer as MediaDemuxer, Item};
use lsv_rtmp::session::Media;
use lsv_tests::flv::{self, Tag};
use lsv_tests::{hls, mpd};

use super::recorder::{Recorded, Recorder};
use super::script::Take;

/// All that viewers of a stream could have got, and what judges said of it meanwhile.
#[derive(Debug)]
pub(crate) struct Played {
    /// HTTP-FLV from the start to the end.
    pub(crate) flv: Vec<u8>,
    /// Every file that a playlist ever named, by its address under the stream's own.
    pub(crate) files: HashMap<String, Bytes>,
    /// The judge of each media playlist, by its address.
    pub(crate) playlists: BTreeMap<String, hls::Judge>,
    /// The judge of the DASH manifest.
    pub(crate) mpd: mpd::Judge,
    /// The last version of each manifest.
    pub(crate) manifests: BTreeMap<String, String>,
    /// What a recorder made of it.
    pub(crate) recorded: Recorded,
}

/// Sends `takes` through a hub and a packager and asks for everything whenever something is new.
pub(crate) fn play(takes: &[Take], list_size: usize) -> Played {
    let hub = Hub::default();
    let path = StreamPath::source(ChannelId::parse("cam").expect("a channel"));
    let mut settings = Settings::default();
    (settings.cmaf, settings.list_size) = (true, list_size);
    let mut offer = Offer::new("test");
    offer.settings = settings.clone();
    let mut studio: Option<Studio> = None;
    let mut publisher: Option<Publisher> = None;
    for take in takes {
        if publisher.is_none() || take.new_publisher {
            drop(publisher.take());
            let next = hub.publish(&path, offer.clone(), Instant::now());
            let next = next.expect("a hub that takes a publisher");
            studio
                .get_or_insert_with(|| Studio::new(&next, &settings))
                .demuxer = MediaDemuxer::default();
            publisher = Some(next);
        }
        if let (Some(studio), Some(publisher)) = (&mut studio, &publisher) {
            studio.send(publisher, &take.tags);
        }
    }
    publisher.expect("a take").finish();
    studio.expect("a take").end()
}

struct Studio {
    demuxer: MediaDemuxer,
    frames: Subscriber<MediaFrame>,
    chunks: Subscriber<lsv_core::hub::Chunk>,
    packager: Packager,
    recorder: Recorder,
    now: SystemTime,
    played: Played,
}

impl Studio {
    fn new(publisher: &Publisher, settings: &Settings) -> Self {
        let stream = publisher.stream();
        let now = start();
        Self {
            demuxer: MediaDemuxer::default(),
            frames: stream.subscribe(),
            chunks: stream.packaged::<FlvPackage>(),
            packager: Packager::new(&Config::default(), settings, 1_000, now),
            recorder: Recorder::new(),
            now,
            played: Played {
                flv: Vec::new(),
                files: HashMap::new(),
                playlists: BTreeMap::new(),
                mpd: mpd::Judge::default(),
                manifests: BTreeMap::new(),
                recorded: Recorded::default(),
            },
        }
    }

    fn send(&mut self, publisher: &Publisher, tags: &[Tag]) {
        let mut input = BytesMut::from(flv::file(tags).as_slice());
        let mut demuxer = Demuxer::new(Limits::default());
        while let Some(tag) = demuxer.next(&mut input).expect("FLV as ffmpeg writes it") {
            let (timestamp, payload) = (tag.timestamp, tag.body);
            let media = match tag.kind {
                Kind::Video => Media::Video { timestamp, payload },
                Kind::Audio => Media::Audio { timestamp, payload },
                Kind::Data => Media::Data { timestamp, payload },
            };
            for item in self.demuxer.push(&media) {
                match item.expect("tags as ffmpeg writes them") {
                    Item::Frame(frame) => publisher.push(frame).expect("a hub that takes frames"),
                    Item::Track(track) => publisher.announce(&track),
                    Item::Metadata(metadata) => publisher.set_metadata(metadata),
                    _ => {}
                }
            }
            self.work(&publisher.stream().tracks());
        }
    }

    /// Packages what has come; time goes as the media does.
    fn work(&mut self, tracks: &Arc<Tracks>) {
        while let Some(Some(delivery)) = self.frames.next().now_or_never() {
            let Delivery::Item(frame) = delivery else {
                panic!("frames were passed over");
            };
            self.packager.announce(tracks);
            self.now = self.now.max(start() + frame.dts.since(Timestamp::ZERO));
            self.recorder.push(&frame, tracks, self.now);
            if self.packager.push(&frame, self.now) {
                self.look();
            }
        }
        while let Some(Some(Delivery::Item(chunk))) = self.chunks.next().now_or_never() {
            if self.played.flv.is_empty() {
                self.played
                    .flv
                    .extend_from_slice(&lsv_mux::flv::header(true, true));
                self.played.flv.extend_from_slice(&chunk.prelude);
            }
            self.played.flv.extend_from_slice(&chunk.bytes);
        }
    }

    fn end(mut self) -> Played {
        self.packager.end(self.now);
        self.look();
        self.played.recorded = self.recorder.end();
        self.played
    }

    /// Asks for all there is.
    fn look(&mut self) {
        let outputs = self.packager.outputs();
        let played = &mut self.played;
        played.see_manifest(outputs, "live.m3u8");
        let media = played.see_manifest(outputs, "master.m3u8");
        for name in media {
            played.see_manifest(outputs, &name);
        }
        played.see_manifest(outputs, "manifest.mpd");
        played.cross_examine();
    }
}

impl Played {
    /// Fetches a manifest, hands it to its judge, and fetches what it names; of a master playlist, answers its media
    /// playlists.
    fn see_manifest(&mut self, outputs: &Outputs, name: &str) -> Vec<String> {
        let Some(text) = fetch(outputs, name) else {
            return Vec::new();
        };
        let text = String::from_utf8(text.to_vec()).expect("a manifest in UTF-8");
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let changed = self.manifests.get(name) != Some(&text);
        let named = match name {
            "master.m3u8" => {
                self.manifests.insert(name.to_owned(), text.clone());
                return media_playlists(&text);
            }
            _ if !changed => Vec::new(),
            "manifest.mpd" => self.mpd.see(&text),
            _ => {
                let judge = self.playlists.entry(name.to_owned());
                judge.or_insert_with(|| hls::Judge::new(name)).see(&text)
            }
        };
        self.manifests.insert(name.to_owned(), text);
        for uri in named {
            let address = match folder {
                "" => uri,
                folder => format!("{folder}/{uri}"),
            };
            if !self.files.contains_key(&address)
                && let Some(bytes) = fetch(outputs, &address)
            {
                self.files.insert(address, bytes);
            }
        }
        Vec::new()
    }

    /// Holds what each playlist reports of the others to what those show.
    fn cross_examine(&mut self) {
        let names: Vec<String> = self.playlists.keys().cloned().collect();
        let media = || names.iter().filter(|name| name.starts_with("cmaf/"));
        for name in media() {
            for other in media().filter(|other| *other != name) {
                let Some(truth) = self.playlists.remove(other) else {
                    continue;
                };
                if let Some(judge) = self.playlists.get_mut(name) {
                    judge.judge_report(other.trim_start_matches("cmaf/"), &truth);
                }
                self.playlists.insert(other.clone(), truth);
            }
        }
    }
}

/// A file that is there now; what would have to be waited for is not.
fn fetch(outputs: &Outputs, name: &str) -> Option<Bytes> {
    let file = outputs.file(name, Reload::default()).now_or_never()?;
    file.ok().map(|file| file.body.to_bytes())
}

/// The addresses of a master playlist's media playlists.
fn media_playlists(master: &str) -> Vec<String> {
    let quoted = |line: &str| Some(line.split_once("URI=\"")?.1.split_once('"')?.0.to_owned());
    let lines = master.lines();
    let named = lines.filter_map(|line| match line.starts_with('#') {
        true => quoted(line),
        false => Some(line.to_owned()),
    });
    named.collect()
}

/// 2026-01-01T00:00:00Z.
fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}
