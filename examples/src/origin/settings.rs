//! What an origin is set to, as operators write it.

use anyhow::{Context, bail};
use lsv_mux::http::edge::{Limits, Scope};

use crate::config::{Options, words};

/// Where an origin gets channels from, and what it keeps of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The nodes that have the channels.
    pub nodes: Vec<String>,
    /// What is kept as nodes sent it.
    pub scope: Scope,
    /// What bounds that.
    pub limits: Limits,
}

impl Settings {
    /// Reads `nodes`, `segments` and the options that begin with `cache-`.
    ///
    /// # Errors
    /// Names the one that cannot be used.
    pub fn of(options: &Options) -> anyhow::Result<Self> {
        let mut limits = Limits::default();
        if let Some(text) = &options.cache_memory {
            limits.memory_bytes = bytes("cache-memory", text)?;
        }
        if let Some(text) = &options.cache_disk {
            limits.disk_bytes = bytes("cache-disk", text)?;
        }
        Ok(Self {
            nodes: words(options.nodes.as_deref().unwrap_or_default()),
            scope: match options.segments.as_deref() {
                None | Some("own") => Scope::Recorded,
                Some("nodes") => Scope::Everything,
                Some(other) => bail!("segments is own or nodes, not {other:?}"),
            },
            limits,
        })
    }
}

/// Reads `256M`, `16G`; 0 for nothing.
fn bytes(name: &str, text: &str) -> anyhow::Result<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let factor: usize = match unit {
        "" => 1,
        "k" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => bail!("{name} is a number of bytes with k, M or G, such as 256M, not {text:?}"),
    };
    let count = count.parse::<usize>().ok();
    let bytes = count.and_then(|count| count.checked_mul(factor));
    bytes.with_context(|| format!("{name} is a number of bytes, not {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_their_unit() {
        let read = |text| bytes("cache-memory", text).ok();
        assert_eq!(read("0"), Some(0));
        assert_eq!(read("64k"), Some(65_536));
        assert_eq!(read("16G"), Some(16 << 30));
        for wrong in [
            "",
            "M",
            "-1",
            "1T",
            "1.5G",
            "99999999999999999999",
            "18446744073709551615G",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
