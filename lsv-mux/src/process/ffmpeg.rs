//! The ffmpeg of this machine: where it is, how old it is, what it was built with.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::Error;
use super::child::{quiet_command, spawn};

/// An ffmpeg that was found and asked what it can do. Clones share what it answered.
#[derive(Debug, Clone)]
pub struct Ffmpeg {
    found: Arc<Found>,
}

#[derive(Debug)]
struct Found {
    path: PathBuf,
    /// What starts it so that it ends with this process.
    setpriv: Option<PathBuf>,
    version: Version,
    encoders: BTreeSet<String>,
    decoders: BTreeSet<String>,
}

/// What an ffmpeg says of its age.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// As it writes it: `5.1.9-0+deb12u1`, `n7.1`, `N-117000-gabcdef`.
    pub text: String,
    /// Major and minor number of a release; a build between releases has none.
    pub number: Option<(u32, u32)>,
}

impl Ffmpeg {
    /// Finds ffmpeg and asks it for its version, encoders and decoders. `configured` is its path; without one it is
    /// looked for in the folders of `PATH`.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::NotExecutable`], [`Error::NotFfmpeg`] or [`Error::Start`].
    pub async fn find(configured: Option<&Path>) -> Result<Self, Error> {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let path = match configured {
            Some(path) if is_executable(path) => path.to_owned(),
            Some(path) => return Err(Error::NotExecutable { path: path.into() }),
            None => search(&folders, "ffmpeg").ok_or(Error::Missing)?,
        };
        // It does not run where this process does.
        let path = std::path::absolute(&path).unwrap_or(path);
        let version = ask(&path, &["-hide_banner", "-version"]).await?;
        let version = Version::of(&version).ok_or_else(|| not_ffmpeg(&path, "no version"))?;
        let encoders = coders(&ask(&path, &["-hide_banner", "-encoders"]).await?);
        let decoders = coders(&ask(&path, &["-hide_banner", "-decoders"]).await?);
        if encoders.is_empty() || decoders.is_empty() {
            return Err(not_ffmpeg(&path, "no list of encoders and decoders"));
        }
        let setpriv = setpriv(&folders).await;
        Ok(Self {
            found: Arc::new(Found {
                path,
                setpriv,
                version,
                encoders,
                decoders,
            }),
        })
    }

