//! What happens around streams as they come and go: the reconnect window, announcements, events, settings.
//!
//! The hub knows no clock and no ports; this is where it meets both.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::channel::{Channel, Moment};
use crate::events::{Events, Happening};
use crate::hub::{self, Event, Hub, State, Stream};
use crate::media::Codec;
use crate::path::{ChannelId, Rendition, StreamPath};
use crate::ports::{
    AudioInfo, Form, LiveSessions, Session, SessionInfo, SessionRegistry, TaskScheduler, VideoInfo,
    WarningInfo,
};
use crate::via::Via;

mod announcer;
mod reconciler;
mod records;
mod tasks;

pub use reconciler::Reconciler;

use announcer::Announcer;
use tasks::Board;

/// Follows the hub, and shows what is live to the API. Clones share it.
#[derive(Clone)]
pub struct Lifecycle {
    shared: Arc<Shared>,
}

struct Shared {
    hub: Hub,
    events: Events,
    registry: Arc<dyn SessionRegistry>,
    config: Config,
    reconnect_window: watch::Sender<Duration>,
    leaving: watch::Sender<bool>,
    /// Bytes out at the last two samples, by channel.
    rates: Mutex<HashMap<ChannelId, Rates>>,
    board: Board,
    hands_over: AtomicBool,
}

/// What a node says of itself, and how patient it is.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of this node.
    pub node: String,
    /// Where other nodes pull its channels from.
    pub address: String,
    /// The same over TLS, if it has a certificate: `rtmps://host:port`.
    pub rtmps: Option<String>,
    /// Where its API is for other nodes, if it has one: `http://host:port`.
    pub http: Option<String>,
    /// What of its channels others get here.
    pub form: Form,
    /// How long viewers wait for a lost publisher, until [`Lifecycle::set_reconnect_window`].
    pub reconnect_window: Duration,
}

/// What other nodes are told of.
type Announced = HashMap<StreamPath, Announcer>;

#[derive(Default)]
struct Rates {
    bytes: BTreeMap<&'static str, u64>,
    bits_per_second: BTreeMap<&'static str, u64>,
}

