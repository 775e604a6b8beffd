use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::{policy::matches, remembered::MAX_YOUNG, *};
use crate::cidr::IpNet;

const NOW: u64 = 1_700_000_000;
const EXP: u64 = 1_700_000_600;
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const HOST: &str = "cdn.example.com";
const PKCS8: &str = include_str!("../../tests/vectors/cloudfront/pkcs8.pem");
const PKCS1: &str = include_str!("../../tests/vectors/cloudfront/pkcs1.pem");
const SPKI: &str = include_str!("../../tests/vectors/cloudfront/spki.pem");
const RSA_PUBLIC: &str = include_str!("../../tests/vectors/cloudfront/rsa-public.pem");
const OTHER: &str = include_str!("../../tests/vectors/cloudfront/other.pem");

/// A policy, and openssl's signatures over its text.
#[derive(serde::Deserialize)]
struct Vector {
    resource: String,
    expires: u64,
    after: Option<u64>,
    network: Option<String>,
    custom: bool,
    policy: String,
    sha1: String,
    sha256: String,
}

impl Vector {
    fn policy(&self) -> Policy {
        let mut policy = match self.custom {
            true => Policy::custom(self.resource.as_str(), self.expires),
            false => Policy::canned(self.resource.as_str(), self.expires),
        };
        if let Some(after) = self.after {
            policy = policy.starting_after(after);
        }
        match &self.network {
            Some(network) => policy.for_network(network.parse::<IpNet>().unwrap()),
            None => policy,
        }
    }

    fn grant(&self) -> String {
        match self.custom {
            true => format!("Policy={}", base64::encode(self.policy.as_bytes())),
            false => format!("Expires={}", self.expires),
        }
    }

    fn query(&self) -> String {
        format!("{}&Signature={}&Key-Pair-Id=K1", self.grant(), self.sha1)
    }

    fn query_of_sha256(&self) -> String {
        let query = self.query().replace(&self.sha1, &self.sha256);
        format!("{query}&Hash-Algorithm=SHA256")
    }

    fn cookies(&self) -> String {
        let pairs = self.query().replace('&', "; CloudFront-");
        format!("lang=en; CloudFront-{pairs}; theme=dark")
    }
}

fn vectors() -> Vec<Vector> {
    let text = include_str!("../../tests/vectors/cloudfront/signatures.json");
    serde_json::from_str(text).unwrap()
}

/// By place: 0 canned, 1 canned with a query, 3 custom, 4 custom with wildcard host and start, 5 for a network.
fn vector(place: usize) -> Vector {
    vectors().swap_remove(place)
}

fn verifier() -> Verifier {
    let mut keys = PublicKeys::default();
    keys.insert("K1", SPKI).unwrap();
    keys.insert("K2", OTHER).unwrap();
    Verifier::new(keys)
}

fn request<'a>(path: &'a str, query: &'a str) -> Request<'a> {
    Request {
        scheme: "https",
        host: HOST,
        path,
        query: Some(query),
        cookies: None,
    }
}

fn check(path: &str, query: &str) -> Result<Verified, CloudFrontError> {
    verifier().verify(&request(path, query), PEER, NOW)
}

fn let_in(custom: bool, bound_to_address: bool) -> Result<Verified, CloudFrontError> {
    Ok(Verified {
        expires: EXP - 1,
        bound_to_address,
        custom,
    })
}

#[test]
fn policies_are_written_as_python_writes_them() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 7);
    for vector in vectors {
        assert_eq!(vector.policy().json(), vector.policy);
        let custom = Policy {
            custom: true,
            ..vector.policy()
        };
        assert_eq!(Policy::parse(vector.policy.as_bytes()), Some(custom));
    }
}

#[test]
fn signs_as_openssl_does() {
    let signers = [PKCS8, PKCS1].map(|pem| Signer::from_pem("K1", pem).unwrap());
    for (place, vector) in vectors().into_iter().enumerate().skip(2).take(4) {
        let [pkcs8, pkcs1] = &signers;
        let policy = vector.policy();
        let url = "https://cdn.example.com/cam/live.m3u8";
        let signed = pkcs8.sign_url(url, &policy, Digest::Sha1, [place as u8; 32]);
        assert_eq!(signed, Ok(format!("{url}?{}", vector.query())));
        let url = "https://cdn.example.com/cam/live.m3u8?a=1";
        let signed = pkcs1.sign_url(url, &policy, Digest::Sha256, [7; 32]);
        assert_eq!(signed, Ok(format!("{url}&{}", vector.query_of_sha256())));
    }
}

