//! The console, asked for as browsers and caches do.

use async_trait::async_trait;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;
use lsv_core::channel::{Authority, Channel};
use lsv_core::path::ChannelId;
use lsv_core::ports::{self, Page, PageRequest, Precondition, StreamDns, VersionedChannel};
use tower::ServiceExt;

use super::*;

/// A store that knows domain names alone.
#[derive(Debug)]
enum Names {
    Pull(Option<&'static str>),
    Away,
    Silent,
}

#[async_trait]
impl ChannelStore for Names {
    async fn stream_dns(&self) -> ports::Result<StreamDns> {
        match self {
            Self::Pull(name) => Ok(StreamDns {
                push: None,
                pull: name.map(|name| Authority::parse(name).unwrap()),
            }),
            Self::Away => Err(ports::Error::unavailable("away")),
            Self::Silent => std::future::pending().await,
        }
    }

    async fn get(&self, _: &ChannelId) -> ports::Result<VersionedChannel> {
        unreachable!()
    }

    async fn put(&self, _: &Channel, _: Precondition) -> ports::Result<u64> {
        unreachable!()
    }

    async fn delete(&self, _: &ChannelId) -> ports::Result<()> {
        unreachable!()
    }

    async fn list(&self, _: &PageRequest) -> ports::Result<Page<Channel>> {
        unreachable!()
    }

