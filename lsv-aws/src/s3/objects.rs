//! Objects of a bucket.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ServerSideEncryption, StorageClass as Class};
use bytes::Bytes;
use lsv_core::channel::Moment;
use lsv_core::ports::{
    Cursor, Error, Object, ObjectInfo, ObjectName, ObjectStore, ObjectWriter, Page, PageRequest,
    Piece, Result, StorageClass,
};
use uuid::Uuid;

use super::compose::Unsettled;
use super::kinds::media_type;
use super::writer::Writer;
use super::{Config, Encryption};
use crate::error::{code, failed, is_ambiguous, status};

/// An [`ObjectStore`] in a bucket of S3.
///
/// What is put is there at once and whole. What grows is sent in parts of 8 MiB or more, at most two at a time, and is there
/// once it is finished; what a killed process left of it is completed by [`ObjectStore::settle`]. Objects get no
/// permissions of their own: they are as private as the bucket.
#[derive(Clone)]
pub struct Objects {
    inner: Arc<Inner>,
    class: StorageClass,
}

struct Inner {
    client: Client,
    config: Config,
    /// Overrides the client's for what moves many bytes.
    slow: TimeoutConfig,
    unsettled: Mutex<HashMap<ObjectName, Unsettled>>,
}

/// What is known of an object.
pub(super) struct Head {
    pub(super) info: ObjectInfo,
    pub(super) etag: String,
    mark: Option<String>,
}

