//! The journal of recordings: what is being written is noted in the store that it is written to.
//!
//! An entry has the name of the recording's object below [`FOLDER`], and its first line names the node that writes; what
//! follows is another with each writing, so that whoever takes an entry over knows that nobody else did
//! ([`ObjectStore::replace`]). The node writes the entry again every [`REFRESH`], and removes it when the recording is whole.
//! So a start finds what a crash cut off, and anybody can tell what is being written from what was left behind: that is
//! older than [`STALE`].

use std::time::Duration;

use super::{Error, ObjectName, ObjectStore, Result};
use crate::channel::Moment;

/// The entry for `name`.
///
/// # Errors
/// `Invalid` if that makes a name that is too long.
pub fn entry(name: &ObjectName) -> Result<ObjectName> {
    let text = format!("{FOLDER}/{name}");
    ObjectName::parse(&text).map_err(|error| Error::Invalid(format!("{text}: {error}")))
}

/// What `entry` notes; `None` if it is no entry.
pub fn noted(entry: &ObjectName) -> Option<ObjectName> {
    let name = entry.as_str().strip_prefix(FOLDER)?.strip_prefix('/')?;
    ObjectName::parse(name).ok()
}

/// Whether `name` is being written at `now`, by whatever node.
///
/// # Errors
/// As any call to the store.
pub async fn is_written(store: &dyn ObjectStore, name: &ObjectName, now: Moment) -> Result<bool> {
    match store.stat(&entry(name)?).await {
        Ok(info) => Ok(info.modified.plus(STALE) > now),
        Err(Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where the entries are.
pub const FOLDER: &str = "unfinished";
/// How often a writer says that it is still there.
pub const REFRESH: Duration = Duration::from_secs(60);
/// How old the entry is of a writer that is gone. Nodes that wait for each other less say more often that they are there.
pub const STALE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_names_go_together() {
        let name = ObjectName::parse("record/cam/mp4/a.mp4").unwrap();
        let entry = entry(&name).unwrap();
        assert_eq!(entry.as_str(), "unfinished/record/cam/mp4/a.mp4");
        assert_eq!(noted(&entry), Some(name.clone()));
        assert_eq!(noted(&name), None);
        assert_eq!(noted(&ObjectName::parse("unfinished").unwrap()), None);
        assert!(super::entry(&ObjectName::parse(&"a/b".repeat(170)).unwrap()).is_err());
    }
}
