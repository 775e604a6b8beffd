//! Signing in with a browser, and what its session is good for.

use std::net::IpAddr;

use argon2::{Argon2, Params, PasswordHasher};
use axum::extract::ConnectInfo;
use lsv_auth::session::{Keys, Session};

use super::*;

const SESSION: &str = "/console/session";
const HOME: &str = "192.0.2.1";

/// Who signed in.
struct Browser {
    cookie: String,
    csrf: String,
}

impl Platform {
    /// One whose operator `ann` has a password.
    fn of_ann() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let channels = Channels::open(directory.path().join("channels.redb")).unwrap();
        let hasher = Argon2::from(Params::new(8, 1, 1, None).unwrap());
        let hash = hasher.hash_password_with_salt(b"correct horse", b"0123456789abcdef");
        let password = Password::new("ann", &hash.unwrap().to_string()).unwrap();
        Self::signed_in_to(directory, Arc::new(channels), false, Some(password))
    }

    async fn sign_in(&self, from: &str, body: &Value) -> Answered {
        let request = asking(Method::POST, SESSION, from)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into());
        self.send(request.unwrap()).await
    }

    async fn browser(&self) -> Browser {
        let answer = self.sign_in(HOME, &json!({"token": TOKEN})).await;
        assert_eq!(answer.status, StatusCode::OK);
        let cookie = answer.header(header::SET_COOKIE).split(';').next();
        Browser {
            cookie: cookie.unwrap().to_owned(),
            csrf: answer.json()["csrf"].as_str().unwrap().to_owned(),
        }
    }

    /// What `method` answers with these fields and no other credentials.
    async fn with_fields(&self, method: &Method, path: &str, fields: &[(&str, &str)]) -> Answered {
        let mut request = asking(method.clone(), path, HOME);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn session(&self, cookie: &str) -> Value {
        let fields = [("cookie", cookie)];
        let answer = self.with_fields(&Method::GET, SESSION, &fields).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.json()
    }

    async fn read_with(&self, cookie: &str) -> Answered {
        self.with_fields(&Method::GET, "/videostream", &[("cookie", cookie)])
            .await
    }
}

fn asking(method: Method, path: &str, from: &str) -> axum::http::request::Builder {
    let peer = SocketAddr::new(from.parse::<IpAddr>().unwrap(), 50_000);
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "example.com:8080")
        .extension(ConnectInfo(peer))
}

