//! Recordings through a network that fails: what was acknowledged is there, and what is there is right.

use std::time::Duration;

use bytes::Bytes;
use lsv_aws::s3::{self, Objects};
use lsv_core::channel::{Channel, Moment};
use lsv_core::path::ChannelId;
use lsv_core::ports::{
    ChannelStore, Error, ObjectName, ObjectStore, ObjectWriter, PageRequest, Piece, Precondition,
    Result,
};
use lsv_tests::{Fault, Flaky, Moto, eventually};
use tokio::time::sleep;

use super::reach;

/// Bytes that look like no others.
pub(crate) fn media(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let mut bytes: Vec<u8> = words.take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes.into()
}

/// Tries as a recorder does: as long as the store is only out of reach.
pub(crate) async fn persist<T>(mut call: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    for _ in 0..100 {
        match call().await {
            Err(Error::Unavailable { .. }) => sleep(Duration::from_millis(20)).await,
            known => return known,
        }
    }
    call().await
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).expect("is a name")
}

async fn append(writer: &mut Box<dyn ObjectWriter>, bytes: &Bytes) {
    persist(async || writer.append(bytes.clone()).await)
        .await
        .expect("appends");
}

#[tokio::test]
async fn no_acknowledged_recording_is_lost() {
    let moto = Moto::start().await;
    let direct = reach::objects(&reach::sdk(moto.endpoint()).await);
    for seed in 1..=4 {
        let flaky = Flaky::start(moto.endpoint()).await;
        let objects = reach::objects(&reach::sdk(flaky.endpoint()).await);
        flaky.fail_at_random(seed, 40);
        let name = name(&format!("record/cam/mp4/{seed}.mp4"));
        let length = (5 << 20) * seed as usize + 12_345;
        let bytes = media(seed, length);
        let begun = persist(async || objects.create(&name).await).await;
        let mut writer = begun.expect("begins");
        let mut rest = bytes.clone();
        let mut step = 100_000;
        while !rest.is_empty() {
            let piece = rest.split_to(step.min(rest.len()));
            append(&mut writer, &piece).await;
            step = step * 3 % 1_700_000 + 1;
        }
        let info = persist(async || writer.finish().await).await;
        assert_eq!(info.expect("finishes").size, length as u64, "seed {seed}");
        let read = direct.get(&name, None).await.expect("is there");
        assert!(read.bytes == bytes, "seed {seed}: another object");

        // It gets its tables, and is read through the same network.
        let head = media(seed + 100, 54_321);
        let pieces = [
            Piece::Bytes(head.clone()),
            Piece::Of(name.clone(), 1_000..length as u64),
        ];
        let composed = persist(async || objects.compose(&name, &pieces).await).await;
        composed.expect("composes");
        let expected = [&head[..], &bytes[1_000..]].concat();
        let read = direct.get(&name, None).await.expect("is there");
        assert!(
            read.bytes == expected,
            "seed {seed}: composed of something else"
        );
        let read = persist(async || objects.get(&name, None).await).await;
        assert!(
            read.expect("reads").bytes == expected,
            "seed {seed}: read wrong"
        );
        let faults = flaky
            .seen()
            .iter()
            .filter(|seen| seen.contains(": "))
            .count();
        assert!(
            faults > 0,
            "seed {seed}: the network did not fail: {:?}",
            flaky.seen()
        );
    }
}

#[tokio::test]
async fn no_acknowledged_channel_is_lost() {
    let moto = Moto::start().await;
    let direct = reach::channels(&reach::sdk(moto.endpoint()).await);
    let flaky = Flaky::start(moto.endpoint()).await;
    let channels = reach::channels(&reach::sdk(flaky.endpoint()).await);
    flaky.fail_at_random(7, 40);
    let id = ChannelId::parse("cam").expect("is an id");
    let mut channel = Channel::new(id.clone(), Moment::from_unix(1));
    let mut condition = Precondition::IfAbsent;
    let (mut acknowledged, mut unknown) = (0, 0);
    for n in 0..60 {
        channel.settings.video_time = 100 + n;
        let put = channels.put(&channel, condition).await;
        let kept = direct.get(&id).await;
        match put {
            Ok(version) => {
                let kept = kept.expect("is there");
                assert_eq!((kept.channel.as_ref(), kept.version), (&channel, version));
                acknowledged += 1;
            }
            // Nobody else writes: there is nothing to meet.
            Err(Error::Unavailable { .. }) => unknown += 1,
            Err(error) => panic!("put {n}: {error}"),
        }
        condition = match direct.get(&id).await {
            Ok(kept) => Precondition::IfVersion(kept.version),
            Err(_) => Precondition::IfAbsent,
        };
    }
    assert!(
        acknowledged > 40,
        "{acknowledged} were acknowledged, {unknown} not"
    );
}

/// A part that cannot be sent holds the next one up, and nothing that was taken is lost.
#[tokio::test]
async fn a_writer_waits_for_a_store_that_is_away() {
    let moto = Moto::start().await;
    let flaky = Flaky::start(moto.endpoint()).await;
    let objects = reach::objects(&reach::sdk(flaky.endpoint()).await);
    let name = name("record/long");
    let mut writer = objects.create(&name).await.expect("begins");
    flaky.fail("", u32::MAX, Fault::Refuse);
    let bytes = media(1, 40 << 20);
    let mut taken = 0;
    let refused = loop {
        let piece = bytes.slice(taken..taken + (1 << 20));
        match writer.append(piece).await {
            Ok(()) => taken += 1 << 20,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Unavailable { .. }), "{refused}");
    assert!(
        (8 << 20..=24 << 20).contains(&taken),
        "{taken} bytes were taken"
    );
    flaky.mend();
    let rest = bytes.slice(taken..);
    append(&mut writer, &rest).await;
    writer.finish().await.expect("finishes");
    let read = objects.get(&name, None).await.expect("reads");
    assert!(read.bytes == bytes);
}

