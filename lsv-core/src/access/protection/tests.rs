use lsv_auth::playback::{EXPIRY, TOKEN};

use super::*;
use crate::path::{ChannelId, StreamPath};
use crate::ports::{Access, Presence, Told};

const NOW: Moment = Moment::from_unix(1_700_000_000);
const SOON: u64 = NOW.unix() + 60;

fn secret() -> Secret {
    Secret::new("playback secret").unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A viewer at 192.0.2.7 who asks for `/cam/live.m3u8`, unless it is changed.
#[derive(Clone, Copy)]
struct Viewer<'a> {
    address: &'a str,
    query: Option<&'a str>,
    peer: &'a str,
    told: Told<'a>,
}

impl Default for Viewer<'_> {
    fn default() -> Self {
        Self {
            address: "/cam/live.m3u8",
            query: None,
            peer: "192.0.2.7",
            told: Told::default(),
        }
    }
}

impl Viewer<'_> {
    fn asks<T>(self, ask: impl FnOnce(&AccessRequest<'_>) -> T) -> T {
        ask(&AccessRequest {
            access: Access::Play,
            path: &StreamPath::source(ChannelId::parse("cam").unwrap()),
            address: self.address,
            query: self.query,
            peer: address(self.peer),
            told: self.told,
            presence: Presence::None,
            now: NOW,
        })
    }

    fn judged(self, by: &Protection, settings: Option<&Settings>) -> Result<Pass, Reason> {
        let verdict = self.asks(|request| by.judge(settings, request));
        verdict.map_err(|denied| denied.reason)
    }
}

fn of_page(referer: &str) -> Viewer<'_> {
    Viewer {
        told: Told {
            referer: Some(referer),
            ..Told::default()
        },
        ..Viewer::default()
    }
}

fn channel(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::new(NOW);
    change(&mut settings);
    settings
}

#[test]
fn nothing_is_asked_by_default() {
    let pass = Viewer::default().judged(&Protection::default(), Some(&channel(|_| ())));
    let pass = pass.unwrap();
    assert_eq!((pass.expires, pass.inherited), (None, &[][..]));
    assert!(!pass.is_personal);
}

#[test]
fn tokens_let_in_whom_they_are_for() {
    let mut platform = Protection::with_secret(secret());
    platform.token = Token::On;
    let mint = |prefix, expires, ip| playback::mint(&secret(), prefix, expires, ip);
    let judged = |query: &str| {
        let viewer = Viewer {
            query: Some(query),
            ..Viewer::default()
        };
        viewer.judged(&platform, None)
    };
    let pass = judged(&mint("/cam", SOON, None)).unwrap();
    assert_eq!(pass.expires, Some(Moment::from_unix(SOON)));
    assert_eq!(pass.inherited, [EXPIRY, TOKEN]);
    assert!(!pass.is_personal, "whoever has the address may watch");
    let bound = mint("/cam", SOON, Some(address("192.0.2.7")));
    assert!(judged(&bound).unwrap().is_personal);

    for (query, reason) in [
        (String::new(), Reason::Missing),
        (mint("/cam", NOW.unix() - 1, None), Reason::Expired),
        (mint("/camera", SOON, None), Reason::Mismatch),
        (mint("/cam/vod", SOON, None), Reason::Mismatch),
        (
            mint("/cam", SOON, Some(address("192.0.2.8"))),
            Reason::Mismatch,
        ),
        (format!("{bound}&exp={SOON}"), Reason::Malformed),
        (bound[..bound.len() - 1].to_owned(), Reason::Malformed),
    ] {
        assert_eq!(judged(&query).unwrap_err(), reason, "{query}");
    }
}

#[test]
fn a_token_bound_to_an_address_where_that_is_asked() {
    let platform = Protection::with_secret(secret());
    let settings = channel(|settings| settings.play_token = PlayToken::Ip);
    for (ip, admitted) in [(None, false), (Some("192.0.2.7"), true)] {
        let query = playback::mint(&secret(), "/cam", SOON, ip.map(address));
        let viewer = Viewer {
            query: Some(&query),
            ..Viewer::default()
        };
        assert_eq!(viewer.judged(&platform, Some(&settings)).is_ok(), admitted);
    }
}

#[test]
fn a_channel_may_ask_otherwise_than_the_platform() {
    let mut platform = Protection::with_secret(secret());
    let on = channel(|settings| settings.play_token = PlayToken::On);
    let off = channel(|settings| settings.play_token = PlayToken::Off);
    let same = channel(|_| ());
    let is_open = |platform: &Protection, settings: &Settings| {
        Viewer::default().judged(platform, Some(settings)).is_ok()
    };
    assert!(is_open(&platform, &same) && !is_open(&platform, &on));
    platform.token = Token::On;
    assert!(!is_open(&platform, &same) && is_open(&platform, &off));
    assert!(Viewer::default().judged(&platform, None).is_err());
}

