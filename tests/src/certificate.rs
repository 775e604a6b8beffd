//! Certificates made with openssl, and the ones that a server shows.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use crate::Process;

/// A certificate of its own authority and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The chain, of one.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Certificate {
    /// Makes one for DNS names and addresses, in files in `folder` that are called after the first.
    ///
    /// # Panics
    /// If openssl fails.
    pub async fn make(folder: &Path, names: &[&str]) -> Self {
        let file = |end| folder.join(format!("{}.{end}", names[0].replace('*', "any")));
        let (chain, key) = (file("pem"), file("key"));
        let alternatives: Vec<String> = names.iter().map(|name| alternative(name)).collect();
        let alternatives = format!("subjectAltName={}", alternatives.join(","));
        let line = [
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=lsv",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-addext",
            &alternatives,
            // Clients refuse the certificate of an authority as that of a server.
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-out",
            path(&chain),
            "-keyout",
            path(&key),
        ];
        let mut openssl = Process::start("openssl", line);
        let status = openssl.ended().await;
        assert!(status.success(), "{}", openssl.stderr());
        Self { chain, key }
    }

    /// The certificate as PEM, as [`served`] answers it.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn pem(&self) -> String {
        let text = fs::read_to_string(&self.chain).expect("a certificate");
        text.trim().to_owned()
    }

    /// The flags of a server that shows it.
    ///
    /// # Panics
    /// If a path is not UTF-8.
    #[must_use]
    pub fn flags(&self) -> [&str; 4] {
        [
            "--tls-cert",
            path(&self.chain),
            "--tls-key",
            path(&self.key),
        ]
    }

    /// What a client is configured with that trusts it and nothing else.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn trusted(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::from_pem_file(&self.chain).expect("a certificate");
        roots.add(trusted).expect("a trustworthy form");
        let provider = Arc::new(aws_lc_rs::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// Puts this certificate and key in the place of those of `other`, each in one step.
    ///
    /// # Panics
    /// If a file cannot be moved.
    pub fn replace(self, other: &Self) {
        fs::rename(self.key, &other.key).expect("a key in its place");
        fs::rename(self.chain, &other.chain).expect("a certificate in its place");
    }
}

/// The certificate that the server at `host:port` shows to a client that asks for `name`, or for none.
///
/// # Panics
/// If it shows none.
pub async fn served(address: &str, name: Option<&str>) -> String {
    let asking = match name {
        Some(name) => vec!["-servername", name],
        None => vec!["-noservername"],
    };
    let line = [&["s_client", "-connect", address][..], &asking].concat();
    let mut openssl = Process::start("openssl", line);
    openssl.ended().await;
    let said = openssl.stdout();
    let begin = said.find("-----BEGIN CERTIFICATE-----");
    let end = said.find(END).map(|at| at + END.len());
    match (begin, end) {
        (Some(begin), Some(end)) => said[begin..end].to_owned(),
        _ => panic!("no certificate: {said} {}", openssl.stderr()),
    }
}

/// A name or an address as certificates have it.
fn alternative(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(address) => format!("IP:{address}"),
        Err(_) => format!("DNS:{name}"),
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

const END: &str = "-----END CERTIFICATE-----";
