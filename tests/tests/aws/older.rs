//! Items that the older product wrote: they are read, changed, and keep what is not known here.

use lsv_auth::Secret;
use lsv_core::channel::{Channel, Fields, Moment, Signer};
use lsv_core::path::ChannelId;
use lsv_core::ports::{ChannelStore, Error, PageRequest, Precondition};
use lsv_tests::Moto;
use serde_json::{Value, json};

use super::reach;

const ID: &str = "98724e64-bcd1-4887-af4a-60be440709aa";

fn older_item() -> Value {
    json!({
        "id": {"S": ID},
        "key": {"S": "1670544000-0123456789abcdef0123456789abcdef"},
        "videoname": {"S": "Haustür"},
        "outdate": {"S": "2062-12-09"},
        "isFlv": {"S": "true"},
        "isHls": {"S": "false"},
        "isVideo": {"BOOL": true},
        "video_time": {"S": "30"},
        "image_time": {"N": "15"},
        "ondemand_list_size": {"S": ""},
        "relayURL": {"S": ""},
        "ecsTask": {"M": {"arn": {"S": "arn:aws:ecs:::task/1"}, "ports": {"NS": ["1935", "8000"]}}},
        "createdBy": {"S": "somebody"},
    })
}

#[tokio::test]
async fn items_of_the_older_product_are_changed_and_keep_the_rest() {
    let moto = Moto::start().await;
    let sdk = reach::sdk(moto.endpoint()).await;
    let store = reach::channels(&sdk);
    let input = json!({"TableName": Moto::CHANNELS, "Item": older_item()});
    moto.dynamodb("PutItem", &input).await;

    let id = ChannelId::parse(ID).expect("is an id");
    let read = store.get(&id).await.expect("reads");
    let settings = &read.channel.settings;
    assert_eq!(settings.videoname, "Haustür");
    assert!(settings.is_flv && !settings.is_hls && settings.is_video && !settings.is_image);
    assert_eq!((settings.video_time, settings.image_time), (30, 15));
    assert_eq!((settings.hls_time, settings.ondemand_list_size), (2, 0));
    let listed = store.list(&PageRequest::default()).await.expect("lists");
    assert_eq!(listed.items, [read.channel.as_ref().clone()]);

    // As the API changes it.
    let mut changed = read.channel.as_ref().clone();
    let fields: Fields =
        serde_json::from_value(json!({"isHls": "true", "video_time": 61})).expect("are fields");
    let secret = Secret::new("nodemedia2017privatekey").expect("is a secret");
    let now = Moment::from_unix(1_800_000_000);
    changed
        .change(fields, &Signer::new(secret, []), now)
        .expect("changes");
    let condition = Precondition::IfVersion(read.version);
    let version = store.put(&changed, condition).await.expect("writes");
    let again = store.get(&id).await.expect("reads again");
    assert_eq!((again.channel.as_ref(), again.version), (&changed, version));
    let stale = store.put(&changed, condition).await;
    assert!(matches!(stale, Err(Error::Conflict(_))), "{stale:?}");

    let item = moto.item(Moto::CHANNELS, "id", ID).await;
    for name in ["key", "ecsTask", "createdBy"] {
        assert_eq!(item[name], older_item()[name], "{name}");
    }
    assert_eq!(item["isHls"], json!({"BOOL": true}));
    assert_eq!(item["video_time"], json!({"N": "61"}));
    assert_eq!(item["updatedAt"], json!({"S": "2027-01-15T08:00:00Z"}));
}

/// One item that nobody can read does not hide the others, and is told of where it is asked for.
#[tokio::test]
async fn a_damaged_item_is_told_of() {
    let moto = Moto::start().await;
    let sdk = reach::sdk(moto.endpoint()).await;
    let store = reach::channels(&sdk);
    let id = ChannelId::parse("whole").expect("is an id");
    let whole = Channel::new(id, Moment::from_unix(1_000));
    store
        .put(&whole, Precondition::IfAbsent)
        .await
        .expect("writes");
    let damaged = json!({"id": {"S": "damaged"}, "outdate": {"S": "some day"}});
    let input = json!({"TableName": Moto::CHANNELS, "Item": damaged});
    moto.dynamodb("PutItem", &input).await;

    let id = ChannelId::parse("damaged").expect("is an id");
    let read = store.get(&id).await;
    assert!(
        matches!(&read, Err(Error::Damaged { what, detail, .. })
            if what.contains("damaged") && detail.contains("outdate")),
        "{read:?}"
    );
    let listed = store.list(&PageRequest::default()).await.expect("lists");
    assert_eq!(listed.items, [whole]);
    store.delete(&id).await.expect("can be deleted");
}
