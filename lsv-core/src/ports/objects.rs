//! The port that keeps recordings and pictures.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Error, Page, PageRequest, Result};
use crate::channel::Moment;

/// Keeps objects: named bytes, written whole or as they grow, read whole or in part.
///
/// What is long, such as a recording, is written with [`ObjectStore::create`] and put together with
/// [`ObjectStore::compose`]; neither needs more memory than one piece.
#[async_trait]
pub trait ObjectStore: fmt::Debug + Send + Sync {
    /// The same store, where what is written through the answer is kept in `class`. It reads, lists and removes the same
    /// objects.
    fn in_class(&self, class: StorageClass) -> Arc<dyn ObjectStore>;

    /// Writes an object, replacing one of the same name. A reader sees the old bytes or the new, never a mixture.
    ///
    /// # Errors
    /// As any call: the store may be out of reach or refuse.
    async fn put(&self, name: &ObjectName, bytes: Bytes) -> Result<()>;

    /// Writes an object if there is none of that name.
    ///
    /// # Errors
    /// `Conflict` if there is one.
    async fn put_if_absent(&self, name: &ObjectName, bytes: Bytes) -> Result<()>;

    /// Writes an object if the bytes of that name are `was`: of several who read the same and then write, one gets through.
    /// For what is short, as it is read first.
    ///
    /// # Errors
    /// `NotFound` where there is none, `Conflict` if it has other bytes.
    async fn replace(&self, name: &ObjectName, was: &Bytes, bytes: Bytes) -> Result<()>;

    /// Begins an object that grows by [`ObjectWriter::append`], and is whole with [`ObjectWriter::finish`].
    ///
    /// A directory shows it under its name from the first bytes on, as long as it is so far, and keeps that if the process
    /// is killed.
    /// A store that shows objects only when they are whole (multipart uploads of S3) completes what a killed process left
    /// behind with [`ObjectStore::settle`]; it may lose the last part that had not its least size.
    ///
    /// # Errors
    /// `Conflict` if there is an object of that name.
    async fn create(&self, name: &ObjectName) -> Result<Box<dyn ObjectWriter>>;

    /// Goes on with an object that a writer has left unfinished: its first `length` bytes stay, what is behind them goes.
    /// Nobody else may write it meanwhile.
    ///
    /// # Errors
    /// `NotFound` where there is none; `Invalid` where it is shorter, or the store cannot go on with objects.
    async fn resume(&self, name: &ObjectName, length: u64) -> Result<Box<dyn ObjectWriter>> {
        Err(Error::Invalid(format!(
            "this store cannot go on with the object {name} behind its byte {length}"
        )))
    }

    /// Writes an object that is made of pieces, replacing one of the same name, which may be among the pieces.
    ///
    /// As with [`ObjectStore::put`], a reader sees the old bytes or the new. The store copies what it has itself: those
    /// bytes pass through no memory of this process (`copy_file_range`, `UploadPartCopy`).
    ///
    /// # Errors
    /// `NotFound` if an object of a piece is not there; `Invalid` if a range does not lie within its object.
    async fn compose(&self, name: &ObjectName, pieces: &[Piece]) -> Result<ObjectInfo>;

    /// Reads an object, or the bytes of `range`, shortened at its end.
    ///
    /// # Errors
    /// `NotFound` where there is none; `Invalid` if the range is empty or begins at or behind its end.
    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<Object>;

    /// What is known of an object without reading it.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    async fn stat(&self, name: &ObjectName) -> Result<ObjectInfo>;

    /// Lists the objects whose names begin with `prefix`, in the order of their names' bytes.
    ///
    /// # Errors
    /// As any call: the store may be out of reach or refuse.
    async fn list(&self, prefix: &str, page: &PageRequest) -> Result<Page<ObjectInfo>>;

    /// Removes an object.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    async fn delete(&self, name: &ObjectName) -> Result<()>;

