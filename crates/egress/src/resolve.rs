//! Names to addresses. Every answer is vetted; one bad address refuses the name.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;

use crate::exchange::SendError;
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
                let answer = resolver.lookup_ip(name).await.map_err(|_| SendError::Dns)?;
                Ok(answer.iter().collect())
            }
        }
    }
}

fn system(limit: Duration) -> Result<Resolver, SetupError> {
    let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
        // Like the C library: without a configuration, a name server on this machine.
        let server = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
        let config = ResolverConfig::from_name_servers(vec![server]);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    });
    let options = builder.options_mut();
    // Both kinds, always: an address that was not asked for could not be vetted.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // Two attempts have to fit into the limit of the phase.
    options.attempts = 1;
    options.timeout = limit / 2;
    options.cache_size = ANSWERS_MAX;
    options.positive_max_ttl = Some(ANSWER_LIFE_MAX);
    options.negative_max_ttl = Some(ABSENCE_LIFE_MAX);
    let resolver = builder.build().map_err(|error| SetupError::Resolver(Box::new(error)))?;
    Ok(Resolver::System(Box::new(resolver)))
}
