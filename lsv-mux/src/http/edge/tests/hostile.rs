//! Viewers and upstreams that mean harm, or do it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// An upstream that answers every connection with these bytes and closes it, `keep_open` after them.
async fn raw(answer: Vec<u8>, keep_open: bool) -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut head = [0; 4096];
                if socket.read(&mut head).await.is_ok_and(|read| read > 0) {
                    drop(socket.write_all(&answer).await);
                }
                while keep_open && socket.read(&mut head).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    Upstream::new(base(address))
}

fn quick(_: &mut Config, limits: &mut Limits) {
    limits.head = Duration::from_millis(300);
    limits.playlist = Duration::from_millis(300);
    limits.idle = Duration::from_millis(300);
}

#[tokio::test]
async fn paths_and_queries_that_lead_elsewhere_never_reach_upstream() {
    let node = Node::start(async |_| media(Bytes::from("x"))).await;
    let front = Front::of(vec![node.upstream()]);
    let long = format!("/cam/vod/{}", "a/".repeat(32_000));
    for path in [
        "/cam/../other/live.m3u8",
        "/cam/vod/../../etc/passwd",
        "/cam/vod/..%2f..%2fetc%2fpasswd",
        "/cam/vod/%2e%2e/x.mp4",
        "/cam/vod/x%00.mp4",
        "/cam/vod/x.mp4%00",
        "/cam/vod//x.mp4",
        "/cam/vod/.hidden",
        "/cam/vod/x%2f.mp4",
        "/cam/vod/a\\b.mp4",
        "/cam/cmaf/%2e%2e/live.m3u8",
        "/cam%2flive.m3u8",
        &long,
        "/cam/vod/x.mp4/",
    ] {
        assert_eq!(
            front.get(path).await.status(),
            StatusCode::NOT_FOUND,
            "{}",
            &path[..20]
        );
    }
    let query = format!("/cam/live.m3u8?{}", "a=b&".repeat(16_000));
    assert_eq!(front.get(&query).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!((node.count(), front.edge.held().values), (0, 0));
}

#[tokio::test]
async fn a_thousand_ranges_are_no_range() {
    let node = Node::start(async |_| media(counted(10_000))).await;
    let front = Front::of(vec![node.upstream()]);
    let ranges: Vec<String> = (0..1_000).map(|n| format!("{n}-{}", n + 1)).collect();
    let response = front
        .ask(
            SEGMENT,
            &[("range", &format!("bytes={}", ranges.join(",")))],
        )
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(body(response).await.len(), 10_000);
}

/// Whoever makes up names pushes out nothing, and costs what the limits say.
#[tokio::test]
async fn a_hundred_thousand_unknown_channels_are_bounded() {
    let node = Node::start(async |_| media(counted(1000))).await;
    let front = Front::of(vec![node.upstream()]);
    body(front.get(SEGMENT).await).await;
    let most = Limits::default().absences;
    for number in 0..100_000 {
        let response = front.get(&format!("/unknown-{number}/live.m3u8")).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
    let held = front.edge.held();
    assert!(
        held.absences <= most && held.values == 1 && held.bytes < 4096,
        "{held:?}"
    );
    assert_eq!(node.count(), 1);
    let again = front.get(SEGMENT).await;
    assert_eq!(field(&again, "x-cache"), "HIT");
}

#[tokio::test]
async fn what_is_not_there_is_asked_for_once_in_a_while() {
    let node = Node::start(async |_| StatusCode::NOT_FOUND.into_response()).await;
    let front = Front::of(vec![node.upstream()]);
    let counters = Counters::default();
    let guard = metrics::set_default_local_recorder(&counters);
    for _ in 0..10 {
        assert_eq!(front.get(SEGMENT).await.status(), StatusCode::NOT_FOUND);
    }
    drop(guard);
    assert_eq!(node.count(), 1);
    assert_eq!(
        counters.of("lsv_edge_requests_total kind=segment result=negative"),
        9
    );
    tokio::time::sleep(Limits::default().absence).await;
    front.get(SEGMENT).await;
    assert_eq!(node.count(), 2);
}

#[tokio::test]
async fn a_request_that_comes_around_again_is_refused() {
    let node = Node::start(async |_| StatusCode::LOOP_DETECTED.into_response()).await;
    let front = Front::of(vec![node.upstream()]);
    let around = front
        .ask(SEGMENT, &[("via", "1.1 edge-2, 1.1 edge-1, 1.1 edge-3")])
        .await;
    assert_eq!(around.status(), StatusCode::LOOP_DETECTED);
    assert_eq!(node.count(), 0);
    let further = front.ask(SEGMENT, &[("via", "1.1 edge-2")]).await;
    assert_eq!(further.status(), StatusCode::LOOP_DETECTED);
    assert_eq!(node.last()[header::VIA], "1.1 *, 1.1 edge-1");
}

#[tokio::test]
async fn upstreams_that_talk_nonsense_are_a_bad_gateway() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let long = format!("{ok}X: {}\r\n\r\n", "x".repeat(200 << 10));
    for (what, answer) in [
        ("nothing", String::new()),
        ("garbage", "\0\u{1}\u{2}garbage\r\n\r\n".repeat(50)),
        ("another protocol", "SSH-2.0-OpenSSH_9.2\r\n".to_owned()),
        ("a head without end", long),
        (
            "two lengths",
            format!("{ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        ),
        ("no length", format!("{ok}Content-Length: -1\r\n\r\n")),
        (
            "a body too short",
            format!("{ok}Content-Length: 100\r\n\r\nhalf"),
        ),
        (
            "half a chunk",
            format!("{ok}Transfer-Encoding: chunked\r\n\r\nff\r\nhalf"),
        ),
        (
            "compression",
            format!("{ok}Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx"),
        ),
        (
            "a part",
            "HTTP/1.1 206 P\r\nContent-Range: bytes 0-0/9\r\nContent-Length: 1\r\n\r\nx".to_owned(),
        ),
        (
            "a redirect",
            "HTTP/1.1 302 F\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
                .to_owned(),
        ),
        ("unmodified", "HTTP/1.1 304 N\r\n\r\n".to_owned()),
        (
            "a refusal",
            "HTTP/1.1 403 F\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
    ] {
        let front = Front::with(vec![raw(answer.into_bytes(), false).await], quick);
        let response = front.get("/cam/live.m3u8").await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{what}");
        let text = body(response).await;
        assert!(
            !String::from_utf8_lossy(&text).contains("127.0.0.1"),
            "{what}"
        );
        let held = front.edge.held();
        assert_eq!(
            (held.values, held.fetches, held.waiting),
            (0, 0, 0),
            "{what}"
        );
    }
}

/// Half an object is cut off for who reads it, and nobody gets it again.
#[tokio::test]
async fn what_breaks_in_the_middle_is_not_kept() {
    let half = format!(
        "HTTP/1.1 200 OK\r\nCache-Control: {IMMUTABLE}\r\nContent-Length: 200000\r\n\r\n{}",
        "x".repeat(100_000)
    );
    let front = Front::with(vec![raw(half.into_bytes(), false).await], quick);
    let mut read = front.get(SEGMENT).await.into_body().into_data_stream();
    let mut length = 0;
    let cut = loop {
        match read.next().await {
            Some(Ok(piece)) => length += piece.len(),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(cut && length <= 100_000, "{length} bytes, cut: {cut}");
    let held = front.edge.held();
    assert_eq!((held.values, held.fetches), (0, 0));
    // The next who asks gets it from one that is well.
    let node = Node::start(async |_| media(counted(200_000))).await;
    *front.known.upstreams.lock().unwrap() = vec![node.upstream()];
    assert_eq!(body(front.get(SEGMENT).await).await, counted(200_000));
}

/// The rest of the very same object comes from another upstream, and the viewer notices nothing.
#[tokio::test]
async fn another_upstream_goes_on_where_one_broke_off() {
    let whole = counted(200_000);
    let mut half = format!(
        "HTTP/1.1 200 OK\r\nETag: \"m\"\r\nCache-Control: {IMMUTABLE}\r\nContent-Length: 200000\r\n\r\n"
    )
    .into_bytes();
    half.extend_from_slice(&whole[..100_000]);
    let rest = whole.clone();
    let node = Node::start(move |parts| {
        let range = parts.headers[header::RANGE].to_str().unwrap().to_owned();
        let first: usize = range[6..].split_once('-').unwrap().0.parse().unwrap();
        let fields = [
            (header::ETAG, "\"m\"".to_owned()),
            (
                header::CONTENT_RANGE,
                format!("bytes {first}-199999/200000"),
            ),
        ];
        let status = StatusCode::PARTIAL_CONTENT;
        std::future::ready((status, fields, rest.slice(first..)).into_response())
    })
    .await;
    let upstreams = vec![raw(half, false).await, node.upstream()];
    let front = Front::with(upstreams, quick);
    assert_eq!(body(front.get(SEGMENT).await).await, whole);
    let again = front.get(SEGMENT).await;
    assert_eq!(field(&again, "x-cache"), "HIT");
    assert_eq!(body(again).await, whole);
    assert_eq!(node.count(), 1);
}

#[tokio::test]
async fn upstreams_that_take_for_ever_are_given_up() {
    let silent = raw(Vec::new(), true).await;
    let front = Front::with(vec![silent], quick);
    let response = front.get("/cam/live.m3u8").await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    // A head, and then no more.
    let slow = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\nxxxx".to_vec();
    let front = Front::with(vec![raw(slow, true).await], quick);
    let mut read = front.get(SEGMENT).await.into_body().into_data_stream();
    assert_eq!(read.next().await.unwrap().unwrap(), "xxxx");
    assert!(read.next().await.unwrap().is_err());
    let held = front.edge.held();
    assert_eq!((held.values, held.fetches), (0, 0));
}

#[tokio::test]
async fn more_than_an_object_may_have_is_cut_off() {
    let endless = Node::start(async |_| {
        let zeros =
            futures::stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![0; 1 << 16])));
        HttpBody::from_stream(zeros).into_response()
    })
    .await;
    let front = Front::with(vec![endless.upstream()], |_, limits| {
        limits.object_bytes = 1 << 20
    });
    let mut read = front.get(SEGMENT).await.into_body().into_data_stream();
    let mut length = 0;
    while let Some(Ok(piece)) = read.next().await {
        length += piece.len();
    }
    assert!(length <= 1 << 20, "{length}");
    // A playlist is taken whole before anybody sees any of it.
    let response = front.get("/cam/live.m3u8").await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(
        front
            .edge
            .0
            .arriving
            .load(std::sync::atomic::Ordering::Relaxed),
        0
    );
}

/// A viewer who stops reading holds nothing for longer than the limit; the fetch goes on without.
#[tokio::test]
async fn a_viewer_who_does_not_read_is_let_go() {
    let node = Node::start(async |_| media(counted(4 << 20))).await;
    let front = Front::with(vec![node.upstream()], |_, limits| {
        limits.stall = Duration::from_millis(200);
    });
    let stall = Stall::default();
    let mut request = Request::get(SEGMENT).body(HttpBody::empty()).unwrap();
    request.extensions_mut().insert(stall.clone());
    let response = super::super::super::tests::ask(&front.router, request).await;
    stall.happened().await;
    let mut read = response.into_body().into_data_stream();
    assert!(read.next().await.unwrap().is_err());
    let again = front.get(SEGMENT).await;
    assert_eq!(body(again).await.len(), 4 << 20);
    assert_eq!(node.count(), 1);
}

/// Whoever causes a fetch and leaves does not end it for the others.
#[tokio::test]
async fn a_fetch_goes_on_when_the_one_who_caused_it_leaves() {
    let go = Arc::new(Notify::new());
    let gate = Arc::clone(&go);
    let node = Node::start(move |_| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            media(counted(1000))
        }
    })
    .await;
    let front = Front::of(vec![node.upstream()]);
    let mut first = Box::pin(front.get(SEGMENT));
    assert!(first.as_mut().now_or_never().is_none());
    drop(first);
    let second = tokio::spawn({
        let router = front.router.clone();
        async move { get(&router, SEGMENT, &[]).await }
    });
    while front.edge.held().waiting == 0 {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    let second = second.await.unwrap();
    assert_eq!(field(&second, "x-cache"), "COALESCED");
    assert_eq!(body(second).await.len(), 1000);
    assert_eq!(node.count(), 1);
}
