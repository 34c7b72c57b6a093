//! Reactions: a named cursor over a tenant's log; the handler's writes and the cursor commit in one
//! unit of work. In order for each object: one that cannot be taken makes its object wait, and
//! nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tidings_bus::Pulse;
use tidings_db::{Db, DbError, FromRow, Row, Silent, UnitFuture, UnitOfWork, Value, args};
use tidings_kernel::{EventId, Problem, TenantId, Timestamp, Uuid};

use crate::queue::back_off;

tidings_db::statements! {
    across query BEHIND = "SELECT p.tenant_id, COALESCE(c.position, 0) FROM position_counters p \
        LEFT JOIN reaction_cursors c ON c.tenant_id = p.tenant_id AND c.name = $1 \
        WHERE p.last > COALESCE(c.position, 0) ORDER BY p.tenant_id LIMIT 100";
    query CURSOR = "SELECT position FROM reaction_cursors WHERE tenant_id = $1 AND name = $2";
    query AFTER = "SELECT p.position, e.id, e.name, e.subject_id, e.occurred_at \
        FROM event_positions p \
        JOIN events e ON e.tenant_id = p.tenant_id AND e.id = p.event_id \
        WHERE p.tenant_id = $1 AND p.position > $2 ORDER BY p.position LIMIT $3";
    command MOVE = "INSERT INTO reaction_cursors (tenant_id, name, position, attempts) \
        VALUES ($1, $2, $3, 0) ON CONFLICT (tenant_id, name) DO UPDATE \
        SET position = excluded.position WHERE reaction_cursors.position = $4";
    query BODY = "SELECT body FROM event_payloads WHERE tenant_id = $1 AND event_id = $2";
    query PARKED_SUBJECTS = "SELECT DISTINCT subject_id FROM reaction_parked \
        WHERE tenant_id = $1 AND name = $2 AND subject_id IN_UUIDS($3)";
    query PARKED_SUBJECT = "SELECT COUNT(*) FROM reaction_parked \
        WHERE tenant_id = $1 AND name = $2 AND subject_id = $3 AND position < $4";
    command PARK = "INSERT INTO reaction_parked (tenant_id, name, event_id, subject_id, position, \
        attempts, retry_at, last_error) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
        ON CONFLICT (tenant_id, name, event_id) DO UPDATE SET attempts = excluded.attempts, \
        retry_at = excluded.retry_at, last_error = excluded.last_error";
    command REPARK = "UPDATE reaction_parked SET attempts = $5, retry_at = $6, last_error = $7 \
        WHERE tenant_id = $1 AND name = $2 AND event_id = $3 AND attempts = $4";
    command UNPARK = "DELETE FROM reaction_parked \
        WHERE tenant_id = $1 AND name = $2 AND event_id = $3";
    across query PARKED_DUE = "SELECT k.tenant_id, k.attempts, k.position, e.id, e.name, \
        e.subject_id, e.occurred_at FROM reaction_parked k \
        JOIN events e ON e.tenant_id = k.tenant_id AND e.id = k.event_id \
        WHERE k.name = $1 AND k.retry_at <= $2 ORDER BY k.position LIMIT 100";
    across query PARKED = "SELECT name, COUNT(*) FROM reaction_parked GROUP BY name ORDER BY name";
}

/// Events that one unit takes.
const BATCH: i64 = 200;

/// An event as the log has it. Most of what a reaction sees is not for it, so the payload is asked
/// for with [`LoggedEvent::body`].
#[derive(Debug, Clone)]
pub struct LoggedEvent {
    /// Its place in the tenant's log.
    pub position: i64,
    /// The event.
    pub id: EventId,
    /// Its type.
    pub name: String,
    /// The object.
    pub subject_id: Uuid,
    /// When.
    pub occurred_at: Timestamp,
}

impl LoggedEvent {
    /// The envelope; absent once retention or erasure has taken it.
    pub async fn body(&self, work: &mut UnitOfWork) -> Result<Option<Bytes>, DbError> {
        let tenant_id = work.ctx().tenant_id;
        let row: Option<(Bytes,)> = work.reader().row(&BODY, args![tenant_id, self.id]).await?;
        Ok(row.map(|(body,)| body))
    }
}

impl FromRow for LoggedEvent {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            position: row.take()?,
            id: row.take()?,
            name: row.take()?,
            subject_id: row.take()?,
            occurred_at: row.take()?,
        })
    }
}

struct ParkedEvent {
    tenant_id: TenantId,
    attempts: i64,
    event: LoggedEvent,
}

impl FromRow for ParkedEvent {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            tenant_id: row.take()?,
            attempts: row.take()?,
            event: LoggedEvent::from_row(row)?,
        })
    }
}

