//! Channels under entity tags, and calls that count only for a channel as the client knows it (RFC 9110 §8.8.3, §13.1.1).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::problem::Answer;
use super::{Api, Kind, Problem};
use crate::channel::Channel;

/// A channel as the API answers it, under a strong tag of those very bytes.
pub(super) struct Tagged {
    body: Vec<u8>,
    tag: String,
}

impl Tagged {
    pub(super) fn new(api: &Api, channel: &Channel) -> Self {
        let body = serde_json::json!(channel.record(&api.signer));
        let body = body.to_string().into_bytes();
        let digest = Sha256::digest(&body);
        let digits = digest.iter().take(TAG_BYTES);
        let tag = digits.map(|byte| format!("{byte:02x}")).collect();
        Self { body, tag }
    }
}

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        let tag = format!("\"{}\"", self.tag);
        (
            [(header::CONTENT_TYPE, json)],
            [(header::ETAG, tag)],
            self.body,
        )
            .into_response()
    }
}

/// What a client says of the channel that its call is for: the header `If-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// Nothing, or that there is one.
    Any,
    /// It has one of these strong tags. Weak ones are left out: they never match.
    Tags(Vec<Vec<u8>>),
}

impl IfMatch {
    /// Refuses the call where `channel` is not what the client knows.
    pub(super) fn check(&self, api: &Api, channel: &Channel) -> Answer<()> {
        let Self::Tags(tags) = self else {
            return Ok(());
        };
        let tag = Tagged::new(api, channel).tag;
        match tags.iter().any(|known| known == tag.as_bytes()) {
            true => Ok(()),
            false => Err(Problem::new(
                Kind::PreconditionFailed,
                "the channel is not what `If-Match` names, somebody may have changed it: read it again, then decide",
            )),
        }
    }

    fn read(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(header::IF_MATCH).iter();
        let lines: Vec<_> = lines.map(HeaderValue::as_bytes).collect();
        // Lines of one name are one list (RFC 9110 §5.3).
        let text = lines.join(&b","[..]);
        if lines.is_empty() || text.trim_ascii() == b"*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        let mut rest = text.trim_ascii_start();
        while !rest.is_empty() {
            if let Some(behind) = rest.strip_prefix(b",") {
                rest = behind.trim_ascii_start();
                continue;
            }
            let weak = rest.strip_prefix(b"W/");
            let opened = weak.unwrap_or(rest).strip_prefix(b"\"")?;
            let end = opened.iter().position(|byte| *byte == b'"')?;
            let (tag, behind) = opened.split_at_checked(end)?;
            if tag.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
                return None;
            }
            if weak.is_none() {
                tags.push(tag.to_vec());
            }
            rest = behind.strip_prefix(b"\"")?.trim_ascii_start();
            if !(rest.is_empty() || rest.starts_with(b",")) {
                return None;
            }
        }
        Some(Self::Tags(tags))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        Self::read(&parts.headers).ok_or_else(|| {
            let detail =
                "`If-Match` accepts `*`, or entity tags such as \"5f0c\" with commas between them";
            Problem::new(Kind::InvalidParameter, detail).of_field("If-Match")
        })
    }
}

/// Enough of a digest that no two states of a channel share it.
const TAG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<IfMatch> {
        let lines = lines.iter().map(|line| {
            let value = HeaderValue::from_bytes(line.as_bytes()).expect("a header");
            (header::IF_MATCH, value)
        });
        IfMatch::read(&lines.collect())
    }

    #[test]
    fn lists_of_tags_are_read() {
        let tags = |tags: &[&str]| {
            let tags = tags.iter().map(|tag| tag.as_bytes().to_vec());
            Some(IfMatch::Tags(tags.collect()))
        };
        for (lines, expected) in [
            (&[][..], Some(IfMatch::Any)),
            (&["*"], Some(IfMatch::Any)),
            (&[" * "], Some(IfMatch::Any)),
            (&["\"a\""], tags(&["a"])),
            (&["\"a\",\"b\" ,\t\"c\""], tags(&["a", "b", "c"])),
            (&["\"a\"", "\"b\""], tags(&["a", "b"])),
            (&["\"a,b\\\", \"é\""], tags(&["a,b\\", "é"])),
            (&["W/\"a\""], tags(&[])),
            (&["W/\"a\", \"b\""], tags(&["b"])),
            (&[", ,\"a\",,"], tags(&["a"])),
            (&["\"\""], tags(&[""])),
            (&[""], tags(&[])),
        ] {
            assert_eq!(read(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_list_of_tags_is_told() {
        let wrong: [&[&str]; 11] = [
            &["a"],
            &["\"a"],
            &["a\""],
            &["\"a\" \"b\""],
            &["\"a\"b"],
            &["\"a b\""],
            &["w/\"a\""],
            &["W/ \"a\""],
            &["W/a"],
            &["*, \"a\""],
            &["*", "*"],
        ];
        for lines in wrong {
            assert_eq!(read(lines), None, "{lines:?}");
        }
    }
}
