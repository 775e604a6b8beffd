use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::{node, push};

const NOW: u64 = 1_700_000_000;
const EXP: u64 = 1_700_000_600;
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

#[derive(serde::Deserialize)]
struct Vector {
    secret: String,
    prefix: String,
    exp: u64,
    address: Option<IpAddr>,
    token: String,
}

fn secret() -> Secret {
    Secret::new("playback secret").unwrap()
}

fn check(path: &str, query: &str) -> Result<Verified, PlaybackError> {
    verify(&secret(), path, Some(query), PEER, NOW)
}

fn token() -> String {
    mint(&secret(), "/cam", EXP, None)
}

fn bound(ip: IpAddr) -> String {
    mint(&secret(), "/cam", EXP, Some(ip))
}

#[test]
fn vectors_of_openssl() {
    let vectors = include_str!("../../tests/vectors/playback-token.json");
    let vectors: Vec<Vector> = serde_json::from_str(vectors).unwrap();
    assert_eq!(vectors.len(), 6);
    for Vector {
        secret,
        prefix,
        exp,
        address,
        token,
    } in vectors
    {
        let secret = Secret::new(secret).unwrap();
        let query = format!("exp={exp}&token={token}");
        assert_eq!(mint(&secret, &prefix, exp, address), query);
        let peer = address.unwrap_or(PEER);
        let verified = verify(&secret, &prefix, Some(&query), peer, 0).unwrap();
        assert_eq!(verified.expires, exp);
        assert_eq!(verified.bound_to_address, address.is_some());
    }
}

#[test]
fn covers_what_lies_under_it() {
    for path in [
        "/cam",
        "/cam/",
        "/cam/live.m3u8",
        "/cam/720p/ts/1.ts",
        "/cam/vod/2026/11/23/index.m3u8",
    ] {
        let verified = check(path, &token()).unwrap();
        assert_eq!(verified.expires, EXP);
        assert!(!verified.bound_to_address);
    }
    let deep = mint(&secret(), "/cam/vod/2026", EXP, None);
    assert!(check("/cam/vod/2026/x.mp4", &deep).is_ok());
    assert_eq!(
        check("/cam/vod/2025/x.mp4", &deep),
        Err(PlaybackError::Mismatch)
    );
    assert_eq!(check("/cam/live.m3u8", &deep), Err(PlaybackError::Mismatch));
    let all = mint(&secret(), "/", EXP, None);
    assert!(check("/cam/live.m3u8", &all).is_ok());
    assert!(check("/", &all).is_ok());
}

#[test]
fn another_channel_is_a_mismatch() {
    for path in [
        "/camera",
        "/camera/live.m3u8",
        "/ca",
        "/ca/m",
        "/dog/cam",
        "/Cam",
        "/",
        "/cam-1",
        "/cam.flv",
    ] {
        assert_eq!(
            check(path, &token()),
            Err(PlaybackError::Mismatch),
            "{path}"
        );
    }
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    for path in [
        "/cam/../dog/live.m3u8",
        "/cam/%2e%2e/dog",
        "/cam%2f..%2fdog",
        "/cam//",
        "cam",
        "",
        "/cam\\..\\dog",
    ] {
        assert_eq!(check(path, &token()), Err(Malformed::Path.into()), "{path}");
    }
}

#[test]
fn another_secret_is_a_mismatch() {
    let other = Secret::new("other").unwrap();
    let verdict = verify(&other, "/cam", Some(&token()), PEER, NOW);
    assert_eq!(verdict, Err(PlaybackError::Mismatch));
}

#[test]
fn good_up_to_and_including_its_last_second() {
    let at = |now| verify(&secret(), "/cam", Some(&token()), PEER, now);
    assert!(at(EXP).is_ok());
    assert_eq!(at(EXP + 1), Err(PlaybackError::Expired));
    assert_eq!(at(u64::MAX), Err(PlaybackError::Expired));
}

