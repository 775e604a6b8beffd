//! What a viewer is answered: conditional requests, ranges and compression on what the edge has, whole or on its way.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::super::content::{self, Gzip, Wanted, accepts_gzip, matches_any, same_representation};
use super::super::growing;
use super::super::guest::Guest;
use super::super::inherit::{self, Credential};
use super::super::patience::{Patient, Stall};
use super::super::problem::Problem;
use super::Inner;
use super::body::Body;
use super::failure::{ABSENT, Failure};
use super::find::{Found, How, Missing};
use super::object::{Content, Object};
use super::via::{self, Way};
use super::wish::Wish;

impl Inner {
    /// The answer to a GET or HEAD of what `wish` asks for.
    pub(super) async fn answer(
        self: &Arc<Self>,
        wish: &Arc<Wish>,
        way: &Way,
        found: Result<Found, Missing>,
        guest: &Guest,
        parts: &Parts,
    ) -> Result<Response, Problem> {
        self.count(wish, &found);
        let found = match found {
            Ok(found) => found,
            Err(Missing::Absent { .. }) => {
                return Err(Problem::not_found(ABSENT));
            }
            Err(Missing::Busy) => return Err(Failure::Full.into()),
            // To a node this is no absence, as it is to a viewer: it may have other ways.
            Err(Missing::Failed(Failure::NotBehind)) if guest.is_node => {
                return Err(Failure::Loop.into());
            }
            Err(Missing::Failed(failure)) => return Err(failure.into()),
        };
        let fields = self.fields(&found);
        let object = &found.object;
        if let (Content::Body(body), Some(credential)) = (&object.content, &guest.credential)
            && let Some(kind) =
                inherit::Kind::of(object.head.content_type.to_str().unwrap_or_default())
        {
            let text = body.wait().await?.clone();
            return Ok(inherited(object, text, kind, credential, fields, parts));
        }
        match &object.content {
            Content::Body(body) if body.length().is_none() && !growing::suits(&parts.headers) => {
                // A part of it has to wait for the whole.
                body.wait().await?;
                Ok(self.body(object, body, fields, parts))
            }
            Content::Body(body) => Ok(self.body(object, body, fields, parts)),
            Content::Large(total) => {
                let source = |range: Range<u64>| {
                    let chunks = self.chunks(wish, way, object, *total, range);
                    self.patiently(chunks, parts)
                };
                Ok(ranged(object, *total, fields, parts, source))
            }
        }
    }

    fn body(
        &self,
        object: &Arc<Object>,
        body: &Arc<Body>,
        mut fields: HeaderMap,
        parts: &Parts,
    ) -> Response {
        let is_range = parts.method == Method::GET && parts.headers.contains_key(header::RANGE);
        if object.is_text() {
            let accepting = HeaderValue::from_static("Accept-Encoding");
            fields.append(header::VARY, accepting);
            if let Some(text) = body.get().filter(|_| !is_range)
                && accepts_gzip(&parts.headers)
                && let Some(gzip) = object.gzip(text)
            {
                return compressed(object, gzip, fields, parts);
            }
        }
        match (body.get().cloned(), body.length()) {
            (Some(whole), _) => {
                let total = whole.len() as u64;
                ranged(object, total, fields, parts, |range| {
                    let index =
                        |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
                    HttpBody::from(whole.slice(index(range.start)..index(range.end)))
                })
            }
            (None, Some(total)) => ranged(object, total, fields, parts, |range| {
                self.patiently(body.read(range.start, Some(range.end)), parts)
            }),
            (None, None) => {
                if matches_any(&parts.headers, tag(object)) {
                    return (StatusCode::NOT_MODIFIED, fields).into_response();
                }
                let content_type = object.head.content_type.clone();
                fields.insert(header::CONTENT_TYPE, content_type);
                fields.insert(
                    super::super::flv::ACCEL_BUFFERING,
                    HeaderValue::from_static("no"),
                );
                let body = match parts.method {
                    Method::HEAD => {
                        HttpBody::from_stream(futures::stream::empty::<Result<Bytes, Failure>>())
                    }
                    _ => self.patiently(body.read(0, None), parts),
                };
                (fields, body).into_response()
            }
        }
    }

    /// The body of a response to who may be slow; it is cut off where `pieces` break off, so that nobody takes it for whole.
    fn patiently(
        &self,
        pieces: impl Stream<Item = Result<Bytes, Failure>> + Send + 'static,
        parts: &Parts,
    ) -> HttpBody {
        let stall = parts.extensions.get::<Stall>().cloned();
        let pieces = Patient::new(pieces, self.limits.stall, stall.unwrap_or_default());
        HttpBody::from_stream(pieces.map(|piece| match piece {
            Ok(piece) => piece.map_err(axum::Error::new),
            Err(stalled) => Err(axum::Error::new(stalled)),
        }))
    }

