//! Outcomes, written in batches: deliveries, attempts, pointers.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings_db::{DbError, ToValue, Value, Writer};
use tidings_egress::Phases;
use tidings_kernel::{DeliveryId, EventId, NodeId, TenantId, Timestamp, WebhookSubscriptionId};

use crate::delivery::DeliveryStatus;
use crate::engine::Order;
use crate::kept::Kept;
use crate::settlement::Settled;
use crate::store::settlements;

tidings_db::statements! {
    insert DELIVERIES = "deliveries" (
        tenant_id uuid, id uuid, event_id uuid, subscription_id uuid, origin text,
        event_name text, status text, attempts int, next_attempt_at int, node_id uuid,
        last_status int, last_error text, reason text, created_at int, updated_at int,
        order_key uuid, order_version int
    ), "ON CONFLICT (tenant_id, id) DO UPDATE SET status = excluded.status, \
        attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at, \
        last_status = excluded.last_status, last_error = excluded.last_error, \
        reason = excluded.reason, updated_at = excluded.updated_at, \
        node_id = excluded.node_id \
        WHERE deliveries.status IN ('pending', 'waiting') \
        OR (deliveries.reason = 'cancelled' AND excluded.status = 'delivered')";
    insert ATTEMPTS = "delivery_attempts" (
        tenant_id uuid, delivery_id uuid, attempt int, started_at int, duration int, status int,
        error text, response_headers text, response_body bytes, node_id uuid, dns_micros int,
        connect_micros int, tls_micros int, first_byte_micros int, body_micros int, reused bool,
        request_headers text, response_truncated bool
    ), "ON CONFLICT (tenant_id, delivery_id, attempt) DO NOTHING";
    bulk POSTPONE (uuid, uuid, int) =
        "UPDATE deliveries SET next_attempt_at = $3 WHERE tenant_id = $1 AND id = $2 \
            AND status IN ('pending', 'waiting')",
        "UPDATE deliveries SET next_attempt_at = later.until_at \
            FROM ROWS AS later(tenant_id, id, until_at) WHERE deliveries.tenant_id = later.tenant_id \
            AND deliveries.id = later.id AND deliveries.status IN ('pending', 'waiting')";
    bulk DROP_POINTERS (uuid, uuid) =
        "DELETE FROM dispatch WHERE tenant_id = $1 AND event_id = $2",
        "DELETE FROM dispatch USING ROWS AS done(tenant_id, event_id) \
            WHERE dispatch.tenant_id = done.tenant_id AND dispatch.event_id = done.event_id";
}

/// A delivery as a batch writes it.
#[derive(Debug, Clone)]
pub(crate) struct DeliveryRow {
    pub(crate) tenant_id: TenantId,
    pub(crate) id: DeliveryId,
    pub(crate) event_id: EventId,
    pub(crate) subscription_id: WebhookSubscriptionId,
    pub(crate) origin: &'static str,
    pub(crate) event_name: String,
    pub(crate) status: DeliveryStatus,
    pub(crate) attempts: u32,
    pub(crate) next_attempt_at: Option<Timestamp>,
    pub(crate) node_id: NodeId,
    pub(crate) last_status: Option<u16>,
    pub(crate) last_error: Option<&'static str>,
    pub(crate) reason: Option<&'static str>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) order: Option<Order>,
}

impl DeliveryRow {
    fn values(&self) -> Vec<Value> {
        vec![
            self.tenant_id.to_value(),
            self.id.to_value(),
            self.event_id.to_value(),
            self.subscription_id.to_value(),
            self.origin.to_value(),
            self.event_name.to_value(),
            self.status.as_str().to_value(),
            self.attempts.to_value(),
            self.next_attempt_at.to_value(),
            self.node_id.to_value(),
            self.last_status.to_value(),
            self.last_error.to_value(),
            self.reason.to_value(),
            self.created_at.to_value(),
            self.updated_at.to_value(),
            self.order.map(|(key, _)| key).to_value(),
            self.order.map(|(_, version)| version).to_value(),
        ]
    }
}

