use super::*;
use crate::net::now;

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 1935))
}

fn channel(name: &str) -> Channel {
    Channel::of(&Target::new("stream", name))
}

/// A pool of back ends 1 to `count`, all up.
fn pool(count: u8, connections_each: Option<usize>) -> Pool {
    let mut pool = Pool::new(&Config::default());
    list(&mut pool, 1..=count, connections_each);
    pool
}

fn list(pool: &mut Pool, numbers: impl IntoIterator<Item = u8>, cap: Option<usize>) -> Changes {
    let changes = pool.replace(&numbers.into_iter().map(address).collect(), cap);
    for added in &changes.added {
        pool.checked(*added, true);
    }
    changes
}

#[test]
fn sessions_spread_evenly() {
    let mut pool = pool(3, None);
    let mut leases: Vec<Lease> = (0..9).map(|_| pool.lease(&[]).unwrap()).collect();
    assert_eq!([1, 2, 3].map(|n| pool.sessions(address(n))), [3; 3]);
    let freed = leases.remove(4);
    let freed_at = freed.address();
    pool.release(freed, now());
    assert_eq!(pool.lease(&[]).unwrap().address(), freed_at);
}

#[test]
fn equals_take_turns() {
    let mut pool = pool(3, None);
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let lease = pool.lease(&[]).unwrap();
        seen.insert(lease.address());
        pool.release(lease, now());
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn caps_are_kept() {
    let mut pool = pool(2, Some(2));
    let mut leases: Vec<Lease> = (0..4).map(|_| pool.lease(&[]).unwrap()).collect();
    assert_eq!(pool.lease(&[]), Err(Refusal::Full));
    pool.release(leases.pop().unwrap(), now());
    assert!(pool.lease(&[]).is_ok());
    list(&mut pool, 1..=2, Some(3));
    assert!(pool.lease(&[]).is_ok());
}

#[test]
fn what_was_tried_is_not_chosen_again() {
    let mut pool = pool(2, None);
    let first = pool.lease(&[]).unwrap().address();
    let second = pool.lease(&[first]).unwrap().address();
    assert_ne!(first, second);
    assert_eq!(pool.lease(&[first, second]), Err(Refusal::NoneHealthy));
}

#[test]
fn health_rises_and_falls() {
    let mut pool = Pool::new(&Config::default());
    assert_eq!(pool.lease(&[]), Err(Refusal::NoneHealthy));
    pool.replace(&[address(1), address(2)].into(), None);
    // The first check decides; one that was not checked is the last resort.
    assert_eq!(pool.checked(address(1), false), Some(false));
    assert_eq!(pool.lease(&[]).unwrap().address(), address(2));
    assert_eq!(pool.checked(address(1), true), None);
    assert_eq!(pool.checked(address(1), true), Some(true));
    for _ in 0..3 {
        assert_eq!(pool.lease(&[]).unwrap().address(), address(1));
    }
    assert_eq!(pool.healthy(), 1);
    assert_eq!(pool.checked(address(1), false), None);
    assert_eq!(pool.checked(address(1), false), None);
    assert_eq!(pool.checked(address(1), true), None);
    assert_eq!(pool.checked(address(1), false), None);
    assert_eq!(pool.checked(address(1), false), None);
    assert_eq!(pool.checked(address(1), false), Some(false));
    assert!(pool.failed(address(2)));
    assert!(!pool.failed(address(2)));
    assert_eq!(pool.lease(&[]), Err(Refusal::NoneHealthy));
    assert_eq!(pool.checked(address(9), true), None);
    assert!(!pool.failed(address(9)));
}

#[test]
fn a_removed_back_end_keeps_its_sessions_and_gets_no_more() {
    let mut pool = pool(1, None);
    let lease = pool.lease(&[]).unwrap();
    let changes = list(&mut pool, [2], None);
    assert_eq!(changes.removed, [address(1)]);
    assert_eq!(changes.added, [address(2)]);
    for _ in 0..3 {
        assert_eq!(pool.lease(&[]).unwrap().address(), address(2));
    }
    assert_eq!(pool.sessions(address(1)), 1);
    pool.release(lease, now());
    assert!(!pool.back_ends.contains_key(&address(1)));
    // Back again before its last session was over: checked anew.
    let lease = pool.lease(&[]).unwrap();
    pool.replace(&BTreeSet::new(), None);
    let changes = pool.replace(&[address(2)].into(), None);
    assert_eq!(changes.added, [address(2)]);
    assert_eq!(pool.sessions(address(2)), 4);
    pool.release(lease, now());
    assert_eq!(pool.sessions(address(2)), 3);
}

#[test]
fn all_sessions_of_a_channel_meet() {
    let mut pool = pool(5, None);
    for name in ["a", "b", "c", "d"] {
        let mut homes: Vec<SocketAddr> = Vec::new();
        for query in ["", "?sign=1", "?token=2"] {
            let channel = channel(&format!("{name}{query}"));
            let lease = pool
                .lease_home(&channel, Purpose::Play, &[], now())
                .unwrap();
            homes.push(lease.address());
        }
        homes.dedup();
        assert_eq!(homes.len(), 1);
    }
}

#[test]
fn a_home_stands_while_it_has_sessions() {
    let mut pool = pool(1, None);
    let gate = channel("gate");
    let first = pool
        .lease_home(&gate, Purpose::Publish, &[], now())
        .unwrap();
    // However many join, the channel stays.
    list(&mut pool, 1..=40, None);
    let second = pool.lease_home(&gate, Purpose::Play, &[], now()).unwrap();
    assert_eq!(second.address(), address(1));
    pool.release(first, now());
    let third = pool
        .lease_home(&gate, Purpose::Publish, &[], now())
        .unwrap();
    assert_eq!(third.address(), address(1));
    pool.release(second, now());
    pool.release(third, now());
    assert!(pool.homes.values().all(|home| home.vacant_since.is_some()));
}

#[test]
fn when_a_home_dies_its_channel_moves_and_players_follow() {
    let mut pool = pool(3, None);
    let gate = channel("gate");
    let old = pool
        .lease_home(&gate, Purpose::Publish, &[], now())
        .unwrap();
    pool.failed(old.address());
    let new = pool
        .lease_home(&gate, Purpose::Publish, &[], now())
        .unwrap();
    assert_ne!(new.address(), old.address());
    // Sessions of the old home that end late take nothing from the new one.
    let new_address = new.address();
    pool.release(old, now());
    let player = pool.lease_home(&gate, Purpose::Play, &[], now()).unwrap();
    assert_eq!(player.address(), new_address);
    pool.release(player, now());
    pool.release(new, now());
    assert_eq!(pool.homes.len(), 1);
    pool.forget_vacant(now() + Config::default().keep_home);
    assert!(pool.homes.is_empty());
}

#[test]
fn a_channel_without_a_home_may_try_another_back_end() {
    let mut pool = pool(2, None);
    let gate = channel("gate");
    let mut tried = Vec::new();
    for _ in 0..2 {
        let lease = pool
            .lease_home(&gate, Purpose::Publish, &tried, now())
            .unwrap();
        tried.push(lease.address());
        pool.abandon(lease, now());
        assert!(pool.homes.is_empty());
    }
    assert_ne!(tried[0], tried[1]);
    let none = pool.lease_home(&gate, Purpose::Publish, &tried, now());
    assert_eq!(none, Err(Refusal::NoneHealthy));
    assert_eq!(pool.healthy(), 2);
}

#[test]
fn a_client_that_its_home_does_not_take_moves_nobody() {
    let mut pool = pool(3, None);
    let gate = channel("gate");
    let publisher = pool
        .lease_home(&gate, Purpose::Publish, &[], now())
        .unwrap();
    let home = publisher.address();
    for purpose in [Purpose::Play, Purpose::Publish] {
        let lease = pool.lease_home(&gate, purpose, &[], now()).unwrap();
        pool.abandon(lease, now());
        let again = pool.lease_home(&gate, purpose, &[home], now());
        assert_eq!(again, Err(Refusal::HomeUnavailable));
    }
    let player = pool.lease_home(&gate, Purpose::Play, &[], now()).unwrap();
    assert_eq!(player.address(), home);
    // Nor does it while the publisher is away for a moment.
    pool.release(player, now());
    pool.release(publisher, now());
    let again = pool.lease_home(&gate, Purpose::Play, &[home], now());
    assert_eq!(again, Err(Refusal::HomeUnavailable));
}

#[test]
fn players_wait_for_a_home_that_is_down_while_its_publisher_is_there() {
    let mut pool = pool(3, None);
    let gate = channel("gate");
    let publisher = pool
        .lease_home(&gate, Purpose::Publish, &[], now())
        .unwrap();
    let home = publisher.address();
    pool.failed(home);
    for _ in 0..2 {
        let refused = pool.lease_home(&gate, Purpose::Play, &[], now());
        assert_eq!(refused, Err(Refusal::HomeUnavailable));
    }
    pool.checked(home, true);
    pool.checked(home, true);
    let player = pool.lease_home(&gate, Purpose::Play, &[], now()).unwrap();
    assert_eq!(player.address(), home);
}

#[test]
fn a_publisher_that_did_not_stay_elsewhere_gives_the_channel_back() {
    let mut pool = pool(4, None);
    let gate = channel("gate");
    let publisher = pool
        .lease_home(&gate, Purpose::Publish, &[], now())
        .unwrap();
    let home = publisher.address();
    let player = pool.lease_home(&gate, Purpose::Play, &[], now()).unwrap();
    pool.failed(home);
    // The second comes while the first is still there.
    let first = pool
        .lease_home(&gate, Purpose::Publish, &[], now())
        .unwrap();
    pool.failed(first.address());
    let second = pool
        .lease_home(&gate, Purpose::Publish, &[], now())
        .unwrap();
    assert_ne!(second.address(), home);
    pool.release(first, now());
    pool.release(player, now());
    pool.release(second, now());
    pool.checked(home, true);
    pool.checked(home, true);
    let found = pool.lease_home(&gate, Purpose::Play, &[], now()).unwrap();
    assert_eq!(found.address(), home);
    pool.release(publisher, now());
    pool.release(found, now());
    assert_eq!(pool.homes.len(), 1);
}

#[test]
fn a_publisher_finds_its_home_again_whatever_has_joined() {
    let start = now();
    let keep = Config::default().keep_home;
    for (away, stays) in [(keep / 2, true), (keep, false)] {
        let mut pool = pool(1, None);
        let mut moved = 0;
        let names: Vec<Channel> = (0..20).map(|n| channel(&format!("gate-{n}"))).collect();
        for name in &names {
            let lease = pool.lease_home(name, Purpose::Publish, &[], start).unwrap();
            pool.release(lease, start);
        }
        list(&mut pool, 1..=5, None);
        for name in &names {
            let lease = pool
                .lease_home(name, Purpose::Publish, &[], start + away)
                .unwrap();
            moved += usize::from(lease.address() != address(1));
        }
        assert_eq!(moved == 0, stays, "{moved} of 20 moved");
    }
}

#[test]
fn only_so_many_homes_are_kept_without_a_session() {
    let mut pool = pool(2, None);
    let now = now();
    for number in 0..MOST_VACANT + 10 {
        let name = channel(&number.to_string());
        let lease = pool.lease_home(&name, Purpose::Publish, &[], now).unwrap();
        pool.release(lease, now);
        // Players leave nothing.
        let name = channel(&format!("play-{number}"));
        let lease = pool.lease_home(&name, Purpose::Play, &[], now).unwrap();
        pool.release(lease, now);
    }
    assert_eq!(
        (pool.homes.len(), pool.vacant.len()),
        (MOST_VACANT, MOST_VACANT)
    );
    assert!(!pool.homes.contains_key(&channel("9")) && pool.homes.contains_key(&channel("10")));
}

#[test]
fn players_follow_a_publisher_to_a_removed_back_end_and_publishers_leave_it() {
    let mut pool = pool(1, None);
    let gate = channel("gate");
    let publisher = pool
        .lease_home(&gate, Purpose::Publish, &[], now())
        .unwrap();
    list(&mut pool, [2], None);
    let player = pool.lease_home(&gate, Purpose::Play, &[], now()).unwrap();
    assert_eq!(player.address(), address(1));
    pool.release(publisher, now());
    // A player alone does not hold the channel there.
    let late = pool.lease_home(&gate, Purpose::Play, &[], now()).unwrap();
    assert_eq!(late.address(), address(2));
    let publisher = pool
        .lease_home(&gate, Purpose::Publish, &[], now())
        .unwrap();
    assert_eq!(publisher.address(), address(2));
    pool.release(player, now());
    assert_eq!(pool.sessions(address(1)), 0);
}

#[test]
fn a_full_home_refuses() {
    let mut pool = pool(2, Some(1));
    let gate = channel("gate");
    let lease = pool
        .lease_home(&gate, Purpose::Publish, &[], now())
        .unwrap();
    let refused = pool.lease_home(&gate, Purpose::Play, &[], now());
    assert_eq!(refused, Err(Refusal::HomeFull));
    // Another channel goes to the one that is free, whatever its hash says.
    let other = pool
        .lease_home(&channel("yard"), Purpose::Publish, &[], now())
        .unwrap();
    assert_ne!(other.address(), lease.address());
    let refused = pool.lease_home(&channel("hall"), Purpose::Publish, &[], now());
    assert_eq!(refused, Err(Refusal::Full));
}

#[test]
fn proxies_agree_and_only_the_channels_of_a_lost_back_end_move() {
    let [mut one, mut other] = [pool(5, None), pool(5, None)];
    // The other proxy got its list in another order, one by one, and has load.
    for number in [4, 2, 5] {
        list(&mut other, [number], None);
    }
    list(&mut other, 1..=5, None);
    drop((0..7).map(|_| other.lease(&[])).collect::<Vec<_>>());
    let mut homes = BTreeMap::new();
    for number in 0..1000 {
        let name = format!("channel-{number}");
        let home = |pool: &mut Pool| {
            let lease = pool
                .lease_home(&channel(&name), Purpose::Publish, &[], now())
                .unwrap();
            let address = lease.address();
            pool.release(lease, now());
            address
        };
        let before = home(&mut one);
        assert_eq!(before, home(&mut other));
        *homes.entry(before).or_insert(0) += 1;
        list(&mut one, 1..=4, None);
        let after = home(&mut one);
        assert!(before == after || before == address(5));
        list(&mut one, 1..=5, None);
    }
    assert!(
        homes.values().all(|count| (150..250).contains(count)),
        "{homes:?}"
    );
}

#[test]
fn a_channel_shows_no_credential() {
    assert_eq!(format!("{:?}", channel("cam?sign=1-a")), "stream/cam");
}

#[test]
fn renditions_are_of_their_channel() {
    assert_eq!(channel("cam/720p?token=x"), channel("cam"));
    assert_ne!(channel("cam-720p"), channel("cam"));
}
