//! Files that are too large to be held whole, and the tier on disk.

use tempfile::TempDir;

use super::*;

const CHUNK: usize = 4 << 10;
const FILE: &str = "/cam/vod/mp4/2026/11/23/capture-1.mp4";

/// A node with one file, which it gives as nodes do: whole, in a range, or not again.
async fn file_server(bytes: Bytes, tag: &'static str) -> Node {
    Node::start(move |parts| std::future::ready(file(&bytes, tag, &parts))).await
}

fn file(bytes: &Bytes, tag: &str, parts: &Parts) -> Response {
    let common = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_TYPE, "video/mp4"),
    ];
    if parts
        .headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known == tag)
    {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let range = parts
        .headers
        .get(header::RANGE)
        .map(|range| range.to_str().unwrap());
    let Some(range) = range else {
        return (common, bytes.clone()).into_response();
    };
    let (first, last) = range
        .strip_prefix("bytes=")
        .unwrap()
        .split_once('-')
        .unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let last = last.min(bytes.len() - 1);
    let content_range = format!("bytes {first}-{last}/{}", bytes.len());
    let status = StatusCode::PARTIAL_CONTENT;
    let part = bytes.slice(first..=last);
    (
        status,
        common,
        [(header::CONTENT_RANGE, content_range)],
        part,
    )
        .into_response()
}

fn small_chunks(_: &mut Config, limits: &mut Limits) {
    limits.chunk_bytes = CHUNK;
    limits.object_bytes = CHUNK * 4;
}

#[tokio::test]
async fn a_large_file_comes_in_the_chunks_that_are_asked_for() {
    let bytes = counted(CHUNK * 100 + 77);
    let node = file_server(bytes.clone(), "\"f\"").await;
    let front = Front::with(vec![node.upstream()], small_chunks);
    // Into the middle, across a border.
    let (first, last) = (CHUNK * 50 - 10, CHUNK * 50 + 9);
    let range = format!("bytes={first}-{last}");
    let part = front.ask(FILE, &[("range", &range)]).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    let content_range = format!("bytes {first}-{last}/{}", bytes.len());
    assert_eq!(field(&part, "content-range"), content_range);
    assert_eq!(body(part).await, bytes.slice(first..=last));
    // The first, which told how long it is, and the two.
    assert_eq!(node.count(), 3);
    let end = front.ask(FILE, &[("range", "bytes=-5")]).await;
    assert_eq!(field(&end, "x-cache"), "HIT");
    assert_eq!(body(end).await, bytes.slice(bytes.len() - 5..));
    let whole = front.get(FILE).await;
    assert_eq!(field(&whole, "content-length"), bytes.len().to_string());
    assert_eq!(body(whole).await, bytes);
    let asked = node.count();
    assert_eq!(asked, 101);
    assert_eq!(body(front.get(FILE).await).await, bytes);
    assert_eq!(node.count(), asked);
    // It may change: after a while it is asked whether it has.
    tokio::time::sleep(Limits::default().recorded).await;
    let head = Request::head(FILE).body(HttpBody::empty()).unwrap();
    let head = super::super::super::tests::ask(&front.router, head).await;
    assert_eq!(field(&head, "content-length"), bytes.len().to_string());
    assert_eq!(node.last()[header::IF_NONE_MATCH], "\"f\"");
    assert_eq!(node.count(), asked + 1);
}

#[tokio::test]
async fn memory_holds_no_more_than_it_may_however_large_the_file() {
    let bytes = counted(CHUNK * 200);
    let node = file_server(bytes.clone(), "\"f\"").await;
    let front = Front::with(vec![node.upstream()], |config, limits| {
        small_chunks(config, limits);
        limits.memory_bytes = CHUNK * 20;
    });
    let mut whole = front.get(FILE).await.into_body().into_data_stream();
    let mut length = 0;
    while let Some(piece) = whole.next().await {
        length += piece.unwrap().len();
        assert!(front.edge.held().bytes <= CHUNK * 20);
    }
    assert_eq!(length, bytes.len());
}

#[tokio::test]
async fn a_segment_larger_than_objects_may_be_comes_in_chunks_too() {
    let bytes = counted(CHUNK * 6);
    let node = file_server(bytes.clone(), "\"f\"").await;
    let front = Front::with(vec![node.upstream()], small_chunks);
    let whole = front.get("/cam/vod/s/segment-1.m4s").await;
    assert_eq!(body(whole).await, bytes);
    assert!(front.edge.held().values >= 7);
}

