//! What a node prints when it is up: where it listens, and what to type next.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lsv_auth::Secret;
use lsv_core::api::Listeners;
use lsv_core::channel::{Channel, Signer};
use lsv_core::path::APP;

pub(crate) struct Banner<'a> {
    pub(crate) listeners: Listeners,
    /// The API's token, on the start that made it.
    pub(crate) token: Option<&'a Secret>,
    /// A channel to push to.
    pub(crate) channel: &'a Channel,
    pub(crate) signer: &'a Signer,
    pub(crate) demo: bool,
}

impl Banner<'_> {
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for (label, value) in self.lines() {
            writeln!(out, "  {label:<15}{value}")?;
        }
        out.flush()
    }

    /// Says that all that was printed works now.
    pub(crate) fn ready() -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "  Ready")?;
        out.flush()
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let http = format!("http://{}", reachable(self.listeners.http));
        let rtmp = format!("rtmp://{}/{APP}", reachable(self.listeners.rtmp));
        let id = &self.channel.id;
        let key = format!(
            "{id}?sign={}",
            self.signer.sign(id, self.channel.key.expiry())
        );
        let mut lines = vec![("HTTP", http.clone())];
        if let Some(https) = self.listeners.https {
            lines.push(("HTTPS", format!("https://{}", reachable(https))));
        }
        lines.push(("RTMP", rtmp.clone()));
        if let Some(rtmps) = self.listeners.rtmps {
            lines.push(("RTMPS", format!("rtmps://{}/{APP}", reachable(rtmps))));
        }
        lines.push(("API", format!("{http}/videostream")));
        if let Some(token) = self.token {
            lines.push((
                "API token",
                String::from_utf8_lossy(token.expose()).into_owned(),
            ));
        }
        if self.demo {
            lines.push(("Demo", format!("{http}/demo/")));
        }
        lines.push(("OBS server", rtmp.clone()));
        lines.push(("OBS stream key", key.clone()));
        lines.push((
            "ffmpeg",
            format!("ffmpeg -re -i VIDEO -c:v libx264 -g 60 -c:a aac -f flv '{rtmp}/{key}'"),
        ));
        lines.push(("Watch", format!("{http}/{id}/")));
        lines
    }
}

/// An address that a program on this machine can connect to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
