//! Sweeps: at every so many minutes, find what is due, and take each item by itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_bus::Pulse;
use tidings_db::{Db, DbError, Silent, UnitFuture, UnitOfWork, args};
use tidings_kernel::{Ctx, Problem, TenantId, Timestamp, Uuid};

tidings_db::statements! {
    across command DECLARE = "INSERT INTO schedules (name, every, due_at, lease) \
        VALUES ($1, $2, $3, 0) ON CONFLICT (name) DO UPDATE SET every = excluded.every";
    across query DUE = "SELECT name FROM schedules WHERE due_at <= $1";
    across command START = "UPDATE schedules SET leased_until = $3, lease = lease + 1, \
        last_started_at = $2 WHERE name = $1 AND due_at <= $2 \
        AND (leased_until IS NULL OR leased_until < $4)";
    across command END = "UPDATE schedules SET leased_until = NULL, due_at = $2, \
        last_ended_at = $3, last_error = $4 WHERE name = $1";
    across query NEXT = "SELECT MIN(due_at) FROM schedules";
    across query REPORT = "SELECT name, every, due_at, last_started_at, last_ended_at, last_error \
        FROM schedules ORDER BY name";
}

/// The upper bound of one sweep.
const LEASE: Duration = Duration::from_mins(5);

/// One thing that a sweep found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepItem {
    /// The tenant; the nil id for the installation's own.
    pub tenant_id: TenantId,
    /// The thing.
    pub id: Uuid,
}

/// What finds the items that are due.
type Find = dyn Fn(Db, Timestamp) -> Pin<Box<dyn Future<Output = Result<Vec<SweepItem>, DbError>> + Send>>
    + Send
    + Sync;
/// What is done with one item.
type Each =
    dyn for<'t> Fn(&'t mut UnitOfWork, SweepItem) -> UnitFuture<'t, (), Problem> + Send + Sync;

/// A schedule: what is looked for, how often, and what is done with each.
#[derive(Clone)]
pub struct Sweep {
    /// The name, in `doctor` and as the actor of what it does.
    pub name: &'static str,
    /// How often.
    pub every: Duration,
    find: Arc<Find>,
    each: Arc<Each>,
}

impl std::fmt::Debug for Sweep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sweep").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Sweep {
    /// A sweep. `find` gives at most a few hundred items and is asked again until it gives none
    /// that it has not given before; `each` takes one item in a unit of its own.
    pub fn new<F, Fut, E>(name: &'static str, every: Duration, find: F, each: E) -> Self
    where
        F: Fn(Db, Timestamp) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<SweepItem>, DbError>> + Send + 'static,
        E: for<'t> Fn(&'t mut UnitOfWork, SweepItem) -> UnitFuture<'t, (), Problem>
            + Send
            + Sync
            + 'static,
    {
        let find: Arc<Find> = Arc::new(move |db, now| Box::pin(find(db, now)));
        Self { name, every, find, each: Arc::new(each) }
    }
}

fn system(db: &Db, name: &'static str) -> Ctx {
    db.system_ctx(name, TenantId::from_uuid(Uuid::nil()), true)
}

/// Makes the schedules known to the database.
pub(crate) async fn declare(db: &Db, sweeps: &[Sweep]) -> Result<(), DbError> {
    for sweep in sweeps {
        let (name, every) = (sweep.name, sweep.every);
        let ctx = system(db, "schedules");
        let declared = db.write_bulk::<u64, DbError, _>(&ctx, move |work| {
            Box::pin(async move {
                let due_at = work.now().after(every);
                let every = i64::try_from(every.as_micros()).unwrap_or(i64::MAX);
                work.silent(Silent::JobBookkeeping)
                    .execute(&DECLARE, args![name, every, due_at])
                    .await
            })
        });
        let _committed = declared.await?;
    }
    Ok(())
}

/// Runs the sweeps that are due. Says how many items they took.
pub(crate) async fn run_due(
    db: &Db,
    sweeps: &[Sweep],
    pulse: Option<&Pulse>,
) -> Result<usize, DbError> {
    let mut taken = 0;
    // Asked first: the loop of jobs comes by often, and a start that is not due is a write for nothing.
    let due: Vec<(String,)> =
        db.read_across_tenants().await?.reader().rows(&DUE, args![db.now()]).await?;
    for sweep in sweeps.iter().filter(|sweep| due.iter().any(|(name,)| name == sweep.name)) {
        let lease_now = db.lease_now().await?;
        let name = sweep.name;
        let started = db
            .write_bulk::<u64, DbError, _>(&system(db, "schedules"), move |work| {
                Box::pin(async move {
                    let until = lease_now.after(LEASE);
                    let now = work.now();
                    work.silent(Silent::JobBookkeeping)
                        .execute(&START, args![name, now, until, lease_now])
                        .await
                })
            })
            .await?;
        if started.into_inner() == 1 {
            taken += run_one(db, sweep, pulse).await?;
        }
    }
    Ok(taken)
}

async fn run_one(db: &Db, sweep: &Sweep, pulse: Option<&Pulse>) -> Result<usize, DbError> {
    let mut seen = std::collections::HashSet::new();
    let mut last_error: Option<String> = None;
    loop {
        let found = (sweep.find)(db.clone(), db.now()).await?;
        let fresh: Vec<SweepItem> =
            found.into_iter().filter(|item| seen.insert((item.tenant_id, item.id))).collect();
        if fresh.is_empty() {
            break;
        }
        for item in fresh {
            if let Some(pulse) = pulse {
                pulse.beat();
            }
            let each = Arc::clone(&sweep.each);
            let ctx = db.tenant_ctx(sweep.name, item.tenant_id).await?;
            let done = db.write_bulk::<(), Problem, _>(&ctx, move |work| each(work, item)).await;
            if let Err(problem) = done {
                tracing::warn!(sweep = sweep.name, tenant = %item.tenant_id, %problem, "an item failed");
                last_error = Some(problem.to_string());
            }
        }
    }
    let (name, every) = (sweep.name, sweep.every);
    let ctx = system(db, "schedules");
    let ended = db.write_bulk::<u64, DbError, _>(&ctx, move |work| {
        let last_error = last_error.clone();
        Box::pin(async move {
            let now = work.now();
            work.silent(Silent::JobBookkeeping)
                .execute(&END, args![name, now.after(every), now, last_error])
                .await
        })
    });
    let _committed = ended.await?;
    Ok(seen.len())
}

/// When the next sweep is due.
pub(crate) async fn next_due(db: &Db) -> Result<Option<Timestamp>, DbError> {
    db.read_across_tenants().await?.reader().scalar(&NEXT, &[]).await
}

/// One schedule for `doctor`: name, period in microseconds, due, started, ended, error.
pub(crate) type Reported =
    (String, i64, Timestamp, Option<Timestamp>, Option<Timestamp>, Option<String>);

/// Every schedule with its last and next run.
pub(crate) async fn report(db: &Db) -> Result<Vec<Reported>, DbError> {
    db.read_across_tenants().await?.reader().rows(&REPORT, &[]).await
}
