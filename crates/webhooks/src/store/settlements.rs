//! What was settled, in the order of commits: for those who follow deliveries.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings_db::{
    DbError, FromRow, Reader, Row, Silent, ToValue, UnitOfWork, Value, Writer, args, json,
};
use tidings_kernel::{DeliveryId, EventId, ReplayId, TenantId, Timestamp, WebhookSubscriptionId};

use crate::delivery::DeliveryStatus;
use crate::settlement::{ATTEMPTS_OF_ROW_MAX, KEPT_FOR, Place, Settled, Settlement};
use crate::store::delivery_list::DeliveryFilter;

/// Rows that are read at a time: a few hundred attempts.
pub(crate) const ROWS_READ_MAX: i64 = 5;
/// What is forgotten in one unit: some hundred rows of a tenant that is sent to all the time.
const SLICE: Duration = Duration::from_secs(2);

tidings_db::statements! {
    insert NEW = "settlements" (tenant_id uuid, settled_at int, attempts text), "";
    query LAST = "SELECT xid, seq, settled_at, attempts FROM settlements \
        WHERE tenant_id = $1 AND xid < $2 ORDER BY xid DESC, seq DESC LIMIT 1";
    query FROM_PLACE = "SELECT xid, seq, settled_at, attempts FROM settlements \
        WHERE tenant_id = $1 AND (xid, seq) >= ($2, $3) ORDER BY xid, seq LIMIT $4";
    query SETTLED = "SELECT a.delivery_id, a.attempt, a.started_at, a.duration, a.status, a.error, \
        d.event_id, d.subscription_id, d.event_name, d.origin, d.replay_id, e.subject_kind \
        FROM delivery_attempts a \
        JOIN deliveries d ON d.tenant_id = a.tenant_id AND d.id = a.delivery_id \
        JOIN events e ON e.tenant_id = d.tenant_id AND e.id = d.event_id \
        WHERE a.tenant_id = $1 AND a.delivery_id IN_UUIDS($2) \
        AND (ABSENT_UUID($3) OR d.subscription_id = $3) \
        AND d.event_name >= $4 AND d.event_name <= $5 \
        AND (ABSENT_UUID($6) OR e.subject_id = $6) AND (ABSENT_TEXT($7) OR e.subject_kind = $7)";
    across query EXPIRED = "SELECT tenant_id, MIN(settled_at) FROM settlements \
        WHERE settled_at < $1 GROUP BY tenant_id LIMIT 100";
    command FORGET = "DELETE FROM settlements WHERE tenant_id = $1 AND settled_at < $2";
}

impl FromRow for Settlement {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        let order = (row.take()?, row.take()?);
        let settled_at = row.take()?;
        let attempts: Vec<(DeliveryId, u32, String)> = row.json()?;
        let attempts = attempts.into_iter().map(|(delivery_id, attempt, outcome)| {
            let outcome = DeliveryStatus::find(&outcome).ok_or(DbError::Decode { column: 3 })?;
            Ok(Settled { delivery_id, attempt, outcome })
        });
        Ok(Self { order, settled_at, attempts: attempts.collect::<Result<_, DbError>>()? })
    }
}

/// An attempt that was settled, as it is shown to those who follow.
#[derive(Debug, Clone)]
pub(crate) struct SettledAttempt {
    pub(crate) delivery_id: DeliveryId,
    pub(crate) attempt: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) duration: i64,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) event_id: EventId,
    pub(crate) subscription_id: WebhookSubscriptionId,
    pub(crate) event_name: String,
    pub(crate) origin: String,
    pub(crate) replay_id: Option<ReplayId>,
    pub(crate) subject_kind: String,
}

impl FromRow for SettledAttempt {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            delivery_id: row.take()?,
            attempt: row.take()?,
            started_at: row.take()?,
            duration: row.take()?,
            status: row.take()?,
            error: row.take()?,
            event_id: row.take()?,
            subscription_id: row.take()?,
            event_name: row.take()?,
            origin: row.take()?,
            replay_id: row.take()?,
            subject_kind: row.take()?,
        })
    }
}

/// Writes what was settled together: few rows, however many attempts.
pub(crate) async fn add(
    writer: &mut Writer<'_>,
    settled: impl Iterator<Item = (TenantId, Settled)>,
    now: Timestamp,
) -> Result<(), DbError> {
    let mut by_tenant: BTreeMap<TenantId, Vec<(DeliveryId, u32, &'static str)>> = BTreeMap::new();
    for (tenant_id, Settled { delivery_id, attempt, outcome }) in settled {
        let of_tenant = by_tenant.entry(tenant_id).or_default();
        of_tenant.push((delivery_id, attempt, outcome.as_str()));
    }
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for (tenant_id, attempts) in &by_tenant {
        for part in attempts.chunks(ATTEMPTS_OF_ROW_MAX) {
            rows.push(vec![tenant_id.to_value(), now.to_value(), json(part)]);
        }
    }
    writer.execute_many(&NEW, &rows).await.map(|_| ())
}

/// The newest that is known.
pub(crate) async fn last(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    ended_below: i64,
) -> Result<Option<Settlement>, DbError> {
    reader.row(&LAST, args![tenant_id, ended_below]).await
}

/// Some of what is known from a place on, its own settlement included; what may not be shown yet,
/// because something may still appear before it, with it.
pub(crate) async fn from_place(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    place: Place,
) -> Result<Vec<Settlement>, DbError> {
    let (xid, seq) = place.order;
    reader.rows(&FROM_PLACE, args![tenant_id, xid, seq, ROWS_READ_MAX]).await
}

/// The attempts of these deliveries that fit, as far as they are kept.
pub(crate) async fn fitting(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    deliveries: &[DeliveryId],
    filter: &DeliveryFilter,
) -> Result<BTreeMap<(DeliveryId, u32), SettledAttempt>, DbError> {
    let args = args![
        tenant_id,
        deliveries,
        filter.subscription_id,
        filter.types.low,
        filter.types.high,
        filter.subject_id.map(|subject| subject.uuid),
        filter.subject_kind
    ];
    let rows: Vec<SettledAttempt> = reader.rows(&SETTLED, args).await?;
    Ok(rows.into_iter().map(|row| ((row.delivery_id, row.attempt), row)).collect())
}

/// The tenants with what is known no longer, and the oldest of each.
pub(crate) async fn expired(
    mut reader: Reader<'_>,
    now: Timestamp,
) -> Result<Vec<(TenantId, Timestamp)>, DbError> {
    reader.rows(&EXPIRED, args![now.before(KEPT_FOR)]).await
}

/// Forgets some of what is known no longer, from the oldest on.
pub(crate) async fn forget(work: &mut UnitOfWork, oldest: Timestamp) -> Result<(), DbError> {
    let (tenant_id, now) = (work.ctx().tenant_id, work.now());
    let until = oldest.after(SLICE).min(now.before(KEPT_FOR));
    let mut writer = work.silent(Silent::Purge);
    writer.execute(&FORGET, args![tenant_id, until]).await.map(|_| ())
}
