//! Replays, and what came of their deliveries.

use std::collections::BTreeSet;

use tidings_db::{DbError, FromRow, Reader, Row, Stored, Writer, args, json};
use tidings_kernel::{
    AnyId, Cursor, DeliveryId, EventId, Page, PageParams, ReplayId, TenantId, Timestamp, Version,
    WebhookSubscriptionId,
};

use crate::replay::{Outcomes, Replay, ReplayStatus, Scope, Wanted};

tidings_db::statements! {
    command INSERT = "INSERT INTO webhook_replays (tenant_id, id, subscription_id, event_types, \
        subject_id, from_at, to_at, deliveries, after_position, until_asked, rate_per_second, \
        status, position, planned, skipped, delivered, failed, cancelled, free_at, started_at, \
        version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 0, 0, 0, 0, \
        $14, $15, $16)";
    command END = "UPDATE webhook_replays SET status = $3, reason = $4, delivered = $5, \
        failed = $6, cancelled = $7, finished_at = $8, version = $9, until_position = $10 \
        WHERE tenant_id = $1 AND id = $2 AND version = $11 AND status = 'running'";
    command RESUME = "UPDATE webhook_replays SET status = $3, reason = NULL, finished_at = NULL, \
        free_at = $4, version = $5 \
        WHERE tenant_id = $1 AND id = $2 AND version = $6 AND status = 'failed'";
    command ADVANCE = "UPDATE webhook_replays SET until_position = $3, position = $4, \
        planned = $5, skipped = $6, free_at = $7 \
        WHERE tenant_id = $1 AND id = $2 AND status = 'running' AND position = $8";
    query GET = "SELECT tenant_id, id, subscription_id, event_types, subject_id, from_at, to_at, \
        deliveries, after_position, until_asked, until_position, rate_per_second, status, reason, \
        position, planned, skipped, delivered, failed, cancelled, free_at, started_at, \
        finished_at, version FROM webhook_replays WHERE tenant_id = $1 AND id = $2";
    query LIST = "SELECT tenant_id, id, subscription_id, event_types, subject_id, from_at, to_at, \
        deliveries, after_position, until_asked, until_position, rate_per_second, status, reason, \
        position, planned, skipped, delivered, failed, cancelled, free_at, started_at, \
        finished_at, version FROM webhook_replays WHERE tenant_id = $1 \
        AND (ABSENT_UUID($2) OR id < $2) AND (ABSENT_UUID($3) OR subscription_id = $3) \
        ORDER BY id DESC LIMIT $4";
    query RUNNING = "SELECT id, subscription_id FROM webhook_replays \
        WHERE tenant_id = $1 AND status = 'running'";
    /// What of a replay's deliveries has not arrived; the rest of what it planned has.
    query NOT_ARRIVED = "SELECT status, COUNT(*) FROM deliveries WHERE tenant_id = $1 \
        AND replay_id = $2 AND status IN ('pending', 'waiting', 'exhausted', 'discarded') \
        GROUP BY status";
    query NEXT_DUE = "SELECT MIN(next_attempt_at) FROM deliveries WHERE tenant_id = $1 \
        AND replay_id = $2 AND status IN ('pending', 'waiting')";
    /// At most as many as may be under way.
    query UNDER_WAY = "SELECT id, event_id FROM deliveries WHERE tenant_id = $1 \
        AND replay_id = $2 AND status IN ('pending', 'waiting')";
    query KEPT = "SELECT event_id FROM event_payloads \
        WHERE tenant_id = $1 AND event_id IN_UUIDS($2)";
    command DISCARD = "UPDATE deliveries SET status = 'discarded', reason = $2, \
        next_attempt_at = NULL, updated_at = $3 WHERE tenant_id = $1 AND id IN_UUIDS($4) \
        AND status IN ('pending', 'waiting')";
}

impl FromRow for Replay {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        let (tenant_id, id) = (row.take()?, row.take()?);
        let subscription_id = row.take()?;
        let event_types = row.take::<Option<String>>()?;
        let event_types = event_types.map(|text| serde_json::from_str(&text)).transpose();
        // What cannot be read must not widen what is sent.
        let event_types = event_types.map_err(|_| DbError::Decode { column: 3 })?;
        let subject = row.take::<Option<String>>()?.map(|text| text.parse::<AnyId>()).transpose();
        let subject = subject.map_err(|_| DbError::Decode { column: 4 })?;
        let (from, to) = (row.take()?, row.take()?);
        let deliveries = row.word(Wanted::find)?;
        let scope = Scope {
            after_position: row.take()?,
            until_asked: row.take()?,
            from,
            to,
            event_types,
            subject,
            deliveries,
        };
        Ok(Self {
            tenant_id,
            id,
            subscription_id,
            scope,
            until_position: row.take()?,
            rate_per_second: row.take()?,
            status: row.word(ReplayStatus::find)?,
            reason: row.take()?,
            position: row.take()?,
            planned: row.take()?,
            skipped: row.take()?,
            outcomes: Outcomes {
                under_way: 0,
                delivered: row.take()?,
                failed: row.take()?,
                cancelled: row.take()?,
            },
            free_at: row.take()?,
            started_at: row.take()?,
            finished_at: row.take()?,
            version: row.take()?,
        })
    }
}

