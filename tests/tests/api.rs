//! The API over real HTTP: what is refused, and that a refusal stores nothing.

use lsv_tests::{Server, TOKEN};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn json_that_is_not_a_channel_is_refused_and_nothing_is_stored() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let before = api.count().await;
    for (body, field) in [
        (r#"{"hls_time":"two"}"#, Some("hls_time")),
        (r#"{"hls_time":0}"#, Some("hls_time")),
        (r#"{"hls_time":61}"#, Some("hls_time")),
        (r#"{"hls_time":2.5}"#, Some("hls_time")),
        (r#"{"hls_time":-2}"#, Some("hls_time")),
        (r#"{"hls_time":[2]}"#, Some("hls_time")),
        (r#"{"hls_time":1e300}"#, Some("hls_time")),
        (r#"{"isFlv":"yes"}"#, Some("isFlv")),
        (r#"{"isFlv":1}"#, Some("isFlv")),
        (r#"{"isFlv":{}}"#, Some("isFlv")),
        (r#"{"videoname":7}"#, Some("videoname")),
        (r#"{"outdate":"2032-13-01"}"#, Some("outdate")),
        (r#"{"outdate":"tomorrow"}"#, Some("outdate")),
        (r#"{"codec":"mpeg2"}"#, Some("codec")),
        (r#"{"masterSize":"gigantic"}"#, Some("masterSize")),
        (r#"{"id":"../../etc"}"#, Some("id")),
        (r#"{"id":"videostream"}"#, Some("id")),
        (r#"{"id":""}"#, Some("id")),
        (r#"{"isHSL":true}"#, Some("isHSL")),
        (r#"{"key":"1-abc"}"#, Some("key")),
    ] {
        let problem = api
            .send(Method::POST, "/videostream", body)
            .await
            .refused(422);
        if let Some(field) = field {
            assert!(problem.to_string().contains(field), "{body}: {problem}");
        }
    }
    let long = json!({ "videoname": "x".repeat(257) }).to_string();
    api.send(Method::POST, "/videostream", long)
        .await
        .refused(422);
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"text\"",
        "{\"videoname\":\"\u{0}\"}",
        "\u{feff}{}",
    ] {
        let answer = api.send(Method::POST, "/videostream", body).await;
        assert!(
            [400, 422].contains(&answer.status.as_u16()),
            "{body:?}: {}",
            answer.text
        );
        answer.refused(answer.status.as_u16());
    }
    let nested = "[".repeat(100_000);
    let answer = api.send(Method::POST, "/videostream", nested).await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
    assert_eq!(api.count().await, before);
}

#[tokio::test]
async fn a_body_of_10_mib_is_refused() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let before = api.count().await;
    let body = json!({ "description": "x".repeat(10 << 20) }).to_string();
    let client = reqwest::Client::new();
    let sent = client
        .post(server.http("/videostream"))
        .bearer_auth(TOKEN)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await;
    // A server may close before it has read all of it; the client then sees either.
    if let Ok(answer) = sent {
        assert_eq!(answer.status().as_u16(), 413);
    }
    assert_eq!(api.count().await, before);
    assert!(server.resident_bytes() < 256 << 20);
}

#[tokio::test]
async fn metrics_tell_of_the_process() {
    let server = Server::start(&[]).await;
    let text = server.api().read("/metrics").await.text;
    let value = |name: &str| -> f64 {
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = line.expect(name).parse();
        value.expect("a number")
    };
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock");
    let begun = value("process_start_time_seconds");
    let age = now.as_secs_f64() - begun;
    assert!((0.0..600.0).contains(&age), "{begun}");
    assert!(value("process_cpu_seconds_total") > 0.0);
    let resident = value("process_resident_memory_bytes");
    assert!(resident > f64::from(1 << 20), "{resident}");
    assert!(value("process_open_fds") > 3.0);
    let version = env!("CARGO_PKG_VERSION");
    let build = format!("lsv_build_info{{version=\"{version}\"}}");
    assert!((value(&build) - 1.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn without_the_token_there_is_no_api() {
    let server = Server::start(&[]).await;
    let channel = r#"{"id":"sneaked"}"#;
    for token in [
        None,
        Some("wrong"),
        Some(""),
        Some(&TOKEN[..TOKEN.len() - 1]),
    ] {
        let api = server.api().with_token(token);
        let refused = api.send(Method::POST, "/videostream", channel).await;
        refused.refused(401);
        assert!(
            refused.header("www-authenticate").contains("Bearer"),
            "{token:?}"
        );
        for path in [
            "/videostream",
            "/videostream/live",
            "/videostream/live/urls",
            "/videostream/online",
            "/streamdns",
            "/events",
        ] {
            api.read(path).await.refused(401);
        }
    }
    server.api().read("/videostream/sneaked").await.refused(404);
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_cannot_be_done_is_405() {
    let server = Server::start(&[]).await;
    let api = server.api();
    for path in [
        "/videostream/none",
        "/videostream/none/urls",
        "/videostream/none/session",
    ] {
        api.read(path).await.refused(404);
    }
    for (method, path) in [
        (Method::DELETE, "/videostream/none"),
        (Method::POST, "/videostream/none/key"),
    ] {
        api.send(method, path, "").await.refused(404);
    }
    api.send(Method::PATCH, "/videostream/none", "{}")
        .await
        .refused(404);
    for (method, path) in [
        (Method::DELETE, "/videostream"),
        (Method::PUT, "/videostream"),
        (Method::POST, "/videostream/live"),
        (Method::POST, "/videostream/online"),
    ] {
        let answer = api.send(method, path, "{}").await;
        answer.refused(405);
        assert_ne!(answer.header("allow"), "", "{path}");
    }
    for path in [
        "/none/live.flv",
        "/none/live.m3u8",
        "/none/manifest.mpd",
        "/..%2f/live.m3u8",
    ] {
        let answer = api.read(path).await;
        assert_eq!(answer.status.as_u16(), 404, "{path}");
    }
}

#[tokio::test]
async fn a_channel_can_be_made_read_changed_listed_and_deleted() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let answer = api
        .send(
            Method::POST,
            "/videostream",
            r#"{"id":"gate","videoname":"Gate"}"#,
        )
        .await;
    assert_eq!(answer.status.as_u16(), 201);
    assert!(
        answer.header("location").ends_with("/videostream/gate"),
        "{answer:?}"
    );
    let twice = api
        .send(Method::POST, "/videostream", r#"{"id":"gate"}"#)
        .await;
    twice.refused(409);

    let changed = api
        .send(
            Method::PATCH,
            "/videostream/gate",
            r#"{"hls_time":"4","isCMAF":"true"}"#,
        )
        .await
        .json();
    assert_eq!(
        (&changed["hls_time"], &changed["isCMAF"]),
        (&json!(4), &json!(true))
    );
    assert_eq!(changed["videoname"], "Gate");
    api.send(Method::PATCH, "/videostream/gate", r#"{"hls_time":"4000"}"#)
        .await
        .refused(422);
    assert_eq!(api.read("/videostream/gate").await.json(), changed);

    let urls = api.read("/videostream/gate/urls").await.text;
    for part in [
        "rtmp://",
        "/gate/live.flv",
        "/gate/live.m3u8",
        "/gate/master.m3u8",
    ] {
        assert!(urls.contains(part), "no {part} in {urls}");
    }
    let list = api.read("/videostream").await.json();
    assert_eq!(list[0]["id"], "gate", "newest first: {list}");
    assert_eq!(
        api.read("/videostream/gate/recordings").await.json(),
        json!([])
    );
    let deleted = api.send(Method::DELETE, "/videostream/gate", "").await;
    assert_eq!(deleted.status.as_u16(), 204);
    api.read("/videostream/gate").await.refused(404);
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let before = api.count().await;
    for number in 0..5 {
        api.channel(&format!("c{number}")).await;
    }
    let mut seen = Vec::new();
    let mut path = "/videostream?limit=2".to_owned();
    loop {
        let page = api.read(&path).await;
        let list = page.json();
        let ids = list.as_array().unwrap().iter();
        seen.extend(ids.map(|channel| channel["id"].as_str().unwrap().to_owned()));
        let link = page.header("link");
        let Some(next) = link.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
            break;
        };
        assert!(next.1.contains("rel=\"next\""), "{link}");
        path = next.0[next.0.find("/videostream").unwrap()..].to_owned();
    }
    assert_eq!(seen.len(), before + 5);
    assert_eq!(&seen[..5], ["c4", "c3", "c2", "c1", "c0"]);
}

#[tokio::test]
async fn what_could_reach_an_encoder_is_refused_by_name_or_kept_as_text() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let before = api.count().await;
    let long = "x".repeat(10_000);
    for (field, value) in [
        ("WaterMarkText", json!(long)),
        ("WaterMarkText", json!(["a", "b"])),
        ("WaterMarkFontColor", json!("red:enable=0")),
        ("WaterMarkFontColor", json!("#ff0000:fontfile=/etc/passwd")),
        ("WaterMarkFontColor", json!("red@0.5")),
        ("WaterMarkFontColor", json!("0xff0000")),
        ("WaterMarkFontSize", json!("20:text=x")),
        ("WaterMarkFontSize", json!(100_000)),
        ("WaterMarkTop", json!("main_h-10")),
        ("WaterMarkLeft", json!(-1)),
        ("codec", json!("libx264 -f null")),
        ("codec", json!("copy")),
        ("logLevel", json!("debug -report")),
        ("masterSize", json!("large;reboot")),
        ("ImageURL", json!("file:///etc/passwd")),
        ("ImageURL", json!("concat:/etc/passwd|/etc/group")),
        ("ImageURL", json!("data:image/png;base64,iVBORw0KGgo=")),
        ("ImageURL", json!("http://127.0.0.1/logo.png")),
        (
            "ImageURL",
            json!("http://169.254.169.254/latest/meta-data/"),
        ),
        ("ImageURL", json!("http://[::ffff:10.0.0.1]/logo.png")),
        ("ImageURL", json!("http://2130706433/logo.png")),
        ("ImageWidth", json!("100,scale=1:1")),
        ("relayURL", json!("file:///etc/passwd")),
        ("relayURL", json!("rtmp://127.0.0.1/live/x")),
        (
            "relayURL",
            json!("rtmp://203.0.113.5/live/x,rtmp://127.0.0.1/live/x"),
        ),
        ("relayURL", json!("rtmp://203.0.113.5/live/x -f null")),
        ("relayURL", json!("rtmp://[::1]/live/x")),
        ("relayURL", json!("http://203.0.113.5/live/x")),
    ] {
        let body = json!({ "isWaterMark": true, "isImageWaterMark": true, "isCodec": true, "isRelay": true, field: value });
        let answer = api
            .send(Method::POST, "/videostream", body.to_string())
            .await;
        let problem = answer.refused(422);
        assert_eq!(problem["field"], field, "{value}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(field) && detail.len() < 500, "{problem}");
    }
    assert_eq!(api.count().await, before);
    for text in [
        r"12:30 %{localtime}\:'[in]movie=x",
        "two\nlines",
        "\u{7}\u{1b}[31m",
        "中文水印 😀 مرحبا",
    ] {
        let channel = api
            .create(&json!({ "isWaterMark": true, "WaterMarkText": text }))
            .await;
        assert_eq!(channel["WaterMarkText"], text);
    }
}
