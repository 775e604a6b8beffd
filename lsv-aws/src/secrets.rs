//! The platform's secrets, kept in Secrets Manager as one JSON object of texts:
//! `{"secret": ..., "playback-secret": ..., "api-token": ..., "node-token": ..., "cloudfront-key": ...}`.
//!
//! Nothing of a secret is in an error or a log, not even where its JSON is broken.

use aws_sdk_secretsmanager::Client;
use lsv_auth::Secret;
use lsv_core::ports;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::SdkConfig;
use crate::error::failed;

/// What nodes of a platform share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// Signs push keys.
    pub secret: Secret,
    /// Signs what lets viewers in.
    pub playback_secret: Secret,
    /// What clients of the API show.
    pub api_token: Secret,
    /// What nodes show each other; where there is none, it is the API's token.
    pub node_token: Secret,
    /// The private key in PEM that CloudFront's signatures of play addresses are made with, if there is one.
    pub cloudfront_key: Option<Secret>,
}

/// Why the secrets could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Secrets Manager did not answer them.
    #[error(transparent)]
    Store(#[from] ports::Error),
    /// They are not what they should be.
    #[error(
        "the secret `{id}` must be a JSON object of texts; it is not, at line {line}, column {column}"
    )]
    Malformed {
        /// The secret's name or ARN.
        id: String,
        /// Where it breaks off.
        line: usize,
        /// Where it breaks off.
        column: usize,
    },
    /// Some are missing, or empty.
    #[error("the secret `{id}` lacks {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and "))]
    Missing {
        /// The secret's name or ARN.
        id: String,
        /// What it lacks.
        names: Vec<&'static str>,
    },
}

/// Reads the secrets that are kept under a name or an ARN.
///
/// # Errors
/// Where Secrets Manager does not answer them, or they are not all there.
pub async fn read(sdk: &SdkConfig, id: &str) -> Result<Secrets, Error> {
    let answer = Client::new(sdk)
        .get_secret_value()
        .secret_id(id)
        .send()
        .await;
    let answer = answer.map_err(|error| failed(&format!("the secret `{id}`"), &error))?;
    let text = match (answer.secret_string, answer.secret_binary) {
        (Some(text), _) => text.into_bytes(),
        (None, Some(bytes)) => bytes.into_inner(),
        (None, None) => Vec::new(),
    };
    parse(id, &Zeroizing::new(text))
}

/// The object; what else is in it is not the platform's.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    secret: Option<Hidden>,
    playback_secret: Option<Hidden>,
    api_token: Option<Hidden>,
    node_token: Option<Hidden>,
    cloudfront_key: Option<Hidden>,
}

/// A text that is a secret from the moment it is read; empty ones are none.
struct Hidden(Option<Secret>);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(Secret::new(text).ok()))
    }
}

fn parse(id: &str, text: &[u8]) -> Result<Secrets, Error> {
    let document: Document = serde_json::from_slice(text).map_err(|error| Error::Malformed {
        id: id.to_owned(),
        // Its words may hold values.
        line: error.line(),
        column: error.column(),
    })?;
    let mut names = Vec::new();
    let mut take = |name: &'static str, hidden: Option<Hidden>| {
        let secret = hidden.and_then(|hidden| hidden.0);
        if secret.is_none() {
            names.push(name);
        }
        secret
    };
    let secret = take("secret", document.secret);
    let playback_secret = take("playback-secret", document.playback_secret);
    let api_token = take("api-token", document.api_token);
    let (Some(secret), Some(playback_secret), Some(api_token)) =
        (secret, playback_secret, api_token)
    else {
        let id = id.to_owned();
        return Err(Error::Missing { id, names });
    };
    let node_token = document.node_token.and_then(|hidden| hidden.0);
    Ok(Secrets {
        cloudfront_key: document.cloudfront_key.and_then(|hidden| hidden.0),
        node_token: node_token.unwrap_or_else(|| api_token.clone()),
        secret,
        playback_secret,
        api_token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_by_their_names() {
        let text = br#"{"secret": "a\u00fc", "playback-secret": "b", "api-token": "c", "node-token": "d", "cloudfront-key": "e\nf", "more": 1}"#;
        let secrets = parse("id", text).unwrap();
        assert!(secrets.secret.matches("aü".as_bytes()));
        assert!(secrets.playback_secret.matches(b"b") && secrets.api_token.matches(b"c"));
        assert!(secrets.node_token.matches(b"d"));
        assert!(secrets.cloudfront_key.unwrap().matches(b"e\nf"));
        let text =
            br#"{"secret": "a", "playback-secret": "b", "api-token": "c", "node-token": "", "cloudfront-key": ""}"#;
        let secrets = parse("id", text).unwrap();
        assert!(secrets.node_token.matches(b"c") && secrets.cloudfront_key.is_none());
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_is_told() {
        let missing = parse("lsv/main", br#"{"secret": "s3cr3t", "api-token": ""}"#);
        let said = missing.unwrap_err().to_string();
        assert_eq!(
            said,
            "the secret `lsv/main` lacks `playback-secret` and `api-token`"
        );
        for text in [
            "",
            "s3cr3t",
            "{\"secret\": 98765}",
            "{\"secret\": \"s3cr3t\"",
            "[\"s3cr3t\"]",
            "{\"secret\": \"s3cr3t\", \"secret\": \"s3cr3t\"}",
        ] {
            let error = parse("lsv/main", text.as_bytes()).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(said.contains("JSON object of texts"), "{said}");
            assert!(
                !said.contains("s3cr3t") && !said.contains("98765"),
                "{said}"
            );
        }
        let secrets = parse(
            "id",
            br#"{"secret": "s3cr3t", "playback-secret": "s3cr3t", "api-token": "s3cr3t"}"#,
        );
        assert!(!format!("{secrets:?}").contains("s3cr3t"));
    }
}
