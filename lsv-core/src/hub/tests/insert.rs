//! A processor between a publisher and the readers of its stream.

use std::collections::{HashMap, HashSet, VecDeque};

use futures::FutureExt;
use proptest::prelude::*;

use super::*;

/// What readers got, as payload and milliseconds.
fn shown(stream: &Stream) -> String {
    let frames = stream.frames_so_far().into_iter();
    let words = frames.map(|frame| {
        let payload = String::from_utf8_lossy(&frame.payload).into_owned();
        format!("{payload}{}", frame.dts.as_millis())
    });
    words.collect::<Vec<_>>().join(" ")
}

/// All that is there for a reader.
fn ready(reader: &mut Subscriber<MediaFrame>) -> Vec<MediaFrame> {
    let mut frames = Vec::new();
    while let Some(Some(delivery)) = reader.next().now_or_never() {
        if let Delivery::Item(frame) = delivery {
            frames.push(frame);
        }
    }
    frames
}

#[tokio::test]
async fn readers_see_what_is_pushed_from_key_frame_to_key_frame() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let stream = Arc::clone(publisher.stream());
    let (source, marked) = (video("h"), video("w"));
    let sound = audio();
    let mut viewer = stream.packaged::<Plain>();
    let send = |track, millis, key, payload| {
        publisher.push(frame(track, millis, key, payload)).unwrap();
    };
    send(&source, 0, true, "K");
    send(&sound, 0, false, "s");
    let insert = stream.insert().unwrap();
    assert!(stream.insert().is_none(), "one at a time");
    let mut reader = insert.subscribe();
    assert_eq!(ready(&mut reader).len(), 2, "from the newest key frame on");
    let mut stages = insert.watch_stage();
    insert.announce(&[Arc::clone(&marked), Arc::clone(&sound)]);
    insert.engage();
    assert_eq!(*stages.borrow_and_update(), Stage::Engaging);
    send(&source, 40, false, "k");
    send(&source, 80, true, "K");
    send(&sound, 60, false, "s");
    send(&sound, 80, false, "s");
    let from = Timestamp::from_millis(80);
    assert_eq!(*stages.borrow_and_update(), Stage::Processed { from });
    let read = ready(&mut reader);
    assert_eq!(read.len(), 4, "all that the publisher sends");
    assert_eq!(stream.tracks().video.as_ref(), Some(&source));
    assert!(!insert.push(frame(&marked, 40, false, "no")));
    assert!(insert.push(frame(&marked, 80, true, "W")));
    assert!(insert.push(frame(&sound, 80, false, "w")));
    assert_eq!(stream.tracks().video.as_ref(), Some(&marked));
    assert_eq!(stream.source_tracks().video.as_ref(), Some(&source));
    send(&source, 120, false, "k");
    insert.release();
    send(&source, 160, true, "K");
    send(&sound, 120, false, "s");
    assert!(insert.push(frame(&marked, 120, false, "w")));
    assert!(!insert.push(frame(&marked, 160, true, "no")));
    assert_eq!(insert.stage(), Stage::Source);
    send(&source, 200, false, "k");
    assert_eq!(shown(&stream), "K0 s0 k40 s60 W80 w80 w120 K160 s120 k200");
    assert_eq!(stream.tracks(), stream.source_tracks());
    // Each format has new headers where the configuration changes, and nowhere else.
    let text = read_all(&mut viewer, publisher).await;
    assert_eq!(text, "[h]K[\u{12}\u{10}]sks[w]Www[h]Ksk");
}

async fn read_all(viewer: &mut Subscriber<Chunk>, publisher: Publisher) -> String {
    publisher.finish();
    let mut text = String::new();
    while let Some(more) = read(viewer).await {
        text += &more;
    }
    text
}

