//! A certificate for this machine, made anew for each process, and a file that makes the product trust it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use crate::Failure;

static CERTIFIED: OnceLock<CertifiedKey<rcgen::KeyPair>> = OnceLock::new();

fn certified() -> Result<&'static CertifiedKey<rcgen::KeyPair>, Failure> {
    if let Some(certified) = CERTIFIED.get() {
        return Ok(certified);
    }
    let made = generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    Ok(CERTIFIED.get_or_init(|| made))
}

/// Accepts TLS under that certificate.
pub(crate) fn acceptor() -> Result<TlsAcceptor, Failure> {
    let certified = certified()?;
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A file with the certificate, for `SSL_CERT_FILE`.
pub(crate) fn trusted() -> Result<PathBuf, Failure> {
    let file = PathBuf::from(format!("target/bench-trusted-{}.pem", std::process::id()));
    std::fs::write(&file, certified()?.cert.pem())?;
    Ok(std::path::absolute(file)?)
}
