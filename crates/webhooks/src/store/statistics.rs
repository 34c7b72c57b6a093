//! Statistics of subscriptions: hours that are added to.

use tidings_db::{DbError, FromRow, Reader, Row, Silent, ToValue, UnitOfWork, Value, Writer, args};
use tidings_kernel::{TenantId, Timestamp, WebhookSubscriptionId, limits};

use crate::chart::{GroupBy, Wanted};
use crate::statistics::{BOUNDS_MS, Hour, KEPT, Tally};

/// The columns of an hour, added up.
macro_rules! sums {
    () => {
        "CAST(COALESCE(SUM(succeeded), 0) AS BIGINT), \
         CAST(COALESCE(SUM(failed), 0) AS BIGINT), \
         CAST(COALESCE(SUM(exhausted), 0) AS BIGINT), \
         CAST(COALESCE(SUM(discarded), 0) AS BIGINT), \
         CAST(COALESCE(SUM(answered_micros), 0) AS BIGINT), \
         CAST(COALESCE(SUM(up_to_10), 0) AS BIGINT), \
         CAST(COALESCE(SUM(up_to_25), 0) AS BIGINT), \
         CAST(COALESCE(SUM(up_to_50), 0) AS BIGINT), \
         CAST(COALESCE(SUM(up_to_100), 0) AS BIGINT), \
         CAST(COALESCE(SUM(up_to_250), 0) AS BIGINT), \
         CAST(COALESCE(SUM(up_to_500), 0) AS BIGINT), \
         CAST(COALESCE(SUM(up_to_1000), 0) AS BIGINT), \
         CAST(COALESCE(SUM(up_to_2500), 0) AS BIGINT), \
         CAST(COALESCE(SUM(up_to_5000), 0) AS BIGINT), \
         CAST(COALESCE(SUM(up_to_10000), 0) AS BIGINT), \
         CAST(COALESCE(SUM(up_to_30000), 0) AS BIGINT)"
    };
}

/// What is there already, with what comes.
macro_rules! added {
    ($key:literal, $table:literal) => {
        concat!(
            "ON CONFLICT (tenant_id, ",
            $key,
            ", hour_at) DO UPDATE SET ",
            "succeeded = ",
            $table,
            ".succeeded + excluded.succeeded, ",
            "failed = ",
            $table,
            ".failed + excluded.failed, ",
            "exhausted = ",
            $table,
            ".exhausted + excluded.exhausted, ",
            "discarded = ",
            $table,
            ".discarded + excluded.discarded, ",
            "answered_micros = ",
            $table,
            ".answered_micros + excluded.answered_micros, ",
            "up_to_10 = ",
            $table,
            ".up_to_10 + excluded.up_to_10, ",
            "up_to_25 = ",
            $table,
            ".up_to_25 + excluded.up_to_25, ",
            "up_to_50 = ",
            $table,
            ".up_to_50 + excluded.up_to_50, ",
            "up_to_100 = ",
            $table,
            ".up_to_100 + excluded.up_to_100, ",
            "up_to_250 = ",
            $table,
            ".up_to_250 + excluded.up_to_250, ",
            "up_to_500 = ",
            $table,
            ".up_to_500 + excluded.up_to_500, ",
            "up_to_1000 = ",
            $table,
            ".up_to_1000 + excluded.up_to_1000, ",
            "up_to_2500 = ",
            $table,
            ".up_to_2500 + excluded.up_to_2500, ",
            "up_to_5000 = ",
            $table,
            ".up_to_5000 + excluded.up_to_5000, ",
            "up_to_10000 = ",
            $table,
            ".up_to_10000 + excluded.up_to_10000, ",
            "up_to_30000 = ",
            $table,
            ".up_to_30000 + excluded.up_to_30000",
        )
    };
}

