//! What a replay reads of the log, and the deliveries that it makes.

use bytes::Bytes;
use tidings_db::{DbError, FromRow, Reader, Row, ToValue, Value, Writer, args};
use tidings_kernel::{EventId, ReplayId, TenantId, Uuid, WebhookSubscriptionId};

use crate::delivery::DeliveryStatus;
use crate::engine::REPLAY;
use crate::replay::selection::{Before, Candidate};
use crate::store::pointers::event_name;
use crate::store::settle::DeliveryRow;

tidings_db::statements! {
    query WINDOW = "SELECT q.position, e.seq, e.id, e.name, e.occurred_at, e.subject_id, \
        e.subject_version, p.event_id FROM event_positions q \
        JOIN events e ON e.tenant_id = q.tenant_id AND e.id = q.event_id \
        LEFT JOIN event_payloads p ON p.tenant_id = q.tenant_id AND p.event_id = q.event_id \
        WHERE q.tenant_id = $1 AND q.position > $2 AND q.position <= $3 \
        AND e.visibility = 'public' ORDER BY q.position";
    /// The same of one object, whose events have versions and positions in the same order.
    query WINDOW_OF_SUBJECT = "SELECT q.position, e.seq, e.id, e.name, e.occurred_at, \
        e.subject_id, e.subject_version, p.event_id FROM events e \
        JOIN event_positions q ON q.tenant_id = e.tenant_id AND q.event_id = e.id \
        LEFT JOIN event_payloads p ON p.tenant_id = e.tenant_id AND p.event_id = e.id \
        WHERE e.tenant_id = $1 AND e.subject_id = $2 AND q.position > $3 AND q.position <= $4 \
        AND e.visibility = 'public' ORDER BY e.subject_version LIMIT $5";
    query BODIES = "SELECT event_id, body FROM event_payloads \
        WHERE tenant_id = $1 AND event_id IN_UUIDS($2)";
    /// Ids of deliveries begin with the instant of their event, so a stretch of the log is a range
    /// of the subscription's deliveries.
    query DELIVERIES = "SELECT event_id, status FROM deliveries WHERE tenant_id = $1 \
        AND subscription_id = $2 AND id >= $3 AND id <= $4 AND event_id IN_UUIDS($5)";
    query UNDISPATCHED = "SELECT event_id FROM dispatch \
        WHERE tenant_id = $1 AND event_id IN_UUIDS($2)";
    query LOG_END = "SELECT last FROM position_counters WHERE tenant_id = $1";
    query POSITION_OF_START = "SELECT q.position FROM events e \
        JOIN event_positions q ON q.tenant_id = e.tenant_id AND q.event_id = e.id \
        WHERE e.tenant_id = $1 AND e.subject_id = $2 AND e.subject_version = 1";
    insert PLAN = "deliveries" (
        tenant_id uuid, id uuid, event_id uuid, subscription_id uuid, origin text,
        event_name text, status text, attempts int, next_attempt_at int, node_id uuid,
        created_at int, updated_at int, order_key uuid, order_version int, replay_id uuid
    ), "ON CONFLICT (tenant_id, id) DO NOTHING";
}

impl FromRow for Candidate {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            position: row.take()?,
            seq: row.take()?,
            event_id: row.take()?,
            name: event_name(&row.take::<String>()?),
            occurred_at: row.take()?,
            subject_id: row.take()?,
            subject_version: row.take()?,
            has_payload: row.take::<Option<EventId>>()?.is_some(),
            is_forgotten: false,
        })
    }
}

/// The public events behind one position, up to another. Positions have no gaps, so the distance
/// of the two is the bound.
pub(crate) async fn window(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    (after, through): (i64, i64),
) -> Result<Vec<Candidate>, DbError> {
    reader.rows(&WINDOW, args![tenant_id, after, through]).await
}

/// The first public events of one object behind a position, up to another, and up to where that is
/// all there is.
pub(crate) async fn window_of_subject(
    reader: &mut Reader<'_>,
    (tenant_id, subject_id): (TenantId, Uuid),
    (after, end): (i64, i64),
    limit: i64,
) -> Result<(Vec<Candidate>, i64), DbError> {
    let args = args![tenant_id, subject_id, after, end, limit];
    let found: Vec<Candidate> = reader.rows(&WINDOW_OF_SUBJECT, args).await?;
    let full = i64::try_from(found.len()).is_ok_and(|count| count >= limit);
    let through = found.last().filter(|_| full).map_or(end, |last| last.position);
    Ok((found, through))
}

