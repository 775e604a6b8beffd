//! The end of an object that grows, before it makes a part: kept beside it, so that little is lost with a killed process.
//!
//! Its key is no object's name, so nobody lists it. It says which part it begins and of which upload, so that what is older
//! than the parts that were sent is not taken for what follows them.

use std::time::Duration;

use bytes::Bytes;
use lsv_core::ports::{Error, ObjectName, Result};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::objects::{Objects, not_found};
use crate::error::{code, failed, status};

/// When the end of an object is kept, and whether.
#[derive(Debug)]
pub(super) struct Keeper {
    every: Duration,
    last: Instant,
    /// How long it was then.
    bytes: usize,
    under_way: Option<Task<()>>,
    is_there: bool,
}

/// The end of an object.
pub(super) struct Tail {
    /// The part that it begins.
    pub(super) from: usize,
    /// The upload that it is for, if one was begun.
    pub(super) upload: String,
    pub(super) bytes: Bytes,
}

/// Ends when it is dropped.
#[derive(Debug)]
pub(super) struct Task<T>(pub(super) JoinHandle<Result<T>>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Keeper {
    pub(super) fn new(every: Duration) -> Self {
        Self {
            every,
            last: Instant::now(),
            bytes: 0,
            under_way: None,
            is_there: false,
        }
    }

    /// Whether an end of the length `bytes` is to be kept now. What grows slowly is kept seldom: each time all of it is sent.
    pub(super) fn is_due(&self, bytes: usize) -> bool {
        let is_under_way = self
            .under_way
            .as_ref()
            .is_some_and(|task| !task.0.is_finished());
        let waited = self.last.elapsed();
        let has_grown = bytes >= self.bytes + self.bytes / 4;
        !is_under_way && waited >= self.every && (has_grown || waited >= self.every * SLOW)
    }

    /// Keeps `tail`, in the background.
    pub(super) fn keep(&mut self, store: &Objects, name: &ObjectName, tail: Tail) {
        self.last = Instant::now();
        self.bytes = tail.bytes.len();
        self.is_there = true;
        let (store, name) = (store.clone(), name.clone());
        self.under_way = Some(Task(tokio::spawn(async move {
            let kept = store.put_tail(&name, tail).await;
            if let Err(error) = &kept {
                tracing::debug!(%name, %error, "the end of an object is not kept");
            }
            kept
        })));
    }

    /// A part was made of what was the end.
    pub(super) fn begin_anew(&mut self) {
        self.bytes = 0;
    }

    /// Removes what was kept.
    pub(super) async fn clear(&mut self, store: &Objects, name: &ObjectName) -> Result<()> {
        if let Some(task) = &mut self.under_way {
            // How it ended does not matter any more; what comes behind its end does.
            drop((&mut task.0).await);
        }
        self.under_way = None;
        if self.is_there {
            store.delete_tail(name).await?;
            self.is_there = false;
        }
        Ok(())
    }
}

impl Objects {
    async fn put_tail(&self, name: &ObjectName, tail: Tail) -> Result<()> {
        let (encryption, key) = self.encryption();
        self.client()
            .put_object()
            .bucket(self.bucket())
            .key(self.tail_key(name))
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(key)
            .metadata(FROM, tail.from.to_string())
            .metadata(UPLOAD, tail.upload)
            .body(tail.bytes.into())
            .customize()
            .config_override(self.slow())
            .send()
            .await
            .map(drop)
            .map_err(|error| failed(&self.what(name), &error))
    }

    /// What was kept of the end of `name`.
    pub(super) async fn tail(&self, name: &ObjectName) -> Result<Tail> {
        let got = self
            .client()
            .get_object()
            .bucket(self.bucket())
            .key(self.tail_key(name))
            .send()
            .await;
        let got = match got {
            Ok(got) => got,
            Err(error) if status(&error) == 404 && code(&error) != "NoSuchBucket" => {
                return Err(not_found(name));
            }
            Err(error) => return Err(failed(&self.what(name), &error)),
        };
        let mut fields = got.metadata.unwrap_or_default();
        let from = fields.remove(FROM).and_then(|from| from.parse().ok());
        let bytes = got.body.collect().await.map_err(Error::unavailable)?;
        Ok(Tail {
            from: from.ok_or_else(|| not_found(name))?,
            upload: fields.remove(UPLOAD).unwrap_or_default(),
            bytes: bytes.into_bytes(),
        })
    }

    pub(super) async fn delete_tail(&self, name: &ObjectName) -> Result<()> {
        let deleted = self
            .client()
            .delete_object()
            .bucket(self.bucket())
            .key(self.tail_key(name))
            .send()
            .await;
        match deleted {
            Err(error) if status(&error) != 404 => Err(failed(&self.what(name), &error)),
            _ => Ok(()),
        }
    }

    fn tail_key(&self, name: &ObjectName) -> String {
        format!("{}.tail/{name}", self.prefix())
    }
}

/// What has hardly grown is kept that many times less often.
const SLOW: u32 = 6;
const FROM: &str = "lsv-from";
const UPLOAD: &str = "lsv-upload";
