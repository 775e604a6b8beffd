//! The bearer token that every call but health, metrics and description needs (RFC 6750 §2.1).

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lsv_auth::Secret;

use super::{Kind, Problem};

/// Lets requests through that show the token.
pub(super) async fn require(
    State(expected): State<Secret>,
    request: Request,
    next: Next,
) -> Response {
    match shown(request.headers()) {
        Some(token) if expected.matches(token) => next.run(request).await,
        _ => Problem::new(
            Kind::Unauthorized,
            "send the platform's token: `Authorization: Bearer <token>`",
        )
        .into_response(),
    }
}

/// The token of the one `Authorization` header.
fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.as_bytes().split_at_checked(SCHEME.len())?;
    scheme
        .eq_ignore_ascii_case(SCHEME)
        .then_some(token.trim_ascii())
}

const SCHEME: &[u8] = b"Bearer ";
