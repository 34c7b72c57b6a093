//! Deliveries and attempts, to read and to take up again.

use bytes::Bytes;
use tidings_db::{DbError, FromRow, Reader, Row, args};
use tidings_events::Priority;
use tidings_kernel::{
    Cursor, DeliveryId, EventId, NodeId, Page, PageParams, ReplayId, TenantId, Timestamp, Uuid,
    Version, WebhookSubscriptionId,
};

use crate::delivery::{Delivery, DeliveryStatus};
use crate::engine::Order;

tidings_db::statements! {
    query GET = "SELECT id, event_id, subscription_id, origin, event_name, status, attempts, \
        next_attempt_at, last_status, last_error, reason, created_at, updated_at, replay_id \
        FROM deliveries \
        WHERE tenant_id = $1 AND id = $2";
    query EXISTING = "SELECT id FROM deliveries WHERE tenant_id = $1 AND id IN_UUIDS($2)";
    query STATUS = "SELECT status FROM deliveries WHERE tenant_id = $1 AND id = $2";
    query ATTEMPTS = "SELECT attempt, started_at, duration, status, error, response_headers, \
        response_body, dns_micros, connect_micros, tls_micros, first_byte_micros, body_micros, \
        reused, request_headers, response_truncated FROM delivery_attempts \
        WHERE tenant_id = $1 AND delivery_id = $2 AND attempt > $3 ORDER BY attempt LIMIT $4";
    /// What is due; of an object whose events wait for each other only the first, and that only
    /// when no earlier one is still on its way to its row.
    across query DUE = "SELECT d.tenant_id, d.id, d.event_id, d.subscription_id, d.origin, \
        d.event_name, d.attempts, d.created_at, d.order_key, d.order_version, e.priority, p.body, \
        d.replay_id, e.occurred_at \
        FROM deliveries d \
        JOIN events e ON e.tenant_id = d.tenant_id AND e.id = d.event_id \
        LEFT JOIN event_payloads p ON p.tenant_id = d.tenant_id AND p.event_id = d.event_id \
        WHERE d.next_attempt_at <= $1 AND (d.node_id = $2 OR $3) \
        AND (d.order_key IS NULL OR (NOT EXISTS (SELECT 1 FROM deliveries b \
            WHERE b.tenant_id = d.tenant_id AND b.subscription_id = d.subscription_id \
            AND b.order_key = d.order_key AND b.order_version < d.order_version \
            AND b.next_attempt_at IS NOT NULL) \
        AND NOT EXISTS (SELECT 1 FROM events f \
            JOIN dispatch q ON q.tenant_id = f.tenant_id AND q.event_id = f.id \
            WHERE f.tenant_id = d.tenant_id AND f.subject_id = d.order_key \
            AND f.subject_version < d.order_version))) \
        ORDER BY d.next_attempt_at LIMIT $4";
    across query NEXT_DUE = "SELECT MIN(next_attempt_at) FROM deliveries \
        WHERE next_attempt_at > $1";
    across query COUNT_WAITING = "SELECT COUNT(*), MIN(next_attempt_at) FROM deliveries \
        WHERE next_attempt_at IS NOT NULL";
    across query COUNT_DUE = "SELECT COUNT(*), MIN(next_attempt_at) FROM deliveries \
        WHERE next_attempt_at <= $1";
}

impl FromRow for Delivery {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.take()?,
            event_id: row.take()?,
            subscription_id: row.take()?,
            origin: row.take()?,
            event_name: row.take()?,
            status: row.word(DeliveryStatus::find)?,
            attempts: row.take()?,
            next_attempt_at: row.take()?,
            last_status: row.take()?,
            last_error: row.take()?,
            reason: row.take()?,
            created_at: row.take()?,
            updated_at: row.take()?,
            replay_id: row.take()?,
        })
    }
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    /// Which one: the first is 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// Microseconds from the first step to the last byte.
    pub duration: i64,
    /// The status of the answer.
    pub status: Option<u16>,
    /// The class of the failure.
    pub error: Option<String>,
    /// Headers of the answer, as JSON.
    pub response_headers: Option<String>,
    /// The beginning of the answer's body.
    pub response_body: Option<Bytes>,
    /// Microseconds of name resolution, connect, TLS, the wait for the answer, and its body.
    pub phases: [Option<i64>; 5],
    /// Whether it went over a connection that had served before.
    pub reused: Option<bool>,
    /// Headers of a request that was in vain, as JSON.
    pub request_headers: Option<String>,
    /// Whether the answer's body was longer than what is kept of it.
    pub response_truncated: Option<bool>,
}

