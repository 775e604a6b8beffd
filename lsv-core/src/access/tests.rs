use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

use lsv_auth::Secret;
use lsv_auth::push::{Algorithm, Expiry};

use super::*;
use crate::channel::Channel;
use crate::embedded::{Channels, Sessions};
use crate::path::{ChannelId, StreamPath};
use crate::ports::{Form, Lease, Precondition, Session, Told};

const NOW: Moment = Moment::from_unix(1_700_000_000);

fn signer() -> Signer {
    Signer::new(Secret::new("secret").unwrap(), [Algorithm::HmacSha256])
}

fn id(text: &str) -> ChannelId {
    ChannelId::parse(text).unwrap()
}

struct Door {
    _directory: tempfile::TempDir,
    store: Arc<Channels>,
    authorizer: ChannelAuthorizer,
}

impl Door {
    async fn with(channel: &Channel) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(Channels::open(directory.path().join("channels.redb")).unwrap());
        store.put(channel, Precondition::Any).await.unwrap();
        let authorizer =
            ChannelAuthorizer::new(Arc::clone(&store) as Arc<dyn ChannelStore>, signer());
        Self {
            _directory: directory,
            store,
            authorizer,
        }
    }

    async fn knock(
        &self,
        access: Access,
        path: &StreamPath,
        query: Option<&str>,
    ) -> Result<Grant, Reason> {
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let request = AccessRequest {
            access,
            path,
            address: "/cam",
            query,
            peer,
            told: Told::default(),
            presence: Presence::None,
            now: NOW,
        };
        self.authorizer
            .authorize(request)
            .await
            .map_err(|denied| denied.reason)
    }

    async fn publish(&self, query: Option<&str>) -> Result<Grant, Reason> {
        self.knock(Access::Publish, &StreamPath::source(id("cam")), query)
            .await
    }
}

fn query(channel: &str, exp: u64) -> String {
    format!(
        "sign={}",
        signer().sign(&id(channel), Expiry::from_unix(exp))
    )
}

#[tokio::test]
async fn the_holder_of_the_key_publishes() {
    let channel = Channel::new(id("cam"), NOW);
    let door = Door::with(&channel).await;
    let grant = door
        .publish(Some(&query("cam", channel.key.expiry().unix())))
        .await
        .unwrap();
    assert_eq!(grant.channel.as_ref(), &channel);
    assert_eq!(grant.expires, Some(channel.settings.outdate));
    let own = query("cam", NOW.unix() + 60);
    assert!(
        door.publish(Some(&own)).await.is_ok(),
        "keys minted by an operator's script work"
    );
}

#[tokio::test]
async fn everybody_else_is_refused() {
    let channel = Channel::new(id("cam"), NOW);
    let door = Door::with(&channel).await;
    let outdate = channel.settings.outdate.unix();
    let good = query("cam", outdate);
    for (query, reason) in [
        (None, Reason::Missing),
        (Some(String::new()), Reason::Missing),
        (Some("sign=garbage".to_owned()), Reason::Malformed),
        (Some(format!("{good}&{good}")), Reason::Malformed),
        (Some(query("other", outdate)), Reason::Mismatch),
        (Some(query("cam", NOW.unix() - 1)), Reason::Expired),
        (Some(query("cam", outdate + 1)), Reason::Expired),
        (
            Some(format!("sign={outdate}-{}", "a".repeat(32))),
            Reason::NotAllowed,
        ),
    ] {
        assert_eq!(
            door.publish(query.as_deref()).await.unwrap_err(),
            reason,
            "{query:?}"
        );
    }
    let unknown = StreamPath::source(id("nobody"));
    for access in [Access::Publish, Access::Play] {
        assert_eq!(
            door.knock(access, &unknown, Some(&good)).await.unwrap_err(),
            Reason::UnknownChannel
        );
    }
    let rendition = StreamPath {
        channel: id("cam"),
        rendition: Rendition::P720,
    };
    assert_eq!(
        door.knock(Access::Publish, &rendition, Some(&good))
            .await
            .unwrap_err(),
        Reason::NotPublishable
    );
}

#[tokio::test]
async fn anybody_plays_what_exists() {
    let door = Door::with(&Channel::new(id("cam"), NOW)).await;
    let path = StreamPath::source(id("cam"));
    assert!(
        door.knock(Access::Play, &path, None)
            .await
            .unwrap()
            .expires
            .is_none()
    );
}

