//! The proxy in front of real gateways, with real encoders.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lsv_rtmp::proxy::{Channel, Config, Pool};
use lsv_rtmp::session::{Purpose, Target};
use lsv_tests::{
    Api, Certificate, Client, Picture, Proxy, Server, Signal, Viewer, eventually, kind, lsv_proxy,
    push_file_and_return, served, stream_key, watch, watch_file,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

/// Two gateways and a proxy that knows RTMP; one gateway is killed under load, of publishers and players.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_costs_only_its_own_publishers_a_moment() {
    let each = publishers() / 2;
    let folder = TempDir::new().unwrap();
    let clip = clip(folder.path()).await;
    let mut gateways = [gateway().await, gateway().await];
    let proxy = Proxy::start(&["--mode", "rtmp", "--backends", &list(&gateways)]).await;
    proxy.healthy(2).await;

    let [lost, kept] = names(&gateways, each);
    let mut encoders = BTreeMap::new();
    for name in lost.iter().chain(&kept) {
        let key = create(&gateways, name).await;
        encoders.insert(name.clone(), push_file_and_return(&clip, &proxy.rtmp(&key)));
    }
    let [first, second] = [&gateways[0], &gateways[1]].map(|gateway| gateway.api());
    for (api, names) in [(&first, &lost), (&second, &kept)] {
        for name in names {
            let session = live(api, name).await;
            // The gateway knows the encoder's address, which the proxy saw.
            let peer = session["peer"].as_str().unwrap();
            let said = format!("peer={peer}}}: carrying");
            let logged = || plain(&proxy.log()).contains(&said);
            eventually(&said, async || logged().then_some(())).await;
        }
    }
    let mut viewers = BTreeMap::new();
    let mut players = Vec::new();
    let mut since = BTreeMap::new();
    for name in &kept {
        players.push(player(&proxy, name).await);
        let viewer = Viewer::open(&gateways[1].http(&format!("/{name}/live.flv"))).await;
        viewer.goes_on(16 * 1024).await;
        viewers.insert(name, viewer);
        since.insert(name, live(&second, name).await["since"].clone());
    }

    let had: Vec<u64> = players.iter().map(|player| *player.borrow()).collect();
    gateways[0].kill().await;
    let killed = Instant::now();
    let mut back = Vec::new();
    for name in &lost {
        let session = live(&second, name).await;
        back.push(killed.elapsed());
        assert!(session["peer"].is_string());
    }
    // A player that comes in through the proxy finds it where it is.
    let watched = watch("after the kill", &proxy.rtmp(&lost[0]), 2).await;
    assert_eq!(watched.complaints, "");
    let longest = back.iter().max().unwrap();
    println!(
        "{each} publishers of the gateway that was killed are on the other one after {back:?}, at most {longest:?}"
    );

    for (player, had) in players.iter_mut().zip(had) {
        let goes_on = player.wait_for(|got| *got > had + 100).await;
        goes_on.expect("a player of the other gateway is not cut off");
    }
    let mut longest_gap = Duration::ZERO;
    for (name, viewer) in &viewers {
        viewer.goes_on(64 * 1024).await;
        assert_eq!(
            live(&second, name).await["since"],
            since[name],
            "{name} was published anew"
        );
        let got = viewer.got();
        assert_eq!(got.ended, None);
        let gaps = got.arrivals.windows(2).map(|pair| pair[1] - pair[0]);
        longest_gap = longest_gap.max(gaps.max().unwrap_or_default());
        let file = folder.path().join(name).with_extension("flv");
        std::fs::write(&file, &got.body).unwrap();
        watch_file(&file).await;
    }
    println!("viewers of the other gateway waited {longest_gap:?} at most for the next bytes");
    for (name, encoder) in &mut encoders {
        assert!(encoder.runs(), "{name}: {}", encoder.stderr());
        let recovered = encoder.stderr().contains("Recovery");
        assert_eq!(
            recovered,
            lost.contains(name),
            "{name}: {}",
            encoder.stderr()
        );
    }
    assert!(!proxy.log().contains("sign"), "a credential is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn back_ends_come_and_go_and_nobody_is_cut_off() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("proxy.toml");
    let gateways = [gateway().await, gateway().await];
    let [old, new] = [0, 1].map(|index: usize| gateways[index].rtmp_address());
    std::fs::write(&config, format!("backends = \"{old}\"\nmode = \"rtmp\"\n")).unwrap();
    let proxy = Proxy::start(&["--config", config.to_str().unwrap()]).await;
    proxy.healthy(1).await;
    let keys = [
        create(&gateways, "one").await,
        create(&gateways, "two").await,
    ];
    let [first, second] = [0, 1].map(|index: usize| gateways[index].api());
    let mut stays = Picture::default().push(&proxy.rtmp(&keys[0]));
    let since = live(&first, "one").await["since"].clone();

    std::fs::write(&config, format!("backends = \"{new}\"\nmode = \"rtmp\"\n")).unwrap();
    proxy.signal(Signal::HUP);
    let changed = Instant::now();
    proxy.healthy(1).await;
    eventually("the new back end is used", async || {
        let mut client = Client::connect(&proxy.address().to_string()).await;
        // Refused as long as the channel is published on neither, wherever it gets.
        let published = client.publish(&keys[1]).await.is_ok();
        (published && find(&second, "two").await.is_some()).then_some(())
    })
    .await;
    println!(
        "a back end that is new in the file is used {:?} after SIGHUP",
        changed.elapsed()
    );

    // A player follows its publisher to where it still is, new channels do not go there.
    let watched = watch("behind a back end that is going", &proxy.rtmp("one"), 2).await;
    assert_eq!(watched.complaints, "");
    assert_eq!(live(&first, "one").await["since"], since);
    assert!(stays.runs(), "{}", stays.stderr());

    // A file that cannot be read changes nothing.
    std::fs::write(&config, "backends = \"nowhere\"\n").unwrap();
    proxy.signal(Signal::HUP);
    eventually("the log says so", async || {
        proxy
            .log()
            .contains("the old configuration stays")
            .then_some(())
    })
    .await;
    proxy.healthy(1).await;
    assert!(stays.runs());
}

#[tokio::test(flavor = "multi_thread")]
async fn layer_4_keeps_the_address_and_drains() {
    let gateways = [gateway().await, gateway().await];
    let backends = list(&gateways);
    let mut proxy =
        Proxy::start(&["--backends", &backends, "--check", "rtmp", "--grace", "40s"]).await;
    proxy.healthy(2).await;
    let key = create(&gateways, "cam").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.77:0".parse().unwrap()).unwrap();
    let tcp = socket.connect(proxy.address()).await.unwrap();
    let address = tcp.local_addr().unwrap();
    let mut client = Client::over(tcp).await;
    client.publish(&key).await.unwrap();
    let apis = [0, 1].map(|index: usize| gateways[index].api());
    let session = eventually("the session", async || {
        for api in &apis {
            if let Some(session) = find(api, "cam").await {
                return Some(session);
            }
        }
        None
    })
    .await;
    assert_eq!(session["peer"], address.to_string());

    proxy.signal(Signal::TERM);
    eventually("nobody new is let in", async || {
        TcpStream::connect(proxy.address())
            .await
            .is_err()
            .then_some(())
    })
    .await;
    assert_eq!(proxy.http("/readyz").await, (503, "draining\n".to_owned()));
    // The session is the gateway's to end; until then the proxy stays.
    client
        .send(kind::AUDIO, 1, &[0xAF, 0, 0x12, 0x10])
        .await
        .unwrap();
    assert!(proxy.runs());
    drop(client);
    assert!(proxy.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn rtmps_ends_at_the_proxy() {
    let folder = TempDir::new().unwrap();
    let certificate = Certificate::make(folder.path(), &["live.example"]).await;
    let [chain, key] = [&certificate.chain, &certificate.key].map(|path| path.to_str().unwrap());
    let gateways = [gateway().await];
    let backends = list(&gateways);
    let tls = [
        "--rtmps",
        "127.0.0.1:0",
        "--tls-cert",
        chain,
        "--tls-key",
        key,
    ];
    for mode in ["tcp", "rtmp"] {
        let arguments = [&["--mode", mode, "--backends", &backends][..], &tls].concat();
        let proxy = Proxy::start(&arguments).await;
        proxy.healthy(1).await;
        let shown = served(&proxy.tls_address().to_string(), None).await;
        assert_eq!(shown, certificate.pem());
        let key = create(&gateways, &format!("vault-{mode}")).await;
        let url = format!("rtmps://{}/stream/{key}", proxy.tls_address());
        let _encoder = Picture::default().push(&url);
        let viewer = Viewer::open(&gateways[0].http(&format!("/vault-{mode}/live.flv"))).await;
        viewer.goes_on(16 * 1024).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bytes_disturb_nobody() {
    let gateways = [gateway().await];
    let backends = list(&gateways);
    let arguments = [
        "--mode",
        "rtmp",
        "--log-level",
        "debug",
        "--backends",
        &backends,
    ];
    let proxy = Proxy::start(&arguments).await;
    proxy.healthy(1).await;
    let key = create(&gateways, "cam").await;
    let mut encoder = Picture::default().push(&proxy.rtmp(&key));
    let viewer = Viewer::open(&gateways[0].http("/cam/live.flv")).await;
    viewer.goes_on(1).await;

    let mut handshake = vec![3; 3073];
    handshake[1..9].fill(0);
    let endless = [
        &handshake[..],
        &[0x03, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x14, 0, 0, 0, 0],
    ]
    .concat();
    let body = [
        &b"\x02\0\x07connect\0\x3F\xF0\0\0\0\0\0\0"[..],
        &b"\x03\0\x01a".repeat(64),
    ]
    .concat();
    let [_, _, high, low] = u32::try_from(body.len()).unwrap().to_be_bytes();
    let deep = [
        &handshake[..],
        &[0x03, 0, 0, 0, 0, high, low, 0x14, 0, 0, 0, 0],
        &body.chunks(128).collect::<Vec<_>>().join(&0xC3),
    ]
    .concat();
    let pings = [
        &handshake[..],
        &[2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1].repeat(10_000),
    ]
    .concat();
    for (bytes, reason) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "is this an RTMP client"),
        (
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
            "is this an RTMP client",
        ),
        (&[0x16, 3, 1, 0, 0xFF], "is this an RTMP client"),
        (&endless, "a message of 16777215 bytes is longer than"),
        (&deep, "AMF nests deeper than"),
        (&pings, "bytes came before a publish or play request"),
    ] {
        let mut tcp = TcpStream::connect(proxy.address()).await.unwrap();
        let peer = format!("peer={}}}", tcp.local_addr().unwrap());
        // The proxy may hang up before all is written.
        drop(tcp.write_all(bytes).await);
        eventually("the proxy hangs up", async || {
            let mut rest = [0; 4096];
            match tcp.try_read(&mut rest) {
                Ok(0) => Some(()),
                Ok(_) => None,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
                Err(_) => Some(()),
            }
        })
        .await;
        // For what it got, and not because it got no more.
        let mut said = String::new();
        let logged = || {
            let log = plain(&proxy.log());
            let line = log.lines().find(|line| line.contains(&peer));
            line.map(str::to_owned)
        };
        eventually("the log says why", async || {
            said = logged()?;
            Some(())
        })
        .await;
        assert!(said.contains(reason), "{said}");
    }
    // A publisher without a credential gets the gateway's own answer.
    let refusal = Client::connect(&proxy.address().to_string())
        .await
        .publish("cam")
        .await;
    assert_eq!(refusal.unwrap_err().code, "NetStream.Publish.Denied");
    viewer.goes_on(64 * 1024).await;
    assert!(encoder.runs(), "{}", encoder.stderr());
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_one_line() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, part) in [
        (&["--rtmp", "127.0.0.1:0"][..], "backends"),
        (&["--backends", "127.0.0.1:1", "--mode", "udp"], "mode"),
        (&["--backends", "127.0.0.1:1", "--rtmp", &taken], &taken),
        (&["--backend", "127.0.0.1:1"], "--backend"),
    ] {
        let (status, said) = lsv_proxy(arguments).await;
        assert_eq!(status.code(), Some(1), "{said}");
        let line = said.trim_end();
        assert!(
            line.starts_with("lsv-proxy: ") && line.contains(part) && !line.contains('\n'),
            "{said}"
        );
    }
}

/// A player through the proxy: how many messages it has got. The channel closes when it is cut off.
async fn player(proxy: &Proxy, name: &str) -> tokio::sync::watch::Receiver<u64> {
    let mut client = Client::connect(&proxy.address().to_string()).await;
    client.play(name).await.expect("a channel that is live");
    let (sender, receiver) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        while client.receive().await.is_some() {
            sender.send_modify(|got| *got += 1);
        }
    });
    receiver
}

