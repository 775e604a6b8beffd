//! The form in which a store keeps a channel: versioned JSON without any secret.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::record::field;
use super::{Channel, FIELDS, Moment, PushKey, Settings};
use crate::path::ChannelId;

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    id: ChannelId,
    settings: Map<String, Value>,
    key: PushKey,
    created_at: Moment,
    updated_at: Moment,
}

impl Channel {
    /// The bytes that a store keeps.
    pub fn encode(&self) -> Vec<u8> {
        let settings = FIELDS
            .iter()
            .map(|field| (field.name.to_owned(), field.read(&self.settings)));
        let stored = Stored {
            format: FORMAT,
            id: self.id.clone(),
            settings: settings.collect(),
            key: self.key.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        serde_json::json!(stored).to_string().into_bytes()
    }

    /// Reads what [`Channel::encode`] wrote; a setting that was not known then takes its default.
    ///
    /// # Errors
    /// [`Undecodable`] if the bytes are damaged or written by a newer release.
    pub fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        let stored: Stored =
            serde_json::from_slice(bytes).map_err(|error| Undecodable(error.to_string()))?;
        if stored.format != FORMAT {
            return Err(Undecodable(format!(
                "it has format {}, this release reads format {FORMAT}",
                stored.format
            )));
        }
        let mut settings = Settings::new(stored.created_at);
        for (name, value) in &stored.settings {
            field(name)
                .and_then(|field| field.write(&mut settings, value))
                .map_err(|invalid| Undecodable(invalid.to_string()))?;
        }
        Ok(Self {
            id: stored.id,
            settings,
            key: stored.key,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        })
    }
}

/// A stored channel cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored channel cannot be read: {0}")]
pub struct Undecodable(String);

/// The format that this release reads and writes.
const FORMAT: u32 = 1;
