//! Reads an FLV file and writes it again, frame by frame.
//!
//! ```sh
//! cargo run -p lsv-examples --example mux_flv -- examples/assets/demo.flv out.flv
//! ```

use anyhow::Context;
use bytes::BytesMut;
use lsv_core::media::Tracks;
use lsv_mux::flv::{Frames, Muxer};

fn main() -> anyhow::Result<()> {
    let mut files = std::env::args().skip(1);
    let (from, to) = files.next().zip(files.next()).context("mux_flv FROM TO")?;
    let mut frames = Frames::default();
    frames.push(&std::fs::read(from)?);
    let mut read = Vec::new();
    while let Some(frame) = frames.next()? {
        read.push(frame);
    }
    // Live, these are the tracks that the publisher has announced.
    let mut tracks = Tracks::default();
    frames.tracks().for_each(|track| tracks.set(track));

    let mut out = BytesMut::new();
    let mut muxer = Muxer::start(&tracks, &mut out);
    for frame in &read {
        muxer.push(frame, &mut out);
    }
    std::fs::write(to, out)?;
    Ok(())
}
