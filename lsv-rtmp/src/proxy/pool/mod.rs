//! Which back end gets a session.
//!
//! A session without a channel goes to the back end with the fewest. One with a channel goes where the channel is: its
//! *home*, which stands for as long as sessions of the channel do, and for a while after one that was published. A
//! channel without a home gets one by rendezvous hashing, so that several proxies, which know nothing of each other,
//! choose the same.
//!
//! A home is not moved by a client that the back end would not take: what it has against one says nothing about the
//! others. It moves when its back end is down or gone from the list, and a publisher comes; players of a channel that is
//! published wait for either.

mod health;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fmt,
    net::SocketAddr,
    time::{Duration, Instant},
};

use lsv_core::rendezvous;

use self::health::Health;
use super::Config;
use crate::session::{Purpose, Target};

/// What sessions share that must meet: the application and the first segment of the name. What stands behind it, such as
/// the rendition in `cam/720p`, is on the same node; the query, which carries credentials, says nothing about where.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Channel(Target);

impl Channel {
    /// The channel that a client means.
    pub fn of(target: &Target) -> Self {
        let mut target = target.clone();
        target.query = None;
        if let Some(end) = target.name.find('/') {
            target.name.truncate(end);
        }
        Self(target)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why no back end gets a session. The text is fit for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// None is there, or none works.
    #[error("no server is available; try again soon")]
    NoneHealthy,
    /// All that work have as many sessions as they may.
    #[error("all servers are full; try again later")]
    Full,
    /// The one that has the channel has as many sessions as it may.
    #[error("the server of this stream is full; try again later")]
    HomeFull,
    /// The one that has the channel does not work, or does not take this client.
    #[error("the server of this stream is not available; try again soon")]
    HomeUnavailable,
}

impl Refusal {
    /// A stable name for metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoneHealthy => "none_healthy",
            Self::Full => "full",
            Self::HomeFull => "home_full",
            Self::HomeUnavailable => "home_unavailable",
        }
    }
}

/// A session that counts on a back end, until it is given back to [`Pool::release`] or [`Pool::abandon`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a session that is not released counts for ever"]
pub struct Lease {
    address: SocketAddr,
    stay: Option<Stay>,
}

impl Lease {
    /// The back end.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What a session adds to the home of its channel.
#[derive(Debug, PartialEq, Eq)]
struct Stay {
    channel: Channel,
    home: u64,
    purpose: Purpose,
}

/// What a new list of back ends has changed.
#[derive(Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// Those to be checked from now on.
    pub added: Vec<SocketAddr>,
    /// Those that get no sessions any more, except players of a channel that is published there.
    pub removed: Vec<SocketAddr>,
}

/// The back ends, what is known of each, and where the channels are.
#[derive(Debug)]
pub struct Pool {
    back_ends: BTreeMap<SocketAddr, BackEnd>,
    homes: HashMap<Channel, Home>,
    /// Homes without a session, by when the last one left; some have sessions again, or are no more.
    vacant: VecDeque<(Instant, Channel)>,
    keep_home: Duration,
    connections_each: usize,
    rise: u32,
    fall: u32,
    /// Counts choices and homes: orders the former, names the latter.
    turn: u64,
}

#[derive(Debug)]
struct BackEnd {
    /// False for one that only keeps the sessions it has.
    listed: bool,
    health: Health,
    sessions: usize,
    /// When it was chosen last.
    chosen: u64,
}

#[derive(Debug)]
struct Home {
    address: SocketAddr,
    id: u64,
    sessions: usize,
    publishers: usize,
    /// Whether a publisher was served here, who may come back.
    published: bool,
    /// When the last session left, if there is none.
    vacant_since: Option<Instant>,
    /// Where another publisher still is, though no client could get there when this one came.
    former: Option<Box<Self>>,
}

impl Pool {
    /// A pool without back ends.
    pub fn new(config: &Config) -> Self {
        Self {
            back_ends: BTreeMap::new(),
            homes: HashMap::new(),
            vacant: VecDeque::new(),
            keep_home: config.keep_home,
            connections_each: usize::MAX,
            rise: config.rise,
            fall: config.fall,
            turn: 0,
        }
    }

    /// Takes `listed` as the back ends from now on. Those that it lacks keep their sessions.
    pub fn replace(
        &mut self,
        listed: &BTreeSet<SocketAddr>,
        connections_each: Option<usize>,
    ) -> Changes {
        self.connections_each = connections_each.unwrap_or(usize::MAX);
        let mut changes = Changes::default();
        for (address, back_end) in &mut self.back_ends {
            if back_end.listed && !listed.contains(address) {
                back_end.listed = false;
                changes.removed.push(*address);
            }
        }
        self.back_ends
            .retain(|_, back_end| back_end.listed || back_end.sessions > 0);
        for address in listed {
            let back_end = self.back_ends.entry(*address).or_insert(BackEnd {
                listed: false,
                health: Health::Unknown,
                sessions: 0,
                chosen: 0,
            });
            if !back_end.listed {
                back_end.listed = true;
                back_end.health = Health::Unknown;
                changes.added.push(*address);
            }
        }
        changes
    }