impl FromRow for AttemptRecord {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            attempt: row.take()?,
            started_at: row.take()?,
            duration: row.take()?,
            status: row.take()?,
            error: row.take()?,
            response_headers: row.take()?,
            response_body: row.take()?,
            phases: [row.take()?, row.take()?, row.take()?, row.take()?, row.take()?],
            reused: row.take()?,
            request_headers: row.take()?,
            response_truncated: row.take()?,
        })
    }
}

/// A delivery that is due, with what there is to send.
#[derive(Debug, Clone)]
pub(crate) struct DueDelivery {
    pub(crate) tenant_id: TenantId,
    pub(crate) id: DeliveryId,
    pub(crate) event_id: EventId,
    pub(crate) subscription_id: WebhookSubscriptionId,
    pub(crate) origin: String,
    pub(crate) name: String,
    pub(crate) attempts: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) order: Option<Order>,
    pub(crate) priority: Priority,
    /// None where it was erased.
    pub(crate) body: Option<Bytes>,
    pub(crate) replay_id: Option<ReplayId>,
    /// When its event happened.
    pub(crate) occurred_at: Timestamp,
}

impl FromRow for DueDelivery {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            tenant_id: row.take()?,
            id: row.take()?,
            event_id: row.take()?,
            subscription_id: row.take()?,
            origin: row.take()?,
            name: row.take()?,
            attempts: row.take()?,
            created_at: row.take()?,
            order: {
                let (key, version): (Option<Uuid>, Option<Version>) = (row.take()?, row.take()?);
                key.zip(version)
            },
            priority: row.word(Priority::find)?,
            body: row.take()?,
            replay_id: row.take()?,
            occurred_at: row.take()?,
        })
    }
}

/// The tenant's delivery with this id.
pub(crate) async fn find(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    id: DeliveryId,
) -> Result<Option<Delivery>, DbError> {
    reader.row(&GET, args![tenant_id, id]).await
}

/// How far the tenant's delivery with this id has come.
pub(crate) async fn status(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    id: DeliveryId,
) -> Result<Option<DeliveryStatus>, DbError> {
    let row: Option<(String,)> = reader.row(&STATUS, args![tenant_id, id]).await?;
    Ok(row.and_then(|(status,)| DeliveryStatus::find(&status)))
}

/// Which of these deliveries exist.
pub(crate) async fn existing(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    ids: &[DeliveryId],
) -> Result<Vec<DeliveryId>, DbError> {
    let rows: Vec<(DeliveryId,)> = reader.rows(&EXISTING, args![tenant_id, ids]).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The attempts of a delivery, in order.
pub(crate) async fn attempts(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    id: DeliveryId,
    page: PageParams,
) -> Result<Page<AttemptRecord>, DbError> {
    let after = page.after.map_or(0, |cursor| cursor.sort);
    let rows: Vec<AttemptRecord> =
        reader.rows(&ATTEMPTS, args![tenant_id, id, after, page.limit + 1]).await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor {
        sort: i64::from(row.attempt),
        id: Uuid::nil(),
    }))
}

/// The deliveries that are due: this node's, or everybody's where there is only one node.
pub(crate) async fn due(
    mut reader: Reader<'_>,
    now: Timestamp,
    node_id: NodeId,
    everybody: bool,
    limit: i64,
) -> Result<Vec<DueDelivery>, DbError> {
    reader.rows(&DUE, args![now, node_id, everybody, limit]).await
}

/// When the next delivery after `now` is due.
pub(crate) async fn next_due(
    mut reader: Reader<'_>,
    now: Timestamp,
) -> Result<Option<Timestamp>, DbError> {
    reader.scalar(&NEXT_DUE, args![now]).await
}

/// How many deliveries wait, and when the first is due.
pub(crate) async fn count_waiting(
    mut reader: Reader<'_>,
) -> Result<(i64, Option<Timestamp>), DbError> {
    let row: Option<(i64, Option<Timestamp>)> = reader.row(&COUNT_WAITING, &[]).await?;
    row.ok_or(DbError::Decode { column: 0 })
}

/// How many deliveries are due, and since when the first is.
pub(crate) async fn count_due(
    mut reader: Reader<'_>,
    now: Timestamp,
) -> Result<(i64, Option<Timestamp>), DbError> {
    let row: Option<(i64, Option<Timestamp>)> = reader.row(&COUNT_DUE, args![now]).await?;
    row.ok_or(DbError::Decode { column: 0 })
}
