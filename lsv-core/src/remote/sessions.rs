//! What is live, as another node knows it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper::Method;
use lsv_auth::Secret;
use rustls::ClientConfig;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::channels::LISTING_BYTES;
use super::peer::{Call, Failed, Peer, seed};
use super::{Config, InvalidBase};
use crate::backoff::{self, Backoff};
use crate::exchange::{Announced, Announcement};
use crate::path::ChannelId;
use crate::ports::{Error, Form, Lease, Result, Session, SessionRegistry};

/// A [`SessionRegistry`] on another node. Clones share its connections.
///
/// An announcement is renewed until its lease is dropped, and made again where that node was started anew. While the node
/// is away, what is live stays live.
#[derive(Clone, Debug)]
pub struct Sessions {
    peer: Peer,
    renewal: Duration,
}

impl Sessions {
    /// What the node at `base` knows, such as `http://10.0.0.5:8080`, for whoever shows `token`.
    ///
    /// # Errors
    /// [`InvalidBase`] for what is no address.
    pub fn new(
        base: &str,
        token: &Secret,
        tls: Arc<ClientConfig>,
        config: &Config,
    ) -> Result<Self, InvalidBase> {
        let peer = Peer::alone(base, token, tls, config)?;
        Ok(Self::of(peer, config))
    }

    pub(super) fn of(peer: Peer, config: &Config) -> Self {
        Self {
            peer,
            renewal: config.renewal,
        }
    }
}

#[async_trait]
impl SessionRegistry for Sessions {
    async fn announce(&self, session: Session) -> Result<Lease> {
        let path = format!("/node/leases/{}", Uuid::new_v4());
        let mut held = Held {
            peer: self.peer.clone(),
            path: path.clone(),
            announcement: Announcement {
                session,
                announced: None,
            },
        };
        let first = held.put().await.map_err(Error::from)?;
        let (lost, hear) = watch::channel(false);
        let pause = self.renewal.min(Duration::from_secs(first.seconds) / 3);
        let renewing = tokio::spawn(held.keep(pause, lost));
        let withdraw = Withdraw {
            peer: self.peer.clone(),
            path,
            renewing: renewing.abort_handle(),
        };
        Ok(Lease::shared(withdraw, hear))
    }

    async fn locate(&self, channel: &ChannelId, form: Form) -> Result<Option<Session>> {
        let form = match form {
            Form::Source => "source",
            Form::Processed => "processed",
        };
        let call = Call::get(format!("/node/sessions/{channel}?form={form}"));
        self.peer.ask(call).await
    }

    async fn list(&self) -> Result<Vec<Session>> {
        let call = Call::get("/node/sessions").answered_by(LISTING_BYTES);
        self.peer.ask(call).await
    }
}

/// An announcement that is held up.
struct Held {
    peer: Peer,
    path: String,
    announcement: Announcement,
}

impl Held {
    async fn put(&mut self) -> Result<Announced, Failed> {
        let call = Call::new(Method::PUT, self.path.as_str()).json(&self.announcement);
        let reply = self.peer.call(call).await.answer?;
        let announced: Announced = self.peer.read(&reply.bytes).map_err(Failed::Told)?;
        self.announcement.announced = Some(announced.announced);
        Ok(announced)
    }

    /// Renews every `pause`, until another node has taken the place.
    async fn keep(mut self, pause: Duration, lost: watch::Sender<bool>) {
        let config = backoff::Config {
            first_delay: (pause / 8).max(Duration::from_millis(1)),
            longest_delay: (pause / 4).max(Duration::from_millis(1)),
            ..backoff::Config::default()
        };
        let mut backoff = Backoff::new(config, seed());
        let mut next = pause;
        loop {
            sleep(next).await;
            let tried = Instant::now();
            next = match self.put().await {
                Ok(_) => {
                    if backoff.failures() > 0 {
                        let channel = &self.announcement.session.channel;
                        tracing::info!(%channel, node = %self.peer, "the session is announced again");
                        backoff.note(Duration::MAX);
                    }
                    pause
                }
                Err(Failed::Gone) => {
                    lost.send_replace(true);
                    return;
                }
                Err(failed) => {
                    if backoff.failures() == 0 {
                        let channel = &self.announcement.session.channel;
                        let error = Error::from(failed);
                        tracing::warn!(%channel, %error, "the session could not be renewed; other nodes may not find it for now");
                    }
                    backoff.fail(tried.elapsed().min(pause))
                }
            };
        }
    }
}

/// Ends an announcement when it is dropped.
struct Withdraw {
    peer: Peer,
    path: String,
    renewing: AbortHandle,
}

impl Drop for Withdraw {
    fn drop(&mut self) {
        self.renewing.abort();
        let Ok(runtime) = Handle::try_current() else {
            // It is forgotten when nobody renews it.
            return;
        };
        let (peer, path) = (self.peer.clone(), std::mem::take(&mut self.path));
        runtime.spawn(async move {
            let call = Call::new(Method::DELETE, path);
            if let Err(failed) = peer.call(call).await.answer {
                let error = Error::from(failed);
                tracing::debug!(%error, "an announcement ends when nobody renews it");
            }
        });
    }
}
