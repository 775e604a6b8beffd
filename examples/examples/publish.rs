//! Publishes an FLV file as it is, in real time.
//!
//! ```sh
//! cargo run -p lsv-examples --example publish -- clip.flv 'rtmp://127.0.0.1/stream/cam?sign=..'
//! ```

use std::time::Duration;

use anyhow::Context;
use bytes::BytesMut;
use lsv_core::media::Kind;
use lsv_mux::flv::{Demuxer, Limits};
use lsv_rtmp::net::{Address, Client};
use lsv_rtmp::session::Media;
use tokio::time::{Instant, sleep_until};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (file, address) = arguments
        .next()
        .zip(arguments.next())
        .context("publish FILE ADDRESS")?;
    let mut flv = BytesMut::from(&*std::fs::read(file)?);
    let mut demuxer = Demuxer::new(Limits::default());

    let mut publishing = Client::default()
        .publish(&address.parse::<Address>()?)
        .await?;
    println!("publishing to {}", publishing.address());
    let start = Instant::now();
    while let Some(tag) = demuxer.next(&mut flv)? {
        let (timestamp, payload) = (tag.timestamp, tag.body);
        let at = start + Duration::from_millis(timestamp.into());
        // Until it is time for the tag, the server may say something.
        while let Some(news) = tokio::select! {
            news = publishing.event() => Some(news?),
            () = sleep_until(at) => None,
        } {
            println!("{news:?}");
        }
        let media = match tag.kind {
            Kind::Audio => Media::Audio { timestamp, payload },
            Kind::Video => Media::Video { timestamp, payload },
            Kind::Data => Media::Data { timestamp, payload },
        };
        publishing.send_media(&media).await?;
    }
    Ok(publishing.finish().await?)
}
