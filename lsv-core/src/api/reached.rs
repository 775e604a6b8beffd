//! How a client reached the API, and the hosts, ports and schemes that its answers name because of it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::problem::Answer;
use super::{Kind, Listeners, Problem, Secured};
use crate::channel::Authority;
use crate::ports::ChannelStore;

/// The scheme and host that a client reached the API under.
pub(super) struct Reached {
    /// Whether it came over TLS, which may end at a load balancer.
    secured: bool,
    /// Whether a load balancer said so: its ports are not the listeners'.
    forwarded: bool,
    /// `None` where it told none (HTTP/1.0).
    host: Option<Authority>,
}

/// Scheme, host and port of what is had over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether it is had over TLS.
    pub secured: bool,
    /// The host, with a port where it is not the scheme's own.
    pub authority: String,
}

/// Where play addresses lead, for pages that are served beside the API.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    channels: Arc<dyn ChannelStore>,
    listeners: Listeners,
}

impl Elsewhere {
    /// For the addresses that the [`Api`](super::Api) with these gives out.
    pub fn new(channels: Arc<dyn ChannelStore>, listeners: Listeners) -> Self {
        Self {
            channels,
            listeners,
        }
    }

    /// The origin of the play addresses that whoever sent this is given, unless it is the one that this was sent to.
    ///
    /// # Errors
    /// The request names no host that there can be, or the store of domain names cannot be asked.
    pub async fn of(&self, request: &Parts) -> Result<Option<Origin>, Problem> {
        let reached = Reached::of(request)?;
        let dns = self.channels.stream_dns().await?;
        let origin = reached.origin(dns.pull.as_ref(), &self.listeners);
        Ok((reached.own().as_ref() != Some(&origin)).then_some(origin))
    }
}

impl Reached {
    fn of(request: &Parts) -> Answer<Self> {
        Ok(Self {
            secured: is_secured(request),
            forwarded: request.headers.contains_key(FORWARDED_PROTO),
            host: host(request)?,
        })
    }

    /// What the client itself takes for the origin of the answer.
    fn own(&self) -> Option<Origin> {
        let host = self.host.as_ref()?;
        let port = host.port().unwrap_or(if self.secured { 443 } else { 80 });
        Some(Origin::new(self.secured, host.host(), port))
    }

    /// Whether the client came over TLS.
    pub(super) fn is_secured(&self) -> bool {
        self.secured
    }

    /// Host and port of an RTMP address: of the domain name that the operator set, else of the host that the client
    /// reached the API under. The port is the listener's unless the domain name brings one.
    pub(super) fn rtmp_authority(&self, set: Option<&Authority>, listener: SocketAddr) -> String {
        let port = set.and_then(Authority::port);
        let port = port.unwrap_or_else(|| listener.port());
        match set.or(self.host.as_ref()) {
            Some(authority) => format!("{}:{port}", authority.host()),
            None => SocketAddr::new(reachable(listener), port).to_string(),
        }
    }

    /// Where HTTP is had: under the domain name that the operator set, else under the host that the client reached the
    /// API under. The port is the listener's unless that brings one, or TLS ends at a load balancer: that has it on 443.
    ///
    /// It is HTTPS on port 443, and on the port of the listener for it; on other ports, and without one, where the client
    /// came in that way.
    pub(super) fn origin(&self, set: Option<&Authority>, listeners: &Listeners) -> Origin {
        let own = listeners.https.filter(|_| self.secured);
        let Some(authority) = set.or(self.host.as_ref()) else {
            let listener = own.unwrap_or(listeners.http);
            return Origin {
                secured: own.is_some(),
                authority: SocketAddr::new(reachable(listener), listener.port()).to_string(),
            };
        };
        let secured = match authority.port() {
            Some(443) => true,
            Some(port) if set.is_some() => {
                listeners.https.is_some_and(|https| https.port() == port)
            }
            _ => self.secured,
        };
        let port = authority.port().unwrap_or_else(|| match own {
            Some(https) if set.is_some() && !self.forwarded => https.port(),
            _ if secured => 443,
            _ => listeners.http.port(),
        });
        Origin::new(secured, authority.host(), port)
    }
}

impl Origin {
    fn new(secured: bool, host: &str, port: u16) -> Self {
        let authority = match (secured, port) {
            (true, 443) | (false, 80) => host.to_owned(),
            _ => format!("{host}:{port}"),
        };
        Self { secured, authority }
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.secured { "https" } else { "http" }
    }

    /// `wss` or `ws`.
    pub fn web_socket_scheme(&self) -> &'static str {
        if self.secured { "wss" } else { "ws" }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reached {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        Self::of(parts)
    }
}

/// Only whoever sends a header that lies gets the wrong answer.
fn is_secured(parts: &Parts) -> bool {
    match parts.headers.get(FORWARDED_PROTO) {
        // Of several load balancers the first adds the first.
        Some(schemes) => schemes.as_bytes().starts_with(b"https"),
        None => parts.extensions.get::<Secured>().is_some(),
    }
}

fn host(parts: &Parts) -> Answer<Option<Authority>> {
    let told = match parts.uri.authority() {
        Some(authority) => Some(Some(authority.as_str())),
        None => parts
            .headers
            .get(header::HOST)
            .map(|value| value.to_str().ok()),
    };
    let Some(told) = told else {
        return Ok(None);
    };
    let host = told.and_then(Authority::parse).ok_or_else(|| {
        let detail = "the header `Host` accepts a host name or address, with or without a port";
        Problem::new(Kind::InvalidParameter, detail).of_field("Host")
    });
    host.map(Some)
}

/// The listener's own address, or this machine where it listens on all.
fn reachable(listener: SocketAddr) -> IpAddr {
    match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

const FORWARDED_PROTO: &str = "x-forwarded-proto";
