//! Posters, asked for as pages and caches do.

use std::time::{SystemTime, UNIX_EPOCH};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use lsv_core::ports::{ObjectName, ObjectStore};

use super::*;
use crate::poster::{NoPoster, Poster, Posters};
use crate::record::tests::Store;

#[derive(Debug)]
struct Painter(Result<Poster, NoPoster>);

impl Posters for Painter {
    fn poster<'a>(
        &'a self,
        _: &'a Arc<lsv_core::hub::Stream>,
    ) -> BoxFuture<'a, Result<Poster, NoPoster>> {
        std::future::ready(self.0.clone()).boxed()
    }
}

fn taken(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn router_with(hub: &Hub, painted: Result<Poster, NoPoster>) -> axum::Router {
    router(state(hub).with_posters(Arc::new(Painter(painted))))
}

#[tokio::test]
async fn a_poster_is_sent_once_and_then_known() {
    let hub = Hub::default();
    let _publisher = publish(&hub);
    let poster = Poster::new(Bytes::from_static(b"picture"), taken(784_111_777));
    let router = router_with(&hub, Ok(poster));
    let sent = get(&router, "/cam/poster.jpg", &[]).await;
    assert_eq!(sent.status(), 200);
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("content-length", "7"),
        ("cache-control", "public, max-age=1"),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(field(&sent, name), value, "{name}");
    }
    let etag = field(&sent, "etag").to_owned();
    assert_eq!(&body(sent).await[..], b"picture");
    let head = Request::head("/cam/poster.jpg")
        .body(Body::empty())
        .unwrap();
    let head = ask(&router, head).await;
    assert_eq!(
        (head.status().as_u16(), field(&head, "content-length")),
        (200, "7")
    );
    assert!(body(head).await.is_empty());
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (known, status) in [
        (&[("if-none-match", etag.as_str())][..], 304),
        (&[("if-modified-since", date)], 304),
        (
            &[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")],
            200,
        ),
        (
            &[("if-none-match", "\"x\""), ("if-modified-since", date)],
            200,
        ),
    ] {
        let answer = get(&router, "/cam/poster.jpg", known).await;
        assert_eq!(answer.status(), status, "{known:?}");
        assert_eq!(body(answer).await.is_empty(), status == 304);
    }
}

#[tokio::test]
async fn who_may_not_watch_sees_no_picture() {
    let hub = Hub::default();
    let _publisher = publish(&hub);
    let router = router_with(&hub, Ok(Poster::new(Bytes::new(), taken(1))));
    for (denied, status) in [("mismatch", 403), ("unknown", 404), ("unavailable", 503)] {
        let path = format!("/cam/poster.jpg?denied={denied}");
        assert_eq!(get(&router, &path, &[]).await.status(), status, "{denied}");
    }
}

#[tokio::test]
async fn no_picture_is_said_with_its_reason() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    for (painted, status) in [
        (NoPoster::NoPicture, 404),
        (NoPoster::Busy, 503),
        (NoPoster::Impossible("pictures need ffmpeg".to_owned()), 503),
    ] {
        let router = router_with(&hub, Err(painted.clone()));
        let answer = get(&router, "/cam/poster.jpg", &[]).await;
        assert_eq!(answer.status(), status, "{painted:?}");
        assert_eq!(problem(answer).await["detail"], painted.to_string());
    }
    let router = router(state(&hub));
    assert_eq!(get(&router, "/cam/poster.jpg", &[]).await.status(), 404);
    publisher.finish();
    assert_eq!(get(&router, "/cam/poster.jpg", &[]).await.status(), 404);
}

#[tokio::test]
async fn a_channel_that_is_not_live_shows_its_last_picture() {
    let store = Store::default();
    let router = router(state(&Hub::default()).with_recordings(Arc::new(store.clone())));
    let none = get(&router, "/cam/poster.jpg", &[]).await;
    assert_eq!(none.status(), 404);
    for (day, content) in [("20", "older"), ("21", "newer")] {
        let name = format!("record/cam/images/2026/11/{day}/capture-202611{day}T101112.345Z.jpg");
        let name = ObjectName::parse(&name).unwrap();
        store.put(&name, content.into()).await.unwrap();
    }
    let sent = get(&router, "/cam/poster.jpg", &[]).await;
    assert_eq!(sent.status(), 200);
    assert_eq!(field(&sent, "content-type"), "image/jpeg");
    assert!(!field(&sent, "last-modified").is_empty());
    assert_eq!(&body(sent).await[..], b"newer");
    let rendition = get(&router, "/cam/360p/poster.jpg", &[]).await;
    assert_eq!(rendition.status(), 404);
}
