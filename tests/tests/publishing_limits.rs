//! How much a node takes in: attempts of one address, publishers, and their bit rate. Whoever is too much is told so
//! before `NetStream.Publish.Start`, counted, and let in when there is room again.

use lsv_tests::{Client, Picture, Refusal, Server, eventually};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

#[tokio::test]
async fn an_address_that_was_refused_too_often_waits_and_others_do_not() {
    let trusting = [
        "--proxy-protocol",
        "127.0.0.1",
        "--max-publish-attempts",
        "3",
    ];
    let server = Server::start(&trusting).await;
    let key = server.api().channel("gate").await;
    for wrong in ["gate?sign=1-0", "gate", "nowhere?sign=1-0"] {
        let refusal = from("198.51.100.7", &server, wrong).await.unwrap_err();
        assert!(!refusal.description.contains("too many"), "{refusal:?}");
    }
    let refusal = from("198.51.100.7", &server, &key).await.unwrap_err();
    assert_eq!(refusal.code, "NetStream.Publish.Denied");
    assert!(refusal.description.contains("wait a minute"), "{refusal:?}");
    from("198.51.100.8", &server, &key).await.unwrap();
    counted(&server, "too-many-attempts", 1).await;
    server.logged(&["refused", "too-many-attempts"]).await;

    // A customer of IPv6 has a whole network, and is one all the same.
    for host in 1..=3 {
        let refused = from(&format!("2001:db8::{host}"), &server, "gate").await;
        refused.unwrap_err();
    }
    let refusal = from("2001:db8::ffff", &server, &key).await.unwrap_err();
    assert!(refusal.description.contains("wait a minute"), "{refusal:?}");
    from("2001:db8:0:1::1", &server, &key).await.unwrap();
    counted(&server, "too-many-attempts", 2).await;
}

#[tokio::test]
async fn an_encoder_with_a_good_key_may_come_back_as_often_as_it_likes() {
    let server = Server::start(&["--max-publish-attempts", "2"]).await;
    let key = server.api().channel("gate").await;
    for _ in 0..3 {
        publish(&server, &key).await.unwrap().closed_by_us();
    }
}

#[tokio::test]
async fn one_publisher_more_than_may_be_is_refused() {
    let server = Server::start(&["--max-publishers", "1", "--reconnect-window", "1s"]).await;
    let (first, second) = (
        server.api().channel("first").await,
        server.api().channel("second").await,
    );
    let mut encoder = Picture::default().push(&server.rtmp(&first));
    live(&server, "first").await;

    let refusal = publish(&server, &second).await.unwrap_err();
    assert_eq!(refusal.code, "NetStream.Publish.Denied");
    assert!(
        refusal.description.contains("more than 1 channels"),
        "{refusal:?}"
    );
    counted(&server, "too-many-publishers", 1).await;
    assert!(encoder.runs(), "{}", encoder.stderr());

    // Who publishes already may come again, by taking over.
    let again = publish(&server, &first).await.unwrap();
    again.closed_by_us();
    eventually("there is room for the second", async || {
        publish(&server, &second).await.ok()
    })
    .await;
}

#[tokio::test]
async fn while_as_much_comes_in_as_may_one_more_is_refused() {
    let server = Server::start(&["--max-ingest-bitrate", "20k", "--reconnect-window", "1s"]).await;
    let (first, second) = (
        server.api().channel("first").await,
        server.api().channel("second").await,
    );
    let mut encoder = Picture::default().push(&server.rtmp(&first));
    eventually("its bit rate is measured", async || {
        let session = server.api().read("/videostream/first/session").await;
        let session = (session.status == 200).then(|| session.json())?;
        (session["bitrateIn"].as_u64()? > 20_000).then_some(())
    })
    .await;

    let refusal = publish(&server, &second).await.unwrap_err();
    assert_eq!(refusal.code, "NetStream.Publish.Denied");
    assert!(
        refusal.description.contains("20000 bits a second"),
        "{refusal:?}"
    );
    counted(&server, "bit-rate", 1).await;
    assert!(encoder.runs(), "{}", encoder.stderr());
    drop(encoder);
    eventually("there is room for the second", async || {
        publish(&server, &second).await.ok()
    })
    .await;
}

async fn publish(server: &Server, key: &str) -> Result<Publishing, Refusal> {
    let mut client = Client::connect(server.rtmp_address()).await;
    client.publish(key).await.map(|()| Publishing(client))
}

/// Publishes as somebody at `address`, for whom a load balancer speaks.
async fn from(address: &str, server: &Server, key: &str) -> Result<Publishing, Refusal> {
    let mut balancer = TcpStream::connect(server.rtmp_address())
        .await
        .expect("a listener");
    let (family, here) = match address.contains(':') {
        true => ("TCP6", "2001:db8::1"),
        false => ("TCP4", "203.0.113.1"),
    };
    let header = format!("PROXY {family} {address} {here} 4242 1935\r\n");
    balancer
        .write_all(header.as_bytes())
        .await
        .expect("a server");
    let mut client = Client::over(balancer).await;
    client.publish(key).await.map(|()| Publishing(client))
}

/// A client that publishes; it leaves when this is dropped.
#[derive(Debug)]
struct Publishing(#[expect(dead_code, reason = "holds the connection")] Client);

impl Publishing {
    fn closed_by_us(self) {}
}

async fn live(server: &Server, id: &str) {
    eventually("it is live", async || {
        let path = format!("/videostream/{id}/session");
        (server.api().read(&path).await.status == 200).then_some(())
    })
    .await;
}

/// Waits until so many publishers were refused for `reason`, by the metrics.
async fn counted(server: &Server, reason: &str, times: u32) {
    let line = format!("lsv_refused_total{{protocol=\"rtmp\",reason=\"{reason}\"}} {times}");
    eventually(&line, async || {
        let metrics = server.api().read("/metrics").await.text;
        metrics.contains(&line).then_some(())
    })
    .await;
}
