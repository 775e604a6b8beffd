//! Version 1: one line of text (§2.1).

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use bytes::{BufMut, BytesMut};

use super::{Addresses, Error, Header, MAX_V1_BYTES, proxied};

/// First bytes of version 1.
pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The header and its size, or `None` where more bytes are needed.
pub(super) fn parse(input: &[u8]) -> Result<Option<(Header, usize)>, Error> {
    let window = input.get(..MAX_V1_BYTES).unwrap_or(input);
    let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
        let full = window.len() == MAX_V1_BYTES;
        return if full {
            Err(Error::LineTooLong)
        } else {
            Ok(None)
        };
    };
    let line = window
        .get(SIGNATURE.len()..end)
        .and_then(|line| line.strip_suffix(b"\r"))
        .ok_or(Error::Line("its line end"))?;
    let line = str::from_utf8(line).map_err(|_| Error::Line("plain text"))?;
    let header = match line.split_once(' ').unwrap_or((line, "")) {
        // Whatever follows is to be ignored.
        ("UNKNOWN", _) => Header::Unknown,
        ("TCP4", rest) => fields::<Ipv4Addr>(rest)?,
        ("TCP6", rest) => fields::<Ipv6Addr>(rest)?,
        _ => return Err(Error::Line("TCP4, TCP6 or UNKNOWN")),
    };
    Ok(Some((header, end.saturating_add(1))))
}

pub(super) fn write(addresses: Option<Addresses>, out: &mut BytesMut) {
    let line = match addresses {
        Some(Addresses::V4(source, destination, (from, to))) => {
            format!("PROXY TCP4 {source} {destination} {from} {to}\r\n")
        }
        Some(Addresses::V6(source, destination, (from, to))) => {
            format!("PROXY TCP6 {source} {destination} {from} {to}\r\n")
        }
        None => "PROXY UNKNOWN\r\n".to_owned(),
    };
    out.put_slice(line.as_bytes());
}

fn fields<Ip: FromStr + Into<IpAddr>>(text: &str) -> Result<Header, Error> {
    let mut fields = text.split(' ');
    let mut ip = |missing| {
        let parsed = fields.next().and_then(|field| field.parse::<Ip>().ok());
        parsed.map(Into::into).ok_or(Error::Line(missing))
    };
    let ips = [ip("a source address")?, ip("a destination address")?];
    let mut port = |missing| {
        let parsed = fields.next().and_then(port);
        parsed.ok_or(Error::Line(missing))
    };
    let ports = [port("a source port")?, port("a destination port")?];
    match fields.next() {
        None => Ok(proxied(ips, ports)),
        Some(_) => Err(Error::Line("an end after its ports")),
    }
}

/// Decimal digits only, without leading zeros.
fn port(text: &str) -> Option<u16> {
    let plain = text == "0" || text.starts_with(|first: char| ('1'..='9').contains(&first));
    if plain { text.parse().ok() } else { None }
}
