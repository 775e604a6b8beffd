//! The certificate of RTMPS: read from PEM files, and again whenever they change.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use lsv_rtmp::net::tls::Acceptor;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use crate::config::Rtmps;

/// An acceptor with the certificate of `files`.
///
/// # Errors
/// Names the file that cannot be used.
pub fn acceptor(files: &Rtmps) -> anyhow::Result<Acceptor> {
    load(files).map(Acceptor::new)
}

/// Looks at the files every few seconds, and at once when `files` is sent anew, and has `acceptor` use what is new. A
/// certificate that cannot be read leaves the old one in force.
pub async fn follow(mut files: watch::Receiver<Rtmps>, acceptor: Acceptor) {
    let mut seen = changed_at(&files.borrow_and_update());
    loop {
        let asked = tokio::select! {
            () = tokio::time::sleep(LOOK_INTERVAL) => false,
            sent = files.changed() => match sent {
                Ok(()) => true,
                Err(_) => return,
            },
        };
        let files = files.borrow_and_update().clone();
        let now = changed_at(&files);
        if now == seen && !asked {
            continue;
        }
        match load(&files) {
            Ok(config) => {
                acceptor.replace(config);
                seen = now;
                tracing::info!("the certificate was reread");
            }
            Err(error) => tracing::warn!("the old certificate stays: {error:#}"),
        }
    }
}

fn load(files: &Rtmps) -> anyhow::Result<Arc<ServerConfig>> {
    let unreadable = |path: &Path| format!("cannot use {}", path.display());
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| unreadable(&files.certificate))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).with_context(|| unreadable(&files.key))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| unreadable(&files.certificate))?;
    Ok(Arc::new(config))
}

fn changed_at(files: &Rtmps) -> [Option<SystemTime>; 2] {
    [&files.certificate, &files.key].map(|path| {
        std::fs::metadata(path)
            .and_then(|file| file.modified())
            .ok()
    })
}

const LOOK_INTERVAL: Duration = Duration::from_secs(2);
