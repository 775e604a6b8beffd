use super::*;

#[tokio::test]
async fn a_channel_is_made_as_an_older_product_asks() {
    let platform = Platform::new();
    let made = platform
        .post(json!({
            "videoname": "test video", "description": "test", "outdate": "2032-12-09", "isFlv": "true", "isHls": "true",
            "isVideo": "true", "video_time": "60", "isImage": "true", "image_time": "30", "isMotion": "false",
            "isOnDemand": "true",
        }))
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let record = made.json();
    let id = record["id"].as_str().unwrap();
    assert_eq!(made.header(header::LOCATION), format!("/videostream/{id}"));
    assert_eq!(id.len(), 36);
    assert_eq!(record["isVideo"], json!(true));
    assert_eq!(record["video_time"], json!(60));
    assert_eq!(record["isMotion"], json!(false));
    assert_eq!(record["outdate"], json!("2032-12-09T23:59:59Z"));
    assert!(record["key"].as_str().unwrap().starts_with("1986249599-"));
    assert_eq!(
        platform.get(&format!("/videostream/{id}")).await.json(),
        record
    );
}

#[tokio::test]
async fn the_push_key_is_what_the_vectors_say() {
    let platform = Platform::new();
    let made = platform
        .post(json!({"id": "test05", "outdate": "2100-01-01T00:00:00Z"}))
        .await
        .json();
    let expected = "4102444800-5899fedb4ea72957d9908e483ae2b5c421c9a7af0aa677148b3f3fc9c28839db";
    assert_eq!(made["key"], json!(expected));
}

