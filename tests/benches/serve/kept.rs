//! What an origin keeps, beside the same bytes from a cache of nginx's (`proxy_cache`) in front of the same node, and from
//! its files.

use std::fs;

use lsv_tests::{Server, stream_key};
use serde_json::json;
use tempfile::TempDir;

use crate::ROUNDS;
use crate::load::{ask, host, median, row};
use crate::nginx::Nginx;

pub(crate) async fn rows() {
    let folder = TempDir::new().expect("a temporary folder");
    let node = Server::start(&[]).await;
    let channel = node.api().create(&json!({ "id": "cam" })).await;
    assert!(!stream_key(&channel).is_empty());
    let recording = "vod/20261123T000000Z";
    let objects = node.data().join("objects/record/cam").join(recording);
    fs::create_dir_all(&objects).expect("a folder");
    for (number, size) in SIZES.into_iter().chain([1]).enumerate() {
        let bytes: Vec<u8> = (0..size)
            .map(|index| (index * 7 + index / 251) as u8)
            .collect();
        fs::write(objects.join(format!("segment-{number}.m4s")), bytes).expect("a file to write");
    }
    let origin = Server::start_origin(&[node.base()], &[]).await;
    let nginx = Nginx::start(folder.path(), node.http_address()).await;
    for (number, size) in SIZES.into_iter().enumerate() {
        let path = format!("/cam/{recording}/segment-{number}.m4s");
        let first = reqwest::get(origin.http(&path)).await.expect("an answer");
        let body = first.bytes().await.expect("a body");
        assert_eq!(body.len(), size);
        nginx.keep(&path, &body);
        let (mut ours, mut cached, mut files) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let before = origin.processor_time();
            let round = ask(&host(&origin.http("")), &path).await;
            ours.push(round.taking(origin.processor_time() - before));
            for (address, rounds) in [(&nginx.cache, &mut cached), (&nginx.address, &mut files)] {
                let before = nginx.processor_time();
                let round = ask(address, &path).await;
                rounds.push(round.taking(nginx.processor_time() - before));
            }
        }
        row(&format!("kept, {} kB", size / 1000), "lsv", median(ours));
        row("", "nginx", median(cached));
        row("", "its files", median(files));
    }
}

/// A segment of 8 Mbit/s and 4 s, one of 2 s at 4 Mbit/s, and a part.
const SIZES: [usize; 3] = [4_000_000, 1_000_000, 200_000];
