use lsv_auth::Secret;
use lsv_auth::push::{Algorithm, Expiry};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: Moment = Moment::from_unix_millis(1_700_000_000_123);
const LATER: Moment = Moment::from_unix_millis(1_700_000_060_000);

fn signer() -> Signer {
    Signer::new(
        Secret::new("nodemedia2017privatekey").unwrap(),
        [Algorithm::HmacSha256],
    )
}

fn id() -> ChannelId {
    ChannelId::parse("cam").unwrap()
}

fn fields(value: Value) -> Fields {
    serde_json::from_value(value).unwrap()
}

fn create(value: Value) -> Result<Channel, Invalid> {
    Channel::create(fields(value), id, NOW)
}

fn shown(channel: &Channel) -> Value {
    serde_json::to_value(channel.record(&signer())).unwrap()
}

#[test]
fn defaults() {
    let expected: Value = serde_json::from_str(r#"{
        "id": "cam", "videoname": "", "description": "", "outdate": "2024-11-13T22:13:20Z",
        "isFlv": true, "isHls": true, "isCMAF": false, "hls_time": 2, "hls_list_size": 6,
        "dvr_window": 0, "isEncrypted": false, "key_rotation": 30,
        "playToken": "platform", "playCloudFront": "platform", "playHosts": "", "playEmptyReferer": "platform",
        "playAllow": "", "playDeny": "", "maxViewers": 0, "maxViewersPerIp": 0,
        "isVideo": false, "video_time": 60, "isImage": false, "image_time": 30,
        "isOnDemand": false, "ondemand_time": 60, "ondemand_list_size": 0,
        "isMotion": false, "motion_percent": 30, "motion_diff": 10, "motion_duration": 5, "motion_timeout": 60,
        "isCodec": false, "codec": "libx264", "ld": false, "sd": false, "hd": false, "ud": false,
        "isWaterMark": false, "WaterMarkText": "", "WaterMarkFontSize": 20, "WaterMarkFontColor": "red",
        "WaterMarkTop": 10, "WaterMarkLeft": 10,
        "isImageWaterMark": false, "ImageURL": "", "ImageWidth": 100, "ImageHeight": 50,
        "isRelay": false, "relayURL": "", "isCluster": false, "clusterNumber": 2,
        "masterSize": "large", "recordSize": "small", "codecSize": "large", "slaveSize": "micro",
        "isRtmps": false, "logLevel": "warning",
        "createdAt": "2023-11-14T22:13:20.123Z", "updatedAt": "2023-11-14T22:13:20.123Z"
    }"#)
    .unwrap();
    let mut record = shown(&create(json!({})).unwrap());
    let key = record.as_object_mut().unwrap().remove("key").unwrap();
    assert_eq!(record, expected);
    assert!(key.as_str().unwrap().starts_with("1731536000-"));
}

#[test]
fn texts_of_an_older_product() {
    let channel = create(json!({
        "videoname": "test video", "description": "test", "outdate": "2032-12-09", "isFlv": "true", "isHls": "true",
        "isVideo": "true", "video_time": "60", "isImage": "true", "image_time": "30", "isMotion": "false",
        "isOnDemand": "true",
    }))
    .unwrap();
    assert!(
        channel.settings.is_video && channel.settings.is_on_demand && !channel.settings.is_motion
    );
    let record = shown(&channel);
    assert_eq!(record["video_time"], json!(60));
    assert_eq!(record["isVideo"], json!(true));
    assert_eq!(record["outdate"], json!("2032-12-09T23:59:59Z"));
}

#[test]
fn refusals_name_the_field_and_what_it_accepts() {
    for (value, field, message) in [
        (
            json!({"nonsense": 1}),
            "nonsense",
            "`nonsense` is not a field of a channel",
        ),
        (
            json!({"hls_time": 61}),
            "hls_time",
            "`hls_time` accepts a whole number from 1 to 60",
        ),
        (
            json!({"isFlv": "ja"}),
            "isFlv",
            "`isFlv` accepts true or false",
        ),
        (
            json!({"codec": "vp9"}),
            "codec",
            "`codec` accepts one of libx264, libx265",
        ),
        (
            json!({"videoname": "x".repeat(257)}),
            "videoname",
            "`videoname` accepts text of up to 256 characters",
        ),
        (
            json!({"WaterMarkFontColor": "red:x"}),
            "WaterMarkFontColor",
            "`WaterMarkFontColor` accepts a colour",
        ),
        (
            json!({"outdate": "soon"}),
            "outdate",
            "`outdate` accepts YYYY-MM-DD",
        ),
        (
            json!({"ImageURL": "file:///etc/passwd"}),
            "ImageURL",
            "`ImageURL` accepts an address that starts with http",
        ),
        (
            json!({"relayURL": "http://a/b"}),
            "relayURL",
            "`relayURL` accepts up to 8 addresses that start with rtmp://",
        ),
        (json!({"id": "a/b"}), "id", "`id` accepts 1 to 64"),
        (json!({"id": 5}), "id", "`id` accepts 1 to 64"),
        (json!({"id": "metrics"}), "id", "`id` accepts any id but"),
        (
            json!({"key": "1-a"}),
            "key",
            "`key` is made by the platform",
        ),
        (
            json!({"createdAt": "2020-01-01"}),
            "createdAt",
            "`createdAt` is made by the platform",
        ),
    ] {
        let refusal = create(value).unwrap_err();
        assert_eq!(refusal.field(), field);
        assert!(refusal.to_string().starts_with(message), "{refusal}");
    }
}

