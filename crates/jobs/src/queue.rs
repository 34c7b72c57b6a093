//! Jobs: enqueued in the unit of work that makes them due, run in one of their own.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidings_bus::Pulse;
use tidings_db::{Db, DbError, FromRow, Row, Silent, UnitFuture, UnitOfWork, args, json};
use tidings_kernel::{Ctx, JobId, Problem, TenantId, Timestamp};

tidings_db::statements! {
    command ENQUEUE = "INSERT INTO jobs (tenant_id, id, kind, unique_key, payload, due_at, \
        attempts, lease, created_at) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7) \
        ON CONFLICT (tenant_id, kind, unique_key) WHERE unique_key IS NOT NULL DO UPDATE \
        SET payload = excluded.payload, due_at = excluded.due_at, attempts = 0, \
        parked_at = NULL, last_error = NULL WHERE jobs.parked_at IS NOT NULL";
    across query DUE = "SELECT tenant_id, id, kind, payload, attempts, lease FROM jobs \
        WHERE due_at <= $1 AND parked_at IS NULL AND (leased_until IS NULL OR leased_until < $2) \
        ORDER BY due_at LIMIT 64";
    across query NEXT_DUE = "SELECT MIN(due_at) FROM jobs WHERE parked_at IS NULL";
    command CLAIM = "UPDATE jobs SET leased_until = $4, lease = lease + 1, \
        attempts = attempts + 1 WHERE tenant_id = $1 AND id = $2 AND lease = $3";
    command FINISH = "DELETE FROM jobs WHERE tenant_id = $1 AND id = $2 AND lease = $3";
    command RETRY = "UPDATE jobs SET leased_until = NULL, due_at = $4, last_error = $5 \
        WHERE tenant_id = $1 AND id = $2 AND lease = $3";
    command PARK = "UPDATE jobs SET leased_until = NULL, parked_at = $4, last_error = $5 \
        WHERE tenant_id = $1 AND id = $2 AND lease = $3";
    across query PARKED = "SELECT kind, COUNT(*) FROM jobs WHERE parked_at IS NOT NULL \
        GROUP BY kind ORDER BY kind";
}

/// How long a job is leased for: the upper bound of one run.
const LEASE: Duration = Duration::from_mins(1);
/// A job that failed this often is parked, and shows in `doctor`.
const ATTEMPTS_MAX: i64 = 12;

/// A job to enqueue.
#[derive(Debug)]
pub struct NewJob<'a, P> {
    /// Which handler runs it.
    pub kind: &'static str,
    /// What the handler is given.
    pub payload: &'a P,
    /// When; at once with the unit's own instant.
    pub due_at: Timestamp,
    /// One at a time for each key in a tenant: enqueuing it again is nothing, unless it was parked.
    /// Then it is tried afresh, for whoever enqueues it wants it done.
    pub unique_key: Option<String>,
}

/// Enqueues a job, in the unit of work that makes it due.
pub async fn enqueue<P: Serialize + Sync>(
    work: &mut UnitOfWork,
    job: NewJob<'_, P>,
) -> Result<(), DbError> {
    let id: JobId = work.mint();
    let tenant_id = work.ctx().tenant_id;
    let now = work.now();
    let NewJob { kind, payload, due_at, unique_key } = job;
    work.silent(Silent::JobBookkeeping)
        .execute(&ENQUEUE, args![tenant_id, id, kind, unique_key, json(payload), due_at, now])
        .await
        .map(|_| ())
}

/// A job that is being run.
#[derive(Debug, Clone)]
pub struct Job {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The job.
    pub id: JobId,
    /// Which handler runs it.
    pub kind: String,
    /// What the handler is given, as JSON.
    pub payload: String,
    attempts: i64,
    lease: i64,
}

impl Job {
    /// The payload as the handler's own type.
    pub fn payload<P: DeserializeOwned>(&self) -> Result<P, JobError> {
        serde_json::from_str(&self.payload)
            .map_err(|_| JobError::Hopeless("the payload is of another version".to_owned()))
    }
}

impl FromRow for Job {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            tenant_id: row.take()?,
            id: row.take()?,
            kind: row.take()?,
            payload: row.take()?,
            attempts: row.take()?,
            lease: row.take()?,
        })
    }
}

/// How a job fails.
#[derive(Debug)]
pub enum JobError {
    /// Try again later, with growing pauses.
    Retry(String),
    /// Trying again is of no use: park it, for somebody to look at.
    Hopeless(String),
}

impl From<DbError> for JobError {
    fn from(error: DbError) -> Self {
        Self::Retry(error.to_string())
    }
}

impl From<Problem> for JobError {
    fn from(problem: Problem) -> Self {
        Self::Retry(problem.to_string())
    }
}

impl JobError {
    fn message(&self) -> &str {
        match self {
            Self::Retry(message) | Self::Hopeless(message) => message,
        }
    }
}

/// Runs the jobs of one kind. What it does with the unit of work and the end of the job commit
/// together.
pub trait JobHandler: Send + Sync + 'static {
    /// The kind.
    fn kind(&self) -> &'static str;

    /// Does the job.
    fn run<'t>(&self, work: &'t mut UnitOfWork, job: Job) -> UnitFuture<'t, (), JobError>;

    /// Ends what the job was for, where it is hopeless or was tried too often, and says whether its
    /// owner sees that there. Then the job goes; otherwise it is parked, for somebody to look at.
    fn give_up<'t>(&self, _: &'t mut UnitOfWork, _: Job) -> UnitFuture<'t, bool, JobError> {
        Box::pin(async { Ok(false) })
    }
}

