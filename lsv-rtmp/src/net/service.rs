//! RTMP as a service of the platform: who asks is checked, who may publishes into the hub or plays from it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use lsv_core::access::Attempts;
use lsv_core::channel::Moment;
use lsv_core::events::{Events, Happening};
use lsv_core::hub::{Hub, Offer, OnBusy, PublishError, Publisher, Settings, Stream};
use lsv_core::path::{APP, ChannelId, Rendition, StreamPath};
use lsv_core::ports::{
    Access, AccessRequest, Authorizer, Denied, Grant, Presence, Reason, Told, Upstream,
};
use lsv_core::via::Via;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::request::{End, PlayRequest, PublishRequest, Request};
use super::socket::now;
use super::{Error, Server};
use crate::session::{Reject, Target};

/// What RTMP needs of the platform. Clones share it.
#[derive(Clone)]
pub struct Service {
    /// Where streams come together.
    pub hub: Hub,
    /// Who may publish and play.
    pub authorizer: Arc<dyn Authorizer>,
    /// Where refusals are told.
    pub events: Events,
    /// Whether a second publisher takes over, at the moment.
    pub on_busy: watch::Receiver<OnBusy>,
    /// How often an address may try to publish in vain.
    pub attempts: Attempts,
    /// Who gets streams that are live on other nodes, where anybody does.
    pub upstream: Option<Arc<dyn Upstream>>,
}

impl Service {
    /// Serves what `server` accepts until `shutdown`, then waits for the sessions to end.
    ///
    /// Publishers that understand it are then asked to connect again and stay until they leave by themselves; others must
    /// go. What stays, players among it, ends with its stream: that is up to who ends the streams.
    pub async fn run(self, mut server: Server, shutdown: CancellationToken) {
        let sessions = TaskTracker::new();
        loop {
            tokio::select! {
                request = server.accept() => match request {
                    Some(request) => drop(sessions.spawn(self.clone().serve(request, shutdown.clone()))),
                    None => break,
                },
                () = shutdown.cancelled() => break,
            }
        }
        drop(server);
        sessions.close();
        sessions.wait().await;
    }

    async fn serve(self, request: Request, shutdown: CancellationToken) {
        match request {
            Request::Publish(request) => {
                let span = tracing::info_span!("publish", peer = %request.peer(), path = ?request.info().target);
                self.publish(request, &shutdown).instrument(span).await;
            }
            Request::Play(request) => {
                let span = tracing::info_span!("play", peer = %request.peer(), path = ?request.info().target);
                self.play(request).instrument(span).await;
            }
        }
    }

    async fn publish(self, request: PublishRequest, shutdown: &CancellationToken) {
        let peer = request.peer();
        let visit = Visit {
            access: Access::Publish,
            target: &request.info().target,
            page: None,
            peer,
        };
        match self.publisher(visit).await {
            Ok(publisher) => {
                tracing::info!("publishing");
                log_end(peer, feed(request, publisher, shutdown).await);
            }
            Err(denied) => {
                self.attempts.refused(peer.ip(), denied.reason, now());
                self.note(visit, &denied);
                request.reject(&rejection(&denied)).await;
            }
        }
    }

    async fn publisher(&self, visit: Visit<'_>) -> Result<Publisher, Denied> {
        self.attempts.check(visit.peer.ip(), now())?;
        let (path, grant) = self.admit(visit).await?;
        let mut offer = Offer::new(visit.peer.to_string());
        offer.on_busy = *self.on_busy.borrow();
        offer.elsewhere = grant.elsewhere;
        offer.settings = Settings::from(&*grant.channel);
        let publisher = self.hub.publish(&path, offer, now()).map_err(busy)?;
        self.confirm(visit).await?;
        Ok(publisher)
    }

    async fn play(self, request: PlayRequest) {
        let peer = request.peer();
        let visit = Visit {
            access: Access::Play,
            target: &request.info().target,
            page: request.info().connect.page_url.as_deref(),
            peer,
        };
        match self.stream(visit).await {
            Ok((stream, grant)) => {
                tracing::debug!("playing");
                log_end(peer, play(request, &stream).await);
                // Its place among the viewers is free from here on.
                drop(grant);
            }
            Err(denied) => {
                self.note(visit, &denied);
                request.reject(&rejection(&denied)).await;
            }
        }
    }

    async fn stream(&self, visit: Visit<'_>) -> Result<(Arc<Stream>, Grant), Denied> {
        let (path, grant) = self.admit(visit).await?;
        if let Some(upstream) = &self.upstream {
            // What a viewer says of nodes is nobody's business but the viewer's.
            let query = visit.target.query.as_deref();
            let via = Via::of_query(query.filter(|_| grant.of_node));
            let via = via.map_err(|error| Denied::new(Reason::Malformed, error))?;
            upstream.bring(&path, &via).await?;
        }
        let offline = || Denied::new(Reason::UnknownChannel, "the channel is not live");
        let stream = self.hub.find(&path).ok_or_else(offline)?;
        Ok((stream, grant))
    }

