//! The rules of publishing and playing: who holds a credential that the channel's record and the platform's secret
//! bear out may publish; a channel that exists may be played by whom [`Protection`] and its record let in.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use lsv_auth::push::{self, PushError};

use crate::channel::{Channel, Moment, Settings, Signer};
use crate::path::Rendition;
use crate::ports::{
    self, Access, AccessRequest, Authorizer, ChannelStore, Denied, Grant, Presence, Reason,
    SessionRegistry,
};
use others::Others;
use protection::Pass;
use records::Records;
use seats::{Seats, Viewer};

mod attempts;
#[cfg(feature = "cloudfront")]
mod cloud_front;
mod forwarded;
mod others;
mod protection;
mod records;
mod seats;
mod window;

pub use attempts::Attempts;
#[cfg(feature = "cloudfront")]
pub use cloud_front::Minter;
pub use forwarded::{Secured, client};
pub use protection::{Protection, Token};
pub use seats::Seat;
pub use window::{Window, network};

/// Decides by the channel's record. Where the store cannot be asked, nobody is let in. Clones share what they remember.
#[derive(Clone, Debug)]
pub struct ChannelAuthorizer {
    records: Arc<Records>,
    signer: Option<Signer>,
    others: Option<Others>,
    protection: Arc<RwLock<Arc<Protection>>>,
    seats: Seats,
}

impl ChannelAuthorizer {
    /// Decides by the records in `store` and push credentials that `signer` can verify. Who publishes is held against the
    /// record as it is at that moment, who plays against one that is [`MAX_AGE`] old at most; while the store is out of reach,
    /// against what it said last, for five minutes.
    pub fn new(store: Arc<dyn ChannelStore>, signer: Signer) -> Self {
        Self {
            signer: Some(signer),
            ..Self::of_viewers(store)
        }
    }

    /// The same where nobody publishes.
    pub fn of_viewers(store: Arc<dyn ChannelStore>) -> Self {
        Self {
            records: Arc::new(Records::new(store)),
            signer: None,
            others: None,
            protection: Arc::default(),
            seats: Seats::default(),
        }
    }

    /// The same for the node called `node`, among others that announce what is live to `registry`: who publishes is told
    /// where the channel is live on another ([`Grant::elsewhere`]), and is refused while the registry cannot be asked.
    #[must_use]
    pub fn among(self, registry: Arc<dyn SessionRegistry>, node: String) -> Self {
        let others = Some(Others { registry, node });
        Self { others, ..self }
    }

    /// The same with what the platform asks of viewers. What channels' records ask counts in any case.
    #[must_use]
    pub fn protecting(self, protection: Protection) -> Self {
        self.protect(protection);
        self
    }

    /// Changes what the platform asks of viewers from their next request on.
    pub fn protect(&self, protection: Protection) {
        let current = self.protection.write();
        *current.unwrap_or_else(PoisonError::into_inner) = Arc::new(protection);
    }

