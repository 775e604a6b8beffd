//! Lists the files of the console, so that the binaries embed whatever lies in its folder.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new("console");
    println!("cargo::rerun-if-changed=console");
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let root = env::current_dir()?;
    let entries = files.iter().filter_map(|file| {
        let name = file.strip_prefix(folder).ok()?.to_str()?;
        Some(format!(
            "    ({name:?}, include_bytes!({:?})),\n",
            root.join(file)
        ))
    });
    let entries: String = entries.collect();
    let target = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(
        Path::new(&target).join("console.rs"),
        format!("&[\n{entries}]"),
    )
}

/// All files below `folder` but hidden ones and what is written for developers.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name.ends_with(".md") {
            continue;
        }
        match path.is_dir() {
            true => collect(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}