#[test]
fn cookies_as_cloudfront_names_them() {
    let signer = Signer::from_pem("K1", PKCS8).unwrap();
    let canned = vector(0);
    let cookies = signer
        .sign_cookies(&canned.policy(), Digest::Sha1, [0; 32])
        .unwrap();
    let expected = [
        ("CloudFront-Expires", EXP.to_string()),
        ("CloudFront-Signature", canned.sha1),
        ("CloudFront-Key-Pair-Id", "K1".to_owned()),
    ];
    assert_eq!(cookies, expected);
    let custom = vector(3);
    let cookies = signer
        .sign_cookies(&custom.policy(), Digest::Sha256, [0; 32])
        .unwrap();
    let expected = [
        (
            "CloudFront-Policy",
            base64::encode(custom.policy.as_bytes()),
        ),
        ("CloudFront-Signature", custom.sha256),
        ("CloudFront-Key-Pair-Id", "K1".to_owned()),
        ("CloudFront-Hash-Algorithm", "SHA256".to_owned()),
    ];
    assert_eq!(cookies, expected);
}

#[test]
fn a_canned_policy_is_for_one_url() {
    let vector = vector(0);
    for query in [vector.query(), vector.query_of_sha256()] {
        assert_eq!(check("/cam/live.m3u8", &query), let_in(false, false));
    }
    let query = vector.query();
    for path in [
        "/dog/live.m3u8",
        "/cam/live.flv",
        "/cam/ts/1.ts",
        "/cam/live.m3u8/",
        "/",
    ] {
        assert_eq!(
            check(path, &query),
            Err(CloudFrontError::Signature),
            "{path}"
        );
    }
    let more = format!("{query}&_HLS_msn=7");
    assert_eq!(
        check("/cam/live.m3u8", &more),
        Err(CloudFrontError::Signature)
    );
    for (scheme, host) in [
        ("http", HOST),
        ("https", "example.com"),
        ("https", "cdn.example.com:8443"),
    ] {
        let request = Request {
            scheme,
            host,
            ..request("/cam/live.m3u8", &query)
        };
        assert_eq!(
            verifier().verify(&request, PEER, NOW),
            Err(CloudFrontError::Signature)
        );
    }
}

#[test]
fn a_canned_policy_covers_the_query_of_its_url() {
    let vector = vector(1);
    let query = vector.query();
    let of = |query: &str| {
        let (scheme, host) = ("http", "127.0.0.1:8080");
        let request = Request {
            scheme,
            host,
            ..request("/cam/live.flv", query)
        };
        verifier().verify(&request, PEER, NOW)
    };
    assert_eq!(of(&format!("a=1&b=%2F&{query}")), let_in(false, false));
    assert_eq!(of(&format!("{query}&a=1&b=%2F")), let_in(false, false));
    for other in ["a=1&b=/", "a=1", "b=%2F&a=1", "a=1&b=%2F&", "a=1&b=%2f"] {
        assert_eq!(
            of(&format!("{other}&{query}")),
            Err(CloudFrontError::Signature),
            "{other}"
        );
    }
    assert_eq!(of(&query), Err(CloudFrontError::Signature));
}

#[test]
fn a_custom_policy_is_for_what_it_matches() {
    let vector = vector(3);
    for query in [vector.query(), vector.query_of_sha256()] {
        for path in ["/cam/", "/cam/live.m3u8", "/cam/720p/ts/1.ts"] {
            let query = format!("_HLS_msn=7&{query}");
            assert_eq!(check(path, &query), let_in(true, false), "{path}");
        }
    }
    let query = vector.query();
    for path in [
        "/cam",
        "/dog/live.m3u8",
        "/camera/live.m3u8",
        "/dog/cam/live.m3u8",
    ] {
        assert_eq!(
            check(path, &query),
            Err(CloudFrontError::Resource),
            "{path}"
        );
    }
    let request = Request {
        host: "evil.org",
        ..request("/cam/live.m3u8", &query)
    };
    assert_eq!(
        verifier().verify(&request, PEER, NOW),
        Err(CloudFrontError::Resource)
    );
}

