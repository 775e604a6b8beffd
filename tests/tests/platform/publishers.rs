//! Publishers of one channel who come to several gateways.

use std::time::Duration;

use lsv_tests::{Client, Moto, Picture, Refusal, Server, Signal, eventually};
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

    /// What is announced of the channel: the port in its node's name, which its id is behind.
    async fn announced(&self) -> Option<String> {
        let node = match &self.moto {
            Some(moto) => moto.item(Moto::SESSIONS, "UUID", "gate").await["node"]["S"].clone(),
            None => {
                let api = self.keeper.api();
                api.read("/node/sessions/gate").await.json()["node"].clone()
            }
        };
        node.as_str()?.rsplit('-').nth(1).map(str::to_owned)
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
    let mut platform = Platform::remote(&["--on-busy", "reject"]).await;
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
    let first = platform.publish(0).await;
    // Says nothing on a machine so slow that the lease is over.
    if killed.elapsed() < Duration::from_secs(5) {
        let refused = first.expect_err("it is not known yet");
        is_busy(&refused, "published already");
    }
    let back = eventually("the encoder is back", async || {
        platform.publish(0).await.ok()
    })
    .await;
    println!("let in {:?} after its gateway was killed", killed.elapsed());
    platform.is_at(0).await;
    drop(back);
}

#[tokio::test(flavor = "multi_thread")]
async fn take_overs_are_counted_across_gateways() {
    let platform = Platform::aws().await;
    let mut publishers = Vec::new();
    let refused = loop {
        let gateway = publishers.len() % 2;
        match platform.publish(gateway).await {
            Ok(publisher) => publishers.push(publisher),
            Err(refused) => break refused,
        }
        platform.is_at(gateway).await;
        assert!(publishers.len() < 40, "whoever comes is let in");
    };
    is_busy(&refused, "taken over too often");
    assert!(publishers.len() >= 4, "too early: {refused:?}");
    let current = publishers.pop().expect("there is one");
    for older in &mut publishers {
        older.closed().await;
    }
    platform.is_at(publishers.len() % 2).await;
    drop(current);
}
