//! What viewers show to be let in, held against programs that know nothing of ours: openssl, and the AWS CLI.

use std::{
    fs,
    io::Write,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    process::{Command, Stdio},
};

use lsv_auth::{
    Secret,
    cidr::IpNet,
    cloudfront::{CloudFrontError, Digest, Policy, PublicKeys, Request, Signer, Verifier},
    node, playback,
};
use lsv_tests::peers;
use tempfile::TempDir;

const NOW: u64 = 1_700_000_000;
const EXPIRES: u64 = 1_700_000_600;
const VIEWER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// Addresses as people sign them: plain, with queries, with what JSON and shells take for their own, beyond ASCII.
const URLS: [&str; 8] = [
    "https://d111111abcdef8.cloudfront.net/cam/live.m3u8",
    "http://127.0.0.1:8080/cam/live.flv",
    "https://cdn.example.com/cam/live.m3u8?size=large&_HLS_msn=7",
    "https://cdn.example.com/cam/live.m3u8?",
    "https://cdn.example.com/cam/a%20b/%E4%B8%AD.mp4?q=%22%5C",
    "https://cdn.example.com/cam/\"quoted\\\"?a='b'&c=$d`e`",
    "https://cdn.example.com/é/中文/😀.m3u8?schlüssel=wert",
    "https://cdn.example.com/cam/*",
];

#[test]
fn openssl_signs_the_same_policies() {
    let keys = KeyPair::generate();
    for (place, url) in URLS.into_iter().enumerate() {
        let policies = [
            Policy::canned(url, EXPIRES),
            Policy::custom(url, EXPIRES)
                .starting_after(NOW - 1)
                .for_network(network("192.0.2.0/24")),
        ];
        for policy in policies {
            for (digest, option) in [(Digest::Sha1, "-sha1"), (Digest::Sha256, "-sha256")] {
                let ours = keys.sign(url, &policy, digest, place);
                let theirs = openssl(
                    &["dgst", option, "-sign", keys.path()],
                    policy.json().as_bytes(),
                );
                assert_eq!(
                    parameter(&ours, "Signature"),
                    cloudfront_base64(&theirs),
                    "{url}"
                );
            }
        }
    }
}

#[test]
fn the_aws_cli_signs_the_same_urls() {
    let Some(aws) = there() else { return };
    let keys = KeyPair::generate();
    for (place, url) in URLS.into_iter().enumerate() {
        let policy = Policy::canned(url, EXPIRES);
        let theirs = aws.sign(&keys, url, &[]);
        assert_eq!(keys.sign(url, &policy, Digest::Sha1, place), theirs);
    }
    let custom: [(&[&str], Policy); 3] = [
        (
            &["--date-greater-than", "1699999999"],
            Policy::custom(URLS[2], EXPIRES).starting_after(NOW - 1),
        ),
        (
            &["--ip-address", "192.0.2.7"],
            Policy::custom(URLS[6], EXPIRES).for_network(VIEWER),
        ),
        (
            &[
                "--ip-address",
                "192.0.2.0/24",
                "--date-greater-than",
                "1699999999",
            ],
            Policy::custom(URLS[7], EXPIRES)
                .starting_after(NOW - 1)
                .for_network(network("192.0.2.0/24")),
        ),
    ];
    for (place, (options, policy)) in custom.into_iter().enumerate() {
        let url = [URLS[2], URLS[6], URLS[7]][place];
        let theirs = aws.sign(&keys, url, options);
        assert_eq!(keys.sign(url, &policy, Digest::Sha1, place), theirs);
    }
}

#[test]
fn what_the_aws_cli_signed_lets_in() {
    let Some(aws) = there() else { return };
    let keys = KeyPair::generate();
    let verifier = keys.verifier();
    let canned = aws.sign(&keys, URLS[2], &[]);
    let verify = |url: &str, peer, now| {
        let (host, rest) = url.trim_start_matches("https://").split_once('/').unwrap();
        let (path, query) = rest.split_once('?').unwrap();
        let (path, query) = (format!("/{path}"), Some(query));
        let request = Request {
            scheme: "https",
            host,
            path: &path,
            query,
            cookies: None,
        };
        verifier
            .verify(&request, peer, now)
            .map(|verified| verified.expires)
    };
    assert_eq!(verify(&canned, VIEWER, NOW), Ok(EXPIRES - 1));
    assert_eq!(
        verify(&canned, VIEWER, EXPIRES),
        Err(CloudFrontError::Expired)
    );
    let other = canned.replace("/cam/", "/dog/");
    assert_eq!(verify(&other, VIEWER, NOW), Err(CloudFrontError::Signature));

    let options = [
        "--ip-address",
        "192.0.2.0/24",
        "--date-greater-than",
        "1699999999",
    ];
    let custom = aws.sign(&keys, URLS[7], &options);
    for name in ["live.m3u8", "720p/ts/1.ts"] {
        let url = custom.replace("/cam/*", &format!("/cam/{name}"));
        assert_eq!(verify(&url, VIEWER, NOW), Ok(EXPIRES - 1));
        assert_eq!(
            verify(&url, Ipv4Addr::LOCALHOST.into(), NOW),
            Err(CloudFrontError::Network)
        );
        assert_eq!(verify(&url, VIEWER, NOW - 1), Err(CloudFrontError::NotYet));
    }
    let other = custom.replace("/cam/*", "/dog/live.m3u8");
    assert_eq!(verify(&other, VIEWER, NOW), Err(CloudFrontError::Resource));
    assert_eq!(
        KeyPair::generate().verifier().verify(
            &Request {
                scheme: "https",
                host: "cdn.example.com",
                path: "/cam/live.m3u8",
                query: custom.split_once('?').map(|(_, query)| query),
                cookies: None
            },
            VIEWER,
            NOW,
        ),
        Err(CloudFrontError::Signature),
    );
}