/// An attempt as a batch writes it.
#[derive(Debug, Clone)]
pub(crate) struct AttemptRow {
    pub(crate) tenant_id: TenantId,
    pub(crate) delivery_id: DeliveryId,
    pub(crate) attempt: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) phases: Phases,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<&'static str>,
    pub(crate) kept: Kept,
    pub(crate) node_id: NodeId,
    /// What the delivery was after it.
    pub(crate) outcome: DeliveryStatus,
}

fn micros(took: Duration) -> i64 {
    i64::try_from(took.as_micros()).unwrap_or(i64::MAX)
}

impl AttemptRow {
    fn values(&self) -> Vec<Value> {
        let Phases { dns, connect, tls, first_byte, body, total, reused } = self.phases;
        vec![
            self.tenant_id.to_value(),
            self.delivery_id.to_value(),
            self.attempt.to_value(),
            self.started_at.to_value(),
            micros(total).to_value(),
            self.status.to_value(),
            self.error.to_value(),
            self.kept.response_headers.to_value(),
            self.kept.response_body.to_value(),
            self.node_id.to_value(),
            dns.map(micros).to_value(),
            connect.map(micros).to_value(),
            tls.map(micros).to_value(),
            first_byte.map(micros).to_value(),
            body.map(micros).to_value(),
            reused.to_value(),
            self.kept.request_headers.to_value(),
            self.kept.response_truncated.to_value(),
        ]
    }
}

/// Writes deliveries; one that has ended already stays as it is, but for one that was being sent
/// when its replay was cancelled, and arrived. Says how many were written.
pub(crate) async fn deliveries(
    writer: &mut Writer<'_>,
    rows: &[DeliveryRow],
) -> Result<u64, DbError> {
    // One statement may touch a row once: of two outcomes of a delivery the further one counts.
    let mut furthest: BTreeMap<DeliveryId, &DeliveryRow> = BTreeMap::new();
    for row in rows {
        let kept = furthest.entry(row.id).or_insert(row);
        if row.attempts >= kept.attempts {
            *kept = row;
        }
    }
    let rows: Vec<Vec<Value>> = furthest.into_values().map(DeliveryRow::values).collect();
    writer.execute_many(&DELIVERIES, &rows).await
}

/// A delivery that waits until then.
pub(crate) type Postponed = (TenantId, DeliveryId, Timestamp);

/// Lets deliveries wait longer; one that has ended stays as it is.
pub(crate) async fn postpone(writer: &mut Writer<'_>, rows: &[Postponed]) -> Result<(), DbError> {
    let rows: Vec<Vec<Value>> = rows
        .iter()
        .map(|(tenant_id, id, until)| vec![tenant_id.to_value(), id.to_value(), until.to_value()])
        .collect();
    writer.execute_many(&POSTPONE, &rows).await.map(|_| ())
}

/// Writes attempts, and tells those who follow them; one that is there already stays as it is.
pub(crate) async fn attempts(
    writer: &mut Writer<'_>,
    rows: &[AttemptRow],
    now: Timestamp,
) -> Result<(), DbError> {
    let settled = rows.iter().map(|row| {
        let AttemptRow { tenant_id, delivery_id, attempt, outcome, .. } = *row;
        (tenant_id, Settled { delivery_id, attempt, outcome })
    });
    settlements::add(writer, settled, now).await?;
    let rows: Vec<Vec<Value>> = rows.iter().map(AttemptRow::values).collect();
    writer.execute_many(&ATTEMPTS, &rows).await.map(|_| ())
}

/// Deletes the pointers of events whose every pair has its delivery.
pub(crate) async fn drop_pointers(
    writer: &mut Writer<'_>,
    events: &[(TenantId, EventId)],
) -> Result<(), DbError> {
    let rows: Vec<Vec<Value>> = events
        .iter()
        .map(|(tenant_id, event_id)| vec![tenant_id.to_value(), event_id.to_value()])
        .collect();
    writer.execute_many(&DROP_POINTERS, &rows).await.map(|_| ())
}
