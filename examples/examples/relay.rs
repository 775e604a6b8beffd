//! Pulls a stream from one server and pushes it on to others, whatever happens to any of them.
//!
//! ```sh
//! cargo run -p lsv-examples --example relay -- rtmp://127.0.0.1/stream/cam rtmp://a.example/app/key rtmps://b.example/app/key
//! ```

use std::sync::Arc;

use anyhow::Context;
use lsv_core::hub::{Event, Hub, Offer};
use lsv_core::path::{ChannelId, StreamPath};
use lsv_rtmp::net::relay::{Config, Pull, Push};
use lsv_rtmp::net::{Address, Client};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let addresses = std::env::args().skip(1).map(|text| text.parse());
    let addresses: Vec<Address> = addresses.collect::<Result<_, _>>()?;
    let (source, targets) = addresses.split_first().context("relay SOURCE TARGET..")?;
    let tls = trusted_by_the_system()?;
    let client = Client::default().with(|config| config.tls = Some(tls));

    let hub = Hub::default();
    let mut events = hub.events();
    let path = StreamPath::source(ChannelId::parse("relayed")?);
    let offer = Offer::new(source.to_string());
    let _pull = Pull::start(
        &hub,
        path,
        offer,
        source.clone(),
        &client,
        Config::default(),
    );
    loop {
        // Each time that the source begins, until it ends; a connection that breaks in between ends nothing.
        let Event::Started(stream) = events.recv().await? else {
            continue;
        };
        let mut push = Push::new(stream, client.clone(), Config::default());
        push.set(targets);
        for target in push.targets() {
            let (address, mut status) = (target.address().clone(), target.status());
            tokio::spawn(async move {
                while status.changed().await.is_ok() {
                    println!("{address}: {:?}", status.borrow_and_update().state);
                }
            });
        }
        push.finished().await;
    }
}

fn trusted_by_the_system() -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let file = "/etc/ssl/certs/ca-certificates.crt";
    roots.add_parsable_certificates(CertificateDer::pem_file_iter(file)?.flatten());
    let config = ClientConfig::builder().with_root_certificates(roots);
    Ok(Arc::new(config.with_no_client_auth()))
}
