//! Refusals as problem documents (RFC 9457).

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::channel::{Invalid, TooManyKeys};
use crate::ports::{self, NoPreview, Unusable};

/// A refusal: what went wrong, in a form for programs and in words for people.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    field: Option<String>,
    retry_after_seconds: Option<u64>,
}

/// The answer of a handler that may refuse.
pub(super) type Answer<T> = Result<T, Problem>;

impl Problem {
    /// A refusal of some kind, with words for people.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            field: None,
            retry_after_seconds: None,
        }
    }

    /// Names the field or parameter that is at fault.
    #[must_use]
    pub fn of_field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub(super) fn after(mut self, delay: Duration) -> Self {
        self.retry_after_seconds = Some(delay.as_secs().max(1));
        self
    }
}

/// Kinds of refusal. Each has a status and a `type` that never changes: `urn:lsv:problem:<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The body is not the JSON that is wanted.
    MalformedJson,
    /// A query parameter or a header cannot be understood.
    InvalidParameter,
    /// The bearer token, or what somebody signs in with, is missing or wrong.
    Unauthorized,
    /// A browser's session alone does not show that a page of the platform's own asks.
    Csrf,
    /// There is no such thing.
    NotFound,
    /// The path knows other methods.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// It exists already, or was changed at the same time.
    Conflict,
    /// The recording is being written.
    StillWritten,
    /// The channel cannot remember one more replaced push key.
    TooManyKeys,
    /// It is not what `If-Match` names.
    PreconditionFailed,
    /// The body is too large.
    ContentTooLarge,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// A field that does not exist.
    UnknownField,
    /// A value that the field does not accept.
    InvalidValue,
    /// A field that the platform makes.
    FixedField,
    /// Too many wrong attempts came from one address.
    TooManyAttempts,
    /// The platform is at fault.
    Internal,
    /// This form of the platform cannot do that.
    NotImplemented,
    /// Something that the platform needs is out of reach.
    Unavailable,
}

impl Kind {
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedJson => (
                StatusCode::BAD_REQUEST,
                "malformed-json",
                "The body is not the JSON that is wanted",
            ),
            Self::InvalidParameter => (
                StatusCode::BAD_REQUEST,
                "invalid-parameter",
                "A parameter cannot be understood",
            ),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "The credentials are missing or wrong",
            ),
            Self::Csrf => (
                StatusCode::FORBIDDEN,
                "csrf",
                "The call may come from another site",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is no such thing"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "The path knows other methods",
            ),
            Self::RequestTimeout => (
                StatusCode::REQUEST_TIMEOUT,
                "request-timeout",
                "The body did not arrive in time",
            ),
            Self::Conflict => (
                StatusCode::CONFLICT,
                "conflict",
                "It exists already or was changed meanwhile",
            ),
            Self::StillWritten => (
                StatusCode::CONFLICT,
                "still-written",
                "The recording is being written",
            ),
            Self::TooManyKeys => (
                StatusCode::CONFLICT,
                "too-many-keys",
                "The channel can remember no more push keys",
            ),
            Self::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                "It is not what `If-Match` names",
            ),
            Self::ContentTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "content-too-large",
                "The body is too large",
            ),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body is not JSON",
            ),
            Self::UnknownField => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "unknown-field",
                "There is no such field",
            ),
            Self::InvalidValue => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid-value",
                "The field does not accept that value",
            ),
            Self::FixedField => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "fixed-field",
                "The field is made by the platform",
            ),
            Self::TooManyAttempts => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-attempts",
                "Too many attempts failed",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "The platform is at fault",
            ),
            Self::NotImplemented => (
                StatusCode::NOT_IMPLEMENTED,
                "not-implemented",
                "This cannot be had here",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The platform cannot do that now",
            ),
        }
    }

    /// The HTTP status of the refusal.
    pub const fn status(self) -> StatusCode {
        self.parts().0
    }

    /// The stable `type` of the refusal.
    pub fn uri(self) -> String {
        format!("urn:lsv:problem:{}", self.parts().1)
    }
}

/// How a refusal is written (RFC 9457 §3.1).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDocument {
    /// Names the kind of problem and never changes.
    #[serde(rename = "type")]
    #[schema(example = "urn:lsv:problem:invalid-value")]
    kind: String,
    /// The kind of problem in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What went wrong this time, and what to do.
    detail: String,
    /// The field or parameter that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, _, title) = self.kind.parts();
        let document = ProblemDocument {
            kind: self.kind.uri(),
            title,
            status: status.as_u16(),
            detail: self.detail,
            field: self.field,
        };
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.kind == Kind::Unauthorized {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"lsv\""),
            );
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let kind = match invalid {
            Invalid::Unknown { .. } => Kind::UnknownField,
            Invalid::Fixed { .. } => Kind::FixedField,
            Invalid::Keys(error) => return error.into(),
            Invalid::Value { .. } | Invalid::PrivateTarget { .. } => Kind::InvalidValue,
        };
        Self::new(kind, invalid.to_string()).of_field(invalid.field())
    }
}

impl From<TooManyKeys> for Problem {
    fn from(error: TooManyKeys) -> Self {
        Self::new(Kind::TooManyKeys, error.to_string())
    }
}

impl From<Unusable> for Problem {
    fn from(unusable: Unusable) -> Self {
        let detail = format!("`{IMAGE_URL}` {unusable}");
        Self::new(Kind::InvalidValue, detail).of_field(IMAGE_URL)
    }
}

impl From<NoPreview> for Problem {
    fn from(error: NoPreview) -> Self {
        match error {
            NoPreview::Picture(unusable) => unusable.into(),
            NoPreview::NoFonts(detail) => {
                Self::new(Kind::NotImplemented, detail).of_field("WaterMarkText")
            }
            NoPreview::TooLarge(detail) => Self::new(Kind::InvalidValue, detail),
            NoPreview::Busy => {
                let mut problem = Self::new(Kind::Unavailable, format!("{error}; try again"));
                problem.retry_after_seconds = Some(1);
                problem
            }
            NoPreview::Failed(detail) => {
                tracing::error!(detail, "a watermark could not be drawn");
                Self::new(Kind::Internal, detail)
            }
        }
    }
}

impl From<ports::Error> for Problem {
    fn from(error: ports::Error) -> Self {
        match error {
            ports::Error::NotFound(_) => Self::new(Kind::NotFound, error.to_string()),
            ports::Error::Conflict(_) => Self::new(Kind::Conflict, error.to_string()),
            ports::Error::Invalid(detail) => Self::new(Kind::InvalidParameter, detail),
            ports::Error::Unavailable { retry_after, .. } => {
                tracing::error!(%error, "a store is out of reach");
                Self::new(Kind::Unavailable, "a store is out of reach; try again")
                    .after(retry_after)
            }
            ports::Error::Denied(_) | ports::Error::Damaged { .. } => {
                tracing::error!(%error, "a store does not work");
                Self::new(
                    Kind::Internal,
                    "a store does not work; the platform's log says why",
                )
            }
        }
    }
}

/// What a path that the platform does not know answers.
pub(super) async fn not_found() -> Problem {
    Problem::new(
        Kind::NotFound,
        "there is nothing at this address; /openapi.json lists what there is",
    )
}

/// What a path answers to a method that it does not know; the router adds `Allow`.
pub(super) async fn method_not_allowed() -> Problem {
    Problem::new(
        Kind::MethodNotAllowed,
        "the header `Allow` lists the methods of this address",
    )
}

const IMAGE_URL: &str = "ImageURL";
