//! Masters and manifests over all renditions of a channel that can be played, each rendered once after a change.

use std::sync::{Arc, Mutex, PoisonError};

use lsv_core::path::Rendition;

use super::snapshot::{Slot, Snapshot};
use super::{File, Outputs};
use crate::playlist::rung::Rung;
use crate::playlist::{master, mpd};
use crate::segmenter::Lineup;

/// What lists all renditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Master {
    /// `index.m3u8`: their MPEG-TS, or CMAF where only that is on.
    Index,
    /// `master.m3u8`: their CMAF, with one sound for all.
    Cmaf,
    /// `manifest.mpd`: the same as DASH.
    Dash,
}

impl Master {
    /// The master at `name` under a channel's address.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "index.m3u8" => Self::Index,
            "master.m3u8" => Self::Cmaf,
            "manifest.mpd" => Self::Dash,
            _ => return None,
        })
    }
}

/// The masters of a channel as they were last rendered.
#[derive(Debug, Default)]
pub(crate) struct Ladder {
    index: Mutex<Rendered>,
    cmaf: Mutex<Rendered>,
    dash: Mutex<Rendered>,
}

/// A master, and of what it is: it holds as long as every rendition has the same slot for its own.
#[derive(Debug, Default)]
struct Rendered {
    of: Vec<(Rendition, Slot)>,
    file: Option<File>,
}

impl Ladder {
    /// The master over those of the renditions `live` that can be played: `None` where there are none.
    pub(crate) fn render(
        &self,
        which: Master,
        live: &[(Rendition, Arc<Outputs>)],
        lineup: &Lineup,
    ) -> Option<File> {
        let shown = live.iter();
        let shown = shown.map(|(of, outputs)| (*of, Arc::clone(&outputs.window.borrow())));
        let shown: Vec<(Rendition, Arc<Snapshot>)> = shown.collect();
        let has_ts = shown.iter().any(|(_, window)| window.hls);
        let (rendered, which) = match which {
            Master::Index if has_ts => (&self.index, which),
            Master::Index | Master::Cmaf => (&self.cmaf, Master::Cmaf),
            Master::Dash => (&self.dash, which),
        };
        let ready = shown.iter().filter(|(_, window)| is_ready(which, window));
        let of: Vec<(Rendition, Slot)> = ready
            .clone()
            .map(|(rendition, window)| (*rendition, slot(which, window)))
            .collect();
        let mut rendered = rendered.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_same(&rendered.of, &of) {
            let rungs = ready.map(|(rendition, window)| Rung::of(*rendition, window));
            let file = render(which, &rungs.collect::<Vec<_>>(), lineup);
            *rendered = Rendered { of, file };
        }
        rendered.file.clone()
    }
}

fn is_ready(which: Master, window: &Snapshot) -> bool {
    let is_on = match which {
        Master::Index => window.hls && window.listed_ts().first().is_some(),
        Master::Cmaf => window.cmaf && master::is_ready(window),
        Master::Dash => window.cmaf && !window.is_encrypted() && mpd::is_ready(window),
    };
    is_on && !window.ended
}

fn slot(which: Master, window: &Snapshot) -> Slot {
    Arc::clone(match which {
        Master::Index => &window.rendered.index,
        Master::Cmaf => &window.rendered.master,
        Master::Dash => &window.rendered.mpd,
    })
}

fn is_same(before: &[(Rendition, Slot)], now: &[(Rendition, Slot)]) -> bool {
    let mut pairs = before.iter().zip(now);
    before.len() == now.len()
        && pairs.all(|((of, before), (other, now))| of == other && Arc::ptr_eq(before, now))
}

fn render(which: Master, rungs: &[Rung<'_>], lineup: &Lineup) -> Option<File> {
    let first = rungs.first()?;
    let choose = |run, offered: &[(Rendition, u64)]| lineup.sound(run, offered);
    Some(match which {
        Master::Index => first.window.master_file(master::render_ts(rungs)),
        Master::Cmaf => {
            let chosen = choose(first.window.newest_run()?.number, &master::sounds(rungs));
            let mut others = rungs.iter();
            let sound = others.find(|rung| Some(rung.rendition) == chosen);
            let file = master::render_all(rungs, sound.unwrap_or(first));
            first.window.master_file(file)
        }
        Master::Dash => first.window.mpd_file(mpd::render_all(rungs, &choose)),
    })
}

#[cfg(test)]
mod tests;
