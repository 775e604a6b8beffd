use super::*;

const NOW: Moment = Moment::from_unix(1_700_000_000);
const STAY: Duration = Duration::from_secs(6);

fn later(millis: u64) -> Moment {
    NOW.plus(Duration::from_millis(millis))
}

/// A hall with seats for the channel `cam`.
struct Hall {
    seats: Seats,
    caps: Caps,
    cam: ChannelId,
}

impl Hall {
    fn new(viewers: u32, viewers_per_ip: u32) -> Self {
        Self {
            seats: Seats::default(),
            caps: Caps {
                viewers,
                viewers_per_ip,
            },
            cam: ChannelId::parse("cam").unwrap(),
        }
    }

    fn take(
        &self,
        peer: &str,
        agent: &str,
        presence: Presence,
        now: Moment,
    ) -> Result<Option<Seat>, Reason> {
        let viewer = Viewer {
            channel: &self.cam,
            peer: peer.parse().unwrap(),
            traits: (Some(agent), None),
            presence,
            stay: STAY,
        };
        let taken = self.seats.take(&viewer, self.caps, now);
        taken.map_err(|denied| denied.reason)
    }

    fn connect(&self, peer: &str) -> Result<Option<Seat>, Reason> {
        self.take(peer, "vlc", Presence::Connected, NOW)
    }
}

#[test]
fn a_connection_holds_its_seat_until_it_is_gone() {
    let hall = Hall::new(2, 0);
    let first = hall.connect("192.0.2.1").unwrap();
    let clone = first.clone();
    let _second = hall.connect("192.0.2.1").unwrap();
    assert_eq!(
        hall.connect("192.0.2.2").unwrap_err(),
        Reason::TooManyViewers
    );
    drop(first);
    assert!(hall.connect("192.0.2.2").is_err());
    drop(clone);
    let _third = hall.connect("192.0.2.2").unwrap();
    assert!(hall.connect("192.0.2.2").is_err());
}

#[test]
fn an_address_has_so_many() {
    let hall = Hall::new(0, 1);
    let _seat = hall.connect("192.0.2.1").unwrap();
    assert!(hall.connect("::ffff:192.0.2.1").is_err());
    let _other = hall.connect("192.0.2.2").unwrap();
    let _six = hall.connect("2001:db8::1").unwrap();
    assert!(
        hall.connect("2001:db8::2").is_err(),
        "a customer has a network of them"
    );
}

#[test]
fn who_fetches_keeps_the_seat_for_a_while() {
    let hall = Hall::new(1, 0);
    let fetch = |agent, millis| hall.take("192.0.2.1", agent, Presence::Fetching, later(millis));
    for millis in [0, 2_000, 7_000] {
        assert!(fetch("hls.js", millis).is_ok(), "{millis}");
        assert!(fetch("vlc", millis + 1).is_err(), "{millis}");
    }
    assert!(fetch("vlc", 12_999).is_err());
    assert!(fetch("vlc", 13_250).is_ok());
    assert!(fetch("hls.js", 13_251).is_err());
}

#[test]
fn seats_are_of_all_protocols_together() {
    let hall = Hall::new(2, 0);
    let _seat = hall.connect("192.0.2.1").unwrap();
    let fetch = |peer| hall.take(peer, "a", Presence::Fetching, NOW);
    assert!(fetch("192.0.2.2").is_ok());
    assert!(fetch("192.0.2.3").is_err());
    assert!(hall.connect("192.0.2.3").is_err());
    let look = hall.take("192.0.2.3", "a", Presence::None, NOW);
    assert!(look.unwrap().is_none(), "pages and pictures take none");
}

#[test]
fn nothing_is_kept_of_who_has_left() {
    let hall = Hall::new(100, 100);
    for host in 0..50 {
        let peer = format!("192.0.2.{host}");
        drop(hall.connect(&peer).unwrap());
        hall.take(&peer, "a", Presence::Fetching, NOW).unwrap();
    }
    let _one = hall.take("192.0.2.99", "a", Presence::Connected, later(7_000));
    let taken = lock(&hall.seats.taken);
    assert_eq!(
        (
            taken.of_channel.len(),
            taken.of_place.len(),
            taken.fetching.len()
        ),
        (1, 1, 0)
    );
}
