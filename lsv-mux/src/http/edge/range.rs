//! `Content-Range` of an answer in part (RFC 9110 §14.4).

/// Which bytes of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    first: u64,
    last: u64,
    /// The length of the whole object.
    pub(super) total: u64,
}

impl ContentRange {
    /// Reads `bytes first-last/total`; the total has to be known.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok()).flatten()
        };
        let (first, last, total) = (number(first)?, number(last)?, number(total)?);
        (first <= last && last < total).then_some(Self { first, last, total })
    }

    pub(super) fn length(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// Whether it is what `first-last` asked for: so much, or less where the object ends.
    pub(super) fn answers(&self, first: u64, last: u64) -> bool {
        self.first == first && self.last == last.min(self.total - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_what_was_asked_for_or_none() {
        let range = ContentRange::parse("bytes 5-9/10").unwrap();
        assert_eq!((range.length(), range.total), (5, 10));
        assert!(range.answers(5, 9) && range.answers(5, 100));
        assert!(!range.answers(4, 9) && !range.answers(5, 8));
        for none in [
            "bytes 5-9/*",
            "bytes */10",
            "bytes 9-5/10",
            "bytes 5-10/10",
            "bytes 0-0/0",
            "bytes -5-9/10",
            "bytes +5-9/10",
            "bytes 5-99999999999999999999/99999999999999999999",
            "items 5-9/10",
            "bytes=5-9/10",
        ] {
            assert_eq!(ContentRange::parse(none), None, "{none}");
        }
        let all = ContentRange::parse(&format!("bytes 0-{}/{}", u64::MAX - 1, u64::MAX)).unwrap();
        assert_eq!(all.length(), u64::MAX);
    }
}
