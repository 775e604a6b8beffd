//! Low-latency DASH on the wire: a segment is on its way before it is complete, and tells when it was made.

use std::time::{Duration, SystemTime};

use futures::StreamExt as _;
use lsv_tests::{Picture, Server, eventually, mpd::newest};
use reqwest::{Client, Response};

#[tokio::test]
async fn a_segment_is_sent_while_it_grows() {
    let server = Server::start(&[]).await;
    let key = server.api().channel("cam").await;
    let before = SystemTime::now();
    let _publisher = Picture::default().push(&server.rtmp(&key));
    let client = Client::new();
    let manifest = server.http("/cam/manifest.mpd");
    let (url, mut got, mut pieces) = eventually("a segment that grows", async || {
        let name = newest(&text(client.get(&manifest)).await?)?;
        let url = server.http(&format!("/cam/{name}"));
        let mut pieces = answer(client.get(&url)).await?.bytes_stream();
        let first = pieces.next().await?.ok()?.to_vec();
        // Asked when bytes of it are here: it is not complete, or its length would be known.
        let head = answer(client.head(&url)).await?;
        let grows = !head.headers().contains_key("content-length");
        grows.then_some((url, first, pieces))
    })
    .await;
    let produced = produced(&got).expect("a prft in front");
    assert!(produced > before - CLOCK && produced < SystemTime::now() + CLOCK);

    while let Some(piece) = pieces.next().await {
        got.extend_from_slice(&piece.expect("the body ends well"));
    }
    let whole = answer(client.get(&url)).await.expect("the whole segment");
    assert_eq!(whole.content_length(), Some(got.len() as u64));
    assert_eq!(whole.bytes().await.expect("its bytes"), got);
    // A part of it is had from what is complete.
    let part = answer(client.get(&url).header("range", "bytes=4-7")).await;
    assert_eq!(
        part.expect("a part").bytes().await.expect("its bytes"),
        b"prft"[..]
    );
}

async fn answer(request: reqwest::RequestBuilder) -> Option<Response> {
    request.send().await.ok()?.error_for_status().ok()
}

async fn text(request: reqwest::RequestBuilder) -> Option<String> {
    answer(request).await?.text().await.ok()
}

/// The wall clock of the `prft` that a segment opens with (ISO/IEC 14496-12 §8.16.5).
fn produced(segment: &[u8]) -> Option<SystemTime> {
    let content = segment
        .get(4..24)?
        .strip_prefix(b"prft\x01\0\0\0\0\0\0\x01")?;
    let seconds = u32::from_be_bytes(content.get(..4)?.try_into().ok()?);
    let since_1970 = u64::from(seconds).checked_sub(FROM_1900_TO_1970)?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(since_1970))
}

const FROM_1900_TO_1970: u64 = 2_208_988_800;

/// The fraction of a second that is not looked at, and more.
const CLOCK: Duration = Duration::from_secs(2);
