//! What encoders and viewers show to be let in.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use lsv_auth::{
    Secret,
    cidr::IpNet,
    cloudfront::{Digest, Policy, Signer},
    node, playback,
    push::{self, Algorithm, Expiry},
    session::{Keys, Session},
};

use super::seed;

pub(super) fn write() -> io::Result<()> {
    push()?;
    playback()?;
    session()?;
    cloudfront()?;
    hotlink()
}

/// Push credentials in the query of a stream key.
fn push() -> io::Result<()> {
    let secret = secret()?;
    let mint = |algorithm| {
        push::mint(
            &secret,
            algorithm,
            &push::path("fuzz"),
            Expiry::from_unix(4_000_000_000),
        )
    };
    let good = mint(Algorithm::HmacSha256);
    let target = "auth_push";
    seed(target, "hmac", &[format!("sign={good}").as_bytes()])?;
    seed(
        target,
        "md5",
        &[format!("sign={}", mint(Algorithm::Md5)).as_bytes()],
    )?;
    seed(target, "bare", &[good.as_bytes()])?;
    seed(
        target,
        "twice",
        &[format!("sign={good}&sign={good}").as_bytes()],
    )?;
    seed(target, "signed", &[format!("sign=+{good}").as_bytes()])?;
    seed(target, "overflow", &[b"sign=99999999999999999999999-00"])?;
    seed(target, "others", &[b"a=1&sign=%31-&b"])
}

/// Paths and queries with playback tokens and nodes' credentials.
fn playback() -> io::Result<()> {
    let secret = secret()?;
    let target = "auth_playback";
    let seed = |name, address: String| seed(target, name, &[address.as_bytes()]);
    let peer = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
    let token = playback::mint(&secret, "/fuzz", EXPIRES, None);
    let bound = playback::mint(&secret, "/fuzz", EXPIRES, peer);
    let node = node::mint(&secret, "/fuzz", EXPIRES);
    seed("token", token.clone())?;
    seed("below", format!("/fuzz/720p/ts/1.ts?_HLS_msn=7&{token}"))?;
    seed("bound", format!("/fuzz/live.flv?{bound}"))?;
    seed("node", format!("/fuzz/live.flv?{node}"))?;
    seed("twice", format!("{token}&{bound}"))?;
    seed("dots", format!("/fuzz/../dog?{token}"))?;
    seed("encoded", format!("/fuzz%2f..%2fdog?{token}"))?;
    seed("overflow", token.replace("exp=", "exp=1844674407370955161"))
}

/// Cookies, with what comes with a call behind a line feed.
fn session() -> io::Result<()> {
    let keys = Keys::new(&secret()?, None);
    let target = "auth_session";
    let seed = |name, text: String| seed(target, name, &[text.as_bytes()]);
    let session = |user: Option<&str>| Session {
        id: [7; 16],
        expires: EXPIRES,
        user: user.map(str::to_owned),
    };
    let (token, named) = (session(None), session(Some("zoë")));
    let cookie = keys.mint(&named);
    seed(
        "token",
        format!("{}\n{}", keys.mint(&token), keys.csrf(&token)),
    )?;
    seed("named", format!("{cookie}\n{}", keys.csrf(&named)))?;
    seed("other-csrf", format!("{cookie}\n{}", keys.csrf(&token)))?;
    seed("changed", cookie.replacen('4', "5", 1))?;
    seed("long", keys.mint(&session(Some(&"x".repeat(65)))))?;
    seed("dots", "....".to_owned())
}

/// Host, path, query and cookies, a line each, and policies alone.
fn cloudfront() -> io::Result<()> {
    let target = "auth_cloudfront";
    let seed = |name: &str, lines: [&str; 4]| seed(target, name, &[lines.join("\n").as_bytes()]);
    let pem = include_str!("../../../lsv-auth/tests/vectors/cloudfront/pkcs8.pem");
    let signer = Signer::from_pem("K1", pem).map_err(io::Error::other)?;
    let (host, url) = ("cdn.example.com", "https://cdn.example.com/cam/live.m3u8");
    let resource = "https://cdn.example.com/cam/*";
    let network = IpNet::from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
    let policies = [
        ("canned", Policy::canned(url, EXPIRES)),
        ("custom", Policy::custom(resource, EXPIRES)),
        (
            "all",
            Policy::custom(resource, EXPIRES)
                .starting_after(1)
                .for_network(network),
        ),
    ];
    for (name, policy) in policies {
        let sign = |digest| {
            signer
                .sign_url(url, &policy, digest, [0; 32])
                .map_err(io::Error::other)
        };
        let (sha1, sha256) = (sign(Digest::Sha1)?, sign(Digest::Sha256)?);
        let (_, query) = sha1.split_once('?').unwrap_or_default();
        let (_, strong) = sha256.split_once('?').unwrap_or_default();
        let cookies = format!("CloudFront-{}", query.replace('&', "; CloudFront-"));
        seed(name, [host, "/cam/live.m3u8", query, ""])?;
        seed(
            &format!("{name}-sha256"),
            [host, "/cam/live.m3u8", strong, ""],
        )?;
        seed(
            &format!("{name}-cookies"),
            [host, "/cam/live.m3u8", "a=1", &cookies],
        )?;
        seed(&format!("{name}-dots"), [host, "/cam/../dog", query, ""])?;
        super::seed(
            target,
            &format!("{name}-policy"),
            &[policy.json().as_bytes()],
        )?;
    }
    seed(
        "host",
        [
            "cdn.example.com/cam/?",
            "/dog",
            "Signature=AAAA&Key-Pair-Id=K1&Expires=5",
            "",
        ],
    )
}

/// Hosts, networks, `Referer` and `Origin`, a line each.
fn hotlink() -> io::Result<()> {
    let target = "auth_hotlink";
    let seed = |name, lines: [&str; 4]| seed(target, name, &[lines.join("\n").as_bytes()]);
    let hosts = "allowed.example,*.example.net,[::1]";
    let networks = "10.0.0.0/8,::ffff:192.0.2.0/120,2001:db8::/32,::1";
    let good = "https://allowed.example:8443/watch?v=1#t";
    seed("good", [hosts, networks, good, "https://allowed.example"])?;
    seed("below", [hosts, "::/0", "", "http://A.EXAMPLE.NET."])?;
    seed("address", [hosts, "0.0.0.0/0", "http://[::1]:80/", "null"])?;
    let user = "https://allowed.example@evil.example/";
    seed("user", [hosts, "10.0.0.0/33", user, ""])?;
    seed("suffix", [hosts, "", "https://evil-allowed.example", ""])?;
    seed(
        "query",
        [hosts, "", "https://evil.org/?allowed.example", ""],
    )
}

fn secret() -> io::Result<Secret> {
    Secret::new("fuzzing").map_err(io::Error::other)
}

const EXPIRES: u64 = 4_000_000_000;