/// A node that was killed leaves parts: they are completed as far as they go, or nothing is there.
#[tokio::test]
async fn what_a_killed_writer_left_is_whole_or_absent() {
    let moto = Moto::start().await;
    let flaky = Flaky::start(moto.endpoint()).await;
    let sdk = reach::sdk(flaky.endpoint()).await;
    let objects = reach::objects(&sdk);

    let left = name("record/left");
    let bytes = media(3, 30 << 20);
    let mut writer = objects.create(&left).await.expect("begins");
    for start in (0..30).map(|n| n << 20) {
        append(&mut writer, &bytes.slice(start..start + (1 << 20))).await;
    }
    drop(writer);
    assert!(matches!(objects.stat(&left).await, Err(Error::NotFound(_))));
    let again = reach::objects(&sdk);
    again.settle(&left).await.expect("settles");
    let read = again.get(&left, None).await.expect("is there");
    assert!(read.bytes.len() >= 8 << 20, "{} bytes", read.bytes.len());
    assert!(bytes.starts_with(&read.bytes), "not what was written");
    again.settle(&left).await.expect("settles again");
    assert_eq!(again.stat(&left).await.expect("stays"), read.info);

    // With a gap: only what is in front of it.
    let torn = name("record/torn");
    let mut writer = objects.create(&torn).await.expect("begins");
    append(&mut writer, &bytes.slice(..8 << 20)).await;
    flaky.fail("UploadPart", 1, Fault::Stall);
    append(&mut writer, &bytes.slice(8 << 20..16 << 20)).await;
    append(&mut writer, &bytes.slice(16 << 20..24 << 20)).await;
    drop(writer);
    flaky.mend();
    again.settle(&torn).await.expect("settles");
    match again.get(&torn, None).await {
        Ok(read) => assert!(bytes.starts_with(&read.bytes), "has a gap"),
        Err(error) => assert!(matches!(error, Error::NotFound(_)), "{error}"),
    }

    // What was being composed is no recording, in place of one or not.
    for target in [name("record/composed"), left.clone()] {
        let before = again.get(&left, None).await.expect("is there").bytes;
        let pieces = [
            Piece::Of(left.clone(), 0..6 << 20),
            Piece::Bytes(media(4, 6 << 20)),
            Piece::Of(left.clone(), 0..6 << 20),
        ];
        flaky.fail("UploadPartCopy", 2, Fault::LoseAnswer);
        flaky.fail("CompleteMultipartUpload", u32::MAX, Fault::Refuse);
        flaky.fail("AbortMultipartUpload", u32::MAX, Fault::Refuse);
        let composed = objects.compose(&target, &pieces).await;
        assert!(composed.is_err(), "{composed:?}");
        flaky.mend();
        again.settle(&target).await.expect("settles");
        if target == left {
            let after = again.get(&left, None).await.expect("is there").bytes;
            assert!(before == after, "another object");
        } else if let Ok(whole) = again.get(&target, None).await {
            // It had all its parts.
            assert_eq!(whole.bytes.len(), 18 << 20);
        }
    }
    let all = again
        .list("", &PageRequest::default())
        .await
        .expect("lists");
    for info in all.items {
        again.delete(&info.name).await.expect("removes");
    }
}

/// What makes no part yet is kept as well, now and then: so a killed process loses seconds, however slow a stream is.
#[tokio::test]
async fn the_end_of_what_grows_is_kept() {
    let moto = Moto::start().await;
    let sdk = reach::sdk(moto.endpoint()).await;
    let direct = reach::objects(&sdk);
    for length in [300_000, (8 << 20) + 300_000, (16 << 20) + 300_000] {
        let flaky = Flaky::start(moto.endpoint()).await;
        let mut config = s3::Config::new(Moto::BUCKET);
        config.tail_after = Duration::ZERO;
        let objects = Objects::new(&reach::sdk(flaky.endpoint()).await, config);
        let bytes = media(length as u64, length);
        for is_killed in [true, false] {
            let name = name(&format!("record/{length}-{is_killed}"));
            let mut writer = objects.create(&name).await.expect("begins");
            let key = format!(".tail/{name}");
            append(&mut writer, &bytes.slice(..length - 200_000)).await;
            for start in [length - 200_000, length - 100_000] {
                let end = bytes.slice(start..start + 100_000);
                append(&mut writer, &end).await;
                eventually("the end is kept", async || {
                    // One that is under way is waited for.
                    append(&mut writer, &Bytes::new()).await;
                    moto.holds(&key, &end).await.then_some(())
                })
                .await;
            }
            if is_killed {
                let parts = usize::from(length > 8 << 20);
                eventually("the part is sent", async || {
                    (flaky.carried_out("UploadPart") >= parts).then_some(())
                })
                .await;
                drop(writer);
                direct.settle(&name).await.expect("settles");
            } else {
                writer.finish().await.expect("finishes");
                // What is over is not gone on with.
                direct.settle(&name).await.expect("has nothing to settle");
            }
            let read = direct.get(&name, None).await.expect("is there");
            assert!(
                read.bytes == bytes,
                "{name}: {} of {length}",
                read.bytes.len()
            );
            assert!(!moto.holds(&key, b"").await, "{name}: stays");
            let listed = direct.list("", &PageRequest::default()).await;
            assert_eq!(listed.expect("lists").items.len(), 1);
            direct.delete(&name).await.expect("removes");
        }
    }
}
