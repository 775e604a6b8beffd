//! An object as a file that grows.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Objects, failed, info, is_absent, not_found_or_failed};
use crate::embedded::{blocking, class};
use crate::ports::{Error, ObjectInfo, ObjectName, ObjectWriter, Result};

/// A file that grows at its place, where it is from the first bytes on.
#[derive(Debug)]
pub(super) struct Growing {
    store: Objects,
    name: ObjectName,
    file: Option<Arc<File>>,
    /// What has been appended in full; a write that failed in the middle may have left more behind it.
    length: u64,
}

impl Growing {
    pub(super) fn new(store: Objects, name: ObjectName) -> Self {
        Self {
            store,
            name,
            file: None,
            length: 0,
        }
    }

    /// Goes on behind the first `length` bytes of what is there.
    pub(super) fn go_on(store: Objects, name: ObjectName, length: u64) -> Result<Self> {
        let path = store.path(&name);
        let (_, info) = store.open_file(&name)?;
        if info.size < length {
            return Err(Error::Invalid(format!(
                "object {name} has {} bytes and not {length}: the file system lost some",
                info.size
            )));
        }
        let open = || {
            let file = File::options().write(true).open(&path)?;
            file.set_len(length)?;
            Ok(file)
        };
        let file = open().map_err(|error| not_found_or_failed(&name, &path, &error))?;
        Ok(Self {
            store,
            name,
            file: Some(Arc::new(file)),
            length,
        })
    }

    fn write(&self, bytes: &[u8]) -> Result<Arc<File>> {
        let Some(file) = &self.file else {
            return self.store.begin(&self.name, bytes).map(Arc::new);
        };
        file.write_all_at(bytes, self.length).map_err(|error| {
            // Best effort: whoever appends next writes over it.
            drop(file.set_len(self.length));
            failed(&self.store.path(&self.name), &error)
        })?;
        Ok(Arc::clone(file))
    }

    /// The same for a thread that may block.
    fn share(&self) -> Self {
        Self {
            store: self.store.clone(),
            name: self.name.clone(),
            file: self.file.clone(),
            length: self.length,
        }
    }
}

#[async_trait]
impl ObjectWriter for Growing {
    async fn append(&mut self, bytes: Bytes) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (growing, added) = (self.share(), bytes.len() as u64);
        self.file = Some(blocking(move || growing.write(&bytes)).await?);
        self.length += added;
        Ok(())
    }

    async fn finish(&mut self) -> Result<ObjectInfo> {
        let growing = self.share();
        let (file, info) = blocking(move || {
            let path = growing.store.path(&growing.name);
            let file = match &growing.file {
                Some(file) => Arc::clone(file),
                None => growing.write(&[])?,
            };
            let settle = || {
                file.set_len(growing.length)?;
                file.sync_all()?;
                file.metadata()
            };
            let metadata = settle().map_err(|error| failed(&path, &error))?;
            let class = class::of(&file);
            Ok((file, info(growing.name, &metadata, class)))
        })
        .await?;
        self.file = Some(file);
        Ok(info)
    }

    async fn abort(&mut self) -> Result<()> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        drop(file);
        let path = self.store.path(&self.name);
        blocking(move || match fs::remove_file(&path) {
            Err(error) if !is_absent(&error) => Err(failed(&path, &error)),
            _ => Ok(()),
        })
        .await
    }
}
