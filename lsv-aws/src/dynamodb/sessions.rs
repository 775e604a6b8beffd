//! Which node has which channel live, as leases in a table.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use lsv_core::channel::Moment;
use lsv_core::path::ChannelId;
use lsv_core::ports::{Error, Form, Hold, Lease, Result, Session, SessionRegistry};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::Instrument as _;
use uuid::Uuid;

use super::table::{Table, is_unmet, text};
use super::{Item, Tables, attribute};

/// A [`SessionRegistry`] in a table of DynamoDB.
///
/// An announcement is an item that says who wrote it (`lease`), when its session began (`began`, Unix milliseconds) and how
/// long it counts (`expires`, which is also the table's TTL attribute). It is written over what does not count or began
/// earlier. Its writer renews and changes it as long as the item is its own; once another's is there, the lease is lost.
/// While the table is out of reach a live session goes on, and is announced again as soon as the table is back.
///
/// **Clocks.** Whether an announcement counts is judged by the clock of who asks. A node whose clock is behind by less than
/// `lifetime + skew` less `renewal` is found all the time; one whose clock is ahead is found for as much longer when
/// it is killed. With the times that the binaries give, 9 s, 5 s and 3 s, a clock may be 5 s wrong even while two renewals in a row
/// fail, and what a killed node had live is announced for 9 to 14 s, and at most 5 s more.
#[derive(Clone, Debug)]
pub struct Sessions {
    table: Table,
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
            table: Table::new(sdk, &tables.sessions, PLACE),
            times,
        }
    }

    async fn at(&self, place: &str) -> Result<Option<Session>> {
        let item = self.table.item(place).await?;
        Ok(item.as_ref().and_then(|item| self.counting(item)))
    }

    /// The session of an item, if it counts now. What is not written here, such as items of the older product, does not.
    fn counting(&self, item: &Item) -> Option<Session> {
        let expires: u64 = item.get(EXPIRES)?.as_n().ok()?.parse().ok()?;
        if expires < self.times.over(now()) {
            return None;
        }
        let fields = item
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), attribute::json(value)?)));
        serde_json::from_value(Value::Object(fields.collect())).ok()
    }
}

impl LeaseTimes {
    /// When an announcement ends that is not renewed after `now`, as Unix seconds. They are counted up: none ends early.
    fn expires(&self, now: Moment) -> u64 {
        now.plus(self.lifetime).unix_millis().div_ceil(1_000)
    }

    /// What ended before that does not count at `now`.
    fn over(&self, now: Moment) -> u64 {
        let skew = u64::try_from(self.skew.as_millis()).unwrap_or(u64::MAX);
        now.unix_millis().saturating_sub(skew).div_ceil(1_000)
    }
}

