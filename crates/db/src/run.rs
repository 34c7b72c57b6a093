//! Running units of work: on SQLite's writer, and in transactions of PostgreSQL.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use futures_util::FutureExt;
use rand::Rng;
use tidings_events::CommittedEvent;
use tidings_kernel::{Ctx, Uuid, limits};
use tidings_trace::{Attribute, Span};

use crate::conn::Link;
use crate::engine::group::{Ended, Guard, Job, Unit};
use crate::engine::postgres::Postgres;
use crate::open::Engine;
use crate::pg_conn::PgConn;
use crate::session::tenant_setting;
use crate::{Committed, Db, DbError, Lane, UnitOfWork};

/// The step of a trace in which a unit waits, runs, and is made durable.
pub(crate) const UNIT_OF_WORK: &str = "unit_of_work";
/// The last part of it.
pub(crate) const COMMIT: &str = "commit";

/// A boxed future of a unit of work's function.
pub type UnitFuture<'t, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 't>>;

/// The function of a unit of work: it can run again, and on another thread. It is a name for these
/// bounds: whatever keeps them has it, and nothing else can.
pub trait UnitFn<T, E>:
    for<'t> Fn(&'t mut UnitOfWork) -> UnitFuture<'t, T, E> + Send + Sync + 'static
{
}

impl<T, E, F> UnitFn<T, E> for F where
    F: for<'t> Fn(&'t mut UnitOfWork) -> UnitFuture<'t, T, E> + Send + Sync + 'static
{
}

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

/// What a unit of work may not notice of others, on PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Isolation {
    /// Nothing: it is as if it ran alone.
    Serializable,
    /// Each statement sees what was committed before it.
    ReadCommitted,
}

impl Db {
    /// Runs a function with a unit of work, and makes what it did durable.
    ///
    /// On PostgreSQL the function runs again when others came in between, up to
    /// [`limits::UNIT_RERUNS_MAX`] times. On SQLite units run one after another, and again where one
    /// that shares their transaction failed after it had written.
    pub async fn write<T, E, F>(&self, ctx: &Ctx, run: F) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: UnitFn<T, E>,
    {
        self.write_in((Lane::Interactive, Isolation::Serializable), ctx, run).await
    }

