//! The platform in pieces: one process, several that share the stores of a node, several that share AWS.

use std::path::PathBuf;

use lsv_tests::Picture;
use serde_json::Value;
use tempfile::TempDir;

mod containers;
mod pieces;
mod processors;
mod publishers;
mod roles;
mod suite;

use pieces::{Platform, Store};

/// What is seen of a platform does not depend on what it is made of.
#[tokio::test(flavor = "multi_thread")]
async fn one_process_several_and_aws_do_the_same() {
    let (_folder, clip) = clip(24).await;
    let mut first: Option<Value> = None;
    for store in [Store::Local, Store::Remote, Store::Aws] {
        let platform = Platform::start(store).await;
        let seen = suite::seen(&platform, &clip).await;
        for (part, expected) in first
            .iter()
            .flat_map(|first| first.as_object().into_iter().flatten())
        {
            assert_eq!(&seen[part], expected, "{part}, with the store {store:?}");
        }
        first.get_or_insert(seen);
    }
}

/// What encoders push: large enough for renditions.
async fn clip(seconds: u32) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a temporary folder");
    let clip = folder.path().join("clip.flv");
    let picture = Picture {
        size: "1280x720",
        bit_rate: Some("1M"),
        ..Picture::default()
    };
    picture.encode(seconds, &clip).await;
    (folder, clip)
}