#[tokio::test]
async fn one_that_is_dropped_gives_way_to_the_source() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let stream = Arc::clone(publisher.stream());
    let track = video("h");
    let send = |millis, key| publisher.push(frame(&track, millis, key, "s")).unwrap();
    send(0, true);
    let first = stream.insert().unwrap();
    first.announce(&[video("w"), audio()]);
    first.engage();
    send(40, true);
    assert!(first.push(frame(&video("w"), 40, true, "p")));
    drop(first);
    // Nothing to begin with is there; another one may come meanwhile, and reads on.
    let second = stream.insert().unwrap();
    assert_eq!(second.stage(), Stage::Returning);
    assert!(
        stream.tracks().audio.is_some(),
        "that is what they saw last"
    );
    send(80, false);
    second.engage();
    send(120, true);
    assert_eq!(second.stage(), Stage::Engaging);
    assert_eq!(ready(&mut second.subscribe()).len(), 1);
    send(160, true);
    assert!(second.push(frame(&track, 160, true, "p")));
    assert!(stream.tracks().audio.is_none(), "the first one's sound");
    let mut reader = second.subscribe();
    drop(second);
    send(200, true);
    assert_eq!(shown(&stream), "s0 p40 s120 p160 s200");
    // It ends for whoever still reads it.
    ready(&mut reader);
    assert!(matches!(reader.next().now_or_never(), Some(None)));
    assert!(stream.insert().is_some());
}

#[tokio::test]
async fn one_outlives_its_publisher_and_ends_with_the_stream() {
    let hub = Hub::default();
    let (first, track) = (publish(&hub), video("h"));
    let stream = Arc::clone(first.stream());
    first.push(frame(&track, 0, true, "s")).unwrap();
    let insert = stream.insert().unwrap();
    insert.engage();
    first.push(frame(&track, 40, true, "s")).unwrap();
    first.push(frame(&track, 80, false, "s")).unwrap();
    let mut reader = insert.subscribe();
    drop(first);
    // What is under way comes out.
    assert!(insert.push(frame(&track, 40, true, "p")));
    assert!(insert.push(frame(&track, 80, false, "p")));
    let second = publish(&hub);
    second.push(frame(&track, 7_000, true, "s")).unwrap();
    let read = ready(&mut reader);
    let newest = read.last().unwrap();
    assert_eq!((newest.dts.as_millis(), newest.epoch), (120, 1));
    let mut made = frame(&track, 120, true, "p");
    made.epoch = newest.epoch;
    assert!(insert.push(made));
    assert_eq!(stream.frames_so_far().last().unwrap().epoch, 1);
    second.finish();
    assert!(matches!(reader.next().now_or_never(), Some(None)));
    assert_eq!(shown(&stream), "s0 p40 p80 p120");
    assert!(stream.insert().is_none());
}

#[tokio::test]
async fn the_publisher_is_measured_and_its_metadata_kept() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let stream = Arc::clone(publisher.stream());
    let (track, marked) = (video("h"), video("w"));
    publisher.push(frame(&track, 0, true, "0123")).unwrap();
    publisher.set_metadata(Bytes::from_static(b"one"));
    let insert = stream.insert().unwrap();
    insert.engage();
    publisher.push(frame(&track, 40, true, "0123")).unwrap();
    assert!(insert.push(frame(&marked, 40, true, "0123456789")));
    assert_eq!(stream.tracks().metadata.as_deref(), Some(&b"one"[..]));
    publisher.set_metadata(Bytes::from_static(b"two"));
    assert_eq!(stream.tracks().metadata.as_deref(), Some(&b"two"[..]));
    assert_eq!(stream.tracks().video.as_ref(), Some(&marked));
    assert_eq!(stream.ingest().bytes, 8);
}

#[tokio::test]
async fn script_data_comes_between_the_pictures_where_it_belongs() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let stream = Arc::clone(publisher.stream());
    let track = video("h");
    let data = Arc::new(Track::new(Kind::Data, Codec::Data));
    let send = |track, millis, key| publisher.push(frame(track, millis, key, "s")).unwrap();
    send(&track, 0, true);
    send(&data, 0, false);
    let insert = stream.insert().unwrap();
    insert.engage();
    send(&track, 40, true);
    for millis in [50, 60, 90, 120] {
        send(&data, millis, false);
    }
    for (millis, key) in [(40, true), (80, false)] {
        assert!(insert.push(frame(&track, millis, key, "p")));
    }
    assert!(!insert.push(frame(&data, 90, false, "p")));
    assert_eq!(shown(&stream), "s0 s0 p40 s50 s60 p80");
    drop(insert);
    send(&track, 120, true);
    assert_eq!(shown(&stream), "s0 s0 p40 s50 s60 p80 s90 s120 s120");
    // Of more than is kept, the oldest waits no longer.
    let insert = stream.insert().unwrap();
    insert.engage();
    send(&track, 160, true);
    let long = Bytes::from(vec![b'd'; 400 << 10]);
    for n in 0..3 {
        let data = MediaFrame::new(&data, Timestamp::from_millis(160 + n), long.clone());
        publisher.push(data).unwrap();
    }
    assert_eq!(stream.frames_so_far().last().unwrap().dts.as_millis(), 160);
}

