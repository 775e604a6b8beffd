//! A viewer who was let in: which credential its answer carries on, and who may keep the answer for how long.
//!
//! What anybody may watch, any cache may keep. An answer to an address with a credential any cache may keep under that
//! address, and no longer than the credential is good: whoever knows the address may watch. An answer that was given for
//! something else, such as the viewer's network or a cookie, stays with the viewer.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, header};
use lsv_core::access::Seat;
use lsv_core::channel::Moment;
use lsv_core::ports::Grant;

use super::cors;
use super::inherit::Credential;

/// Who made a request that was granted.
#[derive(Debug)]
pub(super) struct Guest {
    /// Where it is.
    pub(super) peer: IpAddr,
    /// What addresses in the answer carry on.
    pub(super) credential: Option<Credential>,
    /// Until when what let the viewer in is good.
    expires: Option<Moment>,
    /// Its place among the viewers of the channel.
    pub(super) seat: Option<Seat>,
    is_personal: bool,
    /// A cookie let it in, on a page that may embed the channel.
    by_cookie: bool,
    /// It is another node of the platform.
    #[cfg(feature = "edge")]
    pub(super) is_node: bool,
}

impl Guest {
    /// Who made a request with this query from `peer`.
    pub(super) fn new(grant: &Grant, peer: IpAddr, query: Option<&str>) -> Self {
        Self {
            peer,
            credential: Credential::of(query, grant.inherited),
            expires: grant.expires,
            seat: grant.seat.clone(),
            is_personal: grant.is_personal,
            by_cookie: grant.by_cookie,
            #[cfg(feature = "edge")]
            is_node: grant.of_node,
        }
    }

    /// Says in `fields`, those of the answer to a request with `headers`, whose scripts may read it.
    pub(super) fn share(&self, headers: &HeaderMap, fields: &mut HeaderMap) {
        if let Some(origin) = headers.get(header::ORIGIN).filter(|_| self.by_cookie) {
            cors::share_with(origin, fields);
        }
    }

    /// Says in `fields` who may keep the answer that is given at `now`, and for how long.
    pub(super) fn restrict(&self, fields: &mut HeaderMap, now: Moment) {
        if !self.is_personal && self.expires.is_none() {
            return;
        }
        let age = fields.get(header::AGE);
        let age = age.and_then(|age| age.to_str().ok()?.parse().ok());
        let age = age.unwrap_or(0);
        let Some(stated) = fields.get_mut(header::CACHE_CONTROL) else {
            return;
        };
        let text = self.restricted(stated.to_str().unwrap_or("no-store"), now, age);
        *stated = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("no-store"));
    }

    /// `stated`, no longer than the credential is good, for an answer that is `age` seconds old already.
    fn restricted(&self, stated: &str, now: Moment, age: u64) -> String {
        let rest = |expires: Moment| {
            let rest = expires.unix().saturating_sub(now.unix());
            rest.saturating_add(age)
        };
        let rest = self.expires.map(rest);
        let mut directives: Vec<String> = Vec::new();
        let mut is_cut = false;
        for directive in stated.split(',').map(str::trim) {
            let age = directive.strip_prefix("max-age=");
            let age = age.and_then(|age| age.parse::<u64>().ok());
            match (age, rest) {
                (Some(age), Some(rest)) if rest < age => {
                    is_cut = true;
                    directives.push(format!("max-age={rest}"));
                }
                _ => directives.push(directive.to_owned()),
            }
        }
        directives.retain(|directive| match directive.as_str() {
            "public" => !self.is_personal,
            "immutable" => !is_cut,
            _ => true,
        });
        if self.is_personal && stated != "no-store" {
            directives.insert(0, "private".to_owned());
        }
        directives.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_unix(1_700_000_000);

    #[test]
    fn caches_keep_what_they_may_as_long_as_they_may() {
        let immutable = "public, max-age=3600, immutable";
        for (stated, rest, is_personal, restricted) in [
            (immutable, None, false, immutable),
            (immutable, Some(7200), false, immutable),
            (immutable, Some(60), false, "public, max-age=60"),
            (immutable, Some(0), false, "public, max-age=0"),
            (immutable, None, true, "private, max-age=3600, immutable"),
            (immutable, Some(60), true, "private, max-age=60"),
            ("public, max-age=1", Some(60), false, "public, max-age=1"),
            ("no-cache", Some(60), false, "no-cache"),
            ("no-cache", None, true, "private, no-cache"),
            ("no-store", Some(60), true, "no-store"),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(stated));
            let guest = Guest {
                peer: std::net::Ipv4Addr::LOCALHOST.into(),
                credential: None,
                expires: rest.map(|rest| Moment::from_unix(NOW.unix() + rest)),
                seat: None,
                is_personal,
                by_cookie: false,
                #[cfg(feature = "edge")]
                is_node: false,
            };
            guest.restrict(&mut fields, NOW);
            assert_eq!(fields[header::CACHE_CONTROL], restricted, "{stated}");
        }
    }
}