#[test]
fn expired_is_told_only_of_a_true_token() {
    let query = format!("exp=1&token={}", "0".repeat(64));
    assert_eq!(check("/cam", &query), Err(PlaybackError::Mismatch));
}

#[test]
fn a_later_expiry_is_a_mismatch() {
    let query = token().replace(&EXP.to_string(), &(EXP + 1).to_string());
    assert_eq!(check("/cam", &query), Err(PlaybackError::Mismatch));
}

#[test]
fn one_address_alone() {
    let verified = check("/cam/live.flv", &bound(PEER)).unwrap();
    assert!(verified.bound_to_address);
    for other in ["192.0.2.8", "::1", "::192.0.2.7", "192.0.2.70"] {
        let peer = other.parse().unwrap();
        let verdict = verify(&secret(), "/cam", Some(&bound(PEER)), peer, NOW);
        assert_eq!(verdict, Err(PlaybackError::Mismatch), "{other}");
    }
    let expired = verify(&secret(), "/cam", Some(&bound(PEER)), PEER, EXP + 1);
    assert_eq!(expired, Err(PlaybackError::Expired));
}

#[test]
fn an_address_is_the_same_however_it_came() {
    let mapped = Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped().into();
    assert_eq!(bound(mapped), bound(PEER));
    assert!(verify(&secret(), "/cam", Some(&bound(PEER)), mapped, NOW).is_ok());
    let long: IpAddr = "2001:DB8:0:0:0:0:0:1".parse().unwrap();
    assert_eq!(bound(long), bound("2001:db8::1".parse().unwrap()));
}

#[test]
fn an_address_and_a_prefix_are_not_taken_for_one_another() {
    // Over "/cam-1700000600-192.0.2.7" one signs the address, the other would sign a path.
    let path = mint(&secret(), &format!("/cam-{EXP}"), EXP, None);
    assert_eq!(check("/cam", &path), Err(PlaybackError::Mismatch));
    let ends_like_an_address = mint(&secret(), "/cam-192.0.2.7", EXP, None);
    assert_eq!(
        check("/cam", &ends_like_an_address),
        Err(PlaybackError::Mismatch)
    );
}

#[test]
fn other_parameters_are_passed_over() {
    let (exp, token) = token()
        .split_once('&')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    for query in [
        format!("_HLS_msn=7&{exp}&_HLS_part=1&{token}&_HLS_part=2"),
        format!("{token}&{exp}"),
        format!("&&{exp}&&{token}&"),
        format!("tokens=1&Token=2&EXP=3&{exp}&{token}"),
    ] {
        assert!(check("/cam", &query).is_ok(), "{query}");
    }
}

#[test]
fn missing() {
    assert_eq!(
        verify(&secret(), "/cam", None, PEER, NOW),
        Err(PlaybackError::Missing)
    );
    for query in ["", "a=1", "node=1-2", "Exp=1&Token=2", "%65xp=1"] {
        assert_eq!(check("/cam", query), Err(PlaybackError::Missing), "{query}");
    }
}

