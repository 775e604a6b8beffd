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

fn client(parts: &Parts, api: &Api) -> Option<IpAddr> {
    let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    let forwarded = parts.headers.get_all("x-forwarded-for").iter();
    let forwarded = forwarded.map(|value| value.to_str().unwrap_or_default());
    let is_trusted = |address| api.trusted_proxies.contains(address);
    Some(access::client(peer.ip(), forwarded, is_trusted))
}

/// What is put behind play addresses of one channel.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    query: Option<String>,
    /// Whether it counts over RTMP as well.
    is_token: bool,
    /// Until when it is good.
    pub(super) expires: Option<Moment>,
}

impl Ticket {
    /// What lets `viewer` in at `host`: a token where viewers of the channel need one, or else what CloudFront would sign, where
    /// they need that.
    pub(super) fn new(api: &Api, channel: &Channel, viewer: Viewer, host: &str) -> Self {
        let protection = api.viewers.protection();
        let settings = Some(&channel.settings);
        let expires = api.now().whole_seconds().plus(viewer.stay);
        let ip = match protection.token_of(settings) {
            Token::Off => {
                let minted = minted(&protection, channel, viewer, host, expires);
                return Self {
                    expires: minted.is_some().then_some(expires),
                    query: minted,
                    is_token: false,
                };
            }
            Token::On => viewer.ip,
            Token::Ip => viewer.ip.or(viewer.client),
        };
        let Some(secret) = &protection.secret else {
            return Self::default();
        };
        let prefix = format!("/{}", channel.id);
        Self {
            query: Some(playback::mint(secret, &prefix, expires.unix(), ip)),
            is_token: true,
            expires: Some(expires),
        }
    }

    /// `url`, which has no query, with the credential.
    pub(super) fn on(&self, url: String) -> String {
        match &self.query {
            Some(query) => format!("{url}?{query}"),
            None => url,
        }
    }

    /// The same for an address of RTMP, which CloudFront does not carry.
    pub(super) fn on_rtmp(&self, url: String) -> String {
        match self.is_token {
            true => self.on(url),
            false => url,
        }
    }
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
    let is_wanted = protection.takes_cloud_front(Some(&channel.settings));
    is_wanted.then(|| minter.mint(host, &channel.id, expires, viewer.ip))?
}

#[cfg(not(feature = "cloudfront"))]
fn minted(_: &Protection, _: &Channel, _: Viewer, _: &str, _: Moment) -> Option<String> {
    None
}

const ONE_DAY: u64 = 86_400;
const ONE_YEAR: u64 = 365 * ONE_DAY;
