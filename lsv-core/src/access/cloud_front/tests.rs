use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use lsv_auth::cloudfront::{Digest, Policy, PublicKeys, Signer};

use super::super::{Protection, Token};
use super::*;
use crate::path::{ChannelId, StreamPath};
use crate::ports::{Access, Presence, Told};

const NOW: u64 = 1_700_000_000;
const SOON: u64 = NOW + 60;
const BASE: &str = "https://live.example.com";
const KEY: &str = "K2JCJMDEHXQW5F";

fn signer() -> Signer {
    let pem = include_str!("../../../../lsv-auth/tests/vectors/cloudfront/pkcs8.pem");
    Signer::from_pem(KEY, pem).unwrap()
}

fn protection() -> Protection {
    let pem = include_str!("../../../../lsv-auth/tests/vectors/cloudfront/spki.pem");
    let mut keys = PublicKeys::default();
    keys.insert(KEY, pem).unwrap();
    let secret = lsv_auth::Secret::new("playback secret").unwrap();
    let mut protection = Protection::with_secret(secret);
    protection.cloud_front = true;
    protection.verifier = Some(Arc::new(Verifier::new(keys)));
    protection
}

fn ask(by: &Protection, url: &str, told: Told<'_>) -> Result<Pass, Reason> {
    let (address, query) = match url.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (url, None),
    };
    let request = AccessRequest {
        access: Access::Play,
        path: &StreamPath::source(ChannelId::parse("cam").unwrap()),
        address,
        query,
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        told: Told {
            base: told.base.or(Some(BASE)),
            ..told
        },
        presence: Presence::None,
        now: Moment::from_unix(NOW),
    };
    by.judge(None, &request).map_err(|denied| denied.reason)
}

fn signed(policy: &Policy, path: &str) -> String {
    let url = signer().sign_url(path, policy, Digest::Sha256, [0; 32]);
    url.unwrap()
}

#[test]
fn a_canned_url_is_for_itself() {
    let policy = Policy::canned(format!("{BASE}/cam/live.flv"), SOON);
    let url = signed(&policy, "/cam/live.flv");
    let pass = ask(&protection(), &url, Told::default()).unwrap();
    assert_eq!(pass.expires, Some(Moment::from_unix(SOON - 1)));
    assert!(pass.inherited.is_empty() && !pass.is_personal);
    let other = url.replace("live.flv", "live.m3u8");
    for (url, reason) in [
        (other.as_str(), Reason::Mismatch),
        ("/cam/live.flv", Reason::Missing),
        (
            &signed(
                &Policy::canned(format!("{BASE}/cam/live.flv"), NOW),
                "/cam/live.flv",
            ),
            Reason::Expired,
        ),
        (&format!("{url}&Signature=x"), Reason::Malformed),
    ] {
        let refused = ask(&protection(), url, Told::default());
        assert_eq!(refused.unwrap_err(), reason, "{url}");
    }
    let elsewhere = Told {
        base: Some("https://other.example.com"),
        ..Told::default()
    };
    assert!(ask(&protection(), &url, elsewhere).is_err());
}

