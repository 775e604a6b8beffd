//! The kinds of protection, and who comes.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use lsv_auth::cloudfront::{Digest, Policy, Signer};
use lsv_auth::push::{Algorithm, Expiry};
use lsv_auth::{Secret, playback, push};
use lsv_tests::{PLAYBACK_SECRET, SECRET};
use serde_json::{Value, json};

use crate::asking::Told;
use crate::ways::Way;

/// A kind of protection, and those who want to watch in spite of it.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) settings: Value,
    pub(crate) cases: Vec<Case>,
}

/// Somebody who wants to watch.
pub(crate) struct Case {
    pub(crate) who: &'static str,
    pub(crate) told: Told,
    /// The ways out on which it may, by the beginnings of their addresses.
    pub(crate) lets_in: LetsIn,
}

pub(crate) enum LetsIn {
    Everywhere,
    Nowhere,
    /// Over HTTP alone: what it shows does not exist over RTMP.
    Http,
    /// On this address alone.
    At(&'static str),
}

impl Case {
    pub(crate) fn is_let_in(&self, way: &Way) -> bool {
        match self.lets_in {
            LetsIn::Everywhere => true,
            LetsIn::Nowhere => false,
            LetsIn::Http => !way.is_rtmp(),
            LetsIn::At(address) => way.address.starts_with(address),
        }
    }
}

fn open() -> Value {
    json!({
        "playToken": "off", "playCloudFront": "off", "playHosts": "", "playEmptyReferer": "platform",
        "playAllow": "", "playDeny": "",
    })
}

fn only(field: &str, value: &str) -> Value {
    let mut settings = open();
    settings[field] = value.into();
    settings
}

fn case(who: &'static str, told: Told, lets_in: LetsIn) -> Case {
    Case { who, told, lets_in }
}

fn query(query: impl Into<String>) -> Told {
    Told {
        query: query.into(),
        ..Told::default()
    }
}

/// All kinds, for a server at `base`.
pub(crate) fn kinds(base: &str) -> Vec<Kind> {
    vec![
        Kind {
            name: "none",
            settings: open(),
            cases: vec![case("anybody", Told::default(), LetsIn::Everywhere)],
        },
        tokens(),
        bound_tokens(),
        cloud_front(base),
        pages(),
        networks(),
    ]
}

fn tokens() -> Kind {
    use LetsIn::{At, Everywhere, Nowhere};
    let mint = |prefix: &str, expires| playback::mint(&playback_secret(), prefix, expires, None);
    let good = mint("/cam", soon());
    let forged = match good.strip_suffix('0') {
        Some(rest) => format!("{rest}1"),
        None => format!("{}0", &good[..good.len() - 1]),
    };
    let later = good.replacen("exp=", "exp=1", 1);
    let push_key = push::mint(
        &Secret::new(SECRET).expect("a secret"),
        Algorithm::HmacSha256,
        "/stream/cam",
        Expiry::from_unix(soon()),
    );
    Kind {
        name: "token",
        settings: only("playToken", "on"),
        cases: vec![
            case("a good token", query(&good), Everywhere),
            case(
                "one for the whole platform",
                query(mint("/", soon())),
                Everywhere,
            ),
            case(
                "one for recordings",
                query(mint("/cam/vod", soon())),
                At("/cam/vod/"),
            ),
            case("no token", Told::default(), Nowhere),
            case(
                "an expired token",
                query(mint("/cam", soon() - 7_200)),
                Nowhere,
            ),
            case("a forged token", query(forged), Nowhere),
            case("one with a later expiry", query(later), Nowhere),
            case("another channel's", query(mint("/camera", soon())), Nowhere),
            case("a part of its path", query(mint("/ca", soon())), Nowhere),
            case("one that is cut", query(&good[..good.len() - 1]), Nowhere),
            case(
                "one without its expiry",
                query(good.split_once('&').expect("a query").1),
                Nowhere,
            ),
            case("one given twice", query(format!("{good}&{good}")), Nowhere),
            case("a push key", query(format!("sign={push_key}")), Nowhere),
            case(
                "a push key as token",
                query(push_as_token(&push_key)),
                Nowhere,
            ),
        ],
    }
}

fn push_as_token(key: &str) -> String {
    let (expiry, signature) = key.split_once('-').expect("a key");
    format!("exp={expiry}&token={signature}")
}

fn bound_tokens() -> Kind {
    use LetsIn::{Everywhere, Http, Nowhere};
    let mint = |ip: Option<&str>| {
        let ip = ip.map(|ip| ip.parse::<IpAddr>().expect("an address"));
        playback::mint(&playback_secret(), "/cam", soon(), ip)
    };
    let of_viewer = Told {
        forwarded_for: VIEWER,
        ..query(mint(Some(VIEWER)))
    };
    Kind {
        name: "token, ip",
        settings: only("playToken", "ip"),
        cases: vec![
            case("its viewer", of_viewer.clone(), Http),
            case(
                "a viewer on this machine",
                query(mint(Some("127.0.0.1"))),
                Everywhere,
            ),
            case(
                "somebody else",
                Told {
                    forwarded_for: STRANGER,
                    ..of_viewer.clone()
                },
                Nowhere,
            ),
            case(
                "who says to be the viewer",
                Told {
                    forwarded_for: "192.0.2.7, 198.51.100.1",
                    ..of_viewer
                },
                Nowhere,
            ),
            case(
                "a token for anybody",
                Told {
                    forwarded_for: VIEWER,
                    ..query(mint(None))
                },
                Nowhere,
            ),
        ],
    }
}

fn cloud_front(base: &str) -> Kind {
    use LetsIn::{At, Http, Nowhere};
    let signer = Signer::from_pem(
        KEY_PAIR,
        include_str!("../../../lsv-auth/tests/vectors/cloudfront/pkcs8.pem"),
    );
    let signer = signer.expect("a key");
    let sign = |policy: &Policy, digest| {
        let url = signer
            .sign_url("", policy, digest, [7; 32])
            .expect("a signature");
        query(url.trim_start_matches('?'))
    };
    let custom = |resource: &str, expires| Policy::custom(format!("{base}{resource}"), expires);
    let cookies = |policy: &Policy, digest| {
        let cookies = signer
            .sign_cookies(policy, digest, [7; 32])
            .expect("a signature");
        let pairs: Vec<String> = cookies
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Told {
            cookies: pairs.join("; "),
            ..Told::default()
        }
    };
    let (all, over) = (custom("/cam*", soon()), custom("/cam*", soon() - 7_200));
    let network = all.clone().for_network(
        "192.0.2.0/24"
            .parse::<lsv_auth::cidr::IpNet>()
            .expect("a network"),
    );
    let canned = Policy::canned(format!("{base}/cam/live.flv"), soon());
    let good = sign(&all, Digest::Sha256);
    // Another platform has the same key pair.
    let neighbours = Policy::custom("http*://neighbour.example/cam*", soon());
    let from = |forwarded_for, told: Told| Told {
        forwarded_for,
        ..told
    };
    Kind {
        name: "CloudFront",
        settings: only("playCloudFront", "on"),
        cases: vec![
            case("a custom policy, SHA-256", good.clone(), Http),
            case("a custom policy, SHA-1", sign(&all, Digest::Sha1), Http),
            case(
                "cookies, custom policy",
                cookies(&all, Digest::Sha256),
                Http,
            ),
            case("cookies, SHA-1", cookies(&all, Digest::Sha1), Http),
            case(
                "a canned policy",
                sign(&canned, Digest::Sha1),
                At("/cam/live.flv"),
            ),
            case(
                "cookies, canned policy",
                cookies(&canned, Digest::Sha256),
                At("/cam/live.flv"),
            ),
            case(
                "a policy for its network",
                from(VIEWER, sign(&network, Digest::Sha1)),
                Http,
            ),
            case(
                "the same from elsewhere",
                from(STRANGER, sign(&network, Digest::Sha1)),
                Nowhere,
            ),
            case("nothing signed", Told::default(), Nowhere),
            case(
                "another platform's, under its name",
                Told {
                    host: "neighbour.example",
                    ..sign(&neighbours, Digest::Sha256)
                },
                Nowhere,
            ),
            case("an expired policy", sign(&over, Digest::Sha1), Nowhere),
            case("expired cookies", cookies(&over, Digest::Sha1), Nowhere),
            case(
                "another channel's",
                sign(&custom("/dog/*", soon()), Digest::Sha1),
                Nowhere,
            ),
            case(
                "one that is cut",
                query(&good.query[..good.query.len() / 2]),
                Nowhere,
            ),
            case(
                "one given twice",
                query(format!("{0}&{0}", good.query)),
                Nowhere,
            ),
            case(
                "a forged signature",
                query(good.query.replacen("Signature=", "Signature=AAAA", 1)),
                Nowhere,
            ),
            case(
                "an unknown key pair",
                query(good.query.replacen(KEY_PAIR, "K00000000000", 1)),
                Nowhere,
            ),
        ],
    }
}

fn pages() -> Kind {
    use LetsIn::{Everywhere, Nowhere};
    let from = |page: &'static str| Told {
        referer: Some(page),
        ..Told::default()
    };
    let mut settings = only("playHosts", "example.com,*.example.com");
    settings["playEmptyReferer"] = "refuse".into();
    let mut cases = vec![
        case(
            "an allowed page",
            from("https://example.com/watch"),
            Everywhere,
        ),
        case(
            "a page below",
            from("http://WWW.Example.com:8080/"),
            Everywhere,
        ),
        case("no page", Told::default(), Nowhere),
    ];
    for page in [
        "https://evil-example.com/",
        "https://example.com.evil.net/",
        "https://example.com@evil.net/",
        "https://example.com:x@evil.net/",
        "https://evil.net/https://example.com/",
        "ftp://example.com/",
    ] {
        cases.push(case(page, from(page), Nowhere));
    }
    Kind {
        name: "hotlink",
        settings,
        cases,
    }
}