#[test]
fn a_query_does_not_make_up_for_a_path() {
    let query = vector(4).query();
    assert_eq!(check("/cam/live.m3u8", &query), let_in(true, false));
    let trick = format!("x=/cam/&{query}");
    assert_eq!(
        check("/dog/live.m3u8", &trick),
        Err(CloudFrontError::Resource)
    );
    assert_eq!(check("/cam/live.m3u8", &trick), let_in(true, false));
}

#[test]
fn an_address_that_leads_elsewhere_is_refused() {
    let query = vector(3).query();
    for path in [
        "/cam/../dog/live.m3u8",
        "/cam/%2e%2e/dog/live.m3u8",
        "/cam/..%2fdog",
        "/cam\\..\\dog",
        "cam/",
        "",
    ] {
        assert_eq!(check(path, &query), Err(CloudFrontError::Address), "{path}");
    }
    for host in [
        "cdn.example.com/cam/x",
        "cdn.example.com?",
        "a@cdn.example.com",
        "cdn.example.com#",
        "",
        "a b",
        "é",
    ] {
        let request = Request {
            host,
            ..request("/dog/live.m3u8", &query)
        };
        assert_eq!(
            verifier().verify(&request, PEER, NOW),
            Err(CloudFrontError::Address),
            "{host}"
        );
    }
    for scheme in ["", "HTTPS", "https://cdn.example.com/cam", "javascript"] {
        let request = Request {
            scheme,
            ..request("/cam/live.m3u8", &query)
        };
        assert_eq!(
            verifier().verify(&request, PEER, NOW),
            Err(CloudFrontError::Address),
            "{scheme}"
        );
    }
}

#[test]
fn time_decides() {
    let at = |place: usize, now| {
        let query = vector(place).query();
        verifier().verify(&request("/cam/live.m3u8", &query), PEER, now)
    };
    for place in [0, 3] {
        assert!(at(place, 0).is_ok());
        assert!(at(place, EXP - 1).is_ok());
        assert_eq!(at(place, EXP), Err(CloudFrontError::Expired));
        assert_eq!(at(place, u64::MAX), Err(CloudFrontError::Expired));
    }
    assert_eq!(at(4, 1_699_999_000), Err(CloudFrontError::NotYet));
    assert!(at(4, 1_699_999_001).is_ok());
}

#[test]
fn the_client_decides() {
    let query = vector(5).query();
    let verifier = verifier();
    let from = |peer: &str| {
        verifier.verify(
            &request("/cam/live.m3u8", &query),
            peer.parse().unwrap(),
            NOW,
        )
    };
    assert_eq!(from("192.0.2.255"), let_in(true, true));
    assert_eq!(from("::ffff:192.0.2.1"), let_in(true, true));
    for peer in ["192.0.3.1", "::1", "::192.0.2.1"] {
        assert_eq!(from(peer), Err(CloudFrontError::Network), "{peer}");
    }
}

#[test]
fn cookies_let_in() {
    let verifier = verifier();
    for (place, path, query) in [
        (0, "/cam/live.m3u8", None),
        (3, "/cam/ts/1.ts", Some("_HLS_msn=7")),
    ] {
        let vector = vector(place);
        let cookies = vector.cookies();
        let request = Request {
            query,
            cookies: Some(&cookies),
            ..request(path, "")
        };
        assert_eq!(
            verifier.verify(&request, PEER, NOW),
            let_in(vector.custom, false)
        );
        let tight = cookies.replace("; ", ";");
        let request = Request {
            cookies: Some(&tight),
            ..request
        };
        assert_eq!(
            verifier.verify(&request, PEER, NOW),
            let_in(vector.custom, false)
        );
    }
}

#[test]
fn a_signed_url_goes_before_cookies() {
    let vector = vector(3);
    let (query, cookies) = (vector.query(), vector.cookies());
    let forged = query.replace("Signature=", "Signature=AAAA");
    let request = Request {
        cookies: Some(&cookies),
        ..request("/cam/live.m3u8", &forged)
    };
    assert_eq!(
        verifier().verify(&request, PEER, NOW),
        Err(CloudFrontError::Signature)
    );
    let expired = cookies.replace("CloudFront-Policy=", "CloudFront-Policy=x");
    let request = Request {
        query: Some(&query),
        cookies: Some(&expired),
        ..request
    };
    assert_eq!(verifier().verify(&request, PEER, NOW), let_in(true, false));
}

