//! The REST API as a Lambda function behind API Gateway: the same router, the same answers.
//!
//! ```text
//! event (REST, or HTTP API in format 1.0 or 2.0, or function URL) ─> event::Call ─> Router ─> answer::Answer
//! ```
//!
//! The loop with Lambda's runtime API is `lambda_http`'s. Requests are made here: that crate keeps the last value of a header that comes
//! twice, puts the stage into the path, and panics on a `Host` that is none.
//!
//! What a function cannot do: an answer comes whole, so `GET /events` answers 501 there (`EventBridge` has the events, and nodes have the
//! stream), and an answer larger than [`MAX_ANSWER_BYTES`] is refused with words on how to ask for less.

mod answer;
mod event;

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lambda_http::lambda_runtime::{self, Diagnostic, LambdaEvent, service_fn};
use lsv_core::api::{Kind, Problem};
use tower::ServiceExt;

use self::answer::Answer;
use self::event::{Call, Event};

/// Why the function cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This is no function: a variable that Lambda sets is missing.
    #[error("`{0}` is not set: this process was not started by AWS Lambda")]
    NoFunction(&'static str),
    /// The runtime API of Lambda failed.
    #[error("the runtime API of Lambda: {0}")]
    Runtime(String),
}

/// Whether this process was started by Lambda.
pub fn is_function() -> bool {
    std::env::var_os(RUNTIME_API).is_some()
}

/// Answers events of API Gateway with `router` until Lambda ends the process.
///
/// # Errors
/// Where this is no Lambda function, or its runtime API fails.
pub async fn serve(router: Router) -> Result<(), Error> {
    // The runtime panics without them.
    for variable in REQUIRED {
        if std::env::var_os(variable).is_none() {
            return Err(Error::NoFunction(variable));
        }
    }
    let handler = service_fn(|event: LambdaEvent<Event>| {
        let router = router.clone();
        async move {
            let left = time_left(event.context.deadline(), SystemTime::now());
            answer(router, event.payload, left).await
        }
    });
    lambda_runtime::run(handler)
        .await
        .map_err(|error| Error::Runtime(error.to_string()))
}

/// Answers one event within `left`.
async fn answer(router: Router, event: Event, left: Duration) -> Result<Answer, Diagnostic> {
    let call = Call::of(event).map_err(|error| {
        tracing::warn!(%error, "this is no event of API Gateway");
        Diagnostic::from(error.to_string())
    })?;
    let Call { request, entry } = call;
    let answered = async {
        let Ok(response) = router.oneshot(request).await;
        read(response).await
    };
    let answered = tokio::time::timeout(left, answered).await;
    let (parts, body) = match answered {
        Ok(Ok(answered)) => answered,
        Ok(Err(problem)) => whole(problem).await,
        Err(_) => {
            let detail = "the call took too long";
            whole(Problem::new(Kind::Unavailable, detail)).await
        }
    };
    let answer = Answer::new(&entry, &parts, &body);
    if answer.encoded_bytes() <= MAX_ANSWER_BYTES {
        return Ok(answer);
    }
    let (parts, body) = whole(too_large()).await;
    Ok(Answer::new(&entry, &parts, &body))
}

type Whole = (axum::http::response::Parts, Vec<u8>);

/// Reads an answer to its end, if it has one.
async fn read(response: Response) -> Result<Whole, Problem> {
    let (parts, body) = response.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        let detail = "a function cannot stream; follow the events on the event bus, or at a node";
        return Err(Problem::new(Kind::NotImplemented, detail));
    }
    match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
        Ok(body) => Ok((parts, body.to_bytes().into())),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => {
            tracing::error!(%error, "an answer broke off");
            Err(Problem::new(Kind::Internal, "the answer broke off"))
        }
    }
}

/// A refusal, whose body is always there.
async fn whole(problem: Problem) -> Whole {
    let (parts, body) = problem.into_response().into_parts();
    let body = body.collect().await;
    let body = body.map(|body| body.to_bytes().into());
    (parts, body.unwrap_or_default())
}

fn too_large() -> Problem {
    let detail = "the answer is too large for a function; ask for less of it with `limit`";
    Problem::new(Kind::Internal, detail)
}

/// How long a call may take for its answer to be in time.
fn time_left(deadline: SystemTime, now: SystemTime) -> Duration {
    let left = deadline.duration_since(now).unwrap_or_default();
    left.saturating_sub(MARGIN).max(SHORTEST)
}

/// What an answer may be long at most as Lambda takes it, in bytes: its limit is 6 MB, of which the envelope gets some.
pub const MAX_ANSWER_BYTES: usize = 6_000_000;

/// What is kept of a call's time to send a refusal in.
const MARGIN: Duration = Duration::from_millis(500);

/// What a call gets at least, however wrong the clock is.
const SHORTEST: Duration = Duration::from_secs(1);

const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
const REQUIRED: [&str; 4] = [
    RUNTIME_API,
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

#[cfg(test)]
mod tests;
