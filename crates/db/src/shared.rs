//! Units that share a transaction on PostgreSQL: publishing only inserts, so whatever waits is
//! written by one statement for each table and one flush.
//!
//! A unit that fails, or meets another that was first, is undone alone and runs again by itself, at
//! the isolation of any other. So is every unit of a group that could not be written.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Instant;

use tidings_kernel::{Ctx, limits};
use tidings_trace::Attribute;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::conn::{Conn, Link};
use crate::open::{Engine, Inner};
use crate::pg_conn::PgConn;
use crate::run::{Isolation, UNIT_OF_WORK, UnitFn, unit};
use crate::session::tenant_setting;
use crate::unit::Recorded;
use crate::{Committed, Db, DbError, Lane, UnitOfWork, event_log};

/// Groups that are written at the same time: one is filled while the other is flushed.
const GROUPS: usize = 2;

/// What a unit of a group got.
enum Answer<T> {
    /// It is durable, with all that it gave.
    Committed(Committed<T>),
    /// It was undone, and runs again by itself.
    Alone,
    /// The database was lost while it committed.
    Unknown(String),
}

/// What became of a unit in its group.
pub(crate) enum Fate {
    /// Its events are durable.
    Committed(Vec<Recorded>),
    /// Nothing of it is.
    Undone,
    /// All of it or nothing is.
    Unknown(String),
}

/// A unit that waits for its group.
pub(crate) trait SharedUnit: Send {
    /// Whose rows it sees.
    fn tenant(&self) -> String;

    /// When it was queued.
    fn queued(&self) -> Instant;

    /// Runs its function. Its events are kept, not written.
    fn run<'u>(
        &'u mut self,
        conn: Conn,
        node: tidings_kernel::Uuid,
    ) -> Pin<Box<dyn Future<Output = (Conn, bool)> + Send + 'u>>;

    /// The events that it recorded.
    fn take_recorded(&mut self) -> Vec<Recorded>;

    /// Answers whoever waits.
    fn answer(self: Box<Self>, fate: Fate, inner: &Inner);
}

struct Waiting<T, E, F> {
    ctx: Ctx,
    run: Arc<F>,
    send: oneshot::Sender<Answer<T>>,
    value: Option<T>,
    recorded: Vec<Recorded>,
    error: PhantomData<fn() -> E>,
    queued: Instant,
}

impl<T, E, F> SharedUnit for Waiting<T, E, F>
where
    T: Send + 'static,
    E: From<DbError> + Send + 'static,
    F: UnitFn<T, E>,
{
    fn tenant(&self) -> String {
        tenant_setting(self.ctx.tenant_id)
    }

    fn queued(&self) -> Instant {
        self.queued
    }

    fn run<'u>(
        &'u mut self,
        conn: Conn,
        node: tidings_kernel::Uuid,
    ) -> Pin<Box<dyn Future<Output = (Conn, bool)> + Send + 'u>> {
        Box::pin(async move {
            let mut work = UnitOfWork::new(conn, self.ctx.clone(), node);
            self.value = (*self.run)(&mut work).await.ok();
            let (conn, recorded) = work.into_recorded();
            self.recorded = recorded;
            (conn, self.value.is_some())
        })
    }

    fn take_recorded(&mut self) -> Vec<Recorded> {
        std::mem::take(&mut self.recorded)
    }

    fn answer(self: Box<Self>, fate: Fate, inner: &Inner) {
        let answer = match (fate, self.value) {
            (Fate::Committed(recorded), Some(value)) => {
                let events: Vec<_> = recorded.into_iter().map(|recorded| recorded.event).collect();
                inner.hand_over(&events);
                Answer::Committed(Committed::new(value, events))
            }
            (Fate::Unknown(why), _) => Answer::Unknown(why),
            (Fate::Committed(_) | Fate::Undone, _) => Answer::Alone,
        };
        // A caller that went away does not undo what is durable.
        drop(self.send.send(answer));
    }
}

/// The queue of units that share transactions.
pub(crate) struct SharedQueue(mpsc::Sender<Box<dyn SharedUnit>>);

impl SharedQueue {
    /// A queue, and what takes from it.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Box<dyn SharedUnit>>) {
        let (sender, receiver) = mpsc::channel(limits::WRITER_QUEUE_MAX);
        (Self(sender), receiver)
    }
}

