//! Writes the frames of an FLV file as MPEG-TS, with fresh program tables at each key frame.
//!
//! ```sh
//! cargo run -p lsv-examples --example mux_ts -- examples/assets/demo.flv out.ts
//! ```

use anyhow::Context;
use bytes::BytesMut;
use lsv_core::media::{Kind, Tracks};
use lsv_mux::flv::Frames;
use lsv_mux::ts::Muxer;

fn main() -> anyhow::Result<()> {
    let mut files = std::env::args().skip(1);
    let (from, to) = files.next().zip(files.next()).context("mux_ts FROM TO")?;
    let mut frames = Frames::default();
    frames.push(&std::fs::read(from)?);

    let mut muxer = Muxer::new();
    let mut out = BytesMut::new();
    let mut tracks = Tracks::default();
    while let Some(frame) = frames.next()? {
        tracks.set(&frame.track);
        if frame.kind() == Kind::Video && frame.key {
            muxer.finish_segment(&mut out);
            muxer.start_segment(&tracks, &mut out);
        }
        muxer.push(&frame, &mut out)?;
    }
    muxer.finish_segment(&mut out);
    std::fs::write(to, out)?;
    Ok(())
}
