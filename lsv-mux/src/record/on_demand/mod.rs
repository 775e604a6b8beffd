//! HLS for video on demand: segments that grow, and a playlist that is an event while its session is live.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lsv_core::ports::{self, ObjectName};

use super::cutter::{Beginning, Cut};
use super::names;
use super::output::{Growing, Output};
use super::spill::{Spill, Spilled};
use crate::mp4::recording::Fragment;
use playlist::{Listed, Playlist, init_name, segment_name};

pub(crate) mod playlist;

/// Writes the segments and the playlist of one session.
#[derive(Debug)]
pub(super) struct OnDemand {
    output: Output,
    playlist: Playlist,
    list_size: Arc<AtomicUsize>,
    /// Where the session's files are, once there is one.
    folder: Option<String>,
    next_number: u64,
    /// The number of the header in force and what it says.
    init: Option<(u64, Bytes)>,
    /// What comes next does not go on from what is listed: something is missing.
    broken: bool,
    state: State,
    bytes: u64,
    /// Files that are not listed any longer, and could not be removed yet.
    outdated: Vec<ObjectName>,
}

#[derive(Debug)]
enum State {
    Idle,
    Begun(Beginning),
    Growing(Growing, Listed),
}

impl OnDemand {
    /// The last `list_size` segments are kept, all if it is 0.
    pub(super) fn new(output: Output, list_size: Arc<AtomicUsize>) -> Self {
        Self {
            output,
            playlist: Playlist::default(),
            list_size,
            folder: None,
            next_number: 0,
            init: None,
            broken: false,
            state: State::Idle,
            bytes: 0,
            outdated: Vec::new(),
        }
    }

    /// Writes what comes out of `spill`, to its end, and ends the session.
    pub(super) async fn run(mut self, spill: &Spill) {
        while let Some(item) = spill.next().await {
            if let Err(error) = self.write(item).await {
                tracing::error!(%error, "a segment of a recording failed; the next one is tried again");
                self.state = State::Idle;
                self.broken = true;
            }
        }
        if let Err(error) = self.end_session().await {
            tracing::error!(%error, "the playlist of a recording could not be ended");
        }
    }

    async fn write(&mut self, item: Spilled) -> ports::Result<()> {
        match item {
            Spilled::Cut(Cut::Begin(beginning)) => self.state = State::Begun(beginning),
            Spilled::Cut(Cut::Fragment(fragment)) => self.append(&fragment).await?,
            Spilled::Cut(Cut::End { duration, target }) => {
                target
                    .into_iter()
                    .for_each(|it| self.playlist.set_target(it));
                let state = std::mem::replace(&mut self.state, State::Idle);
                if let State::Growing(file, mut segment) = state {
                    segment.duration = duration;
                    self.end(file, segment).await?;
                }
            }
            Spilled::Lost(lost) => {
                self.broken |= !matches!(self.state, State::Growing(..));
                let folder = self.folder.clone();
                let folder =
                    folder.unwrap_or_else(|| format!("record/{}/vod", self.output.channel));
                self.output.tell_lost(&names::name(&folder)?, lost);
            }
        }
        Ok(())
    }

    async fn append(&mut self, fragment: &Fragment) -> ports::Result<()> {
        if let State::Begun(beginning) = &self.state {
            let beginning = beginning.clone();
            self.state = self.begin(&beginning, fragment.is_independent()).await?;
        }
        match &mut self.state {
            State::Growing(file, _) => file.append(fragment).await,
            _ => Ok(()),
        }
    }

    async fn begin(&mut self, beginning: &Beginning, independent: bool) -> ports::Result<State> {
        let number = self.next_number;
        if self.folder.is_none() {
            let folder = names::session(&self.output.channel, beginning.wall);
            let playlist = names::name(&format!("{folder}/{}", names::PLAYLIST))?;
            self.output.open_journal(&playlist).await?;
            self.folder = Some(folder);
        }
        let header = beginning.header.init();
        let known = self.init.as_ref().filter(|(_, known)| known == header);
        let init = match known.filter(|_| !beginning.is_fresh) {
            Some((init, _)) => *init,
            None => {
                self.output
                    .put(&self.name(&init_name(number))?, header)
                    .await?;
                self.init = Some((number, header.clone()));
                number
            }
        };
        let segment = Listed {
            number,
            init,
            discontinuity: (beginning.is_fresh || self.broken) && number > 0,
            wall: Some(beginning.wall),
            duration: Duration::ZERO,
            independent,
        };
        let name = self.name(&segment_name(number))?;
        self.next_number += 1;
        self.broken = false;
        let file = Growing::begin(&self.output, name, &beginning.header, &Bytes::new()).await?;
        Ok(State::Growing(file, segment))
    }

    async fn end(&mut self, mut file: Growing, segment: Listed) -> ports::Result<()> {
        self.bytes += file.finish().await?.size;
        self.playlist
            .set_list_size(self.list_size.load(Ordering::Relaxed));
        for gone in self.playlist.push(segment) {
            self.outdated.push(self.name(&segment_name(gone.number))?);
            if !self.playlist.needs(gone.init) {
                self.outdated.push(self.name(&init_name(gone.init))?);
            }
        }
        self.publish(false).await?;
        self.remove_outdated().await;
        Ok(())
    }

    async fn publish(&self, ended: bool) -> ports::Result<ObjectName> {
        let name = self.name(names::PLAYLIST)?;
        let text = Bytes::from(self.playlist.render(ended));
        self.output.put(&name, &text).await?;
        Ok(name)
    }

    /// What cannot be removed now is tried again after the next segment.
    async fn remove_outdated(&mut self) {
        let mut left = Vec::new();
        for name in self.outdated.drain(..) {
            match self.output.store.delete(&name).await {
                Err(ports::Error::Unavailable { .. }) if left.len() < MAX_OUTDATED => {
                    left.push(name)
                }
                Err(error) => tracing::warn!(%name, %error, "an outdated segment stays"),
                Ok(()) => {}
            }
        }
        self.outdated = left;
    }

    async fn end_session(&mut self) -> ports::Result<()> {
        if self.folder.is_none() {
            return Ok(());
        }
        let name = self.publish(true).await?;
        self.output.close_journal(&name).await?;
        if !self.playlist.is_empty() {
            self.output.tell_written(&name, self.bytes);
        }
        Ok(())
    }

    fn name(&self, file: &str) -> ports::Result<ObjectName> {
        let folder = self.folder.as_deref().unwrap_or_default();
        names::name(&format!("{folder}/{file}"))
    }
}

const MAX_OUTDATED: usize = 10_000;