#[tokio::test]
async fn who_may_not_watch_does_not_learn_what_there_is() {
    let mut door = Door::with(&Channel::new(id("cam"), NOW)).await;
    let secret = Secret::new("playback secret").unwrap();
    let mut protection = Protection::with_secret(secret.clone());
    protection.token = Token::On;
    door.authorizer.protect(protection);
    let (cam, nobody) = (id("cam"), id("nobody"));
    let paths = [&cam, &nobody].map(|id| StreamPath::source(id.clone()));
    for path in &paths {
        let refused = door.knock(Access::Play, path, None).await.unwrap_err();
        assert_eq!(refused, Reason::Missing, "{path}");
    }
    let token = lsv_auth::playback::mint(&secret, "/", NOW.unix(), None);
    let node = lsv_auth::node::mint(&secret, "/", NOW.unix());
    for (query, inherited) in [(token, 2), (node, 0)] {
        let [cam, nobody] = &paths;
        let grant = door.knock(Access::Play, cam, Some(&query)).await.unwrap();
        assert_eq!(grant.inherited.len(), inherited);
        let unknown = door.knock(Access::Play, nobody, Some(&query)).await;
        assert_eq!(unknown.unwrap_err(), Reason::UnknownChannel);
    }
    door.authorizer = ChannelAuthorizer::of_viewers(Arc::clone(&door.store) as _);
    assert!(door.knock(Access::Play, &paths[0], None).await.is_ok());
}

