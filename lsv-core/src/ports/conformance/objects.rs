//! Checks of object stores.

use bytes::Bytes;

use crate::ports::{Error, ObjectName, ObjectStore, PageRequest, Piece};

/// Checks an [`ObjectStore`].
pub async fn object_store(store: &dyn ObjectStore) {
    object_round_trip(store).await;
    object_ranges(store).await;
    object_preconditions(store).await;
    object_replacement(store).await;
    object_listing(store).await;
    object_growth(store).await;
    object_leavings(store).await;
    object_composition(store).await;
}

/// Checks that an [`ObjectStore`] goes on with what a writer left, which not every one can.
pub async fn object_resumption(store: &dyn ObjectStore) {
    let name = name("record/left");
    let absent = store.resume(&name, 0).await.map(drop);
    assert!(matches!(absent, Err(Error::NotFound(_))), "{absent:?}");
    let mut writer = store.create(&name).await.expect("begins");
    for part in ["kept", " and not known of"] {
        let part = Bytes::from_static(part.as_bytes());
        writer.append(part).await.expect("appends");
    }
    // One that was left, and not one beside it.
    writer.finish().await.expect("is left");
    drop(writer);
    let longer = store.resume(&name, 22).await.map(drop);
    assert!(matches!(longer, Err(Error::Invalid(_))), "{longer:?}");
    for length in [21, 4] {
        let mut writer = store.resume(&name, length).await.expect("goes on");
        writer
            .append(Bytes::from_static(b"!"))
            .await
            .expect("appends");
        let info = writer.finish().await.expect("finishes");
        assert_eq!(info.size, length + 1);
    }
    let object = store.get(&name, None).await.expect("reads");
    assert_eq!(object.bytes.as_ref(), b"kept!");
    store.delete(&name).await.expect("removes");
}

async fn object_round_trip(store: &dyn ObjectStore) {
    let name = name("record/cam/a.mp4");
    assert!(matches!(
        store.get(&name, None).await,
        Err(Error::NotFound(_))
    ));
    assert!(matches!(store.stat(&name).await, Err(Error::NotFound(_))));
    assert!(matches!(store.delete(&name).await, Err(Error::NotFound(_))));

    store
        .put(&name, Bytes::from_static(b"first"))
        .await
        .expect("writes");
    store
        .put(&name, Bytes::from_static(b"second"))
        .await
        .expect("replaces");
    let object = store.get(&name, None).await.expect("reads");
    assert_eq!(
        (object.start, object.bytes.as_ref()),
        (0, b"second".as_ref())
    );
    assert_eq!(object.info, store.stat(&name).await.expect("knows"));
    assert_eq!(
        (object.info.name.clone(), object.info.size),
        (name.clone(), 6)
    );

    store
        .put(&name, Bytes::new())
        .await
        .expect("writes nothing");
    assert!(
        store
            .get(&name, None)
            .await
            .expect("reads nothing")
            .bytes
            .is_empty()
    );
    store.delete(&name).await.expect("removes");
    assert!(matches!(store.stat(&name).await, Err(Error::NotFound(_))));
}

async fn object_ranges(store: &dyn ObjectStore) {
    let name = name("range");
    store
        .put(&name, Bytes::from_static(b"0123456789"))
        .await
        .expect("writes");
    for (range, expected) in [
        (0..1, "0"),
        (0..10, "0123456789"),
        (9..10, "9"),
        (5..100, "56789"),
        (3..u64::MAX, "3456789"),
    ] {
        let object = store
            .get(&name, Some(range.clone()))
            .await
            .expect("reads a part");
        assert_eq!(
            (object.start, object.bytes.as_ref()),
            (range.start, expected.as_bytes())
        );
        assert_eq!(object.info.size, 10);
    }
    for range in [10..11, 5..5, u64::MAX - 1..u64::MAX] {
        let outside = store.get(&name, Some(range.clone())).await;
        assert!(
            matches!(outside, Err(Error::Invalid(_))),
            "{range:?}: {outside:?}"
        );
    }
    store.delete(&name).await.expect("removes");
}

