//! Two engines behind one facade; the unit of work; the event log.
//!
//! **The cast.** A [`Db`] is a database: SQLite in a file, or PostgreSQL. A [`UnitOfWork`] is what
//! becomes durable together. A [`Reader`] runs queries; a [`Writer`] runs commands, and only a unit
//! of work has one to lend. [`Committed`] is the proof that a flush has happened.
//!
//! **The plot.** [`Db::write`] runs a function with a unit of work. The function reads, decides,
//! and applies [`Change`](tidings_kernel::Change)s. When it ends well, the events and their
//! dispatch pointers are written beside the state; the transaction becomes durable; whoever
//! listens is handed the events; and the caller gets [`Committed`].
//!
//! **The reasons.** A unit is a function, so that it can run again after a conflict, and so that on
//! SQLite it can run on the writer thread, where neighbours share one flush. It is polled once
//! there: whoever waits for the network inside a transaction gets an error, not a slow database.

mod conn;
mod engine;
mod error;
mod event_log;
mod migrate;
mod pg_value;
mod reader;
mod statement;
mod unit;
mod value;

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use rand::Rng;
use tidings_events::CommittedEvent;
use tidings_kernel::{
    Actor, Cause, Clock, Ctx, Grants, IdSeed, NodeId, RequestId, TenantId, Timestamp, Uuid, limits,
};

use conn::{Conn, Link, PgConn};
use engine::postgres::Postgres;
use engine::sqlite::{Job, Reply, Sqlite};

#[doc(hidden)]
pub use conn::Observer;
pub use engine::sqlite::{Lane, WriterMode};
pub use error::DbError;
pub use event_log::ALL as EVENT_LOG_STATEMENTS;
pub use migrate::migrations;
pub use reader::Reader;
pub use statement::{Bulk, Column, Command, Query, Statement, StatementKind, StatementScope};
pub use unit::{Committed, Silent, Stored, UnitOfWork, Writer};
pub use value::{FromRow, FromValue, Row, ToValue, Value, json};

/// A boxed future of a unit of work's function.
pub type UnitFuture<'t, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 't>>;

/// Wraps the function of a unit of work: `work!([service, input], |work| service.pay(work, input))`.
///
/// The names in brackets are cloned for each run, because a unit may run again.
#[macro_export]
macro_rules! work {
    ([$($capture:ident),* $(,)?], |$work:ident| $body:expr) => {
        {
            $(let $capture = $capture.clone();)*
            $crate::unit(move |$work| {
                $(let $capture = $capture.clone();)*
                Box::pin(async move { $body.await })
            })
        }
    };
}

/// Says to the compiler that a closure is the function of a unit of work, for any lifetime.
pub fn unit<T, E, F>(run: F) -> F
where
    F: for<'t> Fn(&'t mut UnitOfWork) -> UnitFuture<'t, T, E>,
{
    run
}

/// Is handed what was committed, after its flush and before the caller knows. It must not wait.
pub trait CommitSink: Send + Sync {
    /// Takes the events of one unit of work.
    fn committed(&self, events: &[CommittedEvent]);
}

/// Where a database lies.
#[derive(Debug, Clone)]
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
}

/// What a unit of work may not notice of others, on PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Isolation {
    /// Nothing: it is as if it ran alone.
    Serializable,
    /// Each statement sees what was committed before it.
    ReadCommitted,
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

#[expect(clippy::large_enum_variant, reason = "there is one for each database, and it is shared")]
enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

struct Inner {
    engine: Engine,
    clock: Arc<dyn Clock>,
    seed: IdSeed,
    lease_clock: LeaseClock,
    requests: AtomicU64,
    sinks: std::sync::RwLock<Vec<Arc<dyn CommitSink>>>,
    node: std::sync::RwLock<Uuid>,
    livemodes: std::sync::Mutex<HashMap<TenantId, bool>>,
    observer: OnceLock<Arc<dyn Observer>>,
}

/// Tenants whose mode is remembered.
const LIVEMODES_MAX: usize = 10_000;

/// A database.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.0.engine {
            Engine::Sqlite(_) => "Db(sqlite)",
            Engine::Postgres(_) => "Db(postgres)",
        })
    }
}

