//! The way of an object from upstream into the cache, and to those who wait for it.

use std::sync::Arc;
use std::time::Duration;

use lsv_core::cache::{Lookup, Permit};
use tokio::time::Instant;

use super::body::{Arrival, Body, Bounds};
use super::client::{Ask, Reply, Rest};
use super::failure::Failure;
use super::find::now;
use super::head::Head;
use super::object::{Content, Object};
use super::upstream::Upstream;
use super::via::Way;
use super::wish::{Kind, Part, Wish};
use super::{Inner, Key};

/// The right to fetch an object.
pub(super) type Right = Permit<Key, Arc<Object>, Failure>;

/// What a fetch came to.
pub(super) type Fetched = Result<Option<Arc<Object>>, Failure>;

/// An object, and what is yet to come of it.
struct Begun {
    object: Object,
    rest: Option<(Arrival, Rest)>,
}

/// One fetch.
pub(super) struct Job {
    pub(super) edge: Arc<Inner>,
    pub(super) wish: Arc<Wish>,
    pub(super) way: Way,
    pub(super) key: Key,
}

impl Job {
    pub(super) async fn run(self, permit: Right) -> Fetched {
        if let Some((object, life)) = self.read_disk().await {
            let object = Arc::new(object);
            permit.fill(Arc::clone(&object), life, now());
            return Ok(Some(object));
        }
        let known = self.edge.memory.spare(&self.key, now());
        let known = known.map(|kept| kept.value);
        let fetched = self.ask_upstreams(known.as_deref()).await;
        let limits = &self.edge.limits;
        match fetched {
            Ok(Some((begun, upstreams))) => {
                let life = begun.object.head.life(self.wish.kind, limits);
                let object = Arc::new(begun.object);
                permit.fill(Arc::clone(&object), life, now());
                self.edge.gauge();
                match begun.rest {
                    Some((arrival, rest)) => {
                        let receiving = self.receive(Arc::clone(&object), arrival, rest, upstreams);
                        drop(tokio::spawn(receiving));
                    }
                    None => self.write_disk(&object, life),
                }
                Ok(Some(object))
            }
            Ok(None) => {
                permit.absent(limits.absence, now());
                Ok(None)
            }
            Err(failure) => {
                let channel = &self.wish.channel;
                tracing::debug!(%channel, path = %self.wish.path, %failure, "nothing came from upstream");
                let pause = match failure.is_circle() {
                    // It says nothing to those who came another way.
                    true => Duration::ZERO,
                    false => limits.pause,
                };
                permit.fail(failure.clone(), pause, now());
                Err(failure)
            }
        }
    }

    /// Asks the upstreams in turn; also says which there are.
    async fn ask_upstreams(
        &self,
        known: Option<&Object>,
    ) -> Result<Option<(Begun, Vec<Upstream>)>, Failure> {
        let upstreams = self.upstreams().await?;
        let patience = self.wish.patience(&self.edge.limits);
        let until = Instant::now() + patience * 2;
        let (mut failed, mut absent, mut circle) = (None, false, false);
        for upstream in &upstreams {
            let patience = patience.min(until.saturating_duration_since(Instant::now()));
            match self.begin(upstream, known, patience).await {
                Ok(Some(begun)) => return Ok(Some((begun, upstreams))),
                Ok(None) => absent = true,
                // It would ask a node that the request has passed, so it has nothing itself.
                Err(Failure::Loop) => circle = true,
                Err(failure) => {
                    if failure.is_fault() {
                        let node = &upstream.base;
                        tracing::warn!(%node, %failure, "an upstream failed");
                        self.edge.faults.note(upstream, self.edge.limits.pause);
                    }
                    failed = Some(failure);
                }
            }
        }
        let is_first = self.way.begins_here();
        match failed {
            None if !circle || (absent && is_first) => Ok(None),
            // One that could not be asked may have it.
            Some(failure) if !circle || is_first => Err(failure),
            // Those before this node may have it.
            None if absent => Err(Failure::NotBehind),
            // Another way might have led to it, so nobody else is to be told what failed on this one.
            _ => Err(Failure::Loop),
        }
    }

    /// Where to ask: those that failed lately come last.
    async fn upstreams(&self) -> Result<Vec<Upstream>, Failure> {
        let found = self.edge.upstreams.of(&self.wish.channel).await;
        let mut found = found.map_err(|error| Failure::Unknown(error.to_string()))?;
        self.edge.faults.sort(&mut found);
        found.truncate(MAX_UPSTREAMS);
        Ok(found)
    }

