//! Which small picture a player shows for which time of a session: sheets of pictures, and a WebVTT file that points into
//! them by media fragments (W3C Media Fragments URI 1.0 §4.2.2). Pure.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

use crate::playlist::put;
use crate::record::thumbnails::Tile;

/// The small pictures of a session.
///
/// The longer it gets, the fewer come: those of the first [`SPARSER_AFTER`] are all there, then every other, then every
/// fourth, so that a session of weeks still has a short list.
#[derive(Debug, Default)]
pub(super) struct Sprites {
    cues: VecDeque<Cue>,
    /// Pictures that were offered, and that were taken.
    offered: u64,
    taken: u64,
    /// The number of the sheet that is being filled, and what is on it.
    number: u64,
    open: Vec<Tile>,
}

/// From when on which part of which sheet is shown.
#[derive(Debug, PartialEq, Eq)]
struct Cue {
    /// Since the session began.
    at: Duration,
    sheet: u64,
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

/// A sheet to be written: its number and what is on it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) number: u64,
    pub(super) tiles: Vec<Tile>,
}

impl Sprites {
    /// Adds pictures in their order, each with its time since the session began. Gives the sheets that are to be written, of
    /// which the last may grow.
    pub(super) fn add(&mut self, tiles: impl IntoIterator<Item = (Duration, Tile)>) -> Vec<Sheet> {
        let mut full = Vec::new();
        let before = self.taken;
        for (at, tile) in tiles {
            if self.cues.back().is_some_and(|last| at <= last.at) || !self.is_next() {
                continue;
            }
            if !self.fits(&tile) {
                full.push(self.next_sheet());
            }
            self.place(at, tile);
        }
        if self.taken > before && !self.open.is_empty() {
            full.push(Sheet {
                number: self.number,
                tiles: self.open.clone(),
            });
        }
        full
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cues.is_empty()
    }

    /// Forgets what is shown before `start`, since when the playlist goes. Gives the numbers of sheets that nothing points
    /// to any more.
    pub(super) fn forget_before(&mut self, start: Duration) -> Vec<u64> {
        let mut gone = Vec::new();
        while self.cues.get(1).is_some_and(|second| second.at <= start) {
            let Some(first) = self.cues.pop_front() else {
                break;
            };
            let is_needed = self
                .cues
                .front()
                .is_some_and(|next| next.sheet == first.sheet);
            if !is_needed {
                gone.push(first.sheet);
            }
        }
        gone
    }

    /// The WebVTT file for a playlist that goes from `start` to `end`, both since the session began.
    pub(super) fn render(&self, start: Duration, end: Duration) -> String {
        let mut out = String::with_capacity(16 + self.cues.len() * 80);
        out.push_str("WEBVTT\n");
        for (place, cue) in self.cues.iter().enumerate() {
            let until = self.cues.get(place + 1).map_or(end, |next| next.at);
            if until <= cue.at.max(start) {
                continue;
            }
            put!(
                out,
                "\n{} --> {}\n{}#xywh={},{},{},{}\n",
                Clock(cue.at.saturating_sub(start)),
                Clock(until.saturating_sub(start)),
                sheet_name(cue.sheet),
                cue.left,
                cue.top,
                cue.width,
                cue.height
            );
        }
        out
    }

    /// Whether the picture that is offered is one of those that are taken.
    fn is_next(&mut self) -> bool {
        let offered = self.offered;
        self.offered += 1;
        let halvings = u32::try_from(self.taken / SPARSER_AFTER).unwrap_or(u32::MAX);
        let every = 1_u64.checked_shl(halvings).unwrap_or(u64::MAX);
        offered.is_multiple_of(every)
    }

    fn fits(&self, tile: &Tile) -> bool {
        let Some(first) = self.open.first() else {
            return true;
        };
        let is_same = (first.width, first.height) == (tile.width, tile.height);
        is_same && self.open.len() < (COLUMNS * ROWS) as usize
    }

    fn next_sheet(&mut self) -> Sheet {
        let tiles = std::mem::take(&mut self.open);
        let number = self.number;
        self.number += 1;
        Sheet { number, tiles }
    }

    fn place(&mut self, at: Duration, tile: Tile) {
        let place = self.open.len() as u32;
        self.cues.push_back(Cue {
            at,
            sheet: self.number,
            left: place % COLUMNS * tile.width,
            top: place / COLUMNS * tile.height,
            width: tile.width,
            height: tile.height,
        });
        self.taken += 1;
        self.open.push(tile);
    }
}

