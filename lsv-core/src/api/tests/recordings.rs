//! What the API says of recordings, and what it removes.

use super::*;

#[tokio::test]
async fn recordings_are_listed_and_removed() {
    let platform = Platform::new();
    platform.channel("cam").await;
    assert_eq!(
        platform.get("/videostream/cam/recordings").await.json(),
        json!([])
    );
    for name in [
        "record/cam/mp4/2032/12/09/a.mp4",
        "record/cam-2/b.mp4",
        "other",
    ] {
        let name = ObjectName::parse(name).unwrap();
        platform.objects.put(&name, "12345".into()).await.unwrap();
    }
    let listed = platform.get("/videostream/cam/recordings").await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(
        (&listed[0]["name"], &listed[0]["size"]),
        (&json!("mp4/2032/12/09/a.mp4"), &json!(5))
    );
    assert_eq!(
        (&listed[0]["length"], &listed[0]["storageClass"]),
        (&Value::Null, &json!("hot"))
    );
    let url = listed[0]["url"].as_str().unwrap();
    assert!(
        url.starts_with("http://") && url.ends_with("/cam/vod/mp4/2032/12/09/a.mp4"),
        "{url}"
    );
    let later = platform
        .get("/videostream/cam/recordings?from=2900-01-01")
        .await
        .json();
    let earlier = platform
        .get("/videostream/cam/recordings?to=2000/1/1")
        .await
        .json();
    assert_eq!((later, earlier), (json!([]), json!([])));

    let path = "/videostream/cam/recordings/mp4/2032/12/09/a.mp4";
    assert_eq!(
        platform.call(Method::DELETE, path).await.status,
        StatusCode::NO_CONTENT
    );
    platform
        .call(Method::DELETE, path)
        .await
        .problem(Kind::NotFound);
    for path in [
        "..%2Fcam-2%2Fb.mp4",
        "../../cam-2/b.mp4",
        "%2e%2e/cam-2/b.mp4",
        "%00",
    ] {
        let path = format!("/videostream/cam/recordings/{path}");
        assert_eq!(
            platform.call(Method::DELETE, &path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    assert!(
        platform
            .objects
            .stat(&ObjectName::parse("record/cam-2/b.mp4").unwrap())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_session_is_one_recording() {
    let platform = Platform::new();
    platform.channel("cam").await;
    let playlist = "#EXTM3U\n#EXTINF:2.5,\nsegment-0.m4s\n#EXTINF:1,\nsegment-1.m4s\n";
    for (name, text) in [
        ("2032/index.m3u8", playlist),
        ("2032/init-0.mp4", "x"),
        ("2032/segment-0.m4s", "x"),
        ("2032/segment-1.m4s", "x"),
        ("2033/index.m3u8", "#EXTM3U\n"),
    ] {
        let name = ObjectName::parse(&format!("record/cam/vod/{name}")).unwrap();
        platform.objects.put(&name, text.into()).await.unwrap();
    }
    let listed = platform.get("/videostream/cam/recordings").await.json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0]["length"], json!(3.5));
    assert!(
        listed[0]["url"]
            .as_str()
            .unwrap()
            .ends_with("/cam/vod/2032/index.m3u8")
    );
    let path = "/videostream/cam/recordings/vod/2032/index.m3u8";
    let removed = platform.call(Method::DELETE, path).await.status;
    assert_eq!(removed, StatusCode::NO_CONTENT);
    let left = platform
        .objects
        .list("", &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(left.items.len(), 1);
}

/// What is being written is not removed, nor any part of it; what a writer that is gone left behind is, with its place in
/// the journal.
#[tokio::test]
async fn what_is_being_written_stays() {
    let platform = Platform::new();
    platform.channel("cam").await;
    let put = async |name: &str| {
        let name = ObjectName::parse(name).unwrap();
        platform.objects.put(&name, "x".into()).await.unwrap();
    };
    for (recording, part) in [
        ("mp4/2032/12/09/a.mp4", "mp4/2032/12/09/a.mp4"),
        ("vod/2032/index.m3u8", "vod/2032/index.m3u8"),
        ("vod/2032/index.m3u8", "vod/2032/segment-0.m4s"),
    ] {
        let object = format!("record/cam/{part}");
        put(&object).await;
        let entry = format!("unfinished/record/cam/{recording}");
        put(&entry).await;
        let path = format!("/videostream/cam/recordings/{part}");
        for (age, is_written) in [(0, true), (299, true), (300, false)] {
            let file = platform.directory.path().join("objects").join(&entry);
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.unix() - age);
            let file = std::fs::File::options().write(true).open(file).unwrap();
            file.set_modified(modified).unwrap();
            let answer = platform.call(Method::DELETE, &path).await;
            match is_written {
                true => drop(answer.problem(Kind::StillWritten)),
                false => assert_eq!(answer.status, StatusCode::NO_CONTENT, "{part}"),
            }
        }
        let left = platform.objects.list("", &PageRequest::default()).await;
        let left = left.unwrap().items;
        assert_eq!(left.len(), usize::from(recording != part), "{left:?}");
    }
}

impl Platform {
    /// Writes an object of that name below the folder of the channel `cam`.
    async fn record(&self, name: &str, bytes: &str) {
        let name = ObjectName::parse(&format!("record/cam/{name}")).unwrap();
        let bytes = bytes.to_owned().into();
        self.objects.put(&name, bytes).await.unwrap();
    }

    /// The names of what `/recordings` lists with that query, and where it goes on.
    async fn listed(&self, query: &str) -> (Vec<String>, Option<String>) {
        let path = format!("/videostream/cam/recordings{query}");
        let answer = self.get(&path).await;
        let next = answer.headers.get(header::LINK).map(|link| {
            let link = link
                .to_str()
                .unwrap()
                .strip_prefix("</videostream/cam/recordings");
            let next = link.unwrap().strip_suffix(">; rel=\"next\"");
            next.unwrap().to_owned()
        });
        let listed = answer.json();
        let names = listed.as_array().unwrap().iter();
        let names = names.map(|one| one["name"].as_str().unwrap().to_owned());
        (names.collect(), next)
    }
}

#[tokio::test]
async fn a_day_of_a_kind_is_found_without_looking_through_the_others() {
    let platform = Platform::new();
    platform.channel("cam").await;
    let mut expected = Vec::new();
    for day in ["2032/12/08", "2032/12/09", "2032/12/10"] {
        for (folder, end) in [
            ("mp4", "mp4"),
            ("images", "jpg"),
            ("motion/mp4", "mp4"),
            ("motion/images", "jpg"),
        ] {
            for number in 0..3 {
                let name = format!("{folder}/{day}/capture-{number}.{end}");
                platform.record(&name, "x").await;
                if (folder, day) == ("mp4", "2032/12/09") {
                    expected.push(name);
                }
            }
        }
        let session = format!("vod/{}T101112.000Z", day.replace('/', ""));
        for part in ["index.m3u8", "segment-0.m4s"] {
            platform.record(&format!("{session}/{part}"), "x").await;
        }
    }
    // As many objects are looked through as are of that day: with the others among them the first page would have none.
    let (names, next) = platform.listed("?kind=file&day=2032-12-09&limit=3").await;
    assert_eq!((names, next), (expected.clone(), None));
    let mut query = "?kind=file&day=2032-12-09&limit=1&to=2900-01-01&ttl=60".to_owned();
    let mut seen = Vec::new();
    loop {
        let (names, next) = platform.listed(&query).await;
        assert_eq!(names.len(), 1, "{query}");
        seen.extend(names);
        let Some(next) = next else { break };
        let kept = "?kind=file&day=2032-12-09&to=2900-01-01&ttl=60&limit=1&cursor=";
        assert!(next.starts_with(kept), "{next}");
        query = next;
    }
    assert_eq!(seen, expected);

    for (query, count) in [
        ("?kind=file", 9),
        ("?kind=snapshot", 9),
        ("?kind=motion-clip&day=2032-12-10", 3),
        ("?kind=motion-snapshot&day=2032-12-08", 3),
        ("?kind=on-demand&day=2032-12-09", 1),
        ("?kind=on-demand", 3),
        ("?kind=file&day=2032-12-11", 0),
        ("?kind=file&day=2032-12-09&from=2900-01-01", 0),
        ("", 39),
    ] {
        assert_eq!(platform.listed(query).await.0.len(), count, "{query}");
    }
    for (query, field) in [
        ("kind=files", "kind"),
        ("kind=", "kind"),
        ("day=2032-12-09", "day"),
        ("kind=file&day=", "day"),
        ("kind=file&day=2032-12-9", "day"),
        ("kind=file&day=2032-02-30", "day"),
        ("kind=file&day=2032/12/09", "day"),
        ("kind=file&day=2032-12-09T00:00:00Z", "day"),
        ("kind=file&day=../../../../", "day"),
    ] {
        let path = format!("/videostream/cam/recordings?{query}");
        let problem = platform.get(&path).await.problem(Kind::InvalidParameter);
        assert_eq!(problem["field"], json!(field), "{query}");
    }
}

#[tokio::test]
async fn storage_is_added_up_by_kind() {
    let platform = Platform::new();
    platform.channel("cam").await;
    let none = json!({"bytes": 0, "objects": 0});
    let stored = |bytes: u64, objects: u64| json!({"bytes": bytes, "objects": objects});
    let usage = platform.get("/videostream/cam/usage").await.json();
    let kinds = [
        "file",
        "on-demand",
        "snapshot",
        "motion-clip",
        "motion-snapshot",
    ];
    let nothing: BTreeMap<_, _> = kinds.map(|kind| (kind, &none)).into();
    let expected = json!({"bytes": 0, "objects": 0, "complete": true, "kinds": nothing});
    assert_eq!(usage, expected);

    for (name, bytes) in [
        ("mp4/2032/12/09/a.mp4", "12345"),
        ("mp4/2032/12/09/b.mp4", "123"),
        ("vod/20321209T101112.000Z/index.m3u8", "12"),
        ("vod/20321209T101112.000Z/segment-0.m4s", "1234"),
        ("vod/20321209T101112.000Z/thumbnails-0.jpg", "1"),
        ("images/2032/12/09/a.jpg", "1"),
        ("motion/mp4/2032/12/09/a.mp4", "123456"),
        ("motion/images/2032/12/09/a.jpg", ""),
        ("other", "1234567"),
    ] {
        platform.record(name, bytes).await;
    }
    let of_another = ObjectName::parse("record/cam-2/mp4/2032/12/09/a.mp4").unwrap();
    platform.objects.put(&of_another, "1".into()).await.unwrap();
    let usage = platform.get("/videostream/cam/usage").await.json();
    let expected = json!({
        "bytes": 29, "objects": 9, "complete": true,
        "kinds": {
            "file": stored(8, 2), "on-demand": stored(7, 3), "snapshot": stored(1, 1),
            "motion-clip": stored(6, 1), "motion-snapshot": stored(0, 1),
        },
    });
    assert_eq!(usage, expected);
    let description = serde_json::to_value(description()).unwrap();
    let response = &description["paths"]["/videostream/{id}/usage"]["get"]["responses"]["200"];
    let schema = &response["content"]["application/json"]["schema"];
    super::calls::assert_described(&description, schema, &usage);
}
