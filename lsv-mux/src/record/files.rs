//! MP4 files: they grow in fragments, and get their tables when they are closed.

use std::time::{Duration, SystemTime};

use lsv_core::ports::{self, ObjectName, Piece};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::Unfinished;
use super::cutter::{Beginning, Cut};
use super::journal::Noted;
use super::names::{self, Shelf};
use super::output::{Growing, Output};
use super::spill::{Spill, Spilled};
use crate::mp4::recording::{Fragment, Index};

/// Writes the files of one recording.
///
/// A file with a gap goes on behind it with a key frame, where any comes; one that fails is followed by another.
#[derive(Debug)]
pub(super) struct Files {
    output: Output,
    shelf: Shelf,
    /// How the file of the cutter that is not over yet begins, and whether something of it is missing just here.
    due: Option<Beginning>,
    is_torn: bool,
    growing: Option<(Growing, Noted)>,
    /// What the name of the last file was made of: no other has the same.
    last: SystemTime,
    /// Files that are over and get their tables.
    closing: JoinSet<()>,
}

impl Files {
    /// Where they go is `shelf`.
    pub(super) fn new(output: Output, shelf: Shelf) -> Self {
        Self {
            output,
            shelf,
            due: None,
            is_torn: false,
            growing: None,
            closing: JoinSet::new(),
            last: SystemTime::UNIX_EPOCH,
        }
    }

    /// Writes what comes out of `spill`, to its end, and waits until all files are whole; then `unfinished` is dropped.
    pub(super) async fn run(mut self, spill: &Spill, unfinished: Unfinished) {
        while let Some(item) = spill.next().await {
            if let Err(error) = self.write(item).await {
                tracing::error!(%error, "what is missing in a recording could not be told");
            }
        }
        while self.closing.join_next().await.is_some() {}
        drop(unfinished);
    }

    async fn write(&mut self, item: Spilled) -> ports::Result<()> {
        match item {
            Spilled::Cut(Cut::Begin(beginning)) => {
                self.due = Some(beginning);
                self.is_torn = false;
            }
            Spilled::Cut(Cut::Fragment(fragment)) => self.take(&fragment).await?,
            Spilled::Cut(Cut::End { .. }) => {
                self.due = None;
                if let Some((file, noted)) = self.growing.take() {
                    self.close(file, noted).await;
                }
            }
            Spilled::Lost(lost) => self.miss(lost)?,
        }
        Ok(())
    }

    async fn take(&mut self, fragment: &Fragment) -> ports::Result<()> {
        if self.is_torn && !fragment.is_independent() {
            return self.miss(fragment.length());
        }
        if let Err(error) = self.append(fragment).await {
            tracing::error!(%error, "a recording failed; another file is begun as soon as can be");
            if let Some((file, noted)) = self.growing.take() {
                self.close(file, noted).await;
            }
            return self.miss(fragment.length());
        }
        self.is_torn = false;
        Ok(())
    }

    async fn append(&mut self, fragment: &Fragment) -> ports::Result<()> {
        if let Some((file, _)) = &mut self.growing {
            return file.append(fragment).await;
        }
        let Some(due) = self.due.clone() else {
            return Ok(());
        };
        let (mut file, noted) = self.begin(&due, fragment).await?;
        file.append(fragment).await?;
        self.growing = Some((file, noted));
        Ok(())
    }

    /// Begins the file of which `fragment` is the first that is there.
    async fn begin(
        &mut self,
        due: &Beginning,
        fragment: &Fragment,
    ) -> ports::Result<(Growing, Noted)> {
        let late = match self.is_torn {
            true => fragment.start().since(due.start),
            false => Duration::ZERO,
        };
        let wall = due.wall.checked_add(late).unwrap_or(due.wall);
        self.last = wall.max(self.last + names::STEP);
        let name = names::capture(&self.output.channel, self.shelf, self.last)?;
        let noted = self.output.journal.note(&name).await?;
        // It gets its class with its tables.
        let store = &*self.output.store;
        let file = Growing::begin(store, name, &due.header, due.header.init()).await?;
        Ok((file, noted))
    }

    /// Lets `file` get its tables while the next one is written: a long file is copied for longer than the spill lasts.
    async fn close(&mut self, mut file: Growing, noted: Noted) {
        while self.closing.len() >= MAX_CLOSING {
            self.closing.join_next().await;
        }
        while self.closing.try_join_next().is_some() {}
        let output = self.output.clone();
        let close = async move {
            let closed = match file.finish().await {
                Ok(_) => flatten(&output, &file.name, &file.index).await,
                Err(error) => Err(error),
            };
            if let Err(error) = closed {
                let name = &file.name;
                tracing::error!(%name, %error, "a recording stays in fragments for now");
            }
            drop(noted);
        };
        self.closing.spawn(close.in_current_span());
    }

    fn miss(&mut self, lost: Duration) -> ports::Result<()> {
        self.is_torn |= self.due.is_some();
        let name = match &self.growing {
            Some((file, _)) => file.name.clone(),
            None => {
                let folder = self.shelf.folder();
                names::name(&format!("record/{}/{folder}", self.output.channel))?
            }
        };
        self.output.tell_lost(&name, lost);
        Ok(())
    }
}

/// Puts the tables of a file of fragments in front of it.
pub(super) async fn flatten(
    output: &Output,
    name: &ObjectName,
    index: &Index,
) -> ports::Result<()> {
    let flat = index.flatten();
    let pieces = [
        Piece::Bytes(flat.header),
        Piece::Of(name.clone(), flat.media),
    ];
    let info = output.compose(name, &pieces).await?;
    output.journal.close(name).await?;
    output.tell_written(name, info.size);
    Ok(())
}

/// Files that are given their tables at once, each with what is remembered of its samples.
const MAX_CLOSING: usize = 4;
