//! Writes the frames of an FLV file as fragmented MP4, which plays however early it is cut off.
//!
//! ```sh
//! cargo run -p lsv-examples --example mux_cmaf -- examples/assets/demo.flv out.mp4
//! ```

use std::sync::Arc;

use anyhow::Context;
use lsv_core::media::Kind;
use lsv_mux::flv::Frames;
use lsv_mux::mp4::recording::{Fragmenter, Options};

fn main() -> anyhow::Result<()> {
    let mut files = std::env::args().skip(1);
    let (from, to) = files.next().zip(files.next()).context("mux_cmaf FROM TO")?;
    let mut frames = Frames::default();
    frames.push(&std::fs::read(from)?);
    let mut read = Vec::new();
    while let Some(frame) = frames.next()? {
        read.push(frame);
    }
    let tracks: Vec<_> = frames.tracks().map(Arc::clone).collect();

    let mut fragmenter = Fragmenter::new(&tracks, Options::default())?;
    let mut out = fragmenter.header().init().to_vec();
    for frame in read.iter().filter(|frame| frame.kind() != Kind::Data) {
        if let Some(fragment) = fragmenter.push(frame)? {
            out.extend_from_slice(fragment.bytes());
        }
    }
    if let Some(fragment) = fragmenter.finish(None) {
        out.extend_from_slice(fragment.bytes());
    }
    std::fs::write(to, out)?;
    Ok(())
}
