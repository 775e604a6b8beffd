//! Policies: what may be fetched, until when, and by whom.

use std::{fmt::Write, net::IpAddr};

use serde::Deserialize;

use super::CloudFrontError;
use crate::cidr::{self, IpNet};

/// What the holder of a signature over it may fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A URL, where the policy is custom with the wildcards `*` (any characters) and `?` (any one); none for whatever
    /// is asked.
    pub(super) resource: Option<String>,
    /// The Unix second before which it is good.
    pub(super) before: u64,
    /// The Unix second after which it is good.
    pub(super) after: Option<u64>,
    pub(super) network: Option<IpNet>,
    pub(super) custom: bool,
}

impl Policy {
    /// For one URL, before the Unix second `expires`. `url` is what the client will ask for, query and all, without
    /// the credential.
    pub fn canned(url: impl Into<String>, expires: u64) -> Self {
        Self {
            resource: Some(url.into()),
            before: expires,
            after: None,
            network: None,
            custom: false,
        }
    }

    /// For all URLs that match `resource`, before the Unix second `expires`. In it `*` stands for any characters and
    /// `?` for any one: `https://example.com/cam/*`.
    pub fn custom(resource: impl Into<String>, expires: u64) -> Self {
        Self {
            custom: true,
            ..Self::canned(resource, expires)
        }
    }

    /// Good only after the Unix second `start`. Makes the policy custom.
    #[must_use]
    pub fn starting_after(self, start: u64) -> Self {
        Self {
            after: Some(start),
            custom: true,
            ..self
        }
    }

    /// Good only for clients in `network`. Makes the policy custom.
    #[must_use]
    pub fn for_network(self, network: impl Into<IpNet>) -> Self {
        Self {
            network: Some(network.into()),
            custom: true,
            ..self
        }
    }

    /// The text that is signed: JSON without space, fields in the order of the AWS CLI, in ASCII alone. CloudFront
    /// makes the text of a canned policy anew from the request, so that each of its bytes counts.
    pub fn json(&self) -> String {
        let mut text = String::from("{\"Statement\":[{");
        if let Some(resource) = &self.resource {
            text.push_str("\"Resource\":\"");
            push_escaped(&mut text, resource);
            text.push_str("\",");
        }
        push(
            &mut text,
            format_args!(
                "\"Condition\":{{\"DateLessThan\":{{\"AWS:EpochTime\":{}}}",
                self.before
            ),
        );
        if let Some(network) = &self.network {
            push(
                &mut text,
                format_args!(",\"IpAddress\":{{\"AWS:SourceIp\":\"{network}\"}}"),
            );
        }
        if let Some(after) = self.after {
            push(
                &mut text,
                format_args!(",\"DateGreaterThan\":{{\"AWS:EpochTime\":{after}}}"),
            );
        }
        text.push_str("}}]}");
        text
    }

    /// Reads a custom policy: at most [`MAX_POLICY_BYTES`] of JSON with one statement and nothing that is not known
    /// here, since a condition that is passed over would let in whom it shuts out.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        if json.len() > MAX_POLICY_BYTES {
            return None;
        }
        let Document {
            statement: [statement],
        } = serde_json::from_slice(json).ok()?;
        let Condition {
            date_less_than,
            date_greater_than,
            ip_address,
        } = statement.condition;
        let network = match ip_address {
            Some(IpAddress { source_ip }) => Some(cidr::parse(&source_ip)?),
            None => None,
        };
        Some(Self {
            resource: statement.resource,
            before: date_less_than.epoch_time,
            after: date_greater_than.map(|date| date.epoch_time),
            network,
            custom: true,
        })
    }

    /// Whether the client at `peer` may fetch `url` at `now`.
    pub(super) fn admit(&self, url: &str, peer: IpAddr, now: u64) -> Result<(), CloudFrontError> {
        let covers = |resource: &String| match self.custom {
            true => covers(resource, url),
            false => resource == url,
        };
        if !self.resource.as_ref().is_none_or(covers) {
            return Err(CloudFrontError::Resource);
        }
        let inside = |network: &IpNet| network.contains(&peer.to_canonical());
        if !self.network.as_ref().is_none_or(inside) {
            return Err(CloudFrontError::Network);
        }
        if self.after.is_some_and(|after| now <= after) {
            return Err(CloudFrontError::NotYet);
        }
        match now < self.before {
            true => Ok(()),
            false => Err(CloudFrontError::Expired),
        }
    }
}

/// A policy's JSON, as CloudFront's documentation has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Document {
    statement: [Statement; 1],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Statement {
    resource: Option<String>,
    condition: Condition,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Condition {
    date_less_than: Date,
    date_greater_than: Option<Date>,
    ip_address: Option<IpAddress>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Date {
    #[serde(rename = "AWS:EpochTime")]
    epoch_time: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IpAddress {
    #[serde(rename = "AWS:SourceIp")]
    source_ip: String,
}

/// Whether `resource` is or matches `url`, and does so by more than what a client puts into its query: `*/cam/*` is not
/// for `https://example.com/dog/live.flv?/cam/`. A resource with a `?` may mean a query and is taken as it is.
fn covers(resource: &str, url: &str) -> bool {
    let path = url.split_once('?').map_or(url, |(path, _)| path);
    let wanted = |url: &str| matches(resource.as_bytes(), url.as_bytes());
    wanted(url) && (resource.contains('?') || wanted(path))
}

/// Whether `pattern` with `*` and `?` matches the whole of `text`. Goes back to the last `*` only, so that no pattern
/// takes more than its length times that of the text.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut behind) = (0, 0);
    let mut last_star = None;
    while let Some(byte) = text.get(behind) {
        match pattern.get(at) {
            Some(b'*') => {
                last_star = Some((at, behind));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                at += 1;
                behind += 1;
            }
            _ => {
                let Some((star, taken)) = last_star else {
                    return false;
                };
                last_star = Some((star, taken + 1));
                at = star + 1;
                behind = taken + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == b'*')
}

/// Writes a string's inside as Python's `json.dumps` does, which is what signs in the AWS CLI.
fn push_escaped(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{C}' => text.push_str("\\f"),
            ' '..='~' => text.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    push(text, format_args!("\\u{unit:04x}"));
                }
            }
        }
    }
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string takes any text");
}

/// Longest policy that is read; CloudFront's own limit on URLs is 8,192 bytes.
pub(super) const MAX_POLICY_BYTES: usize = 4_096;
