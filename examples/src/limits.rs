//! How much a node takes in, as operators write it.

use anyhow::bail;
use lsv_core::hub::Limits;

use crate::config::{Options, bit_rate};

/// What bounds publishing on a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Publishing {
    /// Publishers at once, where there is a limit.
    pub publishers: Option<usize>,
    /// Bits a second of all publishers together, where there is a limit.
    pub ingest_bit_rate: Option<u64>,
    /// Attempts that are refused within a minute before an address has to wait; 0 for any number.
    pub attempts: u32,
}

impl Publishing {
    /// Reads the options that bound publishing.
    ///
    /// # Errors
    /// Names the one that cannot be used.
    pub fn of(options: &Options) -> anyhow::Result<Self> {
        if options.max_publishers == Some(0) {
            bail!("max-publishers is at least 1");
        }
        let ingest = options.max_ingest_bitrate.as_deref();
        Ok(Self {
            publishers: options.max_publishers,
            ingest_bit_rate: ingest
                .map(|rate| bit_rate("max-ingest-bitrate", rate))
                .transpose()?,
            attempts: options.max_publish_attempts.unwrap_or(ATTEMPTS),
        })
    }

    /// The same for a hub.
    pub(crate) fn limit(&self, limits: &mut Limits) {
        limits.publishers = self.publishers;
        limits.ingest_bit_rate = self.ingest_bit_rate;
    }
}

/// More than people mistype, and than an encoder with an old key asks that waits a little before another try.
const ATTEMPTS: u32 = 20;
