//! The certificates of RTMPS and HTTPS: read from PEM files, and again whenever they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use lsv_rtmp::net::tls::Certificates;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use crate::config::CertificateFiles;

/// How a server is to use the certificates of `files`, and where other files can be sent. From then on the files are
/// looked at for changes.
///
/// # Errors
/// Names the file that cannot be used.
pub fn follow(
    files: &[CertificateFiles],
) -> anyhow::Result<(Arc<ServerConfig>, watch::Sender<Vec<CertificateFiles>>)> {
    // Before they are read, so that no change is missed.
    let seen = stamps(files);
    let (default, others) = load(files)?;
    let sender = watch::Sender::new(files.to_vec());
    let followed = Followed {
        certificates: Certificates::new(default, others),
        seen,
        files: sender.subscribe(),
    };
    let config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(followed.certificates.clone()));
    tokio::spawn(followed.run());
    Ok((Arc::new(config), sender))
}

/// Certificates as their files have them.
struct Followed {
    certificates: Certificates,
    files: watch::Receiver<Vec<CertificateFiles>>,
    /// What the files were when they were read last.
    seen: Vec<(PathBuf, Option<SystemTime>)>,
}

impl Followed {
    /// Looks at the files every few seconds, and at once when they are sent anew, and has what is new used. As long as one
    /// cannot be read, all old ones stay in force.
    async fn run(mut self) {
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => false,
                sent = self.files.changed() => match sent {
                    Ok(()) => true,
                    Err(_) => return,
                },
            };
            let listed = self.files.borrow_and_update().clone();
            let stamps = stamps(&listed);
            if stamps == self.seen && !asked {
                continue;
            }
            match load(&listed) {
                Ok((default, others)) => {
                    self.certificates.replace(default, others);
                    self.seen = stamps;
                    tracing::info!("the certificates were reread");
                }
                Err(error) => tracing::warn!("the old certificates stay: {error:#}"),
            }
        }
    }
}

fn load(files: &[CertificateFiles]) -> anyhow::Result<(CertifiedKey, Vec<CertifiedKey>)> {
    let provider = provider();
    let mut keys = files.iter().map(|files| load_one(files, &provider));
    let default = keys.next().context("there is no certificate")??;
    Ok((default, keys.collect::<Result<_, _>>()?))
}

fn load_one(files: &CertificateFiles, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let unusable = |path: &Path| format!("cannot use {}", path.display());
    let chain = CertificateDer::pem_file_iter(&files.chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| unusable(&files.chain))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).with_context(|| unusable(&files.key))?;
    CertifiedKey::from_der(chain, key, provider).with_context(|| unusable(&files.chain))
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

fn stamps(files: &[CertificateFiles]) -> Vec<(PathBuf, Option<SystemTime>)> {
    let changed = |path: &Path| {
        std::fs::metadata(path)
            .and_then(|file| file.modified())
            .ok()
    };
    let paths = files.iter().flat_map(|files| [&files.chain, &files.key]);
    paths.map(|path| (path.clone(), changed(path))).collect()
}

const LOOK_INTERVAL: Duration = Duration::from_secs(2);
