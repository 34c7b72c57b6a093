//! How deliveries do: of one subscription, and as charts of the whole tenant.

use serde::{Deserialize, Serialize};
use tidings_kernel::{FieldError, Permission, Problem, Timestamp, WebhookSubscriptionId};
use tidings_web::{Access, Answer, Call, Op, Path, Query, Routes};
use utoipa::{IntoParams, ToSchema};

use crate::chart::{Bucket, GroupBy, Wanted};
use crate::service::{Point, Statistics, Webhooks};
use crate::statistics::Hour;

/// How long answers took, in milliseconds, estimated from classes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LatencyView {
    /// The mean.
    pub(crate) average: i64,
    /// Half of the answers came within this.
    pub(crate) p50: i64,
    /// Nineteen of twenty did.
    pub(crate) p95: i64,
    /// Ninety-nine of a hundred did.
    pub(crate) p99: i64,
}

impl LatencyView {
    fn of(sum: &Hour) -> Option<Self> {
        Some(Self {
            average: sum.average_ms()?,
            p50: sum.quantile_ms(50)?,
            p95: sum.quantile_ms(95)?,
            p99: sum.quantile_ms(99)?,
        })
    }
}

/// How a subscription does. Deliveries count in the hour of the attempt that ended them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatisticsView {
    /// Since when it is counted: whole hours.
    pub(crate) since: Timestamp,
    /// Attempts that were made.
    pub(crate) attempts: i64,
    /// Deliveries that arrived.
    pub(crate) delivered: i64,
    /// Attempts that failed; most are tried again.
    pub(crate) failed: i64,
    /// Deliveries that were tried as often as they may be.
    pub(crate) exhausted: i64,
    /// Deliveries that ended because the endpoint is gone or the subscription sends no more.
    pub(crate) discarded: i64,
    /// The share of attempts that succeeded, 0 to 1; absent where there was none.
    pub(crate) success_rate: Option<f64>,
    /// How long answers took; absent where there was none.
    pub(crate) latency_ms: Option<LatencyView>,
    /// Failed attempts since the last success, however long ago.
    pub(crate) consecutive_failures: i64,
    /// The last attempt that succeeded, however long ago.
    pub(crate) last_success_at: Option<Timestamp>,
    /// The last attempt that failed, however long ago.
    pub(crate) last_failure_at: Option<Timestamp>,
}

impl From<Statistics> for StatisticsView {
    fn from(statistics: Statistics) -> Self {
        let Statistics { since, sum, health } = statistics;
        let attempts = sum.succeeded + sum.failed;
        let latency_ms = LatencyView::of(&sum);
        Self {
            since,
            attempts,
            delivered: sum.succeeded,
            failed: sum.failed,
            exhausted: sum.exhausted,
            discarded: sum.discarded,
            success_rate: share(sum.succeeded, attempts),
            latency_ms,
            consecutive_failures: health.as_ref().map_or(0, |health| i64::from(health.failures)),
            last_success_at: health.as_ref().and_then(|health| health.last_success_at),
            last_failure_at: health.as_ref().and_then(|health| health.last_failure_at),
        }
    }
}

/// A share with four decimals.
fn share(part: i64, whole: i64) -> Option<f64> {
    let basis_points = part.checked_mul(10_000)?.checked_div(whole)?;
    Some(f64::from(i32::try_from(basis_points).ok()?) / 10_000.0)
}

/// One point of a chart. Deliveries count in the hour of the attempt that ended them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PointView {
    /// The beginning of its hour or day.
    pub(crate) from: Timestamp,
    /// The subscription's id or the event type; `null` where there is one line for everything.
    pub(crate) group: Option<String>,
    /// Attempts that were made.
    pub(crate) attempts: i64,
    /// Deliveries that arrived.
    pub(crate) delivered: i64,
    /// Attempts that failed; most are tried again.
    pub(crate) failed: i64,
    /// Deliveries that were tried as often as they may be.
    pub(crate) exhausted: i64,
    /// Deliveries that ended because the endpoint is gone or the subscription sends no more.
    pub(crate) discarded: i64,
    /// The share of attempts that succeeded, 0 to 1; absent where there was none.
    pub(crate) success_rate: Option<f64>,
    /// How long answers took; absent where there was none.
    pub(crate) latency_ms: Option<LatencyView>,
}

