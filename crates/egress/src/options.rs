//! How a dialler is set up.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::network::NetworkChoice;

/// Limits of the phases before a request can be written. Each also ends at the send's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP connect, all addresses together. 5 s by default.
    pub connect: Duration,
    /// TLS handshake. 5 s by default.
    pub tls: Duration,
    /// Name resolution. 3 s by default.
    pub dns: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            tls: Duration::from_secs(5),
            dns: Duration::from_secs(3),
        }
    }
}

/// Where addresses of names come from.
#[derive(Clone, Debug, Default)]
pub enum ResolverChoice {
    /// The machine's name servers and hosts file, asked for fully qualified names.
    #[default]
    System,
    /// A fixed map from lower-case name to addresses; other names do not exist. For tests.
    Fixed(HashMap<String, Vec<IpAddr>>),
}

/// Everything about a dialler that is not policy.
#[derive(Clone, Debug)]
pub struct Options {
    /// Limits of the early phases.
    pub timeouts: Timeouts,
    /// Certificates trusted in addition to the machine's store.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Idle connections kept per scheme, host and port. 64 by default; 0 turns reuse off.
    pub idle_per_target: usize,
    /// Idle connections kept in total: a bound on descriptors and buffers. 1,024 by default.
    pub idle_max: usize,
    /// How long a connection may stay idle before it is dropped. 30 s by default.
    pub idle_for: Duration,
    /// Where addresses come from.
    pub resolver: ResolverChoice,
    /// Refuses public addresses that belong to this machine's own interfaces, found by asking
    /// the kernel which source address it would use. On by default; loopback and the policy's
    /// ranges are not affected.
    pub refuse_own_interfaces: bool,
    /// What connections are made with.
    pub network: NetworkChoice,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            extra_roots: Vec::new(),
            idle_per_target: 64,
            idle_max: 1_024,
            idle_for: Duration::from_secs(30),
            resolver: ResolverChoice::System,
            refuse_own_interfaces: true,
            network: NetworkChoice::Machine,
        }
    }
}

/// Why a dialler could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The TLS configuration was refused by the library.
    #[error("the tls configuration is not usable")]
    Tls(#[source] rustls::Error),
    /// The resolver could not be built.
    #[error("the name resolver could not be set up")]
    Resolver(#[source] Box<dyn std::error::Error + Send + Sync>),
}