#[test]
fn an_operator_may_choose_the_id() {
    assert_eq!(
        create(json!({"id": "my-cam_1"})).unwrap().id.as_str(),
        "my-cam_1"
    );
}

#[test]
fn a_whole_record_can_be_written_back() {
    let mut channel = create(json!({"hls_time": 4})).unwrap();
    let mut record = shown(&channel);
    record["videoname"] = json!("new name");
    channel.change(fields(record), &signer(), LATER).unwrap();
    assert_eq!(channel.settings.videoname, "new name");
    assert_eq!(channel.settings.hls_time, 4);
    assert_eq!((channel.created_at, channel.updated_at), (NOW, LATER));
}

#[test]
fn what_the_platform_makes_cannot_be_changed() {
    let mut channel = create(json!({})).unwrap();
    let before = channel.clone();
    for name in ["id", "key", "createdAt", "updatedAt"] {
        let refusal = channel
            .change(fields(json!({name: "other"})), &signer(), LATER)
            .unwrap_err();
        assert_eq!(refusal.field(), name);
    }
    assert_eq!(channel, before);
}

#[test]
fn a_refused_change_changes_nothing() {
    let mut channel = create(json!({})).unwrap();
    let before = channel.clone();
    assert!(
        channel
            .change(
                fields(json!({"videoname": "x", "hls_time": 0})),
                &signer(),
                LATER
            )
            .is_err()
    );
    assert_eq!(channel, before);
}

#[test]
fn the_key_follows_outdate() {
    let mut channel = create(json!({"outdate": "2030-01-01"})).unwrap();
    let old = channel.key.expiry();
    assert!(channel.admits(old));
    channel
        .change(fields(json!({"outdate": "2029-01-01"})), &signer(), LATER)
        .unwrap();
    assert!(!channel.admits(old));
    assert!(channel.admits(channel.key.expiry()));
    let new = channel.key.expiry();
    channel.rotate_key(LATER).unwrap();
    assert!(!channel.admits(new));
    assert!(channel.admits(channel.key.expiry()));
    assert!(channel.admits(Expiry::from_unix(1_800_000_000)));
}

#[test]
fn debug_shows_no_stream_key_of_others() {
    let channel = create(json!({"relayURL": "rtmp://a.example/live/very-secret"})).unwrap();
    assert!(!format!("{channel:?}").contains("very-secret"));
    assert_eq!(
        shown(&channel)["relayURL"],
        json!("rtmp://a.example/live/very-secret")
    );
}

#[test]
fn the_stored_form_reads_back() {
    let mut channel =
        create(json!({"videoname": "Ärger \"im\" Büro", "relayURL": "rtmp://a/b", "ld": true}))
            .unwrap();
    channel.rotate_key(LATER).unwrap();
    let stored = channel.encode();
    assert_eq!(Channel::decode(&stored).unwrap(), channel);
    assert!(
        !String::from_utf8(stored)
            .unwrap()
            .contains(channel.record(&signer()).key())
    );
}

#[test]
fn a_damaged_stored_form_is_an_error() {
    let stored = create(json!({})).unwrap().encode();
    for damaged in [&stored[..stored.len() / 2], b"", b"{}", b"null"] {
        assert!(Channel::decode(damaged).is_err());
    }
    let newer = String::from_utf8(stored)
        .unwrap()
        .replacen("\"format\":1", "\"format\":2", 1);
    assert!(Channel::decode(newer.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn any_json_is_taken_or_refused(text in "\\PC{0,200}") {
        crate::fuzzing::channel(text.as_bytes());
    }

    #[test]
    fn any_value_of_any_field_is_taken_or_refused(
        field in 0usize..FIELDS.len(), number in any::<i64>(), text in "\\PC{0,20}", which in 0u8..4,
    ) {
        let value = match which { 0 => json!(number), 1 => json!(text), 2 => json!(number.to_string()), _ => json!(null) };
        let body = json!({FIELDS[field].name: value}).to_string();
        crate::fuzzing::channel(body.as_bytes());
    }
}