    async fn put_stream_dns(&self, _: &StreamDns) -> ports::Result<()> {
        unreachable!()
    }
}

async fn send(names: Names, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let listeners = Listeners {
        http: "0.0.0.0:8080".parse().unwrap(),
        https: Some("0.0.0.0:8443".parse().unwrap()),
        rtmp: "0.0.0.0:1935".parse().unwrap(),
        rtmps: None,
    };
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let router = router(Arc::new(names), listeners);
    router.oneshot(request).await.unwrap()
}

async fn get(path: &str, headers: &[(&str, &str)]) -> Response {
    send(Names::Pull(None), Method::GET, path, headers).await
}

fn field<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

async fn body(response: Response) -> Bytes {
    to_bytes(response.into_body(), usize::MAX).await.unwrap()
}

async fn policy_for(names: Names, headers: &[(&str, &str)]) -> String {
    let response = send(names, Method::GET, "/console/", headers).await;
    assert_eq!(response.status(), StatusCode::OK);
    field(&response, "content-security-policy").to_owned()
}

const HERE: [(&str, &str); 1] = [("host", "live.example.com:8080")];

#[tokio::test]
async fn the_page_names_only_what_is_there() {
    let response = get("/console/", &HERE).await;
    assert_eq!(field(&response, "content-type"), "text/html; charset=utf-8");
    assert_eq!(field(&response, "cache-control"), "no-cache");
    let text = String::from_utf8(body(response).await.to_vec()).unwrap();
    for word in ["@console", "@modules", "@players"] {
        assert!(!text.contains(word), "{word}");
    }
    assert!(text.contains(&format!("\"../{}\"", players_path())));
    let prefix = format!("{}/", CONSOLE.files.version());
    let named: Vec<&str> = text
        .split('"')
        .filter(|it| it.starts_with(&prefix))
        .collect();
    let is_own_script = |name: &&str| name.ends_with(".js") && !name.starts_with("vendor/");
    let scripts = CONSOLE.files.names().filter(is_own_script);
    for script in scripts {
        assert!(named.contains(&&*format!("{prefix}{script}")), "{script}");
    }
    for name in named {
        let response = get(&format!("/console/{name}"), &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        assert_eq!(
            field(&response, "cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(field(&response, "x-content-type-options"), "nosniff");
    }
}

#[test]
fn every_file_is_embedded() {
    let names: Vec<&str> = CONSOLE.files.names().collect();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("console");
    let mut folders = vec![root.clone()];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if name != PAGE && !name.ends_with(".md") {
                assert!(names.contains(&name), "{name}");
                found += 1;
            }
        }
    }
    assert_eq!(found, names.len());
}

#[tokio::test]
async fn an_address_without_a_slash_leads_to_the_page() {
    let response = get("/console", &HERE).await;
    assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(field(&response, "location"), "console/");
}

#[tokio::test]
async fn caches_get_what_they_ask_for() {
    for path in ["/console/", "/console/v/main.js"] {
        let plain = get(path, &HERE).await;
        assert_eq!(field(&plain, "cache-control"), "no-cache", "{path}");
        let etag = field(&plain, "etag").to_owned();
        let plain = body(plain).await;

        let head = send(Names::Pull(None), Method::HEAD, path, &HERE).await;
        assert_eq!(field(&head, "content-length"), plain.len().to_string());
        assert_eq!(field(&head, "etag"), etag);
        assert!(body(head).await.is_empty());

        let known = get(path, &[HERE[0], ("if-none-match", &etag)]).await;
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED, "{path}");

        let packed = get(path, &[HERE[0], ("accept-encoding", "br, gzip")]).await;
        assert_eq!(field(&packed, "content-encoding"), "gzip", "{path}");
        assert_ne!(field(&packed, "etag"), etag);
        assert!(body(packed).await.starts_with(&[0x1f, 0x8b]));
    }
    let unchanged = get("/console/", &[HERE[0], ("if-none-match", "*")]).await;
    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
    assert!(field(&unchanged, "content-security-policy").starts_with("default-src 'none'"));
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    for path in [
        "/console/v/none.js",
        "/console/v/index.html",
        "/console/v/vendor/README.md",
    ] {
        let response = get(path, &[]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(field(&response, "content-type"), "application/problem+json");
    }
    let posted = send(Names::Pull(None), Method::POST, "/console/", &HERE).await;
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(field(&posted, "content-type"), "application/problem+json");
}

#[tokio::test]
async fn the_page_is_bounded() {
    let response = get("/console/", &HERE).await;
    assert_eq!(
        field(&response, "content-security-policy"),
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
         img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; worker-src 'self' blob:; \
         manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    assert_eq!(field(&response, "referrer-policy"), "same-origin");
    assert_eq!(field(&response, "x-frame-options"), "DENY");
    assert_eq!(
        field(&response, "cross-origin-opener-policy"),
        "same-origin"
    );
    assert!(field(&response, "permissions-policy").contains("camera=()"));
}

#[tokio::test]
async fn media_may_come_from_where_play_addresses_lead() {
    let policy = policy_for(Names::Pull(Some("cdn.example.com:9000")), &HERE).await;
    assert!(policy.contains("media-src 'self' blob: http://cdn.example.com:9000;"));
    assert!(policy.contains("img-src 'self' data: blob: http://cdn.example.com:9000;"));
    let connect = "connect-src 'self' http://cdn.example.com:9000 ws://cdn.example.com:9000;";
    assert!(policy.contains(connect), "{policy}");
    assert!(policy.contains("script-src 'self';"));

    let secured = policy_for(Names::Pull(Some("cdn.example.com:443")), &HERE).await;
    let connect = "connect-src 'self' https://cdn.example.com wss://cdn.example.com;";
    assert!(secured.contains(connect), "{secured}");

    // A host without a port is on the scheme's own, and play addresses have the listener's.
    let other = policy_for(Names::Pull(None), &[("host", "live.example.com")]).await;
    assert!(
        other.contains("connect-src 'self' http://live.example.com:8080 ws:"),
        "{other}"
    );
    let proxied = [("host", "live.example.com"), ("x-forwarded-proto", "https")];
    let own = policy_for(Names::Pull(Some("live.example.com")), &proxied).await;
    assert!(own.contains("connect-src 'self';"), "{own}");
}

#[tokio::test(start_paused = true)]
async fn the_page_comes_without_a_store() {
    for names in [Names::Away, Names::Silent] {
        let policy = policy_for(names, &HERE).await;
        assert!(policy.contains("connect-src 'self';"), "{policy}");
    }
    let odd = policy_for(Names::Pull(None), &[("host", "a;script-src *")]).await;
    assert!(
        odd.contains("script-src 'self'; ") && !odd.contains('*'),
        "{odd}"
    );
}
