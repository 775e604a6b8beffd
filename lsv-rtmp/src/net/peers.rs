//! How many connections there are, in all and from each address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use lsv_core::access::network;
use tokio::sync::OwnedSemaphorePermit;

/// Counts connections by where they come from. Clones share the counts.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

/// A connection's place among the others; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    peers: Peers,
    from: IpAddr,
    _slot: OwnedSemaphorePermit,
}

impl Peers {
    /// Lets `most` connections in from each address.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            counts: Arc::default(),
            most,
        }
    }

    /// A place for a client at `ip`; `None` where its address has as many as it may.
    pub(crate) fn place(&self, ip: IpAddr, slot: OwnedSemaphorePermit) -> Option<Place> {
        let from = network(ip);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(&from).copied().unwrap_or_default();
        if count >= self.most {
            return None;
        }
        counts.insert(from, count + 1);
        Some(Place {
            peers: self.clone(),
            from,
            _slot: slot,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = (self.peers.counts.lock()).unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(self.from) {
            match count.get() {
                ..=1 => drop(count.remove()),
                _ => *count.get_mut() -= 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn each_address_has_its_own_count_and_a_place_is_free_again_when_left() {
        let slots = Arc::new(Semaphore::new(10));
        let peers = Peers::new(2);
        let place = |ip: &str| {
            let slot = Arc::clone(&slots).try_acquire_owned().unwrap();
            peers.place(ip.parse().unwrap(), slot)
        };
        let first = place("192.0.2.1").unwrap();
        let _second = place("::ffff:192.0.2.1").unwrap();
        assert!(place("192.0.2.1").is_none());
        let _other = place("192.0.2.2").unwrap();
        drop(first);
        let _third = place("192.0.2.1").unwrap();

        let one_customer = [place("2001:db8::1"), place("2001:db8::2:0:0:1")];
        assert!(one_customer.iter().all(Option::is_some));
        assert!(place("2001:db8::3").is_none());
        assert!(place("2001:db8:0:1::1").is_some());
        drop(one_customer);
        assert_eq!(peers.counts.lock().unwrap().len(), 2);
        assert_eq!(slots.available_permits(), 7);
    }
}
