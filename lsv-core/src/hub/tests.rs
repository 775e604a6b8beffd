use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};

use super::*;
use crate::codec::{FourCc, aac};
use crate::media::{Codec, Kind, MediaFrame, Track, Tracks};
use crate::path::ChannelId;
use crate::tag::{Packet, Parser};
use crate::time::Timestamp;

mod given;
mod insert;
mod limits;

/// Writes a frame as its payload, and the prelude as `[` + configuration records + `]`.
struct Plain;

impl Package for Plain {
    fn new() -> Self {
        Self
    }

    fn prelude(&mut self, tracks: &Tracks, _at: Timestamp) -> Bytes {
        let mut out = BytesMut::from("[");
        for track in tracks.defaults() {
            out.put_slice(track.codec.config_record());
        }
        out.put_slice(b"]");
        out.freeze()
    }

    fn push(&mut self, frame: &MediaFrame, out: &mut BytesMut) {
        out.put_slice(&frame.payload);
    }
}

/// The same of all tracks, each named by its number.
struct Every;

impl Package for Every {
    const ALL_TRACKS: bool = true;

    fn new() -> Self {
        Self
    }

    fn prelude(&mut self, tracks: &Tracks, _at: Timestamp) -> Bytes {
        let mut out = BytesMut::from("[");
        for track in tracks.iter() {
            out.put_u8(b'0' + track.id);
            out.put_slice(track.codec.config_record());
        }
        out.put_slice(b"]");
        out.freeze()
    }

    fn push(&mut self, frame: &MediaFrame, out: &mut BytesMut) {
        out.put_slice(&frame.payload);
    }
}

fn path() -> StreamPath {
    StreamPath::source(ChannelId::parse("cam").unwrap())
}

fn video(config: &'static str) -> Arc<Track> {
    let codec = Codec::Other {
        fourcc: FourCc::HVC1,
        config: Bytes::from_static(config.as_bytes()),
    };
    Arc::new(Track::new(Kind::Video, codec))
}

fn audio() -> Arc<Track> {
    let config = aac::Config::parse(Bytes::from_static(&[0x12, 0x10])).unwrap();
    Arc::new(Track::new(Kind::Audio, Codec::Aac(config)))
}

fn frame(track: &Arc<Track>, millis: i64, key: bool, payload: &'static str) -> MediaFrame {
    let payload = Bytes::from_static(payload.as_bytes());
    let mut frame = MediaFrame::new(track, Timestamp::from_millis(millis), payload);
    frame.key = key;
    frame
}

fn publish(hub: &Hub) -> Publisher {
    hub.publish(&path(), Offer::new("test"), Instant::now())
        .unwrap()
}

async fn read(viewer: &mut Subscriber<Chunk>) -> Option<String> {
    let mut out = Vec::new();
    viewer.batch(usize::MAX, &mut out).await?;
    Some(
        out.iter()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect(),
    )
}

#[tokio::test]
async fn a_late_joiner_starts_at_the_newest_key_frame_with_its_headers() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let track = video("h");
    publisher.announce(&track);
    for (millis, key, payload) in [
        (0, true, "K0 "),
        (40, false, "a "),
        (80, true, "K1 "),
        (120, false, "b "),
    ] {
        publisher.push(frame(&track, millis, key, payload)).unwrap();
    }
    let mut viewer = publisher.stream().packaged::<Plain>();
    assert_eq!(read(&mut viewer).await.unwrap(), "[h]K1 b ");
    publisher.push(frame(&track, 160, false, "c ")).unwrap();
    assert_eq!(read(&mut viewer).await.unwrap(), "c ");
    publisher.finish();
    assert_eq!(read(&mut viewer).await, None);
    assert!(hub.find(&path()).is_none());
}

