//! What retention and erasure look for, and take away.

use std::collections::BTreeSet;

use tidings_db::{DbError, Query, Reader, ToValue, Value, Writer, args};
use tidings_kernel::{DeliveryId, EventId, ReplayId, TenantId, Timestamp, Uuid};

tidings_db::statements! {
    query PAYLOADS = "SELECT event_id FROM event_payloads WHERE tenant_id = $1 \
        AND event_id >= $2 AND event_id < $3 ORDER BY event_id LIMIT $4";
    query WITH_PAYLOAD = "SELECT event_id FROM event_payloads \
        WHERE tenant_id = $1 AND event_id IN_UUIDS($2)";
    query WITH_POINTER = "SELECT event_id FROM dispatch \
        WHERE tenant_id = $1 AND event_id IN_UUIDS($2)";
    query WITH_PARKED = "SELECT event_id FROM reaction_parked \
        WHERE tenant_id = $1 AND event_id IN_UUIDS($2)";
    /// Events of these that have a delivery which has not ended, or ended only lately.
    query STILL_SENT = "SELECT event_id FROM deliveries WHERE tenant_id = $1 \
        AND id >= $2 AND id <= $3 AND event_id IN_UUIDS($4) \
        AND (next_attempt_at IS NOT NULL OR updated_at >= $5)";
    query DELIVERIES_OF = "SELECT id FROM deliveries WHERE tenant_id = $1 \
        AND id >= $2 AND id <= $3 AND event_id = $4";
    query ERASED_SINCE = "SELECT COUNT(*) FROM deliveries WHERE tenant_id = $1 \
        AND id IN_UUIDS($2) AND reason = 'erased' AND updated_at >= $3";
    query ENDED_DELIVERIES = "SELECT id, event_id, replay_id FROM deliveries WHERE tenant_id = $1 \
        AND id >= $2 AND id < $3 AND next_attempt_at IS NULL AND updated_at < $4 \
        ORDER BY id LIMIT $5";
    query OLD_REPLIES = "SELECT delivery_id FROM delivery_attempts WHERE tenant_id = $1 \
        AND started_at < $2 AND (response_body IS NOT NULL OR response_headers IS NOT NULL \
        OR request_headers IS NOT NULL) \
        ORDER BY started_at, delivery_id LIMIT $3";
    query OLDEST_EVENTS = "SELECT e.id, e.occurred_at FROM event_positions q \
        JOIN events e ON e.tenant_id = q.tenant_id AND e.id = q.event_id \
        WHERE q.tenant_id = $1 ORDER BY q.position LIMIT $2";
    query OLD_RECEIPTS = "SELECT id FROM erasures WHERE tenant_id = $1 AND id < $2 \
        AND completed_at IS NOT NULL ORDER BY id LIMIT $3";
    command DELETE_PAYLOADS = "DELETE FROM event_payloads \
        WHERE tenant_id = $1 AND event_id IN_UUIDS($2)";
    command DELETE_POINTERS = "DELETE FROM dispatch \
        WHERE tenant_id = $1 AND event_id IN_UUIDS($2)";
    command DELETE_ATTEMPTS = "DELETE FROM delivery_attempts \
        WHERE tenant_id = $1 AND delivery_id IN_UUIDS($2)";
    command DELETE_DELIVERIES = "DELETE FROM deliveries WHERE tenant_id = $1 AND id IN_UUIDS($2)";
    command DELETE_EVENTS = "DELETE FROM events WHERE tenant_id = $1 AND id IN_UUIDS($2)";
    command DELETE_POSITIONS = "DELETE FROM event_positions \
        WHERE tenant_id = $1 AND event_id IN_UUIDS($2)";
    command DELETE_RECEIPTS = "DELETE FROM erasures WHERE tenant_id = $1 AND id IN_UUIDS($2)";
    command CLEAR_REPLIES = "UPDATE delivery_attempts SET response_body = NULL, \
        response_headers = NULL, request_headers = NULL \
        WHERE tenant_id = $1 AND delivery_id IN_UUIDS($2) AND started_at < $3 \
        AND (response_body IS NOT NULL OR response_headers IS NOT NULL \
        OR request_headers IS NOT NULL)";
    command DISCARD = "UPDATE deliveries SET status = 'discarded', reason = 'erased', \
        next_attempt_at = NULL, updated_at = $3 WHERE tenant_id = $1 AND id IN_UUIDS($2) \
        AND status IN ('pending', 'waiting')";
}

/// Deliveries that one unit takes: with up to ten attempts each, five hundred rows.
pub(crate) const DELIVERIES_MAX: i64 = 50;

/// Which events of a list have something.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holder {
    /// Their payload.
    Payload,
    /// A pointer: they are not fanned out yet.
    Pointer,
    /// A reaction that could not take them yet.
    Reaction,
}