    async fn admit(&self, visit: Visit<'_>) -> Result<(StreamPath, Grant), Denied> {
        let path = stream_path(visit.target)?;
        let address = format!("/{path}");
        let grant = self.authorizer.authorize(visit.request(&path, &address));
        let grant = grant.await?;
        Ok((path, grant))
    }

    /// Asks again now that whoever deletes the channel would find its stream: nobody slips in between. The publisher may have
    /// taken over from another already, so that a store which cannot be asked at the moment does not put it out as well; a
    /// channel that is gone ends its stream a little later then.
    async fn confirm(&self, visit: Visit<'_>) -> Result<(), Denied> {
        let path = stream_path(visit.target)?;
        let address = format!("/{path}");
        let confirmed = self.authorizer.confirm(visit.request(&path, &address));
        match confirmed.await {
            Err(denied) if denied.reason == Reason::Unavailable => {
                tracing::warn!("the store cannot say whether the publisher still may; it goes on");
                Ok(())
            }
            confirmed => confirmed,
        }
    }

    /// Tells the log, the metrics and, where the peer named something that can be a channel, the events.
    fn note(&self, visit: Visit<'_>, denied: &Denied) {
        tracing::info!(reason = %denied.reason, "refused: {denied}");
        metrics::counter!("lsv_refused_total", "protocol" => "rtmp", "reason" => denied.reason.as_str()).increment(1);
        if let Ok(StreamPath { channel, .. }) = stream_path(visit.target) {
            let happened = Happening::Rejected {
                channel,
                access: visit.access,
                reason: denied.reason,
                peer: visit.peer.to_string(),
            };
            self.events.publish(wall_clock(), happened);
        }
    }
}

/// Who asks for what.
#[derive(Clone, Copy)]
struct Visit<'a> {
    access: Access,
    target: &'a Target,
    /// The page that a player is embedded in.
    page: Option<&'a str>,
    peer: SocketAddr,
}

impl<'a> Visit<'a> {
    fn request(&self, path: &'a StreamPath, address: &'a str) -> AccessRequest<'a> {
        AccessRequest {
            access: self.access,
            path,
            address,
            query: self.target.query.as_deref(),
            peer: self.peer.ip().to_canonical(),
            told: Told {
                referer: self.page,
                ..Told::default()
            },
            presence: Presence::Connected,
            now: wall_clock(),
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

/// The stream that an address means: `stream/<id>`, or `stream/<id>/720p` for a rendition.
fn stream_path(target: &Target) -> Result<StreamPath, Denied> {
    let unknown = |message: &str| Denied::new(Reason::UnknownChannel, message);
    if target.app != APP {
        return Err(unknown(
            "the application is called `stream`: use rtmp://HOST/stream/CHANNEL",
        ));
    }
    let (id, rendition) = match target.name.split_once('/') {
        None => (target.name.as_str(), Some(Rendition::Source)),
        Some((id, segment)) => (id, Rendition::from_segment(segment)),
    };
    let channel = ChannelId::parse(id).map_err(|error| unknown(&error.to_string()))?;
    let rendition =
        rendition.ok_or_else(|| unknown("a rendition is one of 360p, 480p, 720p and 1080p"))?;
    Ok(StreamPath { channel, rendition })
}

fn busy(error: PublishError) -> Denied {
    let reason = match error {
        PublishError::Busy | PublishError::TooManyTakeOvers => Reason::Busy,
        PublishError::TooManyPublishers(_) => Reason::TooManyPublishers,
        PublishError::BitRate(_) => Reason::BitRate,
        _ => Reason::Unavailable,
    };
    Denied::new(reason, error)
}

fn rejection(denied: &Denied) -> Reject {
    match denied.reason {
        Reason::UnknownChannel => Reject::not_found(&denied.message),
        Reason::Busy => Reject::bad_name(&denied.message),
        _ => Reject::denied(&denied.message),
    }
}

fn wall_clock() -> Moment {
    SystemTime::now().into()
}

async fn feed(
    request: PublishRequest,
    publisher: Publisher,
    shutdown: &CancellationToken,
) -> Result<End, Error> {
    let publishing = request.accept().await?;
    publishing.feed_until(publisher, shutdown).await
}

async fn play(request: PlayRequest, stream: &Stream) -> Result<End, Error> {
    request.accept().await?.play(stream).await
}

fn log_end(peer: SocketAddr, end: Result<End, Error>) {
    match end {
        Ok(end) => tracing::info!(?end, "the session is over"),
        Err(error) => error.log(peer, true),
    }
}

#[cfg(test)]
mod tests;