#[tokio::test]
async fn all_viewers_share_the_bytes() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let (mut one, mut two) = (
        publisher.stream().packaged::<Plain>(),
        publisher.stream().packaged::<Plain>(),
    );
    publisher.push(frame(&video("h"), 0, true, "K0 ")).unwrap();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    one.batch(usize::MAX, &mut first).await.unwrap();
    two.batch(usize::MAX, &mut second).await.unwrap();
    let pointers = |chunks: &[Bytes]| {
        chunks
            .iter()
            .map(|chunk| chunk.as_ptr())
            .collect::<Vec<_>>()
    };
    assert_eq!(pointers(&first), pointers(&second));
}

#[tokio::test]
async fn viewers_outlive_a_lost_publisher_and_see_one_new_epoch() {
    let hub = Hub::default();
    let first = publish(&hub);
    let stream = Arc::clone(first.stream());
    let mut viewer = stream.packaged::<Plain>();
    let mut frames = stream.subscribe();
    first.push(frame(&video("h"), 0, true, "K0 ")).unwrap();
    drop(first);
    assert_eq!(stream.state(), State::Interrupted);

    let second = publish(&hub);
    assert!(Arc::ptr_eq(&stream, second.stream()));
    second
        .push(frame(&video("h"), 9_000, false, "undecodable "))
        .unwrap();
    second.push(frame(&video("h"), 9_040, true, "K1 ")).unwrap();
    // What is of another epoch comes by itself, so that whoever sends it can say so.
    let mut batches = Vec::new();
    for _ in 0..2 {
        let mut out = Vec::new();
        let batch = viewer.batch(usize::MAX, &mut out).await.unwrap();
        batches.push((batch.epoch, out.concat()));
    }
    assert_eq!(batches, [(0, b"[h]K0 ".to_vec()), (1, b"K1 ".to_vec())]);
    let mut seen = Vec::new();
    for _ in 0..2 {
        if let Some(Delivery::Item(frame)) = frames.next().await {
            seen.push((frame.epoch, frame.dts.as_millis(), frame.track));
        }
    }
    assert_eq!((seen[0].0, seen[1].0), (0, 1));
    assert!(seen[1].1 > seen[0].1 && seen[1].1 < 1_000);
    assert!(
        Arc::ptr_eq(&seen[0].2, &seen[1].2),
        "the same configuration is the same track"
    );
}

#[tokio::test]
async fn a_viewer_who_joins_before_the_new_publishers_headers_gets_headers() {
    let hub = Hub::default();
    let first = publish(&hub);
    first.push(frame(&video("h"), 0, true, "K0 ")).unwrap();
    first.push(frame(&audio(), 0, false, "a ")).unwrap();
    drop(first);
    let second = publish(&hub);
    let mut viewer = second.stream().packaged::<Plain>();
    second.announce(&video("h"));
    second.push(frame(&video("h"), 0, true, "K1 ")).unwrap();
    assert_eq!(read(&mut viewer).await.unwrap(), "[h\u{12}\u{10}]K0 a ");
    assert_eq!(read(&mut viewer).await.unwrap(), "K1 ");
    let tracks = second.stream().tracks();
    assert!(
        tracks.video.is_some() && tracks.audio.is_none(),
        "the new publisher has no sound"
    );
}

#[tokio::test]
async fn a_changed_configuration_reaches_viewers_in_order() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let mut viewer = publisher.stream().packaged::<Plain>();
    publisher.push(frame(&video("h"), 0, true, "K0 ")).unwrap();
    publisher.push(frame(&video("i"), 40, true, "K1 ")).unwrap();
    assert_eq!(read(&mut viewer).await.unwrap(), "[h]K0 [i]K1 ");
    let mut late = publisher.stream().packaged::<Plain>();
    assert_eq!(read(&mut late).await.unwrap(), "[i]K1 ");
}

#[tokio::test]
async fn the_reconnect_window_ends_only_what_is_still_lost() {
    let hub = Hub::default();
    let first = publish(&hub);
    let stream = Arc::clone(first.stream());
    let lost = stream.session();
    drop(first);
    let second = publish(&hub);
    stream.expire(lost);
    assert_eq!(stream.state(), State::Live);
    drop(second);
    stream.expire(stream.session());
    assert_eq!(stream.state(), State::Ended);
    assert!(hub.find(&path()).is_none());
}

