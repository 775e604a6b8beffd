//! OBS Studio on a display of its own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tokio::process::Command;

use super::{installed, there};
use crate::{Process, Signal, eventually, flv};

/// OBS Studio, streaming a moving picture with a tone and recording the same packets; killed when dropped.
#[derive(Debug)]
pub struct Obs {
    obs: Process,
    _display: Process,
    folder: TempDir,
}

impl Obs {
    /// Whether it can be started; see [`there`].
    #[must_use]
    pub fn there() -> bool {
        there("OBS under Xvfb", installed("obs") && installed("Xvfb"))
    }

    /// Starts it: it publishes a stream key to a server such as `rtmp://127.0.0.1:1935/stream`, and loops `clip`.
    ///
    /// # Panics
    /// If there is no display for it.
    pub async fn stream(clip: &Path, server: &str, key: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        write_settings(folder.path(), clip, server, key);
        let screen = [
            "-displayfd",
            "1",
            "-screen",
            "0",
            "640x480x24",
            "-nolisten",
            "tcp",
        ];
        let mut display = Process::start("Xvfb", screen);
        let number = eventually("a display", async || {
            assert!(display.runs(), "{}", display.stderr());
            let said = display.stdout();
            said.ends_with('\n').then(|| said.trim().to_owned())
        })
        .await;
        let mut command = Command::new("obs");
        command.args([
            "--multi",
            "--minimize-to-tray",
            "--disable-updater",
            "--verbose",
        ]);
        command.args(["--profile", "lsv", "--collection", "lsv"]);
        command.args(["--startstreaming", "--startrecording"]);
        command.env("DISPLAY", format!(":{number}"));
        // Drawn by the processor: no test machine has a graphics card.
        command.env("LIBGL_ALWAYS_SOFTWARE", "1");
        command
            .env("HOME", folder.path())
            .env("XDG_RUNTIME_DIR", folder.path());
        command
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("WAYLAND_DISPLAY");
        Self {
            obs: Process::run(command),
            _display: display,
            folder,
        }
    }

    /// Asserts that it still runs.
    ///
    /// # Panics
    /// If it does not, with what it said.
    pub fn assert_runs(&mut self) {
        assert!(self.obs.runs(), "{}", self.log());
    }

    /// What it said.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{}\n{}", self.obs.stdout(), self.obs.stderr())
    }

    /// Waits until it has recorded something.
    ///
    /// # Panics
    /// If it does not record.
    pub async fn records(&mut self) {
        eventually("OBS records", async || {
            assert!(self.obs.runs(), "{}", self.log());
            let tags = flv::tags(&fs::read(self.recording()?).ok()?);
            tags.iter().any(|tag| tag.kind == 9).then_some(())
        })
        .await;
    }

    /// Ends it as its user would; its recording holds what it streamed.
    ///
    /// # Panics
    /// If it left none.
    pub async fn end(mut self, recording: &Path) {
        self.obs.signal(Signal::INT);
        self.obs.ended().await;
        let flv = self.recording();
        let flv = flv.unwrap_or_else(|| panic!("no recording: {}", self.log()));
        fs::copy(flv, recording).expect("a file to write");
    }

    fn recording(&self) -> Option<PathBuf> {
        let files = self.folder.path().read_dir().ok()?;
        let mut files = files.filter_map(|file| Some(file.ok()?.path()));
        files.find(|file| file.extension().is_some_and(|extension| extension == "flv"))
    }
}

fn write_settings(home: &Path, clip: &Path, server: &str, key: &str) {
    let folder = home.join(".config/obs-studio");
    let (profile, scenes) = (
        folder.join("basic/profiles/lsv"),
        folder.join("basic/scenes"),
    );
    for folder in [&profile, &scenes] {
        fs::create_dir_all(folder).expect("a folder to make");
    }
    let service = serde_json::json!({
        "type": "rtmp_custom",
        "settings": { "server": server, "key": key, "use_auth": false },
    });
    let scene = serde_json::json!({
        "name": "lsv",
        "current_scene": "Scene",
        "current_program_scene": "Scene",
        "scene_order": [{ "name": "Scene" }],
        "sources": [
            { "id": "scene", "name": "Scene", "settings": {
                "items": [{ "name": "Clip", "id": 1, "visible": true }], "id_counter": 1
            } },
            { "id": "ffmpeg_source", "name": "Clip", "mixers": 255, "settings": {
                "local_file": clip, "is_local_file": true, "looping": true, "hw_decode": false
            } },
        ],
    });
    for (file, text) in [
        (folder.join("global.ini"), GLOBAL.to_owned()),
        (
            profile.join("basic.ini"),
            PROFILE.replace("FOLDER", &home.to_string_lossy()),
        ),
        (profile.join("service.json"), service.to_string()),
        (scenes.join("lsv.json"), scene.to_string()),
    ] {
        fs::write(file, text).expect("a file to write");
    }
}

/// As if it had been set up before: it asks nothing.
const GLOBAL: &str = "\
[General]
FirstRun=true
ConfirmOnExit=false
Pre19Defaults=false
Pre21Defaults=false
Pre23Defaults=false
Pre24.1Defaults=false
LastVersion=486539266
EnableAutoUpdates=false
[Basic]
Profile=lsv
ProfileDir=lsv
SceneCollection=lsv
SceneCollectionFile=lsv
";

/// A recording in the quality of the stream takes the packets of the stream's own encoders.
const PROFILE: &str = "\
[General]
Name=lsv
[Video]
BaseCX=320
BaseCY=180
OutputCX=320
OutputCY=180
FPSType=0
FPSCommon=30
[Output]
Mode=Simple
[SimpleOutput]
VBitrate=500
ABitrate=96
StreamEncoder=x264
UseAdvanced=true
Preset=ultrafast
x264Settings=keyint=30
RecQuality=Stream
RecFormat=flv
FilePath=FOLDER
[Audio]
SampleRate=48000
ChannelSetup=Stereo
";
