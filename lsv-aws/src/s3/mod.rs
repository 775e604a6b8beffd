//! Recordings and pictures in S3, or in what speaks its protocol.
//!
//! An object's name, behind a prefix, is its key. What is long is a multipart upload; nobody sees it until it is complete.

mod compose;
mod kinds;
mod objects;
mod plan;
mod read;
mod settle;
mod tail;
mod transfer;
mod writer;

use std::time::Duration;

use aws_sdk_s3::types::StorageClass as Class;

pub use objects::Objects;

/// Where objects are kept, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The bucket.
    pub bucket: String,
    /// What every key begins with, such as `live/`. Empty.
    pub prefix: String,
    /// The class of what is cold, as S3 calls it. `GLACIER_IR`, which is at hand at once.
    pub cold_class: String,
    /// How objects are encrypted where they lie.
    pub encryption: Encryption,
    /// Whether the bucket stands in the path of an address instead of its host: for servers other than AWS, and by itself
    /// where the SDK's configuration names an endpoint.
    pub path_style: bool,
    /// How often the end of an object that grows, which makes no part yet, is kept beside it: so much is lost with a process
    /// that is killed. What grows by less than a quarter is kept six times less often. Each time is one request. 10 s.
    pub tail_after: Duration,
    /// The longest that one try to send or to copy a part may take, or to complete an upload. 2 min.
    pub transfer_timeout: Duration,
}

impl Config {
    /// The objects of `bucket`.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: String::new(),
            cold_class: Class::GlacierIr.as_str().to_owned(),
            encryption: Encryption::default(),
            path_style: false,
            tail_after: Duration::from_secs(10),
            transfer_timeout: Duration::from_secs(120),
        }
    }
}

/// How objects are encrypted where they lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// As the bucket says.
    #[default]
    Bucket,
    /// With keys of S3.
    S3,
    /// With a key of KMS, by its id or ARN.
    Kms(String),
}
