//! Publishers of one channel who come to several gateways.

use std::time::Duration;

use lsv_tests::{Client, Moto, Picture, Refusal, Server, Signal, eventually};
use serde_json::json;
use tokio::time::Instant;

/// Two gateways, and what they share.
struct Platform {
    keeper: Server,
    gateways: [Server; 2],
    moto: Option<Moto>,
    /// The stream key of the channel.
    key: String,
}

impl Platform {
    /// The gateways share what one node keeps.
    async fn remote(arguments: &[&str]) -> Self {
        let keeper = Server::start_role("lsv-api", &[], &[]).await;
        let base = keeper.base().to_owned();
        let all = [&["--store", "remote", "--store-node", &base], arguments].concat();
        Self::around(keeper, &[], &all, None).await
    }

    /// The gateways share what AWS keeps.
    async fn aws() -> Self {
        let moto = Moto::start().await;
        let environment = moto.environment();
        let all = ["--store", "aws", "--aws-bucket", Moto::BUCKET];
        let keeper = Server::start_role("lsv-api", &environment, &all).await;
        Self::around(keeper, &environment, &all, Some(moto)).await
    }

    async fn around(
        keeper: Server,
        environment: &[(&str, String)],
        arguments: &[&str],
        moto: Option<Moto>,
    ) -> Self {
        let gateway = || Server::start_role("lsv-gateway", environment, arguments);
        let key = keeper.api().channel("gate").await;
        Self {
            gateways: [gateway().await, gateway().await],
            keeper,
            moto,
            key,
        }
    }

    /// Where the channel is announced: the port of the gateway.
    async fn announced(&self) -> Option<String> {
        let address = match &self.moto {
            Some(moto) => moto.item(Moto::SESSIONS, "UUID", "gate").await["address"]["S"].clone(),
            None => {
                let api = self.keeper.api();
                api.read("/node/sessions/gate").await.json()["address"].clone()
            }
        };
        let (_, port) = address.as_str()?.rsplit_once(':')?;
        Some(port.to_owned())
    }

    /// Waits until the channel is announced at a gateway.
    async fn is_at(&self, gateway: usize) {
        let address = self.gateways[gateway].rtmp_address();
        let (_, port) = address.rsplit_once(':').expect("a port");
        eventually("the channel is announced there", async || {
            (self.announced().await.as_deref() == Some(port)).then_some(())
        })
        .await;
    }

    async fn publish(&self, gateway: usize) -> Result<Client, Refusal> {
        let mut client = Client::connect(self.gateways[gateway].rtmp_address()).await;
        client.publish(&self.key).await?;
        Ok(client)
    }
}

fn is_busy(refused: &Refusal, why: &str) {
    assert_eq!(refused.code, "NetStream.Publish.BadName", "{refused:?}");
    assert!(refused.description.contains(why), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_stays_on_another_gateway_as_well() {
    let mut platform = Platform::remote(&["--on-busy", "reject", "--grace", "5m"]).await;
    let mut encoder = Picture::default().push(&platform.gateways[0].rtmp(&platform.key));
    platform.is_at(0).await;
    let refused = platform.publish(1).await.expect_err("somebody is there");
    is_busy(&refused, "published already");
    assert!(encoder.runs());

    // Who is lost may come back anywhere.
    encoder.signal(Signal::KILL);
    encoder.ended().await;
    let back = eventually("the encoder is back", async || {
        platform.publish(1).await.ok()
    })
    .await;
    platform.is_at(1).await;
    let refused = platform.publish(0).await.expect_err("somebody is there");
    is_busy(&refused, "published already");

    // A gateway that was killed keeps its encoder out until it is forgotten.
    platform.gateways[1].kill().await;
    drop(back);
    let killed = Instant::now();
    let back = eventually("the encoder is back", async || {
        match platform.publish(0).await {
            Ok(back) => Some(back),
            Err(refused) => {
                is_busy(&refused, "published already");
                None
            }
        }
    })
    .await;
    assert!(killed.elapsed() >= FORGOTTEN, "{:?}", killed.elapsed());
    println!("let in {:?} after its gateway was killed", killed.elapsed());
    platform.is_at(0).await;

    // A gateway that stops asks its encoder to go elsewhere, where it is let in while the stream goes on here.
    platform.gateways[1].start_again().await;
    let refused = platform.publish(1).await.expect_err("somebody is there");
    is_busy(&refused, "published already");
    platform.gateways[0].process().signal(Signal::TERM);
    let moved = eventually("the encoder has moved", async || {
        platform.publish(1).await.ok()
    })
    .await;
    platform.is_at(1).await;
    let status = platform.gateways[0].process().ended().await;
    assert!(status.success(), "{status}");
    drop((back, moved));
}

#[tokio::test(flavor = "multi_thread")]
async fn take_overs_are_counted_across_gateways() {
    let platform = Platform::aws().await;
    let moto = platform.moto.as_ref().expect("it keeps the sessions");
    let take_overs = async || {
        let item = moto.item(Moto::SESSIONS, "UUID", "gate").await;
        item["takeOvers"]["L"].as_array().map_or(0, Vec::len)
    };
    let mut first = platform.publish(0).await.expect("nobody is there");
    platform.is_at(0).await;
    assert_eq!(take_overs().await, 0);
    let mut second = platform.publish(1).await.expect("it takes over");
    first.closed().await;
    platform.is_at(1).await;
    assert_eq!(take_overs().await, 1);

    // As many as may be, by a clock that is ahead: as of now, however long this takes.
    let then = json!({"S": "2100-01-01T00:00:00Z"});
    let update = json!({
        "TableName": Moto::SESSIONS,
        "Key": {"UUID": {"S": "gate"}},
        "UpdateExpression": "SET takeOvers = :then",
        "ExpressionAttributeValues": {":then": {"L": [then, then, then]}},
    });
    moto.dynamodb("UpdateItem", &update).await;
    let refused = platform.publish(0).await.expect_err("it is too often");
    is_busy(&refused, "taken over too often");
    let stays = tokio::time::timeout(Duration::from_millis(1), second.closed()).await;
    assert!(stays.is_err(), "a refusal takes nothing over");
    platform.is_at(1).await;
}

/// Before that, a killed gateway is not forgotten: its lease is 9 s, of which 3 s pass between renewals at most; the rest is for
/// a slow machine.
const FORGOTTEN: Duration = Duration::from_secs(1);
