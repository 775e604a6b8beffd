//! MP4 files: they grow in fragments, and get their tables when they are closed.

use std::time::{Duration, SystemTime};

use lsv_core::ports::{self, ObjectName, Piece};

use super::cutter::{Beginning, Cut};
use super::names;
use super::output::{Growing, Output};
use super::spill::{Spill, Spilled};
use crate::mp4::recording::Index;

/// Writes the files of one recording.
#[derive(Debug)]
pub(super) struct Files {
    output: Output,
    state: State,
    /// What the name of the last file was made of: no other has the same.
    last: SystemTime,
}

#[derive(Debug)]
enum State {
    /// No file, or one that failed.
    Idle,
    /// A file that is made when its first fragment is there.
    Begun(Beginning),
    Growing(Growing),
}

impl Files {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            state: State::Idle,
            last: SystemTime::UNIX_EPOCH,
        }
    }

    /// Writes what comes out of `spill`, to its end.
    pub(super) async fn run(mut self, spill: &Spill) {
        while let Some(item) = spill.next().await {
            if let Err(error) = self.write(item).await {
                tracing::error!(%error, "a recording failed; the next file is tried again");
                self.state = State::Idle;
            }
        }
    }

    async fn write(&mut self, item: Spilled) -> ports::Result<()> {
        match item {
            Spilled::Cut(Cut::Begin(mut beginning)) => {
                beginning.wall = beginning.wall.max(self.last + names::STEP);
                self.last = beginning.wall;
                self.state = State::Begun(beginning);
            }
            Spilled::Cut(Cut::Fragment(fragment)) => {
                if let State::Begun(beginning) = &self.state {
                    self.state = State::Growing(self.begin(beginning).await?);
                }
                if let State::Growing(file) = &mut self.state {
                    file.append(&fragment).await?;
                }
            }
            Spilled::Cut(Cut::End { .. }) => {
                if let State::Growing(file) = std::mem::replace(&mut self.state, State::Idle) {
                    self.end(file).await?;
                }
            }
            Spilled::Lost(lost) => self.miss(lost)?,
        }
        Ok(())
    }

    async fn begin(&self, beginning: &Beginning) -> ports::Result<Growing> {
        let name = names::capture(&self.output.channel, beginning.wall)?;
        self.output.open_journal(&name).await?;
        let header = &beginning.header;
        Growing::begin(&self.output, name, header, header.init()).await
    }

    async fn end(&self, mut file: Growing) -> ports::Result<()> {
        file.finish().await?;
        flatten(&self.output, &file.name, &file.index).await
    }

    fn miss(&self, lost: Duration) -> ports::Result<()> {
        let name = match &self.state {
            State::Growing(file) => file.name.clone(),
            State::Begun(beginning) => names::capture(&self.output.channel, beginning.wall)?,
            State::Idle => names::name(&format!("record/{}/mp4", self.output.channel))?,
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
