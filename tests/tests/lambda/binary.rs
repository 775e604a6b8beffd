//! `lsv-api` itself as a function: its stores in AWS, its secrets there, and a bus that learns what happens.

use std::collections::BTreeSet;

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
    let secrets =
        json!({"Name": "lsv/main", "SecretString": SECRETS, "ClientRequestToken": "a".repeat(32)});
    call(
        &moto,
        "secretsmanager",
        "secretsmanager.CreateSecret",
        &secrets,
    )
    .await;
    let queue = bus(&moto).await;

    let start = async || {
        let mut command = Command::new(binary("lsv-api"));
        command.envs(moto.environment());
        // As a template gives it to a function.
        command.envs([
            ("LSV_STORE", "aws"),
            ("LSV_AWS_BUCKET", Moto::BUCKET),
            ("LSV_AWS_SECRET", "lsv/main"),
            ("LSV_AWS_EVENT_BUS", "lsv"),
        ]);
        Function::run(Gateway::V2 { stage: "$default" }, command).await
    };
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
