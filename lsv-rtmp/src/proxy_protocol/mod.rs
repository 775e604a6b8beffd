//! PROXY protocol: what a load balancer writes in front of a connection so that the server behind it learns where the
//! client comes from (HAProxy, *The PROXY protocol*, versions 1 and 2; section numbers are that paper's).
//!
//! A header is believed, so it must only be read from addresses that are known to be load balancers, and from those it
//! must be there: which of the two a connection begins with is never guessed (§2).

#![warn(clippy::arithmetic_side_effects)]

mod text;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{Buf, BufMut, BytesMut};

/// Longest header of version 1 in bytes, with its line end (§2.1).
pub const MAX_V1_BYTES: usize = 107;

/// Longest header of version 2 that is accepted, in bytes. The wire allows 65,551; addresses take 52, and what load
/// balancers add (names, TLS details, cloud ids) some hundreds. Stops a peer that has its header kept in memory.
pub const MAX_V2_BYTES: usize = 4096;

/// What a header says about the connection that it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Header {
    /// The load balancer made the connection for itself, such as a health check: the socket's own addresses hold.
    Local,
    /// The load balancer does not know, or the client came over something other than TCP: the socket's own addresses
    /// are all there is.
    Unknown,
    /// The load balancer carries a client.
    Proxied {
        /// The client.
        source: SocketAddr,
        /// What the client connected to.
        destination: SocketAddr,
    },
}

/// Why a connection does not begin with a header. There is no way to go on: close it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first bytes are those of neither version.
    #[error(
        "the connection does not begin with a PROXY protocol header; does the peer send one, and is it to be trusted?"
    )]
    Missing,
    /// A header of version 1 without an end in [`MAX_V1_BYTES`].
    #[error("a PROXY protocol line is longer than {MAX_V1_BYTES} bytes")]
    LineTooLong,
    /// A header of version 1 that lacks a field or has a wrong one.
    #[error("a PROXY protocol line lacks {0}")]
    Line(&'static str),
    /// A version or command of the binary form that does not exist.
    #[error("PROXY protocol version and command {0:#04x}; 0x20 and 0x21 exist")]
    Command(u8),
    /// An address family and transport that cannot be what RTMP runs over.
    #[error("PROXY protocol family and transport {0:#04x} is not TCP")]
    Family(u8),
    /// A header of version 2 that is too short for its addresses, or longer than [`MAX_V2_BYTES`].
    #[error("a PROXY protocol header announces {0} bytes behind its first 16")]
    Length(usize),
}

/// The header at the front of `input`, or `None` where more bytes are needed. Takes from `input` what it has used; the
/// bytes behind the header stay. Addresses are IPv4 even where the header maps them into IPv6.
///
/// # Errors
/// [`Error`], as soon as it can be told, however the bytes are cut.
pub fn read(input: &mut BytesMut) -> Result<Option<Header>, Error> {
    let starts = |signature: &[u8]| {
        let length = signature.len().min(input.len());
        input.get(..length) == signature.get(..length)
    };
    let found = if starts(SIGNATURE) {
        binary(input)?
    } else if starts(text::SIGNATURE) {
        text::parse(input)?
    } else {
        return Err(Error::Missing);
    };
    Ok(found.map(|(header, size)| {
        input.advance(size);
        header
    }))
}

impl Header {
    /// Appends the header in version 2, which is binary and what to use where there is a choice (§2.2).
    pub fn write_v2(&self, out: &mut BytesMut) {
        out.put_slice(SIGNATURE);
        match self.addresses() {
            Some(Addresses::V4(source, destination, ports)) => {
                out.put_slice(&[VERSION_2 | PROXY, TCP4, 0, 12]);
                out.put_slice(&source.octets());
                out.put_slice(&destination.octets());
                put_ports(out, ports);
            }
            Some(Addresses::V6(source, destination, ports)) => {
                out.put_slice(&[VERSION_2 | PROXY, TCP6, 0, 36]);
                out.put_slice(&source.octets());
                out.put_slice(&destination.octets());
                put_ports(out, ports);
            }
            None if *self == Self::Local => out.put_slice(&[VERSION_2 | LOCAL, UNSPECIFIED, 0, 0]),
            None => out.put_slice(&[VERSION_2 | PROXY, UNSPECIFIED, 0, 0]),
        }
    }

