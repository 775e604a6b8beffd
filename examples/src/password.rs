//! The name and password that open the console, and `lsv hash-password`, which makes what the configuration
//! says of it.

use std::io::Read;
use std::process::ExitCode;

use anyhow::{Context, bail};
use lsv_auth::Secret;
use lsv_core::api::{Password, hash_password};

use crate::config::Options;

/// The user of the options, if there is one.
///
/// # Errors
/// Where the name or the hash is missing or cannot be used.
pub(crate) fn of(options: &Options) -> anyhow::Result<Option<Password>> {
    match (&options.console_user, &options.console_password) {
        (None, None) => Ok(None),
        (Some(user), Some(hash)) => {
            let hash = std::str::from_utf8(hash.expose()).unwrap_or_default();
            let password = Password::new(user, hash.trim());
            Ok(Some(password.context("console-user or console-password")?))
        }
        (Some(_), None) => {
            bail!("console-user needs console-password: `lsv hash-password` makes it")
        }
        (None, Some(_)) => bail!("console-password needs console-user"),
    }
}

/// Reads a password from standard input, one line, and prints its hash for `console-password`.
///
/// # Errors
/// Where there is none that can be used.
pub fn print_hash() -> anyhow::Result<ExitCode> {
    let mut given = Vec::new();
    let input = std::io::stdin().lock();
    input
        .take(MAX_INPUT)
        .read_to_end(&mut given)
        .context("cannot read the password")?;
    // Wiped when it is dropped.
    let given = Secret::new(given).context("give the password on standard input")?;
    let text = std::str::from_utf8(given.expose()).context("the password is not UTF-8")?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains(['\n', '\r']) {
        bail!("the password is one line");
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).context("the system gives no random bytes")?;
    println!("{}", hash_password(line, salt)?);
    Ok(ExitCode::SUCCESS)
}

/// Beyond what a password may have.
const MAX_INPUT: u64 = 4_096;
