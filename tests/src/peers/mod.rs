//! Clients and servers that other people wrote, as publishers and as players, each on its own terms.
//!
//! A publisher sends one FLV file in real time; a player leaves a recording of what it got. Each of them is told
//! only the address. A client that is not installed is a failed test where `CI` is set, and left out with a line that
//! says so elsewhere: few machines have them all.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

mod clip;
mod collecting;
mod obs;
mod players;
mod publishers;
mod rml;
mod servers;

pub use clip::{Audio, Clip, Video};
pub use obs::Obs;
pub use players::{Addresses, Player, vlc};
pub use publishers::{Publisher, Publishing};
pub use servers::{Listening, PeerServer, serve_file};

/// Whether a program can be started by its name.
#[must_use]
pub fn installed(program: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

/// Whether a test can go on without a client that is not `there`: never where `CI` is set.
///
/// # Panics
/// If it is missing and `CI` is set.
#[must_use]
pub fn there(client: &str, there: bool) -> bool {
    if !there {
        assert!(env::var_os("CI").is_none(), "{client} is not installed");
        println!("left out: {client} is not installed");
    }
    there
}

/// An ffmpeg that speaks Enhanced RTMP: what `LSV_FFMPEG_NEW` names, else what `.ci/run` has put into `target/peers`.
#[must_use]
pub fn new_ffmpeg() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let named = env::var_os("LSV_FFMPEG_NEW").map(PathBuf::from);
        named.or_else(installed_ffmpeg)
    };
    FOUND.get_or_init(find).as_deref()
}

/// The newest ffmpeg there is: the older one reads what older codecs need.
#[must_use]
pub fn newest_ffmpeg() -> &'static Path {
    new_ffmpeg().unwrap_or_else(|| Path::new("ffmpeg"))
}

/// The AWS CLI that `.ci/run` has put into `target/awscli`: its first version, whose signatures are Python's own. It
/// reads nothing of whoever runs the test.
#[must_use]
pub fn aws_cli() -> Option<Command> {
    let folder = target()?.join("awscli");
    folder.join("awscli").is_dir().then(|| {
        let mut aws = Command::new("python3");
        aws.args(["-m", "awscli"])
            .env("PYTHONPATH", folder)
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        aws
    })
}

fn installed_ffmpeg() -> Option<PathBuf> {
    let files = target()?
        .join("peers/imageio_ffmpeg/binaries")
        .read_dir()
        .ok()?;
    let mut files = files.filter_map(|file| Some(file.ok()?.path()));
    files.find(|file| {
        let name = file.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("ffmpeg-"))
    })
}

/// Cargo's target folder: a test is `<target>/<profile>/deps/<test>-<hash>`.
fn target() -> Option<PathBuf> {
    let test = env::current_exe().ok()?;
    test.ancestors().nth(3).map(Path::to_owned)
}
