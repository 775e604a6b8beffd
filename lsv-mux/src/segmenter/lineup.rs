//! What the renditions of a channel agree on, so that one media time has one number, date and break in all of them.
//!
//! Their frames come in lock-step on the timeline of the source, but each is packaged by itself, some a little earlier than
//! others. Whoever comes first to a key frame decides what it is: the start of a run, the start of a segment, or neither;
//! the others do the same there. One that is new while others run begins where they begin a segment, with their number.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use lsv_core::media::{Kind, TrackName};
use lsv_core::path::Rendition;
use lsv_core::time::Timestamp;
use tokio::sync::watch;

use super::segment::Run;

/// The renditions of one channel that are packaged, and its source, which dates them. One source stream has one.
#[derive(Debug, Default)]
pub struct Lineup {
    agreed: Mutex<Agreed>,
    /// How far the furthest rendition is.
    reached: watch::Sender<Option<Timestamp>>,
}

#[derive(Debug, Default)]
struct Agreed {
    /// Where the source's runs begin on its timeline, and when: the newest last.
    sources: VecDeque<(Timestamp, SystemTime)>,
    /// What the last key frames are, by the time they are shown at: the start of a segment, or nothing.
    known: BTreeMap<Timestamp, Option<Beginning>>,
    /// By ticket.
    members: BTreeMap<u64, Member>,
    next_ticket: u64,
    /// No number from here on has been used.
    next_sequence: u64,
    last_run: Option<u64>,
    started: Option<SystemTime>,
    /// The target duration of all playlists.
    target: Option<u64>,
    /// The least by which what came was later than its date, and what was told of that.
    lag: Option<Duration>,
    delay: Option<Duration>,
    /// Whose sound goes with all pictures, by run.
    sounds: BTreeMap<u64, Rendition>,
}

#[derive(Debug)]
struct Member {
    rendition: Rendition,
    has_begun: bool,
    /// The key frame that it is at, while it is in a run.
    at: Option<Timestamp>,
    newest: Vec<Report>,
}

/// The segment that begins at a key frame, and its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beginning {
    pub(super) sequence: u64,
    pub(super) run: u64,
    /// [`Run::start`] and [`Run::origin`].
    pub(super) start: SystemTime,
    pub(super) origin: Timestamp,
}

/// What somebody who begins a run would do alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alone {
    /// It has had runs before: its numbers go on.
    pub(super) has_begun: bool,
    /// It has waited long enough for others.
    pub(super) is_late: bool,
    pub(super) sequence: u64,
    pub(super) run: u64,
    pub(super) start: SystemTime,
    /// The run before has ended then.
    pub(super) earliest: Option<SystemTime>,
}

/// The newest part of a track, as a rendition report tells it (RFC 8216bis §4.4.5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The track.
    pub track: TrackName,
    /// The media sequence number of its newest segment.
    pub sequence: u64,
    /// The index of its newest part there.
    pub part: usize,
}

impl Lineup {
    /// A lineup of nobody yet, whose numbers begin at `first_sequence` or later.
    pub fn new(first_sequence: u64) -> Self {
        let agreed = Agreed {
            next_sequence: first_sequence,
            ..Agreed::default()
        };
        Self {
            agreed: Mutex::new(agreed),
            ..Self::default()
        }
    }

    /// A place for `rendition`, until it is dropped.
    pub fn join(self: &Arc<Self>, rendition: Rendition) -> Place {
        let mut agreed = self.agreed();
        let ticket = agreed.next_ticket;
        agreed.next_ticket += 1;
        let member = Member {
            rendition,
            has_begun: false,
            at: None,
            newest: Vec::new(),
        };
        agreed.members.insert(ticket, member);
        drop(agreed);
        Place(Siblings {
            lineup: Arc::clone(self),
            rendition,
            ticket,
        })
    }

    /// No number from here on has been used.
    pub fn next_sequence(&self) -> u64 {
        self.agreed().next_sequence
    }

    /// Whose sound goes with the pictures of all renditions in run number `run`: the one with the highest of the bit rates
    /// `offered`. It stays the same one as long as that is among them, so that players need not change it.
    pub fn sound(&self, run: u64, offered: &[(Rendition, u64)]) -> Option<Rendition> {
        let mut agreed = self.agreed();
        let chosen = agreed.sounds.get(&run).copied();
        let chosen = chosen.filter(|chosen| offered.iter().any(|(other, _)| other == chosen));
        let best = || offered.iter().max_by_key(|(_, rate)| *rate);
        let chosen = chosen.or_else(|| best().map(|(rendition, _)| *rendition))?;
        agreed.sounds.insert(run, chosen);
        if agreed.sounds.len() > MAX_RUNS {
            agreed.sounds.pop_first();
        }
        Some(chosen)
    }