#[tokio::test]
async fn take_overs_close_the_older_one_and_are_counted() {
    let hub = Hub::default();
    let start = Instant::now();
    let mut older = publish(&hub);
    let mut current = Vec::new();
    for second in 0..3 {
        let now = start + Duration::from_secs(second);
        current.push(hub.publish(&path(), Offer::new("again"), now).unwrap());
    }
    assert_eq!(older.closed().await, Closed::TakenOver);
    assert_eq!(
        older.push(frame(&video("h"), 0, true, "K")),
        Err(Closed::TakenOver)
    );
    let again = |seconds| {
        hub.publish(
            &path(),
            Offer::new("again"),
            start + Duration::from_secs(seconds),
        )
        .err()
    };
    assert_eq!(again(3), Some(PublishError::TooManyTakeOvers));
    assert_eq!(again(11), None);

    let polite = Offer {
        on_busy: OnBusy::Reject,
        ..Offer::new("polite")
    };
    let hub = Hub::default();
    let _holder = publish(&hub);
    assert_eq!(
        hub.publish(&path(), polite, start).err(),
        Some(PublishError::Busy)
    );
}

#[tokio::test]
async fn a_kicked_publisher_learns_it_and_viewers_end() {
    let hub = Hub::default();
    let mut publisher = publish(&hub);
    let stream = Arc::clone(publisher.stream());
    let mut viewer = stream.packaged::<Plain>();
    assert!(stream.close(Closed::Kicked));
    assert_eq!(publisher.closed().await, Closed::Kicked);
    assert_eq!(read(&mut viewer).await, None);
    let next = publish(&hub);
    assert!(!Arc::ptr_eq(&stream, next.stream()));
}

#[tokio::test]
async fn a_slow_viewer_jumps_to_a_key_frame_and_costs_no_memory() {
    let hub = Hub::new(Limits {
        feed_bytes: 4_000,
        feed_span: Duration::from_secs(60),
        ..Limits::default()
    });
    let publisher = publish(&hub);
    let track = video("h");
    let mut slow = publisher.stream().packaged::<Plain>();
    let mut frames = publisher.stream().subscribe();
    for millis in 0..1_000 {
        let key = millis % 10 == 0;
        publisher
            .push(frame(&track, millis, key, if key { "K" } else { "." }))
            .unwrap();
    }
    let mut out = Vec::new();
    let batch = slow.batch(usize::MAX, &mut out).await.unwrap();
    assert!(batch.skipped > 900, "{batch:?}");
    assert_eq!((&out[0][..], &out[1][..]), (&b"[h]"[..], &b"K"[..]));
    assert!(matches!(frames.next().await, Some(Delivery::Skipped(n)) if n > 900));
    assert!(matches!(frames.next().await, Some(Delivery::Item(frame)) if frame.key));
}

#[tokio::test]
async fn sound_alone_can_be_joined_about_every_second() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let track = audio();
    let mut frames = publisher.stream().subscribe();
    for n in 0..100 {
        publisher.push(frame(&track, n * 23, false, "a")).unwrap();
    }
    publisher.finish();
    let mut keys = 0;
    while let Some(Delivery::Item(frame)) = frames.next().await {
        keys += u32::from(frame.key);
    }
    assert_eq!(keys, 3);
}

#[tokio::test]
async fn a_stream_says_what_comes_in_and_who_watches() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let track = video("h");
    for n in 0..61 {
        publisher
            .push(frame(&track, n * 40, n % 25 == 0, "0123456789"))
            .unwrap();
    }
    let ingest = publisher.stream().ingest();
    assert_eq!(ingest.bytes, 610);
    assert_eq!(ingest.bit_rate, 2_000);
    assert_eq!(ingest.frame_rate_millis, 25_000);
    assert_eq!(ingest.key_frame_interval, Some(Duration::from_secs(1)));
    let viewer = publisher.stream().viewer(Protocol::Flv);
    viewer.sent(7);
    let flv = publisher.stream().traffic()[&Protocol::Flv];
    assert_eq!((flv.viewers, flv.bytes), (1, 7));
    drop(viewer);
    assert_eq!(publisher.stream().traffic()[&Protocol::Flv].viewers, 0);
}

