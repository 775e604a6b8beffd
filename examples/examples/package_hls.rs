//! Packages an FLV file as a live server would, without network, tasks or clock, and writes what viewers could fetch.
//!
//! ```sh
//! cargo run -p lsv-examples --example package_hls -- examples/assets/demo.flv out
//! ```

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context;
use lsv_core::hub::Settings;
use lsv_core::time::Timestamp;
use lsv_mux::flv::Frames;
use lsv_mux::packager::{Config, Packager};
use lsv_mux::window::Reload;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut paths = std::env::args().skip(1);
    let (from, to) = paths
        .next()
        .zip(paths.next())
        .context("package_hls FROM FOLDER")?;
    let mut frames = Frames::default();
    frames.push(&fs::read(from)?);

    let mut settings = Settings::default();
    settings.cmaf = true;
    let now = SystemTime::UNIX_EPOCH;
    let mut packager = Packager::new(&Config::default(), &settings, 0, now);
    while let Some(frame) = frames.next()? {
        let arrival = now + frame.dts.since(Timestamp::ZERO);
        packager.push(&frame, arrival);
    }
    packager.end(now);

    // Every file by its name, as a router would find it. A playlist's own lines lead to the others.
    let mut names = vec![
        "live.m3u8".to_owned(),
        "master.m3u8".into(),
        "manifest.mpd".into(),
    ];
    while let Some(name) = names.pop() {
        let file = packager.outputs().file(&name, Reload::default()).await?;
        let path = Path::new(&to).join(&name);
        let folder = Path::new(&name)
            .parent()
            .context("a file lies in a folder")?;
        fs::create_dir_all(path.parent().context("so does this one")?)?;
        let body = file.body.to_bytes();
        fs::write(&path, &body)?;
        let text = String::from_utf8_lossy(&body);
        if name.ends_with(".m3u8") {
            let quoted = text
                .split("URI=\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next());
            let plain = text.lines().filter(|line| !line.starts_with('#'));
            let found = quoted.chain(plain).map(|uri| folder.join(uri));
            names.extend(found.filter_map(|uri| Some(uri.to_str()?.to_owned())));
        }
    }
    Ok(())
}
