//! Who may watch, as operators write it.

use anyhow::bail;
use lsv_auth::Secret;
use lsv_auth::cidr::Networks;
use lsv_auth::hotlink::Hosts;
use lsv_core::access::{Protection, Token};

use crate::config::{Options, parsed};

/// What a node asks of viewers where a channel's record does not say otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// Whether viewers need a token.
    pub token: Token,
    /// Hosts whose pages may embed channels; none for any.
    pub hosts: Hosts,
    /// Whether viewers may watch who do not say which page they come from.
    pub empty_referer: bool,
    /// Networks that alone may watch; none for all.
    pub allow: Networks,
    /// Networks that may not watch.
    pub deny: Networks,
}

impl Play {
    /// Reads the options that begin with `play-`.
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
            hosts: parsed("play-hosts", options.play_hosts.as_deref())?,
            empty_referer: match options.play_empty_referer.as_deref() {
                None | Some("allow") => true,
                Some("refuse") => false,
                Some(other) => bail!("play-empty-referer is allow or refuse, not {other:?}"),
            },
            allow: parsed("play-allow", options.play_allow.as_deref())?,
            deny: parsed("play-deny", options.play_deny.as_deref())?,
        })
    }

    /// The same for an authorizer, with what tokens are signed with.
    pub fn protection(&self, secret: &Secret) -> Protection {
        let mut protection = Protection::with_secret(secret.clone());
        protection.token = self.token;
        protection.hosts = self.hosts.clone();
        protection.empty_referer = self.empty_referer;
        protection.allow = self.allow.clone();
        protection.deny = self.deny.clone();
        protection
    }
}
