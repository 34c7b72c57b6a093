//! Names to addresses. Every answer is vetted; one bad address refuses the name.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::{ResolverBuilder, TokioResolver};

use crate::exchange::SendError;
use crate::failure::is_local;
use crate::options::{ResolverChoice, SetupError};
use crate::policy::{Policy, verdict};
use crate::target::{Place, Target};

/// How long an answer may be remembered, whatever its own lifetime says.
const ANSWER_LIFE_MAX: Duration = Duration::from_secs(30);
/// How long the absence of a name may be remembered.
const ABSENCE_LIFE_MAX: Duration = Duration::from_secs(5);
/// Names remembered at once.
const ANSWERS_MAX: u64 = 4_096;

/// The source of addresses.
pub(crate) enum Resolver {
    System(Box<TokioResolver>),
    Fixed(HashMap<String, Vec<IpAddr>>),
}

impl Resolver {
    pub(crate) fn new(choice: ResolverChoice, limit: Duration) -> Result<Self, SetupError> {
        match choice {
            ResolverChoice::System => system(limit),
            ResolverChoice::Fixed(names) => Ok(Self::Fixed(names)),
        }
    }

    /// All addresses of a target, each of them allowed, at least one.
    pub(crate) async fn addresses(
        &self,
        target: &Target,
        policy: &Policy,
    ) -> Result<Vec<IpAddr>, SendError> {
        let found = match target.place() {
            Place::Address(addr) => vec![*addr],
            Place::Localhost => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            Place::Name => self.look_up(target.host()).await?,
        };
        if found.is_empty() {
            return Err(SendError::Dns);
        }
        if found.iter().any(|addr| verdict(*addr, policy).is_err()) {
            return Err(SendError::BlockedAddress);
        }
        Ok(found)
    }

    async fn look_up(&self, host: &str) -> Result<Vec<IpAddr>, SendError> {
        match self {
            Self::Fixed(names) => names.get(host).cloned().ok_or(SendError::Dns),
            Self::System(resolver) => {
                let mut name = Name::from_ascii(host).map_err(|_| SendError::Dns)?;
                // Fully qualified: the search list of the machine must not apply.
                name.set_fqdn(true);
                let answer = resolver.lookup_ip(name).await.map_err(|error| failure(&error))?;
                Ok(answer.iter().collect())
            }
        }
    }
}

/// Without a socket nobody was asked, and nothing is known of the name. The resolver may keep the
/// cause to itself and say that it had no connection; then a socket is tried for.
fn failure(error: &NetError) -> SendError {
    let has_none = || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).is_err_and(|e| is_local(&e));
    let is_local = matches!(error, NetError::Io(cause) if is_local(cause))
        || (matches!(error, NetError::Io(_) | NetError::NoConnections) && has_none());
    if is_local { SendError::Local } else { SendError::Dns }
}

fn system(limit: Duration) -> Result<Resolver, SetupError> {
    let builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
        // Like the C library: without a configuration, a name server on this machine.
        let server = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
        let config = ResolverConfig::from_name_servers(vec![server]);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    });
    finish(builder, limit)
}

