//! Reading: an answer that breaks off is gone on with where it broke off.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use lsv_core::ports::{Error, Object, ObjectInfo, ObjectName, Result};

use super::objects::{Objects, READ_PAUSE, class, length, moment, not_found};
use super::transfer::changed;
use crate::error::{code, failed, status};

/// What came of one answer.
struct Answer {
    info: ObjectInfo,
    etag: String,
    start: u64,
    bytes: BytesMut,
    /// Why it broke off.
    torn: Option<Error>,
}

impl Objects {
    /// Reads an object, or the bytes of `range`, shortened at its end; with `etag` as long as it has that tag.
    pub(super) async fn read(
        &self,
        name: &ObjectName,
        range: Option<Range<u64>>,
        etag: Option<&str>,
    ) -> Result<Object> {
        if range.as_ref().is_some_and(Range::is_empty) {
            let size = self.head(name).await?.info.size;
            return Err(outside(name, size, range.unwrap_or_default()));
        }
        let Some(first) = self.ask(name, range.as_ref(), etag).await? else {
            let head = self.head(name).await?;
            let range = range.unwrap_or_default();
            return match (head.info.size, range.start) {
                (0, 0) => Ok(Object {
                    info: head.info,
                    start: 0,
                    bytes: Bytes::new(),
                }),
                (size, _) => Err(outside(name, size, range)),
            };
        };
        let Answer {
            info,
            etag,
            start,
            mut bytes,
            mut torn,
        } = first;
        let end = range.map_or(info.size, |range| range.end.min(info.size));
        let mut tries = 0;
        while let Some(error) = torn {
            let there = start + bytes.len() as u64;
            if there >= end {
                break;
            }
            tries += 1;
            if tries > TRIES {
                return Err(error);
            }
            tokio::time::sleep(READ_PAUSE * tries).await;
            let rest = self.ask(name, Some(&(there..end)), Some(&etag)).await?;
            let Some(rest) = rest else {
                return Err(changed(name));
            };
            bytes.extend_from_slice(&rest.bytes);
            torn = rest.torn;
        }
        Ok(Object {
            info,
            start,
            bytes: bytes.freeze(),
        })
    }

    /// Asks once; `None` where nothing of the object lies in `range`.
    async fn ask(
        &self,
        name: &ObjectName,
        range: Option<&Range<u64>>,
        etag: Option<&str>,
    ) -> Result<Option<Answer>> {
        let asked = self
            .client()
            .get_object()
            .bucket(self.bucket())
            .key(self.key(name))
            .set_range(range.map(field))
            .set_if_match(etag.map(str::to_owned))
            .send()
            .await;
        let mut answer = match asked {
            Ok(answer) => answer,
            Err(error) if status(&error) == 416 => return Ok(None),
            Err(error) if status(&error) == 412 => return Err(changed(name)),
            Err(error) if status(&error) == 404 && code(&error) != "NoSuchBucket" => {
                return Err(not_found(name));
            }
            Err(error) if code(&error) == "InvalidObjectState" => {
                return Err(Error::Denied(format!(
                    "object {name} is archived; restore it, or choose a class of storage that is at hand"
                )));
            }
            Err(error) => return Err(failed(&self.what(name), &error)),
        };
        let sent = length(answer.content_length);
        let whole = answer.content_range.as_deref().and_then(total);
        let mut bytes = BytesMut::with_capacity(usize::try_from(sent).unwrap_or_default());
        let torn = loop {
            match answer.body.next().await {
                Some(Ok(more)) => bytes.extend_from_slice(&more),
                Some(Err(error)) => {
                    break Some(Error::unavailable(format_args!(
                        "{} broke off: {error}",
                        self.what(name)
                    )));
                }
                None => break None,
            }
        };
        Ok(Some(Answer {
            info: ObjectInfo {
                name: name.clone(),
                size: whole.unwrap_or(sent),
                modified: moment(answer.last_modified),
                class: class(answer.storage_class.as_ref().map(|class| class.as_str())),
            },
            etag: answer.e_tag.unwrap_or_default(),
            start: range.map_or(0, |range| range.start),
            bytes,
            torn,
        }))
    }
}

/// The `Range` field. What lies behind the largest offset is left out: not every server reads larger ones.
fn field(range: &Range<u64>) -> String {
    match range.end.saturating_sub(1) {
        last if last < i64::MAX.cast_unsigned() => format!("bytes={}-{last}", range.start),
        _ => format!("bytes={}-", range.start),
    }
}

/// The length of the object, of a `Content-Range` field.
fn total(field: &str) -> Option<u64> {
    field.rsplit_once('/')?.1.parse().ok()
}

fn outside(name: &ObjectName, size: u64, range: Range<u64>) -> Error {
    Error::Invalid(format!(
        "object {name} has {size} bytes; nothing of it lies at {}..{}",
        range.start, range.end
    ))
}

/// How often reading is gone on with.
const TRIES: u32 = 4;
