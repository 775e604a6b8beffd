//! Reading back what a [`Fragmenter`](super::Fragmenter) wrote: the index of a file that nobody closed.

use std::ops::Range;

use bytes::Bytes;
use lsv_core::media::Kind;
use lsv_core::wire::{Reader, Truncated};

use super::index::{Chunk, Entry};
use super::{Header, Index};
use crate::mp4::boxes::{Head, Missing, child, children};
use crate::mp4::fragment::{
    TRUN_COMPOSITION, TRUN_DATA_OFFSET, TRUN_DURATION, TRUN_FIRST_FLAGS, TRUN_FLAGS, TRUN_SIZE,
};
use crate::mp4::movie::Description;

/// Finds out how far a file of fragments is whole, without reading its media: says which bytes it wants to see.
///
/// ```
/// # fn recover(file: &[u8]) -> Result<Option<lsv_mux::mp4::recording::Flat>, lsv_mux::mp4::recording::Damaged> {
/// let mut scan = lsv_mux::mp4::recording::Scan::new(file.len() as u64);
/// while let Some(wanted) = scan.wants() {
///     scan.push(&file[wanted.start as usize..wanted.end as usize])?;
/// }
/// Ok(scan.index().map(|index| index.flatten()))
/// # }
/// ```
#[derive(Debug)]
pub struct Scan {
    /// Where the box begins that comes next.
    at: u64,
    length: u64,
    /// How many bytes are to be seen at once: more for a box that is longer.
    window: u64,
    index: Option<Index>,
    /// The chunks of the `moof` that was seen, whose `mdat` was not yet, and its size.
    open: Option<(Vec<Chunk>, u64)>,
    done: bool,
}

/// A file that does not begin as a recording does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a recording of fragments: {0}")]
pub struct Damaged(&'static str);

impl Scan {
    /// A scan of a file of `length` bytes.
    pub fn new(length: u64) -> Self {
        Self {
            at: 0,
            length,
            window: WINDOW,
            index: None,
            open: None,
            done: false,
        }
    }

    /// A scan of `length` bytes of fragments that follow a header which lies elsewhere. Their media is where it would be
    /// if they followed that.
    pub fn after(header: &Header, length: u64) -> Self {
        Self {
            index: Some(Index::new(header)),
            ..Self::new(length)
        }
    }

    /// The bytes of the file that it wants to see next; `None` once it knows all. Never empty.
    pub fn wants(&self) -> Option<Range<u64>> {
        let end = self.at.saturating_add(self.window).min(self.length);
        (!self.done && self.at < end).then_some(self.at..end)
    }

    /// What it found: the fragments that are there whole, from the first on; `None` for a file without a header.
    pub fn index(self) -> Option<Index> {
        self.index
    }

    /// Takes the bytes that it wants.
    ///
    /// # Errors
    /// [`Damaged`] if the file begins with anything but the header of a recording of fragments.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let Some(wanted) = self.wants() else {
            return Ok(());
        };
        if bytes.is_empty() {
            self.done = true;
            return Ok(());
        }
        let (mut rest, mut seen) = (bytes, false);
        while let Some(head) = Head::of(rest) {
            let whole = usize::try_from(head.size).ok();
            let content = whole.and_then(|size| rest.get(head.length..size));
            let needs_content = head.kind != *b"mdat" && head.kind != *b"ftyp";
            if self.at.saturating_add(head.size) > self.length
                || head.size > MAX_BOX && needs_content
            {
                self.done = true;
                break;
            }
            if needs_content && content.is_none() {
                break;
            }
            seen = true;
            self.window = WINDOW;
            self.take(&head, content.unwrap_or_default())?;
            self.at += head.size;
            rest = whole.and_then(|size| rest.get(size..)).unwrap_or_default();
            if self.done {
                break;
            }
        }
        if !seen && !self.done {
            // A longer box, or one that ends behind the file.
            let size = Head::of(bytes).map_or(0, |head| head.size);
            self.done = size <= self.window || wanted.end == self.length;
            self.window = size;
        }
        Ok(())
    }

    fn take(&mut self, head: &Head, content: &[u8]) -> Result<(), Damaged> {
        match (&head.kind, &mut self.index) {
            (b"ftyp", None) => {}
            (b"moov", None) => {
                let tracks = read_movie(content).map_err(|_| Damaged("its moov cannot be read"))?;
                let header = Header::of(tracks);
                if header.init.len() as u64 != self.at + head.size {
                    return Err(Damaged("its moov is not one of ours"));
                }
                self.index = Some(Index::new(&header));
            }
            (_, None) => return Err(Damaged("it does not begin with ftyp and moov")),
            (b"moof", Some(index)) if self.open.is_none() => {
                let chunks = read_fragment(content, index.header.tracks.len());
                match chunks {
                    Ok(chunks) => self.open = Some((chunks, head.size)),
                    Err(Unlike) => self.done = true,
                }
            }
            (b"mdat", Some(index)) => match self.open.take() {
                Some((chunks, moof)) if fits(&chunks, moof, head) => {
                    index.note(&chunks, moof + head.size);
                }
                _ => self.done = true,
            },
            _ => self.done = true,
        }
        Ok(())
    }
}

