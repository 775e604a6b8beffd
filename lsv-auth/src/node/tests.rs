use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::{playback, push};

const NOW: u64 = 1_700_000_000;
const EXP: u64 = 1_700_000_060;

fn secret() -> Secret {
    Secret::new("playback secret").unwrap()
}

fn check(path: &str, query: &str) -> Result<u64, PlaybackError> {
    verify(&secret(), path, Some(query), NOW)
}

fn good() -> String {
    mint(&secret(), "/cam", EXP)
}

#[test]
fn vector_of_openssl() {
    // printf %s 'node:/cam-1700000060' | openssl dgst -sha256 -hmac 'playback secret'
    assert_eq!(
        good(),
        "node=1700000060-e5726b4578dcdaafe01ddd6a7906af0c3f2cbcae5d14de86a597c9bcec9d0875"
    );
}

#[test]
fn covers_what_lies_under_it() {
    assert_eq!(check("/cam", &good()), Ok(EXP));
    assert_eq!(
        check(
            "/cam/720p/live.flv",
            &format!("_HLS_msn=1&{}&via=a", good())
        ),
        Ok(EXP)
    );
    for path in ["/camera", "/dog", "/", "/ca"] {
        assert_eq!(check(path, &good()), Err(PlaybackError::Mismatch), "{path}");
    }
    assert_eq!(check("/cam/../dog", &good()), Err(Malformed::Path.into()));
    assert_eq!(check("/dog/live.flv", &mint(&secret(), "/", EXP)), Ok(EXP));
}

#[test]
fn good_up_to_and_including_its_last_second() {
    let at = |now| verify(&secret(), "/cam", Some(&good()), now);
    assert_eq!(at(EXP), Ok(EXP));
    assert_eq!(at(EXP + 1), Err(PlaybackError::Expired));
}

#[test]
fn missing() {
    assert_eq!(
        verify(&secret(), "/cam", None, NOW),
        Err(PlaybackError::Missing)
    );
    for query in ["", "exp=1&token=2", "Node=1-2", "nodes=1-2"] {
        assert_eq!(check("/cam", query), Err(PlaybackError::Missing), "{query}");
    }
}

#[test]
fn one_spelling_only() {
    let credential = good();
    let (exp, hex) = credential
        .trim_start_matches("node=")
        .split_once('-')
        .unwrap();
    let cases = [
        ("node=".to_owned(), Malformed::Signature),
        ("node".to_owned(), Malformed::Signature),
        (format!("node={exp}"), Malformed::Signature),
        (format!("node={exp}-"), Malformed::Signature),
        (
            format!("node={exp}-{}", hex.to_uppercase()),
            Malformed::Signature,
        ),
        (format!("node={exp}-{hex}0"), Malformed::Signature),
        (format!("node={exp}-{}", &hex[1..]), Malformed::Signature),
        (format!("node=-{exp}-{hex}"), Malformed::Expiry),
        (format!("node=+{exp}-{hex}"), Malformed::Expiry),
        (format!("node=0{exp}-{hex}"), Malformed::Expiry),
        (format!("node=-{hex}"), Malformed::Expiry),
        (
            format!("node=99999999999999999999-{hex}"),
            Malformed::Expiry,
        ),
        (
            format!("{credential}&{credential}"),
            Malformed::Twice("node"),
        ),
    ];
    for (query, malformed) in cases {
        assert_eq!(check("/cam", &query), Err(malformed.into()), "{query}");
    }
}

/// Even where one secret is set for everything.
#[test]
fn good_for_nothing_else() {
    let secret = secret();
    let credential = mint(&secret, "/stream/cam", EXP);
    let push = credential.trim_start_matches("node=");
    let algorithms = [push::Algorithm::HmacSha256];
    assert!(push::verify(push, &secret, &algorithms, &push::path("cam"), NOW).is_err());
    let (exp, hex) = push.split_once('-').unwrap();
    let token = format!("exp={exp}&token={hex}");
    let viewer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let verdict = playback::verify(&secret, "/stream/cam", Some(&token), viewer, NOW);
    assert_eq!(verdict, Err(PlaybackError::Mismatch));
}

proptest! {
    #[test]
    fn a_changed_byte_never_passes(position in 0usize..80, byte in 0u8..128) {
        let mut bytes = good().into_bytes();
        prop_assume!(bytes[position] != byte);
        bytes[position] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(check("/cam", &changed).is_err());
    }
}
