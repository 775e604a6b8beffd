//! The address at which a node gives a stream to another.

use std::time::{Duration, SystemTime};

use lsv_auth::{Secret, node};
use lsv_core::channel::Moment;
use lsv_core::path::{APP, StreamPath};
use lsv_core::via::{self, Via};

use crate::net::{Address, InvalidAddress};

/// Where `path` is to be had at a node that is reached at `server`, asked for `via` this node, with a credential that `secret`
/// signs.
///
/// # Errors
/// [`InvalidAddress`] where the node says nonsense of itself.
pub(super) fn address(
    server: &str,
    path: &StreamPath,
    via: &Via,
    secret: Option<&Secret>,
) -> Result<Address, InvalidAddress> {
    let server = server.trim_end_matches('/');
    let credential = secret.map(|secret| {
        let expires = Moment::from(SystemTime::now()).plus(CREDENTIAL).unix();
        let credential = node::mint(secret, &format!("/{}", path.channel), expires);
        format!("&{credential}")
    });
    let credential = credential.unwrap_or_default();
    let via = format!("{}={via}", via::PARAMETER);
    format!("{server}/{APP}/{path}?{via}{credential}").parse()
}

/// How long a credential can be used: for a connection to begin, with clocks that differ.
const CREDENTIAL: Duration = Duration::from_secs(120);
