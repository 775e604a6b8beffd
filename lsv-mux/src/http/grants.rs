//! Remembers for a moment who was let in: a player asks for several files a second, a store need not.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lsv_core::ports::AccessRequest;
use tokio::time::Instant;

/// Who was let in lately. Refusals are not remembered.
#[derive(Debug, Default)]
pub(super) struct Grants {
    kept: Mutex<Kept>,
    hasher: RandomState,
}

/// Two generations: the older is dropped when the younger has come of age, so that nothing is ever searched.
#[derive(Debug, Default)]
struct Kept {
    young: HashSet<Key>,
    old: HashSet<Key>,
    since: Option<Instant>,
}

/// What was asked, by hash under a key of this process: neither credential nor address is kept.
type Key = u64;

impl Grants {
    /// Whether this very request was granted a moment ago.
    pub(super) fn contains(&self, request: &AccessRequest<'_>) -> bool {
        let key = self.key(request);
        let kept = self.kept();
        kept.young.contains(&key) || kept.old.contains(&key)
    }

    /// Remembers that `request` was granted.
    pub(super) fn insert(&self, request: &AccessRequest<'_>) {
        let key = self.key(request);
        let mut kept = self.kept();
        if kept.young.len() < MAX_YOUNG {
            kept.young.insert(key);
        }
    }

    fn key(&self, request: &AccessRequest<'_>) -> Key {
        // The directives of a playlist reload change with each request and decide nothing.
        let query = request.query.unwrap_or_default().split('&');
        let query: Vec<&str> = query.filter(|pair| !pair.starts_with("_HLS_")).collect();
        self.hasher.hash_one((request.path, query, request.peer))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let age = now - *kept.since.get_or_insert(now);
        if age >= GENERATION {
            let young = std::mem::take(&mut kept.young);
            kept.old = if age < GENERATION * 2 {
                young
            } else {
                HashSet::new()
            };
            kept.since = Some(now);
        }
        kept
    }
}

/// A grant holds for one to two of these: well within the 5 s in which a changed setting takes effect.
const GENERATION: Duration = Duration::from_secs(1);
/// Grants kept of one generation, some 20 bytes each; beyond it every request is decided anew.
const MAX_YOUNG: usize = 200_000;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use lsv_core::channel::Moment;
    use lsv_core::path::{ChannelId, StreamPath};
    use lsv_core::ports::Access;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_viewer_is_remembered_for_a_moment() {
        let path = StreamPath::source(ChannelId::parse("cam").unwrap());
        let ask = |query, peer: u8| AccessRequest {
            access: Access::Play,
            path: &path,
            query,
            peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, peer)),
            now: Moment::EPOCH,
        };
        let grants = Grants::default();
        grants.insert(&ask(Some("token=1"), 1));
        assert!(grants.contains(&ask(Some("token=1"), 1)));
        assert!(grants.contains(&ask(Some("token=1&_HLS_msn=7&_HLS_part=1"), 1)));
        assert!(!grants.contains(&ask(Some("token=2"), 1)));
        assert!(!grants.contains(&ask(Some("token=1&token=2"), 1)));
        assert!(!grants.contains(&ask(None, 1)));
        assert!(!grants.contains(&ask(Some("token=1"), 2)));
        tokio::time::advance(GENERATION).await;
        assert!(grants.contains(&ask(Some("token=1"), 1)));
        tokio::time::advance(GENERATION).await;
        assert!(!grants.contains(&ask(Some("token=1"), 1)));
    }
}