    fn agreed(&self) -> MutexGuard<'_, Agreed> {
        self.agreed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agreed {
    /// The renditions beside the one with that ticket.
    fn others(&self, ticket: u64) -> impl Iterator<Item = &Member> {
        let others = self.members.iter().filter(move |(of, _)| **of != ticket);
        let others = others.map(|(_, member)| member);
        others.filter(|member| member.rendition != Rendition::Source)
    }

    /// What the source has at `at`, if that can be what came about `arrival`.
    fn wall(&self, at: Timestamp, arrival: SystemTime) -> Option<SystemTime> {
        let mut runs = self.sources.iter().rev();
        let (origin, start) = runs.find(|(origin, _)| *origin <= at)?;
        let wall = start.checked_add(at.since(*origin))?;
        let ahead = wall.duration_since(arrival).unwrap_or_default();
        let behind = arrival.duration_since(wall).unwrap_or_default();
        (ahead.max(behind) <= MAX_DELAY).then_some(wall)
    }

    /// A run that begins at `at`, where no other rendition begins anything.
    fn run(&self, at: Timestamp, alone: &Alone) -> Beginning {
        let wall = self.wall(at, alone.start).unwrap_or(alone.start);
        let (sequence, run) = match alone.has_begun {
            true => (alone.sequence, alone.run),
            false => (
                alone.sequence.max(self.next_sequence),
                self.last_run.map_or(alone.run, |last| last + 1),
            ),
        };
        Beginning {
            sequence,
            run,
            start: alone.earliest.map_or(wall, |earliest| earliest.max(wall)),
            origin: at,
        }
    }

    /// A run that begins at `at`, where another rendition begins the segment `same`. Numbers that have begun to count go on.
    fn beside(at: Timestamp, same: Beginning, alone: &Alone) -> Beginning {
        if !alone.has_begun {
            return same;
        }
        let wall = same.start.checked_add(at.since(same.origin));
        Beginning {
            sequence: alone.sequence,
            run: alone.run,
            start: wall.unwrap_or(same.start),
            origin: at,
        }
    }

    fn note(&mut self, ticket: u64, at: Timestamp, beginning: Option<Beginning>) {
        if let Some(beginning) = beginning {
            self.next_sequence = self.next_sequence.max(beginning.sequence + 1);
            self.last_run = self.last_run.max(Some(beginning.run));
            self.started.get_or_insert(beginning.start);
        }
        self.known.entry(at).or_insert(beginning);
        if self.known.len() > MAX_KNOWN {
            self.known.pop_first();
        }
        if let Some(member) = self.members.get_mut(&ticket) {
            member.has_begun = true;
            member.at = Some(at);
        }
    }
}

/// A rendition's place in the lineup of its channel; dropped, it leaves.
#[derive(Debug)]
pub struct Place(Siblings);

impl Place {
    /// It has not begun, and others have.
    pub fn is_new(&self) -> bool {
        let agreed = self.0.lineup.agreed();
        let mine = agreed.members.get(&self.0.ticket);
        let mine = mine.is_some_and(|mine| !mine.has_begun);
        mine && self.is_rendition() && agreed.others(self.0.ticket).any(|other| other.has_begun)
    }

    /// Waits until some other rendition is as far as `at`, so that it is known what is there.
    pub async fn reached(&self, at: Timestamp) {
        let mut reached = self.0.lineup.reached.subscribe();
        // The sender is ours.
        drop(reached.wait_for(|reached| *reached >= Some(at)).await);
    }

    /// How the others see it.
    pub fn siblings(&self) -> Siblings {
        self.0.clone()
    }

    /// What came now is later by `lag` than its date, which is the source's.
    pub fn note_lag(&self, lag: Duration) {
        let mut agreed = self.0.lineup.agreed();
        agreed.lag = Some(agreed.lag.map_or(lag, |least| least.min(lag)));
    }

    /// Tells the others what is newest of each track.
    pub fn report(&self, newest: Vec<Report>) {
        if let Some(member) = self.0.lineup.agreed().members.get_mut(&self.0.ticket) {
            member.newest = newest;
        }
    }

    /// The target duration of the playlists of all renditions, in seconds, of which one knows `own` (RFC 8216bis §6.2.4).
    pub fn agree_on_target(&self, own: Option<u64>) -> Option<u64> {
        if !self.is_rendition() {
            return own;
        }
        let mut agreed = self.0.lineup.agreed();
        agreed.target = agreed.target.max(own);
        agreed.target
    }

    /// When the first rendition began, for one that is in a run.
    pub fn started(&self) -> Option<SystemTime> {
        let agreed = self.0.lineup.agreed();
        agreed.started.filter(|_| self.is_rendition())
    }