    /// Any program, for tests of what is around an ffmpeg.
    #[cfg(test)]
    pub(crate) fn stand_in(path: &str) -> Self {
        Self {
            found: Arc::new(Found {
                path: path.into(),
                setpriv: search(OsStr::new("/usr/bin:/bin"), "setpriv"),
                version: Version {
                    text: "stand-in".into(),
                    number: None,
                },
                encoders: BTreeSet::new(),
                decoders: BTreeSet::new(),
            }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.found.path
    }

    /// Whether the system kills its processes when this one is gone, however that comes.
    pub fn has_parent_death_signal(&self) -> bool {
        self.found.setpriv.is_some()
    }

    /// What starts it; its arguments are still to come.
    pub(super) fn command(&self) -> Command {
        let Some(setpriv) = &self.found.setpriv else {
            return quiet_command(self.path());
        };
        let mut command = quiet_command(setpriv);
        command.args(DIES_WITH_PARENT).arg(self.path());
        command
    }

    /// What it says of its age.
    pub fn version(&self) -> &Version {
        &self.found.version
    }

    /// Whether it was built with the encoder of that name, such as `libx264`.
    pub fn has_encoder(&self, name: &str) -> bool {
        self.found.encoders.contains(name)
    }

    /// Whether it was built with the decoder of that name, such as `libdav1d`.
    pub fn has_decoder(&self, name: &str) -> bool {
        self.found.decoders.contains(name)
    }

    /// The first of `names` that it was built with an encoder of.
    pub fn first_encoder(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.has_encoder(name))
    }
}

impl Version {
    /// Of what `ffmpeg -version` writes.
    fn of(answer: &str) -> Option<Self> {
        let text = answer.strip_prefix("ffmpeg version ")?;
        let text = text.split_whitespace().next()?;
        let mut numbers = text
            .trim_start_matches('n')
            .split(|c: char| !c.is_ascii_digit());
        let mut number = || numbers.next()?.parse::<u32>().ok();
        let major = number();
        Some(Self {
            text: text.to_owned(),
            number: major.map(|major| (major, number().unwrap_or(0))),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The first program `name` in `folders`. What is relative, and so depends on where the node was started, is passed over.
fn search(folders: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(folders)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The first setpriv in `folders`, if it knows of parent-death signals: that of BusyBox does not.
async fn setpriv(folders: &OsStr) -> Option<PathBuf> {
    let path = search(folders, "setpriv")?;
    let question = [&DIES_WITH_PARENT[..], &[path.to_str()?, "--version"]].concat();
    let answer = ask(&path, &question).await.ok()?;
    answer.starts_with("setpriv ").then_some(path)
}

/// What the program at `path` writes to standard output when it is asked `question`.
async fn ask(path: &Path, question: &[&str]) -> Result<String, Error> {
    let mut command = quiet_command(path);
    command.args(question);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    match timeout(PATIENCE, answer(command)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(Error::Start {
            path: path.to_owned(),
            source,
        }),
        Err(_) => Err(not_ffmpeg(path, "no answer within 20 s")),
    }
}

async fn answer(mut command: Command) -> std::io::Result<String> {
    command.stdout(Stdio::piped());
    let mut child = spawn(command)?;
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    }
    child.wait().await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The names in a list of encoders or decoders: below a line of dashes six flags each, then the name.
fn coders(list: &str) -> BTreeSet<String> {
    let lines = list
        .lines()
        .skip_while(|line| line.trim() != "------")
        .skip(1);
    lines
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(str::to_owned)
        .collect()
}

fn not_ffmpeg(path: &Path, problem: &'static str) -> Error {
    Error::NotFfmpeg {
        path: path.to_owned(),
        problem,
    }
}

/// What has setpriv run a program that is killed when its parent is gone.
const DIES_WITH_PARENT: [&str; 3] = ["--pdeathsig", "KILL", "--"];

/// It answers within a tenth of a second, but on a machine that is busy with everything at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// The lists of a full build have 20 KiB.
const MAX_ANSWER: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_releases_and_others() {
        for (answer, text, number) in [
            (
                "ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000",
                "5.1.9-0+deb12u1",
                Some((5, 1)),
            ),
            ("ffmpeg version n7.1 Copyright\nbuilt", "n7.1", Some((7, 1))),
            ("ffmpeg version 9 x", "9", Some((9, 0))),
            ("ffmpeg version N-117000-gabc C", "N-117000-gabc", None),
        ] {
            let version = Version::of(answer).unwrap();
            assert_eq!((version.text.as_str(), version.number), (text, number));
        }
        assert_eq!(Version::of("GNU bash, version 5.2"), None);
        assert_eq!(Version::of("ffmpeg version "), None);
    }

    #[test]
    fn names_in_lists() {
        let list = "Encoders:\n V..... = Video\n A..... = Audio\n ------\n V....D libx264   H.264\n A..... aac   AAC\n\n";
        let names = coders(list);
        assert_eq!(
            names.iter().map(String::as_str).collect::<Vec<_>>(),
            ["aac", "libx264"]
        );
        assert!(coders("V..... libx264").is_empty());
    }

    #[tokio::test]
    async fn what_is_no_ffmpeg_is_named() {
        let missing = Ffmpeg::find(Some(Path::new("/nowhere/ffmpeg"))).await;
        let message = missing.unwrap_err().to_string();
        assert!(message.contains("/nowhere/ffmpeg"), "{message}");
        let other = Ffmpeg::find(Some(Path::new("/bin/echo"))).await;
        assert!(matches!(other, Err(Error::NotFfmpeg { .. })), "{other:?}");
        assert_eq!(search(OsStr::new("/nowhere:.:"), "ffmpeg"), None);
    }
}