tidings_db::statements! {
    insert HOURS = "subscription_statistics" (
        tenant_id uuid, subscription_id uuid, hour_at int, succeeded int, failed int,
        exhausted int, discarded int, answered_micros int, up_to_10 int, up_to_25 int,
        up_to_50 int, up_to_100 int, up_to_250 int, up_to_500 int, up_to_1000 int,
        up_to_2500 int, up_to_5000 int, up_to_10000 int, up_to_30000 int
    ), added!("subscription_id", "subscription_statistics");
    insert HOURS_OF_TYPES = "event_type_statistics" (
        tenant_id uuid, event_name text, hour_at int, succeeded int, failed int,
        exhausted int, discarded int, answered_micros int, up_to_10 int, up_to_25 int,
        up_to_50 int, up_to_100 int, up_to_250 int, up_to_500 int, up_to_1000 int,
        up_to_2500 int, up_to_5000 int, up_to_10000 int, up_to_30000 int
    ), added!("event_name", "event_type_statistics");
    query SUM = concat!("SELECT ", sums!(), " FROM subscription_statistics \
        WHERE tenant_id = $1 AND subscription_id = $2 AND hour_at >= $3");
    query SERIES = concat!("SELECT '', hour_at - hour_at % $4, ", sums!(), " \
        FROM subscription_statistics WHERE tenant_id = $1 AND hour_at >= $2 AND hour_at < $3 \
        GROUP BY 1, 2 ORDER BY 2, 1 LIMIT $5");
    query SERIES_OF_SUBSCRIPTIONS = concat!("SELECT subscription_id, hour_at - hour_at % $4, ",
        sums!(), " FROM subscription_statistics WHERE tenant_id = $1 AND hour_at >= $2 \
        AND hour_at < $3 GROUP BY 1, 2 ORDER BY 2, 1 LIMIT $5");
    query SERIES_OF_TYPES = concat!("SELECT event_name, hour_at - hour_at % $4, ", sums!(), " \
        FROM event_type_statistics WHERE tenant_id = $1 AND hour_at >= $2 AND hour_at < $3 \
        GROUP BY 1, 2 ORDER BY 2, 1 LIMIT $5");
    across query EXPIRED = "SELECT tenant_id, MIN(hour_at) FROM subscription_statistics \
        WHERE hour_at < $1 GROUP BY tenant_id LIMIT 100";
    across query EXPIRED_OF_TYPES = "SELECT tenant_id, MIN(hour_at) FROM event_type_statistics \
        WHERE hour_at < $1 GROUP BY tenant_id LIMIT 100";
    command PURGE = "DELETE FROM subscription_statistics WHERE tenant_id = $1 \
        AND (subscription_id, hour_at) IN (SELECT subscription_id, hour_at \
            FROM subscription_statistics WHERE tenant_id = $1 AND hour_at < $2 LIMIT $3)";
    command PURGE_OF_TYPES = "DELETE FROM event_type_statistics WHERE tenant_id = $1 \
        AND (event_name, hour_at) IN (SELECT event_name, hour_at \
            FROM event_type_statistics WHERE tenant_id = $1 AND hour_at < $2 LIMIT $3)";
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
            values((*tenant_id, subscription_id.to_value(), *hour_at), hour)
        })
        .collect();
    writer.execute_many(&HOURS, &hours).await?;
    let of_types: Vec<Vec<Value>> = tally
        .of_types
        .iter()
        .flat_map(|(key, hours)| hours.iter().map(move |(name, hour)| (*key, name, hour)))
        .map(|((tenant_id, hour_at), name, hour)| {
            values((tenant_id, name.to_value(), hour_at), hour)
        })
        .collect();
    writer.execute_many(&HOURS_OF_TYPES, &of_types).await.map(|_| ())
}

fn values((tenant_id, key, hour_at): (TenantId, Value, Timestamp), hour: &Hour) -> Vec<Value> {
    let mut row = vec![
        tenant_id.to_value(),
        key,
        hour_at.to_value(),
        hour.succeeded.to_value(),
        hour.failed.to_value(),
        hour.exhausted.to_value(),
        hour.discarded.to_value(),
        hour.answered_micros.to_value(),
    ];
    row.extend(hour.answers.iter().map(ToValue::to_value));
    row
}

/// One point of a chart: of whom, from when on, and what came of the attempts.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    /// A subscription's id or a type; empty where everything is one.
    pub(crate) key: String,
    pub(crate) from: Timestamp,
    pub(crate) sum: Hour,
}

impl FromRow for Point {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self { key: row.take()?, from: row.take()?, sum: Hour::from_row(row)? })
    }
}

/// A point of a subscription, whose id is sixteen bytes.
struct OfSubscription(Point);

impl FromRow for OfSubscription {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        let id: WebhookSubscriptionId = row.take()?;
        let (from, sum) = (row.take()?, Hour::from_row(row)?);
        Ok(Self(Point { key: id.to_string(), from, sum }))
    }
}

/// The points of a chart, in order of time.
pub(crate) async fn series(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    wanted: &Wanted,
    limit: i64,
) -> Result<Vec<Point>, DbError> {
    let Wanted { from, to, bucket, group_by } = *wanted;
    let args = args![tenant_id, from, to, bucket.micros(), limit];
    match group_by {
        None => reader.rows(&SERIES, args).await,
        Some(GroupBy::EventType) => reader.rows(&SERIES_OF_TYPES, args).await,
        Some(GroupBy::Subscription) => {
            let rows: Vec<OfSubscription> = reader.rows(&SERIES_OF_SUBSCRIPTIONS, args).await?;
            Ok(rows.into_iter().map(|row| row.0).collect())
        }
    }
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
    let before = now.before(KEPT);
    let mut expired: Vec<(TenantId, Timestamp)> = reader.rows(&EXPIRED, args![before]).await?;
    let of_types: Vec<(TenantId, Timestamp)> =
        reader.rows(&EXPIRED_OF_TYPES, args![before]).await?;
    for found in of_types {
        if expired.iter().all(|(tenant_id, _)| *tenant_id != found.0) {
            expired.push(found);
        }
    }
    Ok(expired)
}

/// Ends some of one tenant's hours that are kept no longer.
pub(crate) async fn purge(work: &mut UnitOfWork) -> Result<(), DbError> {
    let (tenant_id, before) = (work.ctx().tenant_id, work.now().before(KEPT));
    let args = args![tenant_id, before, limits::SWEEP_ROWS_MAX];
    let mut writer = work.silent(Silent::Purge);
    writer.execute(&PURGE, args).await?;
    writer.execute(&PURGE_OF_TYPES, args).await.map(|_| ())
}
