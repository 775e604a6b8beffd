//! A server that takes every publisher and throws away what it sends; the benchmarks run it as a process of its own.

use std::net::Ipv4Addr;

use lsv_rtmp::net::{self, Request};
use lsv_tests::{Process, eventually};

/// Makes a benchmark's program this server.
pub(crate) const SERVE: &str = "--serve";

/// Serves for ever; the first line it prints is its address.
pub(crate) async fn serve() {
    let any_port = (Ipv4Addr::LOCALHOST, 0).into();
    let server = net::Server::bind(any_port, net::Config::default()).await;
    let mut server = server.expect("a free port");
    println!("{}", server.address());
    while let Some(request) = server.accept().await {
        let Request::Publish(request) = request else {
            continue;
        };
        tokio::spawn(async move {
            let mut publishing = request.accept().await?;
            while publishing.next().await?.is_some() {}
            Ok::<(), net::Error>(())
        });
    }
}

/// Starts this program as such a server, and says where it listens.
pub(crate) async fn start() -> (Process, String) {
    let this = std::env::current_exe().expect("the path of this program");
    let process = Process::start(this, [SERVE]);
    let address = eventually("an address", async || {
        let said = process.stdout();
        said.ends_with('\n').then(|| said.trim().to_owned())
    });
    let address = address.await;
    (process, address)
}