statements! {
    /// The one clock of all nodes.
    forked across query SERVER_TIME =
        "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
    /// Whether a tenant is a live one; fixed when it was made.
    query LIVEMODE = "SELECT livemode FROM tenants WHERE tenant_id = $1";
    /// Whether the database answers.
    across query PING = "SELECT CAST(1 AS BIGINT)";
}

/// The statements of this crate, for the test that prepares all of them.
pub fn statements() -> impl Iterator<Item = &'static Statement> {
    ALL.iter().chain(EVENT_LOG_STATEMENTS).copied()
}

impl Db {
    /// Opens a database and brings its schema up to date, under a lock.
    pub async fn open(options: Options) -> Result<Self, DbError> {
        let Options { location, clock, seed, lease_clock, writer, on_fatal } = options;
        let engine = match location {
            Location::Sqlite(path) => Engine::Sqlite(Sqlite::open(&path, writer, on_fatal)?),
            Location::Postgres { url, connections } => {
                Engine::Postgres(Postgres::open(&url, connections).await?)
            }
        };
        Ok(Self(Arc::new(Inner {
            engine,
            clock,
            seed,
            lease_clock,
            requests: AtomicU64::new(0),
            sinks: std::sync::RwLock::default(),
            node: std::sync::RwLock::new(Uuid::nil()),
            livemodes: std::sync::Mutex::default(),
            observer: OnceLock::new(),
        })))
    }

    /// Whether many processes may share this database.
    pub fn is_shared(&self) -> bool {
        matches!(self.0.engine, Engine::Postgres(_))
    }

