//! What the head of an upstream's answer says of an object.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use lsv_core::cache::Life;

use super::Limits;
use super::wish::Kind;

/// What is handed on of a head, and what is read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) content_type: HeaderValue,
    pub(super) cache_control: Option<HeaderValue>,
    pub(super) etag: Option<HeaderValue>,
    pub(super) last_modified: Option<HeaderValue>,
    pub(super) vary: Option<HeaderValue>,
    /// How old the object was when it came.
    pub(super) age: Duration,
}

impl Head {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let field = |name: HeaderName| {
            let value = headers.get(name);
            value
                .filter(|value| value.len() <= MAX_FIELD_BYTES)
                .cloned()
        };
        let octets = HeaderValue::from_static("application/octet-stream");
        Self {
            content_type: field(header::CONTENT_TYPE).unwrap_or(octets),
            cache_control: field(header::CACHE_CONTROL),
            etag: field(header::ETAG).filter(is_tag),
            last_modified: field(header::LAST_MODIFIED),
            vary: field(header::VARY),
            age: field(header::AGE)
                .and_then(|age| age.to_str().ok()?.parse().ok())
                .map(|seconds: u32| Duration::from_secs(seconds.into()))
                .unwrap_or_default(),
        }
    }

    /// The same after upstream has said that the object is what it was: what `other` says of its life.
    pub(super) fn renewed(&self, other: &Self) -> Self {
        Self {
            cache_control: other
                .cache_control
                .clone()
                .or_else(|| self.cache_control.clone()),
            age: other.age,
            ..self.clone()
        }
    }

    /// The entity tag, with its quotes, if it tells one representation byte for byte from another.
    pub(super) fn strong_tag(&self) -> Option<&str> {
        let tag = self.etag.as_ref()?.to_str().ok()?;
        tag.starts_with('"').then_some(tag)
    }

    /// By what the object is known again, if at all.
    pub(super) fn validator(&self) -> Option<&str> {
        let modified = self.last_modified.as_ref();
        self.strong_tag().or_else(|| modified?.to_str().ok())
    }

    /// How long the object may be kept (RFC 9111 §5.2.2).
    pub(super) fn life(&self, kind: Kind, limits: &Limits) -> Life {
        let text = self.cache_control.as_ref();
        let text = text.and_then(|text| text.to_str().ok()).unwrap_or_default();
        let said = Said::read(text);
        if said.no_store || kind == Kind::ContentKey {
            return Life::default();
        }
        if kind == Kind::Chunk {
            // Its key names the very bytes.
            return Life::fresh(CHUNK_LIFE);
        }
        let fresh = match said.no_cache {
            true => Duration::ZERO,
            false => said.shared.or(said.max_age).unwrap_or_default(),
        };
        let fresh = match kind.is_recorded() {
            // It may be removed at any time, which no upstream tells.
            true => fresh.clamp(limits.recorded, limits.removed.max(limits.recorded)),
            false => fresh,
        };
        Life {
            fresh: fresh.saturating_sub(self.age),
            stale_while_revalidate: said.while_revalidate.unwrap_or_default(),
            stale_if_error: said.if_error.unwrap_or_default().max(limits.stale),
        }
    }
}

/// The directives that matter here.
#[derive(Debug, Default)]
struct Said {
    no_store: bool,
    no_cache: bool,
    max_age: Option<Duration>,
    shared: Option<Duration>,
    while_revalidate: Option<Duration>,
    if_error: Option<Duration>,
}

impl Said {
    fn read(text: &str) -> Self {
        let mut said = Self::default();
        for directive in text.split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let seconds = value.trim().trim_matches('"').parse::<u32>().ok();
            let time = seconds.map(|seconds| Duration::from_secs(seconds.into()));
            match name.trim().to_ascii_lowercase().as_str() {
                // For one viewer alone; upstream takes this node for one.
                "no-store" | "private" => said.no_store = true,
                "no-cache" => said.no_cache = true,
                "max-age" => said.max_age = time,
                "s-maxage" => said.shared = time,
                "stale-while-revalidate" => said.while_revalidate = time,
                "stale-if-error" => said.if_error = time,
                _ => {}
            }
        }
        said
    }
}

/// Quoted, maybe weak (RFC 9110 §8.8.3).
fn is_tag(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    let text = text.strip_prefix("W/").unwrap_or(text);
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.is_some_and(|inner| !inner.contains('"'))
}

/// A field that is handed on is no longer.
const MAX_FIELD_BYTES: usize = 256;
const CHUNK_LIFE: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn head(cache_control: &str) -> Head {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(cache_control).unwrap();
        headers.insert(header::CACHE_CONTROL, value);
        headers.insert(header::AGE, HeaderValue::from_static("2"));
        Head::read(&headers)
    }

    #[test]
    fn lives_are_what_upstream_says() {
        let limits = Limits::default();
        let life = |text: &str, kind| {
            let life = head(text).life(kind, &limits);
            [life.fresh, life.stale_while_revalidate, life.stale_if_error]
                .map(|time| time.as_secs())
        };
        let playlist = |text: &str| life(text, Kind::Playlist);
        assert_eq!(playlist("public, max-age=6"), [4, 0, 10]);
        assert_eq!(playlist("max-age=1"), [0, 0, 10]);
        assert_eq!(playlist("s-maxage=9, Max-Age=\"60\""), [7, 0, 10]);
        let both = "max-age=3, stale-while-revalidate=5, stale-if-error=60";
        assert_eq!(playlist(both), [1, 5, 60]);
        assert_eq!(playlist("no-cache, max-age=60"), [0, 0, 10]);
        assert_eq!(playlist(""), [0, 0, 10]);
        for none in ["no-store", "private, max-age=60"] {
            assert_eq!(playlist(none), [0, 0, 0], "{none}");
        }
        assert_eq!(life("max-age=60", Kind::ContentKey), [0, 0, 0]);
        assert_eq!(life("no-cache", Kind::Chunk)[0], 86_400);
        let recorded = head("no-cache").life(Kind::Recorded, &limits);
        assert_eq!(
            recorded.fresh,
            Duration::ZERO.max(limits.recorded.saturating_sub(Duration::from_secs(2)))
        );
    }

    #[test]
    fn tags_that_are_none_are_left_out() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ETAG, HeaderValue::from_str(text).unwrap());
            let head = Head::read(&headers);
            (head.etag.is_some(), head.strong_tag().is_some())
        };
        assert_eq!(read("\"a-1\""), (true, true));
        assert_eq!(read("W/\"a\""), (true, false));
        for none in ["a", "\"a", "\"a\", \"b\"", "\"", ""] {
            assert_eq!(read(none), (false, false), "{none}");
        }
        assert_eq!(read(&format!("\"{}\"", "x".repeat(300))), (false, false));
    }
}
