//! How many may watch at once: a seat for each viewer of a channel whose viewers are capped, on this node, over every
//! protocol.
//!
//! Who watches over a connection holds its seat until it is gone. Who fetches segments holds one for some time after each
//! request: whether it comes again nobody can know.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::network;
use crate::channel::Moment;
use crate::path::ChannelId;
use crate::ports::{Denied, Presence, Reason};

/// All seats of a node. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Seats {
    taken: Arc<Mutex<Taken>>,
    hasher: RandomState,
}

/// Most viewers at once; 0 for any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caps {
    pub(super) viewers: u32,
    pub(super) viewers_per_ip: u32,
}

/// Who wants to watch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Viewer<'a> {
    pub(super) channel: &'a ChannelId,
    pub(super) peer: IpAddr,
    /// By which viewers at one address are told from each other: program and credential.
    pub(super) traits: (Option<&'a str>, Option<&'a str>),
    pub(super) presence: Presence,
    /// How long it holds its seat after a request.
    pub(super) stay: Duration,
}

/// A viewer's place among those of its channel; given back when the last clone is dropped.
#[derive(Clone)]
pub struct Seat(#[expect(dead_code, reason = "held")] Arc<Held>);

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seat")
    }
}

impl Seats {
    /// Takes a seat, or keeps the one that the viewer has.
    ///
    /// # Errors
    /// [`Reason::TooManyViewers`] where none is free.
    pub(super) fn take(
        &self,
        viewer: &Viewer<'_>,
        caps: Caps,
        now: Moment,
    ) -> Result<Option<Seat>, Denied> {
        let is_counted = matches!(viewer.presence, Presence::Fetching | Presence::Connected);
        if !is_counted || (caps.viewers == 0 && caps.viewers_per_ip == 0) {
            return Ok(None);
        }
        let place = Place {
            channel: viewer.channel.clone(),
            address: network(viewer.peer),
        };
        let mut taken = lock(&self.taken);
        if viewer.presence == Presence::Connected {
            taken.add(&place, caps, now)?;
            let seats = Arc::clone(&self.taken);
            return Ok(Some(Seat(Arc::new(Held { seats, place }))));
        }
        let key = self.hasher.hash_one((&place, viewer.traits));
        let until = now.plus(viewer.stay);
        if let Some(known) = taken.fetching.get_mut(&key) {
            known.until = until;
            return Ok(None);
        }
        taken.add(&place, caps, now)?;
        taken.fetching.insert(key, Fetching { place, until });
        Ok(None)
    }
}

impl fmt::Debug for Seats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seats").finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    channel: ChannelId,
    address: IpAddr,
}

#[derive(Default)]
struct Taken {
    of_channel: HashMap<ChannelId, u32>,
    of_place: HashMap<Place, u32>,
    /// Viewers who are not connected, by hash.
    fetching: HashMap<u64, Fetching>,
    swept: Option<Moment>,
}

struct Fetching {
    place: Place,
    until: Moment,
}

/// The seat of a connection.
struct Held {
    seats: Arc<Mutex<Taken>>,
    place: Place,
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.seats).remove(&self.place);
    }
}

impl Taken {
    fn add(&mut self, place: &Place, caps: Caps, now: Moment) -> Result<(), Denied> {
        self.sweep(now);
        let of_channel = self.of_channel.get(&place.channel).copied().unwrap_or(0);
        let of_place = self.of_place.get(place).copied().unwrap_or(0);
        let is_full = |cap: u32, taken: u32| cap > 0 && taken >= cap;
        if is_full(caps.viewers, of_channel)
            || is_full(caps.viewers_per_ip, of_place)
            || self.fetching.len() >= MAX_FETCHING
        {
            return Err(Denied::new(
                Reason::TooManyViewers,
                "as many watch as may at once; try again later",
            ));
        }
        self.of_channel
            .insert(place.channel.clone(), of_channel.saturating_add(1));
        self.of_place
            .insert(place.clone(), of_place.saturating_add(1));
        Ok(())
    }

    fn remove(&mut self, place: &Place) {
        decrease(&mut self.of_channel, &place.channel);
        decrease(&mut self.of_place, place);
    }

    /// Gives back the seats of those who do not fetch any more, not more often than worth it.
    fn sweep(&mut self, now: Moment) {
        // A clock that is set back is no reason to wait.
        let is_recent = |swept: Moment| swept <= now && now < swept.plus(SWEEP_EVERY);
        if self.swept.is_some_and(is_recent) {
            return;
        }
        self.swept = Some(now);
        let gone: Vec<Fetching> = self
            .fetching
            .extract_if(|_, viewer| viewer.until <= now)
            .map(|(_, viewer)| viewer)
            .collect();
        for viewer in gone {
            self.remove(&viewer.place);
        }
    }
}

fn decrease<Key: std::hash::Hash + Eq>(counts: &mut HashMap<Key, u32>, key: &Key) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

const SWEEP_EVERY: Duration = Duration::from_millis(250);
/// Viewers who fetch, of all channels together, some 200 bytes each. Beyond it nobody else is let in where viewers are capped.
const MAX_FETCHING: usize = 200_000;

#[cfg(test)]
mod tests;