#[tokio::test]
async fn where_the_way_back_is_forgotten_the_next_key_frame_is_awaited() {
    let hub = Hub::new(Limits {
        feed_bytes: 2_000,
        ..Limits::default()
    });
    let publisher = publish(&hub);
    let stream = Arc::clone(publisher.stream());
    let track = video("h");
    let send = |millis, key| publisher.push(frame(&track, millis, key, "s")).unwrap();
    let mut reader = stream.subscribe();
    send(0, true);
    let insert = stream.insert().unwrap();
    insert.engage();
    let mut late = insert.subscribe();
    send(40, true);
    insert.release();
    send(80, true);
    (3..100).for_each(|n| send(n * 40, false));
    assert!(matches!(late.next().await, Some(Delivery::Skipped(_))));
    assert!(!insert.push(frame(&track, 80, true, "p")));
    assert_eq!(insert.stage(), Stage::Returning);
    send(4_000, true);
    assert_eq!(insert.stage(), Stage::Source);
    let got = ready(&mut reader).into_iter();
    assert_eq!(
        got.map(|frame| frame.dts.as_millis()).collect::<Vec<_>>(),
        [0, 4_000]
    );
}

#[tokio::test]
async fn readers_of_a_stream_that_ends_get_what_the_insert_still_has() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let stream = Arc::clone(publisher.stream());
    let (source, marked) = (video("h"), video("w"));
    let mut viewer = stream.packaged::<Plain>();
    let insert = stream.insert().unwrap();
    let mut reader = insert.subscribe();
    insert.engage();
    publisher.push(frame(&source, 0, true, "K")).unwrap();
    assert!(insert.push(frame(&marked, 0, true, "P")));
    publisher.push(frame(&source, 40, false, "k")).unwrap();
    publisher.finish();
    assert_eq!(stream.state(), State::Ended);
    assert!(hub.find(&path()).is_none(), "another one may begin");
    assert_eq!(ready(&mut reader).len(), 2);
    assert!(reader.next().await.is_none(), "the source is over");
    assert!(insert.push(frame(&marked, 40, false, "p")));
    let mut late = stream.packaged::<Plain>();
    for viewer in [&mut viewer, &mut late] {
        assert_eq!(read(viewer).await.unwrap(), "[w]Pp");
        assert!(viewer.next().now_or_never().is_none(), "more may come");
    }
    drop(insert);
    let mut last = stream.packaged::<Plain>();
    assert_eq!(read(&mut last).await.unwrap(), "[w]Pp");
    for viewer in [&mut viewer, &mut late, &mut last] {
        assert!(viewer.next().await.is_none());
    }
}

