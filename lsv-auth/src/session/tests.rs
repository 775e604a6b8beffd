use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_700_000_000;
const EXPIRES: u64 = 1_700_043_200;

fn keys() -> Keys {
    Keys::new(&Secret::new("API token").unwrap(), None)
}

fn session(user: Option<&str>) -> Session {
    Session {
        id: [7; 16],
        expires: EXPIRES,
        user: user.map(str::to_owned),
    }
}

/// Made with Python's `hmac`: the key in hexadecimal digits signs `cookie\0<payload>` and `csrf\0<payload>`, and is itself the
/// token's signature of `lsv console session key\0\0`, or of `lsv console session key\0\1<password>`.
#[test]
fn vectors() {
    let payload = "1700043200.07070707070707070707070707070707";
    let with_password = Keys::new(&Secret::new("API token").unwrap(), Some(b"$argon2id$x"));
    for (keys, user, cookie, csrf) in [
        (
            keys(),
            None,
            ".9f2ef21d68a0e5bea8b38d6a6fee099fcf00d0a5c7d23c8e566922698aeea82a",
            "0cf61eb924887ee170aa067de77bbb51f2ae883209eab722b63e9770551b0cb9",
        ),
        (
            keys(),
            Some("zoë"),
            "7a6fc3ab.751bd47b4401477157a03b8d5caca3fc4b3ee428222f5721f57f93f8887d19f2",
            "e94bfc52522875ffae20a9e5ec539534904b515e9267b4a6af2ac239bf17074c",
        ),
        (
            with_password,
            Some("zoë"),
            "7a6fc3ab.de40c6a105c6985029a7f7750b0124066884782b0cbef9a8aaefdc48fe952d90",
            "664c830bfe2491964d117b846fa69acb80b4bdee0789e8f5cf23263bee376b2f",
        ),
    ] {
        let session = session(user);
        let cookie = format!("{payload}.{cookie}");
        assert_eq!(keys.cookie_name(), "lsv-ddf85376");
        assert_eq!(keys.mint(&session), cookie);
        assert_eq!(keys.csrf(&session), csrf);
        assert_eq!(keys.verify(&cookie, NOW), Ok(session));
    }
}

#[test]
fn good_up_to_and_including_its_last_second() {
    let cookie = keys().mint(&session(None));
    assert!(keys().verify(&cookie, EXPIRES).is_ok());
    assert_eq!(
        keys().verify(&cookie, EXPIRES + 1),
        Err(SessionError::Expired)
    );
}

#[test]
fn another_token_or_password_ends_all() {
    let token = Secret::new("API token").unwrap();
    let passwords = [None, Some(&b""[..]), Some(b"a"), Some(b"b")];
    let all = passwords.map(|password| Keys::new(&token, password));
    let other = Keys::new(&Secret::new("API tokem").unwrap(), None);
    assert_ne!(other.cookie_name(), keys().cookie_name());
    for (index, keys) in all.iter().enumerate() {
        let cookie = keys.mint(&session(None));
        assert_eq!(other.verify(&cookie, NOW), Err(SessionError::Mismatch));
        for (verifier, verifying) in all.iter().enumerate() {
            assert_eq!(verifying.verify(&cookie, NOW).is_ok(), index == verifier);
        }
    }
}

#[test]
fn only_what_the_platform_wrote() {
    let keys = keys();
    let cookie = keys.mint(&session(Some("ann")));
    for (other, error) in [
        (String::new(), SessionError::Malformed),
        ("....".to_owned(), SessionError::Malformed),
        (cookie.to_uppercase(), SessionError::Malformed),
        (cookie.replacen("17", "27", 1), SessionError::Mismatch),
        (format!("0{cookie}"), SessionError::Mismatch),
        (format!("{cookie}."), SessionError::Malformed),
        (format!("{cookie}{cookie}"), SessionError::Mismatch),
        (cookie.replacen(".616e6e.", ".", 1), SessionError::Mismatch),
        ("1".repeat(MAX_COOKIE_BYTES + 1), SessionError::Malformed),
    ] {
        assert_eq!(keys.verify(&other, NOW), Err(error), "{other}");
    }
    for end in 0..cookie.len() {
        assert!(keys.verify(&cookie[..end], NOW).is_err());
    }
}

#[test]
fn each_session_has_its_own_csrf_value_and_it_is_no_cookie() {
    let (keys, ours) = (keys(), session(Some("ann")));
    let csrf = keys.csrf(&ours);
    assert!(keys.is_csrf(&ours, csrf.as_bytes()));
    let mut theirs = ours.clone();
    theirs.id[15] = 8;
    assert!(!keys.is_csrf(&theirs, csrf.as_bytes()));
    for wrong in ["", &csrf[1..], &format!("{csrf}0"), &csrf.to_uppercase()] {
        assert!(!keys.is_csrf(&ours, wrong.as_bytes()));
    }
    assert!(!keys.mint(&ours).contains(&csrf));
}

#[test]
fn the_longest_name_fits_and_a_longer_one_does_not() {
    let keys = keys();
    let mut longest = session(Some(&"x".repeat(MAX_USER_BYTES)));
    longest.expires = u64::MAX;
    assert_eq!(keys.verify(&keys.mint(&longest), NOW), Ok(longest.clone()));
    longest.expires = NOW;
    longest.user = Some("x".repeat(MAX_USER_BYTES + 1));
    let refused = keys.verify(&keys.mint(&longest), NOW);
    assert_eq!(refused, Err(SessionError::Malformed));
}

#[test]
fn debug_tells_nothing() {
    assert_eq!(format!("{:?}", keys()), "Keys(hidden)");
}

proptest! {
    #[test]
    fn there_and_back(id: [u8; 16], expires: u64, user in "[^\0]{1,16}") {
        let session = Session { id, expires, user: Some(user) };
        let cookie = keys().mint(&session);
        prop_assert!(cookie.bytes().all(|byte| byte == b'.' || byte.is_ascii_hexdigit()));
        prop_assert_eq!(keys().verify(&cookie, expires), Ok(session));
    }

    #[test]
    fn one_changed_byte_is_one_too_many(at in 0_usize..100, byte: u8) {
        let cookie = keys().mint(&session(Some("ann")));
        let mut bytes = cookie.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(changed) = String::from_utf8(bytes) && changed != cookie {
            prop_assert!(keys().verify(&changed, NOW).is_err());
        }
    }
}