/// Takes the events of the log.
pub trait ReactionHandler: Send + Sync + 'static {
    /// The cursor's name; it never changes.
    fn name(&self) -> &'static str;

    /// Takes events, in the order of the log: many at once while all goes well, and after a failure
    /// one. Each is taken once, for what this writes and the cursor commit together.
    fn react<'t>(
        &self,
        work: &'t mut UnitOfWork,
        events: Vec<LoggedEvent>,
    ) -> UnitFuture<'t, (), Problem>;
}

/// A reaction, shared.
pub type Reaction = Arc<dyn ReactionHandler>;

/// Runs every reaction over what it has not seen. Says how many events were taken or parked.
pub(crate) async fn run(
    db: &Db,
    reactions: &[Reaction],
    pulse: Option<&Pulse>,
) -> Result<usize, DbError> {
    let mut taken = 0;
    for reaction in reactions {
        taken += retry_parked(db, reaction).await?;
        let behind: Vec<(TenantId, i64)> =
            db.read_across_tenants().await?.reader().rows(&BEHIND, args![reaction.name()]).await?;
        for (tenant_id, _) in behind {
            if let Some(pulse) = pulse {
                pulse.beat();
            }
            taken += catch_up(db, reaction, tenant_id).await?;
        }
    }
    Ok(taken)
}

/// Takes the next events of one tenant: all in one unit, and where that fails one by one.
async fn catch_up(db: &Db, reaction: &Reaction, tenant_id: TenantId) -> Result<usize, DbError> {
    let ctx = db.tenant_ctx(reaction.name(), tenant_id).await?;
    let shared = Arc::clone(reaction);
    let all = db
        .write_bulk::<usize, Problem, _>(&ctx, move |work| {
            Box::pin(take_next(work, Arc::clone(&shared), BATCH))
        })
        .await;
    if let Ok(taken) = all {
        return Ok(taken.into_inner());
    }
    let shared = Arc::clone(reaction);
    let one = db
        .write_bulk::<usize, Problem, _>(&ctx, move |work| {
            Box::pin(take_next(work, Arc::clone(&shared), 1))
        })
        .await;
    match one {
        Ok(taken) => Ok(taken.into_inner()),
        Err(problem) => park_next(db, reaction, tenant_id, problem).await,
    }
}

async fn cursor(work: &mut UnitOfWork, name: &'static str) -> Result<i64, DbError> {
    let tenant_id = work.ctx().tenant_id;
    let row: Option<(i64,)> = work.reader().row(&CURSOR, args![tenant_id, name]).await?;
    Ok(row.map_or(0, |(position,)| position))
}

async fn move_cursor(
    work: &mut UnitOfWork,
    name: &'static str,
    from: i64,
    to: i64,
) -> Result<(), DbError> {
    let tenant_id = work.ctx().tenant_id;
    let moved = work
        .silent(Silent::JobBookkeeping)
        .execute(&MOVE, args![tenant_id, name, to, from])
        .await?;
    if moved == 1 { Ok(()) } else { Err(DbError::Stale) }
}

async fn take_next(
    work: &mut UnitOfWork,
    reaction: Reaction,
    limit: i64,
) -> Result<usize, Problem> {
    let name = reaction.name();
    let tenant_id = work.ctx().tenant_id;
    let from = cursor(work, name).await?;
    let events: Vec<LoggedEvent> =
        work.reader().rows(&AFTER, args![tenant_id, from, limit]).await?;
    let Some(to) = events.last().map(|event| event.position) else { return Ok(0) };
    let taken = events.len();
    let waiting = waiting(work, name, &events).await?;
    let (behind, free): (Vec<_>, Vec<_>) =
        events.into_iter().partition(|event| waiting.contains(&event.subject_id));
    for event in behind {
        park(work, name, &event, 0, "an earlier event of the same object waits").await?;
    }
    if !free.is_empty() {
        reaction.react(work, free).await?;
    }
    move_cursor(work, name, from, to).await?;
    Ok(taken)
}

/// The objects of these events of which an earlier event is parked.
async fn waiting(
    work: &mut UnitOfWork,
    name: &'static str,
    events: &[LoggedEvent],
) -> Result<BTreeSet<Uuid>, DbError> {
    let tenant_id = work.ctx().tenant_id;
    let subjects: BTreeSet<Uuid> = events.iter().map(|event| event.subject_id).collect();
    let subjects = Value::List(subjects.into_iter().map(Value::Uuid).collect());
    let rows: Vec<(Uuid,)> =
        work.reader().rows(&PARKED_SUBJECTS, args![tenant_id, name, subjects]).await?;
    Ok(rows.into_iter().map(|(subject_id,)| subject_id).collect())
}