    /// What every answer says of the object.
    fn fields(&self, found: &Found) -> HeaderMap {
        let head = &found.object.head;
        let mut fields = HeaderMap::with_capacity(FIELDS);
        let age = head.age.saturating_add(found.age).as_secs();
        fields.insert(header::AGE, age.into());
        fields.insert(X_CACHE, HeaderValue::from_static(found.how.as_str()));
        for (name, value) in [
            (
                header::VIA,
                HeaderValue::try_from(via::hop(&self.config.name)).ok(),
            ),
            (header::CACHE_CONTROL, head.cache_control.clone()),
            (header::ETAG, head.etag.clone()),
            (header::LAST_MODIFIED, head.last_modified.clone()),
            (
                header::VARY,
                head.vary.clone().filter(|_| !found.object.is_text()),
            ),
        ] {
            fields.extend(value.map(|value| (name, value)));
        }
        fields
    }

    fn count(&self, wish: &Wish, found: &Result<Found, Missing>) {
        let result = match found {
            Ok(found) => found.how.label(),
            Err(Missing::Absent { known: true }) => "negative",
            Err(Missing::Absent { known: false }) => "miss",
            Err(Missing::Failed(_) | Missing::Busy) => "failed",
        };
        let kind = wish.kind.as_str();
        metrics::counter!("lsv_edge_requests_total", "kind" => kind, "result" => result)
            .increment(1);
    }

    /// Tells how much is kept in memory.
    pub(super) fn gauge(&self) {
        let bytes = self.memory.held().bytes;
        metrics::gauge!("lsv_edge_held_bytes", "tier" => "memory").set(bytes as f64);
    }
}

impl How {
    fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Coalesced => "COALESCED",
            Self::Stale => "STALE",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Coalesced => "coalesced",
            Self::Stale => "stale",
        }
    }
}

/// `text` with the credential of a viewer in it.
fn inherited(
    object: &Object,
    text: Bytes,
    kind: inherit::Kind,
    credential: &Credential,
    mut fields: HeaderMap,
    parts: &Parts,
) -> Response {
    let stated = fields.remove(header::CACHE_CONTROL);
    let content = content::Content {
        body: text.into(),
        gzip: Gzip::By(&|| None),
        content_type: kind.content_type(),
        cache_control: stated.unwrap_or(HeaderValue::from_static("no-cache")),
        etag: tag(object),
        inherits: Some(credential),
    };
    let mut response = content.answer(&parts.method, &parts.headers);
    if fields.remove(header::ETAG).is_none() {
        response.headers_mut().remove(header::ETAG);
    }
    response.headers_mut().extend(fields);
    response
}

/// Another encoding is another representation, with a tag of its own.
fn compressed(object: &Object, gzip: Bytes, mut fields: HeaderMap, parts: &Parts) -> Response {
    let tag = tag(object)
        .strip_suffix('"')
        .map(|open| format!("{open}-gz\""));
    let value = tag
        .as_deref()
        .and_then(|tag| HeaderValue::from_str(tag).ok());
    match value {
        Some(tag) => fields.insert(header::ETAG, tag),
        None => fields.remove(header::ETAG),
    };
    if tag.is_some_and(|tag| matches_any(&parts.headers, &tag)) {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    fields.insert(header::CONTENT_TYPE, object.head.content_type.clone());
    fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.insert(header::CONTENT_LENGTH, gzip.len().into());
    let body = match parts.method {
        Method::HEAD => HttpBody::empty(),
        _ => gzip.into(),
    };
    (fields, body).into_response()
}

/// An object of known length, or the range of it that is wanted, with the bytes of `source`.
fn ranged(
    object: &Object,
    total: u64,
    mut fields: HeaderMap,
    parts: &Parts,
    source: impl FnOnce(Range<u64>) -> HttpBody,
) -> Response {
    let tag = tag(object);
    if is_known(object, &parts.headers) {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    let ranged = parts.method == Method::GET
        && parts.headers.contains_key(header::RANGE)
        && same_representation(&parts.headers, tag);
    let length = usize::try_from(total).unwrap_or(usize::MAX);
    let wanted = match ranged {
        true => Wanted::parse(&parts.headers, length),
        false => Wanted::Whole,
    };
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..total),
        Wanted::Part(part) => {
            let range = part.start as u64..part.end as u64;
            let text = format!(
                "bytes {}-{}/{total}",
                range.start,
                range.end.saturating_sub(1)
            );
            let value = HeaderValue::from_str(&text).ok();
            fields.extend(value.map(|value| (header::CONTENT_RANGE, value)));
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Wanted::Beyond => return Problem::range_not_satisfiable(length).into_response(),
    };
    fields.insert(header::CONTENT_TYPE, object.head.content_type.clone());
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    let body = match parts.method {
        Method::HEAD => HttpBody::empty(),
        _ => source(range),
    };
    (status, fields, body).into_response()
}

/// Whether the viewer has it: by tag, or by time where no tag was sent (RFC 9110 §13.1.3).
fn is_known(object: &Object, headers: &HeaderMap) -> bool {
    if headers.contains_key(header::IF_NONE_MATCH) {
        return matches_any(headers, tag(object));
    }
    let since = headers.get(header::IF_MODIFIED_SINCE);
    since.is_some() && since == object.head.last_modified.as_ref()
}

/// The strong tag of an object, or one that none has.
fn tag(object: &Object) -> &str {
    object.head.strong_tag().unwrap_or("\"\"")
}

/// Tells hit or miss.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
/// Room for the fields of a response, those for players on other sites and the date included.
const FIELDS: usize = 24;
