//! What happens, as server-sent events.

use super::*;

#[tokio::test]
async fn events_are_told_as_they_happen() {
    let platform = Platform::new();
    let request = Platform::request(Method::GET, "/events")
        .body(Body::empty())
        .unwrap();
    let response = platform.router.clone().oneshot(request).await.unwrap();
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/event-stream"
    );
    let mut stream = response.into_body().into_data_stream();

    platform.channel("cam").await;
    let told = stream.next().await.unwrap().unwrap();
    let told = std::str::from_utf8(&told).unwrap();
    let (id, told) = told.split_once('\n').unwrap();
    assert!(id.starts_with("id: ") && id.ends_with("-1"), "{id}");
    let data = told.strip_prefix("event: channel-created\ndata: ").unwrap();
    let event: Value = serde_json::from_str(data).unwrap();
    assert_eq!(
        event,
        json!({"at": "2023-11-14T22:13:20Z", "event": "channel-created", "channel": "cam"})
    );

    for _ in 0..crate::events::BACKLOG + 2 {
        let channel = ChannelId::parse("cam").unwrap();
        platform
            .events
            .publish(NOW, Happening::Unpublished { channel });
    }
    let lost = stream.next().await.unwrap().unwrap();
    assert_eq!(lost, "event: lost\ndata: 2\n\n");
}

#[tokio::test]
async fn events_of_the_past_come_first_and_each_once() {
    let platform = Platform::new();
    let tell = |name: &str| {
        let channel = ChannelId::parse(name).unwrap();
        let happened = Happening::Unpublished { channel };
        platform.events.publish(NOW, happened);
    };
    // Asks, lets one more happen, and gives what came up to that: the ids, and the channels or how many were lost.
    let listen = async |query: &str, last: Option<&str>, more: &str| {
        let mut request = Platform::request(Method::GET, &format!("/events{query}"));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = platform.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        tell(more);
        let mut stream = response.into_body().into_data_stream();
        let (mut ids, mut heard) = (Vec::new(), Vec::new());
        while heard.last().is_none_or(|it| it != more) {
            let piece = stream.next().await.unwrap().unwrap();
            for line in std::str::from_utf8(&piece).unwrap().lines() {
                if let Some(id) = line.strip_prefix("id: ") {
                    ids.push(id.to_owned());
                } else if let Some(data) = line.strip_prefix("data: ") {
                    let data: Value = serde_json::from_str(data).unwrap();
                    let channel = data["channel"].as_str();
                    heard.push(channel.map_or_else(|| data.to_string(), str::to_owned));
                }
            }
        }
        (ids, heard)
    };
    tell("a");
    tell("b");
    assert_eq!(listen("", None, "c").await.1, ["c"]);
    let (ids, heard) = listen("?recent=2", None, "d").await;
    assert_eq!(heard, ["b", "c", "d"]);
    assert_eq!(listen("?recent=0", None, "e").await.1, ["e"]);
    let (_, all) = listen("?recent=1000000", None, "f").await;
    assert_eq!(all, ["a", "b", "c", "d", "e", "f"]);
    // A browser that lost its connection asks the same again.
    let (_, rest) = listen("?recent=2", Some(&ids[1]), "g").await;
    assert_eq!(rest, ["d", "e", "f", "g"]);
    for (number, garbage) in ["", "7", "a b", "-", "0-0-0"].into_iter().enumerate() {
        let more = format!("h{number}");
        let (_, heard) = listen("?recent=1", Some(garbage), &more).await;
        assert_eq!(heard.len(), 2, "{garbage}: {heard:?}");
    }
    let (_, all) = listen("?recent=1", Some("0123456789abcdef-2"), "i").await;
    assert_eq!((all.len(), &all[0][..]), (13, "a"), "of another process");

    for _ in 0..crate::events::REMEMBERED {
        tell("z");
    }
    let (ids, heard) = listen("", Some(&ids[1]), "end").await;
    assert_eq!(
        (heard.len(), &heard[0][..]),
        (258, "10"),
        "ten were forgotten"
    );
    assert_eq!(ids.len(), 257, "what is lost has no id");
    for wrong in ["-1", "x", "1.5", ""] {
        let refused = platform.get(&format!("/events?recent={wrong}")).await;
        drop(refused.problem(Kind::InvalidParameter));
    }
}

#[tokio::test]
async fn event_streams_end_with_the_process() {
    let platform = Platform::new();
    let request = Platform::request(Method::GET, "/events")
        .body(Body::empty())
        .unwrap();
    let response = platform.router.clone().oneshot(request).await.unwrap();
    platform.ready.send(false).unwrap();
    let rest = tokio::time::timeout(Duration::from_secs(60), response.into_body().collect()).await;
    assert!(rest.unwrap().unwrap().to_bytes().is_empty());
}