/// The name of sheet `number` in its session's folder.
pub(super) fn sheet_name(number: u64) -> String {
    format!("thumbnails-{number}.jpg")
}

/// A time as WebVTT writes it.
struct Clock(Duration);

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        let (minutes, second) = (seconds / 60, seconds % 60);
        write!(
            f,
            "{:02}:{:02}:{second:02}.{millis:03}",
            minutes / 60,
            minutes % 60
        )
    }
}

/// The WebVTT file in the folder of a session.
pub(super) const THUMBNAILS: &str = "thumbnails.vtt";
/// Pictures in a row of a sheet.
pub(super) const COLUMNS: u32 = 10;
const ROWS: u32 = 10;
/// Pictures after which only every other one is taken: five hours of one in ten seconds. The list is then as long as
/// 150 kB.
const SPARSER_AFTER: u64 = 2_000;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use lsv_core::time::Timestamp;

    use super::*;

    fn tile(width: u32, height: u32) -> Tile {
        Tile {
            at: Timestamp::ZERO,
            width,
            height,
            jpeg: Bytes::new(),
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn add(sprites: &mut Sprites, times: impl IntoIterator<Item = u64>) -> Vec<(u64, usize)> {
        let tiles = times
            .into_iter()
            .map(|time| (seconds(time), tile(160, 90)))
            .collect::<Vec<_>>();
        let sheets = sprites.add(tiles);
        sheets
            .iter()
            .map(|sheet| (sheet.number, sheet.tiles.len()))
            .collect()
    }

    #[test]
    fn cues_point_into_sheets() {
        let mut sprites = Sprites::default();
        assert_eq!(add(&mut sprites, [0, 10, 20]), [(0, 3)]);
        assert_eq!(
            add(&mut sprites, [20, 15]),
            [],
            "what is not behind the last is left out"
        );
        let text = sprites.render(Duration::ZERO, Duration::from_millis(3_725_500));
        assert_eq!(
            text,
            "WEBVTT\n\n00:00:00.000 --> 00:00:10.000\nthumbnails-0.jpg#xywh=0,0,160,90\n\
             \n00:00:10.000 --> 00:00:20.000\nthumbnails-0.jpg#xywh=160,0,160,90\n\
             \n00:00:20.000 --> 01:02:05.500\nthumbnails-0.jpg#xywh=320,0,160,90\n"
        );
    }

    #[test]
    fn a_full_sheet_is_followed_by_another() {
        let mut sprites = Sprites::default();
        assert_eq!(
            add(&mut sprites, (0..150).map(|n| n * 10)),
            [(0, 100), (1, 50)]
        );
        assert_eq!(add(&mut sprites, [1_500]), [(1, 51)]);
        let text = sprites.render(Duration::ZERO, seconds(1_510));
        assert!(
            text.contains("\nthumbnails-0.jpg#xywh=1440,810,160,90\n"),
            "{text}"
        );
        assert!(
            text.ends_with("00:25:00.000 --> 00:25:10.000\nthumbnails-1.jpg#xywh=0,450,160,90\n")
        );
    }

    #[test]
    fn pictures_of_another_size_get_a_sheet_of_their_own() {
        let mut sprites = Sprites::default();
        add(&mut sprites, [0]);
        let sheets = sprites.add([(seconds(10), tile(90, 160))]);
        let numbers: Vec<_> = sheets
            .iter()
            .map(|sheet| (sheet.number, sheet.tiles.len()))
            .collect();
        assert_eq!(numbers, [(0, 1), (1, 1)]);
    }

    #[test]
    fn a_list_that_slides_forgets() {
        let mut sprites = Sprites::default();
        add(&mut sprites, (0..250).map(|n| n * 10));
        assert!(
            sprites.forget_before(seconds(999)).is_empty(),
            "second 999 is on sheet 0"
        );
        assert_eq!(sprites.forget_before(seconds(2_005)), [0, 1]);
        let text = sprites.render(seconds(2_005), seconds(2_500));
        let first = "WEBVTT\n\n00:00:00.000 --> 00:00:05.000\nthumbnails-2.jpg#xywh=0,0,160,90\n";
        assert!(text.starts_with(first), "{text}");
        assert!(sprites.forget_before(seconds(100_000)).is_empty());
        assert!(!sprites.is_empty());
    }

    #[test]
    fn a_session_of_weeks_has_a_short_list() {
        let mut sprites = Sprites::default();
        let month = 30 * 24 * 3_600;
        add(&mut sprites, (0..month).step_by(10));
        assert!(sprites.cues.len() < 16_000, "{}", sprites.cues.len());
        assert!(sprites.open.len() <= 100);
    }
}
