//! Answers with a body that is known whole: conditional requests, ranges, compression (RFC 9110 §8, §13, §14).

use std::borrow::Cow;
use std::convert::Infallible;
use std::io::Write;
use std::ops::Range;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::inherit::{self, Credential};
use super::problem::Problem;
use crate::window;

/// A body that is known whole, with what caches and players need to know about it.
#[derive(Debug, Clone)]
pub(super) struct Content<'a> {
    pub(super) body: window::Body,
    /// Makes the same body in gzip, where that is worth it.
    pub(super) gzip: Gzip<'a>,
    pub(super) content_type: &'static str,
    pub(super) cache_control: HeaderValue,
    /// A strong entity tag with its quotes.
    pub(super) etag: &'a str,
    /// What addresses in the body carry on.
    pub(super) inherits: Option<&'a Credential>,
}

/// How a body is compressed.
#[derive(Clone, Copy)]
pub(super) enum Gzip<'a> {
    /// Not at all.
    Never,
    /// By asking this.
    By(&'a (dyn Fn() -> Option<Bytes> + Sync)),
}

impl std::fmt::Debug for Gzip<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Never => "Never",
            Self::By(_) => "By(..)",
        })
    }
}

impl Content<'_> {
    /// The answer to a GET or HEAD with these headers.
    pub(super) fn answer(self, method: &Method, headers: &HeaderMap) -> Response {
        let kind = inherit::Kind::of(self.content_type);
        let heir = kind.zip(self.inherits);
        let compressible = matches!(self.gzip, Gzip::By(_));
        // What is written anew for each viewer is not worth to be cut.
        let ranged = method == Method::GET && headers.contains_key(header::RANGE) && heir.is_none();
        let gzip = match self.gzip {
            Gzip::By(gzip) if !ranged && accepts_gzip(headers) => match heir {
                None => gzip().map(Packed::Ready),
                Some(_) => (self.body.len() <= MAX_PACKED_BYTES).then_some(Packed::Later),
            },
            _ => None,
        };
        let etag = match (&gzip, self.etag.strip_suffix('"')) {
            // Another encoding is another representation, with a strong tag of its own.
            (Some(_), Some(open)) => Cow::Owned(format!("{open}-gz\"")),
            _ => Cow::Borrowed(self.etag),
        };
        let mut fields = HeaderMap::with_capacity(FIELDS);
        fields.insert(header::CACHE_CONTROL, self.cache_control);
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            fields.insert(header::ETAG, etag);
        }
        if compressible {
            fields.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        if matches_any(headers, &etag) {
            return response(StatusCode::NOT_MODIFIED, fields, Body::empty());
        }
        fields.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(self.content_type),
        );
        let body = match heir {
            None => self.body,
            Some((kind, credential)) => inherit::whole(kind, credential, self.body.pieces()).into(),
        };
        let units = if heir.is_some() { "none" } else { "bytes" };
        fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static(units));
        if let Some(gzip) = gzip {
            fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            return whole(method, fields, gzip.of(&body));
        }
        if !ranged || !same_representation(headers, &etag) {
            return whole(method, fields, body);
        }
        match Wanted::parse(headers, body.len()) {
            Wanted::Whole => whole(method, fields, body),
            Wanted::Part(range) => part(fields, &body, range),
            Wanted::Beyond => Problem::range_not_satisfiable(body.len()).into_response(),
        }
    }
}

/// A body in gzip.
enum Packed {
    /// Made once for all viewers.
    Ready(Bytes),
    /// Made for one viewer, once it is known that the body is wanted.
    Later,
}

impl Packed {
    fn of(self, body: &window::Body) -> window::Body {
        match self {
            Self::Ready(packed) => packed.into(),
            Self::Later => pack(body).into(),
        }
    }
}

/// Quickly rather than well: with a credential in each address a playlist shrinks to a tenth either way.
fn pack(body: &window::Body) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for piece in body.pieces() {
        // Writing into memory cannot fail.
        let written = encoder.write_all(piece);
        debug_assert!(written.is_ok());
    }
    encoder.finish().map(Bytes::from).unwrap_or_default()
}

fn whole(method: &Method, mut fields: HeaderMap, body: window::Body) -> Response {
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let body = match *method {
        Method::HEAD => Body::empty(),
        _ => stream_of(&body),
    };
    response(StatusCode::OK, fields, body)
}

/// In one piece, or piece by piece.
fn stream_of(body: &window::Body) -> Body {
    match body.pieces() {
        [piece] => Body::from(piece.clone()),
        pieces => {
            let pieces: Vec<Bytes> = pieces.to_vec();
            Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)))
        }
    }
}

