//! A task protects itself by its agent, while its service can do without ending it.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::put;
use axum::{Json, Router};
use lsv_aws::ecs::{Protection, Service, SparingTimes};
use lsv_tests::{PATIENCE, eventually};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::reach;
use super::fake::serve;

/// What the agent was told, and how it answers.
#[derive(Debug, Default)]
struct Agent {
    told: Vec<Value>,
    refusals: Vec<(StatusCode, Value)>,
}

type Shared = Arc<Mutex<Agent>>;

async fn agent() -> (Shared, Protection) {
    let agent = Shared::default();
    let router = Router::new()
        .route("/api/1/task-protection/v1/state", put(set))
        .with_state(Arc::clone(&agent));
    let (_, address) = serve(router).await;
    let protection = Protection::by(&format!("http://{address}/api/1"));
    (agent, protection.expect("an address"))
}

async fn set(State(agent): State<Shared>, Json(wish): Json<Value>) -> (StatusCode, Json<Value>) {
    let mut agent = agent.lock().expect("the lock");
    agent.told.push(wish.clone());
    if let Some((status, refusal)) = agent.refusals.pop() {
        return (status, Json(refusal));
    }
    let protection = json!({"ProtectionEnabled": wish["ProtectionEnabled"], "TaskArn": "arn"});
    (StatusCode::OK, Json(json!({"protection": protection})))
}

fn told(agent: &Shared) -> Vec<Value> {
    agent.lock().expect("the lock").told.clone()
}

#[tokio::test]
async fn a_task_is_protected_while_it_is_at_work() {
    let (agent, protection) = agent().await;
    let (busy, is_busy) = watch::channel(false);
    let following = tokio::spawn(protection.follow(is_busy));
    let on = json!({"ProtectionEnabled": true, "ExpiresInMinutes": 10});
    let off = json!({"ProtectionEnabled": false});
    busy.send_replace(true);
    let wait = async |count| {
        eventually("the agent is told", async || {
            (told(&agent).len() >= count).then_some(())
        })
        .await;
    };
    wait(1).await;
    assert_eq!(told(&agent)[0], on);
    busy.send_replace(false);
    wait(2).await;
    // A node that ends releases its task.
    busy.send_replace(true);
    wait(3).await;
    drop(busy);
    timeout(PATIENCE, following)
        .await
        .expect("it ends")
        .expect("it ends well");
    assert_eq!(told(&agent), [on.clone(), off.clone(), on, off]);
}

#[tokio::test]
async fn what_failed_is_tried_again() {
    let (agent, protection) = agent().await;
    let exhausted =
        json!({"error": {"Arn": "arn", "Code": "ThrottlingException", "Message": "Rate exceeded"}});
    let blocked =
        json!({"failure": {"Arn": "arn", "Reason": "DEPLOYMENT_BLOCKED", "Detail": "expires"}});
    agent.lock().expect("the lock").refusals = vec![
        (StatusCode::OK, blocked),
        (StatusCode::BAD_REQUEST, exhausted),
    ];
    let (_busy, is_busy) = watch::channel(true);
    let following = tokio::spawn(protection.follow(is_busy));
    eventually("it was told three times", async || {
        (told(&agent).len() >= 3).then_some(())
    })
    .await;
    assert!(!following.is_finished());
    following.abort();
}

#[tokio::test]
async fn a_task_of_no_service_is_left_alone() {
    let (agent, protection) = agent().await;
    let refusal = json!({"failure": {"Arn": "arn", "Reason": "TASK_NOT_VALID", "Detail": "not of a service"}});
    agent.lock().expect("the lock").refusals = vec![(StatusCode::BAD_REQUEST, refusal)];
    let (_busy, is_busy) = watch::channel(true);
    timeout(PATIENCE, protection.follow(is_busy))
        .await
        .expect("it ends");
    assert_eq!(told(&agent).len(), 1);
}

/// What ECS says of the service, and how often it did.
#[derive(Debug)]
struct Said {
    service: Value,
    times: usize,
}

/// A service of two tasks, of which ECS says what is put into `Said`.
async fn service(spare: Duration) -> (Arc<Mutex<Said>>, Service) {
    let said = Arc::new(Mutex::new(Said {
        service: settled(),
        times: 0,
    }));
    let router = Router::new()
        .fallback(describe)
        .with_state(Arc::clone(&said));
    let (_, address) = serve(router).await;
    let sdk = reach::sdk(&format!("http://{address}")).await;
    let mut times = SparingTimes::default();
    (times.look, times.spare) = (Duration::from_millis(10), spare);
    (said, Service::new(&sdk, "live", "gateways", times))
}

async fn describe(State(said): State<Arc<Mutex<Said>>>, input: String) -> Json<Value> {
    let input: Value = serde_json::from_str(&input).expect("JSON");
    assert_eq!(
        input,
        json!({"cluster": "live", "services": ["gateways"]}),
        "the service alone is asked about"
    );
    let mut said = said.lock().expect("the lock");
    said.times += 1;
    Json(json!({"services": [said.service], "failures": []}))
}

fn settled() -> Value {
    json!({"runningCount": 2, "desiredCount": 2, "deployments": [{"status": "PRIMARY"}]})
}

/// As the documentation of ECS has it: old tasks stay beside new ones for as long as they are protected.
fn deployed() -> Value {
    let deployments = [json!({"status": "PRIMARY"}), json!({"status": "ACTIVE"})];
    json!({"runningCount": 4, "desiredCount": 2, "deployments": deployments})
}

fn is_protected(agent: &Shared) -> bool {
    told(agent)
        .last()
        .is_some_and(|wish| wish["ProtectionEnabled"] == true)
}

#[tokio::test]
async fn deployments_and_scale_in_get_tasks_that_are_at_work() {
    let (agent, protection) = agent().await;
    let (said, service) = service(Duration::from_millis(100)).await;
    let (busy, is_busy) = watch::channel(true);
    let (protected, wish) = watch::channel(false);
    let following = tokio::spawn(protection.follow(wish));
    let sparing = tokio::spawn(service.spare(is_busy, protected));
    let fewer =
        json!({"runningCount": 2, "desiredCount": 1, "deployments": [{"status": "PRIMARY"}]});
    for (now, expected) in [
        (settled(), true),
        (deployed(), false),
        (settled(), true),
        (fewer, false),
        (settled(), true),
    ] {
        said.lock().expect("the lock").service = now.clone();
        let what = format!("protected: {expected}, as ECS says {now}");
        eventually(&what, async || {
            (is_protected(&agent) == expected).then_some(())
        })
        .await;
    }
    drop(busy);
    for ends in [sparing, following] {
        let ended = timeout(PATIENCE, ends).await;
        ended.expect("it ends").expect("it ends well");
    }
    assert!(!is_protected(&agent));
}

#[tokio::test]
async fn tasks_without_work_are_ended_first() {
    let (agent, protection) = agent().await;
    let (said, service) = service(Duration::from_secs(3_600)).await;
    let (_busy, is_busy) = watch::channel(true);
    let (protected, wish) = watch::channel(false);
    tokio::spawn(protection.follow(wish));
    tokio::spawn(service.spare(is_busy, protected));
    eventually("the task is protected", async || {
        is_protected(&agent).then_some(())
    })
    .await;
    let times = {
        let mut said = said.lock().expect("the lock");
        said.service = deployed();
        said.times
    };
    eventually("ECS was asked again", async || {
        (said.lock().expect("the lock").times > times + 3).then_some(())
    })
    .await;
    assert_eq!(told(&agent).len(), 1);
    assert!(is_protected(&agent));
}