    /// The same, after everything that somebody waits for.
    pub async fn write_bulk<T, E, F>(&self, ctx: &Ctx, run: F) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: UnitFn<T, E>,
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
        F: UnitFn<T, E>,
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
        F: UnitFn<T, E>,
    {
        let mut span = self.step(ctx.trace, UNIT_OF_WORK);
        span.set(Attribute::Engine(self.engine_name()));
        let ctx = Ctx { trace: span.context().or(ctx.trace), ..ctx.clone() };
        match &self.0.engine {
            Engine::Sqlite(sqlite) => {
                let (send, receive) = tokio::sync::oneshot::channel();
                sqlite.push(lane, self.job(ctx, run, send)).map_err(E::from)?;
                receive.await.unwrap_or_else(|_| {
                    Err(DbError::Unavailable("the writer refused the unit".to_owned()).into())
                })
            }
            Engine::Postgres(postgres) => {
                self.write_postgres((postgres, isolation), (&ctx, &mut span), run).await
            }
            Engine::Simulated(simulated) => {
                let (send, receive) = tokio::sync::oneshot::channel();
                let job = self.job(ctx.clone(), run, send);
                simulated.write(isolation, job).await.map_err(E::from)?;
                receive.await.unwrap_or_else(|_| Err(DbError::Panicked.into()))
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
        F: UnitFn<T, E>,
    {
        Box::new(InlineUnit { db: self.clone(), ctx, node: self.node(), run, send, ended: None })
    }

    async fn write_postgres<T, E, F>(
        &self,
        (postgres, isolation): (&Postgres, Isolation),
        (ctx, span): (&Ctx, &mut Span),
        run: F,
    ) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: UnitFn<T, E>,
    {
        for rerun in 0..=limits::UNIT_RERUNS_MAX {
            if rerun > 0 {
                self.0.metrics.reran();
                span.set(Attribute::Reruns(rerun));
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
            // As on SQLite's writer, a panic is the unit's failure, and not the end of whoever asked.
            let ran = AssertUnwindSafe(run_and_record(&mut work, &run)).catch_unwind().await;
            let failure = match ran.unwrap_or_else(|_| Err(DbError::Panicked.into())) {
                Ok(value) => match self.commit_one(&mut work).await {
                    Ok(()) => {
                        let (_, events) = work.into_parts();
                        self.0.hand_over(&events);
                        return Ok(Committed::new(value, events));
                    }
                    Err(error) => E::from(error),
                },
                Err(error) => {
                    let conflicted = work.conflicted();
                    work.conn.roll_back().await.map_err(E::from)?;
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
        self.0.metrics.conflicted();
        Err(DbError::Conflict.into())
    }

    async fn commit_one(&self, work: &mut UnitOfWork) -> Result<(), DbError> {
        let began = Instant::now();
        let span = self.step(work.ctx().trace, COMMIT);
        let done = work.conn.commit().await;
        drop(span);
        self.0.metrics.committed(1, began.elapsed());
        done
    }
}

/// A unit of work as a job for SQLite's writer.
struct InlineUnit<T, E, F> {
    db: Db,
    ctx: Ctx,
    node: Uuid,
    run: F,
    send: tokio::sync::oneshot::Sender<Result<Committed<T>, E>>,
    /// What it came to when it ran last, its events, and the step of the flush that it waits for.
    ended: Option<(Result<T, E>, Vec<CommittedEvent>, Span)>,
}

impl<T, E, F> Unit for InlineUnit<T, E, F>
where
    T: Send + 'static,
    E: From<DbError> + Send + 'static,
    F: UnitFn<T, E>,
{
    fn run(
        &mut self,
        conn: Box<rusqlite::Connection>,
        guard: Guard,
    ) -> (Box<rusqlite::Connection>, Ended) {
        // Whoever observes is told of savepoints, and of no group that runs again.
        let guard = if self.db.0.is_observed() { Guard::Savepoint } else { guard };
        let conn = self.db.0.conn(Link::Sqlite(conn));
        let mut work = UnitOfWork::new(conn, self.ctx.clone(), self.node);
        let (result, ended) = run_inline(&mut work, &self.run, guard);
        let (conn, events) = work.into_parts();
        let Link::Sqlite(conn) = conn.link else { unreachable!("a SQLite unit keeps its engine") };
        // Nothing is flushed for a unit that was undone.
        let commit =
            if result.is_ok() { self.db.step(self.ctx.trace, COMMIT) } else { Span::default() };
        self.ended = Some((result, events, commit));
        (conn, ended)
    }

    fn reply(self: Box<Self>, flushed: Result<(), DbError>) {
        let Some((result, events, commit)) = self.ended else { return };
        drop(commit);
        let answer = match (flushed, result) {
            (Ok(()), Ok(value)) => {
                self.db.0.hand_over(&events);
                Ok(Committed::new(value, events))
            }
            (_, Err(error)) => Err(error),
            (Err(error), Ok(_)) => Err(error.into()),
        };
        // A caller that went away does not undo what is durable.
        drop(self.send.send(answer));
    }
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
    F: UnitFn<T, E>,
{
    let value = run(work).await?;
    work.write_events().await?;
    Ok(value)
}

/// Runs a unit on SQLite's writer, polled once.
fn run_inline<T, E, F>(work: &mut UnitOfWork, run: &F, guard: Guard) -> (Result<T, E>, Ended)
where
    E: From<DbError>,
    F: UnitFn<T, E>,
{
    if guard == Guard::Savepoint
        && let Err(error) = control(work, "SAVEPOINT unit")
    {
        return (Err(error.into()), Ended::Whole);
    }
    let before = work.conn.changes();
    let polled = std::panic::catch_unwind(AssertUnwindSafe(|| {
        poll_once(run_and_record::<T, E, F>(work, run))
    }));
    let result = match polled {
        Ok(Some(result)) => result,
        Ok(None) => Err(DbError::ForeignAwait.into()),
        Err(_) => Err(DbError::Panicked.into()),
    };
    if !work.conn.is_in_transaction() {
        return (result.and(Err(DbError::Full.into())), Ended::Whole);
    }
    match guard {
        Guard::Nothing if result.is_err() && work.conn.changes() != before => {
            (result, Ended::Spoilt)
        }
        Guard::Nothing => (result, Ended::Whole),
        Guard::Savepoint => {
            let end =
                if result.is_ok() { "RELEASE unit" } else { "ROLLBACK TO unit; RELEASE unit" };
            let left = end.split("; ").try_for_each(|step| control(work, step));
            (left.map_err(E::from).and(result), Ended::Whole)
        }
    }
}

fn control(work: &mut UnitOfWork, text: &str) -> Result<(), DbError> {
    poll_once(work.conn.control(text)).unwrap_or(Err(DbError::ForeignAwait))
}

/// Polls a future that has nothing to wait for.
fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