fn networks() -> Kind {
    let from = |forwarded_for| Told {
        forwarded_for,
        ..Told::default()
    };
    let mut settings = only("playAllow", "192.0.2.0/24");
    settings["playDeny"] = "192.0.2.8".into();
    Kind {
        name: "networks",
        settings,
        // Over RTMP all of them are on this machine.
        cases: vec![
            case("an allowed address", from(VIEWER), LetsIn::Http),
            case("an address that is not", from(STRANGER), LetsIn::Nowhere),
            case("a denied address", from("192.0.2.8"), LetsIn::Nowhere),
            case("it, mapped", from("::ffff:192.0.2.8"), LetsIn::Nowhere),
            case("no proxy", Told::default(), LetsIn::Nowhere),
        ],
    }
}

pub(crate) fn playback_secret() -> Secret {
    Secret::new(PLAYBACK_SECRET).expect("a secret")
}

/// In an hour.
pub(crate) fn soon() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    now.as_secs() + 3_600
}

/// The file with the public half of the key pair.
pub(crate) fn public_key() -> String {
    format!(
        "{}/../lsv-auth/tests/vectors/cloudfront/spki.pem",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// Where its private half is.
pub(crate) fn private_key() -> String {
    public_key().replace("spki", "pkcs8")
}

pub(crate) const KEY_PAIR: &str = "K2JCJMDEHXQW5F";
const VIEWER: &str = "192.0.2.7";
const STRANGER: &str = "198.51.100.1";
