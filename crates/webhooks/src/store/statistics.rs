//! Statistics of subscriptions: hours that are added to.

use tidings_db::{DbError, FromRow, Reader, Row, Silent, ToValue, UnitOfWork, Value, Writer, args};
use tidings_kernel::{TenantId, Timestamp, WebhookSubscriptionId, limits};

use crate::statistics::{BOUNDS_MS, Hour, KEPT, Tally};

tidings_db::statements! {
    insert HOURS = "subscription_statistics" (
        tenant_id uuid, subscription_id uuid, hour_at int, succeeded int, failed int,
        exhausted int, discarded int, answered_micros int, up_to_10 int, up_to_25 int,
        up_to_50 int, up_to_100 int, up_to_250 int, up_to_500 int, up_to_1000 int,
        up_to_2500 int, up_to_5000 int, up_to_10000 int, up_to_30000 int
    ), "ON CONFLICT (tenant_id, subscription_id, hour_at) DO UPDATE SET \
        succeeded = subscription_statistics.succeeded + excluded.succeeded, \
        failed = subscription_statistics.failed + excluded.failed, \
        exhausted = subscription_statistics.exhausted + excluded.exhausted, \
        discarded = subscription_statistics.discarded + excluded.discarded, \
        answered_micros = subscription_statistics.answered_micros + excluded.answered_micros, \
        up_to_10 = subscription_statistics.up_to_10 + excluded.up_to_10, \
        up_to_25 = subscription_statistics.up_to_25 + excluded.up_to_25, \
        up_to_50 = subscription_statistics.up_to_50 + excluded.up_to_50, \
        up_to_100 = subscription_statistics.up_to_100 + excluded.up_to_100, \
        up_to_250 = subscription_statistics.up_to_250 + excluded.up_to_250, \
        up_to_500 = subscription_statistics.up_to_500 + excluded.up_to_500, \
        up_to_1000 = subscription_statistics.up_to_1000 + excluded.up_to_1000, \
        up_to_2500 = subscription_statistics.up_to_2500 + excluded.up_to_2500, \
        up_to_5000 = subscription_statistics.up_to_5000 + excluded.up_to_5000, \
        up_to_10000 = subscription_statistics.up_to_10000 + excluded.up_to_10000, \
        up_to_30000 = subscription_statistics.up_to_30000 + excluded.up_to_30000";
    query SUM = "SELECT CAST(COALESCE(SUM(succeeded), 0) AS BIGINT), \
        CAST(COALESCE(SUM(failed), 0) AS BIGINT), CAST(COALESCE(SUM(exhausted), 0) AS BIGINT), \
        CAST(COALESCE(SUM(discarded), 0) AS BIGINT), \
        CAST(COALESCE(SUM(answered_micros), 0) AS BIGINT), \
        CAST(COALESCE(SUM(up_to_10), 0) AS BIGINT), CAST(COALESCE(SUM(up_to_25), 0) AS BIGINT), \
        CAST(COALESCE(SUM(up_to_50), 0) AS BIGINT), CAST(COALESCE(SUM(up_to_100), 0) AS BIGINT), \
        CAST(COALESCE(SUM(up_to_250), 0) AS BIGINT), CAST(COALESCE(SUM(up_to_500), 0) AS BIGINT), \
        CAST(COALESCE(SUM(up_to_1000), 0) AS BIGINT), \
        CAST(COALESCE(SUM(up_to_2500), 0) AS BIGINT), \
        CAST(COALESCE(SUM(up_to_5000), 0) AS BIGINT), \
        CAST(COALESCE(SUM(up_to_10000), 0) AS BIGINT), \
        CAST(COALESCE(SUM(up_to_30000), 0) AS BIGINT) FROM subscription_statistics \
        WHERE tenant_id = $1 AND subscription_id = $2 AND hour_at >= $3";
    across query EXPIRED = "SELECT tenant_id, MIN(hour_at) FROM subscription_statistics \
        WHERE hour_at < $1 GROUP BY tenant_id LIMIT 100";
    command PURGE = "DELETE FROM subscription_statistics WHERE tenant_id = $1 \
        AND (subscription_id, hour_at) IN (SELECT subscription_id, hour_at \
            FROM subscription_statistics WHERE tenant_id = $1 AND hour_at < $2 LIMIT $3)";
}

impl FromRow for Hour {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        let mut hour = Self {
            succeeded: row.take()?,
            failed: row.take()?,
            exhausted: row.take()?,
            discarded: row.take()?,
            answered_micros: row.take()?,
            answers: [0; BOUNDS_MS.len()],
        };
        for count in &mut hour.answers {
            *count = row.take()?;
        }
        Ok(hour)
    }
}

/// Adds a batch's outcomes.
pub(crate) async fn add(writer: &mut Writer<'_>, tally: &Tally) -> Result<(), DbError> {
    let hours: Vec<Vec<Value>> = tally
        .hours
        .iter()
        .map(|((tenant_id, subscription_id, hour_at), hour)| {
            let mut row = vec![
                tenant_id.to_value(),
                subscription_id.to_value(),
                hour_at.to_value(),
                hour.succeeded.to_value(),
                hour.failed.to_value(),
                hour.exhausted.to_value(),
                hour.discarded.to_value(),
                hour.answered_micros.to_value(),
            ];
            row.extend(hour.answers.iter().map(ToValue::to_value));
            row
        })
        .collect();
    writer.execute_many(&HOURS, &hours).await.map(|_| ())
}

/// The hours of a subscription since an instant, added up.
pub(crate) async fn of_subscription(
    mut reader: Reader<'_>,
    (tenant_id, id): (TenantId, WebhookSubscriptionId),
    since: Timestamp,
) -> Result<Hour, DbError> {
    let hours: Option<Hour> = reader.row(&SUM, args![tenant_id, id, since]).await?;
    Ok(hours.unwrap_or_default())
}

/// The tenants with hours that are kept no longer, and the oldest of each.
pub(crate) async fn expired(
    mut reader: Reader<'_>,
    now: Timestamp,
) -> Result<Vec<(TenantId, Timestamp)>, DbError> {
    reader.rows(&EXPIRED, args![now.before(KEPT)]).await
}

/// Ends some of one tenant's hours that are kept no longer.
pub(crate) async fn purge(work: &mut UnitOfWork) -> Result<(), DbError> {
    let (tenant_id, before) = (work.ctx().tenant_id, work.now().before(KEPT));
    let args = args![tenant_id, before, limits::SWEEP_ROWS_MAX];
    work.silent(Silent::Purge).execute(&PURGE, args).await.map(|_| ())
}
