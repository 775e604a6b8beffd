//! The same frames as recordings: MP4 files with their tables in front, and the segments of a session.

use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lsv_core::media::{MediaFrame, Tracks};
use lsv_mux::mp4::recording::{Index, Options};
use lsv_mux::record::cutter::{Cut, Cutter, Files};
use mp4_atom::{Any, DecodeMaybe as _};

/// Cuts what a stream sends in both ways.
#[derive(Debug)]
pub(crate) struct Recorder {
    files: Cutter,
    segments: Cutter,
    recorded: Recorded,
}

/// What was recorded.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// One file for each run, with its tables in front.
    pub(crate) files: Vec<Vec<u8>>,
    /// For each run its header and all of its segments.
    pub(crate) sessions: Vec<Vec<u8>>,
    /// How long segments said that they are, and the target duration.
    pub(crate) segments: Vec<(Duration, Duration)>,
    growing: Option<(Index, Vec<u8>)>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let cutter =
            |files, seconds| Cutter::new(files, Duration::from_secs(seconds), Options::default());
        Self {
            files: cutter(Files::Whole, 3_600),
            segments: cutter(Files::Segments, 2),
            recorded: Recorded::default(),
        }
    }

    pub(crate) fn push(&mut self, frame: &MediaFrame, tracks: &Arc<Tracks>, now: SystemTime) {
        for cutter in [&mut self.files, &mut self.segments] {
            cutter.expect(tracks);
            cutter.push(frame, now);
        }
        self.recorded.take(&mut self.files, &mut self.segments);
    }

    pub(crate) fn end(mut self) -> Recorded {
        self.files.interrupt();
        self.segments.interrupt();
        self.recorded.take(&mut self.files, &mut self.segments);
        self.recorded
    }
}

impl Recorded {
    fn take(&mut self, files: &mut Cutter, segments: &mut Cutter) {
        for cut in files.take() {
            match cut {
                Cut::Begin(beginning) => {
                    let index = Index::new(&beginning.header);
                    self.growing = Some((index, beginning.header.init().to_vec()));
                }
                Cut::Fragment(fragment) => {
                    let (index, bytes) = self.growing.as_mut().expect("a file");
                    index.add(&fragment);
                    bytes.extend_from_slice(fragment.bytes());
                }
                Cut::End { .. } => {
                    let (index, bytes) = self.growing.take().expect("a file");
                    let flat = index.flatten();
                    let media = flat.media.start as usize..flat.media.end as usize;
                    self.files.push([&flat.header, &bytes[media]].concat());
                }
            }
        }
        for cut in segments.take() {
            match cut {
                Cut::Begin(beginning) if beginning.is_fresh => {
                    self.sessions.push(beginning.header.init().to_vec());
                }
                Cut::Begin(_) => {}
                Cut::Fragment(fragment) => {
                    let session = self.sessions.last_mut().expect("a session");
                    session.extend_from_slice(fragment.bytes());
                }
                Cut::End { duration, target } => {
                    self.segments
                        .push((duration, target.expect("one for segments")));
                }
            }
        }
    }
}

/// What other people's readers say against a file with tables for `tracks` tracks, of which as many samples were sent.
pub(crate) fn complaints(file: &[u8], sent: &[usize]) -> Vec<String> {
    let mut found = Vec::new();
    match mp4::Mp4Reader::read_header(Cursor::new(file), file.len() as u64) {
        Ok(reader) if !reader.moofs.is_empty() => found.push("it has fragments".to_owned()),
        Ok(reader) => {
            let tracks = reader.tracks();
            let mut ids: Vec<&u32> = tracks.keys().collect();
            ids.sort_unstable();
            let counts = ids.iter().map(|id| tracks[*id].sample_count() as usize);
            let counts: Vec<usize> = counts.collect();
            if counts != sent {
                found.push(format!("mp4 finds {counts:?} samples of {sent:?}"));
            }
        }
        Err(error) => found.push(format!("mp4 refuses it: {error}")),
    }
    let mut rest = Cursor::new(file);
    let movie = loop {
        match Any::decode_maybe(&mut rest) {
            Ok(Some(Any::Moov(movie))) => break Ok(movie),
            Ok(Some(_)) => {}
            Ok(None) => break Err("finds no moov".to_owned()),
            Err(error) => break Err(format!("refuses it: {error}")),
        }
    };
    match movie {
        Ok(movie) => {
            let entries = movie
                .trak
                .iter()
                .flat_map(|it| &it.mdia.minf.stbl.stsd.codecs);
            let odd = entries.filter(|it| matches!(it, mp4_atom::Codec::Unknown(..)));
            if movie.trak.len() != sent.len() || odd.count() > 0 {
                found.push("mp4-atom does not know its tracks".to_owned());
            }
        }
        Err(why) => found.push(format!("mp4-atom {why}")),
    }
    found
}