    /// What the engine is called.
    pub fn engine_name(&self) -> &'static str {
        match &self.0.engine {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgres",
        }
    }

    /// The file of an embedded database.
    pub fn file(&self) -> Option<&std::path::Path> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => Some(sqlite.path()),
            Engine::Postgres(_) => None,
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
        self.0.sinks.write().unwrap_or_else(std::sync::PoisonError::into_inner).push(sink);
    }

    /// Sets who is told of every statement, once.
    #[doc(hidden)]
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        let _ = self.0.observer.set(observer);
    }

    /// Sets the node that dispatch pointers are born leased to.
    pub fn set_node(&self, node: NodeId) {
        *self.0.node.write().unwrap_or_else(std::sync::PoisonError::into_inner) = node.uuid();
    }

    fn node(&self) -> Uuid {
        *self.0.node.read().unwrap_or_else(std::sync::PoisonError::into_inner)
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

    fn livemodes(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, bool>> {
        self.0.livemodes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Runs a function with a unit of work, and makes what it did durable.
    ///
    /// The function runs again after a conflict, up to [`limits::UNIT_RERUNS_MAX`] times.
    pub async fn write<T, E, F>(&self, ctx: &Ctx, run: F) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'t> Fn(&'t mut UnitOfWork) -> UnitFuture<'t, T, E> + Send + Sync + 'static,
    {
        self.write_in((Lane::Interactive, Isolation::Serializable), ctx, run).await
    }

    /// The same, after everything that somebody waits for.
    pub async fn write_bulk<T, E, F>(&self, ctx: &Ctx, run: F) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'t> Fn(&'t mut UnitOfWork) -> UnitFuture<'t, T, E> + Send + Sync + 'static,
    {
        self.write_in((Lane::Bulk, Isolation::Serializable), ctx, run).await
    }

    /// The same for bookkeeping that is right whoever comes in between: outcomes that only ever
    /// move forward, heartbeats, leases. On PostgreSQL it runs at read committed, so that it neither
    /// fails nor makes others fail by what it has only read.
    pub async fn write_bookkeeping<T, E, F>(&self, ctx: &Ctx, run: F) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'t> Fn(&'t mut UnitOfWork) -> UnitFuture<'t, T, E> + Send + Sync + 'static,
    {
        self.write_in((Lane::Bulk, Isolation::ReadCommitted), ctx, run).await
    }

    async fn write_in<T, E, F>(
        &self,
        (lane, isolation): (Lane, Isolation),
        ctx: &Ctx,
        run: F,
    ) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'t> Fn(&'t mut UnitOfWork) -> UnitFuture<'t, T, E> + Send + Sync + 'static,
    {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => {
                let (send, receive) = tokio::sync::oneshot::channel();
                sqlite.push(lane, self.job(ctx.clone(), run, send)).map_err(E::from)?;
                receive.await.unwrap_or_else(|_| {
                    Err(DbError::Unavailable("the writer refused the unit".to_owned()).into())
                })
            }
            Engine::Postgres(postgres) => {
                self.write_postgres((postgres, isolation), ctx, run).await
            }
        }
    }

    /// One unit of work as a job for SQLite's writer.
    fn job<T, E, F>(
        &self,
        ctx: Ctx,
        run: F,
        send: tokio::sync::oneshot::Sender<Result<Committed<T>, E>>,
    ) -> Job
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'t> Fn(&'t mut UnitOfWork) -> UnitFuture<'t, T, E> + Send + Sync + 'static,
    {
        let node = self.node();
        let inner = Arc::clone(&self.0);
        Box::new(move |conn| {
            let mut work = UnitOfWork::new(inner.conn(Link::Sqlite(conn)), ctx, node);
            let result = run_inline(&mut work, &run);
            let (conn, events) = work.into_parts();
            let Link::Sqlite(conn) = conn.link else {
                unreachable!("a SQLite unit keeps its engine")
            };
            let reply: Reply = Box::new(move |flushed| {
                let answer = match (flushed, result) {
                    (Ok(()), Ok(value)) => {
                        inner.hand_over(&events);
                        Ok(Committed::new(value, events))
                    }
                    (_, Err(error)) => Err(error),
                    (Err(error), Ok(_)) => Err(error.into()),
                };
                // A caller that went away does not undo what is durable.
                drop(send.send(answer));
            });
            (conn, reply)
        })
    }

    async fn write_postgres<T, E, F>(
        &self,
        (postgres, isolation): (&Postgres, Isolation),
        ctx: &Ctx,
        run: F,
    ) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'t> Fn(&'t mut UnitOfWork) -> UnitFuture<'t, T, E> + Send + Sync + 'static,
    {
        for rerun in 0..=limits::UNIT_RERUNS_MAX {
            if rerun > 0 {
                tokio::time::sleep(jitter(rerun)).await;
            }
            let client = match isolation {
                Isolation::Serializable => postgres.connection().await,
                Isolation::ReadCommitted => postgres.reserved().await,
            };
            let client = client.map_err(E::from)?;
            let conn = self.0.conn(Link::Postgres(Box::new(PgConn::new(client))));
            let mut work = UnitOfWork::new(conn, ctx.clone(), self.node());
            work.conn.begin(isolation, &tenant_setting(ctx.tenant_id)).await.map_err(E::from)?;
            let failure = match run_and_record(&mut work, &run).await {
                Ok(value) => match work.conn.end("COMMIT").await {
                    Ok(()) => {
                        let (_, events) = work.into_parts();
                        self.0.hand_over(&events);
                        return Ok(Committed::new(value, events));
                    }
                    Err(error) => E::from(error),
                },
                Err(error) => {
                    let conflicted = work.conflicted();
                    work.conn.end("ROLLBACK").await.map_err(E::from)?;
                    if !conflicted {
                        return Err(error);
                    }
                    continue;
                }
            };
            if !work.conflicted() {
                return Err(failure);
            }
        }
        Err(DbError::Conflict.into())
    }

    /// Opens a read-only session for one tenant, or (the nil id) for all.
    pub async fn read(&self, tenant_id: TenantId) -> Result<ReadSession, DbError> {
        let conn = match &self.0.engine {
            Engine::Sqlite(sqlite) => {
                let permit = sqlite.permits.acquire().await;
                let permit = permit
                    .map_err(|_| DbError::Unavailable("the database is closed".to_owned()))?;
                permit.forget();
                let conn = sqlite.take_reader();
                let conn = conn.ok_or_else(|| DbError::Unavailable("no reader".to_owned()))?;
                self.0.conn(Link::Sqlite(conn))
            }
            Engine::Postgres(postgres) => {
                let link = Link::Postgres(Box::new(PgConn::new(postgres.connection().await?)));
                let mut conn = self.0.conn(link);
                let settings = format!(
                    "SET default_transaction_read_only = on; SET tidings.tenant = '{}'",
                    tenant_setting(tenant_id)
                );
                conn.control(&settings).await?;
                conn
            }
        };
        Ok(ReadSession { conn: Some(conn), db: self.clone() })
    }

    /// Opens a read-only session over all tenants, for the engine's own loops.
    pub async fn read_across_tenants(&self) -> Result<ReadSession, DbError> {
        self.read(TenantId::from_uuid(Uuid::nil())).await
    }

    /// The clock that leases follow.
    pub async fn lease_now(&self) -> Result<Timestamp, DbError> {
        match (self.0.lease_clock, &self.0.engine) {
            (LeaseClock::Application, _) | (_, Engine::Sqlite(_)) => Ok(self.now()),
            (LeaseClock::Database, Engine::Postgres(postgres)) => {
                let link = Link::Postgres(Box::new(PgConn::new(postgres.reserved().await?)));
                let mut conn = self.0.conn(link);
                Reader { conn: &mut conn }.scalar(&SERVER_TIME, &[]).await
            }
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbError> {
        let mut session = self.read_across_tenants().await?;
        session.reader().scalar::<i64>(&PING, &[]).await.map(|_| ())
    }

    /// Writes what waits and ends the writer.
    pub fn close(&self) {
        if let Engine::Sqlite(sqlite) = &self.0.engine {
            sqlite.close();
        }
    }
}

impl Inner {
    fn conn(&self, link: Link) -> Conn {
        Conn::new(link, self.observer.get().cloned())
    }

    fn hand_over(&self, events: &[CommittedEvent]) {
        if events.is_empty() {
            return;
        }
        let sinks = self.sinks.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        for sink in sinks.iter() {
            sink.committed(events);
        }
    }
}

/// What row security compares with: the tenant, or `*` for the engine's own loops.
fn tenant_setting(tenant_id: TenantId) -> String {
    if tenant_id.uuid().is_nil() { "*".to_owned() } else { tenant_id.uuid().to_string() }
}

/// Before a unit runs again: long enough for the other one to end, not the same for two.
#[expect(clippy::disallowed_methods, reason = "the length of a pause is not part of any result")]
fn jitter(rerun: u32) -> std::time::Duration {
    let most = 4_000_u64 << rerun.min(5);
    std::time::Duration::from_micros(rand::rng().random_range(200..most))
}

/// Runs the function and writes its events.
async fn run_and_record<T, E, F>(work: &mut UnitOfWork, run: &F) -> Result<T, E>
where
    E: From<DbError>,
    F: for<'t> Fn(&'t mut UnitOfWork) -> UnitFuture<'t, T, E> + Sync,
{
    let value = run(work).await?;
    work.write_events().await?;
    Ok(value)
}