#[async_trait]
impl SessionRegistry for Sessions {
    async fn announce(&self, session: Session) -> Result<Lease> {
        let held = Arc::new(Held {
            sessions: self.clone(),
            place: place(&session.channel, session.form),
            mine: Uuid::new_v4().to_string(),
            told: Mutex::new(session),
        });
        if !held.write(Over::Earlier).await? {
            return Err(held.session().replaced());
        }
        let (withdraw, withdrawn) = oneshot::channel::<()>();
        let (lost, hear) = watch::channel(false);
        let upheld = Upheld {
            held: Arc::clone(&held),
            lost: lost.clone(),
            _withdraw: withdraw,
        };
        let span = tracing::info_span!("lease", place = %held.place);
        let renewing = async move {
            // The sender says nothing: it is dropped with the lease.
            tokio::select! {
                _ = withdrawn => held.withdraw().await,
                () = held.renew() => drop(lost.send_replace(true)),
            }
        };
        tokio::spawn(renewing.instrument(span));
        Ok(Lease::new(upheld, hear))
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
            let (items, more) = self.table.part(start).await?;
            found.extend(items.iter().filter_map(|item| self.counting(item)));
            start = more;
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
    place: String,
    /// What tells this announcement from all others.
    mine: String,
    /// What it is to say.
    told: Mutex<Session>,
}

/// The lease's hold on it.
struct Upheld {
    held: Arc<Held>,
    lost: watch::Sender<bool>,
    _withdraw: oneshot::Sender<()>,
}

/// What an announcement is written over.
#[derive(Clone, Copy)]
enum Over {
    /// What does not count, or began earlier.
    Earlier,
    /// Itself.
    Itself,
    Nothing,
}

/// Whose announcement is there.
enum Whose {
    Mine,
    Nobodys,
    Anothers,
}

#[async_trait]
impl Hold for Upheld {
    async fn change(&self, session: Session) -> Result<()> {
        let replaced = session.replaced();
        *self
            .held
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = session;
        if self.held.write(Over::Itself).await? {
            return Ok(());
        }
        match self.held.look().await? {
            Whose::Mine | Whose::Nobodys => Ok(()),
            Whose::Anothers => {
                self.lost.send_replace(true);
                Err(replaced)
            }
        }
    }
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
        let table = &self.sessions.table;
        let renewed = table
            .update(&self.place)
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
            Err(error) if is_unmet(&error) => self.look().await,
            Err(error) => Err(table.failed(&error)),
        }
    }

    /// Whose the item is that is not as it was left. One that was deleted, as TTL does when the table was out of reach for
    /// long, is written anew.
    async fn look(&self) -> Result<Whose> {
        let item = self.sessions.table.item(&self.place).await?;
        let lease = item.as_ref().map(|item| item.get(LEASE));
        match lease {
            Some(Some(AttributeValue::S(lease))) if *lease == self.mine => Ok(Whose::Mine),
            Some(_) => Ok(Whose::Anothers),
            // Whoever is quicker is found at the next renewal.
            None => self.write(Over::Nothing).await.map(|_| Whose::Nobodys),
        }
    }

    /// Writes the announcement, unless something else is there than what it is to be written over.
    async fn write(&self, over: Over) -> Result<bool> {
        let (sessions, session) = (&self.sessions, self.session());
        let Value::Object(fields) = json!(session) else {
            return Err(Error::Invalid("a session is an object".to_owned()));
        };
        let began = number(session.since.unix_millis());
        let mut put = sessions.table.put(&self.place);
        for (name, value) in fields {
            put = put.item(name, attribute::of(value));
        }
        put = put
            .item(LEASE, text(&self.mine))
            .item(BEGAN, began.clone())
            .item(EXPIRES, self.expires());
        put = match over {
            Over::Earlier => put
                .condition_expression(
                    "attribute_not_exists(#began) OR #began <= :began OR #expires < :over",
                )
                .expression_attribute_names("#began", BEGAN)
                .expression_attribute_names("#expires", EXPIRES)
                .expression_attribute_values(":began", began)
                .expression_attribute_values(":over", number(sessions.times.over(now()))),
            Over::Itself => put
                .condition_expression("#lease = :mine")
                .expression_attribute_names("#lease", LEASE)
                .expression_attribute_values(":mine", text(&self.mine)),
            Over::Nothing => put
                .condition_expression("attribute_not_exists(#place)")
                .expression_attribute_names("#place", PLACE),
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if is_unmet(&error) => Ok(false),
            Err(error) => Err(sessions.table.failed(&error)),
        }
    }

    /// Takes the announcement away if it is still there; where that cannot be done for long, it expires by itself.
    async fn withdraw(&self) {
        let mut patience = WITHDRAWALS;
        loop {
            let sessions = &self.sessions;
            let deleted = sessions
                .table
                .delete(&self.place)
                .condition_expression("#lease = :mine")
                .expression_attribute_names("#lease", LEASE)
                .expression_attribute_values(":mine", text(&self.mine))
                .send()
                .await;
            let Err(error) = deleted else {
                return;
            };
            // It is another's, or its end had counted and the answer was lost.
            if is_unmet(&error) {
                return;
            }
            patience -= 1;
            if patience == 0 {
                let error = sessions.table.failed(&error);
                tracing::warn!(%error, "a channel that is not live any more could not be withdrawn; it expires soon");
                return;
            }
            sleep(sessions.times.renewal / 4).await;
        }
    }

    /// When the announcement ends if it is not renewed.
    fn expires(&self) -> AttributeValue {
        number(self.sessions.times.expires(now()))
    }

    fn session(&self) -> Session {
        let told = self.told.lock();
        told.unwrap_or_else(PoisonError::into_inner).clone()
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

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The key of the table.
const PLACE: &str = "UUID";
const LEASE: &str = "lease";
/// When the session began, as Unix milliseconds.
const BEGAN: &str = "began";
/// The TTL attribute of the table.
const EXPIRES: &str = "expires";
/// How often a withdrawal is tried.
const WITHDRAWALS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// As the binaries give them.
    fn times() -> LeaseTimes {
        LeaseTimes {
            lifetime: Duration::from_secs(9),
            renewal: Duration::from_secs(3),
            skew: Duration::from_secs(5),
        }
    }

    /// Whether what was written at `written` counts at `read`, each in milliseconds by the clock of who does it.
    fn counts(written: u64, read: u64) -> bool {
        let [written, read] = [written, read].map(Moment::from_unix_millis);
        times().expires(written) >= times().over(read)
    }

    #[test]
    fn clocks_may_differ_by_five_seconds() {
        const WRITTEN: u64 = 1_700_000_000_123;
        for ahead in [-5_000_i64, -1, 0, 1, 5_000] {
            let read = |after: u64| (WRITTEN + after).saturating_add_signed(ahead);
            // It is renewed each three seconds; two renewals may fail.
            for after in (0..=9_000).step_by(250) {
                assert!(
                    counts(WRITTEN, read(after)),
                    "{ahead} ms ahead, {after} ms after"
                );
            }
            // A node that was killed: its lease, the skew, by how much its clock is ahead, and the rest of a second.
            assert!(!counts(WRITTEN, read(21_000)), "{ahead} ms ahead");
        }
        // In step it is over soon behind 14 s.
        assert!(counts(WRITTEN, WRITTEN + 14_000) && !counts(WRITTEN, WRITTEN + 16_000));
    }
}
