//! Recordings of any number of tracks: fragments while they grow, sample tables when they are closed.
//!
//! ```text
//! frames ─> Fragmenter ─┬─ init, fragment, fragment, ...         a file that plays however it is cut off
//!                       └─> Index ─> Flat { header, media }      a file of tables that plays from its front
//! ```
//!
//! The two files have their media in common. A [`Flat`] is a header, ending in the head of one large `mdat`, and the
//! fragments after it as they are: the tables point at the samples, and the `moof` boxes in between are never looked at.
//! So a store can make the second file of the first without the media passing through anybody's memory.
//!
//! [`Scan`] makes the [`Index`] of a file that nobody closed.
//!
//! ```
//! use lsv_core::media::MediaFrame;
//! use lsv_mux::mp4::recording::{Fragmenter, Index, Options};
//! # fn record(frames: Vec<MediaFrame>, tracks: &[std::sync::Arc<lsv_core::media::Track>]) -> Result<Vec<u8>, lsv_mux::Error> {
//! let mut fragmenter = Fragmenter::new(tracks, Options::default())?;
//! let mut index = Index::new(fragmenter.header());
//! let mut file = fragmenter.header().init().to_vec();
//! for frame in &frames {
//!     if let Some(fragment) = fragmenter.push(frame)? {
//!         file.extend_from_slice(fragment.bytes());
//!         index.add(&fragment);
//!     }
//! }
//! if let Some(fragment) = fragmenter.finish(None) {
//!     file.extend_from_slice(fragment.bytes());
//!     index.add(&fragment);
//! }
//! // `file` plays as it is. The same with its tables in front:
//! let flat = index.flatten();
//! let media = &file[flat.media.start as usize..flat.media.end as usize];
//! Ok([&flat.header[..], media].concat())
//! # }
//! ```

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use lsv_core::media::Track;

use super::boxes::plain;
use super::movie::{self, Description};
use crate::Error;

mod edits;
mod fragmenter;
mod index;
mod scan;

#[cfg(test)]
#[cfg(feature = "live")]
mod tests;

pub use fragmenter::{Fragment, Fragmenter, Options};
pub use index::{Flat, Index};
pub use scan::{Damaged, Scan};

/// What a recording says of its tracks, in front of all samples.
#[derive(Debug, Clone)]
pub struct Header {
    tracks: Arc<[Description]>,
    init: Bytes,
}

impl Header {
    /// The header for these tracks, numbered from 1 in their order; the first of each kind is what players take.
    fn new(tracks: &[Arc<Track>]) -> Result<Self, Error> {
        let mut described: Vec<Description> = Vec::with_capacity(tracks.len());
        for (track, id) in tracks.iter().zip(1..) {
            let mut description = Description::of(track, id)?;
            description.alternate_group = track.kind as u16 + 1;
            description.enabled = described.iter().all(|other| other.kind != track.kind);
            described.push(description);
        }
        Ok(Self::of(described))
    }

    fn of(tracks: Vec<Description>) -> Self {
        let init = init(&tracks);
        Self {
            tracks: tracks.into(),
            init,
        }
    }

    /// `ftyp` and `moov`: what the file of fragments opens with.
    pub fn init(&self) -> &Bytes {
        &self.init
    }
}

fn init(tracks: &[Description]) -> Bytes {
    let mut out = BytesMut::with_capacity(1024);
    plain(&mut out, b"ftyp", |out| {
        out.put_slice(b"iso6");
        out.put_u32(0);
        out.put_slice(b"iso6isommp41");
    });
    plain(&mut out, b"moov", |out| {
        movie::header(out, MOVIE_TIMESCALE, 0, tracks.len() as u32);
        for track in tracks {
            track.write(out, (0, 0), |_| {}, movie::no_samples);
        }
        movie::extends(out, tracks.iter().map(|track| track.id));
    });
    out.freeze()
}

/// Ticks a second of what is said of the movie as a whole.
const MOVIE_TIMESCALE: u32 = 90_000;
