//! Who may publish: every refusal says why, reaches the log without the secret, and comes before `NetStream.Publish.Start`.

use lsv_auth::{
    Secret,
    push::{self, Algorithm, Expiry},
};
use lsv_tests::{Client, Picture, Refusal, SECRET, Server, stream_key};
use reqwest::Method;
use serde_json::json;

const IN_2032: u64 = 1_986_249_600;
const IN_2022: u64 = 1_670_544_000;

#[tokio::test]
async fn only_the_channels_own_valid_credential_publishes() {
    let server = Server::start(&[]).await;
    let key = channel(&server, "gate").await;
    channel(&server, "garden").await;
    let good = sign("gate", IN_2032);
    let other = sign("garden", IN_2032);
    let expired = sign("gate", IN_2022);
    let unknown = sign("nowhere", IN_2032);
    let signature = good.split_once('-').unwrap().1.to_owned();
    let wrong = format!("{IN_2032}-{}", "0".repeat(64));

    for (label, key, word) in [
        ("wrong", format!("gate?sign={wrong}"), "credential"),
        ("missing", "gate".to_owned(), "credential"),
        ("empty", "gate?sign=".to_owned(), "credential"),
        ("expired", format!("gate?sign={expired}"), "expired"),
        (
            "of another channel",
            format!("gate?sign={other}"),
            "credential",
        ),
        (
            "unknown channel",
            format!("nowhere?sign={unknown}"),
            "no such channel",
        ),
        ("twice", format!("gate?sign={good}&sign={good}"), "once"),
        (
            "no dash",
            format!("gate?sign={IN_2032}{signature}"),
            "credential",
        ),
        ("signed expiry", format!("gate?sign=+{good}"), "credential"),
        (
            "spaced expiry",
            format!("gate?sign=%20{good}"),
            "credential",
        ),
        (
            "lettered expiry",
            format!("gate?sign={IN_2032}a-{signature}"),
            "credential",
        ),
        (
            "huge expiry",
            format!("gate?sign=99999999999999999999999-{signature}"),
            "credential",
        ),
        (
            "upper case",
            format!("gate?sign={}", good.to_uppercase()),
            "credential",
        ),
        (
            "cut",
            format!("gate?sign={}", &good[..good.len() - 1]),
            "credential",
        ),
        (
            "md5 while off",
            format!("gate?sign={}", md5("gate", IN_2032)),
            "credential",
        ),
    ] {
        let refusal = refused(&server, &key).await;
        println!("{label}: {refusal:?}");
        assert!(
            refusal.description.contains(word),
            "{label}: {:?} does not say {word:?}",
            refusal.description
        );
        assert!(
            !refusal.description.contains(&signature),
            "{label}: {refusal:?}"
        );
    }
    for key in [key, format!("gate?sign={good}")] {
        let mut client = Client::connect(server.rtmp_address()).await;
        client.publish(&key).await.unwrap();
        assert_eq!(
            client.statuses().last().map(String::as_str),
            Some("NetStream.Publish.Start")
        );
    }
    secrets_are_not_in(&server.log(), &[&signature]);
}

#[tokio::test]
async fn md5_credentials_count_where_the_operator_says_so() {
    let server = Server::start(&["--push-sign", "hmac-sha256,md5"]).await;
    channel(&server, "gate").await;
    for credential in [md5("gate", IN_2032), sign("gate", IN_2032)] {
        let mut client = Client::connect(server.rtmp_address()).await;
        client
            .publish(&format!("gate?sign={credential}"))
            .await
            .unwrap();
    }
    let expired = md5("gate", IN_2022);
    let refusal = refused(&server, &format!("gate?sign={expired}")).await;
    assert!(refusal.description.contains("expired"), "{refusal:?}");
}

#[tokio::test]
async fn a_deleted_channel_takes_no_publisher_and_drops_its_own() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let key = channel(&server, "gate").await;
    let mut live = Client::connect(server.rtmp_address()).await;
    live.publish(&key).await.unwrap();
    let deleted = api.send(Method::DELETE, "/videostream/gate", "").await;
    assert_eq!(deleted.status.as_u16(), 204, "{}", deleted.text);
    live.closed().await;
    let refusal = refused(&server, &key).await;
    assert!(
        refusal.description.contains("no such channel"),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_rotated_key_replaces_the_older_one() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let channel = api
        .create(&json!({ "id": "gate", "outdate": "2032-12-09" }))
        .await;
    let older = stream_key(&channel);
    let answer = api.send(Method::POST, "/videostream/gate/key", "").await;
    assert!(answer.status.is_success(), "{}", answer.text);
    let newer = stream_key(&api.read("/videostream/gate").await.json());
    assert_ne!(older, newer);
    refused(&server, &older).await;
    let mut client = Client::connect(server.rtmp_address()).await;
    client.publish(&newer).await.unwrap();
}

#[tokio::test]
async fn ffmpeg_says_why_it_was_refused_and_the_log_keeps_the_secret() {
    let server = Server::start(&[]).await;
    channel(&server, "gate").await;
    let credential = sign("gate", IN_2022);
    let mut ffmpeg = Picture::default().push(&server.rtmp(&format!("gate?sign={credential}")));
    let status = ffmpeg.ended().await;
    assert!(!status.success());
    let said = ffmpeg.stderr();
    let reason = said.lines().find(|line| line.contains("Server error"));
    println!("{reason:?}");
    assert!(
        reason.is_some_and(|reason| reason.contains("expired")),
        "{said}"
    );
    let line = server.logged(&["gate", "expired"]).await;
    println!("{line}");
    secrets_are_not_in(&server.log(), &[credential.split_once('-').unwrap().1]);
    let metrics = server.api().read("/metrics").await.text;
    secrets_are_not_in(&metrics, &[credential.split_once('-').unwrap().1]);
}

/// Makes a channel whose keys may reach beyond 2032.
async fn channel(server: &Server, id: &str) -> String {
    let channel = json!({ "id": id, "outdate": "2033-12-31" });
    stream_key(&server.api().create(&channel).await)
}

async fn refused(server: &Server, key: &str) -> Refusal {
    let mut client = Client::connect(server.rtmp_address()).await;
    let Err(refusal) = client.publish(key).await else {
        panic!("published with {key}");
    };
    client.closed().await;
    let started = client.statuses().iter().any(|code| code.contains("Start"));
    assert!(!started, "{:?}", client.statuses());
    let codes = ["NetStream.Publish.Denied", "NetStream.Publish.BadName"];
    assert!(codes.contains(&refusal.code.as_str()), "{key}: {refusal:?}");
    refusal
}

fn secrets_are_not_in(text: &str, signatures: &[&str]) {
    for secret in [SECRET, lsv_tests::TOKEN].iter().chain(signatures) {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

fn sign(id: &str, expiry: u64) -> String {
    mint(Algorithm::HmacSha256, id, expiry)
}

fn md5(id: &str, expiry: u64) -> String {
    mint(Algorithm::Md5, id, expiry)
}

fn mint(algorithm: Algorithm, id: &str, expiry: u64) -> String {
    let secret = Secret::new(SECRET).expect("a secret");
    push::mint(
        &secret,
        algorithm,
        &push::path(id),
        Expiry::from_unix(expiry),
    )
}