async fn park(
    work: &mut UnitOfWork,
    name: &'static str,
    event: &LoggedEvent,
    attempts: i64,
    error: &str,
) -> Result<(), DbError> {
    let tenant_id = work.ctx().tenant_id;
    let retry_at = work.now().after(back_off(attempts));
    let error: String = error.chars().take(500).collect();
    let LoggedEvent { id, subject_id, position, .. } = event;
    work.silent(Silent::JobBookkeeping)
        .execute(&PARK, args![tenant_id, name, id, subject_id, position, attempts, retry_at, error])
        .await
        .map(|_| ())
}

async fn park_next(
    db: &Db,
    reaction: &Reaction,
    tenant_id: TenantId,
    problem: Problem,
) -> Result<usize, DbError> {
    tracing::warn!(reaction = reaction.name(), tenant = %tenant_id, %problem, "an event is parked");
    let name = reaction.name();
    let ctx = db.tenant_ctx(name, tenant_id).await?;
    let parked = db.write_bulk::<usize, DbError, _>(&ctx, move |work| {
        let error = problem.to_string();
        Box::pin(async move {
            let from = cursor(work, name).await?;
            let next: Option<LoggedEvent> =
                work.reader().row(&AFTER, args![tenant_id, from, 1_i64]).await?;
            let Some(event) = next else { return Ok(0) };
            park(work, name, &event, 1, &error).await?;
            move_cursor(work, name, from, event.position).await?;
            Ok(1)
        })
    });
    Ok(parked.await?.into_inner())
}

/// Tries the parked events whose time has come, oldest first.
async fn retry_parked(db: &Db, reaction: &Reaction) -> Result<usize, DbError> {
    let name = reaction.name();
    let due: Vec<ParkedEvent> =
        db.read_across_tenants().await?.reader().rows(&PARKED_DUE, args![name, db.now()]).await?;
    let mut taken = 0;
    for ParkedEvent { tenant_id, attempts, event } in due {
        let ctx = db.tenant_ctx(name, tenant_id).await?;
        let shared = Arc::clone(reaction);
        let again = event.clone();
        let done = db
            .write_bulk::<bool, Problem, _>(&ctx, move |work| {
                Box::pin(retry_one(work, Arc::clone(&shared), again.clone()))
            })
            .await;
        match done {
            Ok(done) => taken += usize::from(done.into_inner()),
            Err(problem) => {
                let error = problem.to_string();
                let parked = db.write_bulk::<(), DbError, _>(&ctx, move |work| {
                    let error = error.clone();
                    Box::pin(async move { repark(work, name, event.id, attempts, &error).await })
                });
                let _committed = parked.await?;
            }
        }
    }
    Ok(taken)
}

/// Takes a parked event, unless another node has. It is taken out first: of two nodes that hold the
/// same list, the second finds nothing to take out, and so reacts to nothing.
async fn retry_one(
    work: &mut UnitOfWork,
    reaction: Reaction,
    event: LoggedEvent,
) -> Result<bool, Problem> {
    let name = reaction.name();
    let tenant_id = work.ctx().tenant_id;
    let unparked = work
        .silent(Silent::JobBookkeeping)
        .execute(&UNPARK, args![tenant_id, name, event.id])
        .await?;
    if unparked == 0 {
        return Ok(false);
    }
    let earlier: i64 = work
        .reader()
        .scalar(&PARKED_SUBJECT, args![tenant_id, name, event.subject_id, event.position])
        .await?;
    if earlier > 0 {
        return Err(Problem::unavailable("an earlier event of the same object waits", 1));
    }
    reaction.react(work, vec![event]).await?;
    Ok(true)
}

/// Puts an event off that failed once more. What another node has taken, or put off, is left alone.
async fn repark(
    work: &mut UnitOfWork,
    name: &'static str,
    event_id: EventId,
    attempts: i64,
    error: &str,
) -> Result<(), DbError> {
    let (tenant_id, failed) = (work.ctx().tenant_id, attempts + 1);
    let retry_at = work.now().after(back_off(failed));
    let error: String = error.chars().take(500).collect();
    work.silent(Silent::JobBookkeeping)
        .execute(&REPARK, args![tenant_id, name, event_id, attempts, failed, retry_at, error])
        .await
        .map(|_| ())
}

/// How many events each reaction has parked.
pub(crate) async fn parked(db: &Db) -> Result<Vec<(String, i64)>, DbError> {
    db.read_across_tenants().await?.reader().rows(&PARKED, &[]).await
}
