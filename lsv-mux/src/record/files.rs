//! MP4 files: they grow in fragments, and get their tables when they are closed.

use std::time::{Duration, SystemTime};

use lsv_core::ports::{self, ObjectName, Piece};
use lsv_core::time::Timestamp;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::cutter::{Beginning, Cut};
use super::names;
use super::output::{Growing, Output};
use super::spill::{Spill, Spilled};
use crate::mp4::recording::{Fragment, Index};

/// Writes the files of one recording.
#[derive(Debug)]
pub(super) struct Files {
    output: Output,
    state: State,
    /// How the file that is due begins, and when its first fragment does: known until it ends, so that one that fails
    /// is followed by another.
    due: Option<(Beginning, Option<Timestamp>)>,
    /// What the name of the last file was made of: no other has the same.
    last: SystemTime,
    /// Files that are over and get their tables.
    closing: JoinSet<()>,
}

#[derive(Debug)]
enum State {
    /// No file.
    Idle,
    /// A file failed: another begins with the next fragment that can be played from.
    Failed,
    /// A file that is made when its first fragment is there.
    Begun(Beginning),
    Growing(Growing),
}

impl Files {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            state: State::Idle,
            due: None,
            closing: JoinSet::new(),
            last: SystemTime::UNIX_EPOCH,
        }
    }

    /// Writes what comes out of `spill`, to its end, and waits until all files are whole.
    pub(super) async fn run(mut self, spill: &Spill) {
        while let Some(item) = spill.next().await {
            if let Err(error) = self.write(item).await {
                tracing::error!(%error, "a recording failed; the next file is tried again");
                self.state = State::Idle;
            }
        }
        while self.closing.join_next().await.is_some() {}
    }

    async fn write(&mut self, item: Spilled) -> ports::Result<()> {
        match item {
            Spilled::Cut(Cut::Begin(beginning)) => {
                let beginning = self.named_apart(beginning);
                self.due = Some((beginning.clone(), None));
                self.state = State::Begun(beginning);
            }
            Spilled::Cut(Cut::Fragment(fragment)) => {
                if let Err(error) = self.append(&fragment).await {
                    tracing::error!(%error, "a recording failed; another file is begun as soon as can be");
                    self.miss(fragment.end().since(fragment.start()))?;
                    self.state = State::Failed;
                }
            }
            Spilled::Cut(Cut::End { .. }) => {
                self.due = None;
                if let State::Growing(file) = std::mem::replace(&mut self.state, State::Idle) {
                    self.close(file).await;
                }
            }
            Spilled::Lost(lost) => self.miss(lost)?,
        }
        Ok(())
    }

    async fn append(&mut self, fragment: &Fragment) -> ports::Result<()> {
        let first = match &mut self.due {
            Some((_, first)) => *first.get_or_insert(fragment.start()),
            None => fragment.start(),
        };
        if matches!(self.state, State::Failed | State::Idle) {
            let due = self.due.as_ref().filter(|_| fragment.is_independent());
            let Some((mut beginning, _)) = due.cloned() else {
                return self.miss(fragment.end().since(fragment.start()));
            };
            let later = fragment.start().since(first);
            beginning.wall = beginning.wall.checked_add(later).unwrap_or(beginning.wall);
            self.state = State::Begun(self.named_apart(beginning));
        }
        if let State::Begun(beginning) = &self.state {
            self.state = State::Growing(self.begin(beginning).await?);
        }
        match &mut self.state {
            State::Growing(file) => file.append(fragment).await,
            _ => Ok(()),
        }
    }

    fn named_apart(&mut self, mut beginning: Beginning) -> Beginning {
        beginning.wall = beginning.wall.max(self.last + names::STEP);
        self.last = beginning.wall;
        beginning
    }

    async fn begin(&self, beginning: &Beginning) -> ports::Result<Growing> {
        let name = names::capture(&self.output.channel, beginning.wall)?;
        self.output.open_journal(&name).await?;
        let header = &beginning.header;
        Growing::begin(&self.output, name, header, header.init()).await
    }

    /// Lets `file` get its tables while the next one is written: a long file is copied for longer than the spill lasts.
    async fn close(&mut self, mut file: Growing) {
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
                tracing::error!(%name, %error, "a recording stays in fragments until the next start");
            }
        };
        self.closing.spawn(close.in_current_span());
    }

    fn miss(&self, lost: Duration) -> ports::Result<()> {
        let name = match &self.state {
            State::Growing(file) => file.name.clone(),
            State::Begun(beginning) => names::capture(&self.output.channel, beginning.wall)?,
            State::Failed | State::Idle => {
                names::name(&format!("record/{}/mp4", self.output.channel))?
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
    output.close_journal(name).await?;
    output.tell_written(name, info.size);
    Ok(())
}

/// Files that are given their tables at once, each with what is remembered of its samples.
const MAX_CLOSING: usize = 4;
