use super::*;

const PROTECTED: [(Method, &str); 19] = [
    (Method::GET, "/videostream"),
    (Method::POST, "/videostream"),
    (Method::GET, "/videostream/online"),
    (Method::GET, "/videostream/cam"),
    (Method::PUT, "/videostream/cam"),
    (Method::PATCH, "/videostream/cam"),
    (Method::DELETE, "/videostream/cam"),
    (Method::GET, "/videostream/cam/urls"),
    (Method::POST, "/videostream/cam/key"),
    (Method::POST, "/videostream/cam/watermark"),
    (Method::GET, "/videostream/cam/session"),
    (Method::DELETE, "/videostream/cam/session"),
    (Method::GET, "/videostream/cam/usage"),
    (Method::GET, "/videostream/cam/recordings"),
    (Method::DELETE, "/videostream/cam/recordings/a.mp4"),
    (Method::GET, "/streamdns"),
    (Method::PUT, "/streamdns"),
    (Method::GET, "/events"),
    (Method::GET, "/videostream/cam/nonsense"),
];

#[tokio::test]
async fn nothing_without_the_token() {
    let platform = Platform::new();
    platform.channel("cam").await;
    let wrong: [&[&str]; 9] = [
        &[],
        &["Bearer "],
        &["Bearer wrong"],
        &["Bearer the-token2"],
        &["Bearer the-toke"],
        &["Basic the-token"],
        &["the-token"],
        &["Bearer the-token", "Bearer the-token"],
        &["Bearer THE-TOKEN"],
    ];
    for (method, path) in PROTECTED {
        for values in wrong {
            let mut request = Request::builder().method(method.clone()).uri(path);
            for value in values {
                request = request.header(header::AUTHORIZATION, *value);
            }
            let refused = platform.send(request.body(Body::empty()).unwrap()).await;
            let problem = refused.problem(Kind::Unauthorized);
            assert_eq!(
                refused.header(header::WWW_AUTHENTICATE),
                "Bearer realm=\"lsv\""
            );
            assert!(!problem.to_string().contains(TOKEN));
        }
    }
    assert_eq!(
        platform.get("/videostream/cam").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn the_scheme_may_be_written_in_any_case() {
    let platform = Platform::new();
    let request =
        Request::get("/videostream").header(header::AUTHORIZATION, format!("bearer {TOKEN}"));
    assert_eq!(
        platform
            .send(request.body(Body::empty()).unwrap())
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn wrong_fields_are_named_and_nothing_is_stored() {
    let platform = Platform::new();
    for (body, kind, field) in [
        (json!({"nonsense": 1}), Kind::UnknownField, "nonsense"),
        (json!({"videoname": 5}), Kind::InvalidValue, "videoname"),
        (json!({"videoname": null}), Kind::InvalidValue, "videoname"),
        (
            json!({"videoname": "x".repeat(257)}),
            Kind::InvalidValue,
            "videoname",
        ),
        (json!({"isFlv": "perhaps"}), Kind::InvalidValue, "isFlv"),
        (json!({"isFlv": 1}), Kind::InvalidValue, "isFlv"),
        (json!({"hls_time": 0}), Kind::InvalidValue, "hls_time"),
        (json!({"hls_time": "61"}), Kind::InvalidValue, "hls_time"),
        (json!({"hls_time": -1}), Kind::InvalidValue, "hls_time"),
        (json!({"hls_time": 1.5}), Kind::InvalidValue, "hls_time"),
        (
            json!({"hls_list_size": [6]}),
            Kind::InvalidValue,
            "hls_list_size",
        ),
        (json!({"video_time": 4}), Kind::InvalidValue, "video_time"),
        (
            json!({"video_time": {"seconds": 60}}),
            Kind::InvalidValue,
            "video_time",
        ),
        (
            json!({"outdate": "2032-13-01"}),
            Kind::InvalidValue,
            "outdate",
        ),
        (
            json!({"outdate": 1986249599}),
            Kind::InvalidValue,
            "outdate",
        ),
        (json!({"codec": "h264"}), Kind::InvalidValue, "codec"),
        (
            json!({"masterSize": "huge"}),
            Kind::InvalidValue,
            "masterSize",
        ),
        (json!({"logLevel": "loud"}), Kind::InvalidValue, "logLevel"),
        (
            json!({"clusterNumber": 33}),
            Kind::InvalidValue,
            "clusterNumber",
        ),
        (
            json!({"WaterMarkFontColor": "#12345"}),
            Kind::InvalidValue,
            "WaterMarkFontColor",
        ),
        (
            json!({"relayURL": "http://a/b"}),
            Kind::InvalidValue,
            "relayURL",
        ),
        (
            json!({"ImageURL": "ftp://a/b"}),
            Kind::InvalidValue,
            "ImageURL",
        ),
        (json!({"id": "a b"}), Kind::InvalidValue, "id"),
        (json!({"id": "console"}), Kind::InvalidValue, "id"),
        (json!({"id": "online"}), Kind::InvalidValue, "id"),
        (json!({"key": "1-a"}), Kind::FixedField, "key"),
        (
            json!({"updatedAt": "2020-01-01"}),
            Kind::FixedField,
            "updatedAt",
        ),
    ] {
        let problem = platform.post(body.clone()).await.problem(kind);
        assert_eq!(problem["field"], json!(field));
        assert!(
            problem["detail"].as_str().unwrap().contains(field),
            "{problem}"
        );
        let mut with_good = body.as_object().unwrap().clone();
        with_good.insert("description".to_owned(), json!("good"));
        platform.post(with_good.into()).await.problem(kind);
    }
    assert_eq!(platform.get("/videostream").await.json(), json!([]));
}

#[tokio::test]
async fn a_refused_change_changes_nothing() {
    let platform = Platform::new();
    let record = platform.channel("cam").await;
    for body in [
        json!({"videoname": "new", "hls_time": 0}),
        json!({"videoname": "new", "nonsense": 0}),
        json!({"videoname": "new", "id": "other"}),
        json!({"videoname": "new", "key": "1-a"}),
    ] {
        let refused = platform
            .send_json(Method::PATCH, "/videostream/cam", body)
            .await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(platform.get("/videostream/cam").await.json(), record);
    assert!(platform.live.applied.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_id_is_given_once() {
    let platform = Platform::new();
    let record = platform.channel("cam").await;
    platform
        .post(json!({"id": "cam", "videoname": "other"}))
        .await
        .problem(Kind::Conflict);
    assert_eq!(platform.get("/videostream/cam").await.json(), record);
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let platform = Platform::new();
    let deep = format!(
        "{{\"videoname\":{}{}}}",
        "[".repeat(30_000),
        "]".repeat(30_000)
    );
    for body in [
        "",
        "{",
        "nonsense",
        "[]",
        "\"text\"",
        "5",
        "null",
        "{\"a\":1,\"a\":2}",
        "{}{}",
        "\u{feff}{}",
        &deep,
    ] {
        let request = Platform::request(Method::POST, "/videostream")
            .header(header::CONTENT_TYPE, "application/json");
        platform
            .send(request.body(body.to_owned().into()).unwrap())
            .await
            .problem(Kind::MalformedJson);
    }
    let request = Platform::request(Method::POST, "/videostream");
    platform
        .send(request.body(vec![b'"', 0xFF, b'"'].into()).unwrap())
        .await
        .problem(Kind::MalformedJson);
}

#[tokio::test]
async fn other_content_types_are_refused() {
    let platform = Platform::new();
    for kind in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data",
        "text/json5",
        "",
    ] {
        let request =
            Platform::request(Method::POST, "/videostream").header(header::CONTENT_TYPE, kind);
        platform
            .send(request.body("{}".into()).unwrap())
            .await
            .problem(Kind::UnsupportedMediaType);
    }
}

#[tokio::test]
async fn large_bodies_are_refused_announced_or_not() {
    let platform = Platform::new();
    let ten_mebibytes = format!("{{\"description\":\"{}\"}}", "x".repeat(10 * 1024 * 1024));
    for announced in [true, false] {
        let mut request = Platform::request(Method::POST, "/videostream");
        if announced {
            request = request.header(header::CONTENT_LENGTH, ten_mebibytes.len());
        }
        let refused = platform
            .send(request.body(ten_mebibytes.clone().into()).unwrap())
            .await;
        refused.problem(Kind::ContentTooLarge);
    }
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>("          "));
    let request = Platform::request(Method::POST, "/videostream")
        .body(Body::from_stream(endless))
        .unwrap();
    platform.send(request).await.problem(Kind::ContentTooLarge);
    assert_eq!(platform.get("/videostream").await.json(), json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_not_waited_for() {
    let platform = Platform::new();
    let never = futures::stream::pending::<Result<&str, std::io::Error>>();
    let request = Platform::request(Method::POST, "/videostream")
        .body(Body::from_stream(never))
        .unwrap();
    platform.send(request).await.problem(Kind::RequestTimeout);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let platform = Platform::new();
    platform.channel("cam").await;
    for path in [
        "/",
        "/nonsense",
        "/videostream/cam/nonsense",
        "/videostream/cam/urls/x",
        "/streamdns/x",
        "/%00",
    ] {
        platform.get(path).await.problem(Kind::NotFound);
    }
    for (method, path, allow) in [
        (Method::PUT, "/videostream", "GET,HEAD,POST"),
        (
            Method::POST,
            "/videostream/cam",
            "DELETE,GET,HEAD,PATCH,PUT",
        ),
        (Method::GET, "/videostream/cam/key", "POST"),
        (Method::DELETE, "/streamdns", "GET,HEAD,PUT"),
        (Method::POST, "/healthz", "GET,HEAD"),
    ] {
        let refused = platform.call(method, path).await;
        refused.problem(Kind::MethodNotAllowed);
        let mut allowed: Vec<_> = refused.header(header::ALLOW).split(',').collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), allow);
    }
}

#[tokio::test]
async fn unknown_channels_are_problems() {
    let platform = Platform::new();
    for id in ["nobody", "a.b", "%2e%2e", "%FF", "console", &"x".repeat(65)] {
        for (method, tail) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::GET, "/urls"),
            (Method::POST, "/key"),
            (Method::GET, "/session"),
            (Method::DELETE, "/session"),
            (Method::GET, "/usage"),
            (Method::GET, "/recordings"),
        ] {
            platform
                .call(method, &format!("/videostream/{id}{tail}"))
                .await
                .problem(Kind::NotFound);
        }
        let change = platform
            .send_json(Method::PATCH, &format!("/videostream/{id}"), json!({}))
            .await;
        change.problem(Kind::NotFound);
    }
}

#[tokio::test]
async fn wrong_parameters_are_problems() {
    let platform = Platform::new();
    platform.channel("cam").await;
    for query in [
        "/videostream?limit=0",
        "/videostream?limit=-1",
        "/videostream?limit=many",
        "/videostream?limit=99999999999999999999999",
        "/videostream?cursor=nonsense",
        "/videostream?cursor=%FF",
        "/videostream/cam/recordings?from=yesterday",
        "/videostream/cam/recordings?to=2032-13-01",
        "/videostream/cam/recordings?limit=0",
    ] {
        platform.get(query).await.problem(Kind::InvalidParameter);
    }
}

#[tokio::test]
async fn garbage_in_host_is_refused() {
    let platform = Platform::new();
    platform.channel("cam").await;
    for host in [
        "a b",
        "evil.example/path?",
        "user@host",
        "host:99999",
        "\"",
        "<script>",
        "",
    ] {
        let request = Request::get("/videostream/cam/urls")
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(header::HOST, host);
        platform
            .send(request.body(Body::empty()).unwrap())
            .await
            .problem(Kind::InvalidParameter);
    }
}

#[tokio::test]
async fn wrong_domain_names_are_refused() {
    let platform = Platform::new();
    for (body, kind) in [
        (json!({"other": "a"}), Kind::UnknownField),
        (json!({"push": "http://a"}), Kind::InvalidValue),
        (json!({"push": 5}), Kind::InvalidValue),
        (
            json!({"push": "a.example", "pull": "a b"}),
            Kind::InvalidValue,
        ),
    ] {
        platform
            .send_json(Method::PUT, "/streamdns", body)
            .await
            .problem(kind);
    }
    assert_eq!(
        platform.get("/streamdns").await.json(),
        json!({"push": "", "pull": ""})
    );
}

#[tokio::test]
async fn a_channel_remembers_no_endless_row_of_keys() {
    let platform = Platform::new();
    platform.channel("cam").await;
    for _ in 0..crate::channel::MAX_REMEMBERED_KEYS {
        assert_eq!(platform.new_key().await.status, StatusCode::OK);
    }
    platform.new_key().await.problem(Kind::TooManyKeys);
}

#[tokio::test]
async fn a_store_out_of_reach_is_told_and_nothing_of_it() {
    let store = crate::ports::conformance::unreachable_store();
    let platform = Platform::over(tempfile::tempdir().unwrap(), store);
    for path in [
        "/videostream",
        "/videostream/cam",
        "/videostream/cam/urls",
        "/streamdns",
        "/readyz",
    ] {
        let refused = platform.get(path).await;
        let problem = refused.problem(Kind::Unavailable);
        assert_eq!(refused.header(header::RETRY_AFTER), "1");
        assert!(!problem.to_string().contains("made to fail"));
    }
    platform.post(json!({})).await.problem(Kind::Unavailable);
    assert_eq!(platform.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_a_large_body_to_its_end_reads_the_refusal() {
    use std::io::{Read, Write};

    let platform = Platform::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, platform.router.clone()).into_future());
    let answer = tokio::task::spawn_blocking(move || {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /videostream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            10 * 1024 * 1024
        );
        client.write_all(head.as_bytes()).unwrap();
        for _ in 0..10 {
            client.write_all(&[b' '; 1024 * 1024]).unwrap();
        }
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    })
    .await
    .unwrap();
    server.abort();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains(&Kind::ContentTooLarge.uri()), "{answer}");
}

#[tokio::test]
async fn private_targets_unless_the_operator_allows_them() {
    let directory = tempfile::tempdir().unwrap();
    let store: Arc<dyn ChannelStore> =
        Arc::new(Channels::open(directory.path().join("channels.redb")).unwrap());
    let open = Platform::with(directory, Arc::clone(&store), true);
    let relay = json!({"id": "old", "relayURL": "rtmp://127.0.0.1/x"});
    assert_eq!(open.post(relay).await.status, StatusCode::CREATED);

    let strict = Platform::with(tempfile::tempdir().unwrap(), store, false);
    for (field, target) in [
        ("relayURL", "rtmp://127.0.0.1/x"),
        ("relayURL", "rtmp://example.com/x, rtmps://[::1]/x"),
        ("ImageURL", "http://169.254.169.254/"),
        ("ImageURL", "http://user@localhost:80/a.png"),
    ] {
        let made = strict.post(json!({ field: target })).await;
        assert_eq!(made.problem(Kind::InvalidValue)["field"], json!(field));
        let changed = json!({ field: target, "videoname": "changed" });
        let changed = strict.send_json(Method::PATCH, "/videostream/old", changed);
        match (field, target) {
            ("relayURL", "rtmp://127.0.0.1/x") => {
                assert_eq!(changed.await.status, StatusCode::OK, "it was there before");
            }
            _ => drop(changed.await.problem(Kind::InvalidValue)),
        }
    }
}

#[tokio::test]
async fn a_picture_that_cannot_be_drawn_is_refused_and_nothing_is_stored() {
    let platform = Platform::new();
    let (good, bad) = ("https://a.example/logo.png", "https://a.example/logo.svg");
    let asked = || std::mem::take(&mut *platform.watermarks.0.lock().unwrap());
    let refuse = |answered: Answered| {
        let problem = answered.problem(Kind::InvalidValue);
        assert_eq!(problem["field"], json!("ImageURL"));
        assert_eq!(problem["detail"], json!("`ImageURL` leads to no picture"));
    };
    let marked = |url: &str| json!({"id": "cam", "isImageWaterMark": true, "ImageURL": url});
    refuse(platform.post(marked(bad)).await);
    assert_eq!(platform.get("/videostream").await.json(), json!([]));
    assert_eq!(
        platform.post(marked(good)).await.status,
        StatusCode::CREATED
    );
    assert_eq!(asked(), [bad, good]);

    let before = platform.get("/videostream/cam").await.json();
    let patch = |body| platform.send_json(Method::PATCH, "/videostream/cam", body);
    refuse(patch(json!({"ImageURL": bad, "videoname": "new"})).await);
    assert_eq!(platform.get("/videostream/cam").await.json(), before);
    assert_eq!(asked(), [bad]);
    // What is drawn already is not looked at again, nor what is not drawn; that is when it is switched on.
    for (body, looked_at) in [
        (json!({"videoname": "new", "ImageURL": good}), None),
        (json!({"isImageWaterMark": false, "ImageURL": bad}), None),
        (json!({"ImageURL": "", "isImageWaterMark": true}), None),
        (json!({"ImageURL": good}), Some(good)),
        (json!({"isImageWaterMark": false}), None),
        (json!({"isImageWaterMark": "true"}), Some(good)),
    ] {
        assert_eq!(patch(body.clone()).await.status, StatusCode::OK, "{body}");
        assert_eq!(asked(), Vec::from_iter(looked_at), "{body}");
    }
    patch(json!({"isImageWaterMark": false, "ImageURL": bad})).await;
    refuse(patch(json!({"isImageWaterMark": true})).await);
    assert_eq!(platform.new_key().await.status, StatusCode::OK);
    assert_eq!(asked(), [bad]);
}
