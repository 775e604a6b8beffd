//! Channel records that another node keeps.

use std::sync::Arc;

use async_trait::async_trait;
use hyper::Method;
use hyper::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use lsv_auth::Secret;
use rustls::ClientConfig;
use serde_json::Value;

use super::peer::{Call, Failed, Peer, Reply, quoted};
use super::{Config, InvalidBase};
use crate::channel::Channel;
use crate::exchange::{Listed, Version, tag_of_version, version_of_tag};
use crate::path::ChannelId;
use crate::ports::{
    ChannelStore, Cursor, Error, Page, PageRequest, Precondition, Result, StreamDns,
    VersionedChannel,
};

/// A [`ChannelStore`] that another node keeps. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Channels {
    peer: Peer,
}

impl Channels {
    /// What the node at `base` keeps, such as `http://10.0.0.5:8080`, for whoever shows `token`.
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
        Ok(Self { peer })
    }

    pub(super) fn of(peer: Peer) -> Self {
        Self { peer }
    }

    fn versioned(&self, reply: &Reply) -> Result<VersionedChannel> {
        let tag = reply.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
        let version = tag.and_then(version_of_tag);
        let version = version.ok_or_else(|| self.peer.damaged("it tells no version"))?;
        Ok(VersionedChannel {
            channel: Arc::new(self.decode(&reply.bytes)?),
            version,
        })
    }

    fn decode(&self, bytes: &[u8]) -> Result<Channel> {
        Channel::decode(bytes).map_err(|error| self.peer.damaged(error))
    }

    /// The version of what is there, if that is `channel`: then it was written before, and that answer was lost with the
    /// node's memory of it.
    async fn own(&self, channel: &Channel) -> Option<u64> {
        let found = self.get(&channel.id).await.ok()?;
        (*found.channel == *channel).then_some(found.version)
    }
}

#[async_trait]
impl ChannelStore for Channels {
    async fn get(&self, id: &ChannelId) -> Result<VersionedChannel> {
        let call = Call::get(path(id));
        let reply = self.peer.call(call).await.answer?;
        self.versioned(&reply)
    }

    async fn put(&self, channel: &Channel, condition: Precondition) -> Result<u64> {
        let call = Call::new(Method::PUT, path(&channel.id)).body(channel.encode().into());
        let call = match condition {
            Precondition::Any => call,
            Precondition::IfAbsent => call.field(IF_NONE_MATCH.as_str(), "*"),
            Precondition::IfVersion(version) => {
                call.field(IF_MATCH.as_str(), &tag_of_version(version))
            }
        };
        let outcome = self.peer.call(call).await;
        match outcome.answer {
            Ok(reply) => self.peer.read(&reply.bytes).map(|it: Version| it.version),
            Err(Failed::Told(error @ Error::Conflict(_))) if outcome.is_repeated => {
                self.own(channel).await.ok_or(error)
            }
            Err(failed) => Err(failed.into()),
        }
    }

    async fn delete(&self, id: &ChannelId) -> Result<()> {
        let call = Call::new(Method::DELETE, path(id));
        self.peer.call(call).await.removed()
    }

    async fn list(&self, page: &PageRequest) -> Result<Page<Channel>> {
        let path = format!("/node/channels?{}", paging(page));
        let call = Call::get(path).answered_by(LISTING_BYTES);
        let listed: Listed<Value> = self.peer.ask(call).await?;
        let items = listed.items.iter();
        let items = items.map(|record| self.decode(record.to_string().as_bytes()));
        Ok(Page {
            items: items.collect::<Result<_>>()?,
            next: listed.next.map(Cursor::new),
        })
    }

    async fn stream_dns(&self) -> Result<StreamDns> {
        self.peer.ask(Call::get(STREAM_DNS)).await
    }

    async fn put_stream_dns(&self, dns: &StreamDns) -> Result<()> {
        let call = Call::new(Method::PUT, STREAM_DNS).json(dns);
        self.peer.ask(call).await
    }
}

fn path(id: &ChannelId) -> String {
    format!("/node/channels/{id}")
}

/// Which part of a listing is wanted, as a query.
pub(super) fn paging(page: &PageRequest) -> String {
    let limit = page.bounded_limit();
    match &page.cursor {
        Some(cursor) => format!("limit={limit}&cursor={}", quoted(cursor.as_str())),
        None => format!("limit={limit}"),
    }
}

const STREAM_DNS: &str = "/node/streamdns";
/// Most bytes of a page: as many records as it may have with every text at its longest.
pub(super) const LISTING_BYTES: usize = 32 << 20;
