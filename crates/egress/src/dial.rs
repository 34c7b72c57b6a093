//! New connections: resolve, vet, connect, compare the peer, TLS by name.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::exchange::{Phase, Phases, SendError};
use crate::failure::of_connect;
use crate::link::Link;
use crate::network::{NetworkChoice, Socket};
use crate::options::{Options, SetupError, Timeouts};
use crate::policy::{Policy, is_loopback};
use crate::resolve::Resolver;
use crate::stream::Wire;
use crate::target::{Place, Target};

/// Addresses of one name that are tried in one dial.
const ADDRESSES_TRIED_MAX: usize = 8;

pub(crate) struct Dialler {
    policy: Policy,
    timeouts: Timeouts,
    refuse_own_interfaces: bool,
    network: NetworkChoice,
    resolver: Resolver,
    tls: TlsConnector,
}

impl Dialler {
    pub(crate) fn new(policy: Policy, options: Options) -> Result<Self, SetupError> {
        let roots = match options.network {
            NetworkChoice::Machine => machine_roots(),
            NetworkChoice::Given(_) => RootCertStore::empty(),
        };
        Ok(Self {
            policy,
            timeouts: options.timeouts,
            refuse_own_interfaces: options.refuse_own_interfaces,
            network: options.network,
            resolver: Resolver::new(options.resolver, options.timeouts.dns)?,
            tls: TlsConnector::from(Arc::new(
                tls_config(roots, options.extra_roots).map_err(SetupError::Tls)?,
            )),
        })
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Opens a connection to a target before `deadline`, noting how long each phase took.
    pub(crate) async fn dial(
        &self,
        target: &Target,
        deadline: Instant,
        phases: &mut Phases,
    ) -> Result<Box<Link>, SendError> {
        let started = Instant::now();
        let until = earlier(deadline, started, self.timeouts.dns);
        let addresses = timeout_at(until, self.resolver.addresses(target, &self.policy))
            .await
            .map_err(|_| SendError::Timeout(Phase::Dns))??;
        if matches!(target.place(), Place::Name) {
            phases.dns = Some(started.elapsed());
        }

        let started = Instant::now();
        let until = earlier(deadline, started, self.timeouts.connect);
        let tcp = self.connect(&addresses, target.key().port, until).await?;
        phases.connect = Some(started.elapsed());

        let wire = if target.key().https {
            let started = Instant::now();
            let until = earlier(deadline, started, self.timeouts.tls);
            let tls = timeout_at(until, Box::pin(self.tls.connect(target.server_name(), tcp)))
                .await
                .map_err(|_| SendError::Timeout(Phase::Tls))?
                .map_err(|error| tls_failure(&error))?;
            phases.tls = Some(started.elapsed());
            Wire::Tls(Box::new(tls))
        } else {
            Wire::Plain(tcp)
        };
        Link::over(wire, Instant::now()).await.map_err(|_| SendError::Other)
    }

    /// Tries the addresses in order, each with an equal share of the time that is left.
    async fn connect(
        &self,
        addresses: &[IpAddr],
        port: u16,
        until: Instant,
    ) -> Result<Socket, SendError> {
        let mut failure = SendError::Dns;
        let mut left = u32::try_from(addresses.len().min(ADDRESSES_TRIED_MAX)).unwrap_or(1);
        for addr in addresses.iter().take(ADDRESSES_TRIED_MAX) {
            let now = Instant::now();
            let rest = until.saturating_duration_since(now);
            let share = rest.checked_div(left).unwrap_or(rest);
            left = left.saturating_sub(1);
            match timeout_at(earlier(until, now, share), self.connect_one(*addr, port)).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                // A forbidden address ends the dial; the others are not a way around it.
                Ok(Err(SendError::BlockedAddress)) => return Err(SendError::BlockedAddress),
                // One that was not really tried might have answered: the others are not the last word.
                Ok(Err(SendError::Local)) => return Err(SendError::Local),
                Ok(Err(error)) => failure = error,
                Err(_) => failure = SendError::Timeout(Phase::Connect),
            }
        }
        Err(failure)
    }

    async fn connect_one(&self, addr: IpAddr, port: u16) -> Result<Socket, SendError> {
        let socket = SocketAddr::new(addr, port);
        if let NetworkChoice::Given(network) = &self.network {
            let given = network.connect(socket).await;
            return given.map(Socket::Given).map_err(|error| of_connect(&error, || true));
        }
        if self.is_forbidden_source(addr, route_source(socket)) {
            return Err(SendError::BlockedAddress);
        }
        let failure = |error| of_connect(&error, || route_source(socket).is_some());
        let tcp = TcpStream::connect(socket).await.map_err(failure)?;
        let peer = tcp.peer_addr().map_err(failure)?;
        let local = tcp.local_addr().map_err(failure)?;
        if peer != socket || self.is_forbidden_source(addr, Some(local.ip())) {
            return Err(SendError::BlockedAddress);
        }
        tcp.set_nodelay(true).map_err(|_| SendError::Other)?;
        Ok(Socket::Tcp(tcp))
    }

    /// The kernel would speak to `addr` from `addr` itself: it belongs to this machine.
    fn is_forbidden_source(&self, addr: IpAddr, source: Option<IpAddr>) -> bool {
        self.refuse_own_interfaces
            && source == Some(addr)
            && !is_loopback(addr)
            && !self.policy.allows(addr)
    }
}

/// The source address that the kernel would use. Connecting a datagram socket sends nothing.
fn route_source(to: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let probe = UdpSocket::bind((any, 0)).ok()?;
    probe.connect(to).ok()?;
    probe.local_addr().ok().map(|local| local.ip())
}

/// The earlier of a deadline and a limit that starts now.
fn earlier(deadline: Instant, now: Instant, limit: Duration) -> Instant {
    now.checked_add(limit).map_or(deadline, |at| at.min(deadline))
}

fn tls_failure(error: &io::Error) -> SendError {
    if error.kind() == io::ErrorKind::ConnectionReset { SendError::Reset } else { SendError::Tls }
}

/// The machine's trust store, or where it has none, what browsers trust.
fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn tls_config(
    mut roots: RootCertStore,
    extra_roots: Vec<rustls::pki_types::CertificateDer<'static>>,
) -> Result<ClientConfig, rustls::Error> {
    for root in extra_roots {
        roots.add(root)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::options::ResolverChoice;

    fn dialler(allow: &[&str], refuse_own_interfaces: bool) -> Dialler {
        let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
        let policy = Policy { allow, ..Policy::default() };
        let resolver = ResolverChoice::Fixed(HashMap::new());
        let options = Options { resolver, refuse_own_interfaces, ..Options::default() };
        Dialler::new(policy, options).unwrap()
    }

    #[test]
    fn an_address_of_this_machine_is_forbidden_unless_opened() {
        let own: IpAddr = "93.184.216.34".parse().unwrap();
        let other: IpAddr = "93.184.216.35".parse().unwrap();
        assert!(dialler(&[], true).is_forbidden_source(own, Some(own)));
        assert!(!dialler(&[], true).is_forbidden_source(own, Some(other)));
        assert!(!dialler(&[], true).is_forbidden_source(own, None));
        assert!(!dialler(&[], false).is_forbidden_source(own, Some(own)));
        assert!(!dialler(&["93.184.216.34/32"], true).is_forbidden_source(own, Some(own)));
    }

    #[test]
    fn the_kernel_names_its_source() {
        let own: IpAddr = Ipv4Addr::LOCALHOST.into();
        assert_eq!(route_source(SocketAddr::new(own, 80)), Some(own));
    }
}
