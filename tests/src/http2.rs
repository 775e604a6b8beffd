//! One connection of HTTP/2, for many requests at once.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
    header,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::Certificate;

/// A connection of HTTP/2; closed when dropped.
#[derive(Debug)]
pub struct Http2 {
    sender: SendRequest<Empty<Bytes>>,
    origin: String,
    task: JoinHandle<hyper::Result<()>>,
}

impl Http2 {
    /// Connects over TLS to a server with a certificate for `localhost`.
    ///
    /// # Panics
    /// If the server does not choose HTTP/2.
    pub async fn secure(address: &str, certificate: &Certificate) -> Self {
        let tls = tls(address, certificate, &["h2", "http/1.1"]).await;
        let (_, session) = tls.get_ref();
        assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
        let port = address.rsplit_once(':').expect("a port").1;
        Self::over(tls, format!("https://localhost:{port}")).await
    }

    /// Connects in the clear, without asking whether the server knows HTTP/2 (RFC 9113 §3.3).
    ///
    /// # Panics
    /// If the server does not know it.
    pub async fn plain(address: &str) -> Self {
        let tcp = TcpStream::connect(address).await.expect("a server");
        Self::over(tcp, format!("http://{address}")).await
    }

    async fn over(
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        origin: String,
    ) -> Self {
        let (sender, connection) = Builder::new(TokioExecutor::new())
            // A stream that nobody reads does not use up what the connection may have under way.
            .initial_stream_window_size(64 * 1024)
            .initial_connection_window_size(4 << 20)
            .handshake(TokioIo::new(io))
            .await
            .expect("a handshake of HTTP/2");
        let task = tokio::spawn(connection);
        Self {
            sender,
            origin,
            task,
        }
    }

    /// Asks for a path with these header fields, and answers once the head of the response is there.
    ///
    /// # Panics
    /// If there is none.
    pub async fn get(&self, path: &str, fields: &[(&str, &str)]) -> Response<Incoming> {
        let mut request = Request::get(format!("{}{path}", self.origin));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).expect("a request");
        let response = self.sender.clone().send_request(request).await;
        response.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The body of a path that is there.
    ///
    /// # Panics
    /// If it is not.
    pub async fn bytes(&self, path: &str) -> Bytes {
        let response = self.get(path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let body = response.into_body().collect().await;
        body.expect("a body with an end").to_bytes()
    }

    /// The same as text.
    ///
    /// # Panics
    /// If it is not there, or no text.
    pub async fn text(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path).await.into()).expect("UTF-8")
    }

    /// The same with the token of an API.
    ///
    /// # Panics
    /// If it is not there, or no text.
    pub async fn authorized(&self, path: &str, token: &str) -> String {
        let credentials = format!("Bearer {token}");
        let fields = [(header::AUTHORIZATION.as_str(), credentials.as_str())];
        let body = self.get(path, &fields).await.into_body().collect().await;
        let body = body.expect("a body with an end").to_bytes();
        String::from_utf8(body.into()).expect("UTF-8")
    }

    /// Waits for the end of the connection, by the server's will.
    ///
    /// # Errors
    /// What broke it.
    ///
    /// # Panics
    /// If its task did.
    pub async fn ended(self) -> hyper::Result<()> {
        drop(self.sender);
        self.task.await.expect("a task that does not panic")
    }
}

/// A connection with TLS to a server with a certificate for `localhost`, for which the client offers `protocols`.
///
/// # Panics
/// If the server is not there, or not trustworthy.
pub async fn tls(
    address: &str,
    certificate: &Certificate,
    protocols: &[&str],
) -> TlsStream<TcpStream> {
    let mut config = certificate.trusted();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let tcp = TcpStream::connect(address).await.expect("a server");
    let name = ServerName::try_from("localhost").expect("a name");
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, tcp);
    connecting.await.expect("a handshake of TLS")
}
