//! Opening a database: where it lies, whose clock it follows, who is told of commits.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use tidings_events::CommittedEvent;
use tidings_kernel::{
    Actor, Cause, Clock, Ctx, Grants, IdSeed, NodeId, RequestId, TenantId, Timestamp, TraceContext,
    Uuid,
};
use tidings_trace::{Span, SpanKind, Tracer};

use crate::conn::{Conn, Link, Observer};
use crate::engine::postgres::Postgres;
use crate::engine::simulated::{Road, Simulated, SimulatedDatabase};
use crate::engine::sqlite::Sqlite;
use crate::metrics::DbMetrics;
use crate::shared::{self, SharedQueue};
use crate::{DbError, WriterMode, args};

/// Is handed what was committed, after its flush and before the caller knows. It must not wait.
pub trait CommitSink: Send + Sync {
    /// Takes the events of one unit of work.
    fn committed(&self, events: &[CommittedEvent]);
}

/// Where a database lies.
#[derive(Clone)]
pub enum Location {
    /// A file, made where it does not exist.
    Sqlite(PathBuf),
    /// A server.
    Postgres {
        /// `postgres://user:password@host:port/database`
        url: String,
        /// The size of the pool.
        connections: usize,
    },
    /// In memory, shared by the nodes of a simulation.
    Simulated {
        /// The database.
        database: SimulatedDatabase,
        /// The way to it.
        road: Arc<dyn Road>,
    },
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            // The URL may hold a password.
            Self::Postgres { connections, .. } => {
                f.debug_struct("Postgres").field("connections", connections).finish_non_exhaustive()
            }
            Self::Simulated { database, .. } => {
                f.debug_struct("Simulated").field("database", database).finish_non_exhaustive()
            }
        }
    }
}

/// Whose clock leases follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseClock {
    /// The database server's: one clock for all nodes.
    Database,
    /// The application's: for one process, and for tests.
    Application,
}

/// How a database is opened.
pub struct Options {
    /// Where it lies.
    pub location: Location,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub seed: IdSeed,
    /// Whose clock leases follow.
    pub lease_clock: LeaseClock,
    /// How SQLite's writer runs.
    pub writer: WriterMode,
    /// Called once when a flush has failed; it ends the process.
    pub on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("location", &self.location).finish_non_exhaustive()
    }
}

pub(crate) enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
    Simulated(Simulated),
}

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    clock: Arc<dyn Clock>,
    seed: IdSeed,
    pub(crate) lease_clock: LeaseClock,
    requests: AtomicU64,
    sinks: RwLock<Vec<Arc<dyn CommitSink>>>,
    node: RwLock<Uuid>,
    livemodes: Mutex<HashMap<TenantId, bool>>,
    observer: OnceLock<Arc<dyn Observer>>,
    tracer: OnceLock<Tracer>,
    pub(crate) metrics: DbMetrics,
    /// Units that share a transaction; SQLite's writer groups all units.
    pub(crate) shared: Option<SharedQueue>,
}

/// Tenants whose mode is remembered.
const LIVEMODES_MAX: usize = 10_000;

/// A database.
#[derive(Clone)]
pub struct Db(pub(crate) Arc<Inner>);

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.0.engine {
            Engine::Sqlite(_) => "Db(sqlite)",
            Engine::Postgres(_) => "Db(postgres)",
            Engine::Simulated(_) => "Db(simulated)",
        })
    }
}

crate::statements! {
    /// Whether a tenant is a live one; fixed when it was made.
    query LIVEMODE = "SELECT livemode FROM tenants WHERE tenant_id = $1";
}

impl Db {
    /// Opens a database and brings its schema up to date, under a lock; without a writer the
    /// schema must be up to date already.
    pub async fn open(options: Options) -> Result<Self, DbError> {
        let Options { location, clock, seed, lease_clock, writer, on_fatal } = options;
        let metrics = DbMetrics::default();
        let engine = match location {
            Location::Sqlite(path) => {
                Engine::Sqlite(Sqlite::open(&path, writer, on_fatal, metrics.clone())?)
            }
            Location::Postgres { url, connections } => {
                Engine::Postgres(Postgres::open(&url, connections, writer, metrics.clone()).await?)
            }
            Location::Simulated { database, road } => {
                Engine::Simulated(Simulated::new(database, road))
            }
        };
        let (shared, queue) = match &engine {
            Engine::Sqlite(_) | Engine::Simulated(_) => (None, None),
            Engine::Postgres(_) => {
                let (shared, queue) = SharedQueue::new();
                (Some(shared), Some(queue))
            }
        };
        let inner = Arc::new(Inner {
            engine,
            clock,
            seed,
            lease_clock,
            requests: AtomicU64::new(0),
            sinks: RwLock::default(),
            node: RwLock::new(Uuid::nil()),
            livemodes: Mutex::default(),
            observer: OnceLock::new(),
            tracer: OnceLock::new(),
            metrics,
            shared,
        });
        if let Some(queue) = queue {
            shared::start(&inner, queue);
        }
        Ok(Self(inner))
    }

    /// Whether many processes may share this database.
    pub fn is_shared(&self) -> bool {
        match self.0.engine {
            Engine::Sqlite(_) => false,
            Engine::Postgres(_) | Engine::Simulated(_) => true,
        }
    }

