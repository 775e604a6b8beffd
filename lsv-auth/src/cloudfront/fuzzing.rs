//! The bodies of this module's fuzz targets.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::LazyLock,
};

use super::{Policy, PublicKeys, Request, Verifier, base64};

/// Whatever a request holds, apart by line feeds (host, path, query, cookies): no panic, nobody gets in but to what the
/// seeds' signatures are for, and what is remembered changes nothing. The whole is read as a policy and as base64, too.
///
/// # Panics
/// If a request is let in to anything but the channel `cam`, or once and not again.
pub fn request(data: &[u8]) {
    if let Some(policy) = Policy::parse(data) {
        let written = policy.json();
        assert_eq!(Policy::parse(written.as_bytes()), Some(policy));
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(bytes) = base64::decode(text) {
        assert_eq!(base64::encode(&bytes), text);
    }
    let mut lines = text.splitn(4, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let request = Request {
        scheme: "https",
        host: line(),
        path: line(),
        query: Some(line()),
        cookies: Some(line()),
    };
    let first = VERIFIER.verify(&request, PEER, NOW);
    if first.is_ok() {
        assert!(request.path.contains("/cam/"));
        assert_eq!(VERIFIER.verify(&request, PEER, NOW), first);
    }
}

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let mut keys = PublicKeys::default();
    keys.insert(
        "K1",
        include_str!("../../tests/vectors/cloudfront/spki.pem"),
    )
    .expect("the key of the seeds is one");
    Verifier::new(keys)
});
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const NOW: u64 = 1_700_000_000;