/// The bodies of events, as far as they are kept.
pub(crate) async fn bodies(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    events: &[EventId],
) -> Result<Vec<(EventId, Bytes)>, DbError> {
    reader.rows(&BODIES, args![tenant_id, events]).await
}

/// What came of events for a subscription before.
pub(crate) async fn before(
    reader: &mut Reader<'_>,
    (tenant_id, subscription_id): (TenantId, WebhookSubscriptionId),
    events: &[EventId],
) -> Result<Before, DbError> {
    let mut before = Before::default();
    let (Some(first), Some(last)) = (events.iter().min(), events.iter().max()) else {
        return Ok(before);
    };
    let (from, to) = delivery_ids(first.uuid(), last.uuid());
    let args = args![tenant_id, subscription_id, from, to, events];
    let rows: Vec<(EventId, String)> = reader.rows(&DELIVERIES, args).await?;
    for (event_id, status) in rows {
        let status = DeliveryStatus::find(&status).ok_or(DbError::Decode { column: 1 })?;
        before.add(event_id, status);
    }
    let rows: Vec<(EventId,)> = reader.rows(&UNDISPATCHED, args![tenant_id, events]).await?;
    before.undispatched = rows.into_iter().map(|(event_id,)| event_id).collect();
    Ok(before)
}

/// The range that the ids of all deliveries of events from one to another lie in.
fn delivery_ids(first: Uuid, last: Uuid) -> (Uuid, Uuid) {
    let (mut from, mut to) = ([0_u8; 16], [0xff_u8; 16]);
    from[..6].copy_from_slice(&first.as_bytes()[..6]);
    to[..6].copy_from_slice(&last.as_bytes()[..6]);
    (Uuid::from_bytes(from), Uuid::from_bytes(to))
}

/// The last position of the tenant's log; 0 before the first.
pub(crate) async fn log_end(reader: &mut Reader<'_>, tenant_id: TenantId) -> Result<i64, DbError> {
    let row: Option<(i64,)> = reader.row(&LOG_END, args![tenant_id]).await?;
    Ok(row.map_or(0, |(last,)| last))
}

/// The position of the event that told of a replay's start; none until it has one.
pub(crate) async fn position_of_start(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    id: ReplayId,
) -> Result<Option<i64>, DbError> {
    let row: Option<(i64,)> = reader.row(&POSITION_OF_START, args![tenant_id, id.uuid()]).await?;
    Ok(row.map(|(position,)| position))
}

/// Makes deliveries of a replay. One that is there already stays as it is.
pub(crate) async fn plan(
    writer: &mut Writer<'_>,
    replay_id: ReplayId,
    rows: &[DeliveryRow],
) -> Result<u64, DbError> {
    let values = |row: &DeliveryRow| -> Vec<Value> {
        vec![
            row.tenant_id.to_value(),
            row.id.to_value(),
            row.event_id.to_value(),
            row.subscription_id.to_value(),
            REPLAY.to_value(),
            row.event_name.to_value(),
            row.status.as_str().to_value(),
            row.attempts.to_value(),
            row.next_attempt_at.to_value(),
            row.node_id.to_value(),
            row.created_at.to_value(),
            row.updated_at.to_value(),
            row.order.map(|(key, _)| key).to_value(),
            row.order.map(|(_, version)| version).to_value(),
            replay_id.to_value(),
        ]
    };
    let rows: Vec<Vec<Value>> = rows.iter().map(values).collect();
    writer.execute_many(&PLAN, &rows).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::delivery_id;

    #[test]
    fn every_delivery_of_a_stretch_lies_in_its_range() {
        let events = [0x0195_0000_0000_7000, 0x0195_0000_0007_7fff]
            .map(|high| EventId::from_uuid(Uuid::from_u64_pair(high, u64::MAX)));
        let (from, to) = delivery_ids(events[0].uuid(), events[1].uuid());
        for event in events {
            for number in 0..50_u128 {
                let subscription = WebhookSubscriptionId::from_uuid(Uuid::from_u128(number));
                for repetition in [&b""[..], &number.to_be_bytes()] {
                    let id = delivery_id(event, subscription, repetition).uuid();
                    assert!((from..=to).contains(&id), "{id}");
                }
            }
        }
    }
}