#[tokio::test]
async fn a_reader_that_never_waits_lets_others_run() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let mut reader = publisher.stream().subscribe();
    let track = video("c");
    for n in 0..10_000 {
        publisher.push(frame(&track, n, n == 0, "x")).unwrap();
    }
    publisher.finish();
    let reading = tokio::spawn(async move { while reader.next().await.is_some() {} });
    let mut turns = 0;
    while !reading.is_finished() {
        turns += 1;
        tokio::task::yield_now().await;
    }
    assert!(turns > 20, "{turns}");
}

fn numbered(id: u8, config: &'static str) -> Arc<Track> {
    Arc::new(Track::clone(&video(config)).with_id(id))
}

#[tokio::test]
async fn only_the_default_tracks_reach_outputs_that_know_one() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let stream = Arc::clone(publisher.stream());
    let (mut plain, mut every) = (stream.packaged::<Plain>(), stream.packaged::<Every>());
    let (default, second) = (numbered(0, "h"), numbered(1, "i"));
    publisher.announce(&default);
    publisher.announce(&second);
    for (track, millis, key, payload) in [
        (&second, 0, false, "lost "),
        (&default, 0, true, "K0 "),
        (&second, 0, true, "k0 "),
        (&second, 40, false, "b "),
        (&default, 40, false, "a "),
        (&second, 80, true, "k1 "),
    ] {
        publisher.push(frame(track, millis, key, payload)).unwrap();
    }
    assert_eq!(read(&mut plain).await.unwrap(), "[h]K0 a ");
    assert_eq!(read(&mut every).await.unwrap(), "[0h1i]K0 k0 b a k1 ");
    // A reader starts at the default track's key frame, whatever the others do.
    let mut late = stream.packaged::<Every>();
    assert_eq!(read(&mut late).await.unwrap(), "[0h1i]K0 k0 b a k1 ");
    // A new configuration beside the default one concerns nobody else.
    publisher
        .push(frame(&numbered(1, "j"), 120, true, "k2 "))
        .unwrap();
    publisher.push(frame(&default, 120, false, "c ")).unwrap();
    assert_eq!(read(&mut plain).await.unwrap(), "c ");
    assert_eq!(read(&mut every).await.unwrap(), "[1j]k2 c ");
    let ingest = stream.ingest();
    assert_eq!((ingest.bytes, ingest.key_frame_interval), (18, None));
}

#[tokio::test]
async fn a_publisher_without_a_track_0_has_a_default_all_the_same() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let mut viewer = publisher.stream().packaged::<Plain>();
    publisher
        .push(frame(&numbered(2, "h"), 0, true, "K0 "))
        .unwrap();
    publisher
        .push(frame(&numbered(1, "i"), 0, true, "no "))
        .unwrap();
    assert_eq!(read(&mut viewer).await.unwrap(), "[h]K0 ");
    publisher
        .push(frame(&numbered(0, "j"), 40, true, "K1 "))
        .unwrap();
    publisher
        .push(frame(&numbered(2, "h"), 40, true, "no "))
        .unwrap();
    publisher
        .push(frame(&numbered(0, "j"), 80, false, "a "))
        .unwrap();
    assert_eq!(read(&mut viewer).await.unwrap(), "[j]K1 a ");
}

#[tokio::test]
async fn tracks_are_bounded() {
    let hub = Hub::new(Limits {
        tracks: 2,
        ..Limits::default()
    });
    let publisher = publish(&hub);
    let mut every = publisher.stream().packaged::<Every>();
    for id in 0..=255 {
        publisher.announce(&numbered(id, "h"));
        publisher
            .push(frame(&numbered(id, "h"), 0, true, "."))
            .unwrap();
    }
    publisher.push(frame(&audio(), 0, false, "a")).unwrap();
    let bytes = read(&mut every).await.unwrap();
    assert!(bytes.starts_with("[0h].[1h].[0"), "{bytes}");
    assert!(bytes.ends_with("a"), "{bytes}");
    assert_eq!(publisher.stream().tracks().iter().count(), 3);
}

