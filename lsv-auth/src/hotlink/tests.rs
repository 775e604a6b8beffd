use proptest::prelude::*;

use super::*;

fn rule(hosts: &str, allow_empty: bool) -> Rule {
    Rule {
        hosts: hosts.parse().unwrap(),
        allow_empty,
    }
}

/// Whether a page with this address may embed where `example.com` and what is below `example.net` may.
fn may(page: &str) -> bool {
    let rule = rule("example.com,*.example.net", true);
    let by_referer = rule.admits(Some(page), None);
    assert_eq!(by_referer, rule.admits(None, Some(page)), "{page}");
    by_referer.is_ok()
}

#[test]
fn allowed_hosts() {
    for page in [
        "https://example.com",
        "https://example.com/",
        "http://example.com/watch?v=1#t",
        "https://example.com?x",
        "https://example.com#x",
        "https://example.com:8443/",
        "https://example.com:/",
        "HTTPS://EXAMPLE.COM/",
        "https://Example.Com./",
        "https://www.example.net/",
        "https://b.a.EXAMPLE.net.:80/",
        "https://example.com/https://evil.org/",
        "https://example.com/a@b",
    ] {
        assert!(may(page), "{page}");
    }
}

#[test]
fn lookalikes_are_refused() {
    for page in [
        "https://evil-example.com/",
        "https://evilexample.com/",
        "https://example.com.evil/",
        "https://example.com.evil.org/",
        "https://example.com@evil.org/",
        "https://example.com:80@evil.org/",
        "https://evil.org/?example.com",
        "https://evil.org?https://example.com/",
        "https://evil.org/#example.com",
        "https://evil.org/example.com",
        "https://evil.org#@example.com/",
        "https://evil.org?@example.com/",
        "https://evil.org\\@example.com/",
        "https://evil.org\\.example.net/",
        "https://evil.org%2f.example.net/",
        "https://evil.org%00.example.net/",
        "https://evil.org\t.example.net/",
        "https://evil.org .example.net/",
        "https://evil@example.com/",
        "https://www.example.com/",
        "https://example.net/",
        "https://.example.net/",
        "https://evil-example.net/",
        "https://example.com../",
        "https://exämple.com/",
        "https://example。com/",
        "https://exаmple.com/",
        "https://127.0.0.1/",
    ] {
        assert!(!may(page), "{page}");
    }
}

#[test]
fn what_is_no_page_is_refused() {
    for page in [
        "example.com",
        "//example.com/",
        "https:example.com",
        "https:/example.com",
        "https:///example.com",
        "https://",
        "ftp://example.com/",
        "file:///example.com",
        "javascript://example.com/",
        "about:blank",
        "data:text/html,https://example.com",
        " https://example.com/",
        "https://example.com:x/",
        "https://example.com:443443/",
        "https://example.com:80:80/",
        "https://[::1",
        "https://[example.com]/",
        "https://example.com,https://evil.org",
        "https://example.com https://evil.org",
        "NULL",
        "undefined",
        "-",
    ] {
        let rule = rule("example.com", true);
        assert_eq!(
            rule.admits(Some(page), None),
            Err(HotlinkError::Unreadable),
            "{page}"
        );
    }
}

#[test]
fn both_must_be_allowed() {
    let rule = rule("example.com", false);
    let (good, evil) = (Some("https://example.com/"), Some("https://evil.org"));
    assert_eq!(rule.admits(good, good), Ok(()));
    assert_eq!(rule.admits(good, evil), Err(HotlinkError::Host));
    assert_eq!(rule.admits(evil, good), Err(HotlinkError::Host));
    assert_eq!(rule.admits(Some(""), good), Ok(()));
    assert_eq!(rule.admits(good, Some("")), Ok(()));
}

