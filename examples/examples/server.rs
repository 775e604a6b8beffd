//! An RTMP server in thirty lines: anyone may publish to `rtmp://127.0.0.1:1935/live/NAME` and play it from there.
//!
//! ```sh
//! cargo run -p lsv-examples --example server
//! ```

use std::time::Instant;

use lsv_core::hub::{Hub, Offer};
use lsv_core::path::{ChannelId, StreamPath};
use lsv_rtmp::net::{Config, Request, Server};
use lsv_rtmp::session::Reject;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let hub = Hub::default();
    let mut server = Server::bind("127.0.0.1:1935".parse()?, Config::default()).await?;
    println!("listening on {}", server.address());
    while let Some(request) = server.accept().await {
        let hub = hub.clone();
        tokio::spawn(async move {
            match request {
                Request::Publish(request) => match ChannelId::parse(&request.info().target.name) {
                    Ok(name) => {
                        let offer = Offer::new(request.peer().to_string());
                        let publisher =
                            hub.publish(&StreamPath::source(name), offer, Instant::now())?;
                        println!("{:?}", request.accept().await?.feed(publisher).await);
                    }
                    Err(error) => request.reject(&Reject::bad_name(error.to_string())).await,
                },
                Request::Play(request) => {
                    let name = ChannelId::parse(&request.info().target.name).ok();
                    match name.and_then(|name| hub.find(&StreamPath::source(name))) {
                        Some(stream) => {
                            println!("{:?}", request.accept().await?.play(&stream).await)
                        }
                        None => {
                            request
                                .reject(&Reject::not_found("nobody publishes that"))
                                .await
                        }
                    }
                }
                _ => {}
            }
            anyhow::Ok(())
        });
    }
    Ok(())
}