    /// A back end for a session of no channel: the one with the fewest sessions. None of `tried` is chosen.
    ///
    /// # Errors
    /// [`Refusal`] where none can take it.
    pub fn lease(&mut self, tried: &[SocketAddr]) -> Result<Lease, Refusal> {
        let load = |back_end: &BackEnd| (back_end.sessions, back_end.chosen);
        let address = self
            .candidates(tried)?
            .min_by_key(|(_, back_end)| (!back_end.health.is_up(), load(back_end)))
            .map(|(address, _)| *address)
            .ok_or(Refusal::NoneHealthy)?;
        self.count(address);
        Ok(Lease {
            address,
            stay: None,
        })
    }

    /// A back end for a session of `channel`: its home, which it gets where it has none that stands. None of `tried` is
    /// chosen.
    ///
    /// # Errors
    /// [`Refusal`] where none can take it.
    pub fn lease_home(
        &mut self,
        channel: &Channel,
        purpose: Purpose,
        tried: &[SocketAddr],
        now: Instant,
    ) -> Result<Lease, Refusal> {
        self.forget_vacant(now);
        let stands = match self.homes.get(channel) {
            Some(home) => self.stands(home, purpose, tried)?,
            None => false,
        };
        if !stands {
            let address = self.rendezvous(channel, tried)?;
            self.move_home(channel, address);
        }
        let home = self.homes.get_mut(channel).ok_or(Refusal::NoneHealthy)?;
        home.sessions += 1;
        home.publishers += usize::from(purpose == Purpose::Publish);
        home.vacant_since = None;
        let (address, id) = (home.address, home.id);
        self.count(address);
        let stay = Stay {
            channel: channel.clone(),
            home: id,
            purpose,
        };
        Ok(Lease {
            address,
            stay: Some(stay),
        })
    }

    /// The session is over.
    pub fn release(&mut self, lease: Lease, now: Instant) {
        self.give_back(lease, true, now);
    }

    /// The back end did not take the session, which is as if it had never been leased.
    pub fn abandon(&mut self, lease: Lease, now: Instant) {
        self.give_back(lease, false, now);
    }

    /// A check of a back end came out well or badly. Says whether it is up now, where that is new.
    pub fn checked(&mut self, address: SocketAddr, well: bool) -> Option<bool> {
        let back_end = self.back_ends.get_mut(&address)?;
        back_end.health.checked(well, self.rise, self.fall)
    }

    /// A client's connection to a back end could not be made, for no reason that lies in the client. Says whether that
    /// took it down.
    pub fn failed(&mut self, address: SocketAddr) -> bool {
        let back_end = self.back_ends.get_mut(&address);
        back_end.is_some_and(|back_end| back_end.health.failed() && back_end.listed)
    }

    /// Sessions on a back end.
    pub fn sessions(&self, address: SocketAddr) -> usize {
        self.back_ends
            .get(&address)
            .map_or(0, |back_end| back_end.sessions)
    }

    /// Sessions on all back ends together.
    pub fn all_sessions(&self) -> usize {
        self.back_ends
            .values()
            .map(|back_end| back_end.sessions)
            .sum()
    }

    /// Back ends that are known to work and get sessions.
    pub fn healthy(&self) -> usize {
        let healthy = |back_end: &&BackEnd| back_end.listed && back_end.health.is_up();
        self.back_ends.values().filter(healthy).count()
    }

    /// Whether a session goes to the home of its channel; otherwise the channel moves.
    fn stands(&self, home: &Home, purpose: Purpose, tried: &[SocketAddr]) -> Result<bool, Refusal> {
        let Some(back_end) = self.back_ends.get(&home.address) else {
            return Ok(false);
        };
        // A publisher leaves a back end that is going; players go where the publisher is.
        let stays = back_end.listed || (purpose == Purpose::Play && home.publishers > 0);
        if !stays {
            return Ok(false);
        }
        // One that is not listed is not checked: what was known last says nothing.
        if back_end.listed && back_end.health.is_down() {
            let waits = purpose == Purpose::Play && (home.publishers > 0 || home.published);
            return if waits {
                Err(Refusal::HomeUnavailable)
            } else {
                Ok(false)
            };
        }
        if tried.contains(&home.address) {
            return Err(Refusal::HomeUnavailable);
        }
        if self.is_full(home.address) {
            return Err(Refusal::HomeFull);
        }
        Ok(true)
    }

