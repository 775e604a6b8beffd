//! Calls of one node that keeps or runs something, made again where an answer is lost.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use lsv_auth::Secret;
use rustls::ClientConfig;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::Config;
use super::client::{self, Answered, Asked, Http, InvalidBase, Node};
use crate::backoff::{self, Backoff};
use crate::exchange::{CALL, REMEMBERED, Told};
use crate::ports::{Error, Result};

/// A node that keeps or runs something for this one. Clones share its connections.
#[derive(Clone)]
pub(super) struct Peer {
    node: Node,
    patience: Duration,
    /// Whether the last call was given up: until there is an answer again, nobody waits for one for long.
    is_away: Arc<AtomicBool>,
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    asked: Asked,
    id: Uuid,
    /// How long the node may be at it, as long as it says so.
    long: Duration,
    /// Whether it is not made again where there is no answer.
    is_hurried: bool,
}

/// What a call came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) answer: Result<Reply, Failed>,
    /// Whether it may have been made before: some answer was lost, and the node does not remember.
    pub(super) is_repeated: bool,
}

/// What the node answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
}

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) enum Failed {
    /// The node says so.
    Told(Error),
    /// It does not know the writer or the lease any more.
    Gone,
    /// It did not answer, for all that is known.
    Silent(Error),
}

impl Peer {
    pub(super) fn new(
        base: &str,
        token: &Secret,
        http: Http,
        config: &Config,
    ) -> Result<Self, InvalidBase> {
        Ok(Self {
            node: Node::new(base, token, http, config.call_time)?,
            patience: config.patience,
            is_away: Arc::default(),
        })
    }

    /// The one node at `base`.
    pub(super) fn alone(
        base: &str,
        token: &Secret,
        tls: Arc<ClientConfig>,
        config: &Config,
    ) -> Result<Self, InvalidBase> {
        Self::new(base, token, client::http(tls), config)
    }