fn part(mut fields: HeaderMap, body: &window::Body, range: Range<usize>) -> Response {
    let last = range.end.saturating_sub(1);
    let content_range = format!("bytes {}-{last}/{}", range.start, body.len());
    if let Ok(value) = HeaderValue::from_str(&content_range) {
        fields.insert(header::CONTENT_RANGE, value);
    }
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(range.len()));
    let body = stream_of(&body.slice(range));
    response(StatusCode::PARTIAL_CONTENT, fields, body)
}

/// A response with these very header fields: they are what most of a short one costs.
fn response(status: StatusCode, fields: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

/// What a `Range` field asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All: no single range that can be read. Several ranges are answered whole too, as RFC 9110 §14.2 allows.
    Whole,
    /// These bytes.
    Part(Range<usize>),
    /// Bytes that are not there.
    Beyond,
}

impl Wanted {
    pub(super) fn parse(headers: &HeaderMap, length: usize) -> Self {
        let Some((first, last)) = text(headers, &header::RANGE)
            .and_then(|value| value.strip_prefix("bytes="))
            .and_then(|range| range.trim().split_once('-'))
        else {
            return Self::Whole;
        };
        let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            // A number that does not fit lies beyond any file.
            true if !text.is_empty() => Some(text.parse().unwrap_or(usize::MAX)),
            _ => None,
        };
        match (first, number(first), last, number(last)) {
            ("", _, _, Some(0)) => Self::Beyond,
            ("", _, _, Some(suffix)) if length > 0 => {
                Self::Part(length.saturating_sub(suffix)..length)
            }
            ("", _, _, Some(_)) => Self::Beyond,
            (_, Some(first), _, Some(last)) if last < first => Self::Whole,
            (_, Some(first), _, Some(_)) | (_, Some(first), "", _) if first >= length => {
                Self::Beyond
            }
            (_, Some(first), _, Some(last)) => {
                Self::Part(first..last.saturating_add(1).min(length))
            }
            (_, Some(first), "", _) => Self::Part(first..length),
            _ => Self::Whole,
        }
    }
}

/// Whether `If-None-Match` names this representation; the comparison is weak (RFC 9110 §13.1.2).
pub(super) fn matches_any(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|candidate| {
            candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == etag
        })
}

/// Whether a range may be served: `If-Range` is absent or names this very representation (RFC 9110 §13.1.5).
pub(super) fn same_representation(headers: &HeaderMap, etag: &str) -> bool {
    !headers.contains_key(header::IF_RANGE) || text(headers, &header::IF_RANGE) == Some(etag)
}

/// Whether `Accept-Encoding` lets gzip in (RFC 9110 §12.5.3).
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = None;
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        for coding in value.to_str().unwrap_or_default().split(',') {
            let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
            let refused = parameters
                .trim()
                .strip_prefix("q=")
                .is_some_and(|weight| weight.trim_end_matches(['0', '.']).is_empty());
            match name.trim() {
                name if name.eq_ignore_ascii_case("gzip") => return !refused,
                "*" => any = Some(!refused),
                _ => {}
            }
        }
    }
    any.unwrap_or(false)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The longest body that is compressed for one viewer alone: some milliseconds of a processor.
const MAX_PACKED_BYTES: usize = 128 << 10;
/// Room for the header fields of a response, those for players on other sites and the date included.
const FIELDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(range: &str) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range).unwrap());
        Wanted::parse(&headers, 10)
    }

    #[test]
    fn ranges() {
        assert_eq!(wanted("bytes=0-0"), Wanted::Part(0..1));
        assert_eq!(wanted("bytes=2-5"), Wanted::Part(2..6));
        assert_eq!(wanted("bytes=5-"), Wanted::Part(5..10));
        assert_eq!(wanted("bytes=-3"), Wanted::Part(7..10));
        assert_eq!(wanted("bytes=-30"), Wanted::Part(0..10));
        assert_eq!(
            wanted("bytes=9-99999999999999999999999"),
            Wanted::Part(9..10)
        );
        for beyond in [
            "bytes=10-",
            "bytes=10-12",
            "bytes=99999999999999999999999-",
            "bytes=-0",
        ] {
            assert_eq!(wanted(beyond), Wanted::Beyond, "{beyond}");
        }
        for whole in [
            "bytes=0-1,3-4",
            "bytes=5-2",
            "lines=0-1",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=+1-2",
            "x",
        ] {
            assert_eq!(wanted(whole), Wanted::Whole, "{whole}");
        }
    }

    #[test]
    fn accepted_encodings() {
        let accepts = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::ACCEPT_ENCODING,
                HeaderValue::from_str(value).unwrap(),
            );
            accepts_gzip(&headers)
        };
        for yes in ["gzip", "br, GZIP;q=0.5", "*", "gzip;q=1.0, *;q=0"] {
            assert!(accepts(yes), "{yes}");
        }
        for no in [
            "",
            "br",
            "gzip;q=0",
            "gzip;q=0.000",
            "*;q=0",
            "identity",
            "*, gzip;q=0",
        ] {
            assert!(!accepts(no), "{no}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