#[tokio::test]
async fn a_file_that_is_replaced_while_it_is_read_is_cut_off_and_then_another() {
    let files = [
        (counted(CHUNK * 10), "\"old\""),
        (Bytes::from(vec![9; CHUNK * 10]), "\"new\""),
    ];
    let current = Arc::new(Mutex::new(files[0].clone()));
    let given = Arc::clone(&current);
    let node = Node::start(move |parts| {
        let (bytes, tag) = given.lock().unwrap().clone();
        std::future::ready(file(&bytes, tag, &parts))
    })
    .await;
    let front = Front::with(vec![node.upstream()], small_chunks);
    let mut read = front.get(FILE).await.into_body().into_data_stream();
    let first = read.next().await.unwrap().unwrap();
    *current.lock().unwrap() = files[1].clone();
    // What was on its way may still come; of the new file nothing does.
    let mut seen = first.len();
    let cut = loop {
        match read.next().await {
            Some(Ok(piece)) => {
                assert_eq!(piece, files[0].0.slice(seen..seen + piece.len()));
                seen += piece.len();
            }
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(cut && seen < files[0].0.len());
    let again = front.get(FILE).await;
    assert_eq!(field(&again, "etag"), "\"new\"");
    assert_eq!(body(again).await, files[1].0);
}

#[tokio::test]
async fn what_has_no_room_in_memory_is_on_disk() {
    let folder = TempDir::new().unwrap();
    let old = format!("{}-7", "a".repeat(64));
    for name in [old.as_str(), "somebody-elses.txt"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    let bytes = counted(CHUNK * 10);
    let node = file_server(bytes.clone(), "\"f\"").await;
    let path = folder.path().to_owned();
    let front = Front::with(vec![node.upstream()], |config, limits| {
        small_chunks(config, limits);
        limits.memory_bytes = CHUNK * 3;
        limits.disk_bytes = CHUNK * 20;
        limits.recorded = Duration::from_secs(3600);
        config.folder = Some(path);
    });
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    };
    // What an earlier process left is gone, and what is not ours is not touched.
    assert_eq!(names(), ["somebody-elses.txt"]);
    let disk = front.edge.0.disk.as_ref().unwrap();
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    // A disk that is behind keeps less; what it did not keep comes again.
    while disk.held().bytes < CHUNK * 10 {
        assert!(
            tokio::time::Instant::now() < until,
            "{} bytes on disk",
            disk.held().bytes
        );
        assert_eq!(body(front.get(FILE).await).await, bytes);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = node.count();
    assert_eq!(body(front.get(FILE).await).await, bytes);
    let since: Vec<_> = node.asked.lock().unwrap()[asked..].to_vec();
    assert!(since.len() <= 1, "no chunk is fetched again: {since:?}");

    // Bytes that are others are as good as none.
    for name in names() {
        if name.len() > 64 {
            std::fs::write(folder.path().join(name), "damaged").unwrap();
        }
    }
    assert_eq!(body(front.get(FILE).await).await, bytes);

    // What goes out of the budget goes from the disk.
    for number in 0..8 {
        let other = FILE.replace("capture-1", &format!("other-{number}"));
        assert_eq!(body(front.get(&other).await).await, bytes);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let on_disk = || -> u64 {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        entries
            .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
            .sum()
    };
    while on_disk() > (CHUNK * 20) as u64 {
        assert!(
            tokio::time::Instant::now() < until,
            "{} bytes on disk",
            on_disk()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whoever has a recording of crumbs fills no disk with files, and no memory with what is known of them.
#[tokio::test]
async fn files_on_disk_are_counted() {
    const MOST: usize = 5;
    let folder = TempDir::new().unwrap();
    let node = Node::start(async |_| media(Bytes::from("x"))).await;
    let path = folder.path().to_owned();
    let front = Front::with(vec![node.upstream()], |config, limits| {
        limits.disk_files = MOST;
        limits.recorded = Duration::from_secs(3600);
        config.folder = Some(path);
    });
    let disk = front.edge.0.disk.as_ref().unwrap();
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    for number in 0..MOST * 4 {
        let crumb = format!("/cam/vod/20261123T000000Z/segment-{number}.m4s");
        assert_eq!(body(front.get(&crumb).await).await, "x");
        // It is written in its own time.
        while disk.held().values < MOST.min(number + 1) {
            assert!(tokio::time::Instant::now() < until, "{number}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(disk.held().values <= MOST);
    }
    while files() > MOST {
        assert!(tokio::time::Instant::now() < until, "{} files", files());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
