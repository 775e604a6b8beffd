//! One channel that is wanted: its stream is looked for, filled, and found anew when it moves.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lsv_core::channel::Channel;
use lsv_core::hub::{self, Closed, Offer, Settings, Stream};
use lsv_core::path::{ChannelId, Rendition, StreamPath};
use lsv_core::ports::{self, Denied, Form, Reason, Session};
use lsv_core::share::Share;
use lsv_core::via::Via;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::{Missing, Shared, node, offline};
use crate::net::relay::filler::{End, Filler};
use crate::net::relay::status::{State, Status, Stop};

/// How far a job is.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    Searching,
    /// The hub has the stream.
    Live(Live),
    Absent(Denied),
}

/// What there is of a channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Live {
    /// Where it comes from.
    pub(super) session: Session,
    /// The renditions that the channel is set to have.
    pub(super) renditions: Vec<Rendition>,
}

pub(super) struct Job {
    shared: Arc<Shared>,
    channel: ChannelId,
    /// This node alone.
    via: Via,
    stage: watch::Sender<Stage>,
    heard: watch::Sender<Option<Instant>>,
    /// Since when the source says that it is over.
    ended: Option<Instant>,
    /// The node that was to process it, and gave nothing.
    missing: Missing,
    /// Why a node gave no stream when it was asked last.
    failed: Option<String>,
    /// The record as it was told last.
    known: Option<Arc<Channel>>,
}

/// Why a connection is left.
enum Left {
    Ended(End),
    /// The stream is live elsewhere by now.
    Moved(Session),
    /// Nothing comes, and nobody knows of the stream.
    Silent,
}

impl Job {
    pub(super) fn new(
        shared: Arc<Shared>,
        channel: ChannelId,
    ) -> (
        Self,
        watch::Receiver<Stage>,
        watch::Receiver<Option<Instant>>,
    ) {
        let (stage, staged) = watch::channel(Stage::Searching);
        let (heard, hearing) = watch::channel(None);
        let job = Self {
            via: shared.via(),
            shared,
            channel,
            stage,
            heard,
            ended: None,
            missing: Missing::default(),
            failed: None,
            known: None,
        };
        (job, staged, hearing)
    }

    pub(super) async fn run(mut self) {
        let denied = self.keep().await;
        tracing::debug!(reason = %denied.reason, "the stream is not pulled any more");
        self.stage.send_replace(Stage::Absent(denied.clone()));
        self.shared.forget(&self.channel, denied);
    }

    /// Fills the stream until it is over or nobody wants it, and says what to tell those who come then.
    async fn keep(&mut self) -> Denied {
        let (mut next, mut last, mut delay) = (None, None, LOOK_AGAIN);
        let since = Instant::now();
        loop {
            let found = match next.take() {
                Some(session) => Ok(Some(session)),
                None => self.locate().await,
            };
            match found {
                Ok(Some(session)) => {
                    self.ended = None;
                    let began = Instant::now();
                    last = Some(session.clone());
                    let left = self.pull(session.clone()).await;
                    let is_stable = began.elapsed() >= STABLE;
                    self.missing.forget_if(is_stable, &session);
                    match left {
                        Ok(Left::Moved(session)) => next = Some(session),
                        Ok(Left::Ended(End::Stopped(_))) => return offline(),
                        Ok(left) => self.note(&left, &session),
                        // Those who watch wait for better times.
                        Err(denied)
                            if denied.reason == Reason::Unavailable && self.stream().is_some() => {}
                        Err(denied) => return denied,
                    }
                    delay = match is_stable {
                        true => LOOK_AGAIN,
                        false => (delay * 2).min(LONGEST_DELAY),
                    };
                    let patience = self.shared.config.patience;
                    if self.stream().is_none() && since.elapsed() >= patience {
                        return self.not_given();
                    }
                }
                Ok(None) if self.is_over() => return offline(),
                Ok(None) => delay = LOOK_AGAIN,
                Err(error) => {
                    tracing::debug!(%error, "the nodes cannot be asked where the stream is");
                    if self.stream().is_none() {
                        return unavailable("no node can be asked at the moment");
                    }
                    // Most likely it is where it was.
                    next = last.clone();
                }
            }
            if next.is_none() {
                sleep(delay).await;
            }
        }
    }

