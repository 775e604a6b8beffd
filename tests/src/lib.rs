//! The harness of the end-to-end tests: it starts the real `lsv` binary on free ports in a folder of its own and
//! drives it with the real ffmpeg, ffprobe and Chromium, and with hostile bytes of its own making.
//!
//! Everything here panics with what it saw: a harness that cannot do its work is a failed test, and a missing tool is
//! never a reason to skip, but for the many [`peers`] on a machine without `CI` set. Nothing waits for a fixed time;
//! [`eventually`] polls under a generous deadline.

mod api;
mod audience;
mod browser;
mod certificate;
pub mod cmaf;
pub mod ecs;
mod ffmpeg;
mod files;
mod flaky;
pub mod flv;
pub mod hls;
mod http2;
pub mod input;
mod moto;
pub mod mpd;
mod packets;
pub mod peers;
mod process;
mod proxy;
mod recording;
mod rtmp;
mod server;
mod told;
mod trace;
pub mod ts;
mod viewer;
mod wait;
mod watcher;

pub use api::{Answer, Api, stream_key};
pub use audience::{Place, Spectator, Way};
pub use browser::{Operated, Scenario, Seen, operate, play, play_clock, play_qualities};
pub use certificate::{Certificate, served};
pub use ecs::Ecs;
pub use ffmpeg::{
    Picture, Returning, Watched, ffprobe_seconds, probe, push_file, push_file_and_return, read,
    watch, watch_file,
};
pub use files::{files_below, frames_of};
pub use flaky::{Fault, Flaky};
pub use http2::{Http2, tls};
pub use moto::Moto;
pub use packets::Packets;
pub use process::{Process, Signal, is_there, kill, processor_time, signal};
pub use proxy::{Proxy, lsv_proxy};
pub use recording::{Packet, Recording, Stream};
pub use rtmp::{Client, Message, Refusal, handshake, kind};
pub use server::{PLAYBACK_SECRET, SECRET, Server, TOKEN, binary, lsv, lsv_doctor};
pub use told::Told;
pub use trace::{Sent, Trace};
pub use viewer::{Got, Viewer};
pub use wait::{PATIENCE, eventually, seconds, strict};
pub use watcher::{Fetched, FlvWatcher, HlsWatcher, Shown};
