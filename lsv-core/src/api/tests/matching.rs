//! Entity tags of channels, and calls that count only for what the client knows.

use super::*;

impl Platform {
    async fn send_if_match(&self, method: Method, path: &str, tag: &str, body: &str) -> Answered {
        let request = Self::request(method, path).header(header::IF_MATCH, tag);
        self.send(request.body(body.to_owned().into()).unwrap())
            .await
    }
}

const CAM: &str = "/videostream/cam";
const KEY: &str = "/videostream/cam/key";
const CHANGE: &str = r#"{"videoname": "changed"}"#;

#[tokio::test]
async fn each_answer_with_a_channel_has_its_tag() {
    let platform = Platform::new();
    let made = platform.post(json!({"id": "cam"})).await;
    let tag = made.header(header::ETAG).to_owned();
    assert!(tag.len() == 34 && tag.starts_with('"') && tag.ends_with('"'));
    let read = platform.get(CAM).await;
    assert_eq!((read.header(header::ETAG), &read.body), (&*tag, &made.body));
    assert_eq!(read.header(header::CONTENT_TYPE), "application/json");

    let mut seen = vec![tag];
    for method in [Method::PUT, Method::PATCH] {
        let change = json!({"videoname": method.as_str()});
        let changed = platform.send_json(method, CAM, change).await;
        seen.push(changed.header(header::ETAG).to_owned());
    }
    seen.push(platform.new_key().await.header(header::ETAG).to_owned());
    assert_eq!(platform.get(CAM).await.header(header::ETAG), seen[3]);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4, "each state has a tag of its own");
}

#[tokio::test]
async fn what_the_client_does_not_know_stays() {
    let platform = Platform::new();
    let first = platform.post(json!({"id": "cam"})).await;
    let stale = first.header(header::ETAG).to_owned();
    let change = json!({"description": "of somebody else"});
    let second = platform.send_json(Method::PATCH, CAM, change).await;
    let fresh = second.header(header::ETAG).to_owned();
    platform.go_live("cam");
    let mut events = platform.events.subscribe();

    let weak = format!("W/{fresh}");
    for (method, path) in [
        (Method::PUT, CAM),
        (Method::PATCH, CAM),
        (Method::POST, KEY),
        (Method::DELETE, CAM),
    ] {
        for tag in [&stale, &weak, "\"\"", ""] {
            let refused = platform.send_if_match(method.clone(), path, tag, CHANGE);
            refused.await.problem(Kind::PreconditionFailed);
        }
        for tag in ["stale", "*, *", "\"open"] {
            let refused = platform.send_if_match(method.clone(), path, tag, CHANGE);
            let problem = refused.await.problem(Kind::InvalidParameter);
            assert_eq!(problem["field"], json!("If-Match"));
        }
    }
    // What the client does not know comes before what is wrong with the rest of its call.
    let unknown = r#"{"nonsense": 1}"#;
    let refused = platform.send_if_match(Method::PATCH, CAM, &stale, unknown);
    refused.await.problem(Kind::PreconditionFailed);
    assert_eq!(platform.get(CAM).await.body, second.body);
    assert_eq!(platform.live.list().len(), 1);
    assert_eq!(platform.live.applied.lock().unwrap().len(), 1);
    assert!(events.try_recv().is_err(), "nothing is told");

    let several = format!("{stale}, {fresh}");
    let mut answer = platform
        .send_if_match(Method::PUT, CAM, &several, CHANGE)
        .await;
    for (method, path) in [(Method::PATCH, CAM), (Method::POST, KEY)] {
        assert_eq!(answer.status, StatusCode::OK);
        let tag = answer.header(header::ETAG).to_owned();
        answer = platform.send_if_match(method, path, &tag, CHANGE).await;
    }
    assert_eq!(answer.status, StatusCode::OK);
    let any = platform.send_if_match(Method::PATCH, CAM, "*", CHANGE);
    let tag = any.await.header(header::ETAG).to_owned();
    let removed = platform.send_if_match(Method::DELETE, CAM, &tag, "").await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    for tag in ["*", &tag] {
        let gone = platform.send_if_match(Method::DELETE, CAM, tag, "");
        gone.await.problem(Kind::NotFound);
        let gone = platform.send_if_match(Method::PATCH, CAM, tag, CHANGE);
        gone.await.problem(Kind::NotFound);
    }
}

/// Of several who change the same state, one gets through, also where their writes cross.
#[tokio::test]
async fn of_several_who_know_the_same_one_changes_it() {
    let platform = Platform::new();
    let made = platform.post(json!({"id": "cam"})).await;
    let tag = made.header(header::ETAG);
    let names = ["a", "b", "c", "d", "e", "f"];
    let bodies = names.map(|name| json!({"videoname": name}).to_string());
    let changes = bodies
        .iter()
        .map(|body| platform.send_if_match(Method::PATCH, CAM, tag, body));
    let answers = futures::future::join_all(changes).await;
    let (through, refused): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.status == StatusCode::OK);
    assert_eq!(through.len(), 1);
    for answer in refused {
        answer.problem(Kind::PreconditionFailed);
    }
    assert_eq!(platform.get(CAM).await.body, through[0].body);
}

#[tokio::test]
async fn tags_are_described() {
    let description = serde_json::to_value(description()).unwrap();
    let channel = &description["paths"]["/videostream/{id}"];
    let key = &description["paths"]["/videostream/{id}/key"]["post"];
    for call in [&channel["put"], &channel["patch"], &channel["delete"], key] {
        let parameters = call["parameters"].as_array().unwrap();
        let header = parameters.iter().find(|one| one["name"] == "If-Match");
        assert_eq!(header.unwrap()["in"], "header");
        assert_eq!(header.unwrap()["required"], json!(false));
        assert!(call["responses"]["412"].is_object() && call["responses"]["400"].is_object());
    }
    let make = &description["paths"]["/videostream"]["post"]["responses"]["201"];
    let answers = [&channel["get"], &channel["put"], &channel["patch"], key];
    let answers = answers.map(|call| &call["responses"]["200"]);
    for answer in answers.into_iter().chain([make]) {
        assert!(answer["headers"]["ETag"].is_object(), "{answer}");
    }
}
