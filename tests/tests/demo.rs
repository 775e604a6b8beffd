//! `--demo`: a server that has something to show at once, for ever.

use std::path::Path;

use lsv_tests::{Server, play, seconds, watch};

#[tokio::test]
async fn the_demo_page_plays() {
    let server = Server::start(&["--demo"]).await;
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo.png");
    let seen = play(&server.http("/demo/"), seconds(8), Some(&picture)).await;
    println!("{seen:?}");
    assert!(seen.ok, "{seen:?}");
    assert!(picture.exists());
}

#[tokio::test]
async fn the_demo_goes_on_past_the_end_of_its_clip() {
    let server = Server::start(&["--demo"]).await;
    let url = server.http("/demo/live.flv");
    lsv_tests::Viewer::open(&url).await.goes_on(1).await;
    let watched = watch("the demo", &url, seconds(25)).await;
    assert_eq!(watched.complaints, "");
}