async fn object_preconditions(store: &dyn ObjectStore) {
    let name = name("once");
    store
        .put_if_absent(&name, Bytes::from_static(b"1"))
        .await
        .expect("makes");
    let again = store.put_if_absent(&name, Bytes::from_static(b"2")).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    assert_eq!(
        store.get(&name, None).await.expect("reads").bytes.as_ref(),
        b"1"
    );
    store.delete(&name).await.expect("removes");
}

async fn object_replacement(store: &dyn ObjectStore) {
    let name = name("claimed");
    let [free, mine, yours] =
        ["free", "mine", "yours"].map(|text| Bytes::from_static(text.as_bytes()));
    let absent = store.replace(&name, &free, mine.clone()).await;
    assert!(matches!(absent, Err(Error::NotFound(_))), "{absent:?}");
    store.put(&name, free.clone()).await.expect("writes");
    let claimed = store.replace(&name, &free, mine.clone()).await;
    claimed.expect("is as it was");
    let late = store.replace(&name, &free, yours.clone()).await;
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    let object = store.get(&name, None).await.expect("reads");
    assert_eq!(object.bytes, mine);
    store.replace(&name, &mine, yours).await.expect("again");
    store.delete(&name).await.expect("removes");
}

/// Checks that of many who replace the same at the same time one gets through, which not every server of S3 sees to.
pub async fn object_claims(store: &dyn ObjectStore) {
    let name = name("claimed");
    let free = Bytes::from_static(b"free");
    let (name, free) = (&name, &free);
    for _ in 0..ROUNDS {
        store.put(name, free.clone()).await.expect("writes");
        let claims = (0..CLAIMANTS).map(|claimant| async move {
            let mine = Bytes::from(vec![claimant]);
            let claimed = store.replace(name, free, mine).await;
            assert!(
                matches!(claimed, Ok(()) | Err(Error::Conflict(_))),
                "{claimed:?}"
            );
            claimed.is_ok().then_some(claimant)
        });
        let claimed = futures::future::join_all(claims).await;
        let claimed: Vec<u8> = claimed.into_iter().flatten().collect();
        let object = store.get(name, None).await.expect("reads");
        assert_eq!(claimed, object.bytes[..], "one of all");
    }
    store.delete(name).await.expect("removes");
}

async fn object_listing(store: &dyn ObjectStore) {
    let made = [
        "a",
        "record/cam-2/x",
        "record/cam/1",
        "record/cam/2/b",
        "record/cam/2/a",
        "record/cam/2.b",
        "record/camera",
    ];
    for text in made {
        store
            .put(&name(text), Bytes::from_static(b"x"))
            .await
            .expect("writes");
    }
    let mut sorted = made.to_vec();
    sorted.sort_unstable();
    let wanted = |prefix: &str| -> Vec<String> {
        sorted
            .iter()
            .filter(|text| text.starts_with(prefix))
            .map(ToString::to_string)
            .collect()
    };
    for prefix in [
        "",
        "a",
        "record/",
        "record/cam",
        "record/cam/",
        "record/cam/2",
        "record/cam/2/",
        "nothing",
        "../",
        "/",
    ] {
        for limit in [1, 2, 1_000] {
            assert_eq!(
                objects(store, prefix, limit).await,
                wanted(prefix),
                "{prefix:?} by {limit}"
            );
        }
    }
    for text in made {
        store.delete(&name(text)).await.expect("removes");
    }
    assert!(objects(store, "", 1_000).await.is_empty());
}

async fn object_growth(store: &dyn ObjectStore) {
    let name = name("record/grows");
    let mut writer = store.create(&name).await.expect("begins");
    for part in ["one ", "", "two ", "three"] {
        let part = Bytes::from_static(part.as_bytes());
        writer.append(part).await.expect("appends");
        match store.get(&name, None).await {
            Ok(so_far) => assert!(b"one two three".starts_with(&so_far.bytes)),
            // Where only what is whole is shown.
            Err(error) => assert!(matches!(error, Error::NotFound(_)), "{error}"),
        }
    }
    let info = writer.finish().await.expect("finishes");
    assert_eq!((&info.name, info.size), (&name, 13));
    drop(writer);
    let object = store.get(&name, None).await.expect("reads");
    assert_eq!(object.bytes.as_ref(), b"one two three");

    let taken = match store.create(&name).await {
        Err(error) => Err(error),
        // A store may find out only at the end.
        Ok(mut writer) => writer.finish().await.map(drop),
    };
    assert!(matches!(taken, Err(Error::Conflict(_))), "{taken:?}");
    let object = store.get(&name, None).await.expect("is as it was");
    assert_eq!(object.bytes.as_ref(), b"one two three");
    store.delete(&name).await.expect("removes");

    let mut writer = store.create(&name).await.expect("begins again");
    let part = Bytes::from_static(b"of no use");
    writer.append(part).await.expect("appends");
    writer.abort().await.expect("aborts");
    assert!(matches!(store.stat(&name).await, Err(Error::NotFound(_))));
}