impl Lifecycle {
    /// A lifecycle around `hub`; [`Lifecycle::run`] makes it work.
    pub fn new(
        hub: Hub,
        events: Events,
        registry: Arc<dyn SessionRegistry>,
        config: Config,
    ) -> Self {
        let shared = Shared {
            hub,
            events,
            registry,
            reconnect_window: watch::Sender::new(config.reconnect_window),
            config,
            leaving: watch::Sender::new(false),
            rates: Mutex::default(),
            board: Board::default(),
            hands_over: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Makes viewers wait that long for publishers who are lost from now on.
    pub fn set_reconnect_window(&self, window: Duration) {
        self.shared.reconnect_window.send_replace(window);
    }

    /// This node stops, and its streams go on at another: what ends from now on stays announced until that one has its
    /// place, or as long as an announcement lasts, so that nobody looks for less than there was in between.
    pub fn hand_over(&self) {
        self.shared.hands_over.store(true, Ordering::Relaxed);
    }

    /// Whether its streams go on at another node: see [`Lifecycle::hand_over`].
    pub fn hands_over(&self) -> bool {
        self.shared.hands_over.load(Ordering::Relaxed)
    }

    /// This node is about to stop, and asks its publishers to go elsewhere: other nodes are told to let them in.
    pub fn leave(&self) {
        self.shared.leaving.send_replace(true);
    }

    /// Follows the hub for ever.
    pub async fn run(self) {
        let mut events = self.shared.hub.events();
        let mut leaving = self.shared.leaving.subscribe();
        let mut announced = HashMap::new();
        let mut sample = tokio::time::interval(SAMPLE_INTERVAL);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.follow(event, &mut announced),
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "the lifecycle lags behind the hub and catches up");
                        self.catch_up(&mut announced);
                    }
                    Err(RecvError::Closed) => return,
                },
                Ok(()) = leaving.changed() => {
                    for stream in self.shared.hub.streams() {
                        self.announce(&stream, &mut announced);
                    }
                }
                _ = sample.tick() => self.sample(),
            }
        }
    }

    /// Shows the tasks of `schedulers` with the sessions that they work for, and in metrics. Never returns.
    pub async fn show_tasks(self, schedulers: Vec<Arc<dyn TaskScheduler>>) {
        let mut sample = tokio::time::interval(SAMPLE_INTERVAL);
        sample.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            sample.tick().await;
            let mut tasks = Vec::new();
            for scheduler in &schedulers {
                match scheduler.list().await {
                    Ok(listed) => tasks.extend(listed),
                    Err(error) => {
                        tracing::warn!(%error, "what runs for the channels is not known")
                    }
                }
            }
            self.shared.board.post(tasks);
        }
    }

    fn follow(&self, event: Event, announced: &mut Announced) {
        match event {
            Event::Started(stream) | Event::Resumed(stream) => {
                self.publish_event(&stream, |channel| Happening::Published {
                    channel,
                    peer: stream.peer(),
                });
                self.announce(&stream, announced);
            }
            Event::Interrupted(stream) => {
                self.publish_event(&stream, |channel| Happening::Unpublished { channel });
                self.announce(&stream, announced);
                self.expect_back(stream);
            }
            Event::Ended { stream, was_live } => {
                if !self.hands_over() {
                    announced.remove(stream.path());
                }
                if was_live {
                    self.publish_event(&stream, |channel| Happening::Unpublished { channel });
                }
            }
        }
    }

    /// After missed events: what matters is what is there now.
    fn catch_up(&self, announced: &mut Announced) {
        let streams = self.shared.hub.streams();
        announced.retain(|_, announcer| streams.iter().any(|stream| announcer.is_of(stream)));
        for stream in streams {
            if !announced.contains_key(stream.path()) {
                self.announce(&stream, announced);
            }
            if stream.state() == State::Interrupted {
                self.expect_back(stream);
            }
        }
    }

    fn publish_event(&self, stream: &Stream, happening: impl FnOnce(ChannelId) -> Happening) {
        if stream.path().rendition == Rendition::Source {
            let happened = happening(stream.path().channel.clone());
            self.shared.events.publish(wall_clock(), happened);
        }
    }

    fn announce(&self, stream: &Arc<Stream>, announced: &mut Announced) {
        if stream.path().rendition != Rendition::Source {
            return;
        }
        let known = announced.get_mut(stream.path());
        let known = known.filter(|announcer| announcer.is_of(stream));
        let began = since(stream);
        let since = known.as_ref().map(|known| known.since(stream, began));
        let session = Session {
            channel: stream.path().channel.clone(),
            node: self.shared.config.node.clone(),
            address: self.shared.config.address.clone(),
            rtmps: self.shared.config.rtmps.clone(),
            since: since.unwrap_or(began),
            http: self.shared.config.http.clone(),
            form: self.shared.config.form,
            take_overs: take_overs(stream),
            waiting: stream.state() == State::Interrupted,
            leaving: *self.shared.leaving.borrow(),
            through: Via::default(),
        };
        match known {
            Some(announcer) => announcer.tell(stream, session),
            None => {
                let registry = Arc::clone(&self.shared.registry);
                let announcer = Announcer::new(registry, stream, session);
                announced.insert(stream.path().clone(), announcer);
            }
        }
    }

    /// Opens the reconnect window of a stream whose publisher was lost.
    fn expect_back(&self, stream: Arc<Stream>) {
        let session = stream.session();
        let window = *self.shared.reconnect_window.borrow();
        tracing::info!(path = %stream.path(), ?window, "the publisher was lost; viewers wait for it");
        tokio::spawn(async move {
            tokio::time::sleep(window).await;
            stream.expire(session);
        });
    }

    fn sample(&self) {
        let now = tokio::time::Instant::now().into_std();
        let mut rates = self
            .shared
            .rates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let streams = self.shared.hub.streams();
        streams.iter().for_each(|stream| stream.observe(now));
        let channels = streams.iter().map(|stream| &stream.path().channel);
        let channels: BTreeSet<&ChannelId> = channels.collect();
        rates.retain(|channel, _| channels.contains(channel));
        for channel in channels {
            let rates = rates.entry(channel.clone()).or_default();
            for (protocol, traffic) in self.traffic(channel) {
                let before = rates
                    .bytes
                    .insert(protocol.as_str(), traffic.bytes)
                    .unwrap_or(0);
                let bits = traffic.bytes.saturating_sub(before).saturating_mul(8);
                rates
                    .bits_per_second
                    .insert(protocol.as_str(), bits / SAMPLE_INTERVAL.as_secs());
            }
        }
        gauge(&streams);
    }

    fn source(&self, channel: &ChannelId) -> Option<Arc<Stream>> {
        self.shared.hub.find(&StreamPath::source(channel.clone()))
    }

    /// Viewers and bytes out of all renditions of `channel`, by protocol.
    fn traffic(&self, channel: &ChannelId) -> BTreeMap<hub::Protocol, hub::Traffic> {
        let mut all: BTreeMap<hub::Protocol, hub::Traffic> = BTreeMap::new();
        let renditions = [Rendition::Source].into_iter().chain(Rendition::TRANSCODED);
        for rendition in renditions {
            let channel = channel.clone();
            let Some(stream) = self.shared.hub.find(&StreamPath { channel, rendition }) else {
                continue;
            };
            for (protocol, traffic) in stream.traffic() {
                let sum = all.entry(protocol).or_default();
                sum.viewers += traffic.viewers;
                sum.bytes = sum.bytes.saturating_add(traffic.bytes);
            }
        }
        all
    }

    fn describe(&self, stream: &Stream) -> SessionInfo {
        let tracks = stream.source_tracks();
        let ingest = stream.ingest();
        let video = tracks
            .video
            .as_ref()
            .map(|track| video_info(&track.codec, ingest.frame_rate_millis));
        let audio = tracks.audio.as_ref().map(|track| audio_info(&track.codec));
        let viewers = self.traffic(&stream.path().channel).into_iter();
        let rates = self
            .shared
            .rates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let bitrate_out = rates
            .get(&stream.path().channel)
            .map(|rates| owned_keys(&rates.bits_per_second));
        SessionInfo {
            channel: stream.path().channel.clone(),
            since: since(stream),
            peer: stream.peer(),
            node: self.shared.config.node.clone(),
            video,
            audio,
            bitrate_in: ingest.bit_rate,
            key_frame_interval: ingest
                .key_frame_interval
                .map(|interval| interval.as_secs_f64()),
            viewers: viewers
                .map(|(protocol, traffic)| (protocol.as_str().to_owned(), traffic.viewers))
                .collect(),
            bitrate_out: bitrate_out.unwrap_or_default(),
            tasks: self.shared.board.of(&stream.path().channel),
            warnings: stream.warnings().into_iter().map(warning_info).collect(),
        }
    }
}

