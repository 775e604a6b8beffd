use super::*;

fn with_file(text: &str, flags: &[&str]) -> anyhow::Result<Config> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("lsv.toml");
    std::fs::write(&path, text)?;
    let mut options = Options::try_parse_from([&["lsv"], flags].concat())?;
    options.config = Some(path);
    options.resolve()
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = Options::default().resolve().unwrap();
    assert_eq!(config.http, "0.0.0.0:8080".parse().unwrap());
    assert_eq!(config.rtmp, "0.0.0.0:1935".parse().unwrap());
    assert_eq!((config.rtmps, config.https), (None, None));
    assert_eq!(config.grace, Duration::from_secs(30));
    assert_eq!(config.adopt_after, Duration::from_secs(300));
    assert_eq!(config.push_sign, [Algorithm::HmacSha256]);
    assert_eq!(config.plan_bitrate, 10_000_000);
    let publishing = config.publishing;
    assert_eq!(
        (publishing.publishers, publishing.ingest_bit_rate),
        (None, None)
    );
    assert_eq!(publishing.attempts, 20);
}

#[test]
fn publishing_is_bounded_as_the_operator_says() {
    let file = "max-publishers = 7\nmax-ingest-bitrate = \"500M\"\nmax-publish-attempts = 0\n";
    let publishing = with_file(file, &["--max-publishers", "3"])
        .unwrap()
        .publishing;
    assert_eq!(publishing.publishers, Some(3));
    assert_eq!(publishing.ingest_bit_rate, Some(500_000_000));
    assert_eq!(publishing.attempts, 0);
    let error = with_file("max-publishers = 0", &[]).unwrap_err();
    assert!(format!("{error:#}").contains("max-publishers"), "{error:#}");
}

#[test]
fn a_user_of_the_console_has_a_name_and_a_hashed_password() {
    let hash = "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let file = format!("console-user = \"ann\"\nconsole-password = \"{hash}\"\n");
    let config = with_file(&file, &[]).unwrap();
    assert!(config.console.is_some());
    assert!(!format!("{config:?}").contains("argon2id"));
    let without = Options::default().resolve().unwrap();
    assert_eq!(without.console, None);
    assert_eq!(
        without.needs_restart(&config),
        ["console-user or console-password"]
    );
    for (flags, complaint) in [
        (&["--console-user", "ann"][..], "needs console-password"),
        (&["--console-password", hash], "needs console-user"),
        (
            &["--console-user", "ann", "--console-password", "plain text"],
            "lsv hash-password",
        ),
        (
            &["--console-user", "", "--console-password", hash],
            "a user has a name",
        ),
    ] {
        let error = format!("{:#}", with_file("", flags).unwrap_err());
        assert!(error.contains(complaint), "{error}");
        assert!(
            !error.contains("plain text") && !error.contains(hash),
            "{error}"
        );
    }
}

#[test]
fn flags_beat_the_file() {
    let file = "rtmp = \"127.0.0.1:7\"\ngrace = \"5s\"\npush-sign = \"hmac-sha256,md5\"\n";
    let config = with_file(file, &["--grace", "250ms"]).unwrap();
    assert_eq!(config.rtmp, "127.0.0.1:7".parse().unwrap());
    assert_eq!(config.grace, Duration::from_millis(250));
    assert_eq!(config.push_sign, [Algorithm::HmacSha256, Algorithm::Md5]);
}

#[test]
fn unknown_keys_are_refused_with_their_line() {
    let error = with_file("demo = true\n\nrtpm = \"127.0.0.1:7\"\n", &[]).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("line 3") && text.contains("rtpm"), "{text}");
}

