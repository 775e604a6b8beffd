//! Channels and live sessions in DynamoDB.
//!
//! Two tables, both on demand: `video-metadata` with the key `id`, `video-streaming` with the key `UUID` and `expires` as
//! its TTL attribute. Every read that decides something is consistent.

mod attribute;
mod channels;
mod item;
mod sessions;
mod table;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

pub use channels::Channels;
pub use sessions::{LeaseTimes, Sessions};

/// What the tables are called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tables {
    /// The channels. `video-metadata`.
    pub channels: String,
    /// The live sessions. `video-streaming`.
    pub sessions: String,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            channels: "video-metadata".to_owned(),
            sessions: "video-streaming".to_owned(),
        }
    }
}

type Item = HashMap<String, AttributeValue>;