    /// Where the stream can be had. A node that itself waits for another's is no place to wait at.
    async fn locate(&self) -> ports::Result<Option<Session>> {
        let (directory, channel) = (&self.shared.directory, &self.channel);
        let mut found = directory.locate(channel, &self.via).await?;
        if self.missing.is_given_up(found.as_ref()) {
            found = directory.source(channel, &self.via).await?;
        }
        let waits = |session: &Session| session.waiting && !session.through.is_empty();
        Ok(found.filter(|session| !waits(session)))
    }

    /// Whether the stream has gone, or its source ended it and it came up nowhere else.
    fn is_over(&self) -> bool {
        let Some(stream) = self.stream() else {
            return true;
        };
        let farewell = self.shared.config.farewell;
        let over = self.ended.is_some_and(|ended| ended.elapsed() >= farewell);
        if over {
            stream.expire(stream.session());
        }
        over
    }

    /// The nodes do not give the stream. Why is for operators, who see it at the task of who processes, and not for viewers.
    fn not_given(&self) -> Denied {
        let text = "the nodes do not give the stream";
        match &self.failed {
            Some(error) if self.shared.config.processes => unavailable(&format!("{text}: {error}")),
            _ => unavailable(text),
        }
    }

    fn note(&mut self, left: &Left, session: &Session) {
        self.missing.note(session, *self.heard.borrow());
        match left {
            Left::Ended(End::SourceEnded) => {
                tracing::info!("the source has ended its stream");
                self.ended = Some(Instant::now());
            }
            Left::Ended(End::Failed(error)) => {
                tracing::warn!(%error, "the node gives no stream");
                self.failed = Some(error.to_string());
            }
            Left::Ended(End::Refused(error)) => {
                tracing::warn!(%error, "the stream is refused here")
            }
            Left::Silent => tracing::warn!("nothing comes from the node"),
            Left::Ended(End::Stopped(_)) | Left::Moved(_) => {}
        }
    }

    fn stream(&self) -> Option<Arc<Stream>> {
        let hub = &self.shared.hub;
        hub.find(&StreamPath::source(self.channel.clone()))
    }

    async fn pull(&mut self, session: Session) -> Result<Left, Denied> {
        let record = self.record().await?;
        let path = StreamPath::source(self.channel.clone());
        let secret = self.shared.config.secret.as_ref();
        let server = self.server(&session, &record)?;
        let address = node::address(server, &path, &self.via, secret);
        let address = address.map_err(|error| {
            tracing::warn!(node = session.node, %error, "a node names no address to pull from");
            offline()
        })?;
        tracing::info!(node = session.node, %address, "pulling");
        metrics::counter!("lsv_pulls_total").increment(1);
        let mut offer = Offer::new(session.node.clone());
        let wanted = Settings::from(&*record).processing.renditions;
        offer.settings = settings_of(&self.shared, &record);
        let shared = Arc::clone(&self.shared);
        let (mut filler, status) = Filler::new(&shared.hub, path, offer, &shared.client);
        let (stop, frames) = (filler.stop.clone(), Arc::clone(&filler.frames));
        let mut fill = pin!(filler.fill(&address));
        let live = Live {
            session,
            renditions: wanted,
        };
        // Told before anything comes: whoever asks where this stream comes from must not take it for that of another node.
        self.stage.send_if_modified(|stage| match stage {
            Stage::Live(known) => {
                *known = live.clone();
                true
            }
            _ => false,
        });
        let mut watcher = Watcher::new(self, live, status, frames);
        Ok(loop {
            tokio::select! {
                (end, publisher) = &mut fill => {
                    if let (End::Stopped(Stop::Asked), Some(publisher)) = (&end, publisher) {
                        publisher.finish();
                    }
                    break Left::Ended(end);
                }
                seen = watcher.next() => match seen {
                    Seen::Unwanted => stop.cancel(),
                    Seen::Moved(session) => break Left::Moved(session),
                    Seen::Silent => break Left::Silent,
                }
            }
        })
    }

