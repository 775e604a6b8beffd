//! Whom this node trusts when it connects to others.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

/// TLS for outgoing connections, with the certificate authorities that the system trusts; `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` name others.
///
/// # Errors
/// If the cryptography offers no version of TLS.
pub fn of_the_system() -> anyhow::Result<Arc<ClientConfig>> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (trusted, _) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        let errors = found.errors;
        tracing::warn!(
            ?errors,
            "the system trusts no certificate authority, so no outgoing TLS connection will work"
        );
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
