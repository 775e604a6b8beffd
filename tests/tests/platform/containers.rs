//! The platform on ECS: gateways run a container for each channel that needs an encoder.

use std::net::IpAddr;
use std::path::Path;

use lsv_tests::ecs::{Definition, Delays, Member, NoTask, Seen};
use lsv_tests::{
    Ecs, FlvWatcher, HlsWatcher, Moto, Process, Proxy, Server, Signal, eventually,
    push_file_and_return, signal, stream_key,
};
use serde_json::json;
use tokio::time::Instant;

use crate::clip;
use crate::suite::CHANNEL;

/// Gateways that run containers, and an origin.
struct Site {
    ecs: Ecs,
    gateways: Vec<(Server, Member)>,
    origin: Server,
    _moto: Moto,
}

impl Site {
    async fn start(gateways: usize, more: &[&str]) -> Self {
        let moto = Moto::start().await;
        let store = ["--store", "aws", "--aws-bucket", Moto::BUCKET];
        let store: Vec<String> = [&store, more]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let mut environment = moto.environment();
        let definition = Definition {
            environment: environment.clone(),
            arguments: store.clone(),
        };
        let ecs = Ecs::start(definition).await;
        let start = async |role, environment: &[_], more: &[String]| {
            let all: Vec<&str> = store.iter().chain(more).map(String::as_str).collect();
            Server::start_role(role, environment, &all).await
        };
        let origin = start("lsv-origin", &environment, &[]).await;
        environment.push(ecs.environment());
        let mut running = Vec::new();
        for _ in 0..gateways {
            let member = ecs.join(Ecs::GATEWAYS, IpAddr::from([127, 0, 0, 1]));
            let mut environment = environment.clone();
            environment.push(("ECS_AGENT_URI", member.agent.clone()));
            let gateway = start("lsv-gateway", &environment, &ecs.flags()).await;
            running.push((gateway, member));
        }
        Self {
            ecs,
            gateways: running,
            origin,
            _moto: moto,
        }
    }

    /// A channel with a rendition; answers its stream key.
    async fn channel(&self, id: &str) -> String {
        let channel = json!({
            "id": id, "outdate": "2090-01-01", "isCodec": true, "ld": true, "codecSize": "small"
        });
        let (gateway, _) = &self.gateways[0];
        stream_key(&gateway.api().create(&channel).await)
    }

    /// Publishes such a channel to the first gateway.
    async fn publish(&self, id: &str, clip: &Path) -> Process {
        let key = self.channel(id).await;
        push_file_and_return(clip, &self.gateways[0].0.rtmp(&key))
    }

    /// The one container that runs, once it is another than `before`. Two that ask for the same at the turn of a minute get two:
    /// one of them is stopped.
    async fn container(&self, before: &str) -> Seen {
        eventually("one container runs", async || {
            let running = self.ecs.running();
            let [one] = &running[..] else { return None };
            (one.id != before).then(|| one.clone())
        })
        .await
    }

    async fn protects(&self, gateway: usize, is: bool) {
        let (_, member) = &self.gateways[gateway];
        eventually("a task is protected while it has publishers", async || {
            (self.ecs.protects(member) == is).then_some(())
        })
        .await;
    }