    /// Where a node is asked for the stream: by who processes a channel that is set so, over TLS alone.
    fn server<'a>(&self, session: &'a Session, record: &Channel) -> Result<&'a str, Denied> {
        if !self.shared.config.processes || !record.settings.is_rtmps {
            return Ok(&session.address);
        }
        session.rtmps.as_deref().ok_or_else(|| {
            let node = &session.node;
            unavailable(&format!(
                "the channel is to be pulled over RTMPS (isRtmps), and the node {node} has no certificate"
            ))
        })
    }

    async fn record(&mut self) -> Result<Arc<Channel>, Denied> {
        match self.shared.directory.record(&self.channel, &self.via).await {
            Ok(record) => {
                self.known = Some(Arc::clone(&record));
                Ok(record)
            }
            Err(ports::Error::NotFound(_)) => Err(offline()),
            Err(error) => {
                tracing::warn!(%error, "the channel's record cannot be read");
                // Who watches goes on with what was set last.
                let known = self.known.clone().filter(|_| self.stream().is_some());
                known.ok_or_else(|| unavailable("the platform cannot be asked at the moment"))
            }
        }
    }
}

/// Looks after a connection: whether anybody watches, whether it still gives, what the channel is set to.
struct Watcher<'a> {
    job: &'a Job,
    live: Live,
    status: watch::Receiver<Status>,
    second: tokio::time::Interval,
    ticks: u32,
    /// Counts the frames that come; how many had, and when they last became more.
    frames: Arc<AtomicU64>,
    count: u64,
    heard: Instant,
    /// When somebody was last seen to watch.
    watched: Instant,
    /// Whether there may be a node that processes the channel.
    processed: bool,
}

enum Seen {
    /// Nobody watches, or the channel is gone.
    Unwanted,
    Moved(Session),
    Silent,
}

impl<'a> Watcher<'a> {
    fn new(
        job: &'a Job,
        live: Live,
        status: watch::Receiver<Status>,
        frames: Arc<AtomicU64>,
    ) -> Self {
        let mut second = interval(SECOND);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let now = Instant::now();
        Self {
            job,
            live,
            status,
            second,
            ticks: 0,
            frames,
            count: 0,
            heard: now,
            watched: now,
            processed: false,
        }
    }

    async fn next(&mut self) -> Seen {
        loop {
            tokio::select! {
                changed = self.status.changed() => match changed {
                    Ok(()) => self.tell(),
                    // The connection is over, which says more.
                    Err(_) => std::future::pending().await,
                },
                _ = self.second.tick() => if let Some(seen) = self.look().await {
                    return seen;
                },
            }
        }
    }

    /// Lets those who wait go on as soon as there is something to watch.
    fn tell(&mut self) {
        let is_live = matches!(self.status.borrow_and_update().state, State::Live { .. });
        if is_live {
            self.job.stage.send_if_modified(|stage| {
                let same = matches!(stage, Stage::Live(known) if *known == self.live);
                if !same {
                    *stage = Stage::Live(self.live.clone());
                }
                !same
            });
        }
    }

    async fn look(&mut self) -> Option<Seen> {
        self.ticks = self.ticks.wrapping_add(1);
        let now = Instant::now();
        if self.has_viewers() {
            self.watched = now;
        } else if now - self.watched >= self.job.shared.config.linger {
            tracing::info!("nobody watches any more");
            return Some(Seen::Unwanted);
        }
        if self.ticks.is_multiple_of(SETTINGS_EVERY) && !self.follow_settings().await {
            return Some(Seen::Unwanted);
        }
        if self.ticks.is_multiple_of(SETTINGS_EVERY)
            && let Some(moved) = self.look_for_processed().await
        {
            return Some(moved);
        }
        if self.hears() || self.heard.elapsed() < SUSPICIOUS {
            return None;
        }
        self.find_again().await
    }

