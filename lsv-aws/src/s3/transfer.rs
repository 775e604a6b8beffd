//! A multipart upload: begun, sent or copied part by part, completed or aborted.

use std::ops::Range;
use std::sync::Arc;

use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, Part};
use bytes::Bytes;
use lsv_core::ports::{Error, ObjectName, Result};

use super::objects::{Objects, conflict};
use crate::error::{code, failed, is_ambiguous, status};

/// An upload that is under way. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    store: Objects,
    name: ObjectName,
    id: Arc<str>,
    /// What the object will carry: tells who wrote it.
    mark: Arc<str>,
}

/// Why an upload is not complete.
#[derive(Debug)]
pub(super) enum Incomplete {
    /// It is not, for this reason.
    Known(Error),
    /// It may be: the answer was lost.
    Unknown(Error),
}

impl From<Incomplete> for Error {
    fn from(incomplete: Incomplete) -> Self {
        match incomplete {
            Incomplete::Known(error) | Incomplete::Unknown(error) => error,
        }
    }
}

impl Upload {
    /// Begins an upload of `name`.
    pub(super) async fn begin(store: &Objects, name: &ObjectName, mark: &Arc<str>) -> Result<Self> {
        let begun = store
            .new_upload(name, mark)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .send()
            .await
            .map_err(|error| failed(&store.what(name), &error))?;
        let id = begun.upload_id.unwrap_or_default();
        Ok(Self::of(store, name, &id, mark))
    }

    /// The upload of that id.
    pub(super) fn of(store: &Objects, name: &ObjectName, id: &str, mark: &Arc<str>) -> Self {
        Self {
            store: store.clone(),
            name: name.clone(),
            id: id.into(),
            mark: Arc::clone(mark),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Sends part `number`.
    pub(super) async fn send(&self, number: usize, bytes: Bytes) -> Result<CompletedPart> {
        let number = part_number(number)?;
        let sent = self
            .store
            .client()
            .upload_part()
            .bucket(self.store.bucket())
            .key(self.store.key(&self.name))
            .upload_id(&*self.id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(bytes.into())
            .customize()
            .config_override(self.store.slow())
            .send()
            .await
            .map_err(|error| self.part_failed(&error))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32(sent.checksum_crc32)
            .build())
    }

    /// Copies `range` of `source` as part `number`, if it still has the tag `etag`.
    pub(super) async fn copy(
        &self,
        number: usize,
        source: &ObjectName,
        etag: &str,
        range: &Range<u64>,
    ) -> Result<CompletedPart> {
        let number = part_number(number)?;
        // Names and prefixes need no escapes but these.
        let from = format!("{}/{}", self.store.bucket(), self.store.key(source));
        let from = from
            .replace('%', "%25")
            .replace(' ', "%20")
            .replace('+', "%2B");
        let copied = self
            .store
            .client()
            .upload_part_copy()
            .bucket(self.store.bucket())
            .key(self.store.key(&self.name))
            .upload_id(&*self.id)
            .part_number(number)
            .copy_source(from)
            .copy_source_if_match(etag)
            .copy_source_range(format!("bytes={}-{}", range.start, range.end - 1))
            .customize()
            .config_override(self.store.slow())
            .send()
            .await
            .map_err(|error| match status(&error) {
                412 => changed(source),
                _ => self.part_failed(&error),
            })?;
        let copied = copied.copy_part_result.unwrap_or_else(|| {
            // Without a tag it cannot be completed, which S3 will say.
            aws_sdk_s3::types::CopyPartResult::builder().build()
        });
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(copied.e_tag)
            .set_checksum_crc32(copied.checksum_crc32)
            .build())
    }

    /// Makes the object of `parts`; with `if_absent` where there is none.
    pub(super) async fn complete(
        &self,
        parts: Vec<CompletedPart>,
        if_absent: bool,
    ) -> Result<(), Incomplete> {
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let completed = self
            .store
            .client()
            .complete_multipart_upload()
            .bucket(self.store.bucket())
            .key(self.store.key(&self.name))
            .upload_id(&*self.id)
            .multipart_upload(parts)
            .set_if_none_match(if_absent.then(|| "*".to_owned()))
            .customize()
            .config_override(self.store.slow())
            .send()
            .await;
        let Err(error) = completed else {
            return Ok(());
        };
        let is_refused = code(&error) == NO_UPLOAD || matches!(status(&error), 409 | 412);
        let is_unknown = is_ambiguous(&error);
        let failed = match is_refused {
            true => conflict(&self.name),
            false => failed(&self.store.what(&self.name), &error),
        };
        if !is_refused && !is_unknown {
            return Err(Incomplete::Known(failed));
        }
        // Perhaps it was by this very call, or an earlier try of it, and the answer was lost.
        match self.store.is_marked(&self.name, &self.mark).await {
            Ok(true) => Ok(()),
            Ok(false) if is_refused => Err(Incomplete::Known(failed)),
            Ok(false) | Err(_) => Err(Incomplete::Unknown(match is_refused {
                true => Error::unavailable(format_args!("{}: not known to be complete", self.name)),
                false => failed,
            })),
        }
    }

    /// Removes what was sent; answers whether the upload was still there.
    pub(super) async fn abort(&self) -> Result<bool> {
        let aborted = self
            .store
            .client()
            .abort_multipart_upload()
            .bucket(self.store.bucket())
            .key(self.store.key(&self.name))
            .upload_id(&*self.id)
            .send()
            .await;
        match aborted {
            Ok(_) => Ok(true),
            Err(error) if code(&error) == NO_UPLOAD || status(&error) == 404 => Ok(false),
            Err(error) => Err(failed(&self.store.what(&self.name), &error)),
        }
    }

    /// Whether the object has come of it. Afterwards it cannot any more, if it has not.
    pub(super) async fn has_completed(&self) -> Result<bool> {
        match self.abort().await? {
            true => Ok(false),
            false => self.store.is_marked(&self.name, &self.mark).await,
        }
    }

    /// What was sent, in order.
    pub(super) async fn parts(&self) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        let mut marker = None;
        loop {
            let listed = self
                .store
                .client()
                .list_parts()
                .bucket(self.store.bucket())
                .key(self.store.key(&self.name))
                .upload_id(&*self.id)
                .set_part_number_marker(marker)
                .send()
                .await;
            let listed = match listed {
                Ok(listed) => listed,
                // Completed or aborted meanwhile.
                Err(error) if code(&error) == NO_UPLOAD => return Ok(Vec::new()),
                Err(error) => return Err(failed(&self.store.what(&self.name), &error)),
            };
            let more = listed.is_truncated == Some(true);
            marker = listed.next_part_number_marker;
            parts.extend(listed.parts.unwrap_or_default());
            if !more || marker.is_none() {
                parts.sort_by_key(|part: &Part| part.part_number);
                return Ok(parts);
            }
        }
    }

    fn part_failed<E>(&self, error: &aws_sdk_s3::error::SdkError<E>) -> Error
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        match code(error) {
            // Somebody took it for what a killed process left, and has completed or aborted it.
            NO_UPLOAD => conflict(&self.name),
            _ => failed(&self.store.what(&self.name), error),
        }
    }
}

pub(super) fn changed(source: &ObjectName) -> Error {
    Error::unavailable(format_args!("object {source} changed while it was copied"))
}

fn part_number(number: usize) -> Result<i32> {
    i32::try_from(number)
        .ok()
        .filter(|number| (1..=super::plan::MOST_PARTS as i32).contains(number))
        .ok_or_else(|| Error::Invalid("an object has too many parts".to_owned()))
}

const NO_UPLOAD: &str = "NoSuchUpload";
