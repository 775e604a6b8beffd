//! The suite that every implementation of a port must pass.

use std::time::Duration;

use lsv_aws::dynamodb::LeaseTimes;
use lsv_aws::s3;
use lsv_core::ports::conformance;
use lsv_tests::Moto;

use super::reach;
use super::s3s_fs::S3s;

#[tokio::test]
async fn dynamodb_and_s3_of_moto() {
    let moto = Moto::start().await;
    let sdk = reach::sdk(moto.endpoint()).await;
    conformance::channel_store(&reach::channels(&sdk)).await;
    conformance::session_registry(&reach::sessions(&sdk, LeaseTimes::default())).await;
    let mut often = LeaseTimes::default();
    often.renewal = Duration::from_millis(100);
    conformance::session_leases(&reach::sessions(&sdk, often)).await;
    conformance::object_store(&reach::objects(&sdk)).await;
}

/// Whoever shares a bucket sees none of the others' objects.
#[tokio::test]
async fn s3_of_moto_behind_a_prefix() {
    let moto = Moto::start().await;
    let sdk = reach::sdk(moto.endpoint()).await;
    let mut config = s3::Config::new(Moto::BUCKET);
    config.prefix = "live/one/".to_owned();
    config.encryption = s3::Encryption::S3;
    let ours = s3::Objects::new(&sdk, config);
    let theirs = reach::objects(&sdk);
    let name = lsv_core::ports::ObjectName::parse("somebody/elses").expect("is a name");
    lsv_core::ports::ObjectStore::put(&theirs, &name, "x".into())
        .await
        .expect("writes");
    conformance::object_store(&ours).await;
}

#[tokio::test]
async fn s3_of_s3s() {
    let folder = tempfile::tempdir().expect("makes a folder");
    std::fs::create_dir(folder.path().join(Moto::BUCKET)).expect("makes the bucket");
    let s3s = S3s::start(folder.path()).await;
    let sdk = reach::sdk(&s3s.endpoint).await;
    conformance::object_store(&reach::objects(&sdk)).await;
}
