//! Records an FLV stream as MP4: a file that plays however it is cut off, and with its tables in front once it is over.
//!
//! ```sh
//! ffmpeg -i rtmp://127.0.0.1/stream/cam -c copy -f flv - | cargo run -p lsv-examples --example record -- /dev/stdin out.mp4
//! ```

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use anyhow::Context;
use lsv_core::media::Kind;
use lsv_mux::flv::Frames;
use lsv_mux::mp4::recording::{Fragmenter, Index, Options};

fn main() -> anyhow::Result<()> {
    let mut files = std::env::args().skip(1);
    let (from, to) = files.next().zip(files.next()).context("record FROM TO")?;
    let (mut input, mut frames, mut held) = (File::open(from)?, Frames::default(), Vec::new());
    // As long as there are no sound and picture, it may be that one of them is still to come.
    while frames.tracks().count() < 2 && held.len() < 100 && read(&mut input, &mut frames)? {
        while let Some(frame) = frames.next()? {
            held.push(frame);
        }
    }
    let tracks: Vec<_> = frames.tracks().map(Arc::clone).collect();
    let mut fragmenter = Fragmenter::new(&tracks, Options::default())?;
    let mut index = Index::new(fragmenter.header());
    let mut grown = File::create_new(&to)?;
    grown.write_all(fragmenter.header().init())?;
    loop {
        for frame in held.drain(..).filter(|frame| frame.kind() != Kind::Data) {
            if let Some(fragment) = fragmenter.push(&frame)? {
                grown.write_all(fragment.bytes())?;
                index.add(&fragment);
            }
        }
        match frames.next()? {
            Some(frame) => held.push(frame),
            None if read(&mut input, &mut frames)? => {}
            None => break,
        }
    }
    if let Some(fragment) = fragmenter.finish(None) {
        grown.write_all(fragment.bytes())?;
        index.add(&fragment);
    }

    let (flat, beside) = (index.flatten(), format!("{to}.flat"));
    let mut file = File::create(&beside)?;
    file.write_all(&flat.header)?;
    let mut grown = File::open(&to)?;
    grown.seek(SeekFrom::Start(flat.media.start))?;
    // The system copies from file to file, and not by way of this program.
    io::copy(
        &mut grown.take(flat.media.end - flat.media.start),
        &mut file,
    )?;
    Ok(fs::rename(beside, to)?)
}

/// Reads on; false at the end.
fn read(input: &mut File, frames: &mut Frames) -> io::Result<bool> {
    let mut buffer = [0; 65_536];
    let length = input.read(&mut buffer)?;
    frames.push(buffer.get(..length).unwrap_or_default());
    Ok(length > 0)
}
