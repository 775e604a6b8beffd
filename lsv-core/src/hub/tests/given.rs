//! Publishers inside the platform, whose frames lie on another stream's timeline.

use super::*;

/// A frame as it was given: whether of video, its time, its epoch, whether it is a key frame.
type Given = (bool, i64, u32, bool);

const V: bool = true;
const A: bool = false;

fn given(hub: &Hub, name: &str) -> Publisher {
    let mut offer = Offer::new("an encoder");
    offer.times = Times::Given;
    let path = StreamPath::source(ChannelId::parse(name).unwrap());
    hub.publish(&path, offer, Instant::now()).unwrap()
}

fn send(publisher: &Publisher, frames: &[Given]) {
    let (video, audio) = (video("h"), audio());
    for &(is_video, millis, epoch, key) in frames {
        let track = if is_video { &video } else { &audio };
        let mut frame = frame(track, millis, key, ".");
        frame.composition = Timestamp::from_millis(if is_video { 80 } else { 0 });
        frame.epoch = epoch;
        publisher.push(frame).unwrap();
    }
}

/// What readers got of one kind, as time, composition and epoch.
fn shown(stream: &Stream, kind: Kind) -> Vec<(i64, i64, u32)> {
    let frames = stream.frames_so_far();
    let of_kind = frames.iter().filter(|frame| frame.kind() == kind);
    of_kind
        .map(|frame| {
            let composition = frame.composition.as_millis();
            (frame.dts.as_millis(), composition, frame.epoch)
        })
        .collect()
}

#[tokio::test]
async fn given_times_agree_whichever_track_comes_first() {
    let hub = Hub::default();
    let before = [
        (V, 5_000, 3, true),
        (A, 4_990, 3, false),
        (A, 5_010, 3, false),
        (V, 5_040, 3, false),
    ];
    let after = [
        (V, 9_000, 3, true),
        (A, 8_980, 3, false),
        (A, 9_001, 3, false),
        (V, 9_040, 3, false),
        (V, 9_400, 4, true),
        (A, 9_400, 4, false),
    ];
    let mut streams = Vec::new();
    for (name, order) in [("one", [V, A]), ("two", [A, V])] {
        let sorted = |frames: &[Given]| {
            let of = |kind| frames.iter().filter(move |frame| frame.0 == kind).copied();
            order.into_iter().flat_map(of).collect::<Vec<_>>()
        };
        let first = given(&hub, name);
        send(&first, &sorted(&before));
        let stream = Arc::clone(first.stream());
        drop(first);
        let second = given(&hub, name);
        send(&second, &sorted(&after[..4]));
        send(&second, &sorted(&after[4..]));
        drop(second);
        streams.push(stream);
    }
    for stream in &streams {
        assert_eq!(
            shown(stream, Kind::Video),
            [
                (5_000, 80, 3),
                (5_040, 80, 3),
                (9_000, 80, 4),
                (9_040, 80, 4),
                (9_400, 80, 5)
            ]
        );
        assert_eq!(
            shown(stream, Kind::Audio),
            [
                (4_990, 0, 3),
                (5_010, 0, 3),
                (8_980, 0, 4),
                (9_001, 0, 4),
                (9_400, 0, 5)
            ]
        );
        assert!(stream.warnings().is_empty());
    }
}

#[tokio::test]
async fn given_times_never_run_backwards() {
    let hub = Hub::default();
    let publisher = given(&hub, "cam");
    send(
        &publisher,
        &[
            (V, 1_000, 0, true),
            (V, 970, 0, false),   // Held.
            (V, 1_040, 0, false), //
            (V, 999, 0, false),   // Left out, and what follows up to the next key frame.
            (V, 1_080, 0, false),
            (V, 1_120, 1, true), // A break,
            (V, 1_160, 0, true), // and what comes too late for it, whatever it is.
            (A, 1_000, 0, false),
            (V, 1_200, 1, false),
            (V, 1_240, 1, true),
        ],
    );
    let times = |kind| {
        let shown = shown(publisher.stream(), kind).into_iter();
        shown
            .map(|(dts, _, epoch)| (dts, epoch))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        times(Kind::Video),
        [(1_000, 0), (1_000, 0), (1_040, 0), (1_120, 1), (1_240, 1)]
    );
    assert!(times(Kind::Audio).is_empty());
}

#[tokio::test]
async fn one_who_takes_over_a_given_stream_goes_on_without_a_break() {
    let hub = Hub::default();
    let older = given(&hub, "cam");
    send(
        &older,
        &[(V, 0, 0, true), (A, 0, 0, false), (A, 23, 0, false)],
    );
    let newer = given(&hub, "cam");
    // It has sound that is there already, in part.
    send(
        &newer,
        &[(A, 0, 0, false), (A, 23, 0, false), (A, 46, 0, false)],
    );
    send(
        &newer,
        &[(V, 0, 0, true), (V, 40, 0, false), (V, 80, 0, true)],
    );
    let stream = newer.stream();
    assert_eq!(shown(stream, Kind::Video), [(0, 80, 0), (80, 80, 0)]);
    assert_eq!(
        shown(stream, Kind::Audio),
        [(0, 0, 0), (23, 0, 0), (46, 0, 0)]
    );
}

#[tokio::test]
async fn a_stream_may_change_from_its_own_times_to_given_ones_and_back() {
    let hub = Hub::default();
    let own = |hub: &Hub| {
        let path = StreamPath::source(ChannelId::parse("cam").unwrap());
        hub.publish(&path, Offer::new("an encoder"), Instant::now())
            .unwrap()
    };
    send(&own(&hub), &[(V, 77_000, 0, true), (V, 77_040, 0, false)]);
    send(&given(&hub, "cam"), &[(V, 40, 0, true), (V, 100, 0, true)]);
    let last = own(&hub);
    send(&last, &[(V, 0, 0, true)]);
    assert_eq!(
        shown(last.stream(), Kind::Video),
        [(0, 80, 0), (40, 80, 0), (100, 80, 1), (140, 80, 2)]
    );
}
