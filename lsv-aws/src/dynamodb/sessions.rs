//! Which node has which channel live, as leases in a table.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lsv_core::channel::Moment;
use lsv_core::path::ChannelId;
use lsv_core::ports::{Error, Form, Lease, Result, Session, SessionRegistry};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::Instrument as _;
use uuid::Uuid;

use super::{Item, Tables, attribute};
use crate::error::{code, failed};

/// A [`SessionRegistry`] in a table of DynamoDB.
///
/// An announcement is an item that says who wrote it (`lease`) and how long it counts (`expires`, which is also the
/// table's TTL attribute). Its writer renews it as long as the item is its own; once another's is there, the lease is
/// lost. While the table is out of reach a live session goes on, and is announced again as soon as the table is back.
#[derive(Clone, Debug)]
pub struct Sessions {
    client: Client,
    table: Arc<str>,
    times: LeaseTimes,
}

/// How long announcements count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseTimes {
    /// How long an announcement counts after it was renewed. 30 s.
    pub lifetime: Duration,
    /// How often it is renewed, and how soon a node finds that it was replaced. 10 s.
    pub renewal: Duration,
    /// By how much clocks of nodes may differ: an announcement still counts that long behind its end. 10 s.
    pub skew: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(30),
            renewal: Duration::from_secs(10),
            skew: Duration::from_secs(10),
        }
    }
}

impl Sessions {
    /// The registry in `tables.sessions`, as `sdk` reaches it.
    pub fn new(sdk: &SdkConfig, tables: &Tables, times: LeaseTimes) -> Self {
        Self {
            client: Client::new(sdk),
            table: tables.sessions.as_str().into(),
            times,
        }
    }

    async fn at(&self, place: &str) -> Result<Option<Session>> {
        let item = self.item(place).await?;
        Ok(item.as_ref().and_then(|item| self.counting(item)))
    }

    async fn item(&self, place: &str) -> Result<Option<Item>> {
        let answer = self
            .client
            .get_item()
            .table_name(&*self.table)
            .key(PLACE, text(place))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failed(&self.what(), &error))?;
        Ok(answer.item)
    }

    /// The session of an item, if it counts now. What is not written here, such as items of the older product, does not.
    fn counting(&self, item: &Item) -> Option<Session> {
        let expires: u64 = item.get(EXPIRES)?.as_n().ok()?.parse().ok()?;
        let end = Moment::from_unix_millis(expires.saturating_mul(1_000)).plus(self.times.skew);
        if end < now() {
            return None;
        }
        let fields = item
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), attribute::json(value)?)));
        serde_json::from_value(Value::Object(fields.collect())).ok()
    }

    fn what(&self) -> String {
        format!("the table {}", self.table)
    }
}

#[async_trait]
impl SessionRegistry for Sessions {
    async fn announce(&self, session: Session) -> Result<Lease> {
        let held = Held {
            place: place(&session.channel, session.form),
            mine: Uuid::new_v4().to_string(),
            session,
            sessions: self.clone(),
        };
        held.write(false).await?;
        let (withdraw, withdrawn) = oneshot::channel::<()>();
        let (lose, lost) = watch::channel(false);
        let span = tracing::info_span!("lease", place = %held.place);
        let renewing = async move {
            // The sender says nothing: it is dropped with the lease.
            tokio::select! {
                _ = withdrawn => held.withdraw().await,
                () = held.renew() => drop(lose.send(true)),
            }
        };
        tokio::spawn(renewing.instrument(span));
        Ok(Lease::shared(withdraw, lost))
    }

    async fn locate(&self, channel: &ChannelId, form: Form) -> Result<Option<Session>> {
        if form == Form::Processed {
            let processed = self.at(&place(channel, form)).await?;
            if processed.is_some() {
                return Ok(processed);
            }
        }
        self.at(&place(channel, Form::Source)).await
    }

    async fn list(&self) -> Result<Vec<Session>> {
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let part = self
                .client
                .scan()
                .table_name(&*self.table)
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| failed(&self.what(), &error))?;
            let items = part.items.unwrap_or_default();
            found.extend(items.iter().filter_map(|item| self.counting(item)));
            start = part.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        found.sort_by(|one, other| (&one.channel, one.form).cmp(&(&other.channel, other.form)));
        Ok(found)
    }
}

/// An announcement that is kept up.
struct Held {
    sessions: Sessions,
    session: Session,
    place: String,
    /// What tells this announcement from all others.
    mine: String,
}

/// Whose announcement is there.
enum Whose {
    Mine,
    Nobodys,
    Anothers,
}

