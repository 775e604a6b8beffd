//! A live stream inside somebody's axum application: under a path of its own, behind the application's middleware.
//!
//! ```sh
//! cargo run -p lsv-examples --example hls_in_axum -- examples/assets/demo.flv 127.0.0.1:8081
//! curl -H 'Authorization: Bearer open sesame' http://127.0.0.1:8081/tv/cam/live.m3u8
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use lsv_core::access::Viewers;
use lsv_core::hub::{Hub, Offer, Publisher};
use lsv_core::path::{ChannelId, StreamPath};
use lsv_core::time::Timestamp;
use lsv_mux::flv::Frames;
use lsv_mux::http::{State, router};
use lsv_mux::packager::{Config, Packagers};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (file, address) = arguments
        .next()
        .zip(arguments.next())
        .context("hls_in_axum FILE ADDRESS")?;
    let hub = Hub::default();
    let packagers = Packagers::new(Config::default());
    tokio::spawn(packagers.clone().run(hub.clone()));
    let path = StreamPath::source(ChannelId::parse("cam")?);
    let publisher = hub.publish(&path, Offer::new(file.as_str()), Instant::now())?;
    tokio::spawn(publish(publisher, tokio::fs::read(file).await?));

    let live = router(State::new(hub, packagers, Arc::new(Viewers)));
    let app = Router::new()
        .route("/", get("live at /tv/cam/live.m3u8"))
        .nest("/tv", live.layer(from_fn(only_members)));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    // The router counts viewers and limits them by their address.
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .await?;
    Ok(())
}

/// Any middleware will do: this one belongs to the application.
async fn only_members(request: Request, next: Next) -> Response {
    match request.headers().get(header::AUTHORIZATION) {
        Some(word) if word == "Bearer open sesame" => next.run(request).await,
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// Publishes an FLV file in real time, then ends the stream.
async fn publish(publisher: Publisher, file: Vec<u8>) -> anyhow::Result<()> {
    let start = tokio::time::Instant::now();
    let mut frames = Frames::default();
    frames.push(&file);
    while let Some(frame) = frames.next()? {
        let at: Duration = frame.dts.since(Timestamp::ZERO);
        tokio::time::sleep_until(start + at).await;
        publisher.push(frame)?;
    }
    publisher.finish();
    Ok(())
}