#[tokio::test]
async fn a_key_that_was_taken_back_is_refused() {
    let mut channel = Channel::new(id("cam"), NOW);
    let door = Door::with(&channel).await;
    let old = query("cam", channel.key.expiry().unix());
    channel.rotate_key(NOW).unwrap();
    door.store.put(&channel, Precondition::Any).await.unwrap();
    assert_eq!(door.publish(Some(&old)).await.unwrap_err(), Reason::Revoked);
    assert!(
        door.publish(Some(&query("cam", channel.key.expiry().unix())))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_store_out_of_reach_refuses() {
    let authorizer = ChannelAuthorizer::new(ports::conformance::unreachable_store(), signer());
    let path = StreamPath::source(id("cam"));
    let query = query("cam", NOW.unix() + 60);
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for access in [Access::Publish, Access::Play] {
        let request = AccessRequest {
            access,
            path: &path,
            address: "/cam",
            query: Some(&query),
            peer,
            told: Told::default(),
            presence: Presence::None,
            now: NOW,
        };
        let denied = authorizer.authorize(request).await.unwrap_err();
        assert_eq!(denied.reason, Reason::Unavailable);
        assert!(!format!("{denied:?} {request:?}").contains(&query));
    }
}

#[tokio::test]
async fn viewers_are_capped_as_the_platform_or_the_channel_says() {
    let mut channel = Channel::new(id("cam"), NOW);
    let door = Door::with(&channel).await;
    let secret = Secret::new("playback secret").unwrap();
    let mut protection = Protection::with_secret(secret.clone());
    protection.max_viewers = 1;
    door.authorizer.protect(protection);
    let path = StreamPath::source(id("cam"));
    let enter = async |query: Option<&str>, now| {
        let request = AccessRequest {
            access: Access::Play,
            path: &path,
            address: "/cam",
            query,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            told: Told::default(),
            presence: Presence::Connected,
            now,
        };
        let entered = door.authorizer.authorize(request).await;
        entered.map_err(|denied| denied.reason)
    };
    let first = enter(None, NOW).await.unwrap();
    assert_eq!(enter(None, NOW).await.unwrap_err(), Reason::TooManyViewers);
    let node = lsv_auth::node::mint(&secret, "/cam", NOW.unix());
    assert!(enter(Some(&node), NOW).await.unwrap().seat.is_none());

    channel.settings.max_viewers = 2;
    door.store.put(&channel, Precondition::Any).await.unwrap();
    let later = NOW.plus(MAX_AGE);
    let second = enter(None, later).await.unwrap();
    assert!(enter(None, later).await.is_err());
    drop((first, second));
    assert!(enter(None, later).await.is_ok());
}

#[tokio::test]
async fn a_key_is_given_by_the_record_as_it_is() {
    let door = Door::with(&Channel::new(id("cam"), NOW)).await;
    let path = StreamPath::source(id("cam"));
    let ask = async |presence| {
        let request = AccessRequest {
            access: Access::Play,
            path: &path,
            address: "/cam/key/7",
            query: None,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            told: Told::default(),
            presence,
            now: NOW,
        };
        door.authorizer.authorize(request).await
    };
    assert!(ask(Presence::Key).await.is_ok());
    door.store.delete(&id("cam")).await.unwrap();
    assert!(ask(Presence::Fetching).await.is_ok(), "for two seconds");
    let refused = ask(Presence::Key).await.unwrap_err();
    assert_eq!(refused.reason, Reason::UnknownChannel);
}

async fn announce(sessions: &Sessions, node: &str, [waiting, leaving]: [bool; 2]) -> Lease {
    let session = Session {
        take_overs: vec![Moment::from_unix(NOW.unix() - 7), NOW.plus(MAX_AGE)],
        waiting,
        leaving,
        ..Session::new(id("cam"), node, format!("rtmp://{node}:1935"), NOW)
    };
    sessions.announce(session).await.unwrap()
}

#[tokio::test]
async fn who_publishes_is_told_where_else_the_channel_is_live() {
    let sessions = Sessions::default();
    let mut door = Door::with(&Channel::new(id("cam"), NOW)).await;
    let registry = Arc::new(sessions.clone());
    door.authorizer = door.authorizer.among(registry, "here".to_owned());
    let outdate = Channel::new(id("cam"), NOW).settings.outdate.unix();
    let key = query("cam", outdate);
    let elsewhere = async || door.publish(Some(&key)).await.unwrap().elsewhere;
    assert_eq!(elsewhere().await, None);
    let own = announce(&sessions, "here", [false, false]).await;
    assert_eq!(elsewhere().await, None);
    for (state, free) in [
        ([false, false], false),
        ([true, false], true),
        ([false, true], true),
    ] {
        let _lease = announce(&sessions, "there", state).await;
        let found = elsewhere().await.unwrap();
        assert_eq!((found.since, found.is_free), (NOW, free));
        assert_eq!(found.take_overs, [Duration::from_secs(7), Duration::ZERO]);
    }
    drop(own);
    assert_eq!(elsewhere().await, None);
}

/// A registry that is out of reach once it has answered so often.
#[derive(Debug)]
struct Away(AtomicUsize);

#[async_trait]
impl SessionRegistry for Away {
    async fn announce(&self, _: Session) -> ports::Result<Lease> {
        Err(ports::Error::unavailable("away"))
    }

    async fn locate(&self, _: &ChannelId, _: Form) -> ports::Result<Option<Session>> {
        match self.0.load(Ordering::Relaxed) {
            0 => Err(ports::Error::unavailable("away")),
            answers => {
                self.0.store(answers - 1, Ordering::Relaxed);
                Ok(None)
            }
        }
    }

    async fn list(&self) -> ports::Result<Vec<Session>> {
        Err(ports::Error::unavailable("away"))
    }
}

#[tokio::test]
async fn nobody_publishes_while_it_is_not_known_what_is_live() {
    let mut door = Door::with(&Channel::new(id("cam"), NOW)).await;
    let away = Arc::new(Away(AtomicUsize::new(0)));
    door.authorizer = door.authorizer.among(away, "here".to_owned());
    let outdate = Channel::new(id("cam"), NOW).settings.outdate.unix();
    let refused = door.publish(Some(&query("cam", outdate))).await;
    assert_eq!(refused.err(), Some(Reason::Unavailable));
    // Who has no credential learns nothing, and costs nobody anything.
    assert_eq!(door.publish(None).await.err(), Some(Reason::Missing));
}

#[tokio::test]
async fn who_was_let_in_is_confirmed_by_the_record_alone() {
    let mut door = Door::with(&Channel::new(id("cam"), NOW)).await;
    let once = Arc::new(Away(AtomicUsize::new(1)));
    door.authorizer = door.authorizer.among(once, "here".to_owned());
    let outdate = Channel::new(id("cam"), NOW).settings.outdate.unix();
    let (path, key) = (StreamPath::source(id("cam")), query("cam", outdate));
    assert!(door.publish(Some(&key)).await.is_ok());
    let confirm = async || {
        let request = AccessRequest {
            access: Access::Publish,
            path: &path,
            address: "/cam",
            query: Some(&key),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            told: Told::default(),
            presence: Presence::None,
            now: NOW,
        };
        let confirmed = door.authorizer.confirm(request).await;
        confirmed.map_err(|denied| denied.reason)
    };
    assert_eq!(confirm().await, Ok(()));
    door.store.delete(&id("cam")).await.unwrap();
    assert_eq!(confirm().await, Err(Reason::UnknownChannel));
}