impl From<Point> for PointView {
    fn from(point: Point) -> Self {
        let Point { key, from, sum } = point;
        let attempts = sum.succeeded + sum.failed;
        Self {
            from,
            group: (!key.is_empty()).then_some(key),
            attempts,
            delivered: sum.succeeded,
            failed: sum.failed,
            exhausted: sum.exhausted,
            discarded: sum.discarded,
            success_rate: share(sum.succeeded, attempts),
            latency_ms: LatencyView::of(&sum),
        }
    }
}

/// A chart of the tenant's deliveries, from sums that are kept by the hour for 90 days.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChartView {
    /// From then on.
    pub(crate) from: Timestamp,
    /// Up to then, which does not belong to it.
    pub(crate) to: Timestamp,
    /// The points in order of time. Where nothing was attempted, there is none.
    pub(crate) data: Vec<PointView>,
    /// All points together.
    pub(crate) total: PointView,
}

/// Which chart is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChartParams {
    /// From this instant on, whose whole hour or day belongs to it; a day of hours back, or 30 days,
    /// unless told.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Up to this instant, whose whole hour or day belongs to it; now unless told.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// `hour` or `day`; `hour` unless told.
    #[param(inline)]
    bucket: Option<Bucket>,
    /// `subscription` or `event_type`: a line for each; one for everything unless told.
    #[param(inline)]
    group_by: Option<GroupBy>,
}

const READ: Access = Access::Needs(Permission::WebhooksRead);

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes
        .read(
            Op::get("/api/v1/webhooks/subscriptions/{id}/statistics", "getWebhookStatistics", READ)
                .summary("How a subscription does: outcomes, latency, failures in a row"),
            statistics,
        )
        .read(
            Op::get("/api/v1/webhooks/statistics", "getDeliveryStatistics", READ)
                .summary("Charts of the tenant's deliveries: counts, success, latency"),
            chart,
        )
}

/// Over which time statistics are counted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatisticsParams {
    /// The last so many hours, 1 to 2160; 168 unless told.
    hours: Option<u32>,
}

async fn statistics(
    webhooks: Webhooks,
    call: Call,
    (Path(id), Query(params)): (Path<WebhookSubscriptionId>, Query<StatisticsParams>),
) -> Result<Answer<StatisticsView>, Problem> {
    let hours = params.hours.unwrap_or(168);
    if !(1..=2160).contains(&hours) {
        return Err(Problem::invalid_field("?hours", "out_of_range", "1 to 2160 hours"));
    }
    let statistics = webhooks.get_statistics(call.ctx.tenant_id, id, hours).await?;
    Ok(Answer::new(statistics.into()))
}

async fn chart(
    webhooks: Webhooks,
    call: Call,
    Query(params): Query<ChartParams>,
) -> Result<Answer<ChartView>, Problem> {
    let ChartParams { from, to, bucket, group_by } = params;
    let lines = (bucket.unwrap_or_default(), group_by);
    let wanted = Wanted::new((from, to), lines, call.ctx.now)
        .map_err(|fault| Problem::invalid(vec![fault]))?;
    let points = webhooks.get_series(call.ctx.tenant_id, &wanted).await?.ok_or_else(|| {
        let message = "these are more than 10000 points: ask for less time, or for days";
        Problem::invalid(vec![FieldError::new("?from", "too_many", message)])
    })?;
    let mut sum = Hour::default();
    points.iter().for_each(|point| sum.add(&point.sum));
    let total = Point { key: String::new(), from: wanted.from, sum };
    Ok(Answer::new(ChartView {
        from: wanted.from,
        to: wanted.to,
        data: points.into_iter().map(PointView::from).collect(),
        total: total.into(),
    }))
}
