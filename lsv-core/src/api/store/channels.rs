//! Channel records for other nodes.

use std::sync::Arc;

use axum::Json as Said;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::Value;

use super::Keeping;
use super::body::{Id, Json, Paging, Parameters, Whole};
use super::calls::{CallId, json};
use super::refused::{Answer, Refused};
use crate::channel::Channel;
use crate::exchange::{Listed, Version, tag_of_version, version_of_tag};
use crate::ports::{Precondition, StreamDns};

pub(super) async fn list(
    State(node): State<Keeping>,
    Parameters(paging): Parameters<Paging>,
) -> Answer<Response> {
    let page = node.stores.channels.list(&paging.request()).await?;
    let record = |channel: &Channel| {
        serde_json::from_slice(&channel.encode())
            .map_err(|error| Refused::invalid(error.to_string()))
    };
    let items = page.items.iter().map(record);
    let listed = Listed {
        items: items.collect::<Answer<Vec<Value>>>()?,
        next: page.next.map(|cursor| cursor.as_str().to_owned()),
    };
    Ok(Said(listed).into_response())
}

pub(super) async fn read(State(node): State<Keeping>, Id(id): Id) -> Answer<Response> {
    let found = node.stores.channels.get(&id).await?;
    let mut response = json(Bytes::from(found.channel.encode()));
    if let Ok(tag) = tag_of_version(found.version).parse() {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

pub(super) async fn write(
    State(node): State<Keeping>,
    Id(id): Id,
    call: CallId,
    headers: HeaderMap,
    body: Whole,
) -> Answer<Response> {
    let condition = precondition(&headers)?;
    let channel = Channel::decode(&body.bytes);
    let channel = channel.map_err(|error| Refused::invalid(error.to_string()))?;
    if channel.id != id {
        return Err(Refused::invalid("the record is of another channel"));
    }
    let store = Arc::clone(&node.stores.channels);
    let work = async move {
        let version = store.put(&channel, condition).await?;
        drop(body);
        Ok(Version { version })
    };
    node.common.calls.once(call, work).await
}

fn precondition(headers: &HeaderMap) -> Answer<Precondition> {
    let malformed = || Refused::invalid("`If-None-Match: *` or `If-Match: \"<version>\"`, or none");
    match (
        headers.get(header::IF_NONE_MATCH),
        headers.get(header::IF_MATCH),
    ) {
        (None, None) => Ok(Precondition::Any),
        (Some(any), None) if any == "*" => Ok(Precondition::IfAbsent),
        (None, Some(tag)) => {
            let version = tag.to_str().ok().and_then(version_of_tag);
            version.map(Precondition::IfVersion).ok_or_else(malformed)
        }
        _ => Err(malformed()),
    }
}

pub(super) async fn remove(
    State(node): State<Keeping>,
    Id(id): Id,
    call: CallId,
) -> Answer<Response> {
    let store = Arc::clone(&node.stores.channels);
    let work = async move { store.delete(&id).await };
    node.common.calls.once(call, work).await
}

pub(super) async fn stream_dns(State(node): State<Keeping>) -> Answer<Said<StreamDns>> {
    Ok(Said(node.stores.channels.stream_dns().await?))
}

pub(super) async fn put_stream_dns(
    State(node): State<Keeping>,
    call: CallId,
    Json(dns): Json<StreamDns>,
) -> Answer<Response> {
    let store = Arc::clone(&node.stores.channels);
    let work = async move { store.put_stream_dns(&dns).await };
    node.common.calls.once(call, work).await
}
