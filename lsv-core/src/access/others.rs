//! Where a channel is live on other nodes, for who wants to publish it here.

use std::sync::Arc;
use std::time::Duration;

use crate::channel::Moment;
use crate::hub::Elsewhere;
use crate::path::ChannelId;
use crate::ports::{Form, Result, Session, SessionRegistry};

/// The other nodes, by what they announce.
#[derive(Clone, Debug)]
pub(super) struct Others {
    pub(super) registry: Arc<dyn SessionRegistry>,
    /// The name of this node: what it has announced itself its hub knows better.
    pub(super) node: String,
}

impl Others {
    /// What another node has of `channel`, if one does.
    pub(super) async fn having(
        &self,
        channel: &ChannelId,
        now: Moment,
    ) -> Result<Option<Elsewhere>> {
        let found = self.registry.locate(channel, Form::Source).await?;
        let found = found.filter(|session| session.node != self.node);
        Ok(found.map(|session| elsewhere(&session, now)))
    }
}

fn elsewhere(session: &Session, now: Moment) -> Elsewhere {
    let ages = session.take_overs.iter().map(|then| {
        // What a clock that is ahead of this one says was just now.
        Duration::from_millis(now.unix_millis().saturating_sub(then.unix_millis()))
    });
    Elsewhere {
        since: session.since,
        is_free: session.waiting || session.leaving,
        take_overs: ages.collect(),
    }
}
