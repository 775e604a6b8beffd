//! What is remembered of fragments, and the tables that come of it (ISO/IEC 14496-12 §8.6, §8.7).

use std::ops::Range;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::edits::{self, Edits, Shown};
use super::{Fragment, Header, MOVIE_TIMESCALE};
use crate::mp4::Sample;
use crate::mp4::boxes::{full, plain};
use crate::mp4::movie::{self, Description};

/// What tables say of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) duration: u32,
    pub(super) composition: i32,
    pub(super) size: u32,
    pub(super) key: bool,
}

impl From<Sample> for Entry {
    fn from(sample: Sample) -> Self {
        Self {
            duration: sample.duration,
            composition: sample.composition,
            size: u32::try_from(sample.payload.len()).unwrap_or(u32::MAX),
            key: sample.key,
        }
    }
}

/// The samples of one track that lie side by side in a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Counted from 0.
    pub(super) track: usize,
    /// From the start of the fragment.
    pub(super) offset: u64,
    /// The decoding time of the first in ticks of the track.
    pub(super) base: u64,
    pub(super) entries: Vec<Entry>,
}

/// Remembers where the samples of a file of fragments are: some 10 to 20 bytes for each.
#[derive(Debug, Clone)]
pub struct Index {
    pub(super) header: Header,
    tables: Vec<Table>,
    /// How long the file is.
    length: u64,
}

impl Index {
    /// The index of a file that is `header` so far.
    pub fn new(header: &Header) -> Self {
        Self {
            tables: vec![Table::default(); header.tracks.len()],
            length: header.init.len() as u64,
            header: header.clone(),
        }
    }

    /// Notes that `fragment` was appended to the file. Fragments may be left out, which leaves a gap in the file's time;
    /// their order must be that in which they were made.
    pub fn add(&mut self, fragment: &Fragment) {
        self.note(&fragment.chunks, fragment.bytes().len() as u64);
    }

    /// Notes `chunks` in the next `length` bytes.
    pub(super) fn note(&mut self, chunks: &[Chunk], length: u64) {
        for chunk in chunks {
            if let Some(table) = self.tables.get_mut(chunk.track) {
                table.add(chunk, self.length);
            }
        }
        self.length += length;
    }

    /// The header that the file opens with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The length of the file of fragments so far, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether the file has no sample.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.sizes.is_empty())
    }

    /// The bytes that it takes in memory.
    pub fn size(&self) -> usize {
        self.tables.iter().map(Table::size).sum()
    }

    /// The time that the file takes to play.
    pub fn duration(&self) -> Duration {
        let (_, edits) = self.edits();
        let ticks = edits.iter().map(Edits::shown).max().unwrap_or(0);
        let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(MOVIE_TIMESCALE);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Where the samples of each track lie in the file of fragments.
    #[cfg(all(test, feature = "live"))]
    pub(super) fn places(&self) -> Vec<Vec<Range<u64>>> {
        let of_table = |table: &Table| {
            let mut sizes = table.sizes.iter();
            let mut places = Vec::new();
            for &(mut at, samples) in &table.chunks {
                for size in sizes.by_ref().take(samples as usize) {
                    places.push(at..at + u64::from(*size));
                    at += u64::from(*size);
                }
            }
            places
        };
        self.tables.iter().map(of_table).collect()
    }

    /// The time of the longest track alone, gaps included: the length of a segment, whatever it follows.
    pub fn span(&self) -> Duration {
        let tracks = self.header.tracks.iter().zip(&self.tables);
        let lengths = tracks.map(|(track, table)| {
            let nanos =
                u128::from(table.length) * 1_000_000_000 / u128::from(track.timescale.max(1));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        });
        lengths.max().unwrap_or_default()
    }

    /// The front of a file with tables, and which bytes of the file of fragments follow it. Needs as much memory again
    /// as the index has.
    pub fn flatten(&self) -> Flat {
        let media = self.header.init.len() as u64..self.length;
        // The size of the tables does not depend on what they say.
        let measured = self.front(&media, 0);
        let header = self.front(&media, measured.len() as u64);
        Flat { header, media }
    }

    /// `ftyp`, `moov`, and the head of `mdat`, where `moved` is added to all places of `media`.
    fn front(&self, media: &Range<u64>, moved: u64) -> Bytes {
        let (tracks, edits) = self.edits();
        let mut out = BytesMut::with_capacity(4096);
        plain(&mut out, b"ftyp", |out| {
            out.put_slice(b"isom");
            out.put_u32(0x200);
            out.put_slice(b"isomiso6mp41");
        });
        plain(&mut out, b"moov", |out| {
            let duration = edits.iter().map(Edits::shown).max().unwrap_or(0);
            let count = self.header.tracks.len() as u32;
            movie::header(out, MOVIE_TIMESCALE, duration, count);
            for ((track, table), edits) in tracks.iter().zip(&edits) {
                let lengths = (table.length, edits.shown());
                let shift = |at: u64| at.saturating_sub(media.start).saturating_add(moved);
                track.write(
                    out,
                    lengths,
                    |out| edits.write(out),
                    |out| table.write(out, shift),
                );
            }
        });
        out.put_u32(1);
        out.put_slice(b"mdat");
        out.put_u64(16 + (media.end - media.start));
        out.freeze()
    }

    /// The tracks that have samples, with their tables and how they are laid on the movie's time.
    fn edits(&self) -> (Vec<(&Description, &Table)>, Vec<Edits>) {
        let tracks = self.header.tracks.iter().zip(&self.tables);
        let tracks: Vec<_> = tracks
            .filter(|(_, table)| !table.sizes.is_empty())
            .collect();
        let shown = tracks.iter().map(|(track, table)| table.shown(track));
        let edits = edits::lay(&shown.collect::<Vec<_>>());
        (tracks, edits)
    }
}

