//! Who may watch: what the platform asks of viewers, what a channel asks instead, and the verdict.

use std::net::IpAddr;
#[cfg(feature = "cloudfront")]
use std::sync::Arc;

use lsv_auth::cidr::Networks;
#[cfg(feature = "cloudfront")]
use lsv_auth::cloudfront::Verifier;
use lsv_auth::hotlink::{Hosts, Rule};
use lsv_auth::playback::{self, PlaybackError};
use lsv_auth::{Secret, node};

use super::seats::Caps;
use crate::channel::{EmptyReferer, Moment, PlayCloudFront, PlayHosts, PlayToken, Settings};
use crate::ports::{AccessRequest, Denied, Reason};

/// What the platform asks of viewers where a channel's record does not say otherwise: nothing, unless it is set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Protection {
    /// What playback tokens and the credentials of nodes are signed with. Without one there are none that are good. None.
    pub secret: Option<Secret>,
    /// Whether viewers need a token. Off.
    pub token: Token,
    /// Whether what CloudFront signs lets viewers in, and nothing else does but tokens, if they are on. Off.
    pub cloud_front: bool,
    /// Whose signatures of CloudFront count. Without it nobody's do. None.
    #[cfg(feature = "cloudfront")]
    pub verifier: Option<Arc<Verifier>>,
    /// Hosts under which viewers reach the platform: what CloudFront signs counts under them alone, so that an address of another
    /// platform with the same key pair opens nothing here. A policy that names no host, or one with wildcards, is for whatever it
    /// covers. None named, it counts under whichever the viewer's program says. None.
    #[cfg(feature = "cloudfront")]
    pub cloud_front_hosts: Hosts,
    /// What signs the play addresses that the API gives out, where viewers need what CloudFront signs. Without it they are
    /// not signed. None.
    #[cfg(feature = "cloudfront")]
    pub minter: Option<Arc<super::Minter>>,
    /// Whether CloudFront itself, in front of this platform, asks for signatures at every address, whatever is asked for here. The API
    /// then signs all play addresses. No.
    #[cfg(feature = "cloudfront")]
    pub behind_signatures: bool,
    /// Hosts whose pages may embed channels; none named, those of all pages. The platform's own host is no exception: its
    /// player pages need it here. None.
    pub hosts: Hosts,
    /// Whether viewers may watch who do not say which page they come from, where hosts are named. True.
    pub empty_referer: bool,
    /// Networks that alone may watch; none named, all. None.
    pub allow: Networks,
    /// Networks that may not watch. None.
    pub deny: Networks,
    /// Most viewers of a channel at once, on one node; 0 for any number. 0.
    pub max_viewers: u32,
    /// Most viewers of a channel at once at one address, or in one network of 64 bits of IPv6; 0 for any number. 0.
    pub max_viewers_per_ip: u32,
}

/// Whether viewers need a playback token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Token {
    /// They need none.
    #[default]
    Off,
    /// They need one.
    On,
    /// They need one that is good for their address alone.
    Ip,
}

impl Default for Protection {
    fn default() -> Self {
        Self {
            secret: None,
            token: Token::Off,
            cloud_front: false,
            #[cfg(feature = "cloudfront")]
            verifier: None,
            #[cfg(feature = "cloudfront")]
            cloud_front_hosts: Hosts::default(),
            #[cfg(feature = "cloudfront")]
            minter: None,
            #[cfg(feature = "cloudfront")]
            behind_signatures: false,
            hosts: Hosts::default(),
            empty_referer: true,
            allow: Networks::default(),
            deny: Networks::default(),
            max_viewers: 0,
            max_viewers_per_ip: 0,
        }
    }
}

impl Protection {
    /// Nothing is asked yet; tokens and nodes' credentials are signed with `secret`.
    pub fn with_secret(secret: Secret) -> Self {
        Self {
            secret: Some(secret),
            ..Self::default()
        }
    }

    /// Whether viewers of a channel with these settings need a token; without settings, of one that is not known.
    pub fn token_of(&self, settings: Option<&Settings>) -> Token {
        match settings.map(|settings| settings.play_token) {
            Some(PlayToken::Off) => Token::Off,
            Some(PlayToken::On) => Token::On,
            Some(PlayToken::Ip) => Token::Ip,
            Some(PlayToken::Platform) | None => self.token,
        }
    }

    /// How many may watch a channel with these settings.
    pub(super) fn caps(&self, settings: &Settings) -> Caps {
        let own = |own: u32, platform: u32| if own > 0 { own } else { platform };
        Caps {
            viewers: own(settings.max_viewers, self.max_viewers),
            viewers_per_ip: own(settings.max_viewers_per_ip, self.max_viewers_per_ip),
        }
    }

    /// Whether `request` comes from a node of the platform, of which nothing is asked that is asked of viewers.
    pub(super) fn is_node(&self, request: &AccessRequest<'_>) -> bool {
        let now = request.now.unix();
        self.secret
            .as_ref()
            .is_some_and(|secret| node::verify(secret, request.address, request.query, now).is_ok())
    }

    /// Whether the viewer may watch a channel with these settings; without settings, one that is not known.
    pub(super) fn judge(
        &self,
        settings: Option<&Settings>,
        request: &AccessRequest<'_>,
    ) -> Result<Pass, Denied> {
        let by_network = self.judge_network(settings, request.peer)?;
        let by_page = self.judge_page(settings, request)?;
        let pass = self.judge_credential(settings, request)?;
        Ok(Pass {
            is_personal: pass.is_personal || by_network || by_page,
            by_cookie: pass.by_cookie && by_page,
            ..pass
        })
    }

