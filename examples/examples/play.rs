//! Plays a stream into an FLV file as it comes, until the server ends it.
//!
//! ```sh
//! cargo run -p lsv-examples --example play -- rtmp://127.0.0.1/stream/cam clip.flv
//! ```

use std::fs::File;
use std::io::Write;

use anyhow::Context;
use bytes::{BufMut, BytesMut};
use lsv_core::media::Kind;
use lsv_core::time::Timestamp;
use lsv_mux::flv::{header, put_tag};
use lsv_rtmp::net::client::Received;
use lsv_rtmp::net::{Address, Client};
use lsv_rtmp::session::Media;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (address, file) = arguments
        .next()
        .zip(arguments.next())
        .context("play ADDRESS FILE")?;
    let mut file = File::create(file)?;
    file.write_all(&header(true, true))?;

    let mut playing = Client::default().play(&address.parse::<Address>()?).await?;
    println!("playing from {}", playing.address());
    let mut tag = BytesMut::new();
    while let Some(received) = playing.next_media().await? {
        let media = match received {
            Received::Media(media) => media,
            news => {
                println!("{news:?}");
                continue;
            }
        };
        let kind = match &media {
            Media::Audio { .. } => Kind::Audio,
            Media::Video { .. } => Kind::Video,
            Media::Data { .. } => Kind::Data,
        };
        let at = Timestamp::from_millis(media.timestamp().into());
        put_tag(&mut tag, kind, at, |out| out.put_slice(media.payload()));
        file.write_all(&tag.split())?;
    }
    Ok(())
}
