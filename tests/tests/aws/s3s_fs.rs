//! S3 as s3s-fs has it, in this process.

use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server of the objects in a folder, whose own folders are buckets; ends when dropped.
pub(crate) struct S3s {
    pub(crate) endpoint: String,
    server: JoinHandle<()>,
}

impl S3s {
    pub(crate) async fn start(folder: &Path) -> Self {
        let files = FileSystem::new(folder).expect("the folder is there");
        let mut service = S3ServiceBuilder::new(files);
        // Checks signatures, which moto does not.
        service.set_auth(SimpleAuth::from_single("test", "test"));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = listener.local_addr().expect("is bound");
        let server = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = Builder::new(TokioExecutor::new());
                    let connection = server.serve_connection(TokioIo::new(socket), service);
                    // Ends with its client.
                    drop(connection.await);
                });
            }
        });
        Self {
            endpoint: format!("http://{address}"),
            server,
        }
    }
}

impl Drop for S3s {
    fn drop(&mut self) {
        self.server.abort();
    }
}
