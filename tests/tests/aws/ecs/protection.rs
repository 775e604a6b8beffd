//! A task protects itself by its agent.

use std::sync::Arc;
use std::sync::Mutex;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::put;
use axum::{Json, Router};
use lsv_aws::ecs::Protection;
use lsv_tests::{PATIENCE, eventually};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

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
    let on = json!({"ProtectionEnabled": true, "ExpiresInMinutes": 60});
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
