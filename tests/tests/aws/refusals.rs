//! What a caller is told when AWS is away, busy, or says no.

use std::time::Duration;

use bytes::Bytes;
use lsv_aws::dynamodb::{Channels, LeaseTimes, Tables};
use lsv_core::channel::{Channel, Moment};
use lsv_core::path::ChannelId;
use lsv_core::ports::{
    ChannelStore, Error, Form, ObjectName, ObjectStore, Precondition, SessionRegistry,
};
use lsv_tests::{Fault, Flaky, Moto};
use tokio::time::timeout;

use super::reach;

fn cam() -> ChannelId {
    ChannelId::parse("cam").expect("is an id")
}

fn is_unavailable<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Unavailable { .. }))
}

/// Far above what a call may take, and far below for ever.
const BOUND: Duration = Duration::from_secs(45);

/// Who waits for a store that is away, such as an encoder, is told before it gives up itself.
#[tokio::test]
async fn a_store_that_is_away_is_out_of_reach_within_seconds() {
    let moto = Moto::start().await;
    for fault in [
        Fault::Refuse,
        Fault::Stall,
        Fault::Fail(500),
        Fault::Throttle,
    ] {
        let flaky = Flaky::start(moto.endpoint()).await;
        flaky.fail("", u32::MAX, fault);
        let sdk = reach::sdk(flaky.endpoint()).await;
        let (channels, objects) = (reach::channels(&sdk), reach::objects(&sdk));
        let sessions = reach::sessions(&sdk, LeaseTimes::default());
        let (id, channel) = (cam(), Channel::new(cam(), Moment::EPOCH));
        let name = ObjectName::parse("a").expect("is a name");
        let all = async {
            tokio::join!(
                channels.get(&id),
                channels.put(&channel, Precondition::Any),
                sessions.locate(&id, Form::Processed),
                objects.stat(&name),
                objects.put(&name, Bytes::from_static(b"x")),
                objects.get(&name, Some(0..1)),
            )
        };
        let answers = timeout(BOUND, all).await.expect("is over soon");
        assert!(is_unavailable(&answers.0), "{fault:?} {:?}", answers.0);
        assert!(is_unavailable(&answers.1), "{fault:?} {:?}", answers.1);
        assert!(is_unavailable(&answers.2), "{fault:?} {:?}", answers.2);
        assert!(is_unavailable(&answers.3), "{fault:?} {:?}", answers.3);
        assert!(is_unavailable(&answers.4), "{fault:?} {:?}", answers.4);
        assert!(is_unavailable(&answers.5), "{fault:?} {:?}", answers.5);
        // Tried again, and not for ever.
        let tries = flaky
            .seen()
            .iter()
            .filter(|seen| seen.starts_with("HeadObject"))
            .count();
        assert!((2..=8).contains(&tries), "{fault:?} {tries}");
    }
    moto.kill();
    let sdk = reach::sdk(moto.endpoint()).await;
    let gone = timeout(BOUND, reach::channels(&sdk).get(&cam())).await;
    assert!(is_unavailable(&gone.expect("is over soon")));
}

#[tokio::test]
async fn who_must_act_is_told() {
    let moto = Moto::start().await;
    let flaky = Flaky::start(moto.endpoint()).await;
    let sdk = reach::sdk(flaky.endpoint()).await;
    let (channels, objects) = (reach::channels(&sdk), reach::objects(&sdk));
    let name = ObjectName::parse("a").expect("is a name");

    // A moment of it is nobody's business.
    flaky.fail("", 2, Fault::Throttle);
    assert!(matches!(
        channels.get(&cam()).await,
        Err(Error::NotFound(_))
    ));
    flaky.fail("", 2, Fault::Fail(503));
    objects
        .put(&name, Bytes::from_static(b"x"))
        .await
        .expect("is tried again");

    for (code, is_denied) in [
        ("AccessDeniedException", true),
        ("UnrecognizedClientException", true),
        ("ExpiredTokenException", false),
    ] {
        flaky.fail("GetItem", 8, Fault::Deny(code));
        let answer = channels.get(&cam()).await;
        assert_eq!(
            matches!(answer, Err(Error::Denied(_))),
            is_denied,
            "{answer:?}"
        );
        assert_eq!(is_unavailable(&answer), !is_denied, "{answer:?}");
        flaky.mend();
    }
    for (code, is_denied) in [("AccessDenied", true), ("ExpiredToken", false)] {
        flaky.fail("PutObject", 8, Fault::Deny(code));
        let answer = objects.put(&name, Bytes::from_static(b"y")).await;
        assert_eq!(
            matches!(answer, Err(Error::Denied(_))),
            is_denied,
            "{answer:?}"
        );
        assert_eq!(is_unavailable(&answer), !is_denied, "{answer:?}");
        flaky.mend();
    }

    let mut tables = Tables::default();
    tables.channels = "nowhere".to_owned();
    let answer = Channels::new(&sdk, &tables).get(&cam()).await;
    assert!(
        matches!(&answer, Err(Error::Damaged { what, .. }) if what.contains("nowhere")),
        "{answer:?}"
    );
}
