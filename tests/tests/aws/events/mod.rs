//! What happens, on a bus of EventBridge: through moto to a queue, and to a bus that fails as told.

mod fake;

use std::collections::BTreeSet;
use std::time::Duration;

use lsv_aws::eventbridge::{Config, Teller};
use lsv_core::channel::Moment;
use lsv_core::events::{Events, Happening};
use lsv_core::path::ChannelId;
use lsv_tests::{Moto, PATIENCE, eventually};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{raw, reach};
use fake::{Bus, Fate};

fn tell(events: &Events, channel: &str) {
    let channel = ChannelId::parse(channel).expect("an id");
    events.publish(
        Moment::from_unix(1_700_000_000),
        Happening::ChannelCreated { channel },
    );
}

async fn teller(
    endpoint: &str,
    bus: &str,
    events: &Events,
) -> (Teller, lsv_aws::eventbridge::Told) {
    let sdk = reach::sdk(endpoint).await;
    Teller::new(&sdk, Config::new(bus, "node-1"), events)
}

#[tokio::test]
async fn events_come_through_a_bus_to_those_who_want_them() {
    let moto = Moto::start().await;
    let call = async |service: &str, target: &str, input: Value| {
        raw::json_call(&moto, service, target, &input).await
    };
    let queue = call("sqs", "AmazonSQS.CreateQueue", json!({"QueueName": "told"})).await;
    let arn = format!("arn:aws:sqs:{}:123456789012:told", Moto::REGION);
    call("events", "AWSEvents.CreateEventBus", json!({"Name": "lsv"})).await;
    let pattern = json!({"source": ["lsv"], "detail-type": ["channel-created"]}).to_string();
    let rule = json!({"Name": "created", "EventBusName": "lsv", "EventPattern": pattern});
    call("events", "AWSEvents.PutRule", rule).await;
    let targets =
        json!({"Rule": "created", "EventBusName": "lsv", "Targets": [{"Id": "1", "Arn": arn}]});
    call("events", "AWSEvents.PutTargets", targets).await;

    let events = Events::new();
    let (teller, told) = teller(moto.endpoint(), "lsv", &events).await;
    let running = tokio::spawn(teller.run(std::future::pending()));
    for number in 0..25 {
        tell(&events, &format!("cam-{number}"));
        let channel = ChannelId::parse("another").expect("an id");
        events.publish(Moment::EPOCH, Happening::ChannelDeleted { channel });
    }
    told.all(PATIENCE).await;
    let mut seen = BTreeSet::new();
    eventually("all are in the queue", async || {
        let input = json!({"QueueUrl": queue["QueueUrl"], "MaxNumberOfMessages": 10});
        let messages = call("sqs", "AmazonSQS.ReceiveMessage", input).await;
        for message in messages["Messages"].as_array().into_iter().flatten() {
            let body = message["Body"].as_str().expect("a text");
            let event: Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(
                (&event["source"], &event["detail-type"]),
                (&json!("lsv"), &json!("channel-created"))
            );
            assert_eq!(event["detail"]["node"], "node-1");
            assert_eq!(event["detail"]["at"], "2023-11-14T22:13:20Z");
            seen.insert(event["detail"]["channel"].to_string());
        }
        (seen.len() == 25).then_some(())
    })
    .await;
    running.abort();
}

#[tokio::test]
async fn what_a_bus_refuses_for_now_comes_later_and_once() {
    let bus = Bus::start().await;
    bus.fates([
        Fate::Status(500),
        Fate::Status(500),
        Fate::Status(500),
        Fate::Status(500),
        // The second and the fourth of the batch.
        Fate::Some("ThrottlingException", &[1, 3]),
        Fate::Throttled,
    ]);
    let events = Events::new();
    let (teller, told) = teller(&bus.endpoint, "lsv", &events).await;
    let running = tokio::spawn(teller.run(std::future::pending()));
    let mut expected: Vec<_> = (0..35).map(|number| format!("cam-{number}")).collect();
    for channel in &expected {
        tell(&events, channel);
    }
    told.all(PATIENCE).await;
    let mut taken = bus.taken();
    // But for the two that had to wait they come in their order.
    taken.sort_by_key(|channel| channel[4..].parse::<u32>().expect("a number"));
    assert_eq!(taken, expected);
    assert!(bus.largest() <= 10);
    // What it never takes holds nobody up.
    bus.fates([
        Fate::Some("NotAuthorizedForSourceException", &[0]),
        Fate::Invalid,
    ]);
    tell(&events, "refused-1");
    told.all(PATIENCE).await;
    tell(&events, "refused-2");
    told.all(PATIENCE).await;
    tell(&events, "cam-35");
    told.all(PATIENCE).await;
    expected.push("cam-35".to_owned());
    let mut taken = bus.taken();
    taken.sort_by_key(|channel| channel[4..].parse::<u32>().expect("a number"));
    assert_eq!(taken, expected);
    running.abort();
}

#[tokio::test]
async fn a_bus_that_is_away_holds_nobody_up() {
    let bus = Bus::start().await;
    bus.fates(vec![Fate::Status(503); 100_000]);
    let events = Events::new();
    let (teller, told) = teller(&bus.endpoint, "lsv", &events).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(teller.run(async {
        drop(stopped.await);
    }));
    // More than anybody keeps.
    for number in 0..20_000 {
        tell(&events, &format!("cam-{number}"));
        if number % 500 == 0 {
            tokio::task::yield_now().await;
        }
    }
    told.all(Duration::from_millis(10)).await;
    assert_eq!(bus.taken(), Vec::<String>::new());
    // The newest are still there when it is back, and go out when the node ends.
    bus.clear();
    drop(stop);
    tokio::time::timeout(PATIENCE, running)
        .await
        .expect("it ends")
        .expect("it ends well");
    let taken = bus.taken();
    assert!(taken.len() <= 10_010, "{}", taken.len());
    assert!(!taken.is_empty());
}

#[tokio::test]
async fn a_node_that_ends_tells_the_rest() {
    let bus = Bus::start().await;
    let events = Events::new();
    let (teller, told) = teller(&bus.endpoint, "lsv", &events).await;
    for number in 0..15 {
        tell(&events, &format!("cam-{number}"));
    }
    teller.run(std::future::ready(())).await;
    assert_eq!(bus.taken().len(), 15);
    // Nobody waits for a teller that is gone.
    told.all(PATIENCE).await;
}
