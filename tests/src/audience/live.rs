//! Connections without an end: each returns when the server has lost its viewer.

use futures::StreamExt as _;

use super::Notes;
use crate::flv;
use crate::rtmp::{Client, kind};

pub(super) async fn rtmp(address: &str, channel: &str, notes: &Notes) {
    let Ok(mut client) = Client::try_connect(address).await else {
        return;
    };
    if client.play(channel).await.is_err() {
        return;
    }
    while let Some(message) = client.receive().await {
        if message.kind == kind::VIDEO && flv::is_picture(&message.payload) {
            notes.picture(message.timestamp);
        }
    }
}

pub(super) async fn flv(url: &str, client: &reqwest::Client, notes: &Notes) {
    let answer = client.get(url).send().await;
    let Ok(answer) = answer.and_then(reqwest::Response::error_for_status) else {
        return;
    };
    let (mut pieces, mut tags) = (answer.bytes_stream(), flv::Reader::default());
    while let Some(Ok(piece)) = pieces.next().await {
        pictures(tags.push(&piece), notes);
    }
}

pub(super) async fn web_socket(url: &str, notes: &Notes) {
    let url = url.replacen("http", "ws", 1);
    let Ok((mut socket, _)) = tokio_tungstenite::connect_async(url).await else {
        return;
    };
    let mut tags = flv::Reader::default();
    while let Some(Ok(message)) = socket.next().await {
        if message.is_binary() {
            pictures(tags.push(&message.into_data()), notes);
        }
    }
}

fn pictures(tags: Vec<flv::Tag>, notes: &Notes) {
    for tag in tags {
        if tag.kind == kind::VIDEO && flv::is_picture(&tag.body) {
            notes.picture(tag.timestamp);
        }
    }
}
