//! A channel as an item of the table `video-metadata`: one attribute per field, under the field's own name.
//!
//! The table may hold what the older product wrote: flags and numbers as texts, fields left out, attributes of its own.
//! Those are read as well as can be; attributes that are not known here are never touched.

use aws_sdk_dynamodb::types::AttributeValue;
use lsv_core::channel::{Channel, FIELDS, Field, Kind, Moment, PushKey, Settings};
use lsv_core::path::ChannelId;
use serde_json::{Value, json};

use super::{Item, attribute};

/// The attributes that are set when `channel` is written, and their values: all of it but its name.
pub(super) fn attributes(
    channel: &Channel,
    version: u64,
) -> impl Iterator<Item = (&'static str, AttributeValue)> {
    let settings = FIELDS
        .iter()
        .map(|field| (field.name, attribute::of(field.read(&channel.settings))));
    let made = [
        (PUSH_KEY, json!(json!(channel.key).to_string())),
        (CREATED_AT, json!(channel.created_at)),
        (UPDATED_AT, json!(channel.updated_at)),
        (VERSION, json!(version)),
    ];
    settings.chain(made.map(|(name, value)| (name, attribute::of(value))))
}

/// The channel of an item and its version; 0 for one that the older product wrote.
///
/// # Errors
/// What of it cannot be read.
pub(super) fn channel(item: &Item) -> Result<(Channel, u64), String> {
    let id = text(item, ID).ok_or("it has no name")?;
    let id = ChannelId::parse(id).map_err(|error| format!("{id:?} is no name: {error}"))?;
    let version = version(item)?;
    let made = |name| match moment(item, name) {
        // A time that only tells people something: as with harmless fields, below.
        Err(problem) if version.is_none() => {
            tracing::warn!(channel = %id, problem, "a time that the older product wrote is left out");
            Ok(None)
        }
        read => read,
    };
    let created_at = made(CREATED_AT)?.unwrap_or(Moment::EPOCH);
    let updated_at = made(UPDATED_AT)?.unwrap_or(created_at);
    let mut channel = Channel::new(id, created_at);
    for field in FIELDS {
        let Some(value) = item.get(field.name).and_then(given) else {
            continue;
        };
        if let Err(problem) = read(field, &value, &mut channel.settings) {
            if version.is_some() || !is_harmless(field) {
                return Err(problem);
            }
            // What is of no use there was of no use to the older product either.
            tracing::warn!(channel = %channel.id, problem, "a field that the older product wrote takes its default");
        }
    }
    channel.updated_at = updated_at;
    channel.key = push_key(item, &channel)?;
    Ok((channel, version.unwrap_or(NO_VERSION)))
}

/// The version of an item; `None` if the older product wrote it.
///
/// # Errors
/// There is one that is no number.
pub(super) fn version(item: &Item) -> Result<Option<u64>, String> {
    match item.get(VERSION).map(AttributeValue::as_n) {
        None => Ok(None),
        Some(Ok(number)) => match number.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("`{VERSION}` is no version")),
        },
        Some(Err(_)) => Err(format!("`{VERSION}` is no version")),
    }
}

/// The value of a field that was given; texts of nothing and nulls stand for those that were not.
fn given(attribute: &AttributeValue) -> Option<Value> {
    match attribute::json(attribute) {
        Some(Value::Null) => None,
        Some(value) => Some(value),
        // No field accepts it.
        None => Some(json!({})),
    }
}

fn read(field: &Field, value: &Value, settings: &mut Settings) -> Result<(), String> {
    let first = field.write(settings, value);
    let Err(invalid) = first else {
        return Ok(());
    };
    match plainer(field.kind, value) {
        Some(Value::Null) => Ok(()),
        Some(value) => field
            .write(settings, &value)
            .map_err(|invalid| invalid.to_string()),
        None => Err(invalid.to_string()),
    }
}

/// What a script may have meant by `value`; `Null` if that is nothing.
fn plainer(kind: Kind, value: &Value) -> Option<Value> {
    if let (Kind::Flag, Some(number @ (0 | 1))) = (kind, value.as_u64()) {
        return Some(Value::Bool(number == 1));
    }
    let text = value.as_str()?.trim();
    if text.is_empty() {
        return Some(Value::Null);
    }
    Some(match kind {
        Kind::Flag => text.to_ascii_lowercase().into(),
        _ => text.into(),
    })
}

/// Whether the default of a field lets nobody do what the operator may have forbidden.
fn is_harmless(field: &Field) -> bool {
    let guards = ["outdate", "isEncrypted", "maxViewers", "maxViewersPerIp"];
    !guards.contains(&field.name) && !field.name.starts_with("play")
}

fn push_key(item: &Item, channel: &Channel) -> Result<PushKey, String> {
    if let Some(kept) = text(item, PUSH_KEY) {
        return serde_json::from_str(kept).map_err(|error| format!("`{PUSH_KEY}`: {error}"));
    }
    let outdate = channel.settings.outdate.unix();
    // The key that the older product gave out is good for as long as it says, and taken back with the others.
    let given = text(item, OLD_KEY)
        .and_then(|key| key.split_once('-')?.0.parse::<u64>().ok())
        .filter(|exp| *exp != outdate);
    let given: Vec<u64> = given.into_iter().collect();
    let key = json!({"exp": outdate, "earlier": given, "revoked": []});
    serde_json::from_value(key).map_err(|error| error.to_string())
}

fn moment(item: &Item, name: &str) -> Result<Option<Moment>, String> {
    match text(item, name) {
        None | Some("") => Ok(None),
        Some(text) => match Moment::parse(text) {
            Some(moment) => Ok(Some(moment)),
            None => Err(format!("`{name}` is no time")),
        },
    }
}

pub(super) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    let value = item.get(name)?.as_s();
    value.ok().map(String::as_str)
}

/// The key of the table: a channel's name.
pub(super) const ID: &str = "id";
/// Changes with each write; absent where only the older product wrote.
pub(super) const VERSION: &str = "lsvVersion";
/// The version of what the older product wrote.
pub(super) const NO_VERSION: u64 = 0;
/// [`PushKey`] as JSON.
const PUSH_KEY: &str = "lsvKey";
/// The older product's `<exp>-<signature>`; kept, and of no other use.
const OLD_KEY: &str = "key";
const CREATED_AT: &str = "createdAt";
const UPDATED_AT: &str = "updatedAt";

#[cfg(test)]
mod tests;
