//! `lsv-api` itself as a function: its stores in AWS, its secrets there, and a bus that learns what happens.

use std::collections::BTreeSet;

use lsv_auth::cloudfront::{PublicKeys, Request, Verifier};
use lsv_tests::{Moto, binary, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use super::function::Function;
use super::gateway::{Call, Gateway};

const SECRETS: &str =
    r#"{"secret":"a","playback-secret":"b","api-token":"the-token","node-token":"d"}"#;

#[tokio::test]
async fn lsv_api_is_a_function_with_everything_in_aws() {
    let moto = Moto::start().await;
    keep(&moto, "lsv/main", SECRETS).await;
    let queue = bus(&moto).await;

    let start = async || start(&moto, &[("LSV_AWS_EVENT_BUS", "lsv")]).await;
    let first = start().await;
    let made = Call::new(Method::POST, "/videostream", 201).json(&json!({"id": "cam-1"}));
    assert_eq!(first.invoke(&made).await.status, 201);
    let refused = Call::new(Method::GET, "/videostream", 401).without_token();
    assert_eq!(first.invoke(&refused).await.status, 401);
    // It is told before the answer: the function may sleep from then on.
    let told = received(&moto, &queue).await;
    assert_eq!(told, BTreeSet::from(["channel-created cam-1".to_owned()]));

    // Another instance knows what the first was told.
    let second = start().await;
    let listed = second
        .invoke(&Call::new(Method::GET, "/videostream", 200))
        .await;
    let listed: Value = serde_json::from_slice(&listed.body).expect("JSON");
    assert_eq!(listed[0]["id"], "cam-1");
    let online = second
        .invoke(&Call::new(Method::GET, "/videostream/online", 200))
        .await;
    assert_eq!(online.body, b"[]");
    let removed = Call::new(Method::DELETE, "/videostream/cam-1", 204);
    assert_eq!(second.invoke(&removed).await.status, 204);
    let read = Call::new(Method::GET, "/videostream/cam-1", 404);
    eventually("the first knows", async || {
        (first.invoke(&read).await.status == 404).then_some(())
    })
    .await;
    let told = received(&moto, &queue).await;
    assert_eq!(told, BTreeSet::from(["channel-deleted cam-1".to_owned()]));
}

#[tokio::test]
async fn play_addresses_are_signed_where_cloudfront_asks_for_it() {
    let moto = Moto::start().await;
    keep(&moto, "lsv/main", SECRETS).await;
    let mut secrets: Value = serde_json::from_str(SECRETS).expect("JSON");
    secrets["cloudfront-key"] = json!(PRIVATE_KEY);
    keep(&moto, "lsv/signing", &secrets.to_string()).await;

    let signing = [
        ("LSV_AWS_SECRET", "lsv/signing"),
        ("LSV_CLOUDFRONT_KEY_ID", KEY_PAIR),
    ];
    let function = start(&moto, &signing).await;
    for (path, record) in [
        ("/videostream", json!({"id": "cam"})),
        ("/videostream", json!({"id": "token", "playToken": "on"})),
    ] {
        let made = Call::new(Method::POST, path, 201).json(&record);
        assert_eq!(function.invoke(&made).await.status, 201);
    }
    let pull = json!({"pull": "live.example.com"});
    let named = Call::new(Method::PUT, "/streamdns", 200).json(&pull);
    assert_eq!(function.invoke(&named).await.status, 200);

    let mut keys = PublicKeys::default();
    keys.insert(KEY_PAIR, PUBLIC_KEY).expect("a key");
    let verifier = Verifier::new(keys);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let now = now.expect("a time").as_secs();
    for (channel, asks_more) in [("cam", false), ("token", true)] {
        let play = play_of(&function, channel).await;
        assert!(play["warning"].is_null() && play["expires"].is_string());
        for url in [&play["hls"], &play["flv"], &play["pages"]["best"]] {
            let url = url.as_str().expect("an address");
            let (address, query) = url.split_once('?').expect("a credential");
            let (scheme, rest) = address.split_once("://").expect("an address");
            let (host, _) = rest.split_once('/').expect("a path");
            assert!(host.starts_with("live.example.com"), "{host}");
            let request = Request {
                scheme,
                host,
                path: &rest[host.len()..],
                query: Some(query),
                cookies: None,
            };
            let verified = verifier.verify(&request, [192, 0, 2, 7].into(), now);
            assert!(verified.expect("CloudFront lets it in").expires > now);
            assert_eq!(query.contains("token="), asks_more, "{channel}");
        }
        let rtmp = play["rtmp"].as_str().expect("an address");
        assert_eq!(rtmp.contains('?'), asks_more, "{rtmp}");
        assert!(!rtmp.contains("Signature="));
    }

    // Without the private key it says that nobody is let in.
    let unsigned = start(&moto, &[("LSV_CLOUDFRONT_KEY_ID", KEY_PAIR)]).await;
    let play = play_of(&unsigned, "cam").await;
    let warning = play["warning"].as_str().expect("a warning");
    assert!(warning.contains("not signed"), "{warning}");
    assert!(!play["hls"].as_str().expect("an address").contains('?'));
}

async fn play_of(function: &Function, channel: &str) -> Value {
    let path = format!("/videostream/{channel}/urls");
    let answer = function.invoke(&Call::new(Method::GET, &path, 200)).await;
    assert_eq!(answer.status, 200);
    let urls: Value = serde_json::from_slice(&answer.body).expect("JSON");
    urls["play"].clone()
}

/// A function with the environment that a template gives it, and `more`.
async fn start(moto: &Moto, more: &[(&str, &str)]) -> Function {
    let mut command = Command::new(binary("lsv-api"));
    command.envs(moto.environment());
    command.envs([
        ("LSV_STORE", "aws"),
        ("LSV_AWS_BUCKET", Moto::BUCKET),
        ("LSV_AWS_SECRET", "lsv/main"),
    ]);
    command.envs(more.iter().copied());
    Function::run(Gateway::V2 { stage: "$default" }, command).await
}

/// Keeps secrets under a name.
async fn keep(moto: &Moto, name: &str, secrets: &str) {
    let token = name.replace('/', "-").repeat(4);
    let secret = json!({"Name": name, "SecretString": secrets, "ClientRequestToken": token});
    call(
        moto,
        "secretsmanager",
        "secretsmanager.CreateSecret",
        &secret,
    )
    .await;
}

const KEY_PAIR: &str = "K2JCJMDEHXQW5F";
const PRIVATE_KEY: &str = include_str!("../../../lsv-auth/tests/vectors/cloudfront/pkcs8.pem");
const PUBLIC_KEY: &str = include_str!("../../../lsv-auth/tests/vectors/cloudfront/spki.pem");

/// A bus `lsv` that leads all to a queue.
async fn bus(moto: &Moto) -> String {
    let queue = call(
        moto,
        "sqs",
        "AmazonSQS.CreateQueue",
        &json!({"QueueName": "told"}),
    )
    .await;
    let arn = format!("arn:aws:sqs:{}:123456789012:told", Moto::REGION);
    let pattern = json!({"source": ["lsv"]}).to_string();
    let rule = json!({"Name": "all", "EventBusName": "lsv", "EventPattern": pattern});
    let targets =
        json!({"Rule": "all", "EventBusName": "lsv", "Targets": [{"Id": "1", "Arn": arn}]});
    for (action, input) in [
        ("CreateEventBus", json!({"Name": "lsv"})),
        ("PutRule", rule),
        ("PutTargets", targets),
    ] {
        call(moto, "events", &format!("AWSEvents.{action}"), &input).await;
    }
    queue["QueueUrl"].as_str().expect("an address").to_owned()
}

/// What is in the queue now, which it is not any more then.
async fn received(moto: &Moto, queue: &str) -> BTreeSet<String> {
    let input = json!({"QueueUrl": queue, "MaxNumberOfMessages": 10});
    let messages = call(moto, "sqs", "AmazonSQS.ReceiveMessage", &input).await;
    let messages = messages["Messages"].as_array().into_iter().flatten();
    let told = messages.map(|message| {
        let event: Value =
            serde_json::from_str(message["Body"].as_str().expect("a text")).expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        format!(
            "{} {}",
            text(&event["detail-type"]),
            text(&event["detail"]["channel"])
        )
    });
    told.collect()
}

/// A call of a service of moto, which checks no signature.
async fn call(moto: &Moto, service: &str, target: &str, input: &Value) -> Value {
    let credential = format!(
        "Credential=test/20260101/{}/{service}/aws4_request",
        Moto::REGION
    );
    let request = reqwest::Client::new()
        .post(moto.endpoint())
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.1")
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"),
        );
    let answer = request.body(input.to_string()).send().await;
    let answer = answer.expect("moto answers");
    let status = answer.status();
    let text = answer.text().await.expect("moto answers whole");
    assert!(status.is_success(), "{target}: {status} {text}");
    match text.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).expect("JSON"),
    }
}
