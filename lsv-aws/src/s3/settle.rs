//! What a killed process left of an object that grew: it is completed as far as it goes.

use std::sync::Arc;

use aws_sdk_s3::types::CompletedPart;
use lsv_core::ports::{Error, ObjectName, Result};

use super::objects::{Objects, Over, draw_mark, length};
use super::plan::whole_parts;
use super::tail::Tail;
use super::transfer::Upload;
use crate::error::{failed, status};

impl Objects {
    /// Completes the longest upload of `name` that was left, and aborts all others. Where the object is there, they are all
    /// of no use.
    ///
    /// What was left of an object that was being composed lacks its first part, or has all of them: it is aborted, or whole.
    pub(super) async fn complete_left(&self, name: &ObjectName) -> Result<()> {
        let tail = match self.tail(name).await {
            Ok(tail) => Some(tail),
            Err(Error::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        let is_there = self.complete_uploads(name, tail.as_ref()).await?;
        let Some(tail) = tail else {
            return Ok(());
        };
        if !is_there && tail.from == 1 {
            let bytes = tail.bytes.len();
            match self
                .put_marked(name, tail.bytes, &draw_mark(), Over::Nothing)
                .await
            {
                Ok(()) => {
                    tracing::info!(%name, bytes, "what a killed process kept of an object is there")
                }
                // It was whole.
                Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.delete_tail(name).await
    }

    /// Answers whether the object is there, as far as that was found out.
    async fn complete_uploads(&self, name: &ObjectName, tail: Option<&Tail>) -> Result<bool> {
        let mark: Arc<str> = draw_mark().into();
        let mut left = Vec::new();
        for id in self.uploads(name).await? {
            let upload = Upload::of(self, name, &id, &mark);
            let parts = upload.parts().await?;
            let lengths = parts
                .iter()
                .map(|part| (part.part_number.unwrap_or_default(), length(part.size)));
            let whole = whole_parts(lengths);
            let parts = parts.get(..whole).unwrap_or_default();
            let mut bytes: u64 = parts.iter().map(|part| length(part.size)).sum();
            let mut parts: Vec<CompletedPart> = parts
                .iter()
                .map(|part| {
                    CompletedPart::builder()
                        .set_part_number(part.part_number)
                        .set_e_tag(part.e_tag.clone())
                        .set_checksum_crc32(part.checksum_crc32.clone())
                        .build()
                })
                .collect();
            // Older ones are part of what was sent since.
            let following = tail.filter(|tail| tail.upload == id && tail.from == whole + 1);
            if let Some(tail) = following.filter(|tail| !tail.bytes.is_empty()) {
                parts.push(upload.send(tail.from, tail.bytes.clone()).await?);
                bytes += tail.bytes.len() as u64;
            }
            left.push((bytes, upload, parts));
        }
        left.sort_by_key(|(bytes, ..)| std::cmp::Reverse(*bytes));
        let mut is_settled = false;
        for (bytes, upload, parts) in left {
            if bytes > 0 && !is_settled {
                match upload.complete(parts, true).await.map_err(Error::from) {
                    Ok(()) => {
                        tracing::info!(%name, bytes, "an object that a killed process left in parts is there");
                        is_settled = true;
                        continue;
                    }
                    Err(Error::Conflict(_)) => is_settled = true,
                    // The answer was lost; who wrote what is there does not matter.
                    Err(error) => match self.head(name).await {
                        Ok(_) => is_settled = true,
                        Err(_) => return Err(error),
                    },
                }
            }
            upload.abort().await?;
        }
        Ok(is_settled)
    }

    /// The ids of the uploads of `name` that are under way.
    async fn uploads(&self, name: &ObjectName) -> Result<Vec<String>> {
        let key = self.key(name);
        let (mut uploads, mut next_key, mut next_id) = (Vec::new(), None, None);
        loop {
            let listed = self
                .client()
                .list_multipart_uploads()
                .bucket(self.bucket())
                .prefix(&key)
                .set_key_marker(next_key)
                .set_upload_id_marker(next_id)
                .send()
                .await;
            let listed = match listed {
                Ok(listed) => listed,
                // Not every server that speaks the protocol knows what it has.
                Err(error) if status(&error) == 501 => return Ok(uploads),
                Err(error) => return Err(failed(&self.what(name), &error)),
            };
            let found = listed.uploads.unwrap_or_default();
            // Those of longer names come behind it.
            let beyond = found.iter().any(|upload| upload.key.as_ref() != Some(&key));
            let ours = found
                .into_iter()
                .filter(|upload| upload.key.as_ref() == Some(&key));
            uploads.extend(ours.filter_map(|upload| upload.upload_id));
            (next_key, next_id) = (listed.next_key_marker, listed.next_upload_id_marker);
            if beyond || listed.is_truncated != Some(true) || next_key.is_none() {
                return Ok(uploads);
            }
        }
    }
}
