//! What happens on other nodes, told here as well.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::client::Node;
use super::mirror::Mirror;
use crate::events::{Event, Events, Happening};
use crate::path::ChannelId;
use crate::ports::{Error, Form, Result, Session};

impl Mirror {
    /// Tells `events` what nodes say at their own `GET /events`. Never returns.
    ///
    /// A node is followed from its first announcement on, for as long as it answers. What went live before that is told from
    /// the announcement; what else happens while nobody is connected is missed.
    pub async fn follow_events(self, events: Events) {
        let mut following = JoinSet::new();
        let mut followed = HashMap::new();
        let mut known: Option<BTreeSet<Place>> = None;
        loop {
            match self.registry().list().await {
                Ok(mut sessions) => {
                    // Who only works for others has no API.
                    sessions.retain(|session| session.form == Form::Source);
                    let places = sessions.iter().map(place).collect();
                    for base in sessions.iter().filter_map(|it| it.http.clone()) {
                        if followed.contains_key(&base) || followed.len() >= MAX_NODES {
                            continue;
                        }
                        // What is live when this begins is no news.
                        let is_new = |session: &&Session| {
                            let is_there = session.http.as_ref() == Some(&base);
                            let is_known =
                                known.as_ref().is_none_or(|it| it.contains(&place(session)));
                            is_there && !is_known
                        };
                        let new = sessions.iter().filter(is_new).cloned().collect();
                        let follow = self.clone().follow(base.clone(), new, events.clone());
                        followed.insert(base, following.spawn(follow).id());
                    }
                    known = Some(places);
                }
                Err(error) => tracing::debug!(%error, "which nodes there are is not known"),
            }
            sleep(self.look()).await;
            // Who is still announced is followed anew.
            while let Some(ended) = following.try_join_next_with_id() {
                let ended = ended.map_or_else(|error| error.id(), |(id, ())| id);
                followed.retain(|_, id| *id != ended);
            }
        }
    }

    /// Over one connection.
    async fn follow(self, base: String, new: Vec<Session>, events: Events) {
        if let Err(error) = self.tell(&base, new, &events).await {
            tracing::debug!(node = base, %error, "what happens there is not told any more");
        }
    }

    async fn tell(&self, base: &str, new: Vec<Session>, events: &Events) -> Result<()> {
        let node: Node = self.node(base)?;
        let mut body = node.open("/events").await?;
        for session in new {
            let channel = session.channel;
            let peer = self.peer_of(base, &channel).await.unwrap_or_default();
            events.publish(session.since, Happening::Published { channel, peer });
        }
        let mut lines = Lines::default();
        loop {
            let frame = timeout(SILENCE, body.frame()).await;
            let frame = frame.map_err(|_| Error::unavailable("it says nothing"))?;
            let Some(frame) = frame else {
                return Err(Error::unavailable("it has ended"));
            };
            let frame = frame.map_err(Error::unavailable)?;
            if let Ok(data) = frame.into_data() {
                for event in lines.events(&data)? {
                    events.publish(event.at, event.happened);
                }
            }
        }
    }
}

/// A session, as far as it is the same while it is live.
type Place = (ChannelId, String);

fn place(session: &Session) -> Place {
    (session.channel.clone(), session.node.clone())
}

/// Server-sent events, cut out of bytes that come in pieces.
#[derive(Debug, Default)]
struct Lines {
    held: BytesMut,
}

impl Lines {
    /// The events that `data` completes. What is none, or of a kind that is not known here, is left out.
    ///
    /// # Errors
    /// For a line that is too long.
    fn events(&mut self, data: &[u8]) -> Result<Vec<Event>> {
        self.held.extend_from_slice(data);
        let mut events = Vec::new();
        while let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
            let line = self.held.split_to(end + 1);
            let json = line.strip_prefix(b"data:");
            events.extend(json.and_then(|json| serde_json::from_slice(json).ok()));
        }
        match self.held.len() > MAX_LINE {
            true => Err(Error::Invalid("a line of its events has no end".to_owned())),
            false => Ok(events),
        }
    }
}

/// Most nodes that are followed at once.
const MAX_NODES: usize = 1_000;
/// Longest line: an event with every text at its longest, several times over.
const MAX_LINE: usize = 64 << 10;
/// Nodes say every 15 s that they are there.
const SILENCE: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Moment;

    #[test]
    fn events_are_cut_out_of_pieces() {
        let channel = ChannelId::parse("cam").unwrap();
        let happened = Happening::Published {
            channel,
            peer: "192.0.2.1:5".to_owned(),
        };
        let event = Event::new(Moment::from_unix(7), happened);
        let text = format!(
            ":\n\nevent: published\ndata: {}\n\nevent: lost\ndata: 3\n\ndata: {{\"event\":\"of-later\",\"at\":1}}\n\n",
            serde_json::to_string(&event).unwrap()
        );
        for piece in 1..text.len() {
            let mut lines = Lines::default();
            let pieces = text.as_bytes().chunks(piece);
            let events: Vec<_> = pieces.flat_map(|it| lines.events(it).unwrap()).collect();
            assert_eq!(events, std::slice::from_ref(&event), "in pieces of {piece}");
        }
        let mut lines = Lines::default();
        assert!(lines.events(&vec![b'a'; MAX_LINE + 1]).is_err());
    }
}
