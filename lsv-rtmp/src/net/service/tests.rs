//! The service over a hub, with clients over loopback.

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use lsv_core::channel::Channel;
use lsv_core::hub::Limits;
use tokio::time::timeout;

use super::*;
use crate::net::{Address, Client, Config};

/// Lets publish whoever has a query, and remembers who asked. Whoever was let in is confirmed by what it says.
#[derive(Debug, Default)]
struct Store(Mutex<Vec<String>>);

#[async_trait]
impl Authorizer for Store {
    async fn authorize(&self, request: AccessRequest<'_>) -> Result<Grant, Denied> {
        let mut asked = self.0.lock().unwrap();
        asked.push(request.path.to_string());
        match request.query {
            Some(_) => {
                let channel = Channel::new(request.path.channel.clone(), request.now);
                Ok(Grant::new(Arc::new(channel), None))
            }
            None => Err(Denied::new(Reason::Missing, "there is no credential")),
        }
    }

    async fn confirm(&self, request: AccessRequest<'_>) -> Result<(), Denied> {
        match request.query {
            Some("sign=good") => Ok(()),
            Some("sign=away") => Err(Denied::new(Reason::Unavailable, "it is away")),
            _ => Err(Denied::new(
                Reason::UnknownChannel,
                "there is no such channel",
            )),
        }
    }
}

struct Node {
    store: Arc<Store>,
    address: SocketAddr,
}

impl Node {
    async fn start(limits: Limits, attempts: Attempts) -> Self {
        let any_port = (Ipv4Addr::LOCALHOST, 0).into();
        let server = Server::bind(any_port, Config::default()).await.unwrap();
        let (store, address) = (Arc::new(Store::default()), server.address());
        let authorizer: Arc<dyn Authorizer> = store.clone();
        let service = Service {
            hub: Hub::new(limits),
            authorizer,
            events: Events::new(),
            on_busy: watch::Sender::new(OnBusy::TakeOver).subscribe(),
            attempts,
            upstream: None,
        };
        tokio::spawn(service.run(server, CancellationToken::new()));
        Self { store, address }
    }

    /// Publishes, or says what it was told.
    async fn publish(&self, key: &str) -> Result<crate::net::client::Publishing, String> {
        let address = format!("rtmp://{}/stream/{key}", self.address);
        let address: Address = address.parse().unwrap();
        let published = Client::default().publish(&address).await;
        published.map_err(|error| {
            assert!(error.is_refusal(), "{error}");
            error.to_string()
        })
    }

    fn asked(&self) -> usize {
        self.store.0.lock().unwrap().len()
    }
}

#[tokio::test]
async fn who_was_refused_too_often_costs_the_store_nothing() {
    let node = Node::start(Limits::default(), Attempts::new(3)).await;
    for times in 1..=3 {
        let told = node.publish("cam").await.unwrap_err();
        assert!(told.contains("no credential"), "{told}");
        assert_eq!(node.asked(), times);
    }
    for key in ["cam", "cam?sign=good", "other", "not/a/channel"] {
        let told = node.publish(key).await.unwrap_err();
        assert!(told.contains("NetStream.Publish.Denied"), "{told}");
        assert!(told.contains("wait a minute"), "{told}");
    }
    assert_eq!(node.asked(), 3);
}

#[tokio::test]
async fn a_full_node_is_no_fault_of_who_asks() {
    let mut limits = Limits::default();
    limits.publishers = Some(1);
    let node = Node::start(limits, Attempts::new(1)).await;
    let first = node.publish("cam?sign=good").await.unwrap();
    for _ in 0..3 {
        let told = node.publish("other?sign=good").await.unwrap_err();
        assert!(told.contains("NetStream.Publish.Denied"), "{told}");
        assert!(told.contains("more than 1 channels"), "{told}");
    }
    first.finish().await.unwrap();
    let room = async {
        while node.publish("other?sign=good").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, room).await.unwrap();
}

#[tokio::test]
async fn a_store_that_hiccups_does_not_put_out_who_has_taken_over() {
    let node = Node::start(Limits::default(), Attempts::new(1)).await;
    let _first = node.publish("cam?sign=good").await.unwrap();
    let newcomer = node.publish("cam?sign=away").await.unwrap();
    newcomer.finish().await.unwrap();
    let told = node.publish("cam?sign=deleted").await.unwrap_err();
    assert!(told.contains("no such channel"), "{told}");
}

const PATIENCE: Duration = Duration::from_secs(60);
