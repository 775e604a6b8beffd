//! What viewers with a credential get, and what caches may keep of it.

use lsv_core::channel::Moment;
use lsv_core::hub::Publisher;

use super::*;

/// Lets in who has a token, for a minute; who has one called `own` for something that the address does not show.
#[derive(Debug)]
pub(in crate::http) struct Tokens;

#[async_trait]
impl Authorizer for Tokens {
    async fn authorize(&self, request: AccessRequest<'_>) -> Result<Grant, Denied> {
        let query = request.query.unwrap_or_default();
        if !query.contains("token=") {
            return Err(Denied::new(Reason::Missing, "no token"));
        }
        let channel = Arc::new(Channel::new(request.path.channel.clone(), request.now));
        let expires = Moment::from_unix(request.now.unix() + 60);
        let mut grant = Grant::new(channel, Some(expires));
        grant.inherited = &["token"];
        grant.is_personal = query.contains("token=own");
        grant.by_cookie = request.told.cookies == Some("sid=1");
        Ok(grant)
    }
}

/// A router with a stream that has everything, and its publisher.
async fn live() -> (axum::Router, Publisher) {
    let hub = Hub::default();
    let mut state = state(&hub);
    state.limits.wait = PATIENCE;
    state.authorizer = Arc::new(Tokens);
    let publisher = publish(&hub);
    let mut settings = publisher.stream().settings().borrow().clone();
    settings.cmaf = true;
    publisher.stream().set_settings(settings);
    let track = video();
    for second in 0..7 {
        push(&publisher, &track, second * 25, (second + 1) * 25);
        // The packager reads on the same thread.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (router(state), publisher)
}

async fn text(response: Response) -> String {
    String::from_utf8(body(response).await.to_vec()).unwrap()
}

/// The addresses in a playlist.
fn addresses(playlist: &str) -> Vec<&str> {
    playlist
        .lines()
        .filter_map(|line| match line.strip_prefix('#') {
            None => Some(line),
            Some(tag) => tag
                .split_once(",URI=\"")
                .or_else(|| tag.split_once(":URI=\""))?
                .1
                .split('"')
                .next(),
        })
        .filter(|address| !address.is_empty())
        .collect()
}

#[tokio::test]
async fn a_player_gets_everything_with_the_token_of_the_playlist() {
    let (router, _publisher) = live().await;
    assert_eq!(get(&router, "/cam/live.m3u8", &[]).await.status(), 403);
    let mut to_see: Vec<String> = ["live.m3u8?token=a", "master.m3u8?x=1&token=a"]
        .map(|name| format!("/cam/{name}"))
        .into();
    let mut seen = std::collections::HashSet::new();
    while let Some(path) = to_see.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let response = get(&router, &path, &[]).await;
        assert_eq!(response.status(), 200, "{path}");
        if field(&response, "content-type") != "application/vnd.apple.mpegurl" {
            let cache = field(&response, "cache-control");
            let cut = ["public, max-age=60", "public, max-age=59"];
            assert!(cut.contains(&cache), "{cache}");
            continue;
        }
        let (folder, _) = path.rsplit_once('/').unwrap();
        let playlist = text(response).await;
        let inside = addresses(&playlist);
        assert!(!inside.is_empty(), "{playlist}");
        for address in inside {
            assert!(address.ends_with("?token=a"), "{address}");
            // What is only hinted at is not there yet.
            let hint = format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{address}\"");
            if !playlist.contains(&hint) {
                to_see.push(format!("{folder}/{address}"));
            }
        }
    }
    assert!(seen.len() > 10, "{seen:?}");
}

#[tokio::test]
async fn directives_of_a_reload_are_not_inherited() {
    let (router, _publisher) = live().await;
    let path = "/cam/cmaf/video.m3u8?_HLS_msn=1&token=a&_HLS_part=0&_HLS_skip=YES";
    let playlist = text(get(&router, path, &[]).await).await;
    assert!(
        playlist.contains("?token=a\n") && !playlist.contains("_HLS_msn"),
        "{playlist}"
    );
}

#[tokio::test]
async fn a_manifest_too() {
    let (router, _publisher) = live().await;
    let response = get(&router, "/cam/manifest.mpd?token=a", &[]).await;
    let manifest = text(response).await;
    for inherited in [
        ".mp4?token=a\"",
        "$Time$.m4s?token=a\"",
        "value=\"time?token=a\"",
    ] {
        assert!(manifest.contains(inherited), "{inherited} {manifest}");
    }
}

