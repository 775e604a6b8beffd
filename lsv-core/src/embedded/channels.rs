//! Channel records in one redb file.

use std::fmt;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition, WriteTransaction,
};

use super::blocking;
use crate::channel::Channel;
use crate::path::ChannelId;
use crate::ports::{
    ChannelStore, Cursor, Error, Page, PageRequest, Precondition, Result, StreamDns,
    VersionedChannel,
};

/// A [`ChannelStore`] in one file. Every write is on disk before it answers, and a crash loses nothing of it.
#[derive(Clone)]
pub struct Channels {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    path: PathBuf,
}

impl Channels {
    /// Opens the file at `path`, or makes it where there is none. Every page and record is checked, so that damage
    /// shows now and not in the middle of the night.
    ///
    /// # Errors
    /// `Damaged` names the file and what to do; `Unavailable` if another process has it open; `Denied` if it must not
    /// be read or written.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let mut builder = Database::builder();
        builder
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true);
        // An existing file is never taken for a new one, even if something has emptied it.
        let database = if path.exists() {
            builder.open(&path)
        } else {
            make_private(&path).map_err(|error| io_failed(&path, &error))?;
            builder.create(&path)
        };
        let database = database.map_err(|error| open_failed(&path, error))?;
        let store = Self {
            inner: Arc::new(Inner { database, path }),
        };
        store.make_tables()?;
        store.read_everything()?;
        Ok(store)
    }

    fn make_tables(&self) -> Result<()> {
        self.write(|transaction| {
            transaction.open_table(RECORDS)?;
            transaction.open_table(BY_CREATION)?;
            transaction.open_table(PLATFORM)?;
            Ok(Ok(()))
        })
    }

    fn read_everything(&self) -> Result<()> {
        self.read(|transaction| {
            for entry in transaction.open_table(RECORDS)?.iter()? {
                let (_, record) = entry?;
                if let Err(error) = self.decode(record.value().1) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        })
    }

    fn read<T>(
        &self,
        work: impl FnOnce(ReadTransaction) -> Result<Result<T>, redb::Error>,
    ) -> Result<T> {
        let transaction = self
            .inner
            .database
            .begin_read()
            .map_err(|error| self.failed(error))?;
        work(transaction).map_err(|error| self.failed(error))?
    }

    /// Commits what `work` did if it succeeds; leaves the file as it was if it does not.
    fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<Result<T>, redb::Error>,
    ) -> Result<T> {
        let transaction = self
            .inner
            .database
            .begin_write()
            .map_err(|error| self.failed(error))?;
        let answer = work(&transaction).map_err(|error| self.failed(error))??;
        transaction.commit().map_err(|error| self.failed(error))?;
        Ok(answer)
    }

    fn record(&self, id: &ChannelId) -> Result<VersionedChannel> {
        self.read(|transaction| {
            let records = transaction.open_table(RECORDS)?;
            let Some(record) = records.get(id.as_str())? else {
                return Ok(Err(not_found(id)));
            };
            let (version, bytes) = record.value();
            Ok(self.decode(bytes).map(|channel| VersionedChannel {
                channel: Arc::new(channel),
                version,
            }))
        })
    }

    fn put_record(&self, channel: &Channel, condition: Precondition) -> Result<u64> {
        self.write(|transaction| {
            let mut records = transaction.open_table(RECORDS)?;
            let mut by_creation = transaction.open_table(BY_CREATION)?;
            let mut platform = transaction.open_table(PLATFORM)?;
            let id = channel.id.as_str();

            let old = match records.get(id)? {
                None => None,
                Some(record) => match self.decode(record.value().1) {
                    Ok(old) => Some((record.value().0, old.created_at.unix_millis())),
                    Err(error) => return Ok(Err(error)),
                },
            };
            if let Err(error) = check(condition, old.map(|(version, _)| version), &channel.id) {
                return Ok(Err(error));
            }
            if let Some((_, created)) = old {
                by_creation.remove((created, id))?;
            }
            let version = match platform.get(LAST_VERSION)? {
                Some(last) => number(last.value()).saturating_add(1),
                None => 1,
            };
            platform.insert(LAST_VERSION, version.to_be_bytes().as_slice())?;
            by_creation.insert((channel.created_at.unix_millis(), id), ())?;
            records.insert(id, (version, channel.encode().as_slice()))?;
            Ok(Ok(version))
        })
    }

    fn remove_record(&self, id: &ChannelId) -> Result<()> {
        self.write(|transaction| {
            let mut records = transaction.open_table(RECORDS)?;
            let mut by_creation = transaction.open_table(BY_CREATION)?;
            let created = match records.remove(id.as_str())? {
                None => return Ok(Err(not_found(id))),
                Some(record) => match self.decode(record.value().1) {
                    Ok(channel) => channel.created_at.unix_millis(),
                    Err(error) => return Ok(Err(error)),
                },
            };
            by_creation.remove((created, id.as_str()))?;
            Ok(Ok(()))
        })
    }

    fn page(&self, page: &PageRequest) -> Result<Page<Channel>> {
        let limit = page.bounded_limit();
        let before = page.cursor.as_ref().map(place).transpose()?;
        self.read(|transaction| {
            let records = transaction.open_table(RECORDS)?;
            let by_creation = transaction.open_table(BY_CREATION)?;
            let range = match &before {
                Some((created, id)) => by_creation.range(..(*created, id.as_str()))?,
                None => by_creation.range::<(u64, &str)>(..)?,
            };
            let mut items = Vec::new();
            let mut next = None;
            for entry in range.rev() {
                let (key, _) = entry?;
                if items.len() == limit {
                    next = items.last().map(cursor);
                    break;
                }
                let Some(record) = records.get(key.value().1)? else {
                    continue;
                };
                match self.decode(record.value().1) {
                    Ok(channel) => items.push(channel),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Ok(Ok(Page { items, next }))
        })
    }

    fn read_stream_dns(&self) -> Result<StreamDns> {
        self.read(|transaction| {
            let platform = transaction.open_table(PLATFORM)?;
            let Some(stored) = platform.get(STREAM_DNS)? else {
                return Ok(Ok(StreamDns::default()));
            };
            let dns = serde_json::from_slice(stored.value());
            Ok(dns.map_err(|error| damaged(&self.inner.path, error)))
        })
    }

    fn write_stream_dns(&self, dns: &StreamDns) -> Result<()> {
        let bytes = serde_json::json!(dns).to_string();
        self.write(|transaction| {
            let mut platform = transaction.open_table(PLATFORM)?;
            platform.insert(STREAM_DNS, bytes.as_bytes())?;
            Ok(Ok(()))
        })
    }

    fn decode(&self, bytes: &[u8]) -> Result<Channel> {
        Channel::decode(bytes).map_err(|error| damaged(&self.inner.path, error))
    }

    fn failed(&self, error: impl Into<redb::Error>) -> Error {
        failed(&self.inner.path, error.into())
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channels").field(&self.inner.path).finish()
    }
}

#[async_trait]
impl ChannelStore for Channels {
    async fn get(&self, id: &ChannelId) -> Result<VersionedChannel> {
        let (store, id) = (self.clone(), id.clone());
        blocking(move || store.record(&id)).await
    }

    async fn put(&self, channel: &Channel, condition: Precondition) -> Result<u64> {
        let (store, channel) = (self.clone(), channel.clone());
        blocking(move || store.put_record(&channel, condition)).await
    }

    async fn delete(&self, id: &ChannelId) -> Result<()> {
        let (store, id) = (self.clone(), id.clone());
        blocking(move || store.remove_record(&id)).await
    }

    async fn list(&self, page: &PageRequest) -> Result<Page<Channel>> {
        let (store, page) = (self.clone(), page.clone());
        blocking(move || store.page(&page)).await
    }

    async fn stream_dns(&self) -> Result<StreamDns> {
        let store = self.clone();
        blocking(move || store.read_stream_dns()).await
    }

    async fn put_stream_dns(&self, dns: &StreamDns) -> Result<()> {
        let (store, dns) = (self.clone(), dns.clone());
        blocking(move || store.write_stream_dns(&dns)).await
    }
}

fn check(condition: Precondition, version: Option<u64>, id: &ChannelId) -> Result<()> {
    match (condition, version) {
        (Precondition::IfVersion(_), None) => Err(not_found(id)),
        (Precondition::IfVersion(wanted), Some(version)) if wanted != version => Err(conflict(id)),
        (Precondition::IfAbsent, Some(_)) => Err(conflict(id)),
        _ => Ok(()),
    }
}

/// Where a listing goes on behind `channel`.
fn cursor(channel: &Channel) -> Cursor {
    Cursor::new(format!(
        "{}.{}",
        channel.created_at.unix_millis(),
        channel.id
    ))
}

fn place(cursor: &Cursor) -> Result<(u64, ChannelId)> {
    let parse = |text: &str| -> Option<(u64, ChannelId)> {
        let (created, id) = text.split_once('.')?;
        Some((created.parse().ok()?, ChannelId::parse(id).ok()?))
    };
    parse(cursor.as_str())
        .ok_or_else(|| Error::Invalid("the cursor is not one that a listing gave".to_owned()))
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_be_bytes)
}