#[test]
fn missing() {
    for (query, cookies) in [
        (None, None),
        (Some(""), Some("")),
        (Some("a=1&Expires=5"), Some("CloudFront-Expires=5; a=b")),
    ] {
        let request = Request {
            query,
            cookies,
            ..request("/cam/live.m3u8", "")
        };
        assert_eq!(
            verifier().verify(&request, PEER, NOW),
            Err(CloudFrontError::Missing)
        );
    }
}

#[test]
fn malformed() {
    let vector = vector(0);
    let (query, signature) = (vector.query(), vector.sha1.as_str());
    let custom = format!(
        "Policy={}&Signature={signature}&Key-Pair-Id=K1",
        base64::encode(vector.policy.as_bytes())
    );
    let cases = [
        (query.replace("Expires=", "Expires=+"), "Expires"),
        (query.replace("Expires=", "Expires=0"), "Expires"),
        (query.replace("Expires=", "Expires=99999999999"), "Expires"),
        (query.replace(&format!("Expires={EXP}&"), ""), "Expires"),
        (format!("{query}&Expires={EXP}"), "Expires"),
        (format!("{query}&Signature={signature}"), "Signature"),
        (query.replace("Signature", "signature"), "Signature"),
        (query.replace(signature, ""), "Signature"),
        (query.replace(signature, &signature[1..]), "Signature"),
        (
            query.replace(signature, &format!("{signature}=")),
            "Signature",
        ),
        (query.replace('-', "+"), "Signature"),
        (format!("{query}&Key-Pair-Id=K1"), "Key-Pair-Id"),
        (query.replace("&Key-Pair-Id=K1", ""), "Key-Pair-Id"),
        (format!("{query}&Hash-Algorithm=MD5"), "Hash-Algorithm"),
        (format!("{query}&Hash-Algorithm="), "Hash-Algorithm"),
        (format!("{query}&Hash-Algorithm=sha256"), "Hash-Algorithm"),
        (
            format!("{query}&Hash-Algorithm=SHA1&Hash-Algorithm=SHA1"),
            "Hash-Algorithm",
        ),
        (format!("{custom}&Expires={EXP}"), "Policy"),
        (custom.replace("Policy=", "Policy=-"), "Policy"),
    ];
    for (query, field) in cases {
        let verdict = check("/cam/live.m3u8", &query);
        let expected = CloudFrontError::Malformed(field);
        assert_eq!(verdict, Err(expected), "{query}");
    }
    let long = format!("{query}&{}", "a".repeat(crate::playback::MAX_QUERY_BYTES));
    assert_eq!(
        check("/cam/live.m3u8", &long),
        Err(CloudFrontError::Malformed("the query"))
    );
    let cookies = "a".repeat(MAX_COOKIE_BYTES + 1);
    let request = Request {
        cookies: Some(&cookies),
        ..request("/cam/live.m3u8", "")
    };
    assert_eq!(
        verifier().verify(&request, PEER, NOW),
        Err(CloudFrontError::Malformed("the cookie"))
    );
    let cookies = format!("{}; CloudFront-Signature=x", vector.cookies());
    let request = Request {
        cookies: Some(&cookies),
        ..request
    };
    assert_eq!(
        verifier().verify(&request, PEER, NOW),
        Err(CloudFrontError::Malformed("Signature"))
    );
}

#[test]
fn swapped_parts_are_refused() {
    let (canned, custom) = (vector(0), vector(3));
    let path = "/cam/live.m3u8";
    let cases = [
        canned.query().replace(&canned.sha1, &custom.sha1),
        custom.query().replace(&custom.sha1, &canned.sha1),
        canned.query().replace(&canned.sha1, &canned.sha256),
        format!("{}&Hash-Algorithm=SHA256", canned.query()),
        canned.query_of_sha256().replace("SHA256", "SHA1"),
        canned.query().replace("K1", "K2"),
        canned
            .query()
            .replace(&EXP.to_string(), &(EXP + 1).to_string()),
    ];
    for query in cases {
        assert_eq!(
            check(path, &query),
            Err(CloudFrontError::Signature),
            "{query}"
        );
    }
    let unknown = canned.query().replace("K1", "K3");
    assert_eq!(check(path, &unknown), Err(CloudFrontError::UnknownKey));
}