    /// Appends the header in version 1, a line of text that has no word for [`Local`](Self::Local): it says unknown
    /// (§2.1).
    pub fn write_v1(&self, out: &mut BytesMut) {
        text::write(self.addresses(), out);
    }

    /// Both addresses in the one family that a header has room for.
    fn addresses(&self) -> Option<Addresses> {
        let Self::Proxied {
            source,
            destination,
        } = self
        else {
            return None;
        };
        let ports = (source.port(), destination.port());
        let ips = (source.ip().to_canonical(), destination.ip().to_canonical());
        Some(match ips {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                Addresses::V4(source, destination, ports)
            }
            (source, destination) => Addresses::V6(mapped(source), mapped(destination), ports),
        })
    }
}

/// Source and destination with their ports.
#[derive(Clone, Copy)]
enum Addresses {
    V4(Ipv4Addr, Ipv4Addr, (u16, u16)),
    V6(Ipv6Addr, Ipv6Addr, (u16, u16)),
}

/// Version 2 (§2.2): the header and its size, or `None` where more bytes are needed.
fn binary(input: &[u8]) -> Result<Option<(Header, usize)>, Error> {
    let Some(&command) = input.get(12) else {
        return Ok(None);
    };
    if command != VERSION_2 | LOCAL && command != VERSION_2 | PROXY {
        return Err(Error::Command(command));
    }
    let Some(&family) = input.get(13) else {
        return Ok(None);
    };
    let needed = match family {
        // A load balancer that speaks for itself may say anything; it is skipped (§2.2).
        _ if command == VERSION_2 | LOCAL => 0,
        UNSPECIFIED | UNIX_STREAM => 0,
        TCP4 => 12,
        TCP6 => 36,
        other => return Err(Error::Family(other)),
    };
    let Some(length) = input
        .get(14..16)
        .and_then(|mut field| field.try_get_u16().ok())
    else {
        return Ok(None);
    };
    let length = usize::from(length);
    let size = length.saturating_add(FIXED_BYTES);
    if length < needed || size > MAX_V2_BYTES {
        return Err(Error::Length(length));
    }
    let Some(body) = input.get(FIXED_BYTES..size) else {
        return Ok(None);
    };
    let header = match family {
        _ if command == VERSION_2 | LOCAL => Header::Local,
        TCP4 => fields(body, |body| Some(take_array::<4>(body)?.into())),
        TCP6 => fields(body, |body| Some(take_array::<16>(body)?.into())),
        _ => Header::Unknown,
    };
    Ok(Some((header, size)))
}

/// Two addresses, two ports; what stands behind them (TLVs, §2.2.1) is nothing that an RTMP server needs.
fn fields(mut body: &[u8], ip: impl Fn(&mut &[u8]) -> Option<IpAddr>) -> Header {
    let mut take = || {
        let ips = [ip(&mut body)?, ip(&mut body)?];
        Some((ips, [body.try_get_u16().ok()?, body.try_get_u16().ok()?]))
    };
    take().map_or(Header::Unknown, |(ips, ports)| proxied(ips, ports))
}

fn take_array<const N: usize>(body: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(*array)
}

fn proxied([source, destination]: [IpAddr; 2], ports: [u16; 2]) -> Header {
    let [source_port, destination_port] = ports;
    Header::Proxied {
        source: SocketAddr::new(source.to_canonical(), source_port),
        destination: SocketAddr::new(destination.to_canonical(), destination_port),
    }
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

fn put_ports(out: &mut BytesMut, (source, destination): (u16, u16)) {
    out.put_u16(source);
    out.put_u16(destination);
}

/// First bytes of version 2 (§2.2).
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, length.
const FIXED_BYTES: usize = 16;

const VERSION_2: u8 = 0x20;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;

const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;

#[cfg(test)]
mod tests;