    /// Asks one upstream; nothing if it has none.
    async fn begin(
        &self,
        upstream: &Upstream,
        known: Option<&Object>,
        patience: Duration,
    ) -> Result<Option<Begun>, Failure> {
        let limits = &self.edge.limits;
        let opening = (0, limits.chunk_bytes.max(1) as u64 - 1);
        let range = match (&self.wish.part, self.wish.kind) {
            (Some(part), _) => Some((part.range.start, part.range.end.saturating_sub(1))),
            (None, Kind::File) => Some(opening),
            (None, _) => None,
        };
        let tag = known.and_then(|object| object.head.strong_tag());
        let mut ask = Ask {
            wish: &self.wish,
            way: &self.way,
            known: tag,
            range,
        };
        let mut reply = self.ask(upstream, &ask, patience).await?;
        let most = limits.object_bytes as u64;
        if matches!(reply, Reply::Whole { length: Some(length), .. } if length > most)
            && range.is_none()
        {
            ask.range = Some(opening);
            reply = self.ask(upstream, &ask, patience).await?;
        }
        match reply {
            Reply::Absent => Ok(None),
            Reply::Unchanged(head) => {
                let object = known.ok_or(Failure::Status(304))?.renewed(&head);
                Ok(Some(Begun { object, rest: None }))
            }
            Reply::Whole { head, length, rest } => match (&self.wish.part, length) {
                (Some(_), _) => Err(Failure::Unusable(
                    "the upstream gives no parts of an object",
                )),
                (None, Some(length)) if length > most => Err(Failure::Unusable(
                    "the upstream gives no parts of a large object",
                )),
                (None, length) => self.take(head, length, rest).await.map(Some),
            },
            Reply::Part { head, range, rest } => {
                let length = range.length();
                match &self.wish.part {
                    Some(part) if !is_of(part, &head, range.total) => {
                        // The next viewer learns what it is by now.
                        self.edge.memory.remove(&self.whole_key());
                        Err(Failure::Replaced)
                    }
                    None if length < range.total => {
                        self.open_large(head, range.total, length, rest).map(Some)
                    }
                    _ => self.take(head, Some(length), rest).await.map(Some),
                }
            }
        }
    }

    pub(super) async fn ask(
        &self,
        upstream: &Upstream,
        ask: &Ask<'_>,
        patience: Duration,
    ) -> Result<Reply, Failure> {
        let reply = self.edge.client.ask(upstream, ask, patience).await;
        let outcome = match &reply {
            Ok(Reply::Whole { .. }) => "whole",
            Ok(Reply::Part { .. }) => "part",
            Ok(Reply::Unchanged(_)) => "unchanged",
            Ok(Reply::Absent) => "absent",
            Err(failure) => failure.as_str(),
        };
        let kind = self.wish.kind.as_str();
        metrics::counter!("lsv_edge_upstream_fetches_total", "kind" => kind, "outcome" => outcome)
            .increment(1);
        reply
    }

    /// Takes what is short as a whole, so that another upstream may be asked if it breaks off; of what is long the beginning.
    async fn take(
        &self,
        head: Head,
        length: Option<u64>,
        mut rest: Rest,
    ) -> Result<Begun, Failure> {
        let most = length.unwrap_or(self.edge.limits.object_bytes as u64);
        let (body, mut arrival) = Body::arriving(length, &self.edge.bounds(most));
        let object = Object::new(head, Content::Body(body));
        let is_short = length.is_some_and(|length| length <= SHORT_BYTES);
        if !is_short && self.wish.kind != Kind::Playlist {
            let rest = Some((arrival, rest));
            return Ok(Begun { object, rest });
        }
        while let Some(bytes) = rest.next().await? {
            arrival.push(&bytes)?;
        }
        arrival.finish()?;
        Ok(Begun { object, rest: None })
    }

    /// Begins with an object that is kept in chunks: what came is the first of them.
    fn open_large(
        &self,
        head: Head,
        total: u64,
        length: u64,
        rest: Rest,
    ) -> Result<Begun, Failure> {
        let validator = head.validator().ok_or(Failure::Unusable(
            "the upstream gives a large object neither a strong ETag nor Last-Modified",
        ))?;
        let wish = Arc::new(self.wish.chunk(Part {
            range: 0..length,
            total,
            validator: validator.into(),
        }));
        let key = wish.key();
        if let Lookup::Fetch(permit) = self.edge.memory.lookup_in(self.way.lane(), &key, now()) {
            let (body, arrival) = Body::arriving(Some(length), &self.edge.bounds(length));
            let chunk = Arc::new(Object::new(head.clone(), Content::Body(body)));
            let life = chunk.head.life(Kind::Chunk, &self.edge.limits);
            permit.fill(Arc::clone(&chunk), life, now());
            let job = Self {
                edge: Arc::clone(&self.edge),
                wish,
                way: self.way.clone(),
                key,
            };
            drop(tokio::spawn(job.receive(chunk, arrival, rest, Vec::new())));
        }
        Ok(Begun {
            object: Object::new(head, Content::Large(total)),
            rest: None,
        })
    }

    /// The key of the object that this is a chunk of.
    fn whole_key(&self) -> Key {
        let whole = Wish {
            part: None,
            ..(*self.wish).clone()
        };
        whole.key()
    }
}

impl Inner {
    fn bounds(&self, bytes: u64) -> Bounds {
        Bounds {
            bytes,
            arriving: Arc::clone(&self.arriving),
            arriving_bytes: self.limits.arriving_bytes,
        }
    }
}

/// Whether `part` is of the object that has this head and length.
fn is_of(part: &Part, head: &Head, total: u64) -> bool {
    part.total == total && head.validator() == Some(&part.validator)
}

/// Upstreams that are asked for one object.
const MAX_UPSTREAMS: usize = 32;
/// What is that short is taken whole before anybody gets any of it.
const SHORT_BYTES: u64 = 64 << 10;