#[test]
fn a_signature_is_worked_out_once() {
    let verifier = verifier();
    let query = vector(3).query();
    for number in 0..50 {
        let path = format!("/cam/ts/{number}.ts");
        assert!(verifier.verify(&request(&path, &query), PEER, NOW).is_ok());
    }
    assert_eq!(verifier.remembered(), 1);
    // What is remembered is the signature, not that somebody was let in.
    let request = request("/dog/live.m3u8", &query);
    assert_eq!(
        verifier.verify(&request, PEER, NOW),
        Err(CloudFrontError::Resource)
    );
    let forged = query.replace("Key-Pair-Id=K1", "Key-Pair-Id=K2");
    let request = Request {
        query: Some(&forged),
        ..request
    };
    assert_eq!(
        verifier.verify(&request, PEER, NOW),
        Err(CloudFrontError::Signature)
    );
    assert_eq!(verifier.remembered(), 1);
}

#[test]
fn what_is_remembered_is_bounded() {
    let remembered = remembered::Remembered::default();
    let hash = |number: usize| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        hash
    };
    for number in 0..MAX_YOUNG * 3 {
        remembered.insert(hash(number));
        // One that is asked for all the time stays.
        assert!(remembered.contains(&hash(0)), "{number}");
    }
    assert!(remembered.len() <= MAX_YOUNG * 2);
    assert!(!remembered.contains(&hash(1)));
    assert!(remembered.contains(&hash(MAX_YOUNG * 3 - 1)));
}

