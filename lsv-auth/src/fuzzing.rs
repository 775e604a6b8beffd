//! Bodies of this crate's fuzz targets: each takes arbitrary bytes and panics only where an invariant is broken.

use std::net::{IpAddr, Ipv4Addr};

use crate::{
    Secret,
    cidr::Networks,
    hotlink::{self, Hosts, Rule},
    node, playback,
    push::{self, Algorithm, Expiry},
    session::Keys,
};

/// Whatever the query of a stream key holds: no panic, and nothing is accepted but what the platform itself mints.
///
/// # Panics
/// If a credential is accepted that differs from the minted one.
pub fn push(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(secret) = Secret::new("fuzzing") else {
        return;
    };
    let path = push::path("fuzz");
    for credential in [Some(query), push::credential_in(Some(query)).ok()]
        .into_iter()
        .flatten()
    {
        for algorithm in [Algorithm::HmacSha256, Algorithm::Md5] {
            if let Ok(expiry) = push::verify(credential, &secret, &[algorithm], &path, 0) {
                assert_eq!(
                    credential,
                    push::mint(&secret, algorithm, &path, Expiry::from_unix(expiry.unix()))
                );
            }
        }
    }
}

/// Whatever the path and query of an address hold, apart by a question mark: no panic, and nothing is accepted but what
/// the platform itself mints.
///
/// # Panics
/// If a token or a node's credential is accepted that none of the path's prefixes mints.
pub fn playback(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(secret) = Secret::new("fuzzing") else {
        return;
    };
    let (path, query) = text.split_once('?').unwrap_or(("/fuzz", text));
    let prefixes = || (0..=path.len()).filter_map(|end| path.get(..end));
    let given = |minted: String| {
        minted
            .split('&')
            .all(|pair| query.split('&').any(|given| given == pair))
    };
    if let Ok(verified) = playback::verify(&secret, path, Some(query), PEER, 0) {
        let ip = verified.bound_to_address.then_some(PEER);
        let minted = |prefix| playback::mint(&secret, prefix, verified.expires, ip);
        assert!(prefixes().map(minted).any(given));
    }
    if let Ok(expires) = node::verify(&secret, path, Some(query), 0) {
        let minted = |prefix| node::mint(&secret, prefix, expires);
        assert!(prefixes().map(minted).any(given));
    }
}

/// Whatever the cookie holds, behind a line feed what comes with a call: no panic, and nothing is accepted but what the
/// platform itself mints.
///
/// # Panics
/// If a cookie or a CSRF value is accepted that differs from the minted one.
pub fn session(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(secret) = Secret::new("fuzzing") else {
        return;
    };
    let (cookie, csrf) = text.split_once('\n').unwrap_or((text, ""));
    let keys = Keys::new(&secret, None);
    if let Ok(session) = keys.verify(cookie, 0) {
        assert_eq!(cookie, keys.mint(&session));
        assert_eq!(
            keys.is_csrf(&session, csrf.as_bytes()),
            csrf == keys.csrf(&session)
        );
    }
}

/// Whatever the settings and the headers hold, apart by line feeds (hosts, networks, `Referer`, `Origin`): no panic,
/// what is read is written so that it reads the same, and nobody gets past hosts that have nothing to do with the page.
///
/// # Panics
/// If a page may embed whose address does not hold an allowed host's name.
pub fn hotlink(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (hosts, networks, referer, origin) = (line(), line(), line(), line());
    if let Ok(networks) = networks.parse::<Networks>() {
        assert_eq!(networks.to_string().parse(), Ok(networks));
    }
    for hosts in [hosts, "allowed.example"] {
        let Ok(hosts) = hosts.parse::<Hosts>() else {
            continue;
        };
        assert_eq!(hosts.to_string().parse(), Ok(hosts.clone()));
        let names = hosts.to_string();
        let rule = Rule {
            hosts,
            allow_empty: false,
        };
        if rule.admits(Some(referer), Some(origin)).is_ok() {
            let page = if referer.is_empty() { origin } else { referer };
            let host = hotlink::host(page).unwrap_or_default();
            assert!(
                names
                    .split(',')
                    .any(|name| host.ends_with(name.trim_start_matches('*')))
            );
        }
    }
}

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