/// Whether all samples lie within the `mdat`.
fn fits(chunks: &[Chunk], moof: u64, mdat: &Head) -> bool {
    let media = moof + mdat.length as u64..moof + mdat.size;
    chunks.iter().all(|chunk| {
        let sizes = chunk.entries.iter().map(|entry| u64::from(entry.size));
        media.start <= chunk.offset && chunk.offset.saturating_add(sizes.sum()) <= media.end
    })
}

/// A box that is not as a recording has it.
struct Unlike;

impl From<Truncated> for Unlike {
    fn from(_: Truncated) -> Self {
        Self
    }
}

impl From<Missing> for Unlike {
    fn from(_: Missing) -> Self {
        Self
    }
}

fn read_movie(content: &[u8]) -> Result<Vec<Description>, Unlike> {
    let tracks = children(content).filter(|(kind, _)| kind == b"trak");
    let tracks: Result<Vec<_>, _> = tracks.map(|(_, trak)| read_track(trak)).collect();
    let tracks = tracks?;
    let numbered = tracks.iter().zip(1..).all(|(track, id)| track.id == id);
    match numbered && !tracks.is_empty() {
        true => Ok(tracks),
        false => Err(Unlike),
    }
}

/// Version 0 of the headers, which a file of fragments has: its durations are zero.
fn read_track(trak: &[u8]) -> Result<Description, Unlike> {
    let mut tkhd = Reader::new(child(trak, &[b"tkhd"])?);
    let flags = tkhd.u32()?;
    tkhd.take(8)?;
    let id = tkhd.u32()?;
    tkhd.take(4 + 4 + 8 + 2)?;
    let alternate_group = tkhd.u16()?;
    tkhd.take(4 + 36)?;
    let size = (tkhd.u32()? >> 16, tkhd.u32()? >> 16);

    let mut mdhd = Reader::new(child(trak, &[b"mdia", b"mdhd"])?);
    mdhd.take(12)?;
    let timescale = mdhd.u32()?;
    let mut hdlr = Reader::new(child(trak, &[b"mdia", b"hdlr"])?);
    hdlr.take(8)?;
    let kind = match hdlr.take(4)? {
        b"soun" => Kind::Audio,
        _ => Kind::Video,
    };
    let mut stsd = Reader::new(child(trak, &[b"mdia", b"minf", b"stbl", b"stsd"])?);
    stsd.take(8)?;
    Ok(Description {
        id,
        kind,
        timescale,
        size,
        entry: Bytes::copy_from_slice(stsd.rest()),
        alternate_group,
        enabled: flags & 1 != 0,
    })
}

fn read_fragment(content: &[u8], tracks: usize) -> Result<Vec<Chunk>, Unlike> {
    let runs = children(content).filter(|(kind, _)| kind == b"traf");
    runs.map(|(_, traf)| read_run(traf, tracks)).collect()
}

/// A `traf` as [`crate::mp4::fragment`] writes it: defaults in `tfhd`, one `trun` with sizes and the place of the data.
fn read_run(traf: &[u8], tracks: usize) -> Result<Chunk, Unlike> {
    let mut tfhd = Reader::new(child(traf, &[b"tfhd"])?);
    tfhd.u32()?;
    let track = (tfhd.u32()? as usize).wrapping_sub(1);
    let (duration, flags) = (tfhd.u32()?, tfhd.u32()?);
    let mut tfdt = Reader::new(child(traf, &[b"tfdt"])?);
    tfdt.u32()?;
    let base = tfdt.u64()?;
    let mut trun = Reader::new(child(traf, &[b"trun"])?);
    let present = trun.u32()? & 0xFF_FFFF;
    let count = trun.u32()?;
    let offset = u64::from(trun.u32()?);
    let field = |trun: &mut Reader<'_>, flag: u32, default: u32| match present & flag {
        0 => Ok(default),
        _ => trun.u32().map_err(Unlike::from),
    };
    let first_flags = field(&mut trun, TRUN_FIRST_FLAGS, flags)?;
    if track >= tracks || present & TRUN_SIZE == 0 || present & TRUN_DATA_OFFSET == 0 {
        return Err(Unlike);
    }
    let mut entries = Vec::new();
    for number in 0..count {
        let duration = field(&mut trun, TRUN_DURATION, duration)?;
        let size = trun.u32()?;
        let default = if number == 0 { first_flags } else { flags };
        let flags = field(&mut trun, TRUN_FLAGS, default)?;
        let composition = field(&mut trun, TRUN_COMPOSITION, 0)?.cast_signed();
        entries.push(Entry {
            duration,
            composition,
            size,
            key: flags & NOT_SYNC == 0,
        });
    }
    Ok(Chunk {
        track,
        offset,
        base,
        entries,
    })
}

/// Most `moof` boxes are shorter, and the head of the `mdat` behind is then among the same bytes.
const WINDOW: u64 = 4 << 10;
/// No `moov` or `moof` of ours is longer: bounds the memory.
const MAX_BOX: u64 = 8 << 20;

const NOT_SYNC: u32 = 0x0001_0000;
