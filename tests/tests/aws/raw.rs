//! Services of moto as somebody else would call them, such as an operator's scripts.

use lsv_tests::Moto;
use serde_json::{Value, json};

/// A call of ECS.
pub(crate) async fn ecs(moto: &Moto, action: &str, input: Value) -> Value {
    let target = format!("AmazonEC2ContainerServiceV20141113.{action}");
    json_call(moto, "ecs", &target, &input).await
}

/// A call of a service that speaks JSON.
pub(crate) async fn json_call(moto: &Moto, service: &str, target: &str, input: &Value) -> Value {
    let request = reqwest::Client::new()
        .post(moto.endpoint())
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.1")
        .header("authorization", authorization(service));
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

/// A call of EC2, whose answer is XML: the text of the first element of that name.
async fn ec2(moto: &Moto, query: &str, element: &str) -> String {
    let request = reqwest::Client::new()
        .post(moto.endpoint())
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", authorization("ec2"))
        .body(format!("Version=2016-11-15&{query}"));
    let answer = request.send().await.expect("moto answers");
    let text = answer.text().await.expect("moto answers whole");
    let (_, after) = text
        .split_once(&format!("<{element}>"))
        .expect("the element");
    let (found, _) = after.split_once('<').expect("its end");
    found.to_owned()
}

/// A subnet that moto has.
pub(crate) async fn subnet(moto: &Moto) -> String {
    ec2(moto, "Action=DescribeSubnets", "subnetId").await
}

/// A machine for containers in a cluster.
pub(crate) async fn machine(moto: &Moto, cluster: &str) {
    let image = ec2(moto, "Action=DescribeImages", "imageId").await;
    let query = format!("Action=RunInstances&ImageId={image}&MinCount=1&MaxCount=1");
    let instance = ec2(moto, &query, "instanceId").await;
    let document =
        json!({"instanceId": instance, "region": Moto::REGION, "accountId": "123456789012"});
    let input = json!({
        "cluster": cluster, "instanceIdentityDocument": document.to_string(), "instanceIdentityDocumentSignature": "x",
    });
    ecs(moto, "RegisterContainerInstance", input).await;
}

/// Keeps what moto changes by itself as it is.
pub(crate) async fn keep(moto: &Moto, model: &str) {
    let address = format!("{}/moto-api/state-manager/set-transition", moto.endpoint());
    let transition = json!({"progression": "manual", "times": 1_000_000});
    let input = json!({"model_name": model, "transition": transition}).to_string();
    let answer = reqwest::Client::new()
        .post(address)
        .body(input)
        .send()
        .await;
    assert!(answer.expect("moto answers").status().is_success());
}

/// Enough for moto to tell services and regions apart; it checks no signature.
fn authorization(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/{}/{service}/aws4_request, SignedHeaders=host, Signature=0",
        Moto::REGION
    )
}