impl Held {
    /// Renews the announcement until another has replaced it.
    async fn renew(&self) {
        let mut ticks = interval(self.sessions.times.renewal);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            match self.renew_once().await {
                Ok(Whose::Mine | Whose::Nobodys) => {}
                Ok(Whose::Anothers) => {
                    tracing::info!("another node has announced the channel");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "the announcement of a live channel could not be renewed; trying again");
                }
            }
        }
    }

    async fn renew_once(&self) -> Result<Whose> {
        let sessions = &self.sessions;
        let renewed = sessions
            .client
            .update_item()
            .table_name(&*sessions.table)
            .key(PLACE, text(&self.place))
            .update_expression("SET #expires = :expires")
            .condition_expression("#lease = :mine")
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_names("#lease", LEASE)
            .expression_attribute_values(":expires", self.expires())
            .expression_attribute_values(":mine", text(&self.mine))
            .send()
            .await;
        match renewed {
            Ok(_) => Ok(Whose::Mine),
            Err(error) if code(&error) == CONDITION_FAILED => self.look().await,
            Err(error) => Err(failed(&sessions.what(), &error)),
        }
    }

    /// Whose the item is that is not as it was left. One that was deleted, as TTL does when the table was out of reach for
    /// long, is written anew.
    async fn look(&self) -> Result<Whose> {
        let item = self.sessions.item(&self.place).await?;
        let lease = item.as_ref().map(|item| item.get(LEASE));
        match lease {
            Some(Some(AttributeValue::S(lease))) if *lease == self.mine => Ok(Whose::Mine),
            Some(_) => Ok(Whose::Anothers),
            None => self.write(true).await.map(|()| Whose::Nobodys),
        }
    }

    /// Writes the announcement; with `if_absent` over nobody's.
    async fn write(&self, if_absent: bool) -> Result<()> {
        let sessions = &self.sessions;
        let Value::Object(fields) = json!(self.session) else {
            return Err(Error::Invalid("a session is an object".to_owned()));
        };
        let mut put = sessions
            .client
            .put_item()
            .table_name(&*sessions.table)
            .item(PLACE, text(&self.place))
            .item(LEASE, text(&self.mine))
            .item(EXPIRES, self.expires());
        for (name, value) in fields {
            put = put.item(name, attribute::of(value));
        }
        if if_absent {
            put = put
                .condition_expression("attribute_not_exists(#place)")
                .expression_attribute_names("#place", PLACE);
        }
        match put.send().await {
            Ok(_) => Ok(()),
            // Whoever was quicker is found at the next renewal.
            Err(error) if code(&error) == CONDITION_FAILED => Ok(()),
            Err(error) => Err(failed(&sessions.what(), &error)),
        }
    }

    /// Takes the announcement away if it is still there; where that cannot be done for long, it expires by itself.
    async fn withdraw(&self) {
        let mut patience = WITHDRAWALS;
        loop {
            let sessions = &self.sessions;
            let deleted = sessions
                .client
                .delete_item()
                .table_name(&*sessions.table)
                .key(PLACE, text(&self.place))
                .condition_expression("#lease = :mine")
                .expression_attribute_names("#lease", LEASE)
                .expression_attribute_values(":mine", text(&self.mine))
                .send()
                .await;
            let Err(error) = deleted else {
                return;
            };
            // It is another's, or its end had counted and the answer was lost.
            if code(&error) == CONDITION_FAILED {
                return;
            }
            patience -= 1;
            if patience == 0 {
                let error = failed(&sessions.what(), &error);
                tracing::warn!(%error, "a channel that is not live any more could not be withdrawn; it expires soon");
                return;
            }
            sleep(sessions.times.renewal / 4).await;
        }
    }

    /// When the announcement ends if it is not renewed, as Unix seconds.
    fn expires(&self) -> AttributeValue {
        let end = now().plus(self.sessions.times.lifetime);
        // Seconds are counted up: an announcement never ends early.
        AttributeValue::N(end.unix_millis().div_ceil(1_000).to_string())
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.place).finish()
    }
}

/// The key of an announcement. What is processed stands beside its source.
fn place(channel: &ChannelId, form: Form) -> String {
    match form {
        Form::Source => channel.to_string(),
        Form::Processed => format!("{channel}#processed"),
    }
}

fn now() -> Moment {
    Moment::from(SystemTime::now())
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// The key of the table.
const PLACE: &str = "UUID";
const LEASE: &str = "lease";
/// The TTL attribute of the table.
const EXPIRES: &str = "expires";
const CONDITION_FAILED: &str = "ConditionalCheckFailedException";
/// How often a withdrawal is tried.
const WITHDRAWALS: u32 = 4;
