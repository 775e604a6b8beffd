//! The values of the fields that say who may watch.

use std::fmt;
use std::str::FromStr;

use lsv_auth::cidr::{InvalidNetworks, Networks};
use lsv_auth::hotlink::{Hosts, InvalidHosts};
use serde::{Deserialize, Serialize};

use super::values::words;

words! {
    /// Whether viewers need a playback token.
    PlayToken {
        /// As the platform has it.
        Platform = "platform",
        /// They need none.
        Off = "off",
        /// They need one.
        On = "on",
        /// They need one that is good for their address alone.
        Ip = "ip",
    }
}

words! {
    /// Whether what CloudFront signs lets viewers in.
    PlayCloudFront {
        /// As the platform has it.
        Platform = "platform",
        /// It does not.
        Off = "off",
        /// It does.
        On = "on",
    }
}

words! {
    /// Whether viewers may watch who do not say which page they come from.
    EmptyReferer {
        /// As the platform has it.
        Platform = "platform",
        /// They may.
        Allow = "allow",
        /// They may not.
        Refuse = "refuse",
    }
}

/// The hosts whose pages may embed a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PlayHosts {
    /// Those that the platform names; an empty text.
    #[default]
    Platform,
    /// Any; `*`.
    Any,
    /// These.
    These(Hosts),
}

impl FromStr for PlayHosts {
    type Err = InvalidHosts;

    fn from_str(text: &str) -> Result<Self, InvalidHosts> {
        Ok(match text.trim() {
            "" => Self::Platform,
            "*" => Self::Any,
            text => Self::These(text.parse()?),
        })
    }
}

impl fmt::Display for PlayHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => Ok(()),
            Self::Any => f.write_str("*"),
            Self::These(hosts) => hosts.fmt(f),
        }
    }
}

impl TryFrom<String> for PlayHosts {
    type Error = InvalidHosts;

    fn try_from(text: String) -> Result<Self, InvalidHosts> {
        text.parse()
    }
}

impl From<PlayHosts> for String {
    fn from(hosts: PlayHosts) -> Self {
        hosts.to_string()
    }
}

/// Networks that may watch a channel, or may not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlayNetworks(Networks);

impl PlayNetworks {
    /// The networks themselves.
    pub fn networks(&self) -> &Networks {
        &self.0
    }
}

impl FromStr for PlayNetworks {
    type Err = InvalidNetworks;

    fn from_str(text: &str) -> Result<Self, InvalidNetworks> {
        text.parse().map(Self)
    }
}

impl fmt::Display for PlayNetworks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for PlayNetworks {
    type Error = InvalidNetworks;

    fn try_from(text: String) -> Result<Self, InvalidNetworks> {
        text.parse()
    }
}

impl From<PlayNetworks> for String {
    fn from(networks: PlayNetworks) -> Self {
        networks.to_string()
    }
}
