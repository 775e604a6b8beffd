//! A channel as a whole: its name, its settings, its key, and how a request makes or changes it.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::{FIELDS, Field, Fields, Invalid, Moment, PushKey, Settings, Signer, TooManyKeys};
use crate::path::ChannelId;

/// A channel's record. It holds no secret: the push key is signed when the record is shown ([`Channel::record`]).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Channel {
    /// The name in addresses.
    pub id: ChannelId,
    /// What the operator set.
    pub settings: Settings,
    /// The push keys that were given out.
    pub key: PushKey,
    /// When the record was made.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

impl Channel {
    /// A channel with default settings, made at `now`.
    pub fn new(id: ChannelId, now: Moment) -> Self {
        Self::with_settings(id, Settings::new(now), now)
    }

    /// Makes a channel as a request asks; `id` is called for a name if the request chooses none.
    ///
    /// # Errors
    /// [`Invalid`] names the first field that is refused.
    pub fn create(
        mut fields: Fields,
        id: impl FnOnce() -> ChannelId,
        now: Moment,
    ) -> Result<Self, Invalid> {
        let id = match fields.take(ID) {
            Some(chosen) => chosen_id(&chosen)?,
            None => id(),
        };
        let mut settings = Settings::new(now);
        for (name, value) in fields.iter() {
            field(name)?.write(&mut settings, value)?;
        }
        Ok(Self::with_settings(id, settings, now))
    }

    /// Changes the fields that a request gives. What the platform makes may stand in it as it is, so that a whole
    /// record can be read, edited and written back.
    ///
    /// # Errors
    /// [`Invalid`] names the first field that is refused; the channel is then as it was.
    pub fn change(
        &mut self,
        mut fields: Fields,
        signer: &Signer,
        now: Moment,
    ) -> Result<(), Invalid> {
        let record = self.record(signer);
        for (name, made) in record.made() {
            if fields.take(name).is_some_and(|given| given != made) {
                return Err(Invalid::Fixed { field: name });
            }
        }
        let mut next = self.clone();
        for (name, value) in fields.iter() {
            field(name)?.write(&mut next.settings, value)?;
        }
        if next.settings.outdate != self.settings.outdate {
            next.key.follow(next.settings.outdate, now)?;
        }
        next.updated_at = now.max(self.created_at);
        *self = next;
        Ok(())
    }

    /// Takes the push key back and makes a new one.
    ///
    /// # Errors
    /// [`TooManyKeys`] if the channel remembers as many as it can.
    pub fn rotate_key(&mut self, now: Moment) -> Result<(), TooManyKeys> {
        self.key.rotate(now)?;
        self.updated_at = now.max(self.created_at);
        Ok(())
    }

    /// Whether a key with this expiry, rightly signed, opens the channel: not beyond `outdate`, and not taken back.
    pub fn admits(&self, exp: lsv_auth::push::Expiry) -> bool {
        exp.unix() <= self.settings.outdate.unix() && !self.key.is_revoked(exp)
    }

    /// The record as the API shows it, with its push key.
    pub fn record<'a>(&'a self, signer: &Signer) -> Record<'a> {
        Record {
            channel: self,
            key: signer.sign(&self.id, self.key.expiry()),
        }
    }

    fn with_settings(id: ChannelId, settings: Settings, now: Moment) -> Self {
        Self {
            id,
            key: PushKey::new(settings.outdate),
            settings,
            created_at: now,
            updated_at: now,
        }
    }
}

/// A channel's record with its push key, ready to be written as JSON. `Debug` is left out on purpose.
pub struct Record<'a> {
    channel: &'a Channel,
    key: String,
}

impl Record<'_> {
    /// The push key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The fields that the platform makes.
    fn made(&self) -> [(&'static str, Value); 4] {
        [
            (ID, self.channel.id.as_str().into()),
            (KEY, self.key.as_str().into()),
            (CREATED_AT, self.channel.created_at.to_string().into()),
            (UPDATED_AT, self.channel.updated_at.to_string().into()),
        ]
    }
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [id, key, created_at, updated_at] = self.made();
        let settings = FIELDS
            .iter()
            .map(|field| (field.name, field.read(&self.channel.settings)));
        let fields = [id, key].into_iter().chain(settings);
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in fields.chain([created_at, updated_at]) {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

/// The setting of that name.
pub(super) fn field(name: &str) -> Result<&'static Field, Invalid> {
    if let Some(made) = [ID, KEY, CREATED_AT, UPDATED_AT]
        .into_iter()
        .find(|made| *made == name)
    {
        return Err(Invalid::Fixed { field: made });
    }
    FIELDS
        .iter()
        .find(|field| field.name == name)
        .ok_or_else(|| Invalid::unknown(name))
}

fn chosen_id(value: &Value) -> Result<ChannelId, Invalid> {
    let parsed = value.as_str().map(ChannelId::parse);
    let accepts = match parsed {
        Some(Ok(id)) => return Ok(id),
        Some(Err(crate::path::InvalidId::Reserved)) => {
            "any id but the words that the platform's own addresses begin with".to_owned()
        }
        _ => format!(
            "1 to {} of A-Z, a-z, 0-9, _ and -",
            crate::path::MAX_ID_CHARS
        ),
    };
    Err(Invalid::Value { field: ID, accepts })
}

const ID: &str = "id";
const KEY: &str = "key";
const CREATED_AT: &str = "createdAt";
const UPDATED_AT: &str = "updatedAt";

#[cfg(test)]
mod tests;