impl LiveSessions for Lifecycle {
    fn list(&self) -> Vec<SessionInfo> {
        let mut streams = self.shared.hub.streams();
        streams.retain(|stream| {
            stream.path().rendition == Rendition::Source && stream.state() == State::Live
        });
        streams.sort_by(|a, b| a.path().cmp(b.path()));
        streams.iter().map(|stream| self.describe(stream)).collect()
    }

    fn find(&self, channel: &ChannelId) -> Option<SessionInfo> {
        let stream = self
            .source(channel)
            .filter(|stream| stream.state() == State::Live)?;
        Some(self.describe(&stream))
    }

    fn disconnect(&self, channel: &ChannelId) -> bool {
        self.source(channel)
            .is_some_and(|stream| stream.close(hub::Closed::Kicked))
    }

    fn apply(&self, channel: &Arc<Channel>) {
        if let Some(stream) = self.source(&channel.id) {
            stream.set_settings(hub::Settings::from(&**channel));
        }
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

fn video_info(codec: &Codec, frame_rate_millis: u32) -> VideoInfo {
    let (width, height) = codec
        .picture()
        .map_or((0, 0), |picture| (picture.width, picture.height));
    VideoInfo {
        codec: codec.rfc6381(),
        width,
        height,
        frame_rate: (frame_rate_millis > 0).then(|| f64::from(frame_rate_millis) / 1000.0),
    }
}

fn audio_info(codec: &Codec) -> AudioInfo {
    let (sample_rate, channels) = codec
        .sound()
        .map_or((0, 0), |sound| (sound.sample_rate, sound.channels));
    AudioInfo {
        codec: codec.rfc6381(),
        sample_rate,
        channels: u32::from(channels),
    }
}

fn warning_info(warning: hub::Warning) -> WarningInfo {
    WarningInfo {
        topic: warning.topic.to_owned(),
        text: warning.text,
    }
}

fn gauge(streams: &[Arc<Stream>]) {
    let live = streams
        .iter()
        .filter(|stream| stream.state() == State::Live)
        .count();
    metrics::gauge!("lsv_streams").set(live as f64);
    for protocol in hub::Protocol::ALL {
        let traffic = |stream: &Arc<Stream>| stream.traffic().get(&protocol).copied();
        let viewers: u64 = streams
            .iter()
            .filter_map(traffic)
            .map(|traffic| traffic.viewers)
            .sum();
        metrics::gauge!("lsv_viewers", "protocol" => protocol.as_str()).set(viewers as f64);
    }
}

fn owned_keys(map: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    map.iter()
        .map(|(key, value)| ((*key).to_owned(), *value))
        .collect()
}

/// When the publisher began, on the wall clock: behind those on other nodes whose place it took, also where their clocks are
/// ahead of this one.
fn since(stream: &Stream) -> Moment {
    let began = stream.since().map_or_else(wall_clock, on_wall_clock);
    let after = stream.after().map(announcer::behind);
    after.map_or(began, |earliest| began.max(earliest))
}

fn take_overs(stream: &Stream) -> Vec<Moment> {
    let take_overs = stream.take_overs().into_iter();
    take_overs.map(on_wall_clock).collect()
}

fn on_wall_clock(then: Instant) -> Moment {
    let age = Instant::now().saturating_duration_since(then);
    let then = SystemTime::now().checked_sub(age);
    then.unwrap_or_else(SystemTime::now).into()
}

fn wall_clock() -> Moment {
    SystemTime::now().into()
}

/// How often bytes out are sampled for the rates that the API shows.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(2);

#[cfg(test)]
#[cfg(feature = "embedded")]
mod tests;