/// Claims and runs the jobs that are due. Says how many it ran.
pub(crate) async fn run_due(
    db: &Db,
    handlers: &[std::sync::Arc<dyn JobHandler>],
    pulse: Option<&Pulse>,
) -> Result<usize, DbError> {
    let lease_now = db.lease_now().await?;
    let due: Vec<Job> =
        db.read_across_tenants().await?.reader().rows(&DUE, args![db.now(), lease_now]).await?;
    let mut ran = 0;
    for mut job in due {
        let Some(handler) = handlers.iter().find(|handler| handler.kind() == job.kind) else {
            // A newer node knows the kind; leave it to that one.
            continue;
        };
        if let Some(pulse) = pulse {
            pulse.beat();
        }
        let until = db.lease_now().await?.after(LEASE);
        if !claim(db, &mut job, until).await? {
            continue;
        }
        ran += 1;
        run_one(db, std::sync::Arc::clone(handler), job).await?;
    }
    Ok(ran)
}

async fn claim(db: &Db, job: &mut Job, until: Timestamp) -> Result<bool, DbError> {
    let ctx = db.system_ctx("jobs", job.tenant_id, true);
    let (tenant_id, id, lease) = (job.tenant_id, job.id, job.lease);
    let claimed = db
        .write_bulk::<u64, DbError, _>(&ctx, move |work| {
            Box::pin(async move {
                work.silent(Silent::JobBookkeeping)
                    .execute(&CLAIM, args![tenant_id, id, lease, until])
                    .await
            })
        })
        .await?;
    job.lease += 1;
    job.attempts += 1;
    Ok(claimed.into_inner() == 1)
}

async fn run_one(
    db: &Db,
    handler: std::sync::Arc<dyn JobHandler>,
    job: Job,
) -> Result<(), DbError> {
    let ctx = db.tenant_ctx(handler.kind(), job.tenant_id).await?;
    let (running, of_unit) = (job.clone(), std::sync::Arc::clone(&handler));
    let ran = db
        .write_bulk::<(), JobError, _>(&ctx, move |work| {
            let (handler, job) = (std::sync::Arc::clone(&of_unit), running.clone());
            Box::pin(async move {
                let (tenant_id, id, lease) = (job.tenant_id, job.id, job.lease);
                handler.run(work, job).await?;
                let mut writer = work.silent(Silent::JobBookkeeping);
                let ended = writer.execute(&FINISH, args![tenant_id, id, lease]).await?;
                if ended == 1 {
                    Ok(())
                } else {
                    Err(JobError::Retry("another node took the job over".to_owned()))
                }
            })
        })
        .await;
    match ran {
        Ok(_) => Ok(()),
        Err(error) => give_back(db, &ctx, (handler, job), error).await,
    }
}

/// Has a job given up by its handler, and ends it. Says whether that was done.
async fn given_up(db: &Db, ctx: &Ctx, handler: std::sync::Arc<dyn JobHandler>, job: Job) -> bool {
    let id = job.id;
    let done = db.write_bulk::<bool, JobError, _>(ctx, move |work| {
        let (handler, job) = (std::sync::Arc::clone(&handler), job.clone());
        Box::pin(async move {
            let (tenant_id, id, lease) = (job.tenant_id, job.id, job.lease);
            if !handler.give_up(work, job).await? {
                return Ok(false);
            }
            let mut writer = work.silent(Silent::JobBookkeeping);
            let ended = writer.execute(&FINISH, args![tenant_id, id, lease]).await?;
            if ended == 1 {
                Ok(true)
            } else {
                Err(JobError::Retry("another node took the job over".to_owned()))
            }
        })
    });
    match done.await {
        Ok(done) => done.into_inner(),
        Err(error) => {
            tracing::warn!(job = %id, error = error.message(), "a job could not be given up");
            false
        }
    }
}

/// The pause after this many attempts: 2 s, doubling, an hour at most.
pub(crate) fn back_off(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(0, 11)).unwrap_or(0);
    Duration::from_secs(1 << doublings).min(Duration::from_hours(1))
}

async fn give_back(
    db: &Db,
    ctx: &Ctx,
    (handler, job): (std::sync::Arc<dyn JobHandler>, Job),
    error: JobError,
) -> Result<(), DbError> {
    tracing::warn!(job = %job.id, kind = job.kind, error = error.message(), "a job failed");
    let message = error.message().chars().take(500).collect::<String>();
    let park = matches!(error, JobError::Hopeless(_)) || job.attempts >= ATTEMPTS_MAX;
    if park && given_up(db, ctx, handler, job.clone()).await {
        return Ok(());
    }
    let due_at = ctx.now.after(back_off(job.attempts));
    let done = db.write_bulk::<u64, DbError, _>(ctx, move |work| {
        let (message, now) = (message.clone(), work.now());
        let (tenant_id, id, lease) = (job.tenant_id, job.id, job.lease);
        Box::pin(async move {
            let mut writer = work.silent(Silent::JobBookkeeping);
            if park {
                writer.execute(&PARK, args![tenant_id, id, lease, now, message]).await
            } else {
                writer.execute(&RETRY, args![tenant_id, id, lease, due_at, message]).await
            }
        })
    });
    done.await.map(|_| ())
}

/// When the next job is due.
pub(crate) async fn next_due(db: &Db) -> Result<Option<Timestamp>, DbError> {
    db.read_across_tenants().await?.reader().scalar(&NEXT_DUE, &[]).await
}

/// How many jobs of each kind are parked.
pub(crate) async fn parked(db: &Db) -> Result<Vec<(String, i64)>, DbError> {
    db.read_across_tenants().await?.reader().rows(&PARKED, &[]).await
}
