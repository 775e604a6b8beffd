//! HLS for video on demand: segments that grow, and a playlist that is an event while its session is live.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lsv_core::ports::{self, Error, ObjectName};
use lsv_core::time::Timestamp;

use super::Unfinished;
use super::cutter::{Beginning, Cut};
use super::journal::Noted;
use super::names;
use super::output::{Growing, Output};
use super::spill::{Spill, Spilled};
use super::thumbnails::Taker;
use crate::mp4::recording::Fragment;
use outdated::Outdated;
use playlist::{Listed, Playlist, init_name, segment_name};
use seek::Seek;

pub(super) mod outdated;
pub(crate) mod playlist;
mod seek;
mod sprites;

/// Writes the segments and the playlist of one session.
///
/// What is listed is what is there. Where media is missing, the segment is listed as far as it goes, and what follows is
/// another one behind a discontinuity, which begins with a key frame if any comes.
#[derive(Debug)]
pub(super) struct OnDemand {
    output: Output,
    playlist: Playlist,
    list_size: Arc<AtomicUsize>,
    /// Where the session's files are, once there is one.
    folder: Option<Folder>,
    next_number: u64,
    /// The number of the header in force and what it says.
    init: Option<(u64, Bytes)>,
    /// The segment of the cutter that is not over yet, and whether something of it is missing.
    due: Option<Beginning>,
    is_torn: bool,
    growing: Option<Segment>,
    /// What comes next does not go on from what is listed.
    is_broken: bool,
    /// Players may see the playlist: its target duration is known.
    is_promised: bool,
    bytes: u64,
    /// Segments that the playlist lists no longer, once it is published.
    withdrawn: Vec<Listed>,
    outdated: Outdated,
    /// Small pictures, if anybody makes them.
    seek: Option<Seek>,
}

#[derive(Debug)]
struct Folder {
    path: String,
    noted: Noted,
}

/// A segment that is being written.
#[derive(Debug)]
struct Segment {
    file: Growing,
    listed: Listed,
    /// Its first frame's decoding time.
    start: Timestamp,
    /// How much of the cutter's segment is missing in front of it.
    late: Duration,
}

impl OnDemand {
    /// The last `list_size` segments are kept, all if it is 0.
    pub(super) fn new(output: Output, list_size: Arc<AtomicUsize>) -> Self {
        Self {
            outdated: Outdated::new(Arc::clone(&output.store)),
            output,
            playlist: Playlist::default(),
            list_size,
            folder: None,
            next_number: 0,
            init: None,
            due: None,
            is_torn: false,
            growing: None,
            is_broken: false,
            is_promised: false,
            bytes: 0,
            withdrawn: Vec::new(),
            seek: None,
        }
    }

    /// The same with the small pictures that `taker` gets.
    pub(super) fn with_thumbnails(self, taker: Taker) -> Self {
        Self {
            seek: Some(Seek::new(taker)),
            ..self
        }
    }

    /// Writes what comes out of `spill`, to its end, and ends the session. It is whole when `unfinished` is dropped; then
    /// what is not listed any longer waits for its removal.
    pub(super) async fn run(mut self, spill: &Spill, unfinished: Unfinished) {
        while let Some(item) = spill.next().await {
            if let Err(error) = self.write(item).await {
                tracing::error!(%error, "the playlist of a recording is behind; it is tried again");
            }
        }
        if let Err(error) = self.end_session(unfinished).await {
            tracing::error!(%error, "the playlist of a recording could not be ended");
        }
    }

    async fn write(&mut self, item: Spilled) -> ports::Result<()> {
        match item {
            Spilled::Cut(Cut::Begin(beginning)) => {
                self.due = Some(beginning);
                self.is_torn = false;
            }
            Spilled::Cut(Cut::Fragment(fragment)) => self.take(&fragment).await?,
            Spilled::Cut(Cut::End { duration, target }) => {
                if let Some(target) = target {
                    self.playlist.set_target(target);
                    self.is_promised = true;
                }
                self.due = None;
                if let Some(mut segment) = self.growing.take() {
                    segment.listed.duration = duration.saturating_sub(segment.late);
                    self.list(segment).await?;
                }
            }
            Spilled::Lost(lost) => self.miss(lost).await?,
        }
        Ok(())
    }

    async fn take(&mut self, fragment: &Fragment) -> ports::Result<()> {
        let goes_on = !self.is_torn || self.growing.is_some() || fragment.is_independent();
        if goes_on {
            match self.append(fragment).await {
                Ok(()) => return Ok(()),
                Err(error) => tracing::error!(%error, "a fragment of a session is not recorded"),
            }
        }
        self.miss(fragment.length()).await
    }

    async fn append(&mut self, fragment: &Fragment) -> ports::Result<()> {
        if let Some(segment) = &mut self.growing {
            return segment.file.append(fragment).await;
        }
        let Some(due) = self.due.clone() else {
            return Ok(());
        };
        let mut segment = self.begin(&due, fragment).await?;
        if let Err(error) = segment.file.append(fragment).await {
            segment.file.abort().await;
            return Err(error);
        }
        self.next_number = segment.listed.number + 1;
        self.is_broken = false;
        self.growing = Some(segment);
        Ok(())
    }