#[tokio::test]
async fn metadata_too_long_is_not_kept_for_those_who_join() {
    let limits = Limits::default();
    let longest = limits.metadata_bytes;
    let hub = Hub::new(limits);
    let publisher = publish(&hub);
    let kept = || publisher.stream().tracks().metadata.clone();
    // Before the first frame, and after it.
    for (millis, fill) in [(0, b'a'), (40, b'b')] {
        publisher.set_metadata(vec![fill; longest].into());
        publisher.set_metadata(vec![b'!'; longest + 1].into());
        publisher
            .push(frame(&video("h"), millis, true, "K"))
            .unwrap();
        assert!(kept() == Some(vec![fill; longest].into()));
    }
}

/// A message body that lives as long as something of it is kept.
struct Body {
    bytes: Vec<u8>,
    _alive: Arc<()>,
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[tokio::test]
async fn small_frames_do_not_keep_large_messages() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let mut frames = publisher.stream().subscribe();
    let mut parser = Parser::default();
    let header = Bytes::from_static(b"\x90Opus");
    assert_eq!(parser.audio(&header, Timestamp::ZERO).count(), 1);
    // Track 0 of one byte, and track 1, which has no header, of 64 KiB.
    let bytes = [
        b"\x95\x11Opus\0\0\0\x01\xAA\x01\x01\0\0",
        &[7; 0x1_0000][..],
    ]
    .concat();
    let alive = Arc::new(());
    for millis in 0..10 {
        let body = Bytes::from_owner(Body {
            bytes: bytes.clone(),
            _alive: Arc::clone(&alive),
        });
        for packet in parser
            .audio(&body, Timestamp::from_millis(millis))
            .flatten()
        {
            if let Packet::Frame(frame) = packet {
                publisher.push(frame).unwrap();
            }
        }
    }
    assert_eq!(Arc::strong_count(&alive), 1, "bodies are kept");
    publisher.finish();
    for _ in 0..10 {
        let delivery = frames.next().await;
        assert!(matches!(delivery, Some(Delivery::Item(frame)) if frame.payload[..] == [0xAA]));
    }
}

#[test]
fn more_bits_than_are_planned_for_are_told_until_they_are_fewer() {
    let hub = Hub::new(Limits {
        advised_bit_rate: 100_000,
        ..Limits::default()
    });
    let offer = Offer::new("an encoder");
    let publisher = hub.publish(&path(), offer, Instant::now()).unwrap();
    let (video, audio) = (video("v"), audio());
    let topics = || {
        let warnings = publisher.stream().warnings();
        warnings
            .into_iter()
            .map(|warning| warning.topic)
            .collect::<Vec<_>>()
    };
    let send = |seconds: std::ops::Range<i64>, bytes: usize| {
        for n in seconds.start * 10..seconds.end * 10 {
            let at = Timestamp::from_millis(n * 100);
            let mut frame = MediaFrame::new(&video, at, vec![0; bytes].into());
            frame.key = n % 20 == 0;
            publisher.push(frame).unwrap();
            let sound = MediaFrame::new(&audio, at, Bytes::from_static(&[0]));
            publisher.push(sound).unwrap();
        }
    };
    // 110 kbit/s are within what encoders are off by; 120 are not. A single second is nothing to speak of.
    send(0..15, 1_370);
    send(15..16, 3_000);
    send(16..30, 1_370);
    assert_eq!(topics(), [""; 0]);
    send(30..45, 1_500);
    assert_eq!(topics(), [Warning::BIT_RATE]);
    send(45..60, 1_300);
    assert_eq!(topics(), [""; 0]);
}
