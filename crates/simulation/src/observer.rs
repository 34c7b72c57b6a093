//! Who looks at the database from outside of all nodes.

use std::sync::Arc;
use std::time::Duration;

use tidings_db::{
    Crossing, Db, DbError, Fate, LeaseClock, Location, Options, Question, Road, Silent,
    SimulatedDatabase, WriterMode, args,
};
use tidings_egress::Egress;
use tidings_kernel::{Clock, IdSeed, TestClock, Timestamp};
use tidings_vault::Vault;
use tidings_webhooks::Webhooks;
use tokio::runtime::{Builder, Runtime};

use crate::actions::tenant_id;

tidings_db::statements! {
    command ADD_TENANT = "INSERT INTO tenants (tenant_id, name, livemode, status, created_at, \
        updated_at, version) VALUES ($1, 'Acme', $2, 'active', 0, 0, 1)";
    query DUE_AFTER = "SELECT MIN(next_attempt_at) FROM deliveries \
        WHERE tenant_id = $1 AND next_attempt_at > $2";
    query UNCOUNTED = "SELECT (SELECT COUNT(*) FROM events WHERE tenant_id = $1) - \
        (SELECT CAST(COALESCE(SUM(fired), 0) AS BIGINT) FROM event_activity WHERE tenant_id = $1)";
}

/// The way to the database of who only looks.
struct ShortRoad;

impl Road for ShortRoad {
    fn crossing(&self, _: Question) -> Crossing {
        Crossing { there: Duration::ZERO, back: Duration::ZERO, fate: Fate::Answered }
    }

    fn database_time(&self) -> Timestamp {
        Timestamp::default()
    }
}

/// Looks at the database from outside of all nodes.
pub(crate) struct Observer {
    pub(crate) runtime: Runtime,
    pub(crate) db: Db,
    pub(crate) webhooks: Webhooks,
}

impl Observer {
    pub(crate) fn new(database: &SimulatedDatabase) -> Self {
        let Ok(runtime) = Builder::new_current_thread().enable_time().build() else {
            unreachable!("a runtime needs nothing of the machine")
        };
        let location =
            Location::Simulated { database: database.clone(), road: Arc::new(ShortRoad) };
        let clock: Arc<dyn Clock> = Arc::new(TestClock::at(Timestamp::default()));
        let options = Options {
            location,
            clock: Arc::clone(&clock),
            seed: IdSeed::from_number(0),
            lease_clock: LeaseClock::Database,
            writer: WriterMode::Inline,
            on_fatal: Arc::new(|error| panic!("{error}")),
        };
        let opened = runtime.block_on(Db::open(options));
        let db = opened.unwrap_or_else(|error| panic!("{error}"));
        let network = tidings_egress::Options {
            network: tidings_egress::NetworkChoice::Given(Arc::new(NoNetwork)),
            resolver: tidings_egress::ResolverChoice::Fixed(std::collections::HashMap::new()),
            ..tidings_egress::Options::default()
        };
        let egress = Egress::new(tidings_egress::Policy::default(), network);
        let egress = egress.unwrap_or_else(|error| panic!("{error}"));
        let bus = tidings_bus::Bus::new(clock);
        let webhooks = Webhooks::new(db.clone(), Arc::new(Vault::seeded(0)), egress, bus);
        Self { runtime, db, webhooks }
    }

    pub(crate) fn add_tenant(&self, tenant: usize) {
        let id = tenant_id(tenant);
        let ctx = self.db.system_ctx("simulation", id, true);
        let added = self.runtime.block_on(self.db.write::<(), DbError, _>(&ctx, move |work| {
            Box::pin(async move {
                let mut writer = work.silent(Silent::Installation);
                writer.execute(&ADD_TENANT, args![id, true]).await.map(|_| ())
            })
        }));
        drop(added.unwrap_or_else(|error| panic!("{error}")));
    }

    /// When the tenant's next delivery after that time is due.
    pub(crate) fn due_after(&self, tenant: usize, wall: Timestamp) -> Option<Timestamp> {
        let id = tenant_id(tenant);
        let found = self.runtime.block_on(async {
            let mut session = self.db.read(id).await?;
            session.reader().scalar(&DUE_AFTER, args![id, wall]).await
        });
        found.unwrap_or_else(|error: DbError| panic!("{error}"))
    }

    /// Whether the reactions have counted as many of the tenant's events as there are.
    pub(crate) fn has_reacted(&self, tenant: usize) -> bool {
        let id = tenant_id(tenant);
        let missing = self.runtime.block_on(async {
            let mut session = self.db.read(id).await?;
            session.reader().scalar::<i64>(&UNCOUNTED, args![id]).await
        });
        missing.unwrap_or_else(|error: DbError| panic!("{error}")) == 0
    }
}

struct NoNetwork;

impl tidings_egress::Network for NoNetwork {
    fn connect(&self, _: std::net::SocketAddr) -> tidings_egress::Connecting {
        Box::pin(async { Err(std::io::ErrorKind::ConnectionRefused.into()) })
    }
}