    /// Begins the segment that opens with `fragment`, of the cutter's segment `due`.
    async fn begin(&mut self, due: &Beginning, fragment: &Fragment) -> ports::Result<Segment> {
        let late = match self.is_torn {
            true => fragment.start().since(due.start),
            false => Duration::ZERO,
        };
        let wall = due.wall.checked_add(late).unwrap_or(due.wall);
        if self.folder.is_none() {
            let path = names::session(&self.output.channel, wall);
            let playlist = names::name(&format!("{path}/{}", names::PLAYLIST))?;
            let noted = self.output.journal.note(&playlist).await?;
            self.folder = Some(Folder { path, noted });
        }
        let number = self.next_number;
        let is_fresh = due.is_fresh || self.is_broken;
        let init = self.header(due, is_fresh, number).await?;
        let listed = Listed {
            number,
            init,
            discontinuity: is_fresh && number > 0,
            wall: Some(wall),
            duration: Duration::ZERO,
            independent: fragment.is_independent(),
        };
        let name = self.name(&segment_name(number))?;
        let store = self.output.kept(&name);
        match Growing::begin(&*store, name, &due.header, &Bytes::new()).await {
            Ok(file) => Ok(Segment {
                file,
                listed,
                start: due.start + late,
                late,
            }),
            Err(error) => {
                // Something of that name is there; it is not to be in the way of all that follows.
                self.next_number += u64::from(matches!(error, Error::Conflict(_)));
                Err(error)
            }
        }
    }

    /// The number of the header that segment `number` needs. One behind a gap gets its own, by which it is known after a
    /// crash.
    async fn header(&mut self, due: &Beginning, is_fresh: bool, number: u64) -> ports::Result<u64> {
        let header = due.header.init();
        let known = self.init.as_ref().filter(|(_, known)| known == header);
        if let Some((init, _)) = known.filter(|_| !is_fresh) {
            return Ok(*init);
        }
        let name = self.name(&init_name(number))?;
        self.output.put_last(&name, header).await?;
        self.init = Some((number, header.clone()));
        Ok(number)
    }

    /// Media of the length `lost` is missing here.
    async fn miss(&mut self, lost: Duration) -> ports::Result<()> {
        self.is_broken = true;
        self.is_torn |= self.due.is_some();
        self.tell_lost(lost)?;
        match self.growing.take() {
            Some(mut segment) => {
                segment.listed.duration = segment.file.index.span();
                self.list(segment).await
            }
            None => Ok(()),
        }
    }

    /// Lists a segment that is over.
    async fn list(&mut self, mut segment: Segment) -> ports::Result<()> {
        match segment.file.finish().await {
            Ok(info) => self.bytes += info.size,
            Err(error) => {
                tracing::error!(%error, "a segment of a session could not be made whole");
                self.is_broken = true;
                return self.tell_lost(segment.listed.duration);
            }
        }
        let list_size = self.list_size.load(Ordering::Relaxed);
        self.playlist.set_list_size(list_size);
        if let Some(seek) = &mut self.seek {
            seek.follow(segment.start, segment.listed.duration);
        }
        let gone = self.playlist.push(segment.listed);
        self.withdrawn.extend(gone);
        if self.is_promised {
            self.publish(false).await?;
        }
        Ok(())
    }

    async fn publish(&mut self, ended: bool) -> ports::Result<()> {
        let name = self.name(names::PLAYLIST)?;
        let text = Bytes::from(self.playlist.render(ended));
        match ended {
            true => self.output.put_last(&name, &text).await?,
            false => self.output.put(&name, &text).await?,
        }
        self.publish_thumbnails().await;
        for gone in std::mem::take(&mut self.withdrawn) {
            let after = self.playlist.stays_needed();
            let segment = self.name(&segment_name(gone.number))?;
            self.outdated.add(segment, after);
            if !self.playlist.needs(gone.init) {
                let init = self.name(&init_name(gone.init))?;
                self.outdated.add(init, after);
            }
        }
        self.outdated.remove_due().await;
        Ok(())
    }

    async fn publish_thumbnails(&mut self) {
        let (Some(seek), Some(folder)) = (&mut self.seek, &self.folder) else {
            return;
        };
        let withdrawn = self.withdrawn.iter().map(|gone| gone.duration).sum();
        for sheet in seek.withdraw(withdrawn, &folder.path) {
            self.outdated.add(sheet, self.playlist.stays_needed());
        }
        seek.write(&self.output, &folder.path).await;
    }

    async fn end_session(&mut self, unfinished: Unfinished) -> ports::Result<()> {
        if let Some(seek) = &mut self.seek {
            seek.finish().await;
        }
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let name = names::name(&format!("{}/{}", folder.path, names::PLAYLIST))?;
        match self.playlist.is_empty() {
            false => {
                self.publish(true).await?;
                self.output.tell_written(&name, self.bytes);
            }
            // Nothing could be written.
            true => {
                if let Some((number, _)) = self.init.take() {
                    let init = self.name(&init_name(number))?;
                    self.outdated.add(init, Duration::ZERO);
                }
            }
        }
        // The session may be removed from here on; what is left of it stays this process's.
        let noted = self.folder.take().map(|folder| folder.noted);
        noted.iter().for_each(Noted::rest);
        if !self.outdated.is_empty() {
            drop(unfinished);
            self.outdated.remove_all().await;
        }
        let closed = self.output.journal.close(&name).await;
        drop(noted);
        closed
    }

    fn tell_lost(&self, lost: Duration) -> ports::Result<()> {
        let name = match &self.folder {
            Some(folder) => names::name(&folder.path)?,
            None => names::name(&format!("record/{}/vod", self.output.channel))?,
        };
        self.output.tell_lost(&name, lost);
        Ok(())
    }

    fn name(&self, file: &str) -> ports::Result<ObjectName> {
        let folder = self.folder.as_ref().map_or("", |folder| &folder.path);
        names::name(&format!("{folder}/{file}"))
    }
}
