//! Credentials in the play addresses that the API gives out.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use lsv_auth::playback;
use serde::Deserialize;
use utoipa::IntoParams;

use super::body::Parameters;
use super::problem::Answer;
use super::{Api, Kind, Problem};
use crate::access::{self, Protection, Token};
use crate::channel::{Channel, Moment};

/// For whom play addresses are to be.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Seconds that the play addresses are to be good for, 1 to 31,536,000, where viewers need a credential. A day.
    #[param(value_type = Option<u32>)]
    ttl: Option<String>,
    /// The address of the viewer, to bind the credential to. Where tokens must be bound and none is given, it is the client's own.
    ip: Option<String>,
}

impl Wanted {
    /// The parameters as they came.
    pub(super) fn given(&self) -> [(&'static str, Option<&str>); 2] {
        [("ttl", self.ttl.as_deref()), ("ip", self.ip.as_deref())]
    }
}

/// A viewer to be: what is in `Wanted`, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Viewer {
    stay: Duration,
    ip: Option<IpAddr>,
    /// Where the client of the API is.
    client: Option<IpAddr>,
}

impl FromRequestParts<Arc<Api>> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Answer<Self> {
        let Parameters(wanted) = Parameters::<Wanted>::from_request_parts(parts, api).await?;
        let bad = |name, accepts| {
            Problem::new(
                Kind::InvalidParameter,
                format!("`{name}` accepts {accepts}"),
            )
            .of_field(name)
        };
        let ttl = |text: &String| {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit());
            let seconds = text.parse::<u64>().ok().filter(|_| plain);
            let seconds = seconds.filter(|seconds| (1..=ONE_YEAR).contains(seconds));
            seconds.ok_or_else(|| bad("ttl", "a whole number of seconds from 1 to 31536000"))
        };
        let ip = |text: &String| {
            let ip = text.parse::<IpAddr>().ok();
            ip.ok_or_else(|| bad("ip", "an address such as 192.0.2.7 or 2001:db8::1"))
        };
        let seconds = wanted.ttl.as_ref().map(ttl).transpose()?;
        Ok(Self {
            stay: Duration::from_secs(seconds.unwrap_or(ONE_DAY)),
            ip: wanted.ip.as_ref().map(ip).transpose()?,
            client: client(parts, api),
        })
    }
}

/// Where the client of the API is, as far as the server tells, behind proxies that are trusted.
pub(super) fn client(parts: &Parts, api: &Api) -> Option<IpAddr> {
    let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    let forwarded = parts.headers.get_all("x-forwarded-for").iter();
    let forwarded = forwarded.map(|value| value.to_str().unwrap_or_default());
    let is_trusted = |address| api.trusted_proxies.contains(address);
    Some(access::client(peer.ip(), forwarded, is_trusted))
}

/// What is put behind play addresses of one channel.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    /// What the platform asks for, over RTMP as well.
    token: Option<String>,
    /// What CloudFront asks for.
    signature: Option<String>,
    /// Until when they are good.
    pub(super) expires: Option<Moment>,
    /// Why viewers are not let in with them.
    pub(super) warning: Option<&'static str>,
}

impl Ticket {
    /// What lets `viewer` in at `host`: a token where viewers of the channel need one, or else what CloudFront would sign, where
    /// they need that; both where CloudFront asks by itself.
    pub(super) fn new(api: &Api, channel: &Channel, viewer: Viewer, host: &str) -> Self {
        let protection = api.viewers.protection();
        let settings = Some(&channel.settings);
        let expires = api.now().whole_seconds().plus(viewer.stay);
        let bound = match protection.token_of(settings) {
            Token::Off => None,
            Token::On => Some(viewer.ip),
            Token::Ip => Some(viewer.ip.or(viewer.client)),
        };
        let prefix = format!("/{}", channel.id);
        let token = protection.secret.as_ref().zip(bound);
        let token = token.map(|(secret, ip)| playback::mint(secret, &prefix, expires.unix(), ip));
        let (signature, warning) = match needs_signature(&protection, channel, bound.is_some()) {
            true => {
                let signature = minted(&protection, channel, viewer, host, expires);
                let warning = signature.is_none().then_some(UNSIGNED);
                (signature, warning)
            }
            false => (None, None),
        };
        let is_good = token.is_some() || signature.is_some();
        Self {
            token,
            signature,
            expires: is_good.then_some(expires),
            warning,
        }
    }

    /// `url`, which has no query, with the credential.
    pub(super) fn on(&self, url: String) -> String {
        match (&self.token, &self.signature) {
            (None, None) => url,
            (Some(query), None) | (None, Some(query)) => format!("{url}?{query}"),
            (Some(token), Some(signature)) => format!("{url}?{token}&{signature}"),
        }
    }

    /// The same for an address of RTMP, which CloudFront does not carry.
    pub(super) fn on_rtmp(&self, url: String) -> String {
        match &self.token {
            Some(token) => format!("{url}?{token}"),
            None => url,
        }
    }
}

/// Whether viewers need what CloudFront signs: with a token, nodes do not ask for it, but CloudFront may.
#[cfg(feature = "cloudfront")]
fn needs_signature(protection: &Protection, channel: &Channel, has_token: bool) -> bool {
    let asked = protection.takes_cloud_front(Some(&channel.settings));
    protection.behind_signatures || asked && !has_token
}

#[cfg(not(feature = "cloudfront"))]
fn needs_signature(_: &Protection, _: &Channel, _: bool) -> bool {
    false
}

#[cfg(feature = "cloudfront")]
fn minted(
    protection: &Protection,
    channel: &Channel,
    viewer: Viewer,
    host: &str,
    expires: Moment,
) -> Option<String> {
    let minter = protection.minter.as_ref()?;
    minter.mint(host, &channel.id, expires, viewer.ip)
}

#[cfg(not(feature = "cloudfront"))]
fn minted(_: &Protection, _: &Channel, _: Viewer, _: &str, _: Moment) -> Option<String> {
    None
}

const UNSIGNED: &str = "viewers need what CloudFront signs, and these addresses are not signed: the API has no key to sign with";

const ONE_DAY: u64 = 86_400;
const ONE_YEAR: u64 = 365 * ONE_DAY;
