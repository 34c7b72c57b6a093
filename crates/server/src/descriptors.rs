//! How many descriptors this process may have open, and who may have how many of them.
//!
//! Whoever connects needs no credential for it, so requests get no more than leaves deliveries their
//! own.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open whatever happens: the embedded database, listeners, timers, the log, name servers.
const FIXED: usize = 64;
/// Connections of requests at once, where there are descriptors enough.
pub(crate) const CONNECTIONS_MAX: usize = 4_096;
/// However few there are, somebody must be able to ask.
const CONNECTIONS_MIN: usize = 8;

/// What each may have open at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Connections of requests.
    pub(crate) connections: usize,
    /// Connections to endpoints that are kept for the next delivery.
    pub(crate) idle: usize,
}

/// Divides `limit` descriptors: half of what is left beside the database for requests, an eighth for
/// connections that are kept, and the rest for attempts, which take two while they dial.
pub(crate) fn budget(limit: u64, database_connections: usize) -> Budget {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let left = limit.saturating_sub(FIXED.saturating_add(database_connections));
    Budget {
        connections: (left / 2).clamp(CONNECTIONS_MIN, CONNECTIONS_MAX),
        idle: (left / 8).min(tidings_egress::Options::default().idle_max),
    }
}

/// Raises the soft limit to the hard one, as far as this process may; gives what it is then. The soft
/// one of a shell or a service is often 1,024, for programs that cannot count further; this one can.
pub(crate) fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current.unwrap_or(u64::MAX);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!(%error, "the limit of descriptors could not be raised");
            current.unwrap_or(u64::MAX)
        }
    }
}

/// Raises the limit and divides it.
pub(crate) fn claim(database_connections: usize) -> Budget {
    let limit = raise();
    let budget = budget(limit, database_connections);
    if budget.connections < CONNECTIONS_MAX {
        tracing::warn!(
            limit,
            connections = budget.connections,
            "few descriptors: fewer connections are taken at once; raise the hard limit (LimitNOFILE=, \
             ulimit -Hn) to 16384"
        );
    }
    budget
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attempts under way at once.
    const SLOTS: usize = 512;

    #[test]
    fn requests_leave_deliveries_their_descriptors() {
        for (limit, database, connections, idle) in [
            (u64::MAX, 20, 4_096, 1_024),
            (524_288, 20, 4_096, 1_024),
            (16_384, 20, 4_096, 1_024),
            (8_192, 20, 4_054, 1_013),
            (1_024, 0, 480, 120),
            (1_024, 20, 470, 117),
            (256, 0, 96, 24),
            (64, 0, 8, 0),
            (0, 20, 8, 0),
        ] {
            let wanted = Budget { connections, idle };
            assert_eq!(budget(limit, database), wanted, "{limit} {database}");
        }
    }

    #[test]
    fn with_the_limit_that_is_advised_everything_fits() {
        let Budget { connections, idle } = budget(16_384, 100);
        assert_eq!(connections, CONNECTIONS_MAX);
        assert!(FIXED + 100 + connections + idle + 2 * SLOTS <= 16_384);
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let raised = raise();
        let after = getrlimit(Resource::Nofile);
        assert_eq!((after.current, raised), (after.maximum, after.maximum.unwrap_or(u64::MAX)));
    }
}
