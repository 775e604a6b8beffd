use super::*;

fn item(fields: Value) -> Item {
    let Value::Object(fields) = fields else {
        panic!("an object");
    };
    fields
        .into_iter()
        .map(|(name, value)| (name, attribute::of(value)))
        .collect()
}

/// What [`attributes`] gives is what is read, also where nothing is a default.
#[test]
fn what_was_written_is_read() {
    let id = ChannelId::parse("cam").unwrap();
    let mut written = Channel::new(id, Moment::from_unix_millis(1_700_000_000_123));
    written.settings.videoname = "Ärger".to_owned();
    written.settings.is_flv = false;
    written.settings.video_time = 61;
    written
        .rotate_key(Moment::from_unix(1_700_000_001))
        .unwrap();
    let mut item: Item = attributes(&written, 7)
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    item.insert(ID.to_owned(), AttributeValue::S("cam".to_owned()));
    assert_eq!(channel(&item), Ok((written, 7)));
    for name in ["isFlv", "video_time", "videoname"] {
        assert!(item.contains_key(name));
    }
    assert_eq!(item["isFlv"], AttributeValue::Bool(false));
    assert_eq!(item["video_time"], AttributeValue::N("61".to_owned()));
}

#[test]
fn items_of_the_older_product_are_read() {
    let item = item(json!({
        "id": "98724e64-bcd1-4887-af4a-60be440709aa",
        "key": "1670544000-8fbe5d5b4a5a6ed8a6e3f2b6f0a9c1d2",
        "videoname": "front door",
        "outdate": "2022-12-09",
        "isFlv": "true",
        "isHls": "false",
        "isCMAF": "True",
        "isVideo": true,
        "isImage": 1,
        "video_time": "30",
        "image_time": 15,
        "hls_time": " 4 ",
        "ondemand_list_size": "",
        "relayURL": "",
        "codec": null,
        "logLevel": "loud",
        "clusterNumber": "many",
        "someThing": ["of", "its", "own"],
    }));
    let (read, version) = channel(&item).unwrap();
    assert_eq!(version, NO_VERSION);
    let settings = &read.settings;
    assert_eq!(settings.outdate.unix(), 1_670_630_399);
    assert!(settings.is_flv && !settings.is_hls && settings.is_cmaf);
    assert!(settings.is_video && settings.is_image && !settings.is_motion);
    assert_eq!((settings.video_time, settings.image_time), (30, 15));
    assert_eq!((settings.hls_time, settings.ondemand_list_size), (4, 0));
    assert_eq!(json!(settings.codec), "libx264");
    let defaults = Settings::new(Moment::EPOCH);
    assert_eq!(settings.log_level, defaults.log_level);
    assert_eq!(settings.cluster_number, defaults.cluster_number);
    assert_eq!(read.created_at, Moment::EPOCH);

    // The old key opens the channel until it is taken back with the new one.
    let old = PushKey::new(Moment::from_unix(1_670_544_000)).expiry();
    assert!(read.admits(old));
    let mut rotated = read.clone();
    rotated
        .rotate_key(Moment::from_unix(1_670_000_000))
        .unwrap();
    assert!(!rotated.admits(old));
}

#[test]
fn nothing_is_opened_by_what_cannot_be_read() {
    let old = json!({"id": "cam", "createdAt": "2022-01-01T00:00:00Z"});
    assert!(channel(&item(old.clone())).is_ok());
    for (name, value) in [
        ("outdate", json!("some day")),
        ("playAllow", json!("10.0.0.0/99")),
        ("playToken", json!("of course")),
        ("maxViewers", json!("few")),
        ("lsvVersion", json!("one")),
        ("lsvKey", json!("{}")),
        ("id", json!("../x")),
        ("id", json!(null)),
    ] {
        let mut fields = old.clone();
        fields[name] = value;
        assert!(channel(&item(fields)).is_err(), "{name}");
    }
    // What this release wrote is whole, or damaged.
    let mut fields = old;
    fields["logLevel"] = json!("loud");
    assert!(channel(&item(fields.clone())).is_ok());
    fields["lsvVersion"] = json!(1);
    assert!(channel(&item(fields)).is_err());
}

/// They let nobody in.
#[test]
fn times_of_the_older_product_that_cannot_be_read_are_left_out() {
    let mut fields =
        json!({"id": "cam", "createdAt": "Fri Dec 09 2022", "updatedAt": "2022-12-09T01:02:03Z"});
    let (read, _) = channel(&item(fields.clone())).unwrap();
    assert_eq!(read.created_at, Moment::EPOCH);
    assert_eq!(read.updated_at, Moment::from_unix(1_670_547_723));
    fields["createdAt"] = fields["updatedAt"].take();
    fields["updatedAt"] = json!("12/9/2022");
    let (read, _) = channel(&item(fields.clone())).unwrap();
    assert_eq!(read.updated_at, read.created_at);
    // What this release wrote is whole, or damaged.
    fields["lsvVersion"] = json!(1);
    assert!(channel(&item(fields)).is_err());
}

#[test]
fn without_a_date_nobody_publishes_for_ever() {
    let (read, _) = channel(&item(json!({"id": "cam"}))).unwrap();
    assert_eq!(read.settings.outdate, Settings::new(Moment::EPOCH).outdate);
}