/// The events of a list that have something.
pub(crate) async fn with(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    holder: Holder,
    events: &[EventId],
) -> Result<BTreeSet<EventId>, DbError> {
    let query: &Query = match holder {
        Holder::Payload => &WITH_PAYLOAD,
        Holder::Pointer => &WITH_POINTER,
        Holder::Reaction => &WITH_PARKED,
    };
    let rows: Vec<(EventId,)> = reader.rows(query, args![tenant_id, events]).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The events between two ids that have a payload, in order.
pub(crate) async fn payloads(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    (from, to): (Uuid, Uuid),
    limit: i64,
) -> Result<Vec<EventId>, DbError> {
    let rows: Vec<(EventId,)> = reader.rows(&PAYLOADS, args![tenant_id, from, to, limit]).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The events of a list with a delivery that has not ended, or not before an instant. Their
/// deliveries lie between the two ids.
pub(crate) async fn still_sent(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    (first, last): (Uuid, Uuid),
    (events, ended_before): (&[EventId], Timestamp),
) -> Result<BTreeSet<EventId>, DbError> {
    let args = args![tenant_id, first, last, events, ended_before];
    let rows: Vec<(EventId,)> = reader.rows(&STILL_SENT, args).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The deliveries of an event.
pub(crate) async fn deliveries_of(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    event_id: EventId,
) -> Result<Vec<DeliveryId>, DbError> {
    let (first, last) = crate::retention::delivery_ids_of(event_id);
    let rows: Vec<(DeliveryId,)> =
        reader.rows(&DELIVERIES_OF, args![tenant_id, first, last, event_id]).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Deliveries that ended before an instant, in the order of their ids, with their events and replays.
pub(crate) async fn ended_deliveries(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    (from, to): (Uuid, Uuid),
    before: Timestamp,
) -> Result<Vec<(DeliveryId, EventId, Option<ReplayId>)>, DbError> {
    reader.rows(&ENDED_DELIVERIES, args![tenant_id, from, to, before, DELIVERIES_MAX]).await
}

/// Deliveries with attempts that began before an instant and whose answer is still there.
pub(crate) async fn old_replies(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    before: Timestamp,
) -> Result<Vec<DeliveryId>, DbError> {
    let rows: Vec<(DeliveryId,)> =
        reader.rows(&OLD_REPLIES, args![tenant_id, before, DELIVERIES_MAX]).await?;
    let mut ids: Vec<DeliveryId> = rows.into_iter().map(|(id,)| id).collect();
    ids.dedup();
    Ok(ids)
}

/// The events at the beginning of the tenant's log.
pub(crate) async fn oldest_events(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    limit: i64,
) -> Result<Vec<(EventId, Timestamp)>, DbError> {
    reader.rows(&OLDEST_EVENTS, args![tenant_id, limit]).await
}

/// Deletes payloads. Says how many there were.
pub(crate) async fn delete_payloads(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    events: &[EventId],
) -> Result<u64, DbError> {
    writer.execute(&DELETE_PAYLOADS, args![tenant_id, events]).await
}

/// Deletes pointers: the events are not fanned out any more.
pub(crate) async fn delete_pointers(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    events: &[EventId],
) -> Result<u64, DbError> {
    writer.execute(&DELETE_POINTERS, args![tenant_id, events]).await
}

/// Clears the answers of attempts of these deliveries that began before an instant. Says of how many.
pub(crate) async fn clear_replies(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    deliveries: &[DeliveryId],
    before: Timestamp,
) -> Result<u64, DbError> {
    writer.execute(&CLEAR_REPLIES, args![tenant_id, deliveries, before]).await
}

/// Discards those of these deliveries that have not ended. Says how many were discarded since an
/// instant, the engine's included: it discards what it has in memory by itself.
pub(crate) async fn discard(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    deliveries: &[DeliveryId],
    (since, now): (Timestamp, Timestamp),
) -> Result<i64, DbError> {
    writer.execute(&DISCARD, args![tenant_id, deliveries, now]).await?;
    writer.reader().scalar(&ERASED_SINCE, args![tenant_id, deliveries, since]).await
}

/// Deletes deliveries with their attempts.
pub(crate) async fn delete_deliveries(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    deliveries: &[DeliveryId],
) -> Result<(), DbError> {
    writer.execute(&DELETE_ATTEMPTS, args![tenant_id, deliveries]).await?;
    writer.execute(&DELETE_DELIVERIES, args![tenant_id, deliveries]).await.map(|_| ())
}

/// Deletes the headers of events, with their places in the log.
pub(crate) async fn delete_events(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    events: &[EventId],
) -> Result<(), DbError> {
    writer.execute(&DELETE_EVENTS, args![tenant_id, events]).await?;
    writer.execute(&DELETE_POSITIONS, args![tenant_id, events]).await.map(|_| ())
}

/// Deletes some receipts of erasures whose ids are smaller.
pub(crate) async fn delete_receipts(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    (before, limit): (Uuid, i64),
) -> Result<(), DbError> {
    let rows: Vec<(Uuid,)> = writer.rows(&OLD_RECEIPTS, args![tenant_id, before, limit]).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let ids = Value::List(rows.iter().map(|(id,)| id.to_value()).collect());
    writer.execute(&DELETE_RECEIPTS, &[tenant_id.to_value(), ids]).await.map(|_| ())
}