impl Objects {
    /// The store that `config` says, as `sdk` reaches it.
    pub fn new(sdk: &SdkConfig, config: Config) -> Self {
        let path_style = config.path_style || sdk.endpoint_url().is_some();
        let client = aws_sdk_s3::config::Builder::from(sdk).force_path_style(path_style);
        let connect = sdk
            .timeout_config()
            .and_then(TimeoutConfig::connect_timeout);
        let mut slow = TimeoutConfig::builder()
            .operation_attempt_timeout(config.transfer_timeout)
            .operation_timeout(config.transfer_timeout * SLOW_TRIES);
        slow.set_connect_timeout(connect);
        let slow = slow.build();
        Self {
            inner: Arc::new(Inner {
                client: Client::from_conf(client.build()),
                config,
                slow,
                unsettled: Mutex::default(),
            }),
            class: StorageClass::default(),
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.inner.client
    }

    pub(super) fn bucket(&self) -> &str {
        &self.inner.config.bucket
    }

    pub(super) fn prefix(&self) -> &str {
        &self.inner.config.prefix
    }

    pub(super) fn tail_after(&self) -> Duration {
        self.inner.config.tail_after
    }

    pub(super) fn key(&self, name: &ObjectName) -> String {
        format!("{}{name}", self.inner.config.prefix)
    }

    /// For calls that move many bytes.
    pub(super) fn slow(&self) -> aws_sdk_s3::config::Builder {
        aws_sdk_s3::Config::builder().timeout_config(self.inner.slow.clone())
    }

    pub(super) fn unsettled(&self) -> &Mutex<HashMap<ObjectName, Unsettled>> {
        &self.inner.unsettled
    }

    pub(super) fn what(&self, name: &ObjectName) -> String {
        format!("object {name} of the bucket {}", self.bucket())
    }

    pub(super) async fn head(&self, name: &ObjectName) -> Result<Head> {
        let head = self
            .client()
            .head_object()
            .bucket(self.bucket())
            .key(self.key(name))
            .send()
            .await;
        match head {
            Ok(head) => Ok(Head {
                info: ObjectInfo {
                    name: name.clone(),
                    size: length(head.content_length),
                    modified: moment(head.last_modified),
                    class: class(head.storage_class.as_ref().map(Class::as_str)),
                },
                etag: head.e_tag.unwrap_or_default(),
                mark: head.metadata.and_then(|mut fields| fields.remove(MARK)),
            }),
            Err(error) if status(&error) == 404 => Err(not_found(name)),
            Err(error) => Err(failed(&self.what(name), &error)),
        }
    }

    /// Whether the object is there as whoever drew `mark` wrote it.
    pub(super) async fn is_marked(&self, name: &ObjectName, mark: &str) -> Result<bool> {
        match self.head(name).await {
            Ok(head) => Ok(head.mark.as_deref() == Some(mark)),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// An upload with what the object is to be like.
    pub(super) fn new_upload(
        &self,
        name: &ObjectName,
        mark: &str,
    ) -> CreateMultipartUploadFluentBuilder {
        let (encryption, key) = self.encryption();
        self.client()
            .create_multipart_upload()
            .bucket(self.bucket())
            .key(self.key(name))
            .content_type(media_type(name))
            .set_storage_class(self.class_name())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(key)
            .metadata(MARK, mark)
    }

    /// Puts an object where there is what `over` says. What it carries as `mark` tells whether an earlier try has counted.
    pub(super) async fn put_marked(
        &self,
        name: &ObjectName,
        bytes: Bytes,
        mark: &str,
        over: Over<'_>,
    ) -> Result<()> {
        let (encryption, key) = self.encryption();
        let put = self
            .client()
            .put_object()
            .bucket(self.bucket())
            .key(self.key(name))
            .content_type(media_type(name))
            .set_storage_class(self.class_name())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(key)
            .metadata(MARK, mark)
            .set_if_none_match(matches!(over, Over::Nothing).then(|| "*".to_owned()))
            .set_if_match(match over {
                Over::Tagged(etag) => Some(etag.to_owned()),
                Over::Any | Over::Nothing => None,
            });
        let is_long = bytes.len() > LONG_BODY;
        let put = put.body(bytes.into()).customize();
        let put = match is_long {
            true => put.config_override(self.slow()).send().await,
            false => put.send().await,
        };
        let Err(error) = put else {
            return Ok(());
        };
        match status(&error) {
            409 | 412 => match self.is_marked(name, mark).await? {
                true => Ok(()),
                false => Err(conflict(name)),
            },
            404 if code(&error) == "NoSuchKey" => Err(not_found(name)),
            _ if is_ambiguous(&error) && self.is_marked(name, mark).await == Ok(true) => Ok(()),
            _ => Err(failed(&self.what(name), &error)),
        }
    }

    fn class_name(&self) -> Option<Class> {
        match self.class {
            StorageClass::Cold => Some(self.inner.config.cold_class.as_str().into()),
            // As the bucket has it.
            _ => None,
        }
    }

    pub(super) fn encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.inner.config.encryption {
            Encryption::Bucket => (None, None),
            Encryption::S3 => (Some(ServerSideEncryption::Aes256), None),
            Encryption::Kms(key) => (Some(ServerSideEncryption::AwsKms), Some(key.clone())),
        }
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects")
            .field("bucket", &self.bucket())
            .field("prefix", &self.inner.config.prefix)
            .field("class", &self.class)
            .finish()
    }
}

#[async_trait]
impl ObjectStore for Objects {
    fn in_class(&self, class: StorageClass) -> Arc<dyn ObjectStore> {
        Arc::new(Self {
            inner: Arc::clone(&self.inner),
            class,
        })
    }

    async fn put(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        self.put_marked(name, bytes, &draw_mark(), Over::Any).await
    }

    async fn put_if_absent(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        self.put_marked(name, bytes, &draw_mark(), Over::Nothing)
            .await
    }

    async fn replace(&self, name: &ObjectName, was: &Bytes, bytes: Bytes) -> Result<()> {
        let etag = self.head(name).await?.etag;
        // Not every server looks at the tag when it writes.
        if self.read(name, None, Some(&etag)).await?.bytes != *was {
            return Err(conflict(name));
        }
        let over = Over::Tagged(&etag);
        self.put_marked(name, bytes, &draw_mark(), over).await
    }

    async fn create(&self, name: &ObjectName) -> Result<Box<dyn ObjectWriter>> {
        // It is found out again at the end; but rather not after an hour.
        match self.head(name).await {
            Ok(_) => Err(conflict(name)),
            Err(Error::NotFound(_)) => Ok(Box::new(Writer::new(self.clone(), name.clone()))),
            Err(error) => Err(error),
        }
    }

    async fn compose(&self, name: &ObjectName, pieces: &[Piece]) -> Result<ObjectInfo> {
        self.join(name, pieces).await?;
        self.stat(name).await
    }

    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<Object> {
        self.read(name, range, None).await
    }

    async fn stat(&self, name: &ObjectName) -> Result<ObjectInfo> {
        self.head(name).await.map(|head| head.info)
    }

    async fn list(&self, prefix: &str, page: &PageRequest) -> Result<Page<ObjectInfo>> {
        let ours = &self.inner.config.prefix;
        let limit = page.bounded_limit();
        // What no name begins with. Some servers take a slash there for nothing.
        if ObjectName::parse(&format!("{prefix}x")).is_err() {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        }
        let mut after = page
            .cursor
            .as_ref()
            .map(|cursor| cursor.as_str().to_owned());
        let mut items = Vec::new();
        loop {
            let listed = self
                .client()
                .list_objects_v2()
                .bucket(self.bucket())
                .prefix(format!("{ours}{prefix}"))
                .set_start_after(after.as_ref().map(|after| format!("{ours}{after}")))
                .max_keys(i32::try_from(limit - items.len()).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(|error| failed(&format!("the bucket {}", self.bucket()), &error))?;
            let more = listed.is_truncated == Some(true);
            after = None;
            for object in listed.contents.unwrap_or_default() {
                let key = object.key.unwrap_or_default();
                let Some(name) = key.strip_prefix(ours.as_str()) else {
                    continue;
                };
                after = Some(name.to_owned());
                // What others keep in the bucket is none of ours.
                let Ok(name) = ObjectName::parse(name) else {
                    continue;
                };
                items.push(ObjectInfo {
                    name,
                    size: length(object.size),
                    modified: moment(object.last_modified),
                    class: class(object.storage_class.as_ref().map(|class| class.as_str())),
                });
            }
            if !more || after.is_none() {
                return Ok(Page { items, next: None });
            }
            if items.len() >= limit {
                return Ok(Page {
                    items,
                    next: after.map(Cursor::new),
                });
            }
        }
    }

    async fn delete(&self, name: &ObjectName) -> Result<()> {
        // S3 does not say whether there was one.
        self.head(name).await?;
        let deleted = self
            .client()
            .delete_object()
            .bucket(self.bucket())
            .key(self.key(name))
            .send()
            .await;
        match deleted {
            // By whoever was quicker, or by an earlier try.
            Err(error) if code(&error) != "NoSuchKey" => Err(failed(&self.what(name), &error)),
            _ => Ok(()),
        }
    }

    async fn settle(&self, name: &ObjectName) -> Result<()> {
        self.complete_left(name).await
    }
}

/// What an object may take the place of.
#[derive(Clone, Copy)]
pub(super) enum Over<'a> {
    Any,
    Nothing,
    /// What has this tag.
    Tagged(&'a str),
}

/// The class of an object that S3 calls `name`.
pub(super) fn class(name: Option<&str>) -> StorageClass {
    match name {
        None
        | Some("STANDARD" | "INTELLIGENT_TIERING" | "REDUCED_REDUNDANCY" | "EXPRESS_ONEZONE") => {
            StorageClass::Hot
        }
        Some(_) => StorageClass::Cold,
    }
}

/// A time, in whole seconds: a listing has fractions that nothing else has.
pub(super) fn moment(time: Option<DateTime>) -> Moment {
    let seconds = time.map_or(0, |time| time.secs());
    Moment::from_unix(u64::try_from(seconds).unwrap_or_default())
}

pub(super) fn length(bytes: Option<i64>) -> u64 {
    bytes
        .and_then(|bytes| u64::try_from(bytes).ok())
        .unwrap_or_default()
}

pub(super) fn not_found(name: &ObjectName) -> Error {
    Error::NotFound(format!("object {name}"))
}

pub(super) fn conflict(name: &ObjectName) -> Error {
    Error::Conflict(format!("object {name}"))
}

pub(super) fn draw_mark() -> String {
    Uuid::new_v4().to_string()
}

/// The metadata that tells one write of an object from all others.
const MARK: &str = "lsv-write";
/// A body that may take a while.
const LONG_BODY: usize = 256 << 10;
/// How many slow tries a call is worth.
const SLOW_TRIES: u32 = 3;
/// How long a reader waits before it goes on where an answer broke off.
pub(super) const READ_PAUSE: Duration = Duration::from_millis(100);
