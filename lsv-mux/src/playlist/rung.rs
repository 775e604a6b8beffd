//! One rendition of a channel in a playlist or manifest over several of them.

use std::fmt::Arguments;

use lsv_core::media::TrackName;
use lsv_core::path::Rendition;

use crate::window::snapshot::Snapshot;

/// A stream in a playlist or manifest, alone or as one of the renditions of its channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rung<'a> {
    pub(crate) rendition: Rendition,
    /// Where it is, seen from the channel's address: nowhere else than that, or `360p/`.
    pub(crate) folder: &'static str,
    pub(crate) window: &'a Snapshot,
}

impl<'a> Rung<'a> {
    /// The only one.
    pub(crate) fn alone(window: &'a Snapshot) -> Self {
        Self {
            rendition: Rendition::Source,
            folder: "",
            window,
        }
    }

    /// One of the renditions.
    pub(crate) fn of(rendition: Rendition, window: &'a Snapshot) -> Self {
        let folder = match rendition {
            Rendition::Source => "",
            Rendition::P360 => "360p/",
            Rendition::P480 => "480p/",
            Rendition::P720 => "720p/",
            Rendition::P1080 => "1080p/",
        };
        Self {
            rendition,
            folder,
            window,
        }
    }

    /// The playlist of a track under CMAF.
    pub(super) fn media(&self, track: TrackName) -> String {
        self.address(format_args!("cmaf/{track}.m3u8"))
    }

    /// The playlist called `name`, of the same clip.
    pub(super) fn address(&self, name: Arguments<'_>) -> String {
        let folder = self.folder;
        match &self.window.cut {
            Some(cut) => format!("{folder}{name}?{}", cut.clip),
            None => format!("{folder}{name}"),
        }
    }
}
