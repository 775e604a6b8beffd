//! CMAF headers and chunks as other people's crates read them: `mp4` the header, `mp4-atom` header and chunks.

use std::io::Cursor;

use mp4_atom::{Any, DecodeMaybe as _, Moof, Moov};

/// What a CMAF header says of its track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The FourCC of the sample entry.
    pub codec: String,
    /// Ticks a second.
    pub timescale: u32,
    /// The track's number.
    pub track: u32,
}

/// A chunk: `moof` and `mdat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// `mfhd` sequence number.
    pub number: u32,
    /// `tfdt` base media decode time in ticks.
    pub time: u64,
    /// Its samples.
    pub samples: Vec<Sample>,
}

/// A sample of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// In ticks.
    pub duration: u32,
    /// Presentation time less decoding time, in ticks.
    pub composition: i64,
    /// Decoding may start here.
    pub sync: bool,
    /// In bytes.
    pub size: u32,
}

impl Chunk {
    /// The sum of its samples' durations in ticks.
    #[must_use]
    pub fn duration(&self) -> u64 {
        self.samples
            .iter()
            .map(|sample| u64::from(sample.duration))
            .sum()
    }

    /// The earliest presentation time in ticks.
    #[must_use]
    pub fn earliest(&self) -> i64 {
        let mut time = self.time.cast_signed();
        let presented = self.samples.iter().map(|sample| {
            let at = time + sample.composition;
            time += i64::from(sample.duration);
            at
        });
        presented.min().unwrap_or(time)
    }
}

/// Reads `ftyp` and `moov`.
///
/// # Errors
/// What is wrong with it.
pub fn header(bytes: &[u8]) -> Result<Header, String> {
    let boxes = boxes(bytes)?;
    let kinds: Vec<String> = boxes
        .iter()
        .map(|(any, _)| any.kind().to_string())
        .collect();
    let Some(moov) = boxes
        .into_iter()
        .find_map(|(any, _)| Moov::try_from(any).ok())
    else {
        return Err(format!("no moov in {kinds:?}"));
    };
    if kinds.first().map(String::as_str) != Some("ftyp") {
        return Err(format!("a header of {kinds:?}"));
    }
    let [trak] = moov.trak.as_slice() else {
        return Err(format!("{} tracks", moov.trak.len()));
    };
    let mvex = moov.mvex.ok_or("no mvex")?;
    if mvex
        .trex
        .iter()
        .all(|trex| trex.track_id != trak.tkhd.track_id)
    {
        return Err("no trex of the track".to_owned());
    }
    let [entry] = trak.mdia.minf.stbl.stsd.codecs.as_slice() else {
        return Err("not one sample entry".to_owned());
    };
    if let mp4_atom::Codec::Unknown(kind, _) = entry {
        return Err(format!("a sample entry that is not known: {kind}"));
    }
    if let Err(error) = mp4::Mp4Reader::read_header(Cursor::new(bytes), bytes.len() as u64) {
        return Err(format!("the crate mp4 refuses it: {error}"));
    }
    // The entry's own FourCC, from where it stands: the stsd box with its version and count comes before it.
    let stsd = bytes
        .windows(4)
        .position(|window| window == b"stsd")
        .ok_or("no stsd")?;
    let codec = bytes.get(stsd + 16..stsd + 20).ok_or("a cut stsd")?;
    Ok(Header {
        codec: String::from_utf8_lossy(codec).into_owned(),
        timescale: trak.mdia.mdhd.timescale,
        track: trak.tkhd.track_id,
    })
}

/// Reads the chunks of a segment or part.
///
/// # Errors
/// What is wrong with the first that is not right.
pub fn chunks(bytes: &[u8], track: u32) -> Result<Vec<Chunk>, String> {
    let mut chunks = Vec::new();
    let mut moof: Option<(Moof, usize)> = None;
    let mut end = 0;
    for (any, size) in boxes(bytes)? {
        let start = end;
        end += size;
        let kind = any.kind().to_string();
        match (Moof::try_from(any), kind.as_str(), moof.take()) {
            (Ok(next), _, None) => moof = Some((next, start)),
            (Err(_), "mdat", Some((moof, at))) => {
                chunks.push(chunk(&moof, track, start - at, size)?);
            }
            (Err(_), "styp" | "prft" | "emsg", None) => {}
            _ => return Err(format!("{kind} at byte {start} is out of place")),
        }
    }
    match moof {
        Some(_) => Err("moof without mdat".to_owned()),
        None => Ok(chunks),
    }
}

/// Reads a chunk whose `mdat` of `size` bytes begins `offset` bytes behind the start of its `moof`.
fn chunk(moof: &Moof, track: u32, offset: usize, size: usize) -> Result<Chunk, String> {
    let [traf] = moof.traf.as_slice() else {
        return Err(format!("{} tracks in a moof", moof.traf.len()));
    };
    let tfhd = &traf.tfhd;
    if tfhd.track_id != track || !tfhd.default_base_is_moof {
        return Err(format!(
            "tfhd of track {} without default-base-is-moof",
            tfhd.track_id
        ));
    }
    let time = traf.tfdt.as_ref().ok_or("no tfdt")?.base_media_decode_time;
    let [trun] = traf.trun.as_slice() else {
        return Err(format!("{} trun boxes", traf.trun.len()));
    };
    if trun.data_offset != i32::try_from(offset + 8).ok() {
        return Err(format!(
            "data offset {:?}, the mdat's payload is at {}",
            trun.data_offset,
            offset + 8
        ));
    }
    let mut samples = Vec::new();
    for entry in &trun.samples {
        let flags = entry
            .flags
            .or(tfhd.default_sample_flags)
            .ok_or("no sample flags")?;
        samples.push(Sample {
            duration: entry
                .duration
                .or(tfhd.default_sample_duration)
                .ok_or("no duration")?,
            composition: entry.cts.unwrap_or(0),
            sync: flags & IS_NON_SYNC == 0,
            size: entry.size.or(tfhd.default_sample_size).ok_or("no size")?,
        });
    }
    let payload: usize = samples.iter().map(|sample| sample.size as usize).sum();
    if payload + 8 != size {
        return Err(format!("samples of {payload} bytes in an mdat of {size}"));
    }
    if samples
        .iter()
        .any(|sample| sample.duration == 0 || sample.size == 0)
    {
        return Err("a sample without duration, or without a byte".to_owned());
    }
    Ok(Chunk {
        number: moof.mfhd.sequence_number,
        time,
        samples,
    })
}

/// The boxes of the top level with their sizes.
fn boxes(bytes: &[u8]) -> Result<Vec<(Any, usize)>, String> {
    let mut cursor = Cursor::new(bytes);
    let mut boxes = Vec::new();
    loop {
        let start = cursor.position();
        match Any::decode_maybe(&mut cursor) {
            Ok(Some(any)) => {
                let size = usize::try_from(cursor.position() - start).unwrap_or(0);
                boxes.push((any, size));
            }
            Ok(None) if start == bytes.len() as u64 => return Ok(boxes),
            Ok(None) => return Err(format!("a box that is cut off at byte {start}")),
            Err(error) => return Err(format!("box at byte {start}: {error}")),
        }
    }
}

/// `sample_is_non_sync_sample` (ISO/IEC 14496-12 §8.8.3.1).
const IS_NON_SYNC: u32 = 0x0001_0000;