#[test]
fn openssl_makes_the_same_tokens() {
    let secret = "playback secret";
    let hex = |text: &str| {
        let output = openssl(&["dgst", "-sha256", "-hmac", secret, "-r"], text.as_bytes());
        String::from_utf8(output[..64].to_vec()).unwrap()
    };
    let key = Secret::new(secret).unwrap();
    let theirs = format!(
        "exp={EXPIRES}&token={}",
        hex(&format!("play:/cam-{EXPIRES}"))
    );
    assert_eq!(playback::mint(&key, "/cam", EXPIRES, None), theirs);
    assert!(playback::verify(&key, "/cam/720p/ts/1.ts", Some(&theirs), VIEWER, NOW).is_ok());
    let bound = hex(&format!("play:/cam/vod-{EXPIRES}-192.0.2.7"));
    let theirs = format!("exp={EXPIRES}&token={bound}");
    assert_eq!(
        playback::mint(&key, "/cam/vod", EXPIRES, Some(VIEWER)),
        theirs
    );
    let theirs = format!("node={EXPIRES}-{}", hex(&format!("node:/cam-{EXPIRES}")));
    assert_eq!(node::mint(&key, "/cam", EXPIRES), theirs);
}

/// An RSA key pair of openssl's, new for each test.
struct KeyPair {
    folder: TempDir,
    private: PathBuf,
}

impl KeyPair {
    fn generate() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let private = folder.path().join("private.pem");
        // PKCS#1, which is what the AWS CLI reads.
        let pem = openssl(&["genrsa", "-traditional", "2048"], b"");
        fs::write(&private, pem).expect("a file to write");
        Self { folder, private }
    }

    fn path(&self) -> &str {
        self.private.to_str().expect("a path in UTF-8")
    }

    /// Signs alternately with the key as PKCS#1 and as PKCS#8.
    fn sign(&self, url: &str, policy: &Policy, digest: Digest, place: usize) -> String {
        let pem = match place % 2 {
            0 => fs::read(&self.private).expect("the key"),
            _ => openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", self.path()], b""),
        };
        let pem = String::from_utf8(pem).expect("PEM is text");
        let signer = Signer::from_pem("K2JCJMDEHXQW5F", &pem).expect("openssl's key");
        signer
            .sign_url(url, policy, digest, [place as u8; 32])
            .expect("a key that signs")
    }

    fn verifier(&self) -> Verifier {
        let pem = openssl(&["rsa", "-in", self.path(), "-pubout"], b"");
        let mut keys = PublicKeys::default();
        keys.insert(
            "K2JCJMDEHXQW5F",
            &String::from_utf8(pem).expect("PEM is text"),
        )
        .expect("a key");
        Verifier::new(keys)
    }
}

struct AwsCli;

/// The AWS CLI, where it is installed.
fn there() -> Option<AwsCli> {
    peers::there("the AWS CLI", peers::aws_cli().is_some()).then_some(AwsCli)
}

impl AwsCli {
    fn sign(&self, keys: &KeyPair, url: &str, options: &[&str]) -> String {
        let mut aws = peers::aws_cli().expect("the AWS CLI");
        let output = aws
            .args([
                "cloudfront",
                "sign",
                "--key-pair-id",
                "K2JCJMDEHXQW5F",
                "--url",
                url,
            ])
            .args(["--private-key", &format!("file://{}", keys.path())])
            .args(["--date-less-than", &EXPIRES.to_string()])
            .args(options)
            .env("HOME", keys.folder.path())
            .output()
            .expect("python3");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{url}: {complaint}");
        String::from_utf8(output.stdout).expect("a URL is text")
    }
}

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input)
        .expect("openssl reads");
    let output = child.wait_with_output().expect("openssl ends");
    assert!(output.status.success(), "openssl {arguments:?}");
    output.stdout
}

/// Base64 as AWS's documentation makes it of openssl's: `tr -- '+=/' '-_~'`.
fn cloudfront_base64(bytes: &[u8]) -> String {
    let text = openssl(&["base64", "-A"], bytes);
    String::from_utf8(text)
        .expect("base64 is text")
        .replace('+', "-")
        .replace('=', "_")
        .replace('/', "~")
}

fn parameter<'a>(url: &'a str, name: &str) -> &'a str {
    let (_, behind) = url.split_once(&format!("{name}=")).unwrap_or_default();
    behind.split('&').next().unwrap_or_default()
}

fn network(text: &str) -> IpNet {
    text.parse().expect("a network")
}
