//! Who watches while pieces are lost, and how long they had to wait.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use lsv_tests::{Place, Server, Spectator, Way};
use tokio::time::{Instant, sleep_until};

use crate::suite::CHANNEL;

/// What is lost to viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// An origin: its viewers connect to another.
    Origin,
    /// A node that media comes from.
    Source,
    /// Something that they do not notice.
    Other,
}

/// Viewers of every protocol at each origin, and a crowd of others.
pub(crate) struct Audience {
    seats: Vec<Seat>,
    crowd: Vec<Seat>,
    /// What they saw, as a table: seconds without anything new, by the origin that they came to first.
    rows: Vec<String>,
    broken: Vec<String>,
}

/// A viewer, and the origin that it came to first.
struct Seat {
    origin: usize,
    viewer: Spectator,
}

impl Audience {
    /// Viewers at each of these origins, who know of all.
    pub(crate) async fn of(origins: &[Server]) -> Self {
        let places: Vec<Place> = origins.iter().map(Place::of).collect();
        // Without what others left open, every viewer has connections of its own.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).build();
        let client = client.expect("a client");
        let seat = |origin: usize, way: Way| {
            let mut places = places.clone();
            places.rotate_left(origin);
            let viewer = Spectator::new(way, CHANNEL, places, client.clone());
            Seat { origin, viewer }
        };
        let crowd = [(Way::Flv, CROWD_OF_FLV), (Way::Ts, CROWD_OF_HLS)];
        let crowd = || crowd.iter().flat_map(|(way, count)| vec![*way; *count]);
        let of_each = 0..origins.len();
        let seats = of_each
            .clone()
            .flat_map(|origin| WAYS.iter().map(move |way| (origin, *way)));
        let crowd = of_each.flat_map(|origin| crowd().map(move |way| (origin, way)));
        let heading = WAYS.iter().map(|way| format!(" | {way}"));
        let audience = Self {
            seats: seats.map(|(origin, way)| seat(origin, way)).collect(),
            crowd: crowd.map(|(origin, way)| seat(origin, way)).collect(),
            rows: vec![
                format!("| without{} | crowd |", heading.collect::<String>()),
                "| --- ".repeat(WAYS.len() + 2) + "|",
            ],
            broken: Vec::new(),
        };
        let began = Instant::now();
        join_all(audience.all().map(|seat| seat.viewer.sees_more(began))).await;
        audience
    }

    fn all(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().chain(&self.crowd)
    }

    /// All of them see more although `what` was lost at `since`: nobody waits for longer than is promised, or has to begin anew
    /// but for what was `lost`.
    pub(crate) async fn goes_on(&mut self, what: &str, since: Instant, lost: Lost) {
        let settled = Instant::now() + WATCHED;
        sleep_until(settled).await;
        join_all(self.all().map(|seat| seat.viewer.sees_more(settled))).await;
        let gap = |seat: &Seat| seat.viewer.widest_gap(since).as_secs_f64();
        let mut row = format!("| {what}");
        for way in WAYS {
            let of_way = self.seats.iter().filter(|seat| seat.viewer.way() == *way);
            let gaps = of_way.map(|seat| format!("{:.1}", gap(seat)));
            row += &format!(" | {}", gaps.collect::<Vec<_>>().join(" / "));
        }
        row += &format!(" | {:.1} |", self.crowd.iter().map(gap).fold(0.0, f64::max));
        println!("{row}");
        self.rows.push(row);
        let (mut broken, mut known) = (Vec::new(), BTreeSet::new());
        for Seat { origin, viewer } in self.all() {
            let (mut breaches, jolts) = (breaches(viewer, since, lost), jolts(viewer, since, lost));
            match (lost, origin) {
                // What several nodes made is not one playlist, and what a lost node made is not to be had. Nothing is said not to
                // be there.
                (Lost::Source, &KEEPS) => {
                    let (absent, others) = jolts
                        .into_iter()
                        .partition(|it| it.contains("404 Not Found"));
                    let absent: Vec<String> = absent;
                    breaches.extend(absent);
                    let jumps = viewer.jumps(since);
                    if jumps > TO_THE_SOURCE_AND_BACK {
                        breaches.push(format!("it had to load anew {jumps} times"));
                    }
                    known.extend::<Vec<String>>(others);
                }
                _ => breaches.extend(jolts),
            }
            let (way, breaches) = (viewer.way(), breaches.into_iter());
            broken.extend(breaches.map(|breach| format!("without {what}: {way}: {breach}")));
        }
        self.broken.extend(broken);
        known.iter().for_each(|jolt| println!("  known: {jolt}"));
    }

    /// Everybody leaves, and says what they saw.
    ///
    /// # Panics
    /// If anybody had to wait for too long, was dropped, or got what players cannot play.
    pub(crate) fn leaves(self) {
        println!("{}", self.rows.join("\n"));
        assert_eq!(self.broken, [""; 0]);
    }
}

/// What was promised to a viewer and not held since something was lost: time, and connections.
fn breaches(viewer: &Spectator, since: Instant, lost: Lost) -> Vec<String> {
    let mut breaches = Vec::new();
    let (gap, moves) = (viewer.widest_gap(since), viewer.moves(since));
    if gap > promised(viewer.way()) {
        breaches.push(format!("{gap:?} without anything new"));
    }
    if moves > usize::from(lost == Lost::Origin) {
        breaches.push(format!("it had to connect anew {moves} times"));
    }
    breaches
}

/// What no player can play on from.
fn jolts(viewer: &Spectator, since: Instant, lost: Lost) -> Vec<String> {
    // Another origin has other segments: who comes to it loads anew.
    let mut jolts = match viewer.moves(since) {
        0 => viewer.wrong(since),
        _ => Vec::new(),
    };
    let jumps = viewer.jumps(since);
    if jumps > usize::from(lost == Lost::Origin) {
        jolts.push(format!("it had to load anew {jumps} times"));
    }
    jolts
}

/// How long a viewer may have to wait for something new, whatever is lost.
fn promised(way: Way) -> Duration {
    match way {
        Way::Rtmp | Way::Flv | Way::WebSocket => RECONNECT_WINDOW,
        Way::Ts | Way::LowLatency | Way::Dash => RECONNECT_WINDOW + TARGET * 3,
        // Another processor is to be found, and begins to encode.
        Way::Rendition => RECONNECT_WINDOW * 2 + TARGET * 3,
    }
}

const WAYS: &[Way] = &[
    Way::Rtmp,
    Way::Flv,
    Way::WebSocket,
    Way::Ts,
    Way::LowLatency,
    Way::Dash,
    Way::Rendition,
];

/// The origin that keeps segments as nodes make them.
const KEEPS: usize = 1;

/// It has a stream's source where nobody processes it, until somebody does.
const TO_THE_SOURCE_AND_BACK: usize = 2;

/// As the nodes have it by default.
const RECONNECT_WINDOW: Duration = Duration::from_secs(15);

/// The length of segments.
const TARGET: Duration = Duration::from_secs(2);

/// For so long everybody is watched once something is lost, at least.
const WATCHED: Duration = Duration::from_secs(5);

/// Of each origin.
const CROWD_OF_FLV: usize = 15;
const CROWD_OF_HLS: usize = 5;