    /// What it answers to `call`, as JSON.
    pub(super) async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        let reply = self.call(call).await.answer?;
        self.read(&reply.bytes)
    }

    /// Reads what it answered.
    pub(super) fn read<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|error| self.damaged(error))
    }

    /// It answered what makes no sense.
    pub(super) fn damaged(&self, error: impl fmt::Display) -> Error {
        client::damaged(&self.node, error)
    }

    /// Makes `call`, again and again for a while if there is no answer.
    pub(super) async fn call(&self, call: Call) -> Outcome {
        let begun = Instant::now();
        let mut backoff = Backoff::new(PAUSES, seed());
        let mut is_repeated = false;
        let mut asked = &call.asked;
        let later = Asked::new(Method::GET, format!("/node/calls/{}", call.id));
        loop {
            let tried = Instant::now();
            let (answer, is_remembered) = self.once(asked, call.asked.most).await;
            is_repeated &= !is_remembered;
            let failed = match answer {
                Ok(Some(reply)) => return Outcome::of(Ok(reply), is_repeated),
                Ok(None) if begun.elapsed() < call.long => {
                    // It is at it.
                    asked = &later;
                    backoff.note(PAUSES.stable);
                    sleep(AT_IT).await;
                    continue;
                }
                Ok(None) => Error::unavailable(format_args!(
                    "{} is still at it after {:?}",
                    self.node, call.long
                )),
                Err(Failed::Gone) if std::ptr::eq(asked, &later) => {
                    // It has forgotten, as it was started anew.
                    asked = &call.asked;
                    is_repeated = true;
                    continue;
                }
                Err(Failed::Silent(error)) => error,
                Err(told) => return Outcome::of(Err(told), is_repeated),
            };
            is_repeated = true;
            let pause = backoff.fail(tried.elapsed());
            let is_over = match std::ptr::eq(asked, &later) {
                true => begun.elapsed() > call.long,
                false => {
                    call.is_hurried
                        || self.is_away.load(Ordering::Relaxed)
                        || begun.elapsed() + pause > self.patience
                }
            };
            if is_over {
                self.is_away.store(true, Ordering::Relaxed);
                return Outcome::of(Err(Failed::Silent(failed)), is_repeated);
            }
            sleep(pause).await;
        }
    }

    /// Nothing where the node is still at it; and whether it remembers the call.
    async fn once(&self, asked: &Asked, most: usize) -> (Result<Option<Reply>, Failed>, bool) {
        let answered = match self.node.ask(asked, most).await {
            Ok(answered) => answered,
            Err(error) => return (Err(Failed::Silent(error)), false),
        };
        if !answered.status.is_server_error() {
            self.is_away.store(false, Ordering::Relaxed);
        }
        let Answered {
            status,
            headers,
            bytes,
        } = answered;
        let is_remembered = headers.contains_key(REMEMBERED);
        let answer = match status {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(Some(Reply { headers, bytes })),
            StatusCode::ACCEPTED => Ok(None),
            StatusCode::GONE => Err(Failed::Gone),
            StatusCode::UNAUTHORIZED => Err(Failed::Told(client::strangers(&self.node))),
            status => Err(self.refusal(status, &bytes)),
        };
        (answer, is_remembered)
    }

    fn refusal(&self, status: StatusCode, bytes: &[u8]) -> Failed {
        if let Ok(Document { error }) = serde_json::from_slice(bytes) {
            return Failed::Told(error.into());
        }
        let node = &self.node;
        match status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                Failed::Told(Error::Denied(format!(
                    "{node} keeps nothing for other nodes; is it the right one, and of this release?"
                )))
            }
            // Something between here and there may say so.
            status => Failed::Silent(Error::unavailable(format_args!("{node}: {status}"))),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Call {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        let id = Uuid::new_v4();
        let asked = Asked::new(method, path.into());
        let call = Self {
            asked,
            id,
            long: LONG,
            is_hurried: false,
        };
        call.field(CALL, &id.to_string())
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Adds a header.
    pub(super) fn field(mut self, name: &'static str, value: &str) -> Self {
        // What is told here is ASCII; a node says what is missing.
        if let Ok(value) = HeaderValue::from_str(value) {
            let name = HeaderName::from_static(name);
            self.asked.headers.insert(name, value);
        }
        self
    }

    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.asked.body = body;
        self
    }

    pub(super) fn json(self, body: &impl serde::Serialize) -> Self {
        let text = serde_json::json!(body).to_string();
        self.body(text.into())
    }

    /// Takes as many bytes as an answer.
    pub(super) fn answered_by(mut self, most: usize) -> Self {
        self.asked.most = most;
        self
    }

    /// Is made once: who asks does so again by itself.
    pub(super) fn hurried(mut self) -> Self {
        self.is_hurried = true;
        self
    }

    /// Lets the node be at it for so long.
    pub(super) fn lasting(mut self, long: Duration) -> Self {
        self.long = long;
        self
    }
}

impl Outcome {
    fn of(answer: Result<Reply, Failed>, is_repeated: bool) -> Self {
        Self {
            answer,
            is_repeated,
        }
    }

    /// What a call came to that removes something: what is not there, and may have been removed by the same call before,
    /// is removed.
    pub(super) fn removed(self) -> Result<()> {
        match self.answer {
            Err(Failed::Told(Error::NotFound(_))) if self.is_repeated => Ok(()),
            answer => answer.map(drop).map_err(Error::from),
        }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Told(error) | Failed::Silent(error) => error,
            Failed::Gone => Self::unavailable("the node was started anew"),
        }
    }
}

/// What is read of a refusal.
#[derive(Deserialize)]
struct Document {
    error: Told,
}

/// A text as a value of a query.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"._~-/:".contains(&byte) {
            true => quoted.push(char::from(byte)),
            false => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}

/// Something to scatter delays with.
pub(super) fn seed() -> u64 {
    Uuid::new_v4().as_u64_pair().1
}

/// Between the tries of a call.
const PAUSES: backoff::Config = backoff::Config {
    first_delay: Duration::from_millis(100),
    longest_delay: Duration::from_secs(1),
    stable: Duration::from_secs(60),
};
/// Between two questions how far a call is.
const AT_IT: Duration = Duration::from_millis(200);
/// How long a node may be at what is written at once.
const LONG: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_a_value() {
        assert_eq!(quoted("a b&c=d#é%"), "a%20b%26c%3Dd%23%C3%A9%25");
        assert_eq!(quoted("record/cam/1.mp4"), "record/cam/1.mp4");
    }
}
