//! What is live, as another node knows it.

use std::sync::{Arc, Mutex, PoisonError};
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
use crate::ports::{Error, Form, Hold, Lease, Result, Session, SessionRegistry};

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
        let (lost, hear) = watch::channel(false);
        let held = Arc::new(Held {
            peer: self.peer.clone(),
            path: format!("/node/leases/{}", Uuid::new_v4()),
            told: Mutex::new(Announcement { session, change: 0 }),
            lost,
        });
        let first = held.put().await.map_err(|failed| held.refusal(failed))?;
        let pause = self.renewal.min(Duration::from_secs(first.seconds) / 3);
        let renewing = tokio::spawn(Arc::clone(&held).keep(pause));
        let upheld = Upheld {
            held,
            renewing: renewing.abort_handle(),
        };
        Ok(Lease::new(upheld, hear))
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

/// An announcement that is made again and again.
struct Held {
    peer: Peer,
    path: String,
    /// As it is to be; whoever puts it next brings it along.
    told: Mutex<Announcement>,
    lost: watch::Sender<bool>,
}

impl Held {
    async fn put(&self) -> Result<Announced, Failed> {
        let announcement = self.told(|told| told.clone());
        let call = Call::new(Method::PUT, self.path.as_str()).json(&announcement);
        let reply = self.peer.call(call).await.answer?;
        self.peer.read(&reply.bytes).map_err(Failed::Told)
    }

    /// Renews every `pause`, until another has taken the place.
    async fn keep(self: Arc<Self>, pause: Duration) {
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
                        let channel = self.channel();
                        tracing::info!(%channel, node = %self.peer, "the session is announced again");
                        backoff.note(Duration::MAX);
                    }
                    pause
                }
                Err(Failed::Gone) => {
                    self.lost.send_replace(true);
                    return;
                }
                Err(failed) => {
                    if backoff.failures() == 0 {
                        let (channel, error) = (self.channel(), Error::from(failed));
                        tracing::warn!(%channel, %error, "the session could not be renewed; other nodes may not find it for now");
                    }
                    backoff.fail(tried.elapsed().min(pause))
                }
            };
        }
    }

    fn told<T>(&self, look: impl FnOnce(&mut Announcement) -> T) -> T {
        // No code that holds the lock can leave it half changed.
        look(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn channel(&self) -> ChannelId {
        self.told(|told| told.session.channel.clone())
    }

    fn refusal(&self, failed: Failed) -> Error {
        match failed {
            Failed::Gone => self.told(|told| told.session.replaced()),
            failed => failed.into(),
        }
    }
}

/// Ends an announcement when it is dropped.
struct Upheld {
    held: Arc<Held>,
    renewing: AbortHandle,
}

#[async_trait]
impl Hold for Upheld {
    async fn change(&self, session: Session) -> Result<()> {
        let held = &self.held;
        held.told(|told| {
            told.session = session;
            told.change += 1;
        });
        let changed = held.put().await;
        if let Err(Failed::Gone) = changed {
            held.lost.send_replace(true);
        }
        changed.map(drop).map_err(|failed| held.refusal(failed))
    }
}

impl Drop for Upheld {
    fn drop(&mut self) {
        self.renewing.abort();
        let Ok(runtime) = Handle::try_current() else {
            // It is forgotten when nobody renews it.
            return;
        };
        let held = Arc::clone(&self.held);
        runtime.spawn(async move {
            let call = Call::new(Method::DELETE, held.path.as_str());
            if let Err(failed) = held.peer.call(call).await.answer {
                let error = Error::from(failed);
                tracing::debug!(%error, "an announcement ends when nobody renews it");
            }
        });
    }
}
