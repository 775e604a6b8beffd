use std::collections::HashMap;
use std::convert::Infallible;

use futures::FutureExt;
use proptest::prelude::*;

use super::*;

type Plain = Cache<u8, u32, &'static str>;

const SECOND: Duration = Duration::from_secs(1);

fn cache(limits: &Limits) -> Plain {
    Cache::new(limits, |_, _| 0)
}

fn small() -> Plain {
    cache(&Limits::default())
}

fn fetch(cache: &Plain, key: u8, now: Instant) -> Permit<u8, u32, &'static str> {
    match cache.lookup(&key, now) {
        Lookup::Fetch(permit) => permit,
        other => panic!("{other:?}"),
    }
}

fn wait(cache: &Plain, key: u8, now: Instant) -> Wait<u8, u32, &'static str> {
    match cache.lookup(&key, now) {
        Lookup::Wait(wait) => wait,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_fetches_and_all_get_it() {
    let (cache, now) = (small(), Instant::now());
    let permit = fetch(&cache, 1, now);
    let waits: Vec<_> = (0..100).map(|_| wait(&cache, 1, now)).collect();
    assert_eq!(cache.held().waiting, 100);
    permit.fill(7, Life::fresh(SECOND), now);
    for wait in waits {
        assert!(matches!(
            wait.outcome().now_or_never(),
            Some(Outcome::Filled(7))
        ));
    }
    let held = cache.held();
    assert_eq!((held.fetches, held.waiting, held.values), (0, 0, 1));
}

#[test]
fn nobody_waits_for_another_lane_and_what_it_brings_is_everybodys() {
    let (cache, now) = (small(), Instant::now());
    let first = fetch(&cache, 1, now);
    let Lookup::Fetch(second) = cache.lookup_in(1, &1, now) else {
        panic!("each lane has its fetch");
    };
    let Lookup::Wait(waits) = cache.lookup_in(1, &1, now) else {
        panic!("and one alone");
    };
    assert_eq!(cache.held().fetches, 2);
    let mut waits = Box::pin(waits.outcome());
    drop(first);
    assert!(waits.as_mut().now_or_never().is_none());
    drop(second);
    let Some(Outcome::Turn(permit)) = waits.now_or_never() else {
        panic!("its own lane's turn");
    };
    permit.fill(7, Life::fresh(SECOND), now);
    assert!(matches!(cache.lookup(&1, now), Lookup::Hit(kept) if kept.value == 7));
    assert_eq!(cache.held().fetches, 0);
}

#[test]
fn a_dropped_permit_is_the_next_ones_and_nobody_elses() {
    let (cache, now) = (small(), Instant::now());
    let permit = fetch(&cache, 1, now);
    let gone = wait(&cache, 1, now);
    let mut waits: Vec<_> = (0..3)
        .map(|_| Box::pin(wait(&cache, 1, now).outcome()))
        .collect();
    drop(gone);
    drop(permit);
    let Some(Outcome::Turn(permit)) = waits[0].as_mut().now_or_never() else {
        panic!("the first who still waits fetches");
    };
    assert!(waits[1].as_mut().now_or_never().is_none());
    assert!(waits[2].as_mut().now_or_never().is_none());
    permit.absent(SECOND, now);
    for wait in &mut waits[1..] {
        assert!(matches!(
            wait.as_mut().now_or_never(),
            Some(Outcome::Absent)
        ));
    }
    assert!(matches!(cache.lookup(&1, now), Lookup::Absent(_)));
}

#[test]
fn a_turn_that_is_not_taken_goes_on_to_the_next() {
    let (cache, now) = (small(), Instant::now());
    let permit = fetch(&cache, 1, now);
    let (first, second) = (wait(&cache, 1, now), wait(&cache, 1, now));
    drop(permit);
    // It was told, and leaves before it looks.
    drop(first);
    let Some(Outcome::Turn(permit)) = second.outcome().now_or_never() else {
        panic!("the second fetches");
    };
    drop(permit);
    assert_eq!(cache.held(), Held::default());
    drop(fetch(&cache, 1, now));
}

#[test]
fn values_grow_old() {
    let (cache, start) = (small(), Instant::now());
    let life = Life {
        fresh: SECOND,
        stale_while_revalidate: SECOND,
        stale_if_error: SECOND * 9,
    };
    fetch(&cache, 1, start).fill(7, life, start);
    let fresh = start + SECOND - Duration::from_millis(1);
    assert!(matches!(cache.lookup(&1, fresh), Lookup::Hit(kept) if kept.age == fresh - start));

    let stale = start + SECOND;
    let Lookup::Stale(kept, Some(permit)) = cache.lookup(&1, stale) else {
        panic!("stale, and to be fetched");
    };
    assert_eq!(kept.value, 7);
    assert!(matches!(cache.lookup(&1, stale), Lookup::Stale(_, None)));
    permit.fail("gone", SECOND * 2, stale);
    // Nobody tries again for two seconds, beyond the time for which it is otherwise answered with.
    let paused = start + SECOND * 5 / 2;
    assert!(matches!(cache.lookup(&1, paused), Lookup::Stale(_, None)));

    let old = start + SECOND * 3;
    let permit = fetch(&cache, 1, old);
    let wait = wait(&cache, 1, old);
    permit.fail("gone", Duration::ZERO, old);
    assert!(matches!(
        wait.outcome().now_or_never(),
        Some(Outcome::Failed("gone"))
    ));
    assert_eq!(cache.spare(&1, old).map(|kept| kept.value), Some(7));

    let useless = start + SECOND * 10;
    assert_eq!(cache.spare(&1, useless), None);
    drop(fetch(&cache, 1, useless));
    assert_eq!(cache.held(), Held::default());
}

#[test]
fn what_lives_for_no_time_is_given_to_those_who_wait_alone() {
    let (cache, now) = (small(), Instant::now());
    let permit = fetch(&cache, 1, now);
    let waits = wait(&cache, 1, now);
    permit.fill(7, Life::default(), now);
    assert!(matches!(
        waits.outcome().now_or_never(),
        Some(Outcome::Filled(7))
    ));
    drop(fetch(&cache, 1, now));
    assert_eq!(cache.held(), Held::default());
}

#[test]
fn the_limits_hold() {
    let limits = Limits {
        fetches: 2,
        waiting: 3,
        ..Limits::default()
    };
    let (cache, now) = (cache(&limits), Instant::now());
    let permits = [fetch(&cache, 1, now), fetch(&cache, 2, now)];
    assert!(matches!(cache.lookup(&3, now), Lookup::Busy));
    let waits = [1, 2, 2].map(|key| wait(&cache, key, now));
    assert!(matches!(cache.lookup(&1, now), Lookup::Busy));
    drop(waits);
    drop(wait(&cache, 1, now));
    drop(permits);
    drop(fetch(&cache, 3, now));
}

/// 100,000 names that nobody has push out no value, and are not all remembered.
#[test]
fn unknown_names_cost_values_nothing() {
    let limits = Limits {
        absences: 1_000,
        ..Limits::default()
    };
    let cache: Cache<u32, (), Infallible> = Cache::new(&limits, |_, ()| 0);
    let now = Instant::now();
    cache.insert(u32::MAX, (), Life::fresh(SECOND), now);
    for name in 0..100_000 {
        match cache.lookup(&name, now) {
            Lookup::Fetch(permit) => permit.absent(SECOND, now),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(cache.lookup(&u32::MAX, now), Lookup::Hit(_)));
    let held = cache.held();
    assert_eq!((held.values, held.absences), (1, 1_000));
}

#[tokio::test]
async fn a_failed_fetch_is_made_up_for_by_what_is_old() {
    let (cache, start) = (small(), Instant::now());
    let later = start + SECOND * 2;
    let life = Life {
        fresh: SECOND,
        stale_if_error: SECOND * 5,
        ..Life::default()
    };
    let failed = cache.get(&1, || start, async || Err("gone")).await;
    assert_eq!(failed, Err(GetError::Failed("gone")));
    let got = cache.get(&1, || start, async || Ok(Fetched::Value(7, life)));
    assert_eq!(got.await, Ok(Some(7)));
    let spare = cache.get(&1, || later, async || Err("gone"));
    assert_eq!(spare.await, Ok(Some(7)));
    let gone = start + SECOND * 6;
    let absent = cache.get(&1, || gone, async || Ok(Fetched::Absent(SECOND)));
    assert_eq!(absent.await, Ok(None));
    let never = cache.get(
        &1,
        || gone,
        async || panic!("it is known that there is none"),
    );
    assert_eq!(never.await, Ok(None));
}

/// What may happen to a cache.
#[derive(Debug, Clone)]
enum Step {
    Lookup(u8),
    Fill { which: usize, life: Life },
    Absent { which: usize, seconds: u64 },
    Fail { which: usize, pause: u64 },
    DropPermit(usize),
    DropWait(usize),
    Remove(u8),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let seconds = || (0_u64..4).prop_map(Duration::from_secs);
    let life = (seconds(), seconds(), seconds()).prop_map(
        |(fresh, stale_while_revalidate, stale_if_error)| Life {
            fresh,
            stale_while_revalidate,
            stale_if_error,
        },
    );
    prop_oneof![
        8 => (0_u8..6).prop_map(Step::Lookup),
        4 => (any::<usize>(), life).prop_map(|(which, life)| Step::Fill { which, life }),
        1 => (any::<usize>(), 0_u64..4).prop_map(|(which, seconds)| Step::Absent { which, seconds }),
        1 => (any::<usize>(), 0_u64..4).prop_map(|(which, pause)| Step::Fail { which, pause }),
        2 => any::<usize>().prop_map(Step::DropPermit),
        2 => any::<usize>().prop_map(Step::DropWait),
        1 => (0_u8..6).prop_map(Step::Remove),
        2 => (0_u64..3).prop_map(Step::Advance),
    ]
}

/// What is known of a key, kept for ever and without any bound.
#[derive(Debug, Clone, Copy)]
enum Known {
    Value {
        value: u32,
        since: Instant,
        life: Life,
        paused_until: Instant,
    },
    Absent {
        until: Instant,
    },
}

type Outcomes = futures::future::BoxFuture<'static, Outcome<u8, u32, &'static str>>;

/// The cache beside a model of it that is too simple to be wrong.
struct Both {
    cache: Plain,
    now: Instant,
    known: HashMap<u8, Known>,
    permits: Vec<(u8, Permit<u8, u32, &'static str>)>,
    waits: Vec<(u8, Outcomes)>,
    next_value: u32,
}

const BUDGET: usize = 900;
const ABSENCES: usize = 2;
const FETCHES: usize = 4;
const WAITING: usize = 5;

impl Both {
    fn new() -> Self {
        let limits = Limits {
            bytes: BUDGET,
            values: usize::MAX,
            absences: ABSENCES,
            fetches: FETCHES,
            waiting: WAITING,
        };
        Self {
            // Three fit, or one of the heavy.
            cache: Cache::new(&limits, |_, value| if value % 5 == 0 { 600 } else { 60 }),
            now: Instant::now(),
            known: HashMap::new(),
            permits: Vec::new(),
            waits: Vec::new(),
            next_value: 0,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Advance(seconds) => self.now += Duration::from_secs(seconds),
            Step::Remove(key) => {
                self.cache.remove(&key);
                self.known.remove(&key);
            }
            Step::Lookup(key) => self.look_up(key),
            Step::Fill { which, life } => {
                let value = self.next_value;
                let now = self.now;
                if let Some(key) = self.finish(which, |permit| permit.fill(value, life, now)) {
                    self.next_value += 1;
                    let known = Known::Value {
                        value,
                        since: now,
                        life,
                        paused_until: now,
                    };
                    self.known.insert(key, known);
                    self.answered(
                        key,
                        |outcome| matches!(outcome, Outcome::Filled(v) if *v == value),
                    );
                }
            }
            Step::Absent { which, seconds } => {
                let (now, life) = (self.now, Duration::from_secs(seconds));
                if let Some(key) = self.finish(which, |permit| permit.absent(life, now)) {
                    let until = now + life;
                    self.known.insert(key, Known::Absent { until });
                    self.answered(key, |outcome| matches!(outcome, Outcome::Absent));
                }
            }
            Step::Fail { which, pause } => {
                let (now, pause) = (self.now, Duration::from_secs(pause));
                if let Some(key) = self.finish(which, |permit| permit.fail("no", pause, now)) {
                    if let Some(Known::Value { paused_until, .. }) = self.known.get_mut(&key) {
                        *paused_until = now + pause;
                    }
                    self.answered(key, |outcome| matches!(outcome, Outcome::Failed("no")));
                }
            }
            Step::DropPermit(which) => {
                if let Some(key) = self.finish(which, drop) {
                    self.handed_on(key);
                }
            }
            Step::DropWait(which) => {
                if !self.waits.is_empty() {
                    drop(self.waits.remove(which % self.waits.len()));
                }
            }
        }
        self.check();
    }

    /// Uses up a permit; the key that it was for.
    fn finish(
        &mut self,
        which: usize,
        end: impl FnOnce(Permit<u8, u32, &'static str>),
    ) -> Option<u8> {
        if self.permits.is_empty() {
            return None;
        }
        let (key, permit) = self.permits.remove(which % self.permits.len());
        end(permit);
        Some(key)
    }

    /// All who waited for `key`, and only they, have such an answer.
    fn answered(&mut self, key: u8, good: impl Fn(&Outcome<u8, u32, &'static str>) -> bool) {
        let (mine, others): (Vec<_>, Vec<_>) = self
            .waits
            .drain(..)
            .partition(|(waits_for, _)| *waits_for == key);
        for (_, wait) in mine {
            assert!(wait.now_or_never().is_some_and(|outcome| good(&outcome)));
        }
        self.waits = others;
    }

    /// The first who waited for `key` has the permit, if anybody waited.
    fn handed_on(&mut self, key: u8) {
        let Some(first) = self
            .waits
            .iter()
            .position(|(waits_for, _)| *waits_for == key)
        else {
            return;
        };
        let (_, wait) = self.waits.remove(first);
        match wait.now_or_never() {
            Some(Outcome::Turn(permit)) => self.permits.push((key, permit)),
            other => panic!("{other:?}"),
        }
    }

    fn look_up(&mut self, key: u8) {
        let is_fetched = self.permits.iter().any(|(fetched, _)| *fetched == key);
        let now = self.now;
        let known = self.known.get(&key).copied();
        match self.cache.lookup(&key, now) {
            Lookup::Hit(kept) => match known {
                Some(Known::Value {
                    value, since, life, ..
                }) => {
                    assert_eq!((kept.value, kept.age), (value, now - since));
                    assert!(kept.age < life.fresh);
                }
                other => panic!("a hit of {other:?}"),
            },
            Lookup::Stale(kept, permit) => match known {
                Some(Known::Value {
                    value,
                    since,
                    life,
                    paused_until,
                }) => {
                    assert_eq!((kept.value, kept.age), (value, now - since));
                    assert!(kept.age >= life.fresh && kept.age < life.longest());
                    let is_paused = now < paused_until;
                    assert!(kept.age < life.while_fetched() || is_paused);
                    let may_fetch = !is_paused && !is_fetched && self.permits.len() < FETCHES;
                    assert_eq!(permit.is_some(), may_fetch);
                    self.permits.extend(permit.map(|permit| (key, permit)));
                }
                other => panic!("stale of {other:?}"),
            },
            Lookup::Absent(_) => match known {
                Some(Known::Absent { until }) => assert!(now < until),
                other => panic!("an absence of {other:?}"),
            },
            Lookup::Fetch(permit) => {
                assert!(!is_fetched, "two permits for {key}");
                self.permits.push((key, permit));
            }
            Lookup::Wait(wait) => {
                assert!(is_fetched, "nobody fetches {key}");
                self.waits.push((key, Box::pin(wait.outcome())));
            }
            Lookup::Busy => match is_fetched {
                true => assert_eq!(self.waits.len(), WAITING),
                false => assert_eq!(self.permits.len(), FETCHES),
            },
        }
    }

    fn check(&mut self) {
        let held = self.cache.held();
        assert!(held.bytes <= BUDGET && held.absences <= ABSENCES);
        assert_eq!(held.fetches, self.permits.len());
        assert_eq!(held.waiting, self.waits.len());
        for (_, wait) in &mut self.waits {
            assert!(wait.as_mut().now_or_never().is_none());
        }
    }
}

proptest! {
    #[test]
    fn as_the_model_says(steps in prop::collection::vec(step(), 0..120)) {
        let mut both = Both::new();
        for step in steps {
            both.take(step);
        }
    }
}