/// What a writer leaves is what was written, as far as it goes; of what is whole, nothing is left.
async fn object_leavings(store: &dyn ObjectStore) {
    let (left, whole) = (name("record/left"), name("record/whole"));
    store.settle(&left).await.expect("has nothing to settle");
    assert!(matches!(store.stat(&left).await, Err(Error::NotFound(_))));
    let mut writer = store.create(&left).await.expect("begins");
    let part = Bytes::from_static(b"as far as it goes");
    writer.append(part.clone()).await.expect("appends");
    drop(writer);
    store.settle(&left).await.expect("settles");
    match store.get(&left, None).await {
        Ok(found) => {
            assert!(part.starts_with(&found.bytes));
            store.delete(&left).await.expect("removes");
        }
        Err(error) => assert!(matches!(error, Error::NotFound(_)), "{error}"),
    }

    store.put(&whole, part.clone()).await.expect("writes");
    store.settle(&whole).await.expect("leaves it alone");
    let object = store.get(&whole, None).await.expect("reads");
    assert_eq!(object.bytes, part);
    store.delete(&whole).await.expect("removes");
}

async fn object_composition(store: &dyn ObjectStore) {
    let (one, two, made) = (name("one"), name("two"), name("made/of/both"));
    for (name, bytes) in [(&one, "0123456789"), (&two, "abcdef")] {
        let bytes = Bytes::from_static(bytes.as_bytes());
        store.put(name, bytes).await.expect("writes");
    }
    let bytes = |text: &'static str| Piece::Bytes(Bytes::from_static(text.as_bytes()));
    let of = |name: &ObjectName, range| Piece::Of(name.clone(), range);
    let pieces = [bytes("<"), of(&two, 1..3), bytes("|"), of(&one, 0..10)];
    let info = store.compose(&made, &pieces).await.expect("composes");
    assert_eq!((&info.name, info.size), (&made, 14));
    // Of itself, in place of itself.
    let pieces = [of(&made, 4..9), bytes("!"), of(&made, 4..4)];
    let info = store.compose(&made, &pieces).await.expect("replaces");
    assert_eq!(info.size, 6);
    let object = store.get(&made, None).await.expect("reads");
    assert_eq!(object.bytes.as_ref(), b"01234!");

    for outside in [5..11, 11..12, u64::MAX - 1..u64::MAX] {
        let refused = store.compose(&made, &[of(&one, outside)]).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    let pieces = [bytes("x"), of(&name("absent"), 0..1)];
    let refused = store.compose(&made, &pieces).await;
    assert!(matches!(refused, Err(Error::NotFound(_))), "{refused:?}");
    let object = store.get(&made, None).await.expect("is as it was");
    assert_eq!(object.bytes.as_ref(), b"01234!");
    assert_eq!(store.compose(&made, &[]).await.expect("is empty").size, 0);
    for name in [one, two, made] {
        store.delete(&name).await.expect("removes");
    }
}

async fn objects(store: &dyn ObjectStore, prefix: &str, limit: usize) -> Vec<String> {
    let mut page = PageRequest::first(limit);
    let mut names = Vec::new();
    loop {
        let part = store.list(prefix, &page).await.expect("lists");
        assert!(part.items.len() <= limit);
        names.extend(part.items.iter().map(|info| info.name.to_string()));
        page.cursor = part.next;
        if page.cursor.is_none() {
            return names;
        }
    }
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).expect("is a name")
}

const ROUNDS: usize = 10;
const CLAIMANTS: u8 = 8;
