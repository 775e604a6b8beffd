//! The newest picture of each live stream: put in by its snapshots, or made when somebody asks for it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use lsv_core::hub::{Delivery, Stream};
use lsv_core::media::{Kind, MediaFrame};
use lsv_core::path::StreamPath;
use lsv_core::time::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::decoder::{Style, picture_of};
use crate::poster::{NoPoster, Poster, Posters};
use crate::process::Ffmpeg;

/// The newest pictures of all streams of a node. Clones share them.
///
/// A picture is made once for each key frame that anybody asks for, however many ask, and no more than [`MAKERS`] at
/// once on the node. Where the stream's snapshots are made anyway, they are asked to take each key frame as long as
/// somebody wants posters.
#[derive(Clone)]
pub struct Gallery {
    shared: Arc<Shared>,
}

struct Shared {
    ffmpeg: Option<Ffmpeg>,
    style: Style,
    makers: Semaphore,
    walls: Mutex<HashMap<StreamPath, Arc<Wall>>>,
}

/// What there is of one stream.
#[derive(Debug)]
struct Wall {
    stream: Weak<Stream>,
    /// Held by who makes a picture; the others wait for it.
    making: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    newest: Option<(Moment, Result<Poster, NoPoster>)>,
    /// When somebody asked last.
    asked: Option<Instant>,
    /// Snapshots are being made.
    is_followed: bool,
}

/// Which frame of a stream it is.
type Moment = (u32, Timestamp);

impl Gallery {
    /// Empty. Without `ffmpeg` it has no picture that is not put in.
    pub fn new(ffmpeg: Option<Ffmpeg>, style: Style) -> Self {
        Self {
            shared: Arc::new(Shared {
                ffmpeg,
                style,
                makers: Semaphore::new(MAKERS),
                walls: Mutex::default(),
            }),
        }
    }

    /// Where the snapshots of `stream` go, until it is dropped.
    pub(super) fn follow(&self, stream: &Arc<Stream>) -> Place {
        let wall = self.wall(stream);
        wall.state().is_followed = true;
        Place { wall }
    }

    fn wall(&self, stream: &Arc<Stream>) -> Arc<Wall> {
        let mut walls = self.shared.walls();
        let known = walls.get(stream.path());
        if let Some(wall) = known.filter(|wall| wall.stream.as_ptr() == Arc::as_ptr(stream)) {
            return Arc::clone(wall);
        }
        walls.retain(|_, wall| wall.stream.strong_count() > 0);
        let wall = Arc::new(Wall {
            stream: Arc::downgrade(stream),
            making: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        });
        walls.insert(stream.path().clone(), Arc::clone(&wall));
        wall
    }

    async fn find(&self, stream: &Arc<Stream>) -> Result<Poster, NoPoster> {
        let wall = self.wall(stream);
        let frame = newest_key_frame(stream);
        if let Some(known) = wall.ask(frame.as_ref()) {
            return known;
        }
        let frame = frame.ok_or(NoPoster::NoPicture)?;
        let Ok(making) = timeout(QUEUE, wall.making.lock()).await else {
            return Err(NoPoster::Busy);
        };
        if let Some(known) = wall.ask(Some(&frame)) {
            return known;
        }
        let made = self.make(&frame).await;
        if made != Err(NoPoster::Busy) {
            wall.state().newest = Some((moment(&frame), made.clone()));
        }
        drop(making);
        made
    }

    async fn make(&self, frame: &MediaFrame) -> Result<Poster, NoPoster> {
        let Some(ffmpeg) = &self.shared.ffmpeg else {
            let detail = "pictures need ffmpeg, which this node does not have";
            return Err(NoPoster::Impossible(detail.to_owned()));
        };
        let Ok(Ok(turn)) = timeout(QUEUE, self.shared.makers.acquire()).await else {
            return Err(NoPoster::Busy);
        };
        let taken = SystemTime::now();
        let made = picture_of(ffmpeg, frame, self.shared.style).await;
        drop(turn);
        match made {
            Ok(jpeg) => Ok(Poster::new(jpeg, taken)),
            Err(error) => {
                tracing::warn!(%error, "no picture of a key frame");
                let detail = "no picture could be made of the stream's newest key frame";
                Err(NoPoster::Impossible(detail.to_owned()))
            }
        }
    }
}

impl Posters for Gallery {
    fn poster<'a>(&'a self, stream: &'a Arc<Stream>) -> BoxFuture<'a, Result<Poster, NoPoster>> {
        self.find(stream).boxed()
    }
}

impl fmt::Debug for Gallery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gallery")
            .field("ffmpeg", &self.shared.ffmpeg)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn walls(&self) -> MutexGuard<'_, HashMap<StreamPath, Arc<Wall>>> {
        self.walls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wall {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The picture of `newest`; where snapshots take each key frame, also the one that they took last. Remembers that
    /// somebody asks.
    fn ask(&self, newest: Option<&MediaFrame>) -> Option<Result<Poster, NoPoster>> {
        let mut state = self.state();
        let was_wanted = state.is_wanted();
        state.asked = Some(Instant::now());
        let (known, poster) = state.newest.as_ref()?;
        let is_newest = newest.is_none_or(|newest| moment(newest) == *known);
        let is_near = || newest.is_some_and(|newest| self.is_neighbour(newest, *known));
        let is_coming = state.is_followed && was_wanted && poster.is_ok() && is_near();
        (is_newest || is_coming).then(|| poster.clone())
    }

    /// Whether `known` is the key frame in front of `newest`.
    fn is_neighbour(&self, newest: &MediaFrame, (epoch, at): Moment) -> bool {
        let stream = self.stream.upgrade();
        let interval = stream.and_then(|stream| stream.ingest().key_frame_interval);
        let step = newest.dts.since(at);
        newest.epoch == epoch && interval.is_some_and(|interval| step <= interval * 3 / 2)
    }
}

impl State {
    fn is_wanted(&self) -> bool {
        self.asked.is_some_and(|asked| asked.elapsed() < WANTED)
    }
}

/// The place of one stream's snapshots in a [`Gallery`].
#[derive(Debug)]
pub(super) struct Place {
    wall: Arc<Wall>,
}

impl Place {
    /// Whether somebody wants the picture of each key frame.
    pub(super) fn is_wanted(&self) -> bool {
        self.wall.state().is_wanted()
    }

    /// Puts in the picture of `frame`.
    pub(super) fn put(&self, frame: &MediaFrame, jpeg: Bytes, taken: SystemTime) {
        let poster = Poster::new(jpeg, taken);
        self.wall.state().newest = Some((moment(frame), Ok(poster)));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.wall.state().is_followed = false;
    }
}

fn moment(frame: &MediaFrame) -> Moment {
    (frame.epoch, frame.dts)
}

/// The newest key frame of the default video track, if the stream has it still.
pub(super) fn newest_key_frame(stream: &Stream) -> Option<MediaFrame> {
    match stream.subscribe().next().now_or_never()?? {
        Delivery::Item(frame) if frame.key && frame.kind() == Kind::Video => Some(frame),
        _ => None,
    }
}

/// Pictures that are made on demand at once.
pub const MAKERS: usize = 2;
/// How long a request waits for its turn.
const QUEUE: Duration = Duration::from_secs(5);
/// How long snapshots take each key frame after the last who asked for a poster.
const WANTED: Duration = Duration::from_secs(30);