#[test]
fn what_is_signed_counts_under_the_platforms_hosts_alone() {
    let mut protection = protection();
    protection.cloud_front_hosts = "Live.Example.com,*.cdn.example.com,[::1]".parse().unwrap();
    // Signed for whatever host the request says: two platforms with one key pair.
    let ask_at = |base: &str| {
        let policy = Policy::custom(format!("{base}/cam/*"), SOON);
        let url = signed(&policy, "/cam/live.flv");
        let told = Told {
            base: Some(base),
            ..Told::default()
        };
        ask(&protection, &url, told).map(drop)
    };
    for right in [
        "https://live.example.com",
        "http://LIVE.Example.COM",
        "https://live.example.com:8443",
        "https://live.example.com.",
        "https://live.example.com.:443",
        "https://d1.cdn.example.com",
        "http://[::1]:8080",
    ] {
        assert_eq!(ask_at(right), Ok(()), "{right}");
    }
    for wrong in [
        "https://other.example.com",
        "https://cdn.example.com",
        "https://evil-live.example.com",
        "https://live.example.com.evil.net",
        "https://live.example.com@evil.net",
        "https://live.example.com:443:443",
        "https://live.example.com:x",
        "https://live.example.com..",
        "https://live.example.com/evil.net",
        "http://[::2]:8080",
        "https://",
    ] {
        assert!(ask_at(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_custom_policy_is_inherited() {
    let policy = Policy::custom(format!("{BASE}/cam/*"), SOON);
    let url = signed(&policy, "/cam/live.m3u8");
    let pass = ask(&protection(), &url, Told::default()).unwrap();
    assert_eq!(pass.inherited, PARAMETERS);
    // Viewers are told apart by it where they are counted.
    assert_eq!(pass.telling(), Some("Signature"));
    assert!(!pass.is_personal);
    let child = url.replace("live.m3u8", "ts/1.ts");
    assert!(ask(&protection(), &child, Told::default()).is_ok());
    assert!(
        ask(
            &protection(),
            &url.replace("/cam/", "/dog/"),
            Told::default()
        )
        .is_err()
    );
}

#[test]
fn cookies_stay_with_the_viewer() {
    let policy = Policy::custom(format!("{BASE}/cam/*"), SOON);
    let cookies = signer().sign_cookies(&policy, Digest::Sha1, [0; 32]);
    let pairs: Vec<String> = cookies
        .unwrap()
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let cookies = pairs.join("; ");
    let told = Told {
        cookies: Some(&cookies),
        referer: Some("https://site.example/"),
        ..Told::default()
    };
    let mut protection = protection();
    let pass = ask(&protection, "/cam/live.m3u8", told).unwrap();
    assert!(pass.is_personal && pass.inherited.is_empty());
    assert!(!pass.by_cookie, "any page could have sent them along");
    protection.hosts = "site.example".parse().unwrap();
    assert!(ask(&protection, "/cam/live.m3u8", told).unwrap().by_cookie);
    assert!(ask(&protection, "/dog/live.m3u8", told).is_err());
}

#[test]
fn a_token_lets_in_as_well_where_both_are_on() {
    let mut protection = protection();
    let secret = protection.secret.clone().unwrap();
    let token = lsv_auth::playback::mint(&secret, "/cam", SOON, None);
    let (with_token, forged) = (
        format!("/cam/live.flv?{token}"),
        format!("/cam/live.flv?{}", token.replace("exp=1", "exp=2")),
    );
    let url = signed(
        &Policy::canned(format!("{BASE}/cam/live.flv"), SOON),
        "/cam/live.flv",
    );
    let judged = |protection: &Protection, url: &str| ask(protection, url, Told::default());
    assert_eq!(
        judged(&protection, &with_token).unwrap_err(),
        Reason::Missing
    );
    protection.token = Token::On;
    assert!(judged(&protection, &with_token).is_ok());
    assert!(judged(&protection, &url).is_ok());
    assert_eq!(judged(&protection, &forged).unwrap_err(), Reason::Mismatch);
    assert_eq!(
        judged(&protection, "/cam/live.flv").unwrap_err(),
        Reason::Missing
    );
    protection.verifier = None;
    assert!(judged(&protection, &url).is_err());
}

#[test]
fn what_is_minted_for_a_channel_opens_it_and_nothing_else() {
    let minter = Minter::new(signer(), || Some([7; 32]));
    let cam = ChannelId::parse("cam").unwrap();
    let mint = |ip| minter.mint("live.example.com", &cam, Moment::from_unix(SOON), ip);
    let by = protection();
    let query = mint(None).unwrap();
    for path in ["/cam/live.m3u8", "/cam/cmaf/1.m4s", "/cam/vod/x/index.m3u8"] {
        let pass = ask(&by, &format!("{path}?{query}"), Told::default()).unwrap();
        assert_eq!(pass.expires, Some(Moment::from_unix(SOON - 1)), "{path}");
        assert_eq!(pass.inherited, PARAMETERS);
        // Viewers are told apart by it where they are counted.
        assert_eq!(pass.telling(), Some("Signature"));
    }
    for path in ["/camera/live.m3u8", "/other/live.m3u8", "/cam"] {
        let refused = ask(&by, &format!("{path}?{query}"), Told::default());
        assert_eq!(refused.map(drop), Err(Reason::Mismatch), "{path}");
    }
    let elsewhere = mint(Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)))).unwrap();
    let refused = ask(&by, &format!("/cam/live.m3u8?{elsewhere}"), Told::default());
    assert!(refused.is_err(), "it is for another address");
    let mute = Minter::new(signer(), || None);
    assert_eq!(
        mute.mint("live.example.com", &cam, Moment::from_unix(SOON), None),
        None
    );
}