/// Runs a unit on SQLite's writer: inside a savepoint, polled once.
fn run_inline<T, E, F>(work: &mut UnitOfWork, run: &F) -> Result<T, E>
where
    E: From<DbError>,
    F: for<'t> Fn(&'t mut UnitOfWork) -> UnitFuture<'t, T, E> + Sync,
{
    poll_once(work.conn.control("SAVEPOINT unit")).unwrap_or(Err(DbError::ForeignAwait))?;
    let polled = std::panic::catch_unwind(AssertUnwindSafe(|| {
        poll_once(run_and_record::<T, E, F>(work, run))
    }));
    let result = match polled {
        Ok(Some(result)) => result,
        Ok(None) => Err(DbError::ForeignAwait.into()),
        Err(_) => Err(DbError::Panicked.into()),
    };
    let end = if result.is_ok() { "RELEASE unit" } else { "ROLLBACK TO unit" };
    poll_once(work.conn.control(end)).unwrap_or(Err(DbError::ForeignAwait))?;
    if result.is_err() {
        poll_once(work.conn.control("RELEASE unit")).unwrap_or(Err(DbError::ForeignAwait))?;
    }
    result
}

/// Polls a future that has nothing to wait for.
fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A read-only connection, given back when it is dropped.
pub struct ReadSession {
    conn: Option<Conn>,
    db: Db,
}

impl std::fmt::Debug for ReadSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadSession")
    }
}

impl ReadSession {
    /// The capability to read with it.
    pub fn reader(&mut self) -> Reader<'_> {
        let Some(conn) = &mut self.conn else { unreachable!("it is taken on drop only") };
        Reader { conn }
    }
}

impl Drop for ReadSession {
    fn drop(&mut self) {
        if let (Some(Conn { link: Link::Sqlite(conn), .. }), Engine::Sqlite(sqlite)) =
            (self.conn.take(), &self.db.0.engine)
        {
            sqlite.give_back(conn);
            sqlite.permits.add_permits(1);
        }
    }
}