fn not_found(id: &ChannelId) -> Error {
    Error::NotFound(format!("channel {id}"))
}

fn conflict(id: &ChannelId) -> Error {
    Error::Conflict(format!("channel {id}"))
}

/// Makes an empty file that its owner alone can read.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn open_failed(path: &Path, error: DatabaseError) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            Error::unavailable(format_args!(
                "{} is in use by another process; stop that one, or give this one a data directory of its own",
                path.display()
            ))
        }
        DatabaseError::Storage(StorageError::Io(error)) => io_failed(path, &error),
        error => failed(path, error.into()),
    }
}

fn failed(path: &Path, error: redb::Error) -> Error {
    match error {
        redb::Error::Io(error) => io_failed(path, &error),
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => Error::unavailable(format_args!(
            "{}: an earlier write failed; see to the disk and start again",
            path.display()
        )),
        error => damaged(path, error),
    }
}

fn io_failed(path: &Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
            damaged(path, error)
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Error::Denied(format!("{}: {error}", path.display()))
        }
        _ => Error::unavailable(format_args!("{}: {error}", path.display())),
    }
}

fn damaged(path: &Path, detail: impl fmt::Display) -> Error {
    Error::Damaged {
        what: path.display().to_string(),
        detail: detail.to_string(),
        advice: "put a backup in its place, or move it away to start without channels".to_owned(),
    }
}

/// Id of a channel -> version, [`Channel::encode`].
const RECORDS: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("channels");
/// The order of listings: when a channel was made (Unix milliseconds), its id.
const BY_CREATION: TableDefinition<'_, (u64, &str), ()> =
    TableDefinition::new("channels-by-creation");
/// What belongs to no channel.
const PLATFORM: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("platform");
/// In [`PLATFORM`]: the last version that was given to a record, as 8 bytes.
const LAST_VERSION: &str = "last-version";
/// In [`PLATFORM`]: [`StreamDns`] as JSON.
const STREAM_DNS: &str = "stream-dns";
/// Memory for pages of the file: thousands of channels fit.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

#[cfg(test)]
#[cfg(feature = "conformance")]
mod tests;
