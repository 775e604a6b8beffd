//! A file that has left memory: an object of the store, under the name that it has always had.

use std::ops::Range;
use std::sync::Arc;

#[cfg(feature = "http")]
use lsv_core::ports::ObjectStore;
use lsv_core::ports::{Error, Object, ObjectName};

use super::{File, FileError};
use crate::dvr::Archive;

/// A segment that has left memory and is in the object store, byte for byte.
#[derive(Debug, Clone)]
pub struct Stored {
    archive: Archive,
    name: ObjectName,
    content_type: &'static str,
    etag: Arc<str>,
}

impl Stored {
    pub(super) fn new(
        archive: &Archive,
        name: ObjectName,
        content_type: &'static str,
        etag: Arc<str>,
    ) -> Option<Self> {
        Some(Self {
            archive: archive.clone(),
            name,
            content_type,
            etag,
        })
    }

    /// The media type for `Content-Type`.
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// The strong entity tag with its quotes that the file had in memory too.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// Where it is.
    #[cfg(feature = "http")]
    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        self.archive.store()
    }

    /// Reads all of it, or the bytes of `range`, shortened at its end.
    ///
    /// # Errors
    /// [`FileError::NotFound`] if its time is over meanwhile; [`FileError::Unavailable`] if the store cannot be asked.
    pub async fn read(&self, range: Option<Range<u64>>) -> Result<Object, FileError> {
        let read = self.archive.store().get(&self.name, range).await;
        read.map_err(|error| match error {
            Error::NotFound(_) | Error::Invalid(_) => FileError::NotFound,
            error => {
                tracing::warn!(%error, "a segment of a time-shift window could not be read");
                FileError::Unavailable
            }
        })
    }

    /// All of it in memory.
    pub(super) async fn file(&self) -> Result<File, FileError> {
        let object = self.read(None).await?;
        let etag = Arc::clone(&self.etag);
        Ok(File::media(object.bytes, self.content_type, etag))
    }
}
