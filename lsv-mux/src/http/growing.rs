//! Answers with a segment that grows: its parts as they are made, so that a player at the live edge need not wait for
//! its end.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};

use super::Limits;
use super::flv::ACCEL_BUFFERING;
use super::patience::{Patient, Stall};
use crate::window::Growing;

/// Whether the request can do with a body whose length is not known: a part of it has to wait for the whole.
pub(super) fn suits(headers: &HeaderMap) -> bool {
    match headers.get(header::RANGE) {
        // FFmpeg asks for everything in this way.
        Some(range) => range == "bytes=0-",
        None => true,
    }
}

/// Answers a GET or HEAD with `segment`, whose extensions may hold a [`Stall`]; tells `sent` of each part.
pub(super) fn answer(
    segment: Growing,
    cache_control: HeaderValue,
    limits: &Limits,
    parts: &Parts,
    sent: impl Fn(usize) + Send + Sync + 'static,
) -> Response {
    let content_type = HeaderValue::from_static(segment.content_type());
    let body = match parts.method {
        // Of unknown length, as the body would be.
        Method::HEAD => Body::from_stream(stream::empty::<Result<Bytes, Infallible>>()),
        _ => {
            let chunks = stream::unfold((segment, sent), async |(mut segment, sent)| {
                let chunk = segment.next().await.transpose()?;
                if let Ok(chunk) = &chunk {
                    sent(chunk.len());
                }
                Some((chunk, (segment, sent)))
            });
            let stall = parts.extensions.get::<Stall>().cloned();
            let chunks = Patient::new(chunks, limits.stall, stall.unwrap_or_default());
            // A body that fails is cut off, so that nobody takes it for a whole segment.
            Body::from_stream(chunks.map(|chunk| match chunk {
                Ok(chunk) => chunk.map_err(axum::Error::new),
                Err(stalled) => Err(axum::Error::new(stalled)),
            }))
        }
    };
    let fields = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, cache_control),
        // Told to proxies that would otherwise wait for the end.
        (ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    (fields, body).into_response()
}