/// Encoders at once: `LSV_TEST_PUBLISHERS`, else 4.
fn publishers() -> usize {
    let wanted = std::env::var("LSV_TEST_PUBLISHERS").ok();
    wanted.map_or(4, |text| text.parse().expect("a number of publishers"))
}

/// An `lsv` that believes load balancers on this machine.
async fn gateway() -> Server {
    Server::start(&["--proxy-protocol", "127.0.0.0/8"]).await
}

fn list(gateways: &[Server]) -> String {
    let addresses: Vec<&str> = gateways.iter().map(Server::rtmp_address).collect();
    addresses.join(",")
}

/// Names of channels, `count` for each gateway, by where the proxy puts them.
fn names(gateways: &[Server; 2], count: usize) -> [Vec<String>; 2] {
    let addresses: [SocketAddr; 2] =
        [0, 1].map(|index: usize| gateways[index].rtmp_address().parse().expect("an address"));
    let mut pool = Pool::new(&Config::default());
    drop(pool.replace(&BTreeSet::from(addresses), None));
    let mut names = [Vec::new(), Vec::new()];
    for number in 0..1000 {
        let name = format!("cam-{number}");
        let channel = Channel::of(&Target::new("stream", &name));
        let lease = pool
            .lease_home(&channel, Purpose::Publish, &[], Instant::now().into_std())
            .expect("a back end");
        let of_one = &mut names[usize::from(lease.address() == addresses[1])];
        if of_one.len() < count {
            of_one.push(name);
        }
        pool.release(lease, Instant::now().into_std());
    }
    assert_eq!(names.each_ref().map(Vec::len), [count; 2]);
    names
}

/// Creates a channel on all gateways, as a store that they share would, and answers its stream key.
async fn create(gateways: &[Server], id: &str) -> String {
    let mut keys = Vec::new();
    for gateway in gateways {
        let channel = json!({ "id": id, "outdate": "2032-12-09" });
        keys.push(stream_key(&gateway.api().create(&channel).await));
    }
    keys.dedup();
    assert_eq!(keys.len(), 1, "the gateways share a secret");
    keys.remove(0)
}

async fn find(api: &Api, id: &str) -> Option<Value> {
    let answer = api.read(&format!("/videostream/{id}/session")).await;
    answer.status.is_success().then(|| answer.json())
}

/// The session of a channel, once it is live.
async fn live(api: &Api, id: &str) -> Value {
    eventually(&format!("{id} is live"), async || find(api, id).await).await
}

/// A clip to be pushed as it is, which costs encoders next to nothing.
async fn clip(folder: &Path) -> PathBuf {
    let file = folder.join("clip.flv");
    Picture::default().encode(10, &file).await;
    file
}

/// A log without its colours.
fn plain(log: &str) -> String {
    let mut parts = log.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or(part, |(_, rest)| rest)
    })
}
