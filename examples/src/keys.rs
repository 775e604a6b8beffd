//! The node's secrets, made on the first start and kept in the data directory, readable by its owner only.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use lsv_auth::Secret;

/// A secret, and whether it was made just now.
#[derive(Debug)]
pub struct Kept {
    /// The secret.
    pub secret: Secret,
    /// It did not exist before.
    pub new: bool,
}

/// The secret in `directory/name`, made where there is none; `given` goes before it and is not written down.
///
/// # Errors
/// Where the file cannot be read or written, or holds nothing.
pub fn keep(directory: &Path, name: &str, given: Option<&Secret>) -> anyhow::Result<Kept> {
    if let Some(secret) = given {
        let secret = secret.clone();
        return Ok(Kept { secret, new: false });
    }
    let path = directory.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let secret = Secret::new(text.trim())
                .with_context(|| format!("{} is empty; delete it", path.display()))?;
            let mode = fs::metadata(&path)?.permissions().mode();
            if mode & 0o077 != 0 {
                bail!(
                    "{} can be read by others; run: chmod 600 {0}",
                    path.display()
                );
            }
            Ok(Kept { secret, new: false })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut entropy = [0; 32];
            getrandom::fill(&mut entropy).context("the system gives no random bytes")?;
            let secret = Secret::from_entropy(entropy);
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o600).open(&path);
            let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
            file.write_all(secret.expose())?;
            file.sync_all()?;
            Ok(Kept { secret, new: true })
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The token of the API, as [`keep`] does. One that is made is new on every start until [`token_is_told`], so that a
/// start that fails before anybody could read it does not lose it.
///
/// # Errors
/// As [`keep`].
pub fn token(directory: &Path, given: Option<&Secret>) -> anyhow::Result<Kept> {
    if given.is_some() || directory.join(TOKEN).exists() {
        return keep(directory, TOKEN, given);
    }
    let Kept { secret, .. } = keep(directory, UNTOLD_TOKEN, None)?;
    Ok(Kept { secret, new: true })
}

/// The operator has been told a token that is new: from now on it is kept without being told again.
///
/// # Errors
/// Where its file cannot be renamed.
pub fn token_is_told(directory: &Path) -> anyhow::Result<()> {
    let path = directory.join(TOKEN);
    fs::rename(directory.join(UNTOLD_TOKEN), &path)
        .with_context(|| format!("cannot write {}", path.display()))
}

const TOKEN: &str = "api-token";

const UNTOLD_TOKEN: &str = "api-token.new";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let first = keep(directory.path(), "secret", None).unwrap();
        let second = keep(directory.path(), "secret", None).unwrap();
        assert!(first.new && !second.new);
        assert_eq!(first.secret, second.secret);
        let path = directory.path().join("secret");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            keep(directory.path(), "secret", None)
                .unwrap_err()
                .to_string()
                .contains("chmod 600")
        );
    }

    #[test]
    fn a_token_is_new_until_it_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let first = token(directory.path(), None).unwrap();
        let second = token(directory.path(), None).unwrap();
        assert!(first.new && second.new);
        token_is_told(directory.path()).unwrap();
        let third = token(directory.path(), None).unwrap();
        assert!(!third.new);
        assert!(first.secret == second.secret && second.secret == third.secret);
    }

    #[test]
    fn a_given_secret_is_not_written_down() {
        let directory = tempfile::tempdir().unwrap();
        let given = Secret::new("given").unwrap();
        assert_eq!(
            keep(directory.path(), "secret", Some(&given))
                .unwrap()
                .secret,
            given
        );
        assert!(!directory.path().join("secret").exists());
    }
}
