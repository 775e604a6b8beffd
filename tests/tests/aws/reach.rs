//! Clients of an AWS at some address.

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use lsv_aws::dynamodb::{Channels, LeaseTimes, Sessions, Tables};
use lsv_aws::s3::{self, Objects};
use lsv_tests::Moto;

/// What the environment would say of an AWS at `endpoint`.
pub(crate) async fn sdk(endpoint: &str) -> SdkConfig {
    lsv_aws::defaults()
        .endpoint_url(endpoint)
        .region(Region::new(Moto::REGION))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .load()
        .await
}

pub(crate) fn channels(sdk: &SdkConfig) -> Channels {
    Channels::new(sdk, &Tables::default())
}

pub(crate) fn sessions(sdk: &SdkConfig, times: LeaseTimes) -> Sessions {
    Sessions::new(sdk, &Tables::default(), times)
}

pub(crate) fn objects(sdk: &SdkConfig) -> Objects {
    Objects::new(sdk, s3::Config::new(Moto::BUCKET))
}