    /// Shows what a writer that is gone left of `name`, as far as it goes. Whoever knows that nobody writes it any more
    /// calls this before looking for it; a store that shows objects while they grow has nothing to do.
    ///
    /// # Errors
    /// As any call: the store may be out of reach or refuse.
    async fn settle(&self, _name: &ObjectName) -> Result<()> {
        Ok(())
    }
}

/// Writes one object piece by piece. Dropped without [`ObjectWriter::finish`] it leaves what a crash would.
#[async_trait]
pub trait ObjectWriter: fmt::Debug + Send + Sync {
    /// Appends `bytes` at the object's end.
    ///
    /// # Errors
    /// As any call. Then nothing of them is part of the object, and the same call may be made again.
    async fn append(&mut self, bytes: Bytes) -> Result<()>;

    /// Makes the object whole and durable. Nothing can be appended any more.
    ///
    /// # Errors
    /// As any call; it may be made again.
    async fn finish(&mut self) -> Result<ObjectInfo>;

    /// Removes what was written.
    ///
    /// # Errors
    /// As any call; it may be made again.
    async fn abort(&mut self) -> Result<()>;
}

/// How an object is kept: how soon it is at hand, and how dear that is. A store maps it to what it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StorageClass {
    /// At hand at once.
    #[default]
    Hot,
    /// Cheaper to keep, dearer to read, and at hand no sooner than the store says.
    Cold,
}

impl StorageClass {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Cold => "cold",
        }
    }

    /// The class of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Hot, Self::Cold]
            .into_iter()
            .find(|class| class.as_str() == word)
    }
}

/// A part of an object that [`ObjectStore::compose`] makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// Bytes of another object.
    Of(ObjectName, Range<u64>),
}

/// Bytes read from an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The object that they are from.
    pub info: ObjectInfo,
    /// Where they begin in it.
    pub start: u64,
    /// The bytes.
    pub bytes: Bytes,
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectInfo {
    /// Its name.
    pub name: ObjectName,
    /// Its length, in bytes.
    pub size: u64,
    /// When it was written.
    pub modified: Moment,
    /// The class that it is in, as far as the store knows.
    pub class: StorageClass,
}

/// The name of an object: words of `[A-Za-z0-9._:-]` separated by `/`, none empty and none beginning with a dot.
///
/// Such a name is the same as a path of a directory, as a key of S3 and in a URL, and leads out of none of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectName(String);

impl ObjectName {
    /// Checks `text` and makes a name of it.
    ///
    /// # Errors
    /// [`InvalidName`] if it is empty, too long, or not made of such words.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let well_formed = |word: &str| {
            (1..=MAX_WORD_BYTES).contains(&word.len())
                && !word.starts_with('.')
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
        };
        if text.len() > MAX_NAME_BYTES || !text.split('/').all(well_formed) {
            return Err(InvalidName);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ObjectName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ObjectName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<ObjectName> for String {
    fn from(name: ObjectName) -> Self {
        name.0
    }
}

/// A text that cannot name an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an object's name is made of words of A-Z, a-z, 0-9, '.', '_', ':' and '-', separated by '/'; \
     no word is empty or begins with a dot"
)]
pub struct InvalidName;

/// Longest name: half of what S3 takes, so that a prefix always finds room.
const MAX_NAME_BYTES: usize = 512;
/// Longest word of a name: leaves a file system's 255 bytes room for a suffix.
const MAX_WORD_BYTES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for text in [
            "a",
            "record/cam/mp4/2032/12/09/capture-20321209T101112Z.mp4",
            "a:b/c.d",
        ] {
            assert_eq!(ObjectName::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "a/.hidden",
            "a\\b",
            "a b",
            "a\0",
            "ä",
            "a?b",
            "%2e%2e",
        ] {
            assert_eq!(ObjectName::parse(text), Err(InvalidName), "{text:?}");
        }
        assert!(ObjectName::parse(&"a/".repeat(300)).is_err());
        assert!(ObjectName::parse(&"a".repeat(MAX_WORD_BYTES + 1)).is_err());
    }
}
