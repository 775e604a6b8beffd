//! What the reference binaries are made of: configuration, assembly, start and stop.
//!
//! The crates of the platform know nothing of files, flags or signals; here they meet them.

pub mod api;
pub mod classes;
pub mod config;
pub mod demo;
pub mod descriptors;
pub mod doctor;
pub mod http;
pub mod keys;
pub mod ladder;
pub mod limits;
pub mod logging;
pub mod node;
pub mod origin;
pub mod password;
pub mod play;
pub mod processor;
pub mod proxy;
pub mod stores;
pub mod tls;
pub mod trust;

mod banner;
mod console;
mod metrics;
mod reached;
mod reload;
mod serving;
mod signals;
mod sockets;
mod tasks;
mod workshop;
