//! What it costs to let one request of a viewer in, or to refuse it. Addresses are those of segments, four words deep.

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
};

use criterion::{Criterion, criterion_group, criterion_main};
use lsv_auth::{
    Secret,
    cloudfront::{Digest, Policy, PublicKeys, Request, Signer, Verifier},
    hotlink::Rule,
    node, playback,
};

const NOW: u64 = 1_700_000_000;
const EXPIRES: u64 = 4_102_444_800;
const VIEWER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const PATH: &str = "/cam/720p/ts/1700000000.ts";
const PRIVATE: &str = include_str!("../tests/vectors/cloudfront/pkcs8.pem");
const PUBLIC: &str = include_str!("../tests/vectors/cloudfront/spki.pem");

fn tokens(criterion: &mut Criterion) {
    let secret = Secret::new("a secret that is as long as one that is made: 64 hex digits long")
        .expect("a secret");
    let mut group = criterion.benchmark_group("token");
    let verify = |query: &str| playback::verify(&secret, PATH, Some(query), VIEWER, NOW);
    let open = playback::mint(&secret, "/cam", EXPIRES, None);
    assert!(verify(&open).is_ok());
    group.bench_function("good", |bencher| bencher.iter(|| verify(black_box(&open))));
    let bound = playback::mint(&secret, "/cam", EXPIRES, Some(VIEWER));
    assert!(verify(&bound).is_ok());
    group.bench_function("good, for one address", |bencher| {
        bencher.iter(|| verify(black_box(&bound)))
    });
    let forged = playback::mint(&secret, "/dog", EXPIRES, None);
    assert!(verify(&forged).is_err());
    group.bench_function("forged", |bencher| {
        bencher.iter(|| verify(black_box(&forged)))
    });
    let credential = node::mint(&secret, "/cam", EXPIRES);
    group.bench_function("of a node", |bencher| {
        bencher.iter(|| node::verify(&secret, PATH, Some(black_box(&credential)), NOW));
    });
}

fn cloudfront(criterion: &mut Criterion) {
    let signer = Signer::from_pem("K1", PRIVATE).expect("a key");
    let policy = Policy::custom("https://cdn.example.com/cam/*", EXPIRES);
    let sign = || {
        let signed = signer
            .sign_url("", &policy, Digest::Sha256, [7; 32])
            .expect("a key that signs");
        signed.trim_start_matches('?').to_owned()
    };
    let query = sign();
    let mut keys = PublicKeys::default();
    keys.insert("K1", PUBLIC).expect("a key");
    let verifier = Verifier::new(keys);
    let verify = |query: &str| {
        let request = Request {
            scheme: "https",
            host: "cdn.example.com",
            path: PATH,
            query: Some(query),
            cookies: None,
        };
        verifier.verify(&request, VIEWER, NOW)
    };
    let forged = query.replace("Hash-Algorithm=SHA256", "Hash-Algorithm=SHA1");
    assert!(verify(&query).is_ok() && verify(&forged).is_err());

    let mut group = criterion.benchmark_group("CloudFront, 2048 bits");
    group.bench_function("remembered", |bencher| {
        bencher.iter(|| verify(black_box(&query)))
    });
    // What is forged is never remembered: as dear as what is seen for the first time.
    group.bench_function("worked out", |bencher| {
        bencher.iter(|| verify(black_box(&forged)))
    });
    group.bench_function("signed", |bencher| bencher.iter(sign));
}

fn pages(criterion: &mut Criterion) {
    let hosts: Vec<String> = (0..16)
        .map(|number| format!("*.site{number}.example"))
        .collect();
    let rule = Rule {
        hosts: hosts.join(",").parse().expect("hosts"),
        allow_empty: false,
    };
    let page = Some("https://www.site15.example/watch?v=1");
    assert!(rule.admits(page, page).is_ok());
    criterion.bench_function("referer and origin against 16 hosts", |bencher| {
        bencher.iter(|| rule.admits(black_box(page), black_box(page)));
    });
}

criterion_group!(benches, tokens, cloudfront, pages);
criterion_main!(benches);
