//! Objects for other nodes: written whole, composed, listed, removed.

use std::sync::Arc;

use axum::Json as Said;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;

use super::Keeping;
use super::body::{Class, Name, Paging, Parameters, Whole};
use super::calls::CallId;
use super::refused::{Answer, Refused};
use crate::exchange::{Listed, pieces, tag_of_bytes, tag_of_object};
use crate::ports::{Error, ObjectInfo, ObjectName, ObjectStore, Result};

pub(super) async fn list(
    State(node): State<Keeping>,
    Parameters(paging): Parameters<Paging>,
) -> Answer<Said<Listed<ObjectInfo>>> {
    let objects = &node.stores.objects;
    let page = objects.list(&paging.prefix, &paging.request()).await?;
    Ok(Said(Listed {
        items: page.items,
        next: page.next.map(|cursor| cursor.as_str().to_owned()),
    }))
}

pub(super) async fn stat(
    State(node): State<Keeping>,
    Name(name): Name,
) -> Answer<Said<ObjectInfo>> {
    Ok(Said(node.stores.objects.stat(&name).await?))
}

pub(super) async fn write(
    State(node): State<Keeping>,
    Name(name): Name,
    Parameters(Class { class }): Parameters<Class>,
    call: CallId,
    headers: HeaderMap,
    body: Whole,
) -> Answer<Response> {
    let is_first = match headers.get(header::IF_NONE_MATCH) {
        None => false,
        Some(any) if any == "*" => true,
        Some(_) => return Err(Refused::invalid("`If-None-Match: *`, or none")),
    };
    let before = headers.get(header::IF_MATCH).cloned();
    let store = node.stores.objects.in_class(class);
    let work = async move {
        let Whole { bytes, place } = body;
        let written = match before {
            Some(before) => replace(&*store, &name, &before, bytes).await,
            None if is_first => store.put_if_absent(&name, bytes).await,
            None => store.put(&name, bytes).await,
        };
        drop(place);
        written
    };
    node.common.calls.once(call, work).await
}

/// Writes an object if it has what the tag `before` tells.
async fn replace(
    store: &dyn ObjectStore,
    name: &ObjectName,
    before: &HeaderValue,
    bytes: Bytes,
) -> Result<()> {
    let was = store.get(name, None).await?.bytes;
    match tag_of_bytes(&was).as_bytes() == before.as_bytes() {
        true => store.replace(name, &was, bytes).await,
        false => Err(Error::Conflict(format!("object {name}"))),
    }
}

pub(super) async fn remove(
    State(node): State<Keeping>,
    Name(name): Name,
    call: CallId,
) -> Answer<Response> {
    let store = Arc::clone(&node.stores.objects);
    let work = async move { store.delete(&name).await };
    node.common.calls.once(call, work).await
}

pub(super) async fn settle(
    State(node): State<Keeping>,
    Name(name): Name,
    call: CallId,
) -> Answer<Response> {
    let (store, writers) = (Arc::clone(&node.stores.objects), node.writers);
    let work = async move {
        // Who asks says that nobody writes it any more; what was killed could not say so.
        writers.leave(&name).await;
        store.settle(&name).await
    };
    node.common.calls.once(call, work).await
}

pub(super) async fn compose(
    State(node): State<Keeping>,
    Name(name): Name,
    Parameters(Class { class }): Parameters<Class>,
    call: CallId,
    headers: HeaderMap,
    body: Whole,
) -> Answer<Response> {
    let Whole { bytes, place } = body;
    let pieces = pieces::decode(bytes);
    let pieces = pieces.map_err(|error| Refused::invalid(error.to_string()))?;
    let before = headers.get(header::IF_MATCH).cloned();
    let store = node.stores.objects.in_class(class);
    let work = async move {
        if let Some(before) = before {
            let now = store.stat(&name).await?;
            if tag_of_object(&now).as_bytes() != before.as_bytes() {
                return Err(Error::Conflict(format!("object {name}")));
            }
        }
        let info = store.compose(&name, &pieces).await;
        drop(place);
        info
    };
    node.common.calls.once(call, work).await
}
