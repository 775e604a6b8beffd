//! The tracks of one who writes a stream, as its frames and announcements tell them.

use std::sync::Arc;

use bytes::Bytes;

use crate::media::{Kind, Track, Tracks};

/// The tracks of one writer: a publisher after another, or an insert.
#[derive(Debug, Default)]
pub(super) struct Lineup {
    tracks: Arc<Tracks>,
    /// Those of a writer that is about to begin, until its first frame: so long the ones before are the right ones for
    /// the frames that are there.
    incoming: Option<Tracks>,
    /// What is in force has changed since somebody asked.
    changed: bool,
    /// It was said once that there are too many tracks.
    warned: bool,
    /// The same of metadata too long to be kept.
    warned_of_metadata: bool,
}

impl Lineup {
    /// What is in force.
    pub(super) fn tracks(&self) -> &Arc<Tracks> {
        &self.tracks
    }

    /// What will be in force with the next frame.
    pub(super) fn next(&self) -> &Tracks {
        self.incoming.as_ref().unwrap_or(&self.tracks)
    }

    /// From the next frame on, other tracks are in force, of which none is known yet.
    pub(super) fn replace(&mut self) {
        self.incoming = Some(Tracks::default());
        (self.warned, self.warned_of_metadata) = (false, false);
    }

    /// That frame has come.
    pub(super) fn begin(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            self.changed |= *self.tracks != incoming;
            self.tracks = Arc::new(incoming);
        }
    }

    /// Makes `track` the one that is known, be it here or to readers as one of `shown`, where its configuration is the
    /// same; else makes it known. False for a track too many.
    pub(super) fn adopt(&mut self, track: &mut Arc<Track>, shown: &Tracks, limit: usize) -> bool {
        let (kind, id) = (track.kind, track.id);
        if kind == Kind::Data {
            return true;
        }
        let known = self.next().find(kind, id);
        if known.is_some_and(|known| Arc::ptr_eq(known, track)) {
            return true;
        }
        if known.is_none() && self.next().count(kind) >= limit {
            if !std::mem::replace(&mut self.warned, true) {
                tracing::warn!(
                    ?kind,
                    id,
                    limit,
                    "the publisher sends more tracks than are carried"
                );
            }
            return false;
        }
        let same = |known: &&Arc<Track>| ***known == **track;
        if let Some(known) = known.filter(same) {
            *track = Arc::clone(known);
            return true;
        }
        let before = self.tracks.find(kind, id).filter(same);
        if let Some(known) = before.or_else(|| shown.find(kind, id).filter(same)) {
            *track = Arc::clone(known);
        }
        self.change(|tracks| tracks.set(track));
        true
    }

    /// Remembers the publisher's metadata, unless it is longer than `limit` bytes.
    pub(super) fn set_metadata(&mut self, metadata: Bytes, limit: usize) {
        if metadata.len() <= limit {
            self.change(|tracks| tracks.metadata = Some(metadata));
        } else if !std::mem::replace(&mut self.warned_of_metadata, true) {
            tracing::warn!(
                bytes = metadata.len(),
                limit,
                "the publisher's metadata is too long to be kept for those who join"
            );
        }
    }

    /// Whether what is in force has changed since this was asked last.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    fn change(&mut self, change: impl FnOnce(&mut Tracks)) {
        match &mut self.incoming {
            Some(incoming) => change(incoming),
            None => {
                change(Arc::make_mut(&mut self.tracks));
                self.changed = true;
            }
        }
    }
}
