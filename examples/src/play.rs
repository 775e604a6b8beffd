//! Who may watch, as operators write it.

use std::sync::Arc;

use anyhow::{Context, bail};
use lsv_auth::Secret;
use lsv_auth::cidr::Networks;
use lsv_auth::cloudfront::{InvalidKey, PublicKeys, Signer, Verifier};
use lsv_auth::hotlink::Hosts;
use lsv_core::access::{Minter, Protection, Token};

use crate::config::{Options, parsed};

/// What a node asks of viewers where a channel's record does not say otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// Whether viewers need a token.
    pub token: Token,
    /// Whether what CloudFront signs lets viewers in.
    pub cloud_front: bool,
    /// Whose signatures of CloudFront count.
    pub cloud_front_keys: CloudFrontKeys,
    /// Hosts under which those signatures count; none for any.
    pub cloud_front_hosts: Hosts,
    /// What signs play addresses as CloudFront does: the id of a key pair, and its private key in PEM.
    pub cloud_front_sign: Option<(String, Secret)>,
    /// Id of the key pair with which CloudFront asks for signatures everywhere; the platform's secrets have its private key.
    pub cloud_front_key_id: Option<String>,
    /// Hosts whose pages may embed channels; none for any.
    pub hosts: Hosts,
    /// Whether viewers may watch who do not say which page they come from.
    pub empty_referer: bool,
    /// Networks that alone may watch; none for all.
    pub allow: Networks,
    /// Networks that may not watch.
    pub deny: Networks,
    /// Most viewers of a channel at once; 0 for any number.
    pub max_viewers: u32,
    /// Most viewers of a channel at once at one address; 0 for any number.
    pub max_viewers_per_ip: u32,
}

impl Play {
    /// Reads the options that begin with `play-` or `max-viewers`, and the keys of CloudFront.
    ///
    /// # Errors
    /// Names the one that cannot be used.
    pub fn of(options: &Options) -> anyhow::Result<Self> {
        Ok(Self {
            token: match options.play_token.as_deref() {
                None | Some("off") => Token::Off,
                Some("on") => Token::On,
                Some("ip") => Token::Ip,
                Some(other) => bail!("play-token is off, on or ip, not {other:?}"),
            },
            cloud_front: match options.play_cloudfront.as_deref() {
                None | Some("off") => false,
                Some("on") if options.cloudfront_keys.is_some() => true,
                Some("on") => bail!("play-cloudfront needs cloudfront-keys"),
                Some(other) => bail!("play-cloudfront is on or off, not {other:?}"),
            },
            cloud_front_keys: match &options.cloudfront_keys {
                Some(list) => CloudFrontKeys::read(list)?,
                None => CloudFrontKeys::default(),
            },
            cloud_front_hosts: parsed("cloudfront-hosts", options.cloudfront_hosts.as_deref())?,
            cloud_front_sign: match &options.cloudfront_sign {
                Some(entry) => Some(signing_key(entry)?),
                None => None,
            },
            cloud_front_key_id: options.cloudfront_key_id.clone(),
            hosts: parsed("play-hosts", options.play_hosts.as_deref())?,
            empty_referer: match options.play_empty_referer.as_deref() {
                None | Some("allow") => true,
                Some("refuse") => false,
                Some(other) => bail!("play-empty-referer is allow or refuse, not {other:?}"),
            },
            allow: parsed("play-allow", options.play_allow.as_deref())?,
            deny: parsed("play-deny", options.play_deny.as_deref())?,
            max_viewers: options.max_viewers.unwrap_or_default(),
            max_viewers_per_ip: options.max_viewers_per_ip.unwrap_or_default(),
        })
    }

    /// The same for who gives out play addresses, all of them signed where CloudFront asks for that everywhere: with `key`, the
    /// private one.
    pub fn addresses(&self, secret: &Secret, key: Option<&Secret>) -> Protection {
        let mut protection = self.protection(secret);
        if let Some(id) = &self.cloud_front_key_id {
            protection.behind_signatures = true;
            match key.map(|key| signer(id, key)) {
                Some(Ok(signer)) => {
                    protection.minter = Some(Arc::new(Minter::new(signer, entropy)));
                }
                Some(Err(error)) => {
                    tracing::error!(%error, "`cloudfront-key` of the platform's secrets signs nothing");
                }
                None => tracing::warn!(
                    "`cloudfront-key` is not among the platform's secrets: play addresses are not signed"
                ),
            }
        }
        protection
    }

    /// The same for an authorizer, with what tokens are signed with.
    pub fn protection(&self, secret: &Secret) -> Protection {
        let mut protection = Protection::with_secret(secret.clone());
        protection.token = self.token;
        protection.cloud_front = self.cloud_front;
        protection.verifier = Some(Arc::new(Verifier::new(self.cloud_front_keys.keys.clone())));
        protection.cloud_front_hosts = self.cloud_front_hosts.clone();
        protection.minter = self.cloud_front_sign.as_ref().and_then(|(id, pem)| {
            // It was looked at when it was read.
            let signer = signer(id, pem).ok()?;
            Some(Arc::new(Minter::new(signer, entropy)))
        });
        protection.hosts = self.hosts.clone();
        protection.empty_referer = self.empty_referer;
        protection.allow = self.allow.clone();
        protection.deny = self.deny.clone();
        protection.max_viewers = self.max_viewers;
        protection.max_viewers_per_ip = self.max_viewers_per_ip;
        protection
    }
}

/// Reads `K2JCJMDEHXQW5F=private.pem`.
fn signing_key(entry: &str) -> anyhow::Result<(String, Secret)> {
    let (id, path) = entry.split_once('=').with_context(|| {
        format!(
            "cloudfront-sign is an id with a file like K2JCJMDEHXQW5F=private.pem, not {entry:?}"
        )
    })?;
    let pem = std::fs::read_to_string(path);
    let pem = pem.with_context(|| format!("cloudfront-sign: cannot read {path}"))?;
    let pem = Secret::new(pem).with_context(|| format!("cloudfront-sign: {path}"))?;
    signer(id, &pem).with_context(|| format!("cloudfront-sign: {path}"))?;
    Ok((id.to_owned(), pem))
}

fn signer(id: &str, pem: &Secret) -> Result<Signer, InvalidKey> {
    Signer::from_pem(id, &String::from_utf8_lossy(pem.expose()))
}

fn entropy() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// Public keys of CloudFront's key pairs, as they were read.
#[derive(Debug, Clone, Default)]
pub struct CloudFrontKeys {
    keys: PublicKeys,
    /// By which a changed list is known.
    pems: Vec<(String, String)>,
}

impl CloudFrontKeys {
    /// Reads a list such as `K2JCJMDEHXQW5F=public.pem`.
    fn read(list: &str) -> anyhow::Result<Self> {
        let mut read = Self::default();
        for entry in list.split(',').map(str::trim) {
            let (id, path) = entry.split_once('=').with_context(|| {
                format!("cloudfront-keys lists ids with files like K2JCJMDEHXQW5F=public.pem, not {entry:?}")
            })?;
            let pem = std::fs::read_to_string(path);
            let pem = pem.with_context(|| format!("cloudfront-keys: cannot read {path}"))?;
            let inserted = read.keys.insert(id, &pem);
            inserted.with_context(|| format!("cloudfront-keys: {entry}"))?;
            read.pems.push((id.to_owned(), pem));
        }
        Ok(read)
    }
}

impl PartialEq for CloudFrontKeys {
    fn eq(&self, other: &Self) -> bool {
        self.pems == other.pems
    }
}