    /// A task when it has ended.
    async fn ended(&self, id: &str) -> Seen {
        eventually("the container has ended", async || {
            let tasks = self.ecs.tasks().into_iter();
            let mut task = tasks.filter(|task| task.id == id);
            task.next().filter(|task| task.status == "STOPPED")
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_encode_what_gateways_take() {
    let (_folder, clip) = clip(24).await;
    let site = Site::start(2, &[]).await;
    let (ecs, [(first, _), (second, _)]) = (&site.ecs, &site.gateways[..]) else {
        unreachable!("two were started");
    };
    site.protects(0, false).await;
    // As many as the SDK tries one call.
    ecs.refuse(NoTask::Throttled, 4);
    ecs.refuse(NoTask::Capacity, 1);
    ecs.delay(Delays {
        listed: 3,
        running: 2,
    });
    let key = site.channel(CHANNEL).await;
    let encoder = push_file_and_return(&clip, &first.rtmp(&key));
    let flv = FlvWatcher::open(&site.origin.http("/cam/live.flv")).await;
    flv.shows(Instant::now(), 1_000).await;
    for why in ["ThrottlingException", "Capacity is unavailable"] {
        first.logged(&["WARN", "could not be started", why]).await;
    }
    site.protects(0, true).await;
    let of_first = eventually("a container is to run", async || ecs.tasks().pop()).await;
    assert_eq!((of_first.status, ecs.refusals()), ("PENDING", 0));

    // It is in no listing yet, and there is to be no other when the encoder moves.
    drop(encoder);
    let _encoder = push_file_and_return(&clip, &second.rtmp(&key));
    site.protects(1, true).await;
    site.protects(0, false).await;
    let one = site.container("").await;
    let rendition = HlsWatcher::open(&site.origin.http("/cam/360p/live.m3u8"));
    let goes_on = async |when: &str| {
        let since = Instant::now();
        flv.shows(since, 2_000).await;
        rendition.goes_on(since, 2).await;
        println!("{when}: stood still: 360p {:?}", rendition.stalled());
    };
    goes_on("at first").await;

    signal(one.process.expect("it runs"), Signal::KILL);
    let ended = site.ended(&one.id).await;
    let (code, of) = (ended.exit_code, ended.stop_code);
    assert_eq!((code, of), (Some(137), Some("EssentialContainerExited")));
    let other = site.container(&one.id).await;
    goes_on("with another container").await;

    let change = async |on: bool| {
        let api = second.api();
        api.change(CHANNEL, &json!({ "isCodec": on })).await;
    };
    change(false).await;
    let ended = site.ended(&other.id).await;
    let (code, of) = (ended.exit_code, ended.stop_code);
    assert_eq!((code, of), (Some(0), Some("UserInitiated")));
    flv.shows(Instant::now(), 3_000).await;
    change(true).await;
    site.container(&other.id).await;
    goes_on("with a third").await;
    assert_eq!(ecs.running().len(), 1, "{:?}", ecs.tasks());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_gateway_left_is_stopped() {
    let (_folder, clip) = clip(24).await;
    let mut site = Site::start(2, &["--reconnect-window", "2s"]).await;
    let hanging_encoder = site.publish("hangs", &clip).await;
    let hangs = site.container("").await;
    // One that works ends by itself when its channel has gone.
    signal(hangs.process.expect("it runs"), Signal::STOP);
    let working_encoder = site.publish("works", &clip).await;
    HlsWatcher::open(&site.origin.http("/works/360p/live.m3u8"))
        .goes_on(Instant::now(), 1)
        .await;
    let tasks = site.ecs.tasks();
    let works = tasks.iter().find(|task| task.id != hangs.id);
    let works = works.expect("each channel has its own").clone();
    site.gateways[0].0.kill().await;
    drop((hanging_encoder, working_encoder));
    let (other, _) = &site.gateways[1];
    other
        .logged(&["a task that is left over is stopped", &hangs.id])
        .await;
    let said = |task: Seen| (task.exit_code, task.stop_code);
    let ended = said(site.ended(&hangs.id).await);
    assert_eq!(ended, (Some(137), Some("UserInitiated")));
    let ended = said(site.ended(&works.id).await);
    assert_eq!(ended.0, Some(0), "{}", site.ecs.log(&works.id));
    assert_eq!(site.ecs.tasks().len(), 2, "nobody starts another");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_finds_the_gateways_of_a_service() {
    let ecs = Ecs::start(Definition::default()).await;
    let gateway = async |last: u8, port: u16| {
        let address = IpAddr::from([127, 0, 0, last]);
        let gateway = Server::start(&["--rtmp", &format!("{address}:{port}")]).await;
        let key = gateway.api().channel(CHANNEL).await;
        (gateway, ecs.join(Ecs::GATEWAYS, address), key)
    };
    let (mut first, one, key) = gateway(2, 0).await;
    let (_, port) = first.rtmp_address().rsplit_once(':').expect("a port");
    let port = port.parse().expect("a number");
    let (_second, ..) = gateway(3, port).await;
    let mut environment = Moto::environment_at("http://127.0.0.1:1");
    environment.push(ecs.environment());
    let service = format!("{}/gateway:{port}", Ecs::CLUSTER);
    let arguments = [
        "--mode",
        "rtmp",
        "--proxy-protocol",
        "off",
        "--discover",
        &service,
    ];
    let proxy = Proxy::start_with(&environment, &arguments).await;
    proxy.healthy(2).await;

    ecs.leave(&one);
    first.kill().await;
    ecs.delay(Delays {
        listed: 1,
        running: 1,
    });
    proxy.healthy(1).await;
    let address = proxy.address().to_string();
    let mut publisher = lsv_tests::Client::connect(&address).await;
    publisher.publish(&key).await.expect("the other takes it");
    let (_third, ..) = gateway(4, port).await;
    proxy.healthy(2).await;
}
