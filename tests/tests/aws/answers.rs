//! Answers that are lost: what counted is told as what counted, once.

use bytes::Bytes;
use lsv_core::channel::{Channel, Moment};
use lsv_core::path::ChannelId;
use lsv_core::ports::{ChannelStore, Error, ObjectName, ObjectStore, Piece, Precondition};
use lsv_tests::{Fault, Flaky, Moto};

use super::reach;
use super::recordings::{media, persist};

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).expect("is a name")
}

/// Conditions must not fail over one's own write.
#[tokio::test]
async fn a_write_of_ones_own_is_no_conflict() {
    let moto = Moto::start().await;
    let flaky = Flaky::start(moto.endpoint()).await;
    let sdk = reach::sdk(flaky.endpoint()).await;
    let (channels, objects) = (reach::channels(&sdk), reach::objects(&sdk));
    let id = ChannelId::parse("cam").expect("is an id");
    let mut channel = Channel::new(id.clone(), Moment::from_unix(1));
    let mut condition = Precondition::IfAbsent;
    // Some answers are lost, or all that the call has tries for.
    for lost in [1, 2, 8] {
        channel.settings.video_time += 1;
        flaky.fail("UpdateItem", lost, Fault::LoseAnswer);
        let version = channels.put(&channel, condition).await.expect("counts");
        let read = channels.get(&id).await.expect("reads");
        assert_eq!((read.channel.as_ref(), read.version), (&channel, version));
        condition = Precondition::IfVersion(version);
        flaky.mend();
    }
    flaky.fail("DeleteItem", 1, Fault::LoseAnswer);
    channels.delete(&id).await.expect("is gone");

    for (lost, text) in [(1, "a"), (8, "b")] {
        flaky.fail("PutObject", lost, Fault::LoseAnswer);
        let bytes = Bytes::from_static(b"mine");
        objects
            .put_if_absent(&name(text), bytes.clone())
            .await
            .expect("counts");
        flaky.mend();
        let again = objects.put_if_absent(&name(text), bytes).await;
        assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    }
    flaky.fail("DeleteObject", 1, Fault::LoseAnswer);
    objects.delete(&name("a")).await.expect("is gone");
}

/// Short ones are put, long ones completed: both once, also where nothing can be asked meanwhile.
#[tokio::test]
async fn an_object_is_finished_once() {
    let moto = Moto::start().await;
    let flaky = Flaky::start(moto.endpoint()).await;
    let sdk = reach::sdk(flaky.endpoint()).await;
    let objects = reach::objects(&sdk);
    for length in [1_000, 9 << 20] {
        for also in ["", "HeadObject"] {
            let name = name(&format!("record/{length}-{also}a"));
            let bytes = media(length as u64, length);
            let mut writer = objects.create(&name).await.expect("begins");
            writer.append(bytes.clone()).await.expect("appends");
            for action in ["PutObject", "CompleteMultipartUpload", also] {
                if !action.is_empty() {
                    flaky.fail(action, 4, Fault::LoseAnswer);
                }
            }
            let info = persist(async || writer.finish().await)
                .await
                .expect("finishes");
            flaky.mend();
            assert_eq!(info.size, length as u64);
            let read = objects.get(&name, None).await.expect("reads");
            assert!(read.bytes == bytes, "{name} is another");
            let again = writer.finish().await.expect("is finished");
            assert_eq!(again, info);
        }
    }
}

/// To put tables in front of a file twice would ruin it.
#[tokio::test]
async fn an_object_is_composed_of_itself_once() {
    let moto = Moto::start().await;
    let flaky = Flaky::start(moto.endpoint()).await;
    let sdk = reach::sdk(flaky.endpoint()).await;
    let objects = reach::objects(&sdk);
    for length in [100_000_usize, 20 << 20] {
        for (lost, unknown) in [(1, 0), (4, 0), (4, 8)] {
            let name = name(&format!("record/{length}-{lost}-{unknown}"));
            let bytes = media(length as u64, length);
            objects.put(&name, bytes.clone()).await.expect("writes");
            let head = Bytes::from(vec![b'h'; 777]);
            let pieces = [
                Piece::Bytes(head.clone()),
                Piece::Of(name.clone(), 100..length as u64),
            ];
            flaky.fail("PutObject", lost, Fault::LoseAnswer);
            flaky.fail("CompleteMultipartUpload", lost, Fault::LoseAnswer);
            let looks = async || {
                let composed = objects.compose(&name, &pieces).await;
                if unknown > 0 && composed.is_ok() {
                    return composed;
                }
                flaky.mend();
                composed
            };
            if unknown > 0 {
                // Nor can it be found out at once.
                flaky.fail("AbortMultipartUpload", unknown, Fault::Refuse);
            }
            let info = persist(looks).await.expect("composes");
            flaky.mend();
            assert_eq!(info.size, 777 + length as u64 - 100);
            let read = objects.get(&name, None).await.expect("reads");
            let expected = [&head[..], &bytes[100..]].concat();
            assert!(read.bytes == expected, "{name} is another");
            // Asked for once more on purpose, it is done once more.
            let again = objects
                .compose(&name, &pieces[..1])
                .await
                .expect("composes");
            assert_eq!(again.size, 777);
        }
    }
}
