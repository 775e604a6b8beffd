//! Writes the small pictures of a session beside its playlist, for players to show while they seek.

use std::time::Duration;

use bytes::Bytes;
use lsv_core::ports::{self, ObjectName};
use lsv_core::time::Timestamp;

use super::sprites::{COLUMNS, Sheet, Sprites, THUMBNAILS, sheet_name};
use crate::record::names;
use crate::record::output::Output;
use crate::record::thumbnails::{Taker, Tile};

/// The small pictures of one session, in the store as far as its playlist goes.
///
/// What fails here fails alone: a recording without small pictures is a recording.
#[derive(Debug)]
pub(super) struct Seek {
    taker: Taker,
    sprites: Sprites,
    /// Since the session began: where the playlist begins, and where it ends.
    begin: Duration,
    end: Duration,
    /// When the last segment begins and ends, on the stream's timeline.
    last: Option<(Timestamp, Timestamp)>,
    unwritten: Vec<Sheet>,
}

impl Seek {
    pub(super) fn new(taker: Taker) -> Self {
        Self {
            taker,
            sprites: Sprites::default(),
            begin: Duration::ZERO,
            end: Duration::ZERO,
            last: None,
            unwritten: Vec::new(),
        }
    }

    /// A segment is listed that begins at `start` and lasts for `duration`.
    pub(super) fn follow(&mut self, start: Timestamp, duration: Duration) {
        self.last = Some((start, start + duration));
        self.end += duration;
        self.collect();
    }

    /// No segment comes any more. Waits for the pictures of the last ones.
    pub(super) async fn finish(&mut self) {
        self.taker.last().await;
        self.collect();
    }

    fn collect(&mut self) {
        let Some((start, end)) = self.last else {
            return;
        };
        let offset = self.end.saturating_sub(end.since(start));
        let tiles = self.taker.take(end);
        let timed = tiles.into_iter().filter_map(|tile: Tile| {
            // One of the segment before may come late.
            let at = match tile.at < start {
                true => offset.checked_sub(start.since(tile.at))?,
                false => offset + tile.at.since(start),
            };
            Some((at, tile))
        });
        for sheet in self.sprites.add(timed) {
            self.unwritten.retain(|other| other.number != sheet.number);
            self.unwritten.push(sheet);
        }
    }

    /// So much at the playlist's beginning is listed no longer. Gives the names of files that go with it.
    pub(super) fn withdraw(&mut self, duration: Duration, folder: &str) -> Vec<ObjectName> {
        self.begin += duration;
        let gone = self.sprites.forget_before(self.begin);
        self.unwritten.retain(|sheet| !gone.contains(&sheet.number));
        let names = gone
            .into_iter()
            .map(|number| name(folder, &sheet_name(number)));
        names.filter_map(Result::ok).collect()
    }

    /// Writes what is new into `folder`: the sheets, then the list of what is on them.
    pub(super) async fn write(&mut self, output: &Output, folder: &str) {
        if self.sprites.is_empty() {
            return;
        }
        if let Err(error) = self.try_write(output, folder).await {
            tracing::warn!(%error, "a session goes on without its newest small pictures");
        }
    }

    async fn try_write(&mut self, output: &Output, folder: &str) -> ports::Result<()> {
        for sheet in std::mem::take(&mut self.unwritten) {
            let name = name(folder, &sheet_name(sheet.number))?;
            match self.taker.sheet(sheet.tiles, COLUMNS).await {
                Some(picture) => output.put(&name, &picture).await?,
                None => tracing::warn!(%name, "small pictures could not be put together"),
            }
        }
        let text = Bytes::from(self.sprites.render(self.begin, self.end));
        output.put(&name(folder, THUMBNAILS)?, &text).await
    }
}

fn name(folder: &str, file: &str) -> ports::Result<ObjectName> {
    names::name(&format!("{folder}/{file}"))
}
