//! What CloudFront signs, as a way to be let in.

use std::net::IpAddr;

use lsv_auth::cidr::IpNet;
use lsv_auth::cloudfront::{
    CloudFrontError, Digest, PARAMETERS, Policy, Request, Signer, Verifier,
};
use lsv_auth::hotlink::{self, Hosts};

use super::protection::Pass;
use crate::channel::Moment;
use crate::path::ChannelId;
use crate::ports::{AccessRequest, Denied, Reason};

/// Signs the play addresses of channels as CloudFront does.
#[derive(Debug)]
pub struct Minter {
    signer: Signer,
    entropy: fn() -> Option<[u8; 32]>,
}

impl Minter {
    /// Signs with `signer`; `entropy` draws random bytes, `None` where the system has none.
    pub fn new(signer: Signer, entropy: fn() -> Option<[u8; 32]>) -> Self {
        Self { signer, entropy }
    }

    /// The query that lets viewers have all of `channel` at `host` until `expires`, for one address alone where `ip` is
    /// given: a custom policy in SHA-1, which every distribution takes. `None` where there are no random bytes, or the key does not
    /// sign.
    pub fn mint(
        &self,
        host: &str,
        channel: &ChannelId,
        expires: Moment,
        ip: Option<IpAddr>,
    ) -> Option<String> {
        let policy = Policy::custom(format!("http*://{host}/{channel}/*"), expires.unix());
        let policy = match ip {
            Some(ip) => policy.for_network(IpNet::from(ip)),
            None => policy,
        };
        let signed = (self.signer).sign_url("", &policy, Digest::Sha1, (self.entropy)()?);
        Some(signed.ok()?.trim_start_matches('?').to_owned())
    }
}

/// Lets in who has a signed URL, or else signed cookies, for what is asked for under one of `hosts`, or any where there are none.
pub(super) fn judge(
    verifier: &Verifier,
    hosts: &Hosts,
    asked: &AccessRequest<'_>,
) -> Result<Pass, Denied> {
    // Over RTMP there is no URL that could be signed.
    let missing = || denied(CloudFrontError::Missing);
    let base = asked.told.base.ok_or_else(missing)?;
    let (scheme, host) = base.split_once("://").ok_or_else(missing)?;
    if !(hosts.is_empty() || hotlink::host(base).is_some_and(|host| hosts.contain(&host))) {
        return Err(Denied::new(
            Reason::Mismatch,
            "signed addresses do not count under this host",
        ));
    }
    let request = Request {
        scheme,
        host,
        path: asked.address,
        query: asked.query,
        cookies: None,
    };
    let verify = |request| verifier.verify(request, asked.peer, asked.now.unix());
    let (verified, by_cookie) = match verify(&request) {
        Err(CloudFrontError::Missing) => {
            let cookies = asked.told.cookies;
            (verify(&Request { cookies, ..request }), true)
        }
        verified => (verified, false),
    };
    let verified = verified.map_err(denied)?;
    Ok(Pass {
        expires: Some(Moment::from_unix(verified.expires)),
        // Cookies are sent along anyway, and a canned policy is for one address alone.
        inherited: match verified.custom && !by_cookie {
            true => &PARAMETERS,
            false => &[],
        },
        is_personal: by_cookie || verified.bound_to_address,
        by_cookie,
    })
}

fn denied(error: CloudFrontError) -> Denied {
    let reason = match error {
        CloudFrontError::Missing => Reason::Missing,
        CloudFrontError::Expired => Reason::Expired,
        CloudFrontError::Malformed(_) | CloudFrontError::Address => Reason::Malformed,
        _ => Reason::Mismatch,
    };
    Denied::new(reason, error)
}

#[cfg(test)]
mod tests;