    /// Answers whether there is such a rule at all.
    fn judge_network(&self, settings: Option<&Settings>, peer: IpAddr) -> Result<bool, Denied> {
        let own_allow = settings.map(|settings| settings.play_allow.networks());
        let own_allow = own_allow.filter(|networks| !networks.is_empty());
        let allow = own_allow.unwrap_or(&self.allow);
        let own_deny = settings.map(|settings| settings.play_deny.networks());
        let deny = [Some(&self.deny), own_deny].into_iter().flatten();
        let is_denied = deny.clone().any(|networks| networks.contains(peer));
        if is_denied || !(allow.is_empty() || allow.contains(peer)) {
            return Err(Denied::new(
                Reason::Network,
                "nobody watches from this address",
            ));
        }
        Ok(!allow.is_empty() || deny.clone().any(|networks| !networks.is_empty()))
    }

    /// Answers whether there is such a rule at all.
    fn judge_page(
        &self,
        settings: Option<&Settings>,
        request: &AccessRequest<'_>,
    ) -> Result<bool, Denied> {
        let hosts = match settings.map(|settings| &settings.play_hosts) {
            Some(PlayHosts::Any) => return Ok(false),
            Some(PlayHosts::These(hosts)) => hosts,
            Some(PlayHosts::Platform) | None => &self.hosts,
        };
        if hosts.is_empty() {
            return Ok(false);
        }
        let allow_empty = match settings.map(|settings| settings.play_empty_referer) {
            Some(EmptyReferer::Allow) => true,
            Some(EmptyReferer::Refuse) => false,
            Some(EmptyReferer::Platform) | None => self.empty_referer,
        };
        let rule = Rule {
            hosts: hosts.clone(),
            allow_empty,
        };
        rule.admits(request.told.referer, request.told.origin)
            .map_err(|error| Denied::new(Reason::Referer, error))?;
        Ok(true)
    }

    /// Whether what CloudFront signs lets viewers of a channel with these settings in; without settings, of one that is not known.
    pub fn takes_cloud_front(&self, settings: Option<&Settings>) -> bool {
        match settings.map(|settings| settings.play_cloud_front) {
            Some(PlayCloudFront::Off) => false,
            Some(PlayCloudFront::On) => true,
            Some(PlayCloudFront::Platform) | None => self.cloud_front,
        }
    }

    fn judge_credential(
        &self,
        settings: Option<&Settings>,
        request: &AccessRequest<'_>,
    ) -> Result<Pass, Denied> {
        let token = self.token_of(settings);
        match (token, self.takes_cloud_front(settings)) {
            (Token::Off, false) => Ok(Pass::default()),
            (Token::Off, true) => self.judge_cloud_front(request),
            (Token::On | Token::Ip, false) => self.judge_token(token, request),
            (Token::On | Token::Ip, true) => match self.judge_token(token, request) {
                Err(missing) if missing.reason == Reason::Missing => {
                    self.judge_cloud_front(request)
                }
                Err(denied) => self.judge_cloud_front(request).map_err(|_| denied),
                pass => pass,
            },
        }
    }

    #[cfg(feature = "cloudfront")]
    fn judge_cloud_front(&self, request: &AccessRequest<'_>) -> Result<Pass, Denied> {
        let missing = || denied(PlaybackError::Missing);
        let verifier = self.verifier.as_deref().ok_or_else(missing)?;
        super::cloud_front::judge(verifier, &self.cloud_front_hosts, request)
    }

    #[cfg(not(feature = "cloudfront"))]
    fn judge_cloud_front(&self, _: &AccessRequest<'_>) -> Result<Pass, Denied> {
        Err(denied(PlaybackError::Missing))
    }

    fn judge_token(&self, token: Token, request: &AccessRequest<'_>) -> Result<Pass, Denied> {
        let missing = || denied(PlaybackError::Missing);
        let verified = playback::verify(
            self.secret.as_ref().ok_or_else(missing)?,
            request.address,
            request.query,
            request.peer,
            request.now.unix(),
        );
        let verified = verified.map_err(denied)?;
        if token == Token::Ip && !verified.bound_to_address {
            return Err(denied(PlaybackError::Mismatch));
        }
        Ok(Pass {
            expires: Some(Moment::from_unix(verified.expires)),
            inherited: &[playback::EXPIRY, playback::TOKEN],
            is_personal: verified.bound_to_address,
            by_cookie: false,
        })
    }
}

/// What lets a viewer in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pass {
    pub(super) expires: Option<Moment>,
    pub(super) inherited: &'static [&'static str],
    pub(super) is_personal: bool,
    /// By a cookie of a viewer whose page is one of those that may embed.
    pub(super) by_cookie: bool,
}

impl Pass {
    /// The parameter of the query that tells those apart who were let in.
    pub(super) fn telling(&self) -> Option<&'static str> {
        let mut names = self.inherited.iter().copied();
        names.find(|name| [playback::TOKEN, SIGNATURE].contains(name))
    }
}

fn denied(error: PlaybackError) -> Denied {
    let reason = match error {
        PlaybackError::Missing => Reason::Missing,
        PlaybackError::Expired => Reason::Expired,
        PlaybackError::Mismatch => Reason::Mismatch,
        _ => Reason::Malformed,
    };
    Denied::new(reason, error)
}

/// As CloudFront calls it.
const SIGNATURE: &str = "Signature";

#[cfg(test)]
mod tests;
