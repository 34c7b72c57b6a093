//! Endpoints whose deliveries wait for long: for `doctor`, which changes nothing.

use tidings_db::{DbError, FromRow, Reader, Row, args};
use tidings_kernel::{NodeId, Timestamp};

use crate::stuck::{Sends, StuckEndpoint};

tidings_db::statements! {
    /// The endpoints whose deliveries wait longest. Homeless is what no living node holds, elsewhere
    /// what is due and a living one holds that was not asked.
    across query STUCK = "SELECT g.tenant_id, g.subscription_id, g.waiting, g.due, g.oldest, \
        g.soonest, g.ordered, g.homeless, g.elsewhere, g.holder, g.last_error, s.is_active, s.disabled_at, s.deleted_at, \
        s.rate_per_second, h.failing_since FROM (\
            SELECT d.tenant_id, d.subscription_id, COUNT(*) AS waiting, \
            CAST(SUM(CASE WHEN d.next_attempt_at <= $2 THEN 1 ELSE 0 END) AS BIGINT) AS due, \
            MIN(d.created_at) AS oldest, MIN(d.next_attempt_at) AS soonest, \
            CAST(SUM(CASE WHEN d.order_key IS NULL THEN 0 ELSE 1 END) AS BIGINT) AS ordered, \
            CAST(SUM(CASE WHEN n.id IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS homeless, \
            CAST(SUM(CASE WHEN d.next_attempt_at > $2 OR n.id IS NULL OR n.id = $4 \
                THEN 0 ELSE 1 END) AS BIGINT) AS elsewhere, \
            MIN(CASE WHEN d.next_attempt_at > $2 OR n.id = $4 THEN NULL ELSE n.name END) AS holder, \
            MAX(d.last_error) AS last_error \
            FROM deliveries d LEFT JOIN nodes n ON n.id = d.node_id AND n.fenced = FALSE \
                AND (n.alive_until >= $3 OR n.id = $4) \
            WHERE d.next_attempt_at IS NOT NULL AND d.created_at <= $1 \
            GROUP BY d.tenant_id, d.subscription_id ORDER BY MIN(d.created_at) LIMIT 50) g \
        JOIN webhook_subscriptions s \
            ON s.tenant_id = g.tenant_id AND s.id = g.subscription_id \
        LEFT JOIN endpoint_health h \
            ON h.tenant_id = g.tenant_id AND h.subscription_id = g.subscription_id \
        ORDER BY g.oldest";
}

impl FromRow for StuckEndpoint {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        let (tenant_id, subscription_id) = (row.take()?, row.take()?);
        let (waiting, due, oldest_at, soonest_at) =
            (row.take()?, row.take()?, row.take()?, row.take()?);
        let (ordered, homeless) = (row.take()?, row.take()?);
        let (elsewhere, holder, error) = (row.take()?, row.take()?, row.take()?);
        let is_active: bool = row.take()?;
        let disabled_at: Option<Timestamp> = row.take()?;
        let deleted_at: Option<Timestamp> = row.take()?;
        let sends = match (deleted_at, disabled_at, is_active) {
            (Some(_), _, _) => Sends::Deleted,
            (None, Some(_), _) => Sends::Disabled,
            (None, None, false) => Sends::Paused,
            (None, None, true) => Sends::Yes,
        };
        let (rate_per_second, failing_since) = (row.take()?, row.take()?);
        Ok(Self {
            tenant_id,
            subscription_id,
            waiting,
            due,
            oldest_at,
            soonest_at,
            ordered,
            homeless,
            elsewhere,
            holder,
            error,
            sends,
            rate_per_second,
            failing_since,
        })
    }
}

/// Endpoints with deliveries of events from before `before`; `own` is a node that surely lives.
pub(crate) async fn endpoints(
    mut reader: Reader<'_>,
    before: Timestamp,
    now: Timestamp,
    (alive_from, own): (Timestamp, Option<NodeId>),
) -> Result<Vec<StuckEndpoint>, DbError> {
    reader.rows(&STUCK, args![before, now, alive_from, own]).await
}
