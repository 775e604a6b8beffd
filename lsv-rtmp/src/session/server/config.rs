//! What a server session is told before it begins.

use std::fmt;

use crate::{Budget, Limits, amf0::Object, session::Capabilities};

/// How a server session behaves.
///
/// [`fmt::Debug`] leaves out the properties that the caller adds.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// What the peer may take.
    pub limits: Limits,
    /// What all connections of the process may hold together; default none, which bounds each session alone.
    pub budget: Option<Budget>,
    /// Bytes after which the peer is to acknowledge, and after which it gets acknowledgements unless it asks for
    /// another window; default 5,000,000.
    pub window_acknowledgement_size: u32,
    /// Bytes per chunk that are sent; default [`CHUNK_SIZE`](Self::CHUNK_SIZE). Media that is encoded once for many
    /// players must be cut by the same number.
    pub chunk_size: u32,
    /// What to report in the answer to `connect`; default [`Capabilities::forwarder`].
    pub capabilities: Capabilities,
    /// Further properties of the answer to `connect`, beside `fmsVer`; default none.
    pub connect_properties: Object,
    /// Further properties of the information object in that answer, beside `code`; default none.
    pub connect_information: Object,
    /// Fills the handshake's random bytes; draw it anew for each connection.
    pub seed: [u8; 32],
}

impl ServerConfig {
    /// Chunk size towards players: few frames need a second chunk header, and it stays below the 64 KiB that some
    /// players allow.
    pub const CHUNK_SIZE: u32 = 60_000;

    /// The defaults, with 32 bytes that differ for each connection.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            limits: Limits::default(),
            budget: None,
            window_acknowledgement_size: 5_000_000,
            chunk_size: Self::CHUNK_SIZE,
            capabilities: Capabilities::forwarder(),
            connect_properties: Object::new(),
            connect_information: Object::new(),
            seed,
        }
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("limits", &self.limits)
            .field("budget", &self.budget)
            .field(
                "window_acknowledgement_size",
                &self.window_acknowledgement_size,
            )
            .field("chunk_size", &self.chunk_size)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}
