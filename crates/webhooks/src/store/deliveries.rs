//! Deliveries and attempts, to read and to take up again.

use bytes::Bytes;
use tidings_db::{DbError, FromRow, Reader, Row, args};
use tidings_events::Priority;
use tidings_kernel::{
    Cursor, DeliveryId, EventId, NodeId, Page, PageParams, ReplayId, TenantId, Timestamp, Uuid,
    Version, WebhookSubscriptionId,
};

use crate::delivery::DeliveryStatus;
use crate::engine::Order;

tidings_db::statements! {
    query GET = "SELECT id, event_id, subscription_id, origin, event_name, status, attempts, \
        next_attempt_at, last_status, last_error, reason, created_at, updated_at, replay_id \
        FROM deliveries \
        WHERE tenant_id = $1 AND id = $2";
    query LIST = "SELECT id, event_id, subscription_id, origin, event_name, status, attempts, \
        next_attempt_at, last_status, last_error, reason, created_at, updated_at, replay_id \
        FROM deliveries \
        WHERE tenant_id = $1 AND (ABSENT_UUID($2) OR id < $2) AND (ABSENT_TEXT($3) OR status = $3) \
        AND (ABSENT_TEXT($4) OR event_name = $4) AND (ABSENT_UUID($5) OR event_id = $5) \
        ORDER BY id DESC LIMIT $6";
    query LIST_OF_SUBSCRIPTION = "SELECT id, event_id, subscription_id, origin, event_name, \
        status, attempts, next_attempt_at, last_status, last_error, reason, created_at, \
        updated_at, replay_id FROM deliveries WHERE tenant_id = $1 AND subscription_id = $2 \
        AND (ABSENT_UUID($3) OR id < $3) AND (ABSENT_TEXT($4) OR status = $4) \
        AND (ABSENT_TEXT($5) OR event_name = $5) ORDER BY id DESC LIMIT $6";
    query EXISTING = "SELECT id FROM deliveries WHERE tenant_id = $1 AND id IN_UUIDS($2)";
    query STATUS = "SELECT status FROM deliveries WHERE tenant_id = $1 AND id = $2";
    query ATTEMPTS = "SELECT attempt, started_at, duration, status, error, response_headers, \
        response_body FROM delivery_attempts WHERE tenant_id = $1 AND delivery_id = $2 \
        AND attempt > $3 ORDER BY attempt LIMIT $4";
    /// What is due; of an object whose events wait for each other only the first, and that only
    /// when no earlier one is still on its way to its row.
    across query DUE = "SELECT d.tenant_id, d.id, d.event_id, d.subscription_id, d.origin, \
        d.event_name, d.attempts, d.created_at, d.order_key, d.order_version, e.priority, p.body, \
        d.replay_id \
        FROM deliveries d \
        JOIN events e ON e.tenant_id = d.tenant_id AND e.id = d.event_id \
        JOIN event_payloads p ON p.tenant_id = d.tenant_id AND p.event_id = d.event_id \
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

/// A delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The event.
    pub event_id: EventId,
    /// The subscription.
    pub subscription_id: WebhookSubscriptionId,
    /// `event`, `manual` or `replay`.
    pub origin: String,
    /// The event's type.
    pub event_name: String,
    /// How far it has come.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub next_attempt_at: Option<Timestamp>,
    /// The status of the last answer.
    pub last_status: Option<u16>,
    /// The class of the last failure.
    pub last_error: Option<String>,
    /// Why it was discarded.
    pub reason: Option<String>,
    /// When the event happened, or the repetition was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The replay that it belongs to.
    pub replay_id: Option<ReplayId>,
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
    pub(crate) body: Bytes,
    pub(crate) replay_id: Option<ReplayId>,
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
        })
    }
}

/// What a list of deliveries is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Of one subscription.
    pub subscription_id: Option<WebhookSubscriptionId>,
    /// Of one event.
    pub event_id: Option<EventId>,
    /// In one state.
    pub status: Option<DeliveryStatus>,
    /// Of one type.
    pub event_type: Option<String>,
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

/// The tenant's deliveries, the newest first.
pub(crate) async fn list(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    filter: &DeliveryFilter,
    page: PageParams,
) -> Result<Page<Delivery>, DbError> {
    let after = page.after.map(|cursor| cursor.id);
    let status = filter.status.map(DeliveryStatus::as_str);
    let name = filter.event_type.as_deref();
    let limit = page.limit + 1;
    let rows: Vec<Delivery> = if let Some(id) = filter.subscription_id {
        let args = args![tenant_id, id, after, status, name, limit];
        reader.rows(&LIST_OF_SUBSCRIPTION, args).await?
    } else {
        let args = args![tenant_id, after, status, name, filter.event_id, limit];
        reader.rows(&LIST, args).await?
    };
    Ok(Page::from_rows(rows, page.limit, |row| Cursor { sort: 0, id: row.id.uuid() }))
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