#[tokio::test]
async fn an_insert_that_is_not_in_force_keeps_no_stream_from_its_end() {
    for engaged in [false, true] {
        let hub = Hub::default();
        let publisher = publish(&hub);
        let stream = Arc::clone(publisher.stream());
        let mut viewer = stream.subscribe();
        let insert = stream.insert().unwrap();
        publisher.push(frame(&video("h"), 0, true, "K")).unwrap();
        if engaged {
            insert.engage();
        }
        publisher.finish();
        assert_eq!(ready(&mut viewer).len(), 1);
        assert!(viewer.next().now_or_never().unwrap().is_none());
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// The publisher sends: pictures, sound, the pictures of another track, script data.
    Video(bool),
    Audio,
    Other(bool),
    Data,
    /// Its sound is so much ahead of its pictures, in ms.
    Lead(i64),
    /// The processor pushes a frame that it has read.
    Push,
    /// It pushes something odd: so many ms from where the source is.
    Odd(i64, bool, bool),
    Announce,
    Engage,
    Release,
    Fail,
    /// The insert is dropped, and another one comes.
    Replace,
    /// Another publisher takes over.
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::bool::weighted(0.3).prop_map(Step::Video),
        6 => Just(Step::Audio),
        3 => prop::bool::weighted(0.3).prop_map(Step::Other),
        1 => Just(Step::Data),
        1 => (-150..150_i64).prop_map(Step::Lead),
        14 => Just(Step::Push),
        1 => (-400..3_000_i64, any::<bool>(), any::<bool>()).prop_map(|(by, key, video)| Step::Odd(by, key, video)),
        1 => Just(Step::Announce),
        3 => Just(Step::Engage),
        2 => Just(Step::Release),
        1 => Just(Step::Fail),
        1 => Just(Step::Replace),
        1 => Just(Step::Reconnect),
    ]
}

/// A publisher, and a processor that passes on what it reads. A payload tells who pushed it, and its number.
struct World {
    hub: Hub,
    stream: Arc<Stream>,
    publisher: Publisher,
    insert: Option<Insert>,
    reader: Subscriber<MediaFrame>,
    read: VecDeque<MediaFrame>,
    tracks: [Arc<Track>; 4],
    at: i64,
    lead: i64,
    number: u32,
    /// The newest one of each track.
    newest: [u32; 4],
    /// Which one each picture needs to be decoded.
    needs: HashMap<u32, u32>,
    data: u32,
}

impl World {
    fn new() -> Self {
        let hub = Hub::new(Limits {
            feed_span: Duration::from_secs(10_000),
            take_overs: usize::MAX,
            ..Limits::default()
        });
        let publisher = publish(&hub);
        let stream = Arc::clone(publisher.stream());
        let insert = stream.insert().unwrap();
        let data = Arc::new(Track::new(Kind::Data, Codec::Data));
        Self {
            reader: insert.subscribe(),
            hub,
            stream,
            publisher,
            insert: Some(insert),
            read: VecDeque::new(),
            tracks: [video("h"), audio(), numbered(1, "i"), data],
            at: 0,
            lead: 0,
            number: 0,
            newest: [0; 4],
            needs: HashMap::new(),
            data: 0,
        }
    }

    fn send(&mut self, track: usize, millis: i64, key: bool) {
        self.number += 1;
        let before = std::mem::replace(&mut self.newest[track], self.number);
        if !key {
            self.needs.insert(self.number, before);
        }
        let payload = Bytes::from(format!("s{}", self.number));
        let track = &self.tracks[track];
        let mut frame = MediaFrame::new(track, Timestamp::from_millis(millis), payload);
        frame.key = key;
        self.publisher.push(frame).unwrap();
    }

    fn push(&mut self) {
        self.read.extend(ready(&mut self.reader));
        let Some(mut frame) = self.read.pop_front() else {
            return;
        };
        if frame.kind() == Kind::Data {
            return;
        }
        // By its number: what is the default until another track comes keeps its name, for those that follow it.
        if frame.kind() == Kind::Video && frame.track.id == 0 {
            frame.track = video("w");
        }
        let payload = [b"p", &frame.payload[1..]].concat();
        frame.payload = payload.into();
        self.insert().push(frame);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Video(key) => {
                self.at += 40;
                self.send(0, self.at, key);
            }
            Step::Audio => self.send(1, self.at + self.lead, false),
            Step::Other(key) => self.send(2, self.at, key),
            Step::Data => {
                self.data += 1;
                self.send(3, self.at, false);
            }
            Step::Lead(lead) => self.lead = lead,
            Step::Push => self.push(),
            Step::Odd(by, key, is_video) => {
                let latest = self.stream.frames_so_far().last().map(|frame| frame.dts);
                let at = latest.unwrap_or_default() + Timestamp::from_millis(by);
                let track = &self.tracks[usize::from(!is_video)];
                let mut frame = MediaFrame::new(track, at, Bytes::from_static(b"odd"));
                (frame.key, frame.epoch) = (key, by.unsigned_abs() as u32 % 3);
                self.insert().push(frame);
            }
            Step::Announce => {
                let tracks = [video("w"), audio(), numbered(1, "i")];
                self.insert().announce(&tracks);
            }
            Step::Engage => self.insert().engage(),
            Step::Release => self.insert().release(),
            Step::Fail => self.insert().fail(),
            Step::Replace => {
                self.insert = None;
                self.insert = self.stream.insert();
                self.reader = self.insert().subscribe();
                self.read.clear();
            }
            Step::Reconnect => self.publisher = publish(&self.hub),
        }
    }

    fn insert(&self) -> &Insert {
        self.insert.as_ref().unwrap()
    }
}