    /// Whether something has come since this was last asked. Whoever keeps records may take longer to answer than a node may
    /// be silent.
    fn hears(&mut self) -> bool {
        let count = self.frames.load(Ordering::Relaxed);
        if count == self.count {
            return false;
        }
        let now = Instant::now();
        (self.count, self.heard) = (count, now);
        self.job.heard.send_replace(Some(now));
        true
    }

    /// Where a node has begun to process what comes unprocessed so far.
    async fn look_for_processed(&self) -> Option<Seen> {
        let current = &self.live.session;
        if !self.processed || current.form == Form::Processed {
            return None;
        }
        let found = self.job.locate().await.ok()??;
        (found.form == Form::Processed && !found.waiting).then(|| {
            tracing::info!(node = found.node, "the stream is processed by now");
            Seen::Moved(found)
        })
    }

    fn has_viewers(&self) -> bool {
        if self.job.shared.held().contains_key(&self.job.channel) {
            return true;
        }
        let hub = &self.job.shared.hub;
        let renditions = [Rendition::Source].into_iter().chain(Rendition::TRANSCODED);
        let mut streams = renditions.filter_map(|rendition| {
            let channel = self.job.channel.clone();
            hub.find(&StreamPath { channel, rendition })
        });
        streams.any(|stream| stream.traffic().values().any(|traffic| traffic.viewers > 0))
    }

    /// False for a channel that is gone.
    async fn follow_settings(&mut self) -> bool {
        let Some(stream) = self.job.stream() else {
            return true;
        };
        let job = self.job;
        match job.shared.directory.record(&job.channel, &job.via).await {
            Ok(channel) => {
                stream.set_settings(settings_of(&job.shared, &channel));
                let wanted = Settings::from(&*channel).processing;
                self.processed = Share::Remuxing.leaves_work(&wanted);
                self.live.renditions = wanted.renditions;
                self.tell();
            }
            Err(ports::Error::NotFound(_)) => {
                stream.close(Closed::Kicked);
                return false;
            }
            // What was set last holds.
            Err(_) => {}
        }
        true
    }

    /// What to do about a node that sends nothing.
    async fn find_again(&mut self) -> Option<Seen> {
        let found = self.job.locate().await;
        if self.hears() {
            return None;
        }
        let current = &self.live.session;
        let is_long = self.heard.elapsed() >= self.job.shared.config.silence;
        match found {
            // Its publisher was lost and has come again, elsewhere: what it sends to where it was comes over this connection.
            Ok(Some(session))
                if session.since > current.since && !session.is_from_node_of(current) =>
            {
                tracing::info!(node = session.node, "the stream has moved");
                Some(Seen::Moved(session))
            }
            // It may come back there.
            Ok(Some(session)) if session.waiting && session.is_at(current) => None,
            // Others may be as cut off as this node, and not have noticed yet.
            _ if !is_long => None,
            Ok(Some(session)) if !session.is_at(current) => Some(Seen::Moved(session)),
            _ => Some(Seen::Silent),
        }
    }
}

/// What a channel that is pulled has: its live outputs. Recording and processing are done elsewhere, unless it is here.
fn settings_of(shared: &Shared, channel: &Channel) -> Settings {
    let mut settings = Settings::from(channel);
    if shared.config.processes {
        return settings;
    }
    settings.recording = hub::Recording::default();
    settings.processing = hub::Processing::default();
    settings
}

fn unavailable(detail: &str) -> Denied {
    Denied::new(Reason::Unavailable, detail)
}

const SECOND: Duration = Duration::from_secs(1);
/// After this much silence it is looked whether the stream is live elsewhere.
const SUSPICIOUS: Duration = Duration::from_millis(1500);
/// How soon a stream that was lost is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// The longest delay between two looks: they get longer while a node is found and gives nothing.
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// A connection that lasts as long makes up for those that failed.
const STABLE: Duration = Duration::from_secs(5);
/// Seconds between looks at the channel's record: changed settings are to be in force within five.
const SETTINGS_EVERY: u32 = 2;