impl Stored for Replay {
    /// Its start and its end; what lies between is [`advance`]d without an event.
    async fn save(&self, expected: Version, writer: &mut Writer<'_>) -> Result<u64, DbError> {
        let Self { tenant_id, id, scope, outcomes, version, .. } = self;
        if expected == 0 {
            let args = args![
                tenant_id,
                id,
                self.subscription_id,
                scope.event_types.as_ref().map(json),
                scope.subject.map(|subject| subject.to_string()),
                scope.from,
                scope.to,
                scope.deliveries.as_str(),
                scope.after_position,
                scope.until_asked,
                self.rate_per_second,
                self.status.as_str(),
                self.position,
                self.free_at,
                self.started_at,
                version
            ];
            return writer.execute(&INSERT, args).await;
        }
        if self.status == ReplayStatus::Running {
            let status = self.status.as_str();
            let args = args![tenant_id, id, status, self.free_at, version, expected];
            return writer.execute(&RESUME, args).await;
        }
        let args = args![
            tenant_id,
            id,
            self.status.as_str(),
            self.reason,
            outcomes.delivered,
            outcomes.failed,
            outcomes.cancelled,
            self.finished_at,
            version,
            self.until_position,
            expected
        ];
        writer.execute(&END, args).await
    }
}

/// Writes how far a replay has come since it was at `from_position`.
pub(crate) async fn advance(
    writer: &mut Writer<'_>,
    replay: &Replay,
    from_position: i64,
) -> Result<(), DbError> {
    let args = args![
        replay.tenant_id,
        replay.id,
        replay.until_position,
        replay.position,
        replay.planned,
        replay.skipped,
        replay.free_at,
        from_position
    ];
    let written = writer.execute(&ADVANCE, args).await?;
    if written == 1 { Ok(()) } else { Err(DbError::Stale) }
}

/// The tenant's replay with this id.
pub(crate) async fn find(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    id: ReplayId,
) -> Result<Option<Replay>, DbError> {
    reader.row(&GET, args![tenant_id, id]).await
}

/// The tenant's replays, the newest first.
pub(crate) async fn list(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    subscription_id: Option<WebhookSubscriptionId>,
    page: PageParams,
) -> Result<Page<Replay>, DbError> {
    let after = page.after.map(|cursor| cursor.id);
    let args = args![tenant_id, after, subscription_id, page.limit + 1];
    let rows: Vec<Replay> = reader.rows(&LIST, args).await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor { sort: 0, id: row.id.uuid() }))
}

/// The tenant's replays that run, each with its subscription.
pub(crate) async fn running(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
) -> Result<Vec<(ReplayId, WebhookSubscriptionId)>, DbError> {
    reader.rows(&RUNNING, args![tenant_id]).await
}

/// The same without their subscriptions.
pub(crate) async fn running_ids(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
) -> Result<BTreeSet<ReplayId>, DbError> {
    let rows: Vec<(ReplayId, WebhookSubscriptionId)> =
        reader.rows(&RUNNING, args![tenant_id]).await?;
    Ok(rows.into_iter().map(|(id, _)| id).collect())
}

/// What came of the deliveries of a replay so far.
pub(crate) async fn outcomes(mut reader: Reader<'_>, replay: &Replay) -> Result<Outcomes, DbError> {
    let args = args![replay.tenant_id, replay.id];
    let counts: Vec<(String, i64)> = reader.rows(&NOT_ARRIVED, args).await?;
    let mut outcomes = Outcomes::default();
    for (status, count) in counts {
        match status.as_str() {
            "pending" | "waiting" => outcomes.under_way += count,
            _ => outcomes.failed += count,
        }
    }
    outcomes.delivered = replay.planned - outcomes.under_way - outcomes.failed;
    Ok(outcomes)
}

/// When the first of a replay's deliveries that are under way is due.
pub(crate) async fn next_due(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    id: ReplayId,
) -> Result<Option<Timestamp>, DbError> {
    reader.scalar(&NEXT_DUE, args![tenant_id, id]).await
}

/// The deliveries of a replay that are under way.
pub(crate) async fn under_way(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    id: ReplayId,
) -> Result<Vec<(DeliveryId, EventId)>, DbError> {
    reader.rows(&UNDER_WAY, args![tenant_id, id]).await
}

/// Those of a replay's deliveries under way that can never be sent, because their payload has gone
/// since they were planned.
pub(crate) async fn without_payload(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    under_way: &[(DeliveryId, EventId)],
) -> Result<Vec<DeliveryId>, DbError> {
    let events: Vec<EventId> = under_way.iter().map(|(_, event_id)| *event_id).collect();
    let kept: Vec<(EventId,)> = reader.rows(&KEPT, args![tenant_id, events[..]]).await?;
    let kept: BTreeSet<EventId> = kept.into_iter().map(|(event_id,)| event_id).collect();
    let gone = under_way.iter().filter(|(_, event_id)| !kept.contains(event_id));
    Ok(gone.map(|(id, _)| *id).collect())
}

/// Ends deliveries that have not ended by themselves.
pub(crate) async fn discard(
    writer: &mut Writer<'_>,
    (tenant_id, ids): (TenantId, &[DeliveryId]),
    reason: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    if ids.is_empty() {
        return Ok(());
    }
    writer.execute(&DISCARD, args![tenant_id, reason, now, ids]).await.map(|_| ())
}
