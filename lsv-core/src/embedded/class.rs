//! The class of storage that was asked for of a file, as an extended attribute. What is hot has none.

use std::fs::File;
use std::path::Path;

use rustix::fs::{XattrFlags, fgetxattr, fsetxattr, getxattr};
use rustix::io;

use crate::ports::StorageClass;

/// Notes that `file` is to be kept in `class`. Not every file system can.
pub(super) fn note(file: &File, class: StorageClass) {
    if class == StorageClass::default() {
        return;
    }
    let word = class.as_str();
    if let Err(error) = fsetxattr(file, ATTRIBUTE, word.as_bytes(), XattrFlags::empty()) {
        tracing::debug!(%error, class = word, "the file system takes no note of the class of storage");
    }
}

/// What was noted of `file`.
pub(super) fn of(file: &File) -> StorageClass {
    read(|word| fgetxattr(file, ATTRIBUTE, word))
}

/// What was noted of the file at `path`.
pub(super) fn at(path: &Path) -> StorageClass {
    read(|word| getxattr(path, ATTRIBUTE, word))
}

fn read(read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> StorageClass {
    let mut word = [0; MAX_WORD_BYTES];
    let length = read(&mut word).unwrap_or_default();
    let word = word
        .get(..length)
        .and_then(|word| str::from_utf8(word).ok());
    word.and_then(StorageClass::parse).unwrap_or_default()
}

const ATTRIBUTE: &str = "user.lsv.storage-class";
/// Longer than the word for any class.
const MAX_WORD_BYTES: usize = 32;