#[test]
fn unusable_values_are_named() {
    for (key, value) in [
        ("grace", "1"),
        ("grace", "9999h"),
        ("adopt-after", "4999ms"),
        ("push-sign", "sha1"),
        ("log", "xml"),
        ("tls-cert", "a"),
        ("https", "127.0.0.1:7"),
        ("rtmps", "127.0.0.1:7"),
        ("plan-bitrate", "8G"),
        ("plan-bitrate", "M"),
        ("plan-bitrate", "0"),
        ("plan-bitrate", "99999999999999M"),
        ("max-ingest-bitrate", "0"),
        ("max-ingest-bitrate", "fast"),
        ("proxy-protocol", "10.0.0.0/33"),
        ("proxy-protocol", "127.0.0.1,the-balancer"),
        ("trusted-proxies", "127.0.0.1,the-proxy"),
        ("play-token", "maybe"),
        ("play-cloudfront", "on"),
        ("cloudfront-keys", "K2JCJMDEHXQW5F"),
        ("cloudfront-keys", "K2JCJMDEHXQW5F=/nowhere.pem"),
        ("cloudfront-hosts", "live.example.com:8443"),
        ("play-hosts", "https://example.com"),
        ("play-empty-referer", "off"),
        ("play-allow", "example.com"),
        ("play-deny", "10.0.0.0/8,"),
    ] {
        let error = with_file(&format!("{key} = \"{value}\""), &[]).unwrap_err();
        assert!(format!("{error:#}").contains(key), "{error:#}");
    }
}

#[test]
fn certificates_go_with_the_keys_in_their_places() {
    let config = with_file(
        "tls-cert = \"a.pem, b.pem\"\ntls-key = \"a.key,b.key\"",
        &[],
    );
    let config = config.unwrap();
    assert_eq!(config.rtmps, Some("0.0.0.0:1938".parse().unwrap()));
    assert_eq!(config.https, Some("0.0.0.0:8443".parse().unwrap()));
    let files = |chain: &str, key: &str| CertificateFiles {
        chain: chain.into(),
        key: key.into(),
    };
    let expected = [files("a.pem", "a.key"), files("b.pem", "b.key")];
    assert_eq!(config.certificates, expected);
    let error = with_file("tls-cert = \"a,b\"\ntls-key = \"a\"", &[]).unwrap_err();
    assert!(format!("{error:#}").contains("tls-key"), "{error:#}");
}

#[test]
fn networks_may_be_single_addresses() {
    let config = with_file(
        "",
        &["--proxy-protocol", "10.0.0.0/8, 127.0.0.1,2001:db8::/32"],
    );
    let networks = config.unwrap().proxy_protocol;
    let expected = ["10.0.0.0/8", "127.0.0.1/32", "2001:db8::/32"];
    assert_eq!(networks, expected.map(|network| network.parse().unwrap()));
}

#[test]
fn a_bad_flag_is_named_in_one_line() {
    for (arguments, part) in [
        (&["lsv", "--htp", "1"][..], "--htp"),
        (&["lsv", "--http", "nowhere"], "nowhere"),
        (&["lsv", "--http"], "--http"),
        (&["lsv", "--api-token", ""], "--api-token"),
        (&["lsv", "word"], "word"),
    ] {
        let line = first_line("lsv", &Options::try_parse_from(arguments).unwrap_err());
        assert!(line.contains(part) && !line.contains('\n'), "{line}");
    }
    #[derive(Debug, Parser)]
    struct Needy {
        #[arg(value_name = "FILE")]
        _file: PathBuf,
    }
    let line = first_line("lsv", &Needy::try_parse_from(["lsv"]).unwrap_err());
    assert!(line.contains("provided: <FILE>; `lsv --help`"), "{line}");
}

#[test]
fn what_needs_a_restart_is_named() {
    let before = with_file("grace = \"5s\"", &[]).unwrap();
    let after = "grace = \"6s\"\non-busy = \"reject\"\nlog = \"json\"\nrtmp = \"127.0.0.1:7\"";
    let after = with_file(after, &[]).unwrap();
    assert_eq!(before.needs_restart(&after), ["rtmp", "log"]);
    assert!(after.needs_restart(&after).is_empty());
}

#[test]
fn secrets_are_not_printed() {
    let config = with_file("secret = \"hunter22\"\napi-token = \"hunter33\"", &[]).unwrap();
    assert!(!format!("{config:?}").contains("hunter"));
}