/// A file with its tables in front, in two pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flat {
    /// `ftyp`, `moov` and the head of `mdat`.
    pub header: Bytes,
    /// The bytes of the file of fragments that follow.
    pub media: Range<u64>,
}

/// The samples of one track, in runs of what is the same.
#[derive(Debug, Clone, Default)]
struct Table {
    durations: Vec<(u32, u32)>,
    compositions: Vec<(u32, i32)>,
    sizes: Vec<u32>,
    /// The numbers of those where decoding may start, counted from 1.
    keys: Vec<u32>,
    /// Where in the file chunks begin, and how many samples they have.
    chunks: Vec<(u64, u32)>,
    /// The decoding time of the first sample.
    base: u64,
    first_composition: i32,
    /// The sum of the durations.
    length: u64,
    /// When the last picture vanishes, from the decoding time of the first on.
    end: u64,
}

impl Table {
    fn add(&mut self, chunk: &Chunk, fragment: u64) {
        let Some(first) = chunk.entries.first() else {
            return;
        };
        if self.sizes.is_empty() {
            self.base = chunk.base;
            self.first_composition = first.composition;
        }
        self.stretch((chunk.base.saturating_sub(self.base)).saturating_sub(self.length));
        self.chunks
            .push((fragment + chunk.offset, chunk.entries.len() as u32));
        for entry in &chunk.entries {
            let shown = self
                .length
                .saturating_add_signed(i64::from(entry.composition));
            self.end = self.end.max(shown + u64::from(entry.duration));
            self.length += u64::from(entry.duration);
            append(&mut self.durations, entry.duration);
            append(&mut self.compositions, entry.composition);
            self.sizes.push(entry.size);
            if entry.key {
                self.keys.push(self.sizes.len() as u32);
            }
        }
    }

    /// Makes the last sample longer by `gap`.
    fn stretch(&mut self, gap: u64) {
        let Some((count, duration)) = self.durations.last_mut().filter(|_| gap > 0) else {
            return;
        };
        let stretched = u32::try_from(u64::from(*duration) + gap).unwrap_or(u32::MAX);
        self.length += u64::from(stretched - *duration);
        *count -= 1;
        if *count == 0 {
            self.durations.pop();
        }
        append(&mut self.durations, stretched);
        self.end = self.end.max(self.length);
    }

    fn size(&self) -> usize {
        8 * (self.durations.len() + self.compositions.len())
            + 4 * (self.sizes.len() + self.keys.len())
            + 16 * self.chunks.len()
    }

    fn shown(&self, track: &Description) -> Shown {
        let base = i64::try_from(self.base).unwrap_or(i64::MAX);
        let composition = u32::try_from(self.first_composition).unwrap_or(0);
        let lasts = |run: Option<&(u32, u32)>| run.map_or(0, |(_, duration)| *duration);
        Shown {
            kind: track.kind,
            timescale: track.timescale,
            at: base.saturating_add(composition.into()),
            composition: composition.into(),
            length: self.end.saturating_sub(composition.into()).max(self.length),
            first: lasts(self.durations.first()),
            last: lasts(self.durations.last()),
        }
    }

    fn write(&self, out: &mut BytesMut, place: impl Fn(u64) -> u64) {
        full(out, b"stts", (0, 0), |out| {
            out.put_u32(self.durations.len() as u32);
            for &(count, duration) in &self.durations {
                out.put_u32(count);
                out.put_u32(duration);
            }
        });
        if self.keys.len() < self.sizes.len() {
            full(out, b"stss", (0, 0), |out| {
                out.put_u32(self.keys.len() as u32);
                self.keys.iter().for_each(|&key| out.put_u32(key));
            });
        }
        if self.compositions.iter().any(|&(_, offset)| offset != 0) {
            let signed = self.compositions.iter().any(|&(_, offset)| offset < 0);
            full(out, b"ctts", (u8::from(signed), 0), |out| {
                out.put_u32(self.compositions.len() as u32);
                for &(count, offset) in &self.compositions {
                    out.put_u32(count);
                    out.put_i32(offset);
                }
            });
        }
        self.write_chunks(out, place);
    }

    fn write_chunks(&self, out: &mut BytesMut, place: impl Fn(u64) -> u64) {
        full(out, b"stsc", (0, 0), |out| {
            let mut runs: Vec<(u32, u32)> = Vec::new();
            for ((_, samples), number) in self.chunks.iter().zip(1..) {
                if runs.last().is_none_or(|(_, same)| same != samples) {
                    runs.push((number, *samples));
                }
            }
            out.put_u32(runs.len() as u32);
            for (first, samples) in runs {
                out.put_u32(first);
                out.put_u32(samples);
                out.put_u32(1);
            }
        });
        full(out, b"stsz", (0, 0), |out| {
            out.put_u32(0);
            out.put_u32(self.sizes.len() as u32);
            self.sizes.iter().for_each(|&size| out.put_u32(size));
        });
        full(out, b"co64", (0, 0), |out| {
            out.put_u32(self.chunks.len() as u32);
            for &(offset, _) in &self.chunks {
                out.put_u64(place(offset));
            }
        });
    }
}

/// Appends one `value` to runs of equal values.
fn append<T: PartialEq>(runs: &mut Vec<(u32, T)>, value: T) {
    match runs.last_mut() {
        Some((count, same)) if *same == value => *count += 1,
        _ => runs.push((1, value)),
    }
}