    /// What the engine is called.
    pub fn engine_name(&self) -> &'static str {
        match &self.0.engine {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgres",
            Engine::Simulated(_) => "simulated",
        }
    }

    /// The file of an embedded database.
    pub fn file(&self) -> Option<&std::path::Path> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => Some(sqlite.path()),
            Engine::Postgres(_) | Engine::Simulated(_) => None,
        }
    }

    /// The instant that is now.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Adds somebody who is handed what was committed.
    pub fn add_sink(&self, sink: Arc<dyn CommitSink>) {
        self.0.sinks.write().unwrap_or_else(PoisonError::into_inner).push(sink);
    }

    /// Sets who is told of every statement, once.
    #[doc(hidden)]
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        let _ = self.0.observer.set(observer);
    }

    /// Sets who is told of units of work that belong to a trace, once.
    pub fn trace_with(&self, tracer: Tracer) {
        let _ = self.0.tracer.set(tracer);
    }

    /// Begins a step of the trace that a context belongs to.
    pub(crate) fn step(&self, trace: Option<TraceContext>, name: &'static str) -> Span {
        match (trace, self.0.tracer.get()) {
            (Some(_), Some(tracer)) => tracer.step(SpanKind::Internal, trace, name),
            _ => Span::default(),
        }
    }

    /// Counters, gauges and histograms, with the connections as they are now.
    pub fn metrics(&self) -> &DbMetrics {
        let metrics = &self.0.metrics;
        match &self.0.engine {
            Engine::Sqlite(sqlite) => metrics.pools([sqlite.readers_state()]),
            Engine::Postgres(postgres) => metrics.pools(postgres.pools()),
            Engine::Simulated(_) => {}
        }
        metrics
    }

    /// What SQLite's writer does, and for how long; none while it waits for work.
    pub fn writer_standing(&self) -> Option<(&'static str, std::time::Duration)> {
        self.0.metrics.writer.standing()
    }

    /// Sets the node that dispatch pointers are born leased to.
    pub fn set_node(&self, node: NodeId) {
        *self.0.node.write().unwrap_or_else(PoisonError::into_inner) = node.uuid();
    }

    pub(crate) fn node(&self) -> Uuid {
        self.0.node()
    }

    /// The id of the next request or run.
    pub fn next_request_id(&self) -> RequestId {
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        self.0.seed.request_id(number, self.now())
    }

    /// A context for a request that `request_id` names.
    pub fn ctx(&self, request_id: RequestId, tenant_id: TenantId, actor: Actor) -> Ctx {
        Ctx {
            tenant_id,
            actor,
            cause: Cause::default(),
            request_id,
            now: self.now(),
            livemode: true,
            grants: Grants::default(),
            seed: self.0.seed,
            trace: None,
        }
    }

    /// A context for a job of the system's, in one tenant or (the nil id) in all.
    pub fn system_ctx(&self, job: &'static str, tenant_id: TenantId, livemode: bool) -> Ctx {
        let cause = Cause { job: Some(job), event_id: None };
        let ctx = self.ctx(self.next_request_id(), tenant_id, Actor::System(job));
        Ctx { cause, livemode, ..ctx }
    }

    /// A context for a job of the system's in one tenant, which knows whether that is a live one.
    pub async fn tenant_ctx(&self, job: &'static str, tenant_id: TenantId) -> Result<Ctx, DbError> {
        let known = self.livemodes().get(&tenant_id).copied();
        let livemode = match known {
            Some(livemode) => livemode,
            None if tenant_id.uuid().is_nil() => true,
            None => {
                let mut session = self.read(tenant_id).await?;
                let row: Option<(bool,)> =
                    session.reader().row(&LIVEMODE, args![tenant_id]).await?;
                let livemode = row.is_none_or(|(livemode,)| livemode);
                let mut livemodes = self.livemodes();
                if livemodes.len() >= LIVEMODES_MAX {
                    livemodes.clear();
                }
                livemodes.insert(tenant_id, livemode);
                livemode
            }
        };
        Ok(self.system_ctx(job, tenant_id, livemode))
    }

    fn livemodes(&self) -> MutexGuard<'_, HashMap<TenantId, bool>> {
        self.0.livemodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rewrites an embedded database and empties its write-ahead log, so that what was deleted stands
    /// in no file any more; a file of more than 128 MiB is not rewritten. Says whether that is done: readers may be in the way.
    /// A server's log is its operator's.
    pub async fn truncate_log(&self) -> Result<bool, DbError> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.truncate_log().await,
            Engine::Postgres(_) | Engine::Simulated(_) => Ok(true),
        }
    }

    /// Writes what waits and ends the writer.
    pub fn close(&self) {
        if let Engine::Sqlite(sqlite) = &self.0.engine {
            sqlite.close();
        }
    }
}

impl Inner {
    pub(crate) fn node(&self) -> Uuid {
        *self.node.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody is told of every statement; nobody is in production.
    pub(crate) fn is_observed(&self) -> bool {
        self.observer.get().is_some()
    }

    pub(crate) fn conn(&self, link: Link) -> Conn {
        Conn::new(link, self.observer.get().cloned())
    }

    pub(crate) fn hand_over(&self, events: &[CommittedEvent]) {
        if events.is_empty() {
            return;
        }
        let sinks = self.sinks.read().unwrap_or_else(PoisonError::into_inner);
        for sink in sinks.iter() {
            sink.committed(events);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_prints_without_its_password() {
        let url = "postgres://tidings:s3cret@localhost/tidings".to_owned();
        let printed = format!("{:?}", Location::Postgres { url, connections: 7 });
        assert_eq!(printed, "Postgres { connections: 7, .. }");
    }
}
