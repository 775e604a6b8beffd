use proptest::prelude::*;

use super::*;

const BOTH: &[Algorithm] = &[Algorithm::HmacSha256, Algorithm::Md5];
const HMAC: &[Algorithm] = &[Algorithm::HmacSha256];
const BEFORE: u64 = 1_600_000_000;

#[derive(serde::Deserialize)]
struct Vector {
    secret: String,
    path: String,
    exp: u64,
    md5: String,
    hmac_sha256: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../tests/vectors/push-sign.json")).unwrap()
}

fn secret() -> Secret {
    Secret::new("nodemedia2017privatekey").unwrap()
}

fn good() -> String {
    mint(
        &secret(),
        Algorithm::HmacSha256,
        "/stream/a",
        Expiry::from_unix(2_000_000_000),
    )
}

fn check(credential: &str) -> Result<Expiry, PushError> {
    verify(credential, &secret(), BOTH, "/stream/a", BEFORE)
}

#[test]
fn vectors_of_both_algorithms() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let secret = Secret::new(vector.secret).unwrap();
        let exp = Expiry::from_unix(vector.exp);
        for (algorithm, expected) in [
            (Algorithm::HmacSha256, &vector.hmac_sha256),
            (Algorithm::Md5, &vector.md5),
        ] {
            assert_eq!(&mint(&secret, algorithm, &vector.path, exp), expected);
            assert_eq!(
                verify(expected, &secret, &[algorithm], &vector.path, BEFORE),
                Ok(exp)
            );
        }
    }
}

#[test]
fn md5_only_where_turned_on() {
    let vector = vectors().remove(0);
    assert_eq!(
        verify(&vector.md5, &secret(), HMAC, &vector.path, BEFORE),
        Err(PushError::NotAllowed(Algorithm::Md5))
    );
}

#[test]
fn good_up_to_and_including_its_last_second() {
    let credential = good();
    let at = |now| verify(&credential, &secret(), HMAC, "/stream/a", now);
    assert!(at(2_000_000_000).is_ok());
    assert_eq!(at(2_000_000_001), Err(PushError::Expired));
}

#[test]
fn another_channel_secret_or_time_is_a_mismatch() {
    let credential = good();
    assert_eq!(
        verify(&credential, &secret(), HMAC, "/stream/b", BEFORE),
        Err(PushError::Mismatch)
    );
    let other = Secret::new("other").unwrap();
    assert_eq!(
        verify(&credential, &other, HMAC, "/stream/a", BEFORE),
        Err(PushError::Mismatch)
    );
    assert_eq!(
        check(&credential.replacen('2', "3", 1)),
        Err(PushError::Mismatch)
    );
}

#[test]
fn expired_is_told_only_of_a_true_credential() {
    let forged = format!("1-{}", "0".repeat(64));
    assert_eq!(check(&forged), Err(PushError::Mismatch));
}

#[test]
fn one_spelling_only() {
    let credential = good();
    let (exp, signature) = credential.split_once('-').unwrap();
    let malformed = [
        format!("+{credential}"),
        format!("-{credential}"),
        format!(" {credential}"),
        format!("{credential} "),
        format!("0{credential}"),
        format!("{exp} -{signature}"),
        format!("{exp}.0-{signature}"),
        format!("{exp}e0-{signature}"),
        format!("0x{exp}-{signature}"),
        format!("\u{0662}{exp}-{signature}"),
        format!("18446744073709551616-{signature}"),
        format!("99999999999999999999999999999999-{signature}"),
        format!("-{signature}"),
        format!("{exp}-"),
        exp.to_owned(),
        format!("{exp}{signature}"),
        format!("{exp}-{}", signature.to_uppercase()),
        format!("{exp}-{}", &signature[1..]),
        format!("{exp}-{signature}0"),
        format!("{exp}-{}", signature.replacen(|_: char| true, "g", 1)),
        "-".to_owned(),
    ];
    for credential in malformed {
        assert_eq!(
            check(&credential),
            Err(PushError::Malformed),
            "{credential}"
        );
    }
    assert_eq!(check(""), Err(PushError::Missing));
    assert!(check(&credential).is_ok());
}

#[test]
fn largest_expiry_is_no_overflow() {
    let credential = mint(
        &secret(),
        Algorithm::Md5,
        "/stream/a",
        Expiry::from_unix(u64::MAX),
    );
    assert_eq!(check(&credential), Ok(Expiry::from_unix(u64::MAX)));
}

#[test]
fn credential_of_a_query() {
    assert_eq!(credential_in(None), Err(PushError::Missing));
    assert_eq!(credential_in(Some("")), Err(PushError::Missing));
    assert_eq!(credential_in(Some("sign=")), Err(PushError::Missing));
    assert_eq!(credential_in(Some("sign")), Err(PushError::Missing));
    assert_eq!(credential_in(Some("Sign=1-a")), Err(PushError::Missing));
    assert_eq!(credential_in(Some("sign=1-a")), Ok("1-a"));
    assert_eq!(credential_in(Some("a=b&sign=1-a&c")), Ok("1-a"));
    assert_eq!(credential_in(Some("&sign=1-a&")), Ok("1-a"));
    assert_eq!(credential_in(Some("sign=1=2")), Ok("1=2"));
}

#[test]
fn parameter_given_twice_is_refused() {
    for query in [
        "sign=1-a&sign=1-a",
        "sign=1-a&sign=",
        "sign&sign=1-a",
        "a=1&sign=1-a&a=2",
    ] {
        assert_eq!(
            credential_in(Some(query)),
            Err(PushError::Malformed),
            "{query}"
        );
    }
}

#[test]
fn huge_queries_are_refused() {
    let long = format!("sign={}", "a".repeat(MAX_QUERY_BYTES));
    assert_eq!(credential_in(Some(&long)), Err(PushError::Malformed));
    let many: String = (0..=MAX_PARAMETERS).map(|n| format!("p{n}=1&")).collect();
    assert_eq!(credential_in(Some(&many)), Err(PushError::Malformed));
}

#[test]
fn names_read_back() {
    for algorithm in BOTH {
        assert_eq!(algorithm.to_string().parse(), Ok(*algorithm));
    }
    assert_eq!("sha1".parse::<Algorithm>(), Err(UnknownAlgorithm));
}

proptest! {
    #[test]
    fn minted_verifies_until_it_expires(
        key in "[ -~]{1,100}", id in "[A-Za-z0-9_-]{1,64}", exp in any::<u64>(), now in any::<u64>(), md5 in any::<bool>(),
    ) {
        let secret = Secret::new(key).unwrap();
        let algorithm = if md5 { Algorithm::Md5 } else { Algorithm::HmacSha256 };
        let credential = mint(&secret, algorithm, &path(&id), Expiry::from_unix(exp));
        let expected = if now > exp { Err(PushError::Expired) } else { Ok(Expiry::from_unix(exp)) };
        prop_assert_eq!(verify(&credential, &secret, BOTH, &path(&id), now), expected);
    }

    #[test]
    fn a_changed_byte_never_passes(position in 0usize..75, byte in 0u8..128) {
        let mut bytes = good().into_bytes();
        prop_assume!(bytes[position] != byte);
        bytes[position] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(check(&changed).is_err());
    }

    #[test]
    fn arbitrary_text_is_refused(text in "\\PC{0,100}") {
        crate::fuzzing::push(text.as_bytes());
    }
}