#[tokio::test]
async fn the_token_opens_a_session_that_stands_for_it() {
    let platform = Platform::new();
    let answer = platform.sign_in(HOME, &json!({"token": TOKEN})).await;
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
    let said = answer.json();
    assert_eq!(said["signedIn"], json!(true));
    assert_eq!(said["passwords"], json!(false));
    assert_eq!(said["user"], Value::Null);
    assert_eq!(said["expires"], json!("2023-11-15T10:13:20Z"));
    let cookie = answer.header(header::SET_COOKIE).to_owned();
    assert!(cookie.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"));
    assert!(!cookie.contains(TOKEN) && !said.to_string().contains(TOKEN));

    let (pair, _) = cookie.split_once(';').unwrap();
    let pair = format!("theme=dark; {pair}; lang=en");
    assert_eq!(platform.session(&pair).await, said);
    let listed = platform.read_with(&pair).await;
    assert_eq!(listed.status, StatusCode::OK);
    assert_eq!(listed.header(header::CACHE_CONTROL), "no-store");
    let nobody = platform.with_fields(&Method::GET, SESSION, &[]).await;
    assert_eq!(
        nobody.json(),
        json!({"signedIn": false, "passwords": false})
    );
}

#[tokio::test]
async fn what_changes_something_needs_what_only_the_page_knows() {
    let platform = Platform::new();
    platform.channel("cam").await;
    let (ours, theirs) = (platform.browser().await, platform.browser().await);
    let cookie = ("cookie", ours.cookie.as_str());
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let path = match method {
            Method::POST => "/videostream/cam/key",
            _ => "/videostream/cam",
        };
        for csrf in ["", &theirs.csrf, &ours.csrf[1..], &ours.cookie] {
            let fields = [cookie, (sign_in::CSRF_HEADER, csrf)];
            let refused = platform.with_fields(&method, path, &fields).await;
            refused.problem(Kind::Csrf);
        }
        let refused = platform.with_fields(&method, path, &[cookie]).await;
        refused.problem(Kind::Csrf);
    }
    let fields = [cookie, ("x-csrf-token", &ours.csrf)];
    let made = platform.with_fields(&Method::POST, "/videostream/cam/key", &fields);
    assert_eq!(made.await.status, StatusCode::OK);
    let gone = platform.with_fields(&Method::DELETE, "/videostream/cam", &fields);
    assert_eq!(gone.await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_authorization_header_counts_alone() {
    let platform = Platform::new();
    let browser = platform.browser().await;
    let good = format!("Bearer {TOKEN}");
    for (bearer, cookie, is_let_in) in [
        (good.as_str(), "lsv-00000000=rubbish", true),
        (good.as_str(), browser.cookie.as_str(), true),
        ("Bearer wrong", browser.cookie.as_str(), false),
        ("", browser.cookie.as_str(), false),
    ] {
        let fields = [("authorization", bearer), ("cookie", cookie)];
        for method in [Method::GET, Method::POST] {
            let answer = platform.with_fields(&method, "/videostream", &fields).await;
            let refused = answer.status == StatusCode::UNAUTHORIZED;
            assert_eq!(!refused, is_let_in, "{bearer} {method}");
        }
    }
}

#[tokio::test]
async fn a_cookie_that_is_not_good_is_none() {
    let platform = Platform::new();
    let keys = Keys::new(&Secret::new(TOKEN).unwrap(), None);
    let mut session = Session {
        id: [7; 16],
        expires: NOW.unix(),
        user: None,
    };
    let name = keys.cookie_name();
    let good = format!("{name}={}", keys.mint(&session));
    assert_eq!(platform.read_with(&good).await.status, StatusCode::OK);
    session.expires -= 1;
    let expired = format!("{name}={}", keys.mint(&session));
    let token = Secret::new("another token").unwrap();
    let foreign = format!("{name}={}", Keys::new(&token, None).mint(&session));
    let longer = good.replacen("=17", "=27", 1);
    for cookie in [
        &expired,
        &foreign,
        &longer,
        &good[..good.len() - 1],
        name,
        "",
    ] {
        let refused = platform.read_with(cookie).await;
        refused.problem(Kind::Unauthorized);
        assert_eq!(refused.header(header::CACHE_CONTROL), "no-store");
        assert_eq!(platform.session(cookie).await["signedIn"], json!(false));
    }
    let both = format!("{expired}; {good}");
    assert_eq!(platform.read_with(&both).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_signs_out_is_out() {
    let platform = Platform::new();
    let (ours, theirs) = (platform.browser().await, platform.browser().await);
    let cookie = ("cookie", ours.cookie.as_str());
    let refused = platform
        .with_fields(&Method::DELETE, SESSION, &[cookie])
        .await;
    refused.problem(Kind::Csrf);
    assert_eq!(
        platform.read_with(&ours.cookie).await.status,
        StatusCode::OK
    );
    let fields = [cookie, ("x-csrf-token", ours.csrf.as_str())];
    for _ in 0..2 {
        let out = platform
            .with_fields(&Method::DELETE, SESSION, &fields)
            .await;
        assert_eq!(out.status, StatusCode::NO_CONTENT);
        let (name, _) = ours.cookie.split_once('=').unwrap();
        let gone = format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
        assert_eq!(out.header(header::SET_COOKIE), gone);
        let refused = platform.read_with(&ours.cookie).await;
        refused.problem(Kind::Unauthorized);
    }
    let others = platform.read_with(&theirs.cookie).await;
    assert_eq!(others.status, StatusCode::OK);
}

#[tokio::test]
async fn ten_wrong_attempts_are_enough() {
    let platform = Platform::of_ann();
    let wrong = [
        json!({"token": "the-toke"}),
        json!({"user": "ann", "password": "correct hors"}),
        json!({"user": "bob", "password": "correct horse"}),
        json!({"token": ""}),
        json!({"user": "", "password": ""}),
    ];
    let right = json!({"token": TOKEN});
    for attempt in wrong.iter().cycle().take(10) {
        let refused = platform.sign_in(HOME, attempt).await;
        let problem = refused.problem(Kind::Unauthorized);
        assert!(!refused.headers.contains_key(header::SET_COOKIE));
        assert!(!problem.to_string().contains("horse"));
        if attempt == &wrong[0] {
            // What succeeds does not count.
            let entered = platform.sign_in(HOME, &right).await;
            assert_eq!(entered.status, StatusCode::OK);
        }
    }
    for attempt in [&wrong[0], &right] {
        let refused = platform.sign_in(HOME, attempt).await;
        refused.problem(Kind::TooManyAttempts);
        assert_eq!(refused.header(header::RETRY_AFTER), "61");
    }
    let elsewhere = platform.sign_in("192.0.2.2", &right).await;
    assert_eq!(elsewhere.status, StatusCode::OK);
}

#[tokio::test]
async fn only_a_trusted_proxy_says_who_tries() {
    let platform = Platform::new();
    let attempt = async |peer: &str, forwarded: &str, token: &str| {
        let request = asking(Method::POST, SESSION, peer)
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-forwarded-for", forwarded)
            .body(json!({"token": token}).to_string().into());
        platform.send(request.unwrap()).await.status
    };
    for host in 0..10 {
        let forwarded = format!("198.51.100.{host}");
        let refused = attempt(HOME, &forwarded, "wrong").await;
        assert_eq!(refused, StatusCode::UNAUTHORIZED);
        let refused = attempt("10.0.0.1", "198.51.100.77", "wrong").await;
        assert_eq!(refused, StatusCode::UNAUTHORIZED);
    }
    for (peer, forwarded, expected) in [
        (HOME, "198.51.100.99", StatusCode::TOO_MANY_REQUESTS),
        ("10.0.0.1", "198.51.100.77", StatusCode::TOO_MANY_REQUESTS),
        ("10.0.0.1", "198.51.100.78", StatusCode::OK),
    ] {
        assert_eq!(attempt(peer, forwarded, TOKEN).await, expected, "{peer}");
    }
}

#[tokio::test]
async fn a_user_has_a_password_where_the_operator_set_one() {
    let (without, with) = (Platform::new(), Platform::of_ann());
    let right = json!({"user": "ann", "password": "correct horse"});
    let refused = without.sign_in(HOME, &right).await;
    refused.problem(Kind::Unauthorized);
    let entered = with.sign_in(HOME, &right).await.json();
    assert_eq!(entered["user"], json!("ann"));
    assert_eq!(entered["passwords"], json!(true));
    let by_token = with.sign_in(HOME, &json!({"token": TOKEN})).await.json();
    assert_eq!(by_token["user"], Value::Null);
    // Who signed in before the password was set is asked again.
    let before = without.browser().await;
    let refused = with.read_with(&before.cookie).await;
    refused.problem(Kind::Unauthorized);
}

#[tokio::test]
async fn forms_of_other_sites_sign_nobody_in() {
    let platform = Platform::new();
    let body = json!({"token": TOKEN}).to_string();
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let mut request = asking(Method::POST, SESSION, HOME);
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let refused = platform.send(request.body(body.clone().into()).unwrap());
        refused.await.problem(Kind::UnsupportedMediaType);
    }
    for (body, kind) in [
        (json!({}), Kind::InvalidValue),
        (json!({"token": TOKEN, "user": "ann"}), Kind::InvalidValue),
        (json!({"user": "ann"}), Kind::InvalidValue),
        (json!({"token": TOKEN, "admin": true}), Kind::MalformedJson),
        (json!({"token": 5}), Kind::MalformedJson),
    ] {
        platform.sign_in(HOME, &body).await.problem(kind);
    }
    let put = platform.with_fields(&Method::PUT, SESSION, &[]).await;
    put.problem(Kind::MethodNotAllowed);
}

#[tokio::test]
async fn over_tls_the_cookie_is_for_tls_alone() {
    let platform = Platform::new();
    let body = json!({"token": TOKEN}).to_string();
    for (is_tls, forwarded) in [(true, None), (false, Some("https"))] {
        let mut request =
            asking(Method::POST, SESSION, HOME).header(header::CONTENT_TYPE, "application/json");
        if is_tls {
            request = request.extension(Secured);
        }
        if let Some(forwarded) = forwarded {
            request = request.header("x-forwarded-proto", forwarded);
        }
        let answer = platform.send(request.body(body.clone().into()).unwrap());
        let answer = answer.await;
        assert!(answer.header(header::SET_COOKIE).ends_with("; Secure"));
    }
}

#[tokio::test]
async fn what_nodes_ask_each_other_takes_no_session() {
    let platform = Platform::new();
    platform.channel("cam").await;
    let browser = platform.browser().await;
    let channels = Channels::open(platform.directory.path().join("others.redb")).unwrap();
    let nodes = nodes::router(nodes::Nodes {
        directory: Arc::new(crate::ports::Local {
            channels: Arc::new(channels),
            sessions: Arc::new(crate::embedded::Sessions::default()),
            form: crate::ports::Form::Processed,
        }),
        token: Secret::new(TOKEN).unwrap(),
    });
    for path in ["/videostream/cam/location", "/videostream/cam/stored"] {
        let request = asking(Method::GET, path, HOME)
            .header(header::COOKIE, &browser.cookie)
            .header("x-csrf-token", &browser.csrf);
        let request = request.body(Body::empty()).unwrap();
        let refused = nodes.clone().oneshot(request).await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}

impl Platform {
    /// The body of `/events`, asked for with these fields and no other credentials.
    async fn listen(&self, fields: &[(&str, &str)]) -> axum::body::BodyDataStream {
        let mut request = asking(Method::GET, "/events", HOME);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().into_data_stream()
    }

    fn happen(&self, channel: &str) {
        let channel = ChannelId::parse(channel).unwrap();
        self.events.publish(NOW, Happening::Unpublished { channel });
    }
}

/// Whether a stream tells what happened to `channel` next; else it ended. Comments keep it alive meanwhile.
async fn tells(stream: &mut axum::body::BodyDataStream, channel: &str) -> bool {
    let next = async {
        loop {
            let Some(piece) = stream.next().await else {
                return false;
            };
            let piece = piece.unwrap();
            let piece = std::str::from_utf8(&piece).unwrap();
            if !piece.starts_with(':') {
                assert!(piece.contains(&format!("\"{channel}\"")), "{piece}");
                return true;
            }
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(60), next).await;
    told.expect("an event or the end")
}

#[tokio::test(start_paused = true)]
async fn who_signs_out_hears_nothing_more() {
    let platform = Platform::new();
    let (ours, theirs) = (platform.browser().await, platform.browser().await);
    let bearer = format!("Bearer {TOKEN}");
    let cookie = ("cookie", ours.cookie.as_str());
    let mut heard = platform.listen(&[cookie]).await;
    let mut quiet = platform.listen(&[cookie]).await;
    let mut of_others = platform.listen(&[("cookie", &theirs.cookie)]).await;
    let mut by_token = platform.listen(&[("authorization", &bearer), cookie]).await;
    platform.happen("before");
    for stream in [&mut heard, &mut quiet, &mut of_others, &mut by_token] {
        assert!(tells(stream, "before").await);
    }
    let fields = [cookie, ("x-csrf-token", ours.csrf.as_str())];
    let out = platform.with_fields(&Method::DELETE, SESSION, &fields);
    assert_eq!(out.await.status, StatusCode::NO_CONTENT);
    assert!(!tells(&mut quiet, "nothing").await);
    platform.happen("after");
    assert!(!tells(&mut heard, "nothing").await);
    for stream in [&mut of_others, &mut by_token] {
        assert!(tells(stream, "after").await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_expires_hears_nothing_more() {
    let platform = Platform::new();
    let browser = platform.browser().await;
    let bearer = format!("Bearer {TOKEN}");
    let mut quiet = platform.listen(&[("cookie", &browser.cookie)]).await;
    let mut heard = platform.listen(&[("cookie", &browser.cookie)]).await;
    let mut by_token = platform.listen(&[("authorization", &bearer)]).await;
    CLOCK.set(NOW.plus(sign_in::SESSION_TIME));
    platform.happen("last");
    for stream in [&mut quiet, &mut heard, &mut by_token] {
        assert!(tells(stream, "last").await);
    }
    CLOCK.set(NOW.plus(sign_in::SESSION_TIME + Duration::from_secs(1)));
    assert!(!tells(&mut quiet, "nothing").await);
    platform.happen("after");
    assert!(!tells(&mut heard, "nothing").await);
    assert!(tells(&mut by_token, "after").await);
}
