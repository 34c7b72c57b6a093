//! TLS towards a server: its name against the machine's trust store.

use std::sync::{Arc, LazyLock};

use rustls::{ClientConfig, RootCertStore};

/// Read once, and only where somebody speaks `https`: the store of a machine is not small.
static TRUSTING: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    with_roots(roots)
});

/// Trusts nobody: for clients that speak plain HTTP.
static PLAIN: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| with_roots(RootCertStore::empty()));

/// What a client of this address needs.
pub(crate) fn config(base: &str) -> Arc<ClientConfig> {
    let https = base.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("https:"));
    Arc::clone(if https { &TRUSTING } else { &PLAIN })
}

fn with_roots(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let Ok(builder) =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
    else {
        unreachable!("the provider has what TLS 1.2 and 1.3 need")
    };
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}
