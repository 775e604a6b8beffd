//! What a server says that it has recorded of a channel: listed, fetched, measured and deleted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lsv_tests::{Process, Server, eventually};
use reqwest::Method;
use rustix::fs::XattrFlags;
use serde_json::Value;
use tempfile::TempDir;

/// The recordings of a server's channel `cam`, of each kind in their order.
pub(crate) type Kinds = BTreeMap<String, Vec<Value>>;

/// The recordings of a server's channel `cam`.
pub(crate) struct Archive<'a> {
    server: &'a Server,
    folder: PathBuf,
    _temporary: TempDir,
}

impl<'a> Archive<'a> {
    /// What is fetched is put into a temporary folder, or into the one that `LSV_TEST_KEEP` names.
    pub(crate) fn of(server: &'a Server) -> Self {
        let temporary = TempDir::new().expect("a temporary folder");
        let kept = std::env::var_os("LSV_TEST_KEEP").map(PathBuf::from);
        Self {
            server,
            folder: kept.unwrap_or_else(|| temporary.path().to_owned()),
            _temporary: temporary,
        }
    }

    pub(crate) async fn listed(&self) -> Kinds {
        let api = self.server.api();
        let (mut kinds, mut path) = (
            Kinds::new(),
            "/videostream/cam/recordings?limit=1000".to_owned(),
        );
        loop {
            let page = api.read(&path).await;
            for recording in page.json().as_array().expect("a list") {
                let kind = recording["kind"].as_str().expect("a kind").to_owned();
                kinds.entry(kind).or_default().push(recording.clone());
            }
            match page
                .header("link")
                .strip_prefix('<')
                .and_then(|it| it.split_once('>'))
            {
                Some((next, _)) => path = next.to_owned(),
                None => return kinds,
            }
        }
    }

    /// The recordings once all are whole: nothing is being written, and what plays has a length.
    pub(crate) async fn settled(&self) -> Kinds {
        let unfinished = self.server.data().join("objects/unfinished");
        eventually("all of it whole", async || {
            let kinds = self.listed().await;
            let is_whole = |recording: &Value| {
                let kind = recording["kind"].as_str().unwrap_or_default();
                kind.ends_with("snapshot")
                    || recording["length"].as_f64().is_some_and(|it| it > 0.0)
            };
            let is_quiet = files_below(&unfinished).is_empty();
            (is_quiet && kinds.values().flatten().all(is_whole)).then_some(kinds)
        })
        .await
    }

    /// Whether the file system of the store takes note of classes of storage.
    pub(crate) fn notes_classes(&self) -> bool {
        let probe = fs::File::create(self.server.data().join("probe")).expect("a file");
        let attribute = "user.lsv.storage-class";
        rustix::fs::fsetxattr(probe, attribute, b"cold", XattrFlags::empty()).is_ok()
    }

    /// The file at an address, fetched.
    pub(crate) async fn fetched(&self, url: &str) -> PathBuf {
        let answer = reqwest::get(url).await.expect("an answer");
        assert_eq!(answer.status(), 200, "{url}");
        let (_, name) = url.split_once("/cam/vod/").expect("an address of ours");
        let file = self.folder.join(name.replace('/', "-"));
        fs::write(&file, answer.bytes().await.expect("a body")).expect("a file to write");
        file
    }

    /// Deletes each of `kinds`, one by one; then nothing is listed, and nothing is in the store.
    pub(crate) async fn delete(&self, kinds: &Kinds) {
        let api = self.server.api();
        for recording in kinds.values().flatten() {
            let name = recording["name"].as_str().expect("a name");
            let path = format!("/videostream/cam/recordings/{name}");
            let answer = api.send(Method::DELETE, &path, "").await;
            assert_eq!(answer.status, 204, "{name}");
            let again = api.send(Method::DELETE, &path, "").await;
            assert_eq!(again.status, 404, "{name}");
            let url = recording["url"].as_str().expect("an address");
            let answer = reqwest::get(url).await.expect("an answer");
            assert_eq!(answer.status(), 404, "{url}");
        }
        assert!(self.listed().await.is_empty());
        let left = files_below(&self.server.data().join("objects/record/cam"));
        assert!(left.is_empty(), "{left:?}");
    }
}

/// How long the tracks of a file play, in seconds: pictures and sound.
pub(crate) async fn track_seconds(file: &Path) -> (f64, f64) {
    let path = file.to_str().expect("a path in UTF-8");
    let entries = ["-v", "error", "-show_entries", "stream=codec_type,duration"];
    let line = [&entries[..], &["-of", "csv=p=0", path]].concat();
    let mut probe = Process::start("ffprobe", line);
    assert!(probe.ended().await.success(), "{}", probe.stderr());
    let said = probe.stdout();
    let of = |kind: &str| {
        let mut lines = said.lines().filter_map(|line| line.strip_prefix(kind));
        let seconds = lines.next().map(str::parse::<f64>);
        seconds.unwrap_or(Ok(0.0)).expect("seconds")
    };
    (of("video,"), of("audio,"))
}

pub(crate) fn files_below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => files.extend(files_below(&entry.path())),
            false => files.push(entry.path().display().to_string()),
        }
    }
    files
}