#[test]
fn without_a_secret_no_token_is_good() {
    let query = playback::mint(&secret(), "/cam", SOON, None);
    let viewer = Viewer {
        query: Some(&query),
        ..Viewer::default()
    };
    let on = channel(|settings| settings.play_token = PlayToken::On);
    let platform = Protection::default();
    assert_eq!(
        viewer.judged(&platform, Some(&on)).unwrap_err(),
        Reason::Missing
    );
    assert!(!viewer.asks(|request| platform.is_node(request)));
}

#[test]
fn nodes_are_known_by_their_credential() {
    let platform = Protection::with_secret(secret());
    for (prefix, expires, is_node) in [
        ("/cam", SOON, true),
        ("/", SOON, true),
        ("/other", SOON, false),
        ("/cam", NOW.unix() - 1, false),
    ] {
        let query = node::mint(&secret(), prefix, expires);
        let viewer = Viewer {
            query: Some(&query),
            ..Viewer::default()
        };
        assert_eq!(
            viewer.asks(|request| platform.is_node(request)),
            is_node,
            "{prefix}"
        );
    }
}

#[test]
fn networks() {
    let mut platform = Protection {
        deny: "192.0.2.0/28".parse().unwrap(),
        ..Protection::default()
    };
    let from = |peer, settings: &Settings, platform: &Protection| {
        let viewer = Viewer {
            peer,
            ..Viewer::default()
        };
        viewer.judged(platform, Some(settings))
    };
    let same = channel(|_| ());
    assert_eq!(
        from("::ffff:192.0.2.7", &same, &platform).unwrap_err(),
        Reason::Network
    );
    assert!(from("192.0.2.16", &same, &platform).unwrap().is_personal);

    // A channel cannot let in whom the platform keeps out; it can keep out others.
    let own = channel(|settings| {
        settings.play_allow = "192.0.2.0/24".parse().unwrap();
        settings.play_deny = "192.0.2.32".parse().unwrap();
    });
    for (peer, admitted) in [
        ("192.0.2.7", false),
        ("192.0.2.16", true),
        ("192.0.2.32", false),
        ("198.51.100.1", false),
    ] {
        assert_eq!(from(peer, &own, &platform).is_ok(), admitted, "{peer}");
    }
    platform.allow = "198.51.100.0/24".parse().unwrap();
    assert!(from("198.51.100.1", &same, &platform).is_ok());
    assert!(from("192.0.2.16", &same, &platform).is_err());
    assert!(
        from("192.0.2.16", &own, &platform).is_ok(),
        "its own list instead"
    );
}

#[test]
fn pages() {
    let mut platform = Protection {
        hosts: "example.com,*.example.com".parse().unwrap(),
        ..Protection::default()
    };
    let same = channel(|_| ());
    let from = |page, settings: &Settings| of_page(page).judged(&platform, Some(settings));
    assert!(
        from("https://www.example.com/x", &same)
            .unwrap()
            .is_personal
    );
    for page in [
        "https://evil-example.com/",
        "https://example.com.evil.net/",
        "https://example.com@evil.net/",
        "https://evil.net/?example.com",
        "?",
    ] {
        assert_eq!(from(page, &same).unwrap_err(), Reason::Referer, "{page}");
    }
    let own = channel(|settings| settings.play_hosts = "other.net".parse().unwrap());
    assert!(from("https://other.net/", &own).is_ok());
    assert!(from("https://example.com/", &own).is_err());
    let any = channel(|settings| settings.play_hosts = PlayHosts::Any);
    assert!(!from("https://evil.net/", &any).unwrap().is_personal);

    let nowhere = Viewer::default();
    assert!(nowhere.judged(&platform, Some(&same)).is_ok());
    let refuse = channel(|settings| settings.play_empty_referer = EmptyReferer::Refuse);
    assert_eq!(
        nowhere.judged(&platform, Some(&refuse)).unwrap_err(),
        Reason::Referer
    );
    platform.empty_referer = false;
    assert!(nowhere.judged(&platform, Some(&same)).is_err());
    let allow = channel(|settings| settings.play_empty_referer = EmptyReferer::Allow);
    assert!(nowhere.judged(&platform, Some(&allow)).is_ok());
}

#[test]
fn all_that_is_asked_must_be_met() {
    let mut platform = Protection::with_secret(secret());
    platform.token = Token::On;
    platform.hosts = "example.com".parse().unwrap();
    platform.deny = "192.0.2.8".parse().unwrap();
    let token = playback::mint(&secret(), "/cam", SOON, None);
    let good = Viewer {
        query: Some(&token),
        ..of_page("https://example.com/")
    };
    assert!(good.judged(&platform, None).is_ok());
    for (viewer, reason) in [
        (
            Viewer {
                query: None,
                ..good
            },
            Reason::Missing,
        ),
        (
            Viewer {
                peer: "192.0.2.8",
                ..good
            },
            Reason::Network,
        ),
        (
            Viewer {
                told: of_page("https://evil.net/").told,
                ..good
            },
            Reason::Referer,
        ),
    ] {
        assert_eq!(viewer.judged(&platform, None).unwrap_err(), reason);
    }
}
