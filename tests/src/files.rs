//! Files that a test finds or makes.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use lsv_core::media::{Kind, MediaFrame};
use lsv_core::tag::{Packet, Parser};
use lsv_core::time::Timestamp;
use lsv_mux::flv::{Demuxer, Limits};

/// Every file in `folder` and below whose name ends so, in order.
#[must_use]
pub fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.to_string_lossy().ends_with(ending) => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    files
}

/// The frames of an FLV file, as a publisher of the library has them.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn frames_of(clip: &Path) -> Vec<MediaFrame> {
    let mut bytes = BytesMut::from(&*fs::read(clip).expect("a clip"));
    let (mut demuxer, mut parser) = (Demuxer::new(Limits::default()), Parser::default());
    let mut frames = Vec::new();
    while let Some(tag) = demuxer.next(&mut bytes).expect("FLV") {
        let at = Timestamp::from_millis(tag.timestamp.into());
        let body: Bytes = tag.body;
        let packets: Vec<_> = match tag.kind {
            Kind::Video => parser.video(&body, at).collect(),
            Kind::Audio => parser.audio(&body, at).collect(),
            Kind::Data => continue,
        };
        for packet in packets {
            if let Packet::Frame(frame) = packet.expect("a packet") {
                frames.push(frame);
            }
        }
    }
    frames
}