    /// What the platform asks of viewers.
    pub fn protection(&self) -> Arc<Protection> {
        let current = self.protection.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    async fn publish(&self, request: &AccessRequest<'_>) -> Result<Grant, Denied> {
        let mut grant = self.publish_by_record(request).await?;
        if let Some(others) = &self.others {
            let elsewhere = others.having(&request.path.channel, request.now).await;
            grant.elsewhere = elsewhere.map_err(denied_by_store)?;
        }
        Ok(grant)
    }

    async fn publish_by_record(&self, request: &AccessRequest<'_>) -> Result<Grant, Denied> {
        let signer = self.signer.as_ref().ok_or_else(not_publishable)?;
        let id = &request.path.channel;
        let channel = self.records.fresh(id).await.map_err(denied_by_store)?;
        if request.path.rendition != Rendition::Source {
            return Err(Denied::new(
                Reason::NotPublishable,
                "renditions are made by the platform; publish to the channel itself",
            ));
        }
        let expiry = push::credential_in(request.query)
            .and_then(|credential| signer.verify(id, credential, request.now))
            .map_err(denied_by_credential)?;
        if channel.key.is_revoked(expiry) {
            return Err(Denied::new(
                Reason::Revoked,
                "the credential was taken back; ask for the new push key",
            ));
        }
        if !channel.admits(expiry) {
            return Err(Denied::new(
                Reason::Expired,
                "the credential reaches beyond the channel's outdate; ask for the new push key",
            ));
        }
        let expires = Moment::from_unix(expiry.unix());
        Ok(Grant::new(channel, Some(expires)))
    }

    async fn play(&self, request: &AccessRequest<'_>) -> Result<Grant, Denied> {
        let id = &request.path.channel;
        let grant = self.judge(request, self.records.get(id, request.now).await)?;
        match request.presence {
            // Nobody gets a key by what is not so any more; who is refused anyway costs the store nothing.
            Presence::Key => self.judge(request, self.records.fresh(id).await),
            _ => Ok(grant),
        }
    }

    fn judge(
        &self,
        request: &AccessRequest<'_>,
        record: ports::Result<Arc<Channel>>,
    ) -> Result<Grant, Denied> {
        let channel = match record {
            Ok(channel) => Ok(channel),
            Err(error @ ports::Error::NotFound(_)) => Err(error),
            Err(error) => return Err(denied_by_store(error)),
        };
        // Who may not watch does not learn whether there is such a channel.
        let settings = channel.as_ref().ok().map(|channel| &channel.settings);
        let protection = self.protection();
        let is_node = protection.is_node(request);
        let pass = match is_node {
            true => Pass::default(),
            false => protection.judge(settings, request)?,
        };
        let channel = channel.map_err(denied_by_store)?;
        let seat = match is_node {
            true => None,
            false => self.seat(&protection, &channel.settings, &pass, request)?,
        };
        let mut grant = Grant::new(channel, pass.expires);
        grant.inherited = pass.inherited;
        grant.is_personal = pass.is_personal;
        grant.by_cookie = pass.by_cookie;
        grant.of_node = is_node;
        grant.seat = seat;
        Ok(grant)
    }

    /// A place among the viewers of the channel, where they are capped.
    fn seat(
        &self,
        protection: &Protection,
        settings: &Settings,
        pass: &Pass,
        request: &AccessRequest<'_>,
    ) -> Result<Option<Seat>, Denied> {
        let credential = pass.telling().and_then(|name| {
            let mut pairs = request.query?.split('&');
            pairs.find(|pair| pair.split_once('=').is_some_and(|(known, _)| known == name))
        });
        let segment = Duration::from_secs(settings.hls_time.clamp(2, 60).into());
        let viewer = Viewer {
            channel: &request.path.channel,
            peer: request.peer,
            traits: (request.told.agent, credential),
            presence: request.presence,
            stay: segment * SEGMENTS,
        };
        let caps = protection.caps(settings);
        self.seats.take(&viewer, caps, request.now)
    }
}

/// Lets anybody play anything and nobody publish: for a router that serves what its own program publishes, behind
/// whatever else decides who may watch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Viewers;

#[async_trait]
impl Authorizer for Viewers {
    async fn authorize(&self, request: AccessRequest<'_>) -> Result<Grant, Denied> {
        match request.access {
            Access::Play => {
                let channel = Channel::new(request.path.channel.clone(), request.now);
                Ok(Grant::new(Arc::new(channel), None))
            }
            Access::Publish => Err(not_publishable()),
        }
    }
}

#[async_trait]
impl Authorizer for ChannelAuthorizer {
    async fn authorize(&self, request: AccessRequest<'_>) -> Result<Grant, Denied> {
        match request.access {
            Access::Publish => self.publish(&request).await,
            Access::Play => self.play(&request).await,
        }
    }

    async fn confirm(&self, request: AccessRequest<'_>) -> Result<(), Denied> {
        let grant = match request.access {
            // By now the registry may tell of the publisher itself, and its hiccups are not the publisher's.
            Access::Publish => self.publish_by_record(&request).await,
            Access::Play => self.play(&request).await,
        };
        grant.map(drop)
    }
}

fn not_publishable() -> Denied {
    Denied::new(
        Reason::NotPublishable,
        "nobody publishes here but the program itself",
    )
}

fn denied_by_store(error: ports::Error) -> Denied {
    match error {
        ports::Error::NotFound(_) => {
            Denied::new(Reason::UnknownChannel, "there is no such channel")
        }
        error => {
            tracing::error!(%error, "the store cannot be asked, so access is refused");
            Denied::new(
                Reason::Unavailable,
                "the platform cannot check access at the moment; try again",
            )
        }
    }
}

fn denied_by_credential(error: PushError) -> Denied {
    let reason = match error {
        PushError::Missing => Reason::Missing,
        PushError::NotAllowed(_) => Reason::NotAllowed,
        PushError::Expired => Reason::Expired,
        PushError::Mismatch => Reason::Mismatch,
        _ => Reason::Malformed,
    };
    Denied::new(reason, error)
}

/// A viewer who has fetched nothing for so many segments has left.
const SEGMENTS: u32 = 3;

/// How old the record may be that a viewer is held against. A player of low-latency HLS asks ten times a second; a
/// changed setting takes effect within 5 s.
pub const MAX_AGE: Duration = Duration::from_secs(2);

#[cfg(test)]
#[cfg(all(feature = "embedded", feature = "conformance"))]
mod tests;
