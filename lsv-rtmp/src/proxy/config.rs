//! How a proxy behaves.

use std::time::Duration;

use super::Endpoint;
use crate::net::{IpNet, KeepAlive};
use crate::{Budget, Limits};

/// How a proxy treats its clients and its back ends.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Whether it looks into RTMP; default [`Mode::Tcp`].
    pub mode: Mode,
    /// Whether each back end is told the client's address in a PROXY protocol header, version 2; default true.
    pub proxy_protocol: bool,
    /// Where load balancers are that open each connection with such a header, version 1 or 2; default nowhere.
    /// Connections from there must have one; all others must have none.
    pub accept_proxy_protocol_from: Vec<IpNet>,
    /// How back ends are checked; default [`Check::Tcp`].
    pub check: Check,
    /// From one check of a back end to the next, and how long one may take; default 1 s.
    pub check_interval: Duration,
    /// Good checks in a row that bring a back end up again; default 2.
    pub rise: u32,
    /// Bad checks in a row that take one down; default 3. One that cannot be connected to for a client is down at once;
    /// what it does to a client's connection after that may be for the client's sake, and is left to the checks.
    pub fall: u32,
    /// How long a channel that was published keeps its back end in [`Mode::Rtmp`] after its last session has gone;
    /// default 30 s. At least as long as back ends wait for a publisher to come back.
    pub keep_home: Duration,
    /// From one look-up of a name to the next; default 1 s.
    pub resolve_interval: Duration,
    /// How long an address is used that its name's answers no longer hold; default 10 s. Some name servers answer with
    /// a few addresses of many, others each time.
    pub forget_after: Duration,
    /// How long a back end may take to accept a connection, and again to shake hands; default 2 s. Then another is
    /// tried.
    pub connect_timeout: Duration,
    /// Clients at once; more wait in the system's backlog; default 20,000.
    pub connections: usize,
    /// Clients at once from one address, or one /64 network of IPv6; more are closed; default 10,000.
    pub connections_per_ip: usize,
    /// How long a client may take to send its PROXY protocol header, and for its TLS handshake; default 5 s.
    pub handshake_timeout: Duration,
    /// How long either end may take no data, and how long a connection goes on without any after the client has closed
    /// its half; default 30 s. After the back end has, it is two seconds.
    pub stall_timeout: Duration,
    /// When the system probes whether a silent client is still there.
    pub keep_alive: KeepAlive,
    /// When it probes whether a silent back end is; default after 4 s, each 2 s, 3 times. One that vanishes without a
    /// word is given up after 10 s, so that its clients can come back to another.
    pub back_end_keep_alive: KeepAlive,
    /// What a client may take in [`Mode::Rtmp`] until it is handed over, and a back end's messages after that.
    pub limits: Limits,
    /// What all clients together may have held in [`Mode::Rtmp`] until they are handed over: what is kept to be replayed,
    /// what is not understood yet, and unfinished messages.
    pub budget: Budget,
    /// Bytes that a client may send in [`Mode::Rtmp`], after its handshake, until it has said what it wants; default
    /// 16 KiB. Encoders send one or two. They are held to be replayed, and bound what else the client can have held.
    pub replay_bytes: usize,
}

/// How much of RTMP a proxy understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// None: bytes go to the back end with the fewest sessions.
    #[default]
    Tcp,
    /// The channel: all sessions of one reach the same back end.
    Rtmp,
}

/// How a proxy finds out whether a back end works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// It accepts a connection.
    #[default]
    Tcp,
    /// It also completes an RTMP handshake, which a program that hangs does not.
    Rtmp,
}

/// The back ends of a proxy, which may be replaced while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackEnds {
    /// Where they are.
    pub endpoints: Vec<Endpoint>,
    /// Sessions that each may have from this proxy; no bound where absent.
    pub connections_each: Option<usize>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            proxy_protocol: true,
            accept_proxy_protocol_from: Vec::new(),
            check: Check::default(),
            check_interval: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            keep_home: Duration::from_secs(30),
            resolve_interval: Duration::from_secs(1),
            forget_after: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(2),
            connections: 20_000,
            connections_per_ip: 10_000,
            handshake_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(30),
            keep_alive: KeepAlive::default(),
            back_end_keep_alive: KeepAlive {
                idle: Duration::from_secs(4),
                interval: Duration::from_secs(2),
                probes: 3,
            },
            limits: Limits::default(),
            budget: Budget::default(),
            replay_bytes: 16 << 10,
        }
    }
}
