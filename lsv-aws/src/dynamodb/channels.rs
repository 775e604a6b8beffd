//! Channel records in a table.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use lsv_core::channel::{Authority, Channel};
use lsv_core::path::ChannelId;
use lsv_core::ports::{
    ChannelStore, Cursor, Error, Page, PageRequest, Precondition, Result, StreamDns,
    VersionedChannel,
};

use super::item::{self, ID, NO_VERSION, VERSION};
use super::table::{Table, is_unmet, text};
use super::{Item, Tables};
use crate::error::is_ambiguous;

/// A [`ChannelStore`] in a table of DynamoDB.
///
/// A version is drawn at random for each write, so none comes back, and whether a write whose answer was lost has counted
/// can be seen. A listing reads the whole table, one unit of capacity for each 4 KiB, and keeps a page of it: a few
/// hundred channels cost as much as one second of a viewer.
#[derive(Clone, Debug)]
pub struct Channels {
    table: Table,
}

impl Channels {
    /// The store in `tables.channels`, as `sdk` reaches it.
    pub fn new(sdk: &SdkConfig, tables: &Tables) -> Self {
        Self {
            table: Table::new(sdk, &tables.channels, ID),
        }
    }

    fn read(&self, id: &ChannelId, item: &Item) -> Result<VersionedChannel> {
        let read = item::channel(item);
        let (channel, version) = read.map_err(|detail| self.damaged(id.as_str(), detail))?;
        Ok(VersionedChannel {
            channel: Arc::new(channel),
            version,
        })
    }

    fn damaged(&self, id: &str, detail: String) -> Error {
        Error::Damaged {
            what: format!("channel {id} in {}", self.table),
            detail,
            advice: "mend the item, or delete it".to_owned(),
        }
    }

    /// Whether the write that was to give `id` the version `mine` has counted, and else what it met.
    async fn settle(&self, id: &ChannelId, condition: Precondition, mine: u64) -> Result<u64> {
        let item = self.table.item(id.as_str()).await?;
        let there = item.as_ref().map(item::version);
        match (there, condition) {
            (Some(Ok(Some(version))), _) if version == mine => Ok(mine),
            (None, Precondition::IfVersion(_)) => Err(Error::NotFound(format!("channel {id}"))),
            _ => Err(Error::Conflict(format!("channel {id}"))),
        }
    }
}

#[async_trait]
impl ChannelStore for Channels {
    async fn get(&self, id: &ChannelId) -> Result<VersionedChannel> {
        match self.table.item(id.as_str()).await? {
            Some(item) => self.read(id, &item),
            None => Err(Error::NotFound(format!("channel {id}"))),
        }
    }