#[test]
fn policies_that_are_none_of_ours_are_refused() {
    let good =
        r#"{"Statement":[{"Resource":"x","Condition":{"DateLessThan":{"AWS:EpochTime":5}}}]}"#;
    let same = |text: &str| Policy::parse(text.as_bytes());
    assert!(same(good).is_some());
    assert!(
        same(
            &good
                .replace(':', " : ")
                .replace(",", "\n,\t")
                .replace("AWS : ", "AWS:")
        )
        .is_some()
    );
    assert!(same(&good.replace(r#""Resource":"x","#, "")).is_some());
    assert!(same(&good.replace('x', &"x".repeat(4_096))).is_none());
    for text in [
        "",
        "{}",
        "[]",
        "null",
        "{\"Statement\":[]}",
        &good.replace("[{", "[{},{"),
        &good.replace("5}", "5.0}"),
        &good.replace("5}", "-5}"),
        &good.replace("5}", "\"5\"}"),
        &good.replace("5}", "18446744073709551616}"),
        &good.replace("5}", "1e3}"),
        &good.replace("DateLessThan", "DateGreaterThan"),
        &good.replace("DateLessThan", "datelessthan"),
        &good.replace("\"x\"", "[\"x\"]"),
        &good.replace("\"Resource\"", "\"Resource\":\"y\",\"Resource\""),
        &good.replace("\"Resource\"", "\"Effect\":\"Allow\",\"Resource\""),
        &good.replace("}}}", "},\"StringLike\":{}}}"),
        &good.replace("}}}", "},\"IpAddress\":{\"AWS:SourceIp\":\"x\"}}}"),
        &good.replace(
            "}}}",
            "},\"IpAddress\":{\"AWS:SourceIp\":[\"10.0.0.0/8\"]}}}",
        ),
        &good.replace(
            "}}}",
            "},\"IpAddress\":{\"AWS:SourceIp\":\"10.0.0.0/33\"}}}",
        ),
        &format!("{good}x"),
        &format!("{}{}", "[".repeat(2_000), "]".repeat(2_000)),
    ] {
        assert_eq!(same(text), None, "{text}");
    }
    assert_eq!(Policy::parse(b"\xFF"), None);
}

#[test]
fn keys_of_both_spellings() {
    let query = vector(0).query();
    for pem in [
        SPKI.to_owned(),
        RSA_PUBLIC.to_owned(),
        SPKI.replace('\n', "\r\n"),
        format!("\n{SPKI}\n\n"),
    ] {
        let mut keys = PublicKeys::default();
        keys.insert("K1", &pem).unwrap();
        assert!(
            Verifier::new(keys)
                .verify(&request("/cam/live.m3u8", &query), PEER, NOW)
                .is_ok()
        );
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let mut keys = PublicKeys::default();
    let small = include_str!("../../tests/vectors/cloudfront/small.pem");
    let curve = include_str!("../../tests/vectors/cloudfront/ec.pem");
    assert_eq!(keys.insert("K1", small), Err(InvalidKey::Size(1_024)));
    for pem in ["", "x", curve, PKCS8, &SPKI[..200], &SPKI.replace('A', "B")] {
        assert_eq!(keys.insert("K1", pem), Err(InvalidKey::Public));
    }
    let long = "K".repeat(129);
    for id in ["", "K 1", "K&1", "K;1", "Ä", long.as_str()] {
        assert_eq!(keys.insert(id, SPKI), Err(InvalidKey::Id));
        assert_eq!(Signer::from_pem(id, PKCS8).unwrap_err(), InvalidKey::Id);
    }
    assert!(keys.is_empty());
    for pem in ["", SPKI, curve, &PKCS8[..800]] {
        assert_eq!(
            Signer::from_pem("K1", pem).unwrap_err(),
            InvalidKey::Private
        );
    }
    for number in 0..MAX_KEYS {
        keys.insert(format!("K{number}"), SPKI).unwrap();
    }
    assert_eq!(keys.insert("more", SPKI), Err(InvalidKey::TooMany));
    assert_eq!(keys.insert("K7", OTHER), Ok(()));
}

#[test]
fn nothing_secret_is_shown() {
    let signer = Signer::from_pem("K1", PKCS8).unwrap();
    assert_eq!(format!("{signer:?}"), "Signer { key_pair_id: \"K1\", .. }");
    let query = vector(3).query();
    let request = Request {
        cookies: Some("CloudFront-Signature=x"),
        ..request("/dog/live.m3u8", &query)
    };
    let error = verifier().verify(&request, PEER, NOW).unwrap_err();
    let shown = format!("{request:?} {error} {error:?}");
    assert!(
        !shown.contains("Signature=") && !shown.contains(&query[7..20]),
        "{shown}"
    );
}

#[test]
fn a_pattern_takes_no_more_than_its_time() {
    let (stars, text) = ("*a".repeat(1_000), "b".repeat(4_000));
    assert!(!matches(stars.as_bytes(), text.as_bytes()));
    assert!(matches(b"*", text.as_bytes()));
}

/// Whether `pattern` matches `text`, by trying everything.
fn plainly(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|taken| plainly(rest, &text[taken..])),
        ([wanted, rest @ ..], [byte, behind @ ..]) => {
            (*wanted == b'?' || wanted == byte) && plainly(rest, behind)
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn wildcards(pattern in "[ab*?]{0,8}", text in "[ab?]{0,10}") {
        let expected = plainly(pattern.as_bytes(), text.as_bytes());
        prop_assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected);
    }

    #[test]
    fn a_policy_reads_as_it_was_written(
        resource in "\\PC{0,40}", expires in any::<u64>(), after in proptest::option::of(any::<u64>()),
        network in proptest::option::of((any::<u32>(), 0u8..=32)),
    ) {
        let mut policy = Policy::custom(resource, expires);
        if let Some(after) = after {
            policy = policy.starting_after(after);
        }
        if let Some((address, length)) = network {
            policy = policy.for_network(ipnet::Ipv4Net::new(address.into(), length).unwrap());
        }
        let text = policy.json();
        prop_assert!(text.is_ascii());
        prop_assert_eq!(Policy::parse(text.as_bytes()), Some(policy));
    }

    #[test]
    fn a_changed_byte_never_passes(position in 0usize..380, byte in 0u8..128) {
        let mut bytes = vector(0).query().into_bytes();
        prop_assume!(position < bytes.len() && bytes[position] != byte);
        bytes[position] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(check("/cam/live.m3u8", &changed).is_err(), "{}", changed);
    }

    #[test]
    fn arbitrary_text_is_refused(text in "\\PC{0,100}") {
        fuzzing::request(text.as_bytes());
    }
}