    /// Makes `address` the home of the channel. Sessions that are still on the old one no longer count for the channel,
    /// until the new one is left by all.
    fn move_home(&mut self, channel: &Channel, address: SocketAddr) {
        self.turn += 1;
        let mut old = self.homes.remove(channel);
        let older = old.as_mut().and_then(|old| old.former.take());
        let former = old.map(Box::new).filter(|old| old.publishers > 0);
        let home = Home {
            address,
            id: self.turn,
            sessions: 0,
            publishers: 0,
            published: false,
            vacant_since: None,
            former: older.or(former),
        };
        self.homes.insert(channel.clone(), home);
    }

    fn give_back(&mut self, lease: Lease, served: bool, now: Instant) {
        if let Some(back_end) = self.back_ends.get_mut(&lease.address) {
            back_end.sessions = back_end.sessions.saturating_sub(1);
            if !back_end.listed && back_end.sessions == 0 {
                self.back_ends.remove(&lease.address);
            }
        }
        if let Some(stay) = lease.stay {
            self.leave(stay, served, now);
        }
        self.forget_vacant(now);
    }

    fn leave(&mut self, stay: Stay, served: bool, now: Instant) {
        let Some(home) = self.homes.get_mut(&stay.channel) else {
            return;
        };
        if home.id != stay.home {
            if let Some(former) = home.former.as_mut().filter(|former| former.id == stay.home) {
                former.leave(stay.purpose, served);
                if former.publishers == 0 {
                    home.former = None;
                }
            }
            return;
        }
        home.leave(stay.purpose, served);
        if home.sessions > 0 {
            return;
        }
        if let Some(former) = home.former.take() {
            *home = *former;
        } else if home.published {
            home.vacant_since = Some(now);
            self.vacant.push_back((now, stay.channel));
        } else {
            self.homes.remove(&stay.channel);
        }
    }

    /// Drops homes that have been without a session for long enough, and the oldest of too many.
    fn forget_vacant(&mut self, now: Instant) {
        while let Some((since, channel)) = self.vacant.front() {
            let is_over = now.saturating_duration_since(*since) >= self.keep_home;
            if !is_over && self.vacant.len() <= MOST_VACANT {
                return;
            }
            if self.homes.get(channel).and_then(|home| home.vacant_since) == Some(*since) {
                self.homes.remove(channel);
            }
            self.vacant.pop_front();
        }
    }

    /// The back end with the highest hash of itself and the channel: when one goes, only its channels move.
    fn rendezvous(&self, channel: &Channel, tried: &[SocketAddr]) -> Result<SocketAddr, Refusal> {
        self.candidates(tried)?
            .max_by_key(|(address, back_end)| (back_end.health.is_up(), score(channel, **address)))
            .map(|(address, _)| *address)
            .ok_or(Refusal::NoneHealthy)
    }

    /// Back ends that can take a new session; those that have not been checked yet are among them, as a last resort.
    fn candidates<'a>(
        &'a self,
        tried: &'a [SocketAddr],
    ) -> Result<impl Iterator<Item = (&'a SocketAddr, &'a BackEnd)>, Refusal> {
        let usable = move |(address, back_end): &(&SocketAddr, &BackEnd)| {
            back_end.listed && !back_end.health.is_down() && !tried.contains(address)
        };
        let mut usable = self.back_ends.iter().filter(usable).peekable();
        if usable.peek().is_none() {
            return Err(Refusal::NoneHealthy);
        }
        let most = self.connections_each;
        let mut free = usable
            .filter(move |(_, back_end)| back_end.sessions < most)
            .peekable();
        match free.peek() {
            Some(_) => Ok(free),
            None => Err(Refusal::Full),
        }
    }

    fn is_full(&self, address: SocketAddr) -> bool {
        self.sessions(address) >= self.connections_each
    }

    fn count(&mut self, address: SocketAddr) {
        self.turn += 1;
        if let Some(back_end) = self.back_ends.get_mut(&address) {
            back_end.sessions += 1;
            back_end.chosen = self.turn;
        }
    }
}

impl Home {
    fn leave(&mut self, purpose: Purpose, served: bool) {
        self.sessions = self.sessions.saturating_sub(1);
        if purpose == Purpose::Publish {
            self.publishers = self.publishers.saturating_sub(1);
            self.published |= served;
        }
    }
}

/// Equal in each proxy and each version of it.
fn score(channel: &Channel, address: SocketAddr) -> [u8; 32] {
    let Channel(target) = channel;
    rendezvous::weight([&address.to_string(), target.app.as_str(), &target.name])
}

/// Homes that are kept without a session.
const MOST_VACANT: usize = 100_000;

#[cfg(test)]
mod tests;