#[tokio::test]
async fn every_json_content_type_is_taken() {
    let platform = Platform::new();
    for kind in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/merge-patch+json",
    ] {
        let request =
            Platform::request(Method::POST, "/videostream").header(header::CONTENT_TYPE, kind);
        assert_eq!(
            platform
                .send(request.body("{}".into()).unwrap())
                .await
                .status,
            StatusCode::CREATED,
            "{kind}"
        );
    }
    let untold = Platform::request(Method::POST, "/videostream")
        .body("{}".into())
        .unwrap();
    assert_eq!(platform.send(untold).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn listing_goes_page_by_page() {
    let platform = Platform::new();
    assert_eq!(platform.get("/videostream").await.json(), json!([]));
    for number in 0..5 {
        platform.channel(&format!("cam-{number}")).await;
    }
    let all = platform.get("/videostream").await;
    assert!(!all.headers.contains_key(header::LINK));
    let mut seen = Vec::new();
    let mut path = "/videostream?limit=2".to_owned();
    loop {
        let page = platform.get(&path).await;
        assert_eq!(page.status, StatusCode::OK);
        seen.extend(page.json().as_array().unwrap().clone());
        let Some(link) = page.headers.get(header::LINK) else {
            break;
        };
        let link = link.to_str().unwrap();
        path = link
            .strip_prefix('<')
            .unwrap()
            .split_once(">; rel=\"next\"")
            .unwrap()
            .0
            .to_owned();
        assert!(path.starts_with("/videostream?limit=2&cursor="), "{path}");
    }
    assert_eq!(Value::from(seen), all.json());
    assert_eq!(
        platform.get("/videostream?limit=5000").await.json(),
        all.json()
    );
}

#[tokio::test]
async fn put_and_patch_change_what_is_given_and_what_is_live_follows() {
    let platform = Platform::new();
    platform.channel("cam").await;
    for (method, name) in [(Method::PUT, "first"), (Method::PATCH, "second")] {
        let changed = platform
            .send_json(method, "/videostream/cam", json!({"videoname": name}))
            .await;
        assert_eq!(changed.status, StatusCode::OK);
        assert_eq!(changed.json()["videoname"], json!(name));
        assert_eq!(changed.json()["isHls"], json!(true));
    }
    let applied = platform.live.applied.lock().unwrap();
    let names: Vec<_> = applied
        .iter()
        .map(|channel| channel.settings.videoname.as_str())
        .collect();
    assert_eq!(names, ["first", "second"]);
}

#[tokio::test]
async fn a_record_as_it_was_read_can_be_written_back() {
    let platform = Platform::new();
    let mut record = platform.channel("cam").await;
    record["hls_time"] = json!(4);
    let changed = platform
        .send_json(Method::PUT, "/videostream/cam", record.clone())
        .await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!(changed.json(), record);
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_kept() {
    let platform = Platform::new();
    platform.channel("cam").await;
    let change = |field: &'static str| {
        let platform = &platform;
        async move {
            platform
                .send_json(Method::PATCH, "/videostream/cam", json!({field: true}))
                .await
                .status
        }
    };
    let fields = ["isVideo", "isImage", "isOnDemand", "isMotion"];
    let statuses = futures::future::join_all(fields.map(change)).await;
    assert_eq!(statuses, [StatusCode::OK; 4]);
    let record = platform.get("/videostream/cam").await.json();
    assert!(fields.iter().all(|field| record[*field] == json!(true)));
}

#[tokio::test]
async fn a_removed_channel_is_gone_and_its_publisher_too() {
    let platform = Platform::new();
    platform.channel("cam").await;
    platform.go_live("cam");
    let removed = platform.call(Method::DELETE, "/videostream/cam").await;
    assert_eq!(
        (removed.status, removed.body.len()),
        (StatusCode::NO_CONTENT, 0)
    );
    assert!(platform.live.list().is_empty());
    platform
        .get("/videostream/cam")
        .await
        .problem(Kind::NotFound);
    platform
        .call(Method::DELETE, "/videostream/cam")
        .await
        .problem(Kind::NotFound);
}

#[tokio::test]
async fn a_new_key_replaces_the_old_one() {
    let platform = Platform::new();
    let before = platform.channel("cam").await;
    let rotated = platform.new_key().await;
    assert_eq!(rotated.status, StatusCode::OK);
    assert_ne!(rotated.json()["key"], before["key"]);
    assert_eq!(rotated.json()["outdate"], before["outdate"]);
    assert_eq!(
        platform.get("/videostream/cam").await.json()["key"],
        rotated.json()["key"]
    );
}

#[tokio::test]
async fn play_addresses_let_viewers_in() {
    let platform = Platform::new();
    platform.channel("cam").await;
    let protect = json!({"playToken": "on"});
    platform
        .send_json(Method::PATCH, "/videostream/cam", protect)
        .await;
    let secret = lsv_auth::Secret::new(PLAYBACK_SECRET).unwrap();
    let verified = |url: &str, at: u64, peer: &str| {
        let (address, query) = url.split_once('?').unwrap();
        let path = &address[address.find("/cam").unwrap()..];
        let peer = peer.parse().unwrap();
        lsv_auth::playback::verify(&secret, path, Some(query), peer, at)
    };
    let urls = platform.get("/videostream/cam/urls?ttl=60").await.json();
    let play = &urls["play"];
    assert_eq!(play["expires"], "2023-11-14T22:14:20Z");
    for url in [
        &play["rtmp"],
        &play["flv"],
        &play["wsflv"],
        &play["hls"],
        &play["poster"],
        &play["pages"]["best"],
    ] {
        let url = url.as_str().unwrap();
        let pass = verified(url, NOW.unix() + 60, "192.0.2.7").unwrap();
        assert!(!pass.bound_to_address, "{url}");
        assert!(verified(url, NOW.unix() + 61, "192.0.2.7").is_err());
    }
    assert!(!urls["push"]["url"].as_str().unwrap().contains("token="));

    let urls = platform
        .get("/videostream/cam/urls?ip=192.0.2.7")
        .await
        .json();
    let bound = urls["play"]["hls"].as_str().unwrap();
    assert!(
        verified(bound, NOW.unix() + 86_400, "192.0.2.7")
            .unwrap()
            .bound_to_address
    );
    assert!(verified(bound, NOW.unix(), "192.0.2.8").is_err());

    let ip = json!({"playToken": "ip"});
    platform
        .send_json(Method::PATCH, "/videostream/cam", ip)
        .await;
    let peer = axum::extract::ConnectInfo(std::net::SocketAddr::from(([192, 0, 2, 9], 1)));
    let request = Platform::request(Method::GET, "/videostream/cam/urls");
    let request = request.extension(peer).body(Body::empty()).unwrap();
    let urls = platform.send(request).await.json();
    let bound = urls["play"]["hls"].as_str().unwrap();
    assert!(
        verified(bound, NOW.unix(), "192.0.2.9")
            .unwrap()
            .bound_to_address
    );

    for query in [
        "ttl=0",
        "ttl=31536001",
        "ttl=+1",
        "ttl=",
        "ip=x",
        "ip=",
        "ttl=1&ttl=2",
    ] {
        let refused = platform
            .get(&format!("/videostream/cam/urls?{query}"))
            .await;
        refused.problem(Kind::InvalidParameter);
    }
}

#[tokio::test]
async fn addresses_are_made_with_the_host_of_the_request() {
    let platform = Platform::new();
    let record = platform.channel("cam").await;
    let key = record["key"].as_str().unwrap();
    let urls = platform.get("/videostream/cam/urls").await.json();
    assert_eq!(
        urls,
        json!({
            "push": {
                "server": "rtmp://example.com:1935/stream",
                "streamKey": format!("cam?sign={key}"),
                "url": format!("rtmp://example.com:1935/stream/cam?sign={key}"),
                "expires": record["outdate"],
            },
            "play": {
                "rtmp": "rtmp://example.com:1935/stream/cam",
                "flv": "http://example.com:8080/cam/live.flv",
                "wsflv": "ws://example.com:8080/cam/live.flv",
                "hls": "http://example.com:8080/cam/live.m3u8",
                "poster": "http://example.com:8080/cam/poster.jpg",
                "pages": {
                    "best": "http://example.com:8080/cam/",
                    "flv": "http://example.com:8080/cam/flv.html",
                    "hls": "http://example.com:8080/cam/hls.html",
                },
                "expires": null,
            },
        })
    );
    platform
        .send_json(
            Method::PATCH,
            "/videostream/cam",
            json!({"isCMAF": true, "isFlv": false}),
        )
        .await;
    let play = platform.get("/videostream/cam/urls").await.json()["play"].clone();
    assert_eq!(
        play["cmaf"],
        json!("http://example.com:8080/cam/master.m3u8")
    );
    assert_eq!(
        play["dash"],
        json!("http://example.com:8080/cam/manifest.mpd")
    );
    assert_eq!(play["flv"], Value::Null);
    assert_eq!(play.get("renditions"), None);
    let dash_page = json!("http://example.com:8080/cam/dash.html");
    assert_eq!(play["pages"]["dash"], dash_page);
    let encrypted = json!({"isEncrypted": true});
    platform
        .send_json(Method::PATCH, "/videostream/cam", encrypted)
        .await;
    let encrypted = platform.get("/videostream/cam/urls").await.json()["play"].clone();
    assert_eq!(encrypted["cmaf"], play["cmaf"]);
    assert_eq!(encrypted.get("dash"), None);
    assert_eq!(encrypted["pages"].get("dash"), None);
    platform
        .send_json(
            Method::PATCH,
            "/videostream/cam",
            json!({"isCMAF": false, "isCodec": true, "ld": true, "hd": true}),
        )
        .await;
    let play = platform.get("/videostream/cam/urls").await.json()["play"].clone();
    let index = "http://example.com:8080/cam/index.m3u8";
    assert_eq!(play["index"], json!(index));
    assert_eq!(
        play["renditions"],
        json!([
            {
                "name": "360p",
                "rtmp": "rtmp://example.com:1935/stream/cam/360p",
                "hls": "http://example.com:8080/cam/360p/live.m3u8",
            },
            {
                "name": "720p",
                "rtmp": "rtmp://example.com:1935/stream/cam/720p",
                "hls": "http://example.com:8080/cam/720p/live.m3u8",
            },
        ])
    );
}

#[tokio::test]
async fn addresses_without_a_host_name_this_machine() {
    let platform = Platform::new();
    platform.channel("cam").await;
    let request = Request::get("/videostream/cam/urls")
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
    let urls = platform
        .send(request.body(Body::empty()).unwrap())
        .await
        .json();
    assert_eq!(
        urls["push"]["server"],
        json!("rtmp://127.0.0.1:1935/stream")
    );
    assert_eq!(
        urls["play"]["hls"],
        json!("http://127.0.0.1:8080/cam/live.m3u8")
    );
}

#[tokio::test]
async fn http_addresses_have_the_port_that_the_client_used() {
    let platform = Platform::new();
    platform.channel("cam").await;
    for (host, hls) in [
        ("example.com:9000", "http://example.com:9000/cam/live.m3u8"),
        ("example.com:80", "http://example.com/cam/live.m3u8"),
        ("example.com:443", "https://example.com/cam/live.m3u8"),
        ("example.com", "http://example.com:8080/cam/live.m3u8"),
        ("[2001:db8::1]:81", "http://[2001:db8::1]:81/cam/live.m3u8"),
    ] {
        let request = Request::get("/videostream/cam/urls")
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(header::HOST, host);
        let answer = platform.send(request.body(Body::empty()).unwrap()).await;
        let urls = answer.json();
        assert_eq!(urls["play"]["hls"], json!(hls), "{host}");
        let rtmp = urls["play"]["rtmp"].as_str().unwrap();
        assert!(rtmp.ends_with(":1935/stream/cam"), "{rtmp}");
    }
}

#[tokio::test]
async fn who_comes_over_tls_gets_secure_addresses() {
    let platform = Platform::new();
    platform.channel("cam").await;
    let urls = async |host: Option<&str>, forwarded: Option<&str>, secured: bool| {
        let mut request = Request::get("/videostream/cam/urls")
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        for (name, value) in [("host", host), ("x-forwarded-proto", forwarded)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        if secured {
            request = request.extension(Secured);
        }
        let answer = platform.send(request.body(Body::empty()).unwrap()).await;
        answer.json()["play"].clone()
    };
    for (host, forwarded, secured, origin) in [
        (Some("a.example:8443"), None, true, "https://a.example:8443"),
        (Some("a.example"), None, true, "https://a.example"),
        (Some("a.example:80"), None, false, "http://a.example"),
        (None, None, true, "https://127.0.0.1:8443"),
        // TLS ends at a load balancer.
        (Some("a.example"), Some("https"), false, "https://a.example"),
        (
            Some("a.example"),
            Some("https, http"),
            false,
            "https://a.example",
        ),
        (
            Some("a.example:9"),
            Some("https"),
            false,
            "https://a.example:9",
        ),
        (
            Some("a.example:9"),
            Some("http"),
            true,
            "http://a.example:9",
        ),
    ] {
        let play = urls(host, forwarded, secured).await;
        assert_eq!(play["hls"], json!(format!("{origin}/cam/live.m3u8")));
        let web_socket = origin.replacen("http", "ws", 1);
        assert_eq!(play["wsflv"], json!(format!("{web_socket}/cam/live.flv")));
    }
    for (pull, forwarded, secured, origin) in [
        ("b.example", None, true, "https://b.example:8443"),
        ("b.example", None, false, "http://b.example:8080"),
        ("b.example:8443", None, false, "https://b.example:8443"),
        ("b.example:80", None, true, "http://b.example"),
        // The load balancer's port, also where it comes in over TLS itself.
        ("b.example", Some("https"), false, "https://b.example"),
        ("b.example", Some("https"), true, "https://b.example"),
        (
            "b.example:8443",
            Some("https"),
            false,
            "https://b.example:8443",
        ),
    ] {
        let names = json!({ "pull": pull });
        platform.send_json(Method::PUT, "/streamdns", names).await;
        let play = urls(Some("a.example"), forwarded, secured).await;
        assert_eq!(play["hls"], json!(format!("{origin}/cam/live.m3u8")));
    }
}

#[tokio::test]
async fn domain_names_of_the_operator_win() {
    let platform = Platform::new();
    platform.channel("cam").await;
    assert_eq!(
        platform.get("/streamdns").await.json(),
        json!({"push": "", "pull": ""})
    );
    let names = json!({"push": "in.example.org", "pull": "cdn.example.org:443"});
    let put = platform
        .send_json(Method::PUT, "/streamdns", names.clone())
        .await;
    assert_eq!((put.status, put.json()), (StatusCode::OK, names.clone()));
    assert_eq!(platform.get("/streamdns").await.json(), names);
    let urls = platform.get("/videostream/cam/urls").await.json();
    assert_eq!(
        urls["push"]["server"],
        json!("rtmp://in.example.org:1935/stream")
    );
    assert_eq!(
        urls["play"]["hls"],
        json!("https://cdn.example.org/cam/live.m3u8")
    );
    assert_eq!(
        urls["play"]["wsflv"],
        json!("wss://cdn.example.org/cam/live.flv")
    );

    let partly = platform
        .send_json(Method::PUT, "/streamdns", json!({"pull": ""}))
        .await;
    assert_eq!(partly.json(), json!({"push": "in.example.org", "pull": ""}));
}

#[tokio::test]
async fn live_sessions_are_shown_and_ended() {
    let platform = Platform::new();
    platform.channel("cam").await;
    assert_eq!(platform.get("/videostream/online").await.json(), json!([]));
    platform
        .get("/videostream/cam/session")
        .await
        .problem(Kind::NotFound);
    platform
        .call(Method::DELETE, "/videostream/cam/session")
        .await
        .problem(Kind::NotFound);
    platform
        .get("/videostream/nobody/session")
        .await
        .problem(Kind::NotFound);

    platform.go_live("cam");
    let session = platform.get("/videostream/cam/session").await.json();
    assert_eq!(session["since"], json!("2023-11-14T22:13:20Z"));
    assert_eq!(session["video"]["frameRate"], json!(30.0));
    assert_eq!(session["keyFrameInterval"], json!(2.0));
    assert_eq!(session["viewers"], json!({"flv": 3}));
    assert_eq!(session["warnings"][0]["topic"], json!("bFrames"));
    let task = json!({
        "id": "relay-1", "kind": "relay", "channel": "cam", "size": "micro", "state": "running",
        "since": "2023-11-14T22:13:20Z", "restarts": 2, "speed": 1.0,
        "lastFailure": {"at": "2023-11-14T22:13:20Z", "problem": "the connection broke", "said": ["one", "two"]},
        "outputs": [
            {"name": "rtmps://one.example/live/..", "state": "running", "bitrate": 1_000_000},
            {"name": "rtmp://two.example/live/..", "state": "waiting", "bitrate": 0, "problem": "cannot connect"},
        ],
    });
    assert_eq!(session["tasks"], json!([task]));
    assert_eq!(
        platform.get("/videostream/online").await.json(),
        json!([session])
    );
    let ended = platform
        .call(Method::DELETE, "/videostream/cam/session")
        .await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    assert_eq!(platform.get("/videostream/online").await.json(), json!([]));
}

#[tokio::test]
async fn health_and_metrics_are_open() {
    let platform = Platform::new();
    let open = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    assert_eq!(
        platform.send(open("/healthz")).await.json(),
        json!({"status": "ok"})
    );
    assert_eq!(
        platform.send(open("/readyz")).await.json(),
        json!({"status": "ready"})
    );
    let metrics = platform.send(open("/metrics")).await;
    assert!(
        metrics
            .header(header::CONTENT_TYPE)
            .starts_with("text/plain; version=0.0.4")
    );
    assert_eq!(metrics.body, b"lsv_up 1\n");
    platform.ready.send(false).unwrap();
    platform
        .send(open("/readyz"))
        .await
        .problem(Kind::Unavailable);
    assert_eq!(platform.send(open("/healthz")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_description_knows_every_call_and_field() {
    let platform = Platform::new();
    let description = platform
        .send(Request::get("/openapi.json").body(Body::empty()).unwrap())
        .await
        .json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    let calls: BTreeMap<_, Vec<_>> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, methods)| {
            (
                path.as_str(),
                methods
                    .as_object()
                    .unwrap()
                    .keys()
                    .map(String::as_str)
                    .collect(),
            )
        })
        .collect();
    let expected: BTreeMap<&str, Vec<&str>> = BTreeMap::from([
        ("/videostream", vec!["get", "post"]),
        ("/videostream/online", vec!["get"]),
        ("/videostream/{id}", vec!["delete", "get", "patch", "put"]),
        ("/videostream/{id}/urls", vec!["get"]),
        ("/videostream/{id}/key", vec!["post"]),
        ("/videostream/{id}/watermark", vec!["post"]),
        ("/videostream/{id}/session", vec!["delete", "get"]),
        ("/videostream/{id}/usage", vec!["get"]),
        ("/videostream/{id}/recordings", vec!["get"]),
        ("/videostream/{id}/recordings/{name}", vec!["delete"]),
        ("/streamdns", vec!["get", "put"]),
        ("/events", vec!["get"]),
        ("/healthz", vec!["get"]),
        ("/readyz", vec!["get"]),
        ("/metrics", vec!["get"]),
        ("/console/session", vec!["delete", "get", "post"]),
    ]);
    assert_eq!(calls, expected);

    let schema = &description["components"]["schemas"]["Channel"];
    let record = platform.channel("cam").await;
    for field in record.as_object().unwrap().keys() {
        assert!(schema["properties"][field].is_object(), "{field}");
    }
    assert_eq!(schema["properties"]["hls_time"]["maximum"], json!(60));
    assert_eq!(
        schema["properties"]["codec"]["enum"],
        json!(["libx264", "libx265"])
    );
    assert_eq!(schema["properties"]["videoname"]["maxLength"], json!(256));
    assert_eq!(
        description["security"],
        json!([{"token": []}, {"session": []}])
    );
    assert_eq!(
        description["components"]["securitySchemes"]["token"]["scheme"],
        json!("bearer")
    );
}

#[tokio::test]
async fn the_description_knows_every_field_of_a_session() {
    let platform = Platform::new();
    platform.channel("cam").await;
    platform.go_live("cam");
    let session = platform.get("/videostream/cam/session").await.json();
    let request = Request::get("/openapi.json").body(Body::empty()).unwrap();
    let description = platform.send(request).await.json();
    let response = &description["paths"]["/videostream/{id}/session"]["get"]["responses"]["200"];
    let schema = &response["content"]["application/json"]["schema"];
    assert_described(&description, schema, &session);
}

/// Asserts that `schema` names every field of `value`, and of what is in them.
#[track_caller]
pub(crate) fn assert_described(description: &Value, schema: &Value, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let schema = property(description, schema, name);
                let schema = schema.unwrap_or_else(|| panic!("{name} is not described"));
                assert_described(description, schema, field);
            }
        }
        Value::Array(items) => {
            for item in items {
                assert_described(description, &schema["items"], item);
            }
        }
        _ => {}
    }
}

/// The schema of a field, through references and alternatives.
fn property<'a>(description: &'a Value, schema: &'a Value, name: &str) -> Option<&'a Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        let referred = description.pointer(reference.strip_prefix('#')?)?;
        return property(description, referred, name);
    }
    let own = schema["properties"].get(name);
    let any = schema.get("additionalProperties");
    let parts = ["allOf", "oneOf"].into_iter();
    let mut parts = parts.filter_map(|key| schema[key].as_array()).flatten();
    own.or(any)
        .or_else(|| parts.find_map(|part| property(description, part, name)))
}
