//! After a crash: what was being written is made whole, as far as it goes.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use lsv_core::ports::{self, Error, ObjectName, PageRequest, Piece};

use super::files;
use super::names::{self, PLAYLIST};
use super::on_demand::outdated::Outdated;
use super::on_demand::playlist::{File, Listed, Playlist, init_name, segment_name};
use super::output::Output;
use crate::mp4::recording::{Header, Index, Scan};
use crate::retry::persist;

/// Makes `name`, which this process has taken over, whole: an MP4 file gets its tables, a playlist its last segments and its end. Gives what is to be removed
/// before the journal may forget a session.
///
/// # Errors
/// What keeps it from that; the journal then still knows of it, unless nothing can be made of it.
pub(super) async fn recover(output: &Output, name: &ObjectName) -> ports::Result<Option<Outdated>> {
    let recovered = match name.as_str().strip_suffix(PLAYLIST) {
        Some(folder) => session(output, name, folder).await,
        None => file(output, name).await.map(|()| None),
    };
    match recovered {
        Ok(Some(outdated)) => Ok(Some(outdated)),
        // It was never begun, or is gone.
        Ok(None) | Err(Error::NotFound(_)) => output.journal.close(name).await.map(|()| None),
        // It is nothing of ours.
        Err(error @ Error::Damaged { .. }) => {
            tracing::error!(%name, %error, "a recording that was cut off cannot be made whole");
            output.journal.close(name).await.map(|()| None)
        }
        Err(error) => Err(error),
    }
}

async fn file(output: &Output, name: &ObjectName) -> ports::Result<()> {
    persist!(output.store.settle(name))?;
    let length = persist!(output.store.stat(name))?.size;
    let Some(index) = scan(output, name, Scan::new(length)).await? else {
        return Ok(());
    };
    if index.is_empty() {
        // Killed before its first fragment: there is nothing to keep.
        return persist!(output.store.delete(name));
    }
    tracing::info!(%name, duration = ?index.duration(), "a recording that a crash cut off is made whole");
    files::flatten(output, name, &index).await
}

async fn session(
    output: &Output,
    name: &ObjectName,
    folder: &str,
) -> ports::Result<Option<Outdated>> {
    let mut playlist = match persist!(output.store.get(name, None)) {
        Ok(object) => read_playlist(name, &object.bytes)?,
        Err(Error::NotFound(_)) => Playlist::default(),
        Err(error) => return Err(error),
    };
    if !playlist.has_ended() {
        add_unlisted(output, name, folder, &mut playlist).await?;
        if playlist.is_empty() {
            return Ok(None);
        }
        let text = Bytes::from(playlist.render(true));
        let size = text.len() as u64;
        output.put_last(name, &text).await?;
        tracing::info!(%name, "a session that a crash cut off is ended");
        output.tell_written(name, size);
    }
    match playlist.slides() {
        true => outdated(output, folder, &playlist).await.map(Some),
        false => Ok(None),
    }
}

/// Lists what was written and not listed yet: the segment that grew when the process was killed, and those before it that
/// the playlist was behind with.
async fn add_unlisted(
    output: &Output,
    name: &ObjectName,
    folder: &str,
    playlist: &mut Playlist,
) -> ports::Result<()> {
    let mut number = playlist.last().map_or(0, |last| last.number + 1);
    let mut missing = 0;
    while missing < MAX_MISSING {
        match last_segment(output, folder, playlist, number).await {
            Ok(Some(segment)) => {
                playlist.push(segment);
                missing = 0;
            }
            Ok(None) => missing += 1,
            Err(error @ Error::Damaged { .. }) => {
                tracing::warn!(%name, %error, "a session ends without its last segment");
                missing += 1;
            }
            Err(error) => return Err(error),
        }
        number += 1;
    }
    Ok(())
}

/// The files of a session that are in front of what `playlist` lists.
async fn outdated(output: &Output, folder: &str, playlist: &Playlist) -> ports::Result<Outdated> {
    let mut outdated = Outdated::new(Arc::clone(&output.store));
    let first = playlist
        .first()
        .map_or((0, 0), |first| (first.number, first.init));
    let mut page = PageRequest::default();
    loop {
        let part = persist!(output.store.list(folder, &page))?;
        for info in part.items {
            let file = info.name.as_str().strip_prefix(folder).unwrap_or_default();
            let is_outdated = match File::parse(file) {
                Some(File::Segment(number)) => number < first.0,
                Some(File::Init(number)) => number < first.1,
                None => false,
            };
            if is_outdated {
                outdated.add(info.name, playlist.stays_needed());
            }
        }
        page.cursor = part.next;
        if page.cursor.is_none() {
            return Ok(outdated);
        }
    }
}

/// Segment `number`, which is not listed, without what is torn at its end.
async fn last_segment(
    output: &Output,
    folder: &str,
    playlist: &Playlist,
    number: u64,
) -> ports::Result<Option<Listed>> {
    let name = names::name(&format!("{folder}{}", segment_name(number)))?;
    persist!(output.store.settle(&name))?;
    let length = match persist!(output.store.stat(&name)) {
        Ok(info) => info.size,
        Err(Error::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let inherited = playlist.last().map(|last| last.init);
    let mut header = header(output, folder, number).await?;
    let init = match (&header, inherited) {
        (Some(_), _) => number,
        (None, Some(inherited)) => inherited,
        (None, None) => return Ok(None),
    };
    if header.is_none() {
        header = self::header(output, folder, init).await?;
    }
    let Some(header) = header else {
        return Ok(None);
    };
    let opening = header.init().len() as u64;
    let Some(index) = scan(output, &name, Scan::after(&header, length)).await? else {
        return Ok(None);
    };
    let whole = index.length() - opening;
    if index.is_empty() {
        return Ok(None);
    }
    if whole < length {
        let piece = Piece::Of(name.clone(), 0..whole);
        output.compose(&name, &[piece]).await?;
    }
    Ok(Some(Listed {
        number,
        init,
        discontinuity: init == number && number > 0,
        wall: None,
        duration: index.span(),
        independent: true,
    }))
}

async fn header(output: &Output, folder: &str, number: u64) -> ports::Result<Option<Header>> {
    let name = names::name(&format!("{folder}{}", init_name(number)))?;
    let length = match persist!(output.store.stat(&name)) {
        Ok(info) => info.size,
        Err(Error::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let index = scan(output, &name, Scan::new(length)).await?;
    Ok(index.map(|index| index.header().clone()))
}

async fn scan(output: &Output, name: &ObjectName, mut scan: Scan) -> ports::Result<Option<Index>> {
    while let Some(wanted) = scan.wants() {
        let Range { start, end } = wanted;
        let read = persist!(output.store.get(name, Some(start..end)))?;
        let seen = scan.push(&read.bytes);
        seen.map_err(|error| damaged(name, &error))?;
    }
    Ok(scan.index())
}

fn read_playlist(name: &ObjectName, bytes: &[u8]) -> ports::Result<Playlist> {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(Playlist::parse)
        .ok_or_else(|| damaged(name, &"not a playlist of a recording"))
}

fn damaged(name: &ObjectName, detail: &dyn std::fmt::Display) -> Error {
    Error::Damaged {
        what: name.to_string(),
        detail: detail.to_string(),
        advice: "it stays as it is".to_owned(),
    }
}

/// Segments that may be missing in front of one that is there: those that a store refused.
const MAX_MISSING: u32 = 4;
