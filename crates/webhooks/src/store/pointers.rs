//! Dispatch pointers: events that are not fanned out yet.

use bytes::Bytes;
use tidings_db::{DbError, FromRow, Reader, Row, args};
use tidings_events::{CustomName, EventName, EventType, Priority};
use tidings_kernel::{EventId, NodeId, TenantId, Timestamp, Uuid, Version, WebhookSubscriptionId};

use crate::log_filter::IdRange;

tidings_db::statements! {
    across query NEXT = "SELECT d.tenant_id, d.event_id, d.target_id, d.node_id, d.created_at, \
        e.name, e.priority, e.occurred_at, e.seq, p.body, \
        e.subject_id, e.subject_version FROM dispatch d \
        JOIN events e ON e.tenant_id = d.tenant_id AND e.id = d.event_id \
        JOIN event_payloads p ON p.tenant_id = d.tenant_id AND p.event_id = d.event_id \
        WHERE (d.tenant_id, d.event_id) > ($1, $2) AND (d.node_id = $4 OR $5) \
        ORDER BY d.tenant_id, d.event_id LIMIT $3";
    query OF_TENANT = "SELECT d.tenant_id, d.event_id, d.target_id, d.node_id, d.created_at, \
        e.name, e.priority, e.occurred_at, e.seq, p.body, \
        e.subject_id, e.subject_version FROM dispatch d \
        JOIN events e ON e.tenant_id = d.tenant_id AND e.id = d.event_id \
        JOIN event_payloads p ON p.tenant_id = d.tenant_id AND p.event_id = d.event_id \
        WHERE d.tenant_id = $1 AND d.event_id >= $2 AND d.event_id <= $3 \
        ORDER BY d.event_id DESC LIMIT $4";
    across query COUNT = "SELECT COUNT(*), MIN(created_at) FROM dispatch";
}

/// A pointer with the event that it points to.
#[derive(Debug, Clone)]
pub(crate) struct Pointer {
    pub(crate) tenant_id: TenantId,
    pub(crate) event_id: EventId,
    pub(crate) target: Option<WebhookSubscriptionId>,
    pub(crate) node_id: Uuid,
    pub(crate) created_at: Timestamp,
    /// None where the type has left the catalog: nobody can want it any more.
    pub(crate) name: Option<EventName>,
    pub(crate) priority: Priority,
    pub(crate) occurred_at: Timestamp,
    pub(crate) seq: i64,
    pub(crate) body: Bytes,
    /// The object, and the event's place among its events.
    pub(crate) order: (Uuid, Version),
}

/// The name of an event as the log has it. One that has left the catalog since is no type any more.
pub(crate) fn event_name(text: &str) -> Option<EventName> {
    EventType::find(text)
        .map(EventName::Catalog)
        .or_else(|| text.parse::<CustomName>().ok().map(EventName::Custom))
}

impl FromRow for Pointer {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            tenant_id: row.take()?,
            event_id: row.take()?,
            target: row.take()?,
            node_id: row.take()?,
            created_at: row.take()?,
            name: event_name(&row.take::<String>()?),
            priority: row.word(Priority::find)?,
            occurred_at: row.take()?,
            seq: row.take()?,
            body: row.take()?,
            order: (row.take()?, row.take()?),
        })
    }
}

/// A node's pointers, or everybody's where there is only one, that follow after one in the order of
/// their key.
pub(crate) async fn next(
    mut reader: Reader<'_>,
    (tenant_id, event_id): (TenantId, EventId),
    (node_id, everybody): (NodeId, bool),
    limit: i64,
) -> Result<Vec<Pointer>, DbError> {
    reader.rows(&NEXT, args![tenant_id, event_id, limit, node_id, everybody]).await
}

/// A tenant's pointers to events in a range of ids, the newest first.
pub(crate) async fn of_tenant(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    range: IdRange,
    limit: i64,
) -> Result<Vec<Pointer>, DbError> {
    reader.rows(&OF_TENANT, args![tenant_id, range.low, range.high, limit]).await
}

/// How many pointers there are, and since when the oldest waits.
pub(crate) async fn count(mut reader: Reader<'_>) -> Result<(i64, Option<Timestamp>), DbError> {
    let row: Option<(i64, Option<Timestamp>)> = reader.row(&COUNT, &[]).await?;
    row.ok_or(DbError::Decode { column: 0 })
}