#[test]
fn one_spelling_only() {
    let good = token();
    let hex = good.rsplit_once('=').unwrap().1.to_owned();
    let cases = [
        (format!("exp={EXP}"), Malformed::Incomplete),
        (format!("token={hex}"), Malformed::Incomplete),
        (format!("exp=&token={hex}"), Malformed::Incomplete),
        (format!("exp&token={hex}"), Malformed::Incomplete),
        (format!("exp={EXP}&token="), Malformed::Incomplete),
        (format!("{good}&exp={EXP}"), Malformed::Twice("exp")),
        (format!("{good}&exp"), Malformed::Twice("exp")),
        (format!("{good}&token={hex}"), Malformed::Twice("token")),
        (format!("exp=+{EXP}&token={hex}"), Malformed::Expiry),
        (format!("exp=-{EXP}&token={hex}"), Malformed::Expiry),
        (format!("exp= {EXP}&token={hex}"), Malformed::Expiry),
        (format!("exp=%31{EXP}&token={hex}"), Malformed::Expiry),
        (format!("exp=0{EXP}&token={hex}"), Malformed::Expiry),
        (format!("exp={EXP}.0&token={hex}"), Malformed::Expiry),
        (format!("exp=1e9&token={hex}"), Malformed::Expiry),
        (format!("exp=\u{0661}&token={hex}"), Malformed::Expiry),
        (
            format!("exp=18446744073709551616&token={hex}"),
            Malformed::Expiry,
        ),
        (
            format!("exp={EXP}&token={}", hex.to_uppercase()),
            Malformed::Signature,
        ),
        (
            format!("exp={EXP}&token={}", &hex[1..]),
            Malformed::Signature,
        ),
        (format!("exp={EXP}&token={hex}0"), Malformed::Signature),
        (format!("exp={EXP}&token={hex}%20"), Malformed::Signature),
        (
            format!("{good}&{}", "a".repeat(MAX_QUERY_BYTES)),
            Malformed::Query,
        ),
    ];
    for (query, malformed) in cases {
        assert_eq!(check("/cam", &query), Err(malformed.into()), "{query}");
    }
    assert!(check("/cam", &good).is_ok());
}

#[test]
fn largest_expiry_is_no_overflow() {
    let query = mint(&secret(), "/cam", u64::MAX, None);
    assert_eq!(
        check("/cam", &query).map(|verified| verified.expires),
        Ok(u64::MAX)
    );
}

/// Even an operator who sets one secret for everything gives viewers nothing that publishes or passes for a node.
#[test]
fn a_token_is_good_for_nothing_else() {
    let secret = secret();
    let (_, signature) = mint(&secret, "/stream/cam", EXP, None)
        .rsplit_once('=')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let push = format!("{EXP}-{signature}");
    let algorithms = [push::Algorithm::HmacSha256];
    assert!(push::verify(&push, &secret, &algorithms, &push::path("cam"), NOW).is_err());
    let node = format!("node={EXP}-{signature}");
    assert!(node::verify(&secret, "/stream/cam", Some(&node), NOW).is_err());
}

#[test]
fn errors_hold_no_credential() {
    let good = token();
    let hex = good.rsplit_once('=').unwrap().1;
    for query in [
        good.clone(),
        format!("{good}&{good}"),
        good.replace("token=", "token=x"),
    ] {
        let error = check("/dog", &query).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&hex[..8]));
    }
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from(bits).into()),
    ]
}

proptest! {
    #[test]
    fn minted_verifies_until_it_expires(
        key in "[ -~]{1,100}", prefix in "(/[A-Za-z0-9_.-]{2,20}){1,8}", below in "(/[a-z0-9]{1,8}){0,4}",
        exp in any::<u64>(), now in any::<u64>(), ip in proptest::option::of(address()), peer in address(),
    ) {
        prop_assume!(!prefix.split('/').any(|segment| segment == ".."));
        let secret = Secret::new(key).unwrap();
        let query = mint(&secret, &prefix, exp, ip);
        let verdict = verify(&secret, &format!("{prefix}{below}"), Some(&query), ip.unwrap_or(peer), now);
        let good = Verified { expires: exp, bound_to_address: ip.is_some() };
        prop_assert_eq!(verdict, if now > exp { Err(PlaybackError::Expired) } else { Ok(good) });
    }

    #[test]
    fn a_changed_byte_never_passes(position in 0usize..85, byte in 0u8..128) {
        let mut bytes = token().into_bytes();
        prop_assume!(bytes[position] != byte);
        bytes[position] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(check("/cam", &changed).is_err());
    }

    #[test]
    fn arbitrary_text_is_refused(text in "\\PC{0,100}") {
        crate::fuzzing::playback(text.as_bytes());
    }
}
