//! The client against a server session, in memory where time matters and on loopback where addresses do.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio::join;
use tokio::time::timeout;

use lsv_core::media::Tracks;
use lsv_core::time::Timestamp;

use super::connection::Connection;
use super::*;
use crate::error::{self, Waiting};
use crate::message::{Control, UserControl};
use crate::net::socket::now;
use crate::net::testing::{
    AUDIO_HEADER, Listener, METADATA, NAME, Network, Peer, SIGNATURE, VIDEO_HEADER, address, audio,
    audio_track, video, video_body, video_track,
};
use crate::session::{Event, Media, Reject};

async fn start(io: DuplexStream, purpose: Purpose) -> Result<Box<Connection>, Error> {
    let place = Place {
        address: Arc::new(address()),
        peer: None,
    };
    match dial::start(&Config::default(), Box::new(io), place, purpose).await? {
        dial::Start::Started(connection) => Ok(connection),
        dial::Start::Elsewhere(address) => panic!("sent to {address}"),
    }
}

/// Both ends of a connection over which a stream is published, with room for `room` bytes each way.
async fn publishing(room: usize) -> (Publishing, Peer) {
    let (near, far) = duplex(room);
    let mut peer = Peer::new(far);
    let (connection, ()) = join!(start(near, Purpose::Publish), peer.admit());
    (Publishing::new(Arc::default(), connection.unwrap()), peer)
}

/// Both ends of a connection over which a stream is played.
async fn playing() -> (Playing, Peer) {
    let (near, far) = duplex(1 << 20);
    let mut peer = Peer::new(far);
    let (connection, ()) = join!(start(near, Purpose::Play), peer.admit());
    (Playing::new(Arc::default(), connection.unwrap()), peer)
}

/// What becomes of it within a generous time.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), what).await.unwrap()
}

fn bodies(media: &[Media]) -> Vec<(u32, Bytes)> {
    let body = |media: &Media| (media.timestamp(), media.payload().clone());
    media.iter().map(body).collect()
}

#[tokio::test(start_paused = true)]
async fn frames_arrive_with_their_headers_and_the_end_in_order() {
    let (mut publishing, mut peer) = publishing(1 << 20).await;
    let (picture, sound) = (video_track(), audio_track());
    let large = vec![0xC3; 200_000];
    let sent = async {
        let mut tracks = Tracks::default();
        tracks.metadata = Some(METADATA);
        tracks.set(&picture);
        tracks.set(&sound);
        publishing
            .send_tracks(&tracks, Timestamp::from_millis(70))
            .await?;
        publishing.send(&video(&picture, 80, true, &large)).await?;
        publishing.send(&audio(&sound, 90, b"sound")).await?;
        // Needs the extended timestamp field, in every chunk.
        publishing
            .send(&video(&picture, 0x0100_0000, false, &large))
            .await?;
        publishing.finish().await
    };
    let got = async {
        let mut got = Vec::new();
        while let Some(media) = peer.media().await {
            got.push(media);
        }
        // The connection is closed by the client, for good.
        assert_eq!(peer.event().await, None);
        got
    };
    let (sent, got) = join!(sent, got);
    sent.unwrap();
    let expected: [(u32, Vec<u8>); 6] = [
        (0, METADATA.to_vec()),
        (70, VIDEO_HEADER.to_vec()),
        (70, AUDIO_HEADER.to_vec()),
        (80, video_body(true, &large)),
        (90, b"\xAF\x01sound".to_vec()),
        (0x0100_0000, video_body(false, &large)),
    ];
    assert_eq!(bodies(&got), expected.map(|(at, body)| (at, body.into())));
}