fn finish(
    mut builder: ResolverBuilder<TokioRuntimeProvider>,
    limit: Duration,
) -> Result<Resolver, SetupError> {
    let options = builder.options_mut();
    // Both kinds, always: an address that was not asked for could not be vetted.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // A try and a second one have to fit into the limit of the phase.
    options.attempts = 1;
    options.timeout = limit / 2;
    options.cache_size = ANSWERS_MAX;
    options.positive_max_ttl = Some(ANSWER_LIFE_MAX);
    options.negative_max_ttl = Some(ABSENCE_LIFE_MAX);
    let resolver = builder.build().map_err(|error| SetupError::Resolver(Box::new(error)))?;
    Ok(Resolver::System(Box::new(resolver)))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A name server that knows `<word>.example` for the words below, and counts questions.
    fn name_server() -> (u16, Arc<AtomicUsize>) {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut bytes = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut bytes) {
                let before = count.fetch_add(1, Ordering::SeqCst);
                socket.send_to(&answer(&bytes[..length], before), from).unwrap();
            }
        });
        (port, asked)
    }

    /// Echoes the question and adds the records of its first label; so many were answered before.
    fn answer(query: &[u8], before: usize) -> Vec<u8> {
        let label = &query[13..13 + usize::from(query[12])];
        let end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
        let is_v6 = query[end - 3] == 28;
        let record = |kind: u8, data: &[u8]| {
            let length = u8::try_from(data.len()).unwrap();
            [&[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, length][..], data].concat()
        };
        let loopback_v6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        // An alias to `x.example`, and the address under that name.
        let alias = [&b"\x01x\x07example\0"[..]].concat();
        let via_alias = {
            let target = u8::try_from(end + 12).unwrap();
            [&record(5, &alias)[..], &[0xc0, target, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]]
                .concat()
        };
        let loopback = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4][..], &[127, 0, 0, 1]].concat();
        let public = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4][..], &[93, 184, 216, 34]].concat();
        let (found, records) = match (label, is_v6) {
            // Not to be remembered, and another one each time: public for the first two questions.
            (b"rebinding", false) => (1, if before < 2 { public } else { loopback }),
            (b"circle", _) => (1, record(5, &[&b"\x06circle\x07example\0"[..]].concat())),
            (b"public" | b"hidden", false) => (1, record(1, &[93, 184, 216, 34])),
            (b"private", false) => (1, record(1, &[10, 0, 0, 1])),
            (b"mixed", false) => {
                (2, [record(1, &[93, 184, 216, 34]), record(1, &[192, 168, 0, 1])].concat())
            }
            (b"hidden", true) => (1, record(28, &loopback_v6)),
            (b"alias", false) => (2, via_alias),
            _ => (0, Vec::new()),
        };
        let code = if label == b"absent" { 0x83 } else { 0x80 };
        // An absence can only be remembered when the zone's own record comes with it.
        let zone =
            if found == 0 { record(6, &[[0; 21].as_slice(), &[60]].concat()) } else { Vec::new() };
        let head = [query[0], query[1], 0x81, code, 0, 1, 0, found, 0, u8::from(found == 0), 0, 0];
        [&head[..], &query[12..end], &records, &zone].concat()
    }

    fn resolver(port: u16) -> Resolver {
        let mut server = NameServerConfig::udp(Ipv4Addr::LOCALHOST.into());
        for connection in &mut server.connections {
            connection.port = port;
        }
        let config = ResolverConfig::from_name_servers(vec![server]);
        let provider = TokioRuntimeProvider::default();
        let builder = TokioResolver::builder_with_config(config, provider);
        finish(builder, Duration::from_millis(800)).unwrap()
    }

    async fn ask(resolver: &Resolver, word: &str) -> Result<Vec<IpAddr>, SendError> {
        let policy = Policy::default();
        let target = Target::vet(&format!("https://{word}.example/"), &policy).unwrap();
        resolver.addresses(&target, &policy).await
    }

    #[tokio::test]
    async fn every_answer_of_a_name_server_is_vetted() {
        let (port, _) = name_server();
        let resolver = resolver(port);
        let public: IpAddr = "93.184.216.34".parse().unwrap();
        assert_eq!(ask(&resolver, "public").await, Ok(vec![public]));
        for word in ["private", "mixed", "hidden", "alias"] {
            assert_eq!(ask(&resolver, word).await, Err(SendError::BlockedAddress), "{word}");
        }
        for word in ["absent", "empty", "circle"] {
            assert_eq!(ask(&resolver, word).await, Err(SendError::Dns), "{word}");
        }
    }

    /// The second look-up is vetted like the first; between the two nothing is looked up.
    #[tokio::test]
    async fn a_name_that_changes_its_mind_is_refused() {
        let (port, _) = name_server();
        let resolver = resolver(port);
        let public: IpAddr = "93.184.216.34".parse().unwrap();
        assert_eq!(ask(&resolver, "rebinding").await, Ok(vec![public]));
        assert_eq!(ask(&resolver, "rebinding").await, Err(SendError::BlockedAddress));
    }

    #[tokio::test]
    async fn answers_are_remembered_for_a_while() {
        let (port, asked) = name_server();
        let resolver = resolver(port);
        for _ in 0..5 {
            assert!(ask(&resolver, "public").await.is_ok());
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2, "one question for each kind of address");
    }

    #[tokio::test]
    async fn the_machines_configuration_makes_a_resolver() {
        assert!(Resolver::new(ResolverChoice::System, Duration::from_secs(3)).is_ok());
    }
}