/// Writes groups until the database is closed.
pub(crate) fn start(inner: &Arc<Inner>, queue: mpsc::Receiver<Box<dyn SharedUnit>>) {
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..GROUPS {
        let (inner, queue) = (Arc::downgrade(inner), Arc::clone(&queue));
        #[expect(clippy::disallowed_methods, reason = "it ends when the database is dropped")]
        drop(tokio::spawn(async move {
            while let Some(units) = next_group(&queue).await {
                let Some(inner) = Weak::upgrade(&inner) else { return };
                // A task of its own, so that a unit that panics ends its group and not this loop.
                drop(tokio::spawn(async move { write_group(&inner, units).await }).await);
            }
        }));
    }
}

/// Whatever waits, at least one; none when the database was dropped.
async fn next_group(
    queue: &Mutex<mpsc::Receiver<Box<dyn SharedUnit>>>,
) -> Option<Vec<Box<dyn SharedUnit>>> {
    let mut queue = queue.lock().await;
    let mut units = Vec::new();
    let received = queue.recv_many(&mut units, limits::GROUP_UNITS_MAX).await;
    (received > 0).then_some(units)
}

async fn write_group(inner: &Inner, mut units: Vec<Box<dyn SharedUnit>>) {
    for unit in &units {
        inner.metrics.taken(Lane::Shared, unit.queued());
    }
    match write_units(inner, &mut units).await {
        Ok(recorded) => {
            for (unit, recorded) in units.into_iter().zip(recorded) {
                unit.answer(recorded.map_or(Fate::Undone, Fate::Committed), inner);
            }
        }
        Err(DbError::Unknown(why)) => {
            for unit in units {
                unit.answer(Fate::Unknown(why.clone()), inner);
            }
        }
        Err(error) => {
            // Nothing of it is durable; by itself each unit finds out whether it was the one.
            tracing::debug!(%error, units = units.len(), "a group of units is undone");
            for unit in units {
                unit.answer(Fate::Undone, inner);
            }
        }
    }
}

/// Runs the units in one transaction. Gives the events of each; none where the unit was undone.
async fn write_units(
    inner: &Inner,
    units: &mut [Box<dyn SharedUnit>],
) -> Result<Vec<Option<Vec<Recorded>>>, DbError> {
    let Engine::Postgres(postgres) = &inner.engine else { return Err(DbError::Stale) };
    let client = postgres.connection().await?;
    let mut conn = inner.conn(Link::Postgres(Box::new(PgConn::new(client))));
    conn.begin(Isolation::ReadCommitted, "*").await?;
    let mut recorded = Vec::with_capacity(units.len());
    for unit in units.iter_mut() {
        conn.enter_unit(&unit.tenant());
        let done;
        (conn, done) = unit.run(conn, inner.node()).await;
        let kept = conn.leave_unit(done).await?;
        let events = unit.take_recorded();
        recorded.push(kept.then_some(events));
    }
    let all = recorded.iter_mut().flatten().flatten();
    event_log::append(&mut conn, all).await?;
    let began = Instant::now();
    conn.commit().await?;
    inner.metrics.committed(recorded.len(), began.elapsed());
    Ok(recorded)
}

impl Db {
    /// Like [`Db::write`], for functions that only add: what they read decides nothing that another
    /// could change in between, or is guarded by a unique key. On PostgreSQL whatever waits shares
    /// one transaction.
    pub async fn write_shared<T, E, F>(&self, ctx: &Ctx, run: F) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: UnitFn<T, E>,
    {
        let Some(queue) = &self.0.shared else { return self.write(ctx, run).await };
        let mut span = self.step(ctx.trace, UNIT_OF_WORK);
        span.set(Attribute::Engine(self.engine_name()));
        let ctx = &Ctx { trace: span.context().or(ctx.trace), ..ctx.clone() };
        let run = Arc::new(run);
        let (send, receive) = oneshot::channel();
        let waiting = Waiting::<T, E, F> {
            ctx: ctx.clone(),
            run: Arc::clone(&run),
            send,
            value: None,
            recorded: Vec::new(),
            error: PhantomData,
            queued: Instant::now(),
        };
        self.0.metrics.queued(Lane::Shared);
        if queue.0.try_send(Box::new(waiting)).is_err() {
            self.0.metrics.taken(Lane::Shared, Instant::now());
            let busy = "more units wait than the database can take; come back soon";
            return Err(DbError::Unavailable(busy.to_owned()).into());
        }
        match receive.await {
            Ok(Answer::Committed(committed)) => Ok(committed),
            Ok(Answer::Alone) => self.write(ctx, unit(move |work| (*run)(work))).await,
            Ok(Answer::Unknown(why)) => Err(DbError::Unknown(why).into()),
            // Its function panicked, or one beside it did; or the process ends.
            Err(_) => Err(DbError::Panicked.into()),
        }
    }
}