#[tokio::test]
async fn every_form_of_an_inherited_playlist_is_whole() {
    let (router, _publisher) = live().await;
    let path = "/cam/live.m3u8?token=a";
    let plain = get(&router, path, &[]).await;
    let etag = field(&plain, "etag").to_owned();
    assert_eq!(field(&plain, "accept-ranges"), "none");
    let length = field(&plain, "content-length").to_owned();
    let plain = text(plain).await;
    assert_eq!(plain.len().to_string(), length);

    let head = Request::head(path).body(Body::empty()).unwrap();
    let head = ask(&router, head).await;
    assert_eq!(field(&head, "content-length"), length);
    let part = get(&router, path, &[("range", "bytes=0-9")]).await;
    assert_eq!(
        (part.status().as_u16(), text(part).await),
        (200, plain.clone())
    );

    let packed = get(&router, path, &[("accept-encoding", "gzip")]).await;
    assert_eq!(field(&packed, "content-encoding"), "gzip");
    let packed_etag = field(&packed, "etag").to_owned();
    let packed = body(packed).await;
    let mut unpacked = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&packed[..]);
    decoder.read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);

    assert_ne!(etag, packed_etag);
    let known = get(&router, path, &[("if-none-match", &etag)]).await;
    assert_eq!(known.status(), 304);
    let known = [
        ("if-none-match", &*packed_etag),
        ("accept-encoding", "gzip"),
    ];
    assert_eq!(get(&router, path, &known).await.status(), 304);
}

#[tokio::test]
async fn what_the_address_does_not_show_stays_with_the_viewer() {
    let (router, _publisher) = live().await;
    let playlist = get(&router, "/cam/live.m3u8?token=own", &[]).await;
    assert!(field(&playlist, "cache-control").starts_with("private"));
    let playlist = text(playlist).await;
    let segment = addresses(&playlist)[0].to_owned();
    let segment = get(&router, &format!("/cam/{segment}"), &[]).await;
    assert!(field(&segment, "cache-control").starts_with("private, max-age="));
    let page = get(&router, "/cam/?token=own", &[]).await;
    assert_eq!(field(&page, "cache-control"), "private, no-cache");
}

#[tokio::test]
async fn scripts_read_what_cookies_let_in_where_they_may_embed_it() {
    let (router, _publisher) = live().await;
    let origin = ("origin", "https://site.example");
    let path = "/cam/live.m3u8?token=a";
    let with = get(&router, path, &[origin, ("cookie", "sid=1")]).await;
    assert_eq!(field(&with, "access-control-allow-origin"), origin.1);
    assert_eq!(field(&with, "access-control-allow-credentials"), "true");
    assert_eq!(field(&with, "vary"), "Accept-Encoding");
    assert!(
        with.headers()
            .get_all("vary")
            .iter()
            .any(|vary| vary == "Origin")
    );
    for fields in [&[origin][..], &[origin, ("cookie", "sid=2")]] {
        let without = get(&router, path, fields).await;
        assert_eq!(field(&without, "access-control-allow-origin"), "*");
        assert_eq!(field(&without, "access-control-allow-credentials"), "");
    }
}

#[cfg(feature = "record")]
#[tokio::test]
async fn recordings_too() {
    use crate::record::tests::Store;
    use lsv_core::ports::{ObjectName, ObjectStore};

    let store = Store::default();
    let playlist =
        "#EXTM3U\n#EXT-X-MAP:URI=\"init-0.mp4\"\n#EXTINF:60,\nsegment-0.m4s\n".repeat(9_000);
    let thumbnails = "WEBVTT\n\n00:00:00.000 --> 00:00:10.000\nthumbnails-0.jpg#xywh=0,0,160,90\n";
    for (name, bytes) in [
        ("index.m3u8", playlist.as_str()),
        ("thumbnails.vtt", thumbnails),
    ] {
        let name = ObjectName::parse(&format!("record/cam/vod/now/{name}")).unwrap();
        store
            .put(&name, Bytes::from(bytes.to_owned()))
            .await
            .unwrap();
    }
    let mut state = state(&Hub::default()).with_recordings(Arc::new(store));
    state.authorizer = Arc::new(Tokens);
    let router = router(state);
    let see =
        async |name: &str| text(get(&router, &format!("/cam/vod/{name}?token=a"), &[]).await).await;

    let listing = see("").await;
    for url in ["now/index.m3u8", "now/thumbnails.vtt"] {
        assert!(listing.contains(&format!("\"{url}?token=a\"")), "{listing}");
    }
    let inherited = see("now/index.m3u8").await;
    assert_eq!(inherited.replace("?token=a", ""), playlist);
    assert_eq!(inherited.matches("?token=a").count(), 18_000);
    assert!(
        see("now/thumbnails.vtt")
            .await
            .contains("-0.jpg?token=a#xywh=")
    );
    let head = Request::head("/cam/vod/now/index.m3u8?token=a");
    let head = ask(&router, head.body(Body::empty()).unwrap()).await;
    assert_eq!(
        (head.status().as_u16(), field(&head, "content-length")),
        (200, "")
    );
    let etag = field(&head, "etag").to_owned();
    let known = get(
        &router,
        "/cam/vod/now/index.m3u8?token=a",
        &[("if-none-match", &etag)],
    )
    .await;
    assert_eq!(known.status(), 304);
}