/// Who pushed a frame, and which one that was.
fn origin(frame: &MediaFrame) -> (u8, u32) {
    let number = std::str::from_utf8(&frame.payload[1..]).unwrap();
    (frame.payload[0], number.parse().unwrap_or(0))
}

proptest! {
    #[test]
    fn whatever_happens_readers_get_a_stream(steps in prop::collection::vec(step(), 1..120)) {
        let (mut world, mut before) = (World::new(), 0);
        for step in steps {
            world.take(step);
            // What has just come or been made is of a track that readers know.
            let frames = world.stream.frames_so_far();
            let new = &frames[std::mem::replace(&mut before, frames.len())..];
            let is_new = |frame: &MediaFrame| origin(frame).0 == b'p' || origin(frame).1 == world.number;
            if let Some(frame) = new.iter().rfind(|frame| frame.kind() != Kind::Data && is_new(frame)) {
                let tracks = world.stream.tracks();
                let known = tracks.find(frame.kind(), frame.track.id).unwrap();
                prop_assert!(Arc::ptr_eq(known, &frame.track));
            }
        }
        // It is never lost: a failure and a key frame bring the source back, with all script data. Something odd may have
        // been ahead of it.
        world.take(Step::Fail);
        for _ in 0..40 {
            world.take(Step::Video(true));
        }
        let frames = world.stream.frames_so_far();
        let newest = frames.iter().rfind(|frame| frame.kind() == Kind::Video);
        prop_assert_eq!(origin(newest.unwrap()), (b's', world.number));
        let data = frames.iter().filter(|frame| frame.kind() == Kind::Data);
        prop_assert_eq!(data.count() as u32, world.data);

        let mut seen = HashSet::new();
        let mut last = HashMap::new();
        let mut epoch = 0;
        for frame in &frames {
            let (who, number) = origin(frame);
            prop_assert!(who == b'o' || seen.insert(number), "{} comes twice", number);
            prop_assert!(frame.epoch >= epoch, "an epoch is over");
            epoch = frame.epoch;
            let before = last.insert(frame.track.name(), (frame.dts, who, number));
            let dts = before.map_or(frame.dts, |(dts, ..)| dts);
            prop_assert!(frame.dts >= dts, "a track runs backwards");
            let odd = who == b'o' || before.is_some_and(|(_, who, _)| who == b'o');
            if frame.kind() == Kind::Video && !frame.key && !odd {
                let needed = Some((who, world.needs[&number]));
                prop_assert_eq!(before.map(|(_, who, number)| (who, number)), needed);
            }
        }
    }

    #[test]
    fn an_insert_that_is_not_engaged_changes_nothing(steps in prop::collection::vec(step(), 1..120)) {
        let (mut with, mut without) = (World::new(), World::new());
        without.insert = None;
        for step in steps {
            match step {
                Step::Engage | Step::Fail | Step::Release => continue,
                Step::Push | Step::Odd(..) | Step::Announce | Step::Replace => with.take(step),
                _ => {
                    with.take(step);
                    without.take(step);
                }
            }
        }
        let all = |world: &World| {
            let frames = world.stream.frames_so_far().into_iter();
            frames
                .map(|frame| (frame.payload.clone(), frame.dts, frame.epoch, frame.key, frame.is_default))
                .collect::<Vec<_>>()
        };
        prop_assert_eq!(all(&with), all(&without));
        prop_assert_eq!(with.stream.tracks(), without.stream.tracks());
    }
}