#[tokio::test(start_paused = true)]
async fn messages_arrive_as_they_are() {
    let (mut publishing, mut peer) = publishing(1 << 20).await;
    let all = [
        media(1, 0, b"\x17\x00\0\0\0avcC"),
        media(0, 0, b"\xAF\x00\x12\x10"),
        media(1, u32::MAX, b"\x17\x01\0\0\0key"),
        media(2, 5, b"\x02\x00\x0aonTextData\x05"),
    ];
    for sent in &all {
        publishing.send_media(sent).await.unwrap();
        assert_eq!(peer.media().await.as_ref(), Some(sent));
    }
}

fn media(kind: u8, timestamp: u32, payload: &'static [u8]) -> Media {
    let payload = Bytes::from_static(payload);
    match kind {
        0 => Media::Audio { timestamp, payload },
        1 => Media::Video { timestamp, payload },
        _ => Media::Data { timestamp, payload },
    }
}

#[tokio::test(start_paused = true)]
async fn a_player_gets_frames_with_their_tracks() {
    let (mut playing, mut peer) = playing().await;
    for sent in [
        media(2, 0, b"\x02\x00\x0aonMetaData\x03\x00\x00\x09"),
        media(1, 7, b"\xA1hvc1\0\0\x28before its header"),
        media(1, 10, VIDEO_HEADER),
        media(0, 10, AUDIO_HEADER),
        media(1, 10, b"\x91hvc1\0\0\x28key"),
        media(0, 20, b"\xAF\x01sound"),
    ] {
        peer.send(&sent).await;
    }
    peer.session.end_play(now()).unwrap();
    peer.flush().await;
    let mut got = Vec::new();
    while let Some(played) = playing.next().await.unwrap() {
        got.push(match played {
            Played::Metadata(metadata) => format!("metadata {}", metadata == METADATA),
            Played::Track(track) => format!("track {:?}", track.kind),
            Played::Frame(frame) => format!(
                "{:?} {} {} {} {}",
                frame.kind(),
                frame.dts.as_millis(),
                frame.composition.as_millis(),
                frame.key,
                String::from_utf8_lossy(&frame.payload),
            ),
            other => format!("{other:?}"),
        });
    }
    let expected = [
        "metadata true",
        "track Video",
        "track Audio",
        "Video 10 40 true key",
        "Audio 20 0 false sound",
    ];
    assert_eq!(got, expected);
    playing.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_why_and_repeats_no_credential() {
    let (near, far) = duplex(1 << 20);
    let mut peer = Peer::new(far);
    let refuse = async {
        assert!(matches!(peer.event().await, Some(Event::Publish(_))));
        let why = format!("{NAME} with {SIGNATURE} is taken");
        peer.session.reject_publish(&Reject::bad_name(why)).unwrap();
        peer.flush().await;
    };
    let (refused, ()) = join!(start(near, Purpose::Publish), refuse);
    let error = refused.unwrap_err();
    let expected = "rtmp://localhost/live/..: the server refuses: NetStream.Publish.BadName .. with .. is taken";
    assert_eq!(error.to_string(), expected);
    assert!(error.is_refusal());
    let debug = format!("{error:?}");
    assert!(
        !debug.contains(NAME) && !debug.contains(SIGNATURE),
        "{debug}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let began = now();
    let (near, far) = duplex(1 << 20);
    let error = start(near, Purpose::Publish).await.unwrap_err();
    assert!(is_time_out(&error, Waiting::Handshake), "{error}");
    assert_eq!((now() - began).as_secs(), 5);
    drop(far);

    let (near, far) = duplex(1 << 20);
    let mut peer = Peer::new(far);
    let (started, _) = join!(start(near, Purpose::Publish), async {
        // Takes the request and never answers.
        let request = peer.event().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        request
    });
    let error = started.unwrap_err();
    assert!(is_time_out(&error, Waiting::Answer), "{error}");
    assert_eq!((now() - began).as_secs(), 5 + 60);
}

fn is_time_out(error: &Error, waiting: Waiting) -> bool {
    matches!(error.fault(), Fault::Session(error::Error::TimedOut(of)) if *of == waiting)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_is_given_up() {
    let (mut publishing, _peer) = publishing(64 * 1024).await;
    let began = now();
    let frame = video(&video_track(), 0, true, &[0; 200_000]);
    let error = publishing.send(&frame).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Stalled(_)), "{error}");
    assert_eq!((now() - began).as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_says_is_taken_while_it_takes_nothing() {
    let (mut publishing, mut peer) = publishing(4 * 1024).await;
    let frame = video(&video_track(), 0, true, &[7; 100_000]);
    let talk = async {
        // Reads nothing until all of this is out: with less room than that, somebody has to take it.
        let ping = Control::UserControl(UserControl::PingRequest(1)).encode();
        let mut pings = BytesMut::new();
        for _ in 0..10_000 {
            crate::chunk::Encoder::new()
                .write(&ping, &mut pings)
                .unwrap();
        }
        peer.io.write_all(&pings).await.unwrap();
        let header = peer.media().await.unwrap();
        assert_eq!(&header.payload()[..], VIDEO_HEADER);
        let frame = peer.media().await.unwrap();
        assert_eq!(&frame.payload()[..], video_body(true, &[7; 100_000]));
        // The answers to the pings.
        peer.event().await
    };
    tokio::select! {
        sent = publishing.send(&frame) => sent.unwrap(),
        event = talk => panic!("{event:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_cannot_fill_the_memory_with_answers() {
    let (mut publishing, mut peer) = publishing(4 * 1024).await;
    let ping = Control::UserControl(UserControl::PingRequest(1)).encode();
    let mut pings = BytesMut::new();
    crate::chunk::Encoder::new()
        .write(&ping, &mut pings)
        .unwrap();
    let flood = async {
        loop {
            peer.io.write_all(&pings).await.unwrap();
        }
    };
    let error = tokio::select! {
        event = publishing.event() => event.unwrap_err(),
        () = flood => unreachable!(),
    };
    let limit = error::Limit::OutputBytes(1 << 20);
    assert!(
        matches!(error.fault(), Fault::Session(error::Error::LimitExceeded(reached)) if *reached == limit),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_is_told_apart_from_one_that_ends_the_stream() {
    let (mut publishing, peer) = publishing(1 << 20).await;
    drop(peer);
    let error = publishing.event().await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Closed), "{error}");

    let (mut playing, peer) = playing().await;
    drop(peer);
    let error = playing.next().await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Closed), "{error}");

    let (mut playing, mut peer) = self::playing().await;
    peer.session.end_play(now()).unwrap();
    peer.flush().await;
    assert!(playing.next().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_the_server_ends_is_over_for_its_publisher() {
    let (mut publishing, mut peer) = publishing(1 << 20).await;
    peer.session.close_publish("no more").unwrap();
    peer.flush().await;
    let error = publishing.event().await.unwrap_err();
    assert!(error.to_string().contains("no more"), "{error}");
}

#[tokio::test]
async fn nobody_listens() {
    let listener = Listener::bind().await;
    let address = listener.address.clone();
    drop(listener);
    let error = Client::default().publish(&address).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Connect(_)), "{error}");
    assert_eq!(error.peer(), None);
    assert_eq!(error.address(), &address);
}

#[tokio::test]
async fn what_is_out_of_reach_is_not_connected_to() {
    let listener = Listener::bind().await;
    let config = Config {
        reach: Reach::public(),
        ..Config::default()
    };
    let error = Client::new(config).publish(&listener.address).await;
    let error = error.unwrap_err();
    assert!(matches!(error.fault(), Fault::OutOfReach), "{error}");
    let connected = timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(connected.is_err());
}

#[tokio::test]
async fn tls_needs_a_configuration() {
    let listener = Listener::bind().await;
    let port = listener.address.port();
    let address = format!("rtmps://127.0.0.1:{port}/live/cam")
        .parse()
        .unwrap();
    let error = Client::default().publish(&address).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::NoTls), "{error}");
}

#[tokio::test]
async fn a_publisher_moves_at_a_key_frame() {
    let (old, new) = (Listener::bind().await, Listener::bind().await);
    let client = Client::default();
    let (publishing, mut before) = join!(client.publish(&old.address), old.admit());
    let mut publishing = publishing.unwrap();
    let (picture, sound) = (video_track(), audio_track());
    publishing.send_metadata(METADATA).await.unwrap();
    publishing
        .send(&video(&picture, 0, true, b"first"))
        .await
        .unwrap();
    publishing.send(&audio(&sound, 5, b"sound")).await.unwrap();

    before.ask_to_reconnect(Some(&new.address.tc_url())).await;
    let notice = soon(publishing.event()).await.unwrap();
    assert!(
        matches!(&notice, Notice::ReconnectRequested { description } if description == "maintenance")
    );
    // The new connection comes about while nothing but the notices are waited for.
    let (mut after, _) = join!(
        new.admit(),
        timeout(Duration::from_millis(200), publishing.event())
    );
    publishing
        .send(&video(&picture, 40, false, b"still there"))
        .await
        .unwrap();
    publishing
        .send(&video(&picture, 80, true, b"moved"))
        .await
        .unwrap();
    publishing.send(&audio(&sound, 85, b"too")).await.unwrap();
    let notice = soon(publishing.event()).await.unwrap();
    assert!(
        matches!(&notice, Notice::Moved { address } if address.port() == new.address.port()),
        "{notice:?}"
    );
    assert_eq!(publishing.address().port(), new.address.port());
    let (finished, got) = join!(soon(publishing.finish()), all(&mut after));
    finished.unwrap();

    let got_before = soon(all(&mut before)).await;
    let expected: [(u32, Vec<u8>); 6] = [
        (0, METADATA.to_vec()),
        (0, VIDEO_HEADER.to_vec()),
        (0, video_body(true, b"first")),
        (5, AUDIO_HEADER.to_vec()),
        (5, b"\xAF\x01sound".to_vec()),
        (40, video_body(false, b"still there")),
    ];
    assert_eq!(
        bodies(&got_before),
        expected.map(|(at, body)| (at, body.into()))
    );
    let expected: [(u32, Vec<u8>); 5] = [
        (0, METADATA.to_vec()),
        (80, VIDEO_HEADER.to_vec()),
        (80, AUDIO_HEADER.to_vec()),
        (80, video_body(true, b"moved")),
        (85, b"\xAF\x01too".to_vec()),
    ];
    assert_eq!(bodies(&got), expected.map(|(at, body)| (at, body.into())));
}

#[tokio::test(start_paused = true)]
async fn a_player_that_is_asked_twice_during_a_move_keeps_the_new_headers() {
    let network = Network::default();
    let (mut old, mut new) = (network.listen("old"), network.listen("new"));
    let client = network.client();
    let from = old.address.clone();
    let (playing, mut before) = join!(client.play(&from), old.admit());
    let mut playing = playing.unwrap();
    let to_new = new.address.tc_url();
    before.ask_to_reconnect(Some(&to_new)).await;
    let serves = async {
        let mut after = new.admit().await;
        after.send(&media(1, 0, VIDEO_HEADER)).await;
        // Lets the player take the header before it is asked again, and the request before the key frame.
        tokio::time::sleep(Duration::from_secs(1)).await;
        before.ask_to_reconnect(Some(&to_new)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        after.send(&media(1, 40, b"\x93hvc1moved")).await;
        after
    };
    let plays = async {
        loop {
            if let Some(Played::Frame(frame)) = playing.next().await.unwrap() {
                return frame.payload;
            }
        }
    };
    let (_after, payload) = soon(async { join!(serves, plays) }).await;
    assert_eq!(payload, "moved");
}

/// All media up to an end in order.
async fn all(peer: &mut Peer) -> Vec<Media> {
    let mut all = Vec::new();
    loop {
        match peer.event().await.expect("the stream ends in order") {
            Event::Media(media) => all.push(media),
            Event::Unpublished => return all,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_publisher_that_never_asks_for_news_moves_too() {
    let (old, new) = (Listener::bind().await, Listener::bind().await);
    let client = Client::default();
    let (publishing, mut before) = join!(client.publish(&old.address), old.admit());
    let mut publishing = publishing.unwrap();
    before.ask_to_reconnect(Some(&new.address.tc_url())).await;
    let sends = async {
        for at in 0.. {
            let key = media(1, at, b"\x93hvc1key");
            publishing.send_media(&key).await.unwrap();
            if publishing.address().port() == new.address.port() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let ((), mut after) = soon(async { join!(sends, new.admit()) }).await;
    assert!(soon(after.media()).await.is_some());
}

#[tokio::test]
async fn a_publisher_moves_at_once_where_the_server_does_not_wait() {
    let listener = Listener::bind().await;
    let client = Client::default();
    let (publishing, mut before) = join!(client.publish(&listener.address), listener.admit());
    let mut publishing = publishing.unwrap();
    publishing
        .send_media(&media(1, 0, VIDEO_HEADER))
        .await
        .unwrap();
    publishing
        .send_media(&media(1, 0, b"\x93hvc1first"))
        .await
        .unwrap();

    before.ask_to_reconnect(None).await;
    drop(before);
    let (notice, mut after) = soon(async {
        join!(
            async {
                assert!(matches!(
                    publishing.event().await.unwrap(),
                    Notice::ReconnectRequested { .. }
                ));
                publishing.event().await.unwrap()
            },
            listener.admit()
        )
    })
    .await;
    assert!(matches!(notice, Notice::Moved { .. }), "{notice:?}");
    publishing
        .send_media(&media(1, 40, b"\xA3hvc1lost"))
        .await
        .unwrap();
    publishing
        .send_media(&media(1, 80, b"\x93hvc1second"))
        .await
        .unwrap();
    let (finished, got) = join!(soon(publishing.finish()), all(&mut after));
    finished.unwrap();
    let expected = [media(1, 80, VIDEO_HEADER), media(1, 80, b"\x93hvc1second")];
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_server_sends_who_comes_elsewhere() {
    let (full, free) = (Listener::bind().await, Listener::bind().await);
    let send_on = async {
        let mut peer = Peer::new(full.accept().await);
        assert!(matches!(peer.event().await, Some(Event::Publish(_))));
        peer.ask_to_reconnect(Some(&free.address.tc_url())).await;
        free.admit().await
    };
    let client = Client::default();
    let (publishing, _peer) = join!(client.publish(&full.address), send_on);
    assert_eq!(publishing.unwrap().address().as_ref(), &free.address);
}

#[tokio::test]
async fn a_server_that_sends_on_and_on_is_left() {
    let listener = Listener::bind().await;
    let send_on = async {
        loop {
            let mut peer = Peer::new(listener.accept().await);
            peer.event().await;
            peer.ask_to_reconnect(None).await;
        }
    };
    let client = Client::default();
    let error = tokio::select! {
        published = client.publish(&listener.address) => published.unwrap_err(),
        () = send_on => unreachable!(),
    };
    assert!(matches!(error.fault(), Fault::Moves(4)), "{error}");
}

#[tokio::test]
async fn a_publisher_that_cannot_move_stays() {
    let (old, closed) = (Listener::bind().await, Listener::bind().await);
    let config = Config {
        reach: Reach::only({
            let allowed = old.address.port();
            move |address| address.port() == allowed
        }),
        ..Config::default()
    };
    let client = Client::new(config);
    let (publishing, mut peer) = join!(client.publish(&old.address), old.admit());
    let mut publishing = publishing.unwrap();
    for (tc_url, expected) in [
        (
            closed.address.tc_url(),
            "no address that may be connected to",
        ),
        (
            "http://example.com/live".to_owned(),
            "must begin with rtmp://",
        ),
    ] {
        peer.ask_to_reconnect(Some(&tc_url)).await;
        let notice = soon(publishing.event()).await.unwrap();
        assert!(
            matches!(notice, Notice::ReconnectRequested { .. }),
            "{notice:?}"
        );
        let Notice::Stayed(error) = soon(publishing.event()).await.unwrap() else {
            panic!("it moved");
        };
        assert!(error.to_string().contains(expected), "{error}");
    }
    publishing
        .send_media(&media(1, 0, b"\x93hvc1frame"))
        .await
        .unwrap();
    assert!(peer.media().await.is_some());
}

#[tokio::test]
async fn servers_cannot_send_a_publisher_round_in_circles() {
    let listener = Listener::bind().await;
    let client = Client::default();
    let (publishing, mut peer) = join!(client.publish(&listener.address), listener.admit());
    let mut publishing = publishing.unwrap();
    let mut moved = 0;
    let error = loop {
        peer.ask_to_reconnect(None).await;
        drop(peer);
        let next = async {
            loop {
                match publishing.event().await {
                    Ok(Notice::Moved { .. }) => break None,
                    Ok(_) => {}
                    Err(error) => break Some(error),
                }
            }
        };
        // Waits for a new connection as long as one may come.
        tokio::select! {
            (outcome, admitted) = async { join!(next, listener.admit()) } => {
                assert!(outcome.is_none());
                peer = admitted;
            }
            () = tokio::time::sleep(Duration::from_secs(2)), if moved == 4 => {
                break soon(publishing.event()).await.unwrap_err();
            }
        }
        moved += 1;
        assert!(moved <= 4);
    };
    assert!(matches!(error.fault(), Fault::Closed), "{error}");
}

#[tokio::test]
async fn a_player_moves_at_a_key_frame() {
    let (old, new) = (Listener::bind().await, Listener::bind().await);
    let client = Client::default();
    let (playing, mut before) = join!(client.play(&old.address), old.admit());
    let mut playing = playing.unwrap();
    before.send(&media(1, 5, VIDEO_HEADER)).await;
    before.send(&media(1, 5, b"\x93hvc1old")).await;
    assert_eq!(payloads(&mut playing, 1).await, [(5, 0, "old".to_owned())]);

    before.ask_to_reconnect(Some(&new.address.tc_url())).await;
    let (mut after, notice) = soon(async {
        join!(new.admit(), async {
            let notice = playing.next().await.unwrap();
            // Drives the new connection as far as it goes.
            assert!(
                timeout(Duration::from_millis(200), playing.next())
                    .await
                    .is_err()
            );
            notice
        })
    })
    .await;
    assert!(matches!(
        notice,
        Some(Played::Notice(Notice::ReconnectRequested { .. }))
    ));
    after
        .send(&media(1, 900, b"\xA3hvc1cannot be decoded"))
        .await;
    after.send(&media(1, 900, VIDEO_HEADER)).await;
    before.send(&media(1, 45, b"\xA3hvc1still")).await;
    assert_eq!(
        payloads(&mut playing, 1).await,
        [(45, 0, "still".to_owned())]
    );
    after.send(&media(1, 940, b"\x93hvc1key")).await;
    after.send(&media(1, 980, b"\xA3hvc1more")).await;
    let expected = [(940, 1, "key".to_owned()), (980, 1, "more".to_owned())];
    assert_eq!(payloads(&mut playing, 2).await, expected);
    assert_eq!(playing.address().port(), new.address.port());
    assert_eq!(soon(before.event()).await, None);
}

async fn payloads(playing: &mut Playing, count: usize) -> Vec<(i64, u32, String)> {
    let mut got = Vec::new();
    while got.len() < count {
        match soon(playing.next()).await.unwrap() {
            Some(Played::Frame(frame)) => {
                let payload = String::from_utf8_lossy(&frame.payload).into_owned();
                got.push((frame.dts.as_millis(), frame.epoch, payload));
            }
            Some(_) => {}
            None => panic!("the stream is over"),
        }
    }
    got
}
