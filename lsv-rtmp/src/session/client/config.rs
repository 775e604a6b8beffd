//! What a client session is told before it begins.

use std::fmt;

use crate::{
    Limits,
    session::{ServerConfig, target::Public},
};

/// What a client connects to, and how.
///
/// [`fmt::Debug`] leaves queries out: they carry credentials.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// What the peer may take.
    pub limits: Limits,
    /// Publish or play.
    pub purpose: Purpose,
    /// Application, such as `stream`.
    pub app: String,
    /// Name of the stream with its query, such as `cam?sign=1-a`.
    pub stream_name: String,
    /// The address up to the application, such as `rtmp://host/stream`.
    pub tc_url: String,
    /// What the client calls itself; default `FMLE/3.0 (compatible; lsv)`, whose beginning some
    /// servers look for.
    pub flash_ver: String,
    /// Codecs that the client handles, as FourCCs or `*`; default none.
    pub four_cc_list: Vec<String>,
    /// Bytes per chunk that are sent; default 60,000.
    pub chunk_size: u32,
    /// Fills the handshake's random bytes; draw it anew for each connection.
    pub seed: [u8; 32],
}

/// What a client wants of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Send it.
    Publish,
    /// Receive it.
    Play,
}

impl ClientConfig {
    /// The defaults, for the stream `stream_name` of the application `app` on `host` (with its port
    /// where that is not 1935).
    pub fn new(purpose: Purpose, host: &str, app: &str, stream_name: &str, seed: [u8; 32]) -> Self {
        Self {
            limits: Limits::default(),
            purpose,
            app: app.to_owned(),
            stream_name: stream_name.to_owned(),
            tc_url: format!("rtmp://{host}/{app}"),
            flash_ver: "FMLE/3.0 (compatible; lsv)".to_owned(),
            four_cc_list: Vec::new(),
            chunk_size: ServerConfig::CHUNK_SIZE,
            seed,
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("purpose", &self.purpose)
            .field("tc_url", &Public(&self.tc_url))
            .field("stream_name", &Public(&self.stream_name))
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