#[test]
fn empty_only_where_allowed() {
    let (open, closed) = (rule("example.com", true), rule("example.com", false));
    for (referer, origin) in [
        (None, None),
        (Some(""), None),
        (None, Some("")),
        (Some(""), Some("")),
    ] {
        assert_eq!(open.admits(referer, origin), Ok(()));
        assert_eq!(closed.admits(referer, origin), Err(HotlinkError::Empty));
    }
}

#[test]
fn null_is_no_page() {
    for allow_empty in [false, true] {
        let rule = rule("example.com", allow_empty);
        let null = Some("null");
        assert_eq!(rule.admits(None, null), Err(HotlinkError::Opaque));
        assert_eq!(rule.admits(Some(""), null), Err(HotlinkError::Opaque));
        assert_eq!(rule.admits(Some("https://example.com/"), null), Ok(()));
        assert_eq!(
            rule.admits(Some("https://evil.org/"), null),
            Err(HotlinkError::Host)
        );
        assert_eq!(rule.admits(null, None), Err(HotlinkError::Unreadable));
    }
}

#[test]
fn addresses_are_hosts() {
    let rule = rule("127.0.0.1,[::1]", false);
    for page in [
        "http://127.0.0.1:8080/",
        "http://[::1]:8080/cam/",
        "http://[0:0::0:1]/",
    ] {
        assert_eq!(rule.admits(Some(page), None), Ok(()), "{page}");
    }
    assert!(rule.admits(Some("http://[::2]/"), None).is_err());
    assert!(rule.admits(Some("http://0127.0.0.1/"), None).is_err());
}

#[test]
fn nobody_is_allowed_by_an_empty_list() {
    let rule = rule("", true);
    assert_eq!(
        rule.admits(Some("https://example.com"), None),
        Err(HotlinkError::Host)
    );
    assert!(rule.hosts.is_empty());
}

#[test]
fn lists_are_written_as_they_are_read() {
    let hosts: Hosts = " Example.com. , *.EXAMPLE.net,[0::1]".parse().unwrap();
    assert_eq!(hosts.to_string(), "example.com,*.example.net,[::1]");
    assert_eq!(hosts.to_string().parse(), Ok(hosts));
}

#[test]
fn lists_that_mean_something_else_are_refused() {
    for text in [
        "*",
        "*.",
        "*.*",
        "*example.com",
        "a.*.com",
        "https://example.com",
        "example.com/",
        "example.com:80",
        ",",
        "example.com,",
        "a b",
        "exämple.com",
        ".example.com",
        "example..com",
        "*.[::1]",
        "[::1",
        "a@b",
    ] {
        assert!(text.parse::<Hosts>().is_err(), "{text}");
    }
    assert_eq!("a,b,c:80".parse::<Hosts>(), Err(InvalidHosts::At(3)));
    let label = "a".repeat(MAX_LABEL);
    assert!(label.parse::<Hosts>().is_ok());
    assert!(format!("{label}a").parse::<Hosts>().is_err());
    assert!([label.as_str(); 5].join(".").parse::<Hosts>().is_err());
    let many = vec!["a"; MAX_HOSTS].join(",");
    assert!(many.parse::<Hosts>().is_ok());
    assert_eq!(
        format!("{many},a").parse::<Hosts>(),
        Err(InvalidHosts::TooMany)
    );
}

proptest! {
    /// However a host is written around, only its own name decides.
    #[test]
    fn only_the_host_decides(
        host in "[a-z]{1,3}(\\.[a-z]{1,3}){0,2}", port in proptest::option::of(0u16..), tail in "([/?#]\\PC{0,30})?",
    ) {
        let rule = rule("a.b,*.c", false);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let page = format!("https://{host}{port}{tail}");
        let expected = host == "a.b" || host.ends_with(".c");
        prop_assert_eq!(rule.admits(Some(&page), None).is_ok(), expected);
    }

    #[test]
    fn arbitrary_text_is_refused(text in "\\PC{0,60}") {
        crate::fuzzing::hotlink(text.as_bytes());
    }
}
