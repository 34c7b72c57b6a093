//! What waits, and what is parked: for `/metrics` and `doctor`, which change nothing.

use tidings_db::{Db, DbError, FromRow, Row, args};
use tidings_kernel::{EventId, JobId, TenantId, Timestamp};

use crate::sequencer;

tidings_db::statements! {
    /// How many events a reaction has not seen, over all tenants.
    across query BEHIND = "SELECT \
        CAST(COALESCE(SUM(p.last - COALESCE(c.position, 0)), 0) AS BIGINT) \
        FROM position_counters p \
        LEFT JOIN reaction_cursors c ON c.tenant_id = p.tenant_id AND c.name = $1";
    across query WAITING = "SELECT COUNT(*), \
        CAST(COALESCE(SUM(CASE WHEN due_at <= $1 THEN 1 ELSE 0 END), 0) AS BIGINT), \
        MIN(due_at) FROM jobs WHERE parked_at IS NULL";
    across query PARKED_JOBS = "SELECT tenant_id, id, kind, parked_at, last_error FROM jobs \
        WHERE parked_at IS NOT NULL ORDER BY parked_at LIMIT 20";
    across query PARKED_EVENTS = "SELECT k.tenant_id, k.event_id, k.name, e.occurred_at, \
        k.last_error FROM reaction_parked k \
        JOIN events e ON e.tenant_id = k.tenant_id AND e.id = k.event_id \
        ORDER BY e.occurred_at LIMIT 20";
    across query UNHELD = "SELECT name, until_at FROM leases WHERE until_at < $1 ORDER BY name";
}

/// How far behind everything is.
#[derive(Debug, Clone, Default)]
pub struct Lag {
    /// Committed events without a position; ten thousand stand for more.
    pub unplaced: i64,
    /// Since when the oldest of them waits.
    pub oldest_unplaced: Option<Timestamp>,
    /// Each reaction with the events that it has not seen.
    pub reactions: Vec<(&'static str, i64)>,
    /// Jobs that wait.
    pub jobs_waiting: i64,
    /// Those of them that are due.
    pub jobs_due: i64,
    /// Since when the first of them is due, or until it is.
    pub next_job_at: Option<Timestamp>,
}

/// A job, or an event for a reaction, that was tried in vain and is put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The job or the event.
    pub id: String,
    /// The kind of job, or the reaction.
    pub name: String,
    /// When it was parked, or its event happened.
    pub since: Timestamp,
    /// What went wrong last.
    pub error: Option<String>,
    /// Whether it is an event, which is tried again by itself.
    pub is_event: bool,
}

struct ParkedJob(Parked);

impl FromRow for ParkedJob {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        let (tenant_id, id): (TenantId, JobId) = (row.take()?, row.take()?);
        let (name, since, error) = (row.take()?, row.take()?, row.take()?);
        Ok(Self(Parked { tenant_id, id: id.to_string(), name, since, error, is_event: false }))
    }
}

struct ParkedEvent(Parked);

impl FromRow for ParkedEvent {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        let (tenant_id, id): (TenantId, EventId) = (row.take()?, row.take()?);
        let (name, since, error) = (row.take()?, row.take()?, row.take()?);
        Ok(Self(Parked { tenant_id, id: id.to_string(), name, since, error, is_event: true }))
    }
}

/// How far behind the sequencer, these reactions and the jobs are.
pub async fn lag(db: &Db, reactions: &[&'static str]) -> Result<Lag, DbError> {
    let mut session = db.read_across_tenants().await?;
    let (unplaced, oldest_unplaced) = sequencer::unplaced(session.reader()).await?;
    let mut behind = Vec::with_capacity(reactions.len());
    for name in reactions {
        behind.push((*name, session.reader().scalar(&BEHIND, args![*name]).await?));
    }
    let jobs: Option<(i64, i64, Option<Timestamp>)> =
        session.reader().row(&WAITING, args![db.now()]).await?;
    let (jobs_waiting, jobs_due, next_job_at) = jobs.unwrap_or_default();
    Ok(Lag { unplaced, oldest_unplaced, reactions: behind, jobs_waiting, jobs_due, next_job_at })
}

/// The oldest jobs and events that are parked, with what went wrong.
pub async fn parked_ones(db: &Db) -> Result<Vec<Parked>, DbError> {
    let mut session = db.read_across_tenants().await?;
    let jobs: Vec<ParkedJob> = session.reader().rows(&PARKED_JOBS, &[]).await?;
    let events: Vec<ParkedEvent> = session.reader().rows(&PARKED_EVENTS, &[]).await?;
    Ok(jobs.into_iter().map(|job| job.0).chain(events.into_iter().map(|event| event.0)).collect())
}

/// Leases that ended before an instant and that nobody has taken since.
pub async fn unheld(db: &Db, before: Timestamp) -> Result<Vec<(String, Timestamp)>, DbError> {
    db.read_across_tenants().await?.reader().rows(&UNHELD, args![before]).await
}
