//! Pictures that were fetched, so that an encoder that starts again needs nobody.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// The latest pictures by their addresses, as they came, bounded in number and bytes.
#[derive(Default)]
pub(super) struct Cache {
    /// The newest at the end.
    pictures: VecDeque<Fetched>,
}

struct Fetched {
    url: String,
    bytes: Bytes,
    at: Instant,
}

impl Cache {
    /// The picture of `url`, if it was fetched less than [`FRESH`] before `now`.
    pub(super) fn fresh(&self, url: &str, now: Instant) -> Option<Bytes> {
        let fetched = self.pictures.iter().find(|fetched| fetched.url == url)?;
        let age = now.saturating_duration_since(fetched.at);
        (age < FRESH).then(|| fetched.bytes.clone())
    }

    /// The picture of `url`, however old.
    pub(super) fn any(&self, url: &str) -> Option<Bytes> {
        let fetched = self.pictures.iter().find(|fetched| fetched.url == url)?;
        Some(fetched.bytes.clone())
    }

    /// Keeps a picture in the place of what was there of that address, and lets the oldest go where it gets too much.
    pub(super) fn keep(&mut self, url: &str, bytes: Bytes, now: Instant) {
        self.pictures.retain(|fetched| fetched.url != url);
        self.pictures.push_back(Fetched {
            url: url.to_owned(),
            bytes,
            at: now,
        });
        while self.pictures.len() > MAX_PICTURES || self.bytes() > MAX_BYTES {
            self.pictures.pop_front();
        }
    }

    fn bytes(&self) -> usize {
        self.pictures
            .iter()
            .map(|fetched| fetched.bytes.len())
            .sum()
    }
}

/// How long a picture is drawn before it is fetched again: an operator who replaces it behind its address need not wait
/// for a day.
const FRESH: Duration = Duration::from_secs(10 * 60);
const MAX_PICTURES: usize = 64;
const MAX_BYTES: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_for_a_while_and_there_for_longer() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        cache.keep("a", Bytes::from_static(b"1"), start);
        assert_eq!(cache.fresh("a", start).unwrap(), "1");
        assert_eq!(cache.fresh("b", start), None);
        let later = start + FRESH;
        assert_eq!(cache.fresh("a", later), None);
        assert_eq!(cache.any("a").unwrap(), "1");
        cache.keep("a", Bytes::from_static(b"2"), later);
        assert_eq!(cache.fresh("a", later).unwrap(), "2");
        assert_eq!(cache.pictures.len(), 1);
    }

    #[test]
    fn the_oldest_go() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        for number in 0..2 * MAX_PICTURES {
            cache.keep(&number.to_string(), Bytes::new(), now);
        }
        assert_eq!(cache.pictures.len(), MAX_PICTURES);
        assert!(cache.any("0").is_none());
        for number in 0..5 {
            let large = Bytes::from(vec![0; 8 << 20]);
            cache.keep(&format!("large {number}"), large, now);
        }
        assert!(cache.bytes() <= MAX_BYTES);
        assert!(cache.any("large 0").is_none() && cache.any("large 4").is_some());
    }
}
