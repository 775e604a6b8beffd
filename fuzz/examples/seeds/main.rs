//! Writes the seed corpora: `cargo run -p lsv-fuzz --example seeds`.
//!
//! Every seed is a well-formed input of its target or one that comes close, so that a fuzzer starts from what real
//! peers send. Found crashes are kept beside these as files of their own; this program never deletes one.

use std::{fs, io, path::Path};

mod auth;
mod core;
mod mux;
mod rtmp;

fn main() -> io::Result<()> {
    auth::write()?;
    rtmp::write()?;
    mux::write()?;
    core::write()
}

fn seed(target: &str, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), parts.concat())
}

/// An FLV tag at time 0 with its trailing length (FLV 10.1 §E.4.1).
fn flv_tag(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = length32(body.len());
    let head = [&[kind], &length[1..], &[0; 7]].concat();
    [head.as_slice(), body, &length32(body.len() + 11)].concat()
}

fn length32(length: usize) -> [u8; 4] {
    (length as u32).to_be_bytes()
}

/// Script data for viewers.
const ON_TEXT_DATA: &[u8] = b"\x02\0\x0AonTextData\x03\0\x04text\x02\0\x05hello\0\0\x09";
const ON_CUE_POINT: &[u8] = b"\x02\0\x0AonCuePoint\x08\0\0\0\x02\0\x04time\0\x40\x29\0\0\0\0\0\0\0\x04list\x0A\0\0\0\x02\x05\x01\x01\0\0\x09";