    /// Its times are those of the source, given by the platform: they are taken as they are.
    pub(super) fn is_rendition(&self) -> bool {
        self.0.rendition != Rendition::Source
    }

    /// How a run begins whose first frame is shown at `at`; `None` if the others are in the midst of a segment there.
    pub(super) fn begin(&self, at: Timestamp, alone: &Alone) -> Option<Beginning> {
        let mut agreed = self.0.lineup.agreed();
        if !self.is_rendition() {
            agreed.sources.push_back((at, alone.start));
            if agreed.sources.len() > MAX_RUNS {
                agreed.sources.pop_front();
            }
            return Some(Beginning {
                sequence: alone.sequence,
                run: alone.run,
                start: alone.start,
                origin: at,
            });
        }
        let ticket = self.0.ticket;
        let amid = agreed.others(ticket).any(|other| other.at >= Some(at));
        // Else its number would not be theirs when the next segment begins.
        let may_align = !alone.has_begun || alone.sequence >= agreed.next_sequence;
        let beginning = match agreed.known.get(&at) {
            Some(Some(same)) => Agreed::beside(at, *same, alone),
            _ if amid && may_align && !alone.is_late => return None,
            _ => agreed.run(at, alone),
        };
        agreed.note(ticket, at, Some(beginning));
        drop(agreed);
        self.tell(at);
        Some(beginning)
    }

    /// Whether the others begin a segment with the key frame that is shown at `at`, if any of them has come so far.
    pub(super) fn decided(&self, at: Timestamp) -> Option<bool> {
        let agreed = self.0.lineup.agreed();
        let known = agreed.known.get(&at).filter(|_| self.is_rendition())?;
        Some(known.is_some())
    }

    /// The key frame that is shown at `at` begins the segment `sequence` of `run`, or none.
    pub(super) fn pass(&self, at: Timestamp, begun: Option<(u64, &Run)>) {
        if !self.is_rendition() {
            return;
        }
        let beginning = begun.map(|(sequence, run)| Beginning {
            sequence,
            run: run.number,
            start: run.start,
            origin: run.origin,
        });
        let mut agreed = self.0.lineup.agreed();
        agreed.note(self.0.ticket, at, beginning);
        drop(agreed);
        self.tell(at);
    }

    /// Its run has ended.
    pub(super) fn halt(&self) {
        if let Some(member) = self.0.lineup.agreed().members.get_mut(&self.0.ticket) {
            member.at = None;
        }
    }

    fn tell(&self, at: Timestamp) {
        self.0.lineup.reached.send_if_modified(|reached| {
            let is_news = *reached < Some(at);
            *reached = (*reached).max(Some(at));
            is_news
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut agreed = self.0.lineup.agreed();
        agreed.members.remove(&self.0.ticket);
        if agreed.others(self.0.ticket).next().is_none() {
            *agreed = Agreed {
                members: std::mem::take(&mut agreed.members),
                sources: std::mem::take(&mut agreed.sources),
                next_ticket: agreed.next_ticket,
                next_sequence: agreed.next_sequence,
                ..Agreed::default()
            };
        }
    }
}

/// The other renditions, as one of them sees them.
#[derive(Debug, Clone)]
pub struct Siblings {
    lineup: Arc<Lineup>,
    rendition: Rendition,
    ticket: u64,
}

impl Siblings {
    /// By how much everything comes later than its date: what the encoder takes, as it was when this was first asked for.
    pub fn delay(&self) -> Duration {
        if self.rendition == Rendition::Source {
            return Duration::ZERO;
        }
        let mut agreed = self.lineup.agreed();
        let lag = agreed.lag.unwrap_or_default().min(MAX_DELAY);
        *agreed.delay.get_or_insert(lag)
    }

    /// What is newest of the other renditions' pictures, and of the sound that goes with all of them in run number `run`.
    pub fn reports(&self, run: u64) -> Vec<(Rendition, Report)> {
        if self.rendition == Rendition::Source {
            return Vec::new();
        }
        let agreed = self.lineup.agreed();
        let sound = agreed.sounds.get(&run).copied();
        let mut reports = Vec::new();
        for other in agreed.others(self.ticket) {
            let newest = other
                .newest
                .iter()
                .filter(|report| match report.track.kind {
                    Kind::Video => true,
                    _ => sound == Some(other.rendition),
                });
            reports.extend(newest.map(|report| (other.rendition, *report)));
        }
        reports.sort_by_key(|(rendition, _)| *rendition);
        reports
    }
}

/// Key frames that are remembered: of some minutes.
const MAX_KNOWN: usize = 256;

/// Runs that are remembered.
const MAX_RUNS: usize = 64;

/// A transcoded frame comes later than the source's, but no more than that.
const MAX_DELAY: Duration = Duration::from_secs(30);

#[cfg(all(test, feature = "live"))]
mod tests;