    async fn put(&self, channel: &Channel, condition: Precondition) -> Result<u64> {
        let version = draw_version();
        let mut update = self.table.update(channel.id.as_str());
        let mut set = Vec::new();
        let mut remove = Vec::new();
        for (number, (name, value)) in item::attributes(channel, version).enumerate() {
            let place = format!("#a{number}");
            update = update.expression_attribute_names(&place, name);
            match value {
                AttributeValue::Null(_) => remove.push(place),
                value => {
                    set.push(format!("{place}=:a{number}"));
                    update = update.expression_attribute_values(format!(":a{number}"), value);
                }
            }
        }
        let mut changes = format!("SET {}", set.join(","));
        if !remove.is_empty() {
            changes = format!("{changes} REMOVE {}", remove.join(","));
        }
        update = update.update_expression(changes);
        update = match condition {
            Precondition::Any => update,
            Precondition::IfAbsent => update
                .condition_expression("attribute_not_exists(#id)")
                .expression_attribute_names("#id", ID),
            Precondition::IfVersion(NO_VERSION) => update
                .condition_expression("attribute_exists(#id) AND attribute_not_exists(#version)")
                .expression_attribute_names("#id", ID)
                .expression_attribute_names("#version", VERSION),
            Precondition::IfVersion(wanted) => update
                .condition_expression("#version = :version")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":version", AttributeValue::N(wanted.to_string())),
        };
        let Err(error) = update.send().await else {
            return Ok(version);
        };
        if is_unmet(&error) {
            return self.settle(&channel.id, condition, version).await;
        }
        if is_ambiguous(&error) && self.settle(&channel.id, condition, version).await == Ok(version)
        {
            return Ok(version);
        }
        Err(self.table.failed(&error))
    }

    async fn delete(&self, id: &ChannelId) -> Result<()> {
        // Not as a condition: a deletion that counted, and whose answer was lost, would not find what it deleted.
        if self.table.item(id.as_str()).await?.is_none() {
            return Err(Error::NotFound(format!("channel {id}")));
        }
        let deleted = self.table.delete(id.as_str()).send().await;
        deleted.map(drop).map_err(|error| self.table.failed(&error))
    }

    async fn list(&self, page: &PageRequest) -> Result<Page<Channel>> {
        let limit = page.bounded_limit();
        let after = page.cursor.as_ref().map(place).transpose()?;
        let mut newest: Vec<Channel> = Vec::new();
        let mut start = None;
        loop {
            let (items, more) = self.table.part(start).await?;
            for item in items {
                match item::channel(&item) {
                    Ok((channel, _)) => newest.push(channel),
                    // What belongs to no channel.
                    Err(_) if item::text(&item, ID).is_some_and(|id| id.starts_with('$')) => {}
                    Err(problem) => {
                        let id = item::text(&item, ID).unwrap_or_default();
                        tracing::error!(channel = id, table = %self.table, problem, "a channel cannot be read and is not listed");
                    }
                }
            }
            newest.retain(|channel| after.as_ref().is_none_or(|after| key(channel) < *after));
            newest.sort_unstable_by_key(|channel| std::cmp::Reverse(key(channel)));
            // One more tells that there is more.
            newest.truncate(limit.saturating_add(1));
            start = more;
            if start.is_none() {
                break;
            }
        }
        let more = newest.len() > limit;
        newest.truncate(limit);
        let last = newest.last().filter(|_| more);
        let next = last.map(|last| {
            let (created, id) = key(last);
            Cursor::new(format!("{created}.{id}"))
        });
        Ok(Page {
            items: newest,
            next,
        })
    }

    async fn stream_dns(&self) -> Result<StreamDns> {
        let Some(item) = self.table.item(STREAM_DNS).await? else {
            return Ok(StreamDns::default());
        };
        let name = |name: &str| match item::text(&item, name) {
            None => Ok(None),
            Some(text) => match Authority::parse(text) {
                Some(authority) => Ok(Some(authority)),
                None => Err(self.damaged(STREAM_DNS, format!("`{name}` is no domain name"))),
            },
        };
        Ok(StreamDns {
            push: name(PUSH)?,
            pull: name(PULL)?,
        })
    }

    async fn put_stream_dns(&self, dns: &StreamDns) -> Result<()> {
        let mut put = self.table.put(STREAM_DNS);
        for (name, authority) in [(PUSH, &dns.push), (PULL, &dns.pull)] {
            if let Some(authority) = authority {
                put = put.item(name, text(&authority.to_string()));
            }
        }
        let put = put.send().await;
        put.map(drop).map_err(|error| self.table.failed(&error))
    }
}

/// The order of listings, from its end.
fn key(channel: &Channel) -> (u64, ChannelId) {
    (channel.created_at.unix_millis(), channel.id.clone())
}

fn place(cursor: &Cursor) -> Result<(u64, ChannelId)> {
    let parse = |text: &str| -> Option<(u64, ChannelId)> {
        let (created, id) = text.split_once('.')?;
        Some((created.parse().ok()?, ChannelId::parse(id).ok()?))
    };
    parse(cursor.as_str())
        .ok_or_else(|| Error::Invalid("the cursor is not one that a listing gave".to_owned()))
}

/// A version that no record has had; never [`NO_VERSION`], and within what every JSON reader takes for a whole number.
fn draw_version() -> u64 {
    let (drawn, _) = uuid::Uuid::new_v4().as_u64_pair();
    (drawn >> 11).max(NO_VERSION + 1)
}

/// The item of the domain names; no channel has such a name.
const STREAM_DNS: &str = "$streamdns";
const PUSH: &str = "push";
const PULL: &str = "pull";
