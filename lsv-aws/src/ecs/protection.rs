//! A task of a service that is at work says so, so that scale-in and deployments take another. They wait as long as it says so:
//! [`Service`](super::Service) bounds that.
//!
//! It tells its own agent, at the address that every container of ECS has in `ECS_AGENT_URI`; that needs no credentials here, and the right
//! `ecs:UpdateTaskProtection` of the task's role. Tasks that no service started cannot be protected and need not be.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lsv_core::backoff::{Backoff, Config};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Protects the task that this process is.
#[derive(Clone, Debug)]
pub struct Protection {
    address: Uri,
    client: Client<HttpConnector, Body>,
}

/// Why the agent did not do as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtectionError {
    /// It is never going to.
    #[error("the task cannot be protected: {0}")]
    Impossible(String),
    /// It may do so later.
    #[error("the agent of ECS: {0}")]
    Failed(String),
}

impl Protection {
    /// By the agent of this container; `None` where it is none of ECS.
    pub fn of_container() -> Option<Self> {
        Self::by(&std::env::var("ECS_AGENT_URI").ok()?)
    }

    /// By the agent at an address such as `http://169.254.170.2/api/<id>`; `None` if that is no address.
    pub fn by(agent: &str) -> Option<Self> {
        let address = format!("{}/task-protection/v1/state", agent.trim_end_matches('/'));
        Some(Self {
            address: address.parse().ok()?,
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
        })
    }

    /// Protects the task while `wish` says so. Returns when nobody can say so any more and the task is released, or at once if it
    /// cannot be protected.
    ///
    /// Protection runs out by itself after [`PROTECTED_FOR`], so that a process that hangs does not keep its task for ever.
    pub async fn follow(self, mut wish: watch::Receiver<bool>) {
        let mut backoff = Backoff::new(Config::default(), u64::from(std::process::id()));
        let mut told = false;
        loop {
            let is_gone = wish.has_changed().is_err();
            let wanted = !is_gone && *wish.borrow_and_update();
            // What runs out is told again; what is released stays so.
            let pause = match wanted || told {
                true => match self.set(wanted).await {
                    Ok(()) => {
                        if wanted != told {
                            tracing::info!(
                                protected = wanted,
                                "ECS knows whether the task is at work"
                            );
                        }
                        told = wanted;
                        backoff.note(Config::default().stable);
                        wanted.then_some(RENEW_AFTER)
                    }
                    Err(error @ ProtectionError::Impossible(_)) => {
                        tracing::info!(%error, "scale-in may end the task while it is at work");
                        return;
                    }
                    Err(error) => {
                        tracing::warn!(%error, protected = wanted, "the task's protection could not be changed");
                        let pause = backoff.fail(Duration::ZERO);
                        // It runs out by itself.
                        if is_gone && backoff.failures() >= LAST_TRIES {
                            return;
                        }
                        Some(pause)
                    }
                },
                false => None,
            };
            if is_gone && !told {
                return;
            }
            tokio::select! {
                changed = wish.changed(), if !is_gone => drop(changed),
                () = sleep(pause) => {}
            }
        }
    }

    /// Tells the agent once.
    ///
    /// # Errors
    /// Where the agent, or ECS, does not do it.
    pub async fn set(&self, protected: bool) -> Result<(), ProtectionError> {
        let mut wish = json!({"ProtectionEnabled": protected});
        if protected {
            wish["ExpiresInMinutes"] = json!(PROTECTED_FOR.as_secs() / 60);
        }
        let request = Request::builder()
            .method(Method::PUT)
            .uri(self.address.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(wish.to_string()));
        let request = request.map_err(|error| ProtectionError::Failed(error.to_string()))?;
        let answered = async {
            let response = self.client.request(request).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((parts.status, body.to_bytes()))
        };
        let (status, body) = tokio::time::timeout(TIMEOUT, answered)
            .await
            .map_err(|_| ProtectionError::Failed(format!("no answer within {TIMEOUT:?}")))?
            .map_err(|error| ProtectionError::Failed(error.to_string()))?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |of: &str, name: &str| answer[of][name].as_str().map(str::to_owned);
        if let Some(reason) = text("failure", "Reason") {
            let detail = text("failure", "Detail").unwrap_or_default();
            let said = format!("{reason} {detail}");
            return Err(match reason.as_str() {
                "TASK_NOT_VALID" => ProtectionError::Impossible(said),
                _ => ProtectionError::Failed(said),
            });
        }
        if let Some(code) = text("error", "Code") {
            let message = text("error", "Message").unwrap_or_default();
            return Err(ProtectionError::Failed(format!("{code}: {message}")));
        }
        match status.is_success() && answer["protection"]["ProtectionEnabled"] == protected {
            true => Ok(()),
            false => Err(ProtectionError::Failed(format!("it answers {status}"))),
        }
    }
}

/// Sleeps, or for ever.
async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

/// How long a task is protected when it says so once.
pub const PROTECTED_FOR: Duration = Duration::from_secs(10 * 60);

const RENEW_AFTER: Duration = Duration::from_secs(3 * 60);

const TIMEOUT: Duration = Duration::from_secs(5);

/// How often a task that ends tries to be released.
const LAST_TRIES: u32 = 3;

const MAX_ANSWER_BYTES: usize = 64 * 1024;
