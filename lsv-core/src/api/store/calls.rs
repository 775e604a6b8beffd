//! Calls that count once, however often they are made.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::Common;
use super::body::Made;
use super::refused::{Answer, Refused};
use crate::exchange::{CALL, REMEMBERED};
use crate::ports::{Error, Result};

/// What calls answered, by their ids. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    inner: Arc<Mutex<Inner>>,
    under_way: Arc<Semaphore>,
    patience: Duration,
}

#[derive(Default)]
struct Inner {
    outcomes: HashMap<Uuid, Outcome>,
    /// In the order in which they were made.
    made: VecDeque<(Instant, Uuid)>,
}

/// What a call answers, once it does: JSON.
type Outcome = Shared<BoxFuture<'static, Result<Bytes>>>;

impl Calls {
    /// Calls that are waited for as long as `patience`.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            inner: Arc::default(),
            under_way: Arc::new(Semaphore::new(MAX_UNDER_WAY)),
            patience,
        }
    }

    /// Does `work`, unless the call was made before, and answers what it came to. It goes on if nobody waits any more.
    pub(super) async fn once<T: Serialize>(
        &self,
        call: CallId,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Answer<Response> {
        let (outcome, is_remembered) = self.outcome(call.0, work)?;
        let mut response = self.wait(call.0, outcome).await.into_response();
        if is_remembered {
            let yes = HeaderValue::from_static("true");
            response.headers_mut().insert(REMEMBERED, yes);
        }
        Ok(response)
    }

    /// What the call comes to, and whether it was made before.
    fn outcome<T: Serialize>(
        &self,
        id: Uuid,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<(Outcome, bool)> {
        let mut inner = self.lock();
        inner.forget_old();
        if let Some(outcome) = inner.outcomes.get(&id) {
            return Ok((outcome.clone(), true));
        }
        let busy = |_| Error::unavailable("too many calls of other nodes are under way");
        let place = Arc::clone(&self.under_way).try_acquire_owned();
        let place = place.map_err(busy)?;
        let work = async move {
            let done = work.await;
            drop(place);
            let json = |done: T| serde_json::to_vec(&done).map_err(Error::unavailable);
            done.and_then(json).map(Bytes::from)
        };
        // A task of its own: it is not cut off with the connection that it came over.
        let work = tokio::spawn(work);
        let broken = |error| Err(Error::unavailable(format_args!("it broke off: {error}")));
        let outcome = async move { work.await.unwrap_or_else(broken) };
        let outcome = outcome.boxed().shared();
        inner.outcomes.insert(id, outcome.clone());
        inner.made.push_back((Instant::now(), id));
        Ok((outcome, false))
    }

    async fn wait(&self, id: Uuid, outcome: Outcome) -> Answer<Response> {
        let Ok(done) = timeout(self.patience, outcome).await else {
            return Ok((StatusCode::ACCEPTED, "null").into_response());
        };
        if let Err(Error::Unavailable { .. }) = &done {
            // It may be tried again.
            self.lock().outcomes.remove(&id);
        }
        Ok(json(done?))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that holds the lock can leave the map half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget_old(&mut self) {
        while let Some((made, id)) = self.made.front() {
            if made.elapsed() < MEMORY && self.made.len() < MAX_REMEMBERED {
                return;
            }
            self.outcomes.remove(id);
            self.made.pop_front();
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = &self.outcomes.len();
        f.debug_struct("Inner").field("outcomes", known).finish()
    }
}

/// What a call answered that was made before.
pub(super) async fn answer(State(common): State<Common>, Made(call): Made) -> Answer<Response> {
    let outcome = common.calls.lock().outcomes.get(&call).cloned();
    let unknown = || Refused::gone("a call of that id");
    common.calls.wait(call, outcome.ok_or_else(unknown)?).await
}

/// A body of JSON that is written already.
pub(super) fn json(bytes: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}

/// The id of a call; one of its own where its sender gives none.
pub(super) struct CallId(Uuid);

impl<S: Send + Sync> FromRequestParts<S> for CallId {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        let Some(value) = parts.headers.get(CALL) else {
            return Ok(Self(Uuid::new_v4()));
        };
        let id = Uuid::try_parse_ascii(value.as_bytes());
        let malformed = |_| Refused::invalid("the id of a call is a UUID");
        id.map(Self).map_err(malformed)
    }
}

/// Longer than anybody tries again.
const MEMORY: Duration = Duration::from_secs(120);
/// Most answers that are remembered, each of some hundred bytes.
const MAX_REMEMBERED: usize = 50_000;
/// Most calls that are under way at the same time.
const MAX_UNDER_WAY: usize = 4_096;
