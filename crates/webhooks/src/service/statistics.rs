//! How a subscription does.

use std::time::Duration;

use tidings_db::{Db, DbError, UnitOfWork};
use tidings_kernel::{TenantId, Timestamp, WebhookSubscriptionId};

use crate::chart::Wanted;
use crate::error::WebhookError;
use crate::health::Health;
use crate::service::Webhooks;
use crate::statistics::{Hour, hour_of};
pub(crate) use crate::store::statistics::Point;
use crate::store::{health, statistics};

/// What came of a subscription's attempts since an instant.
#[derive(Debug, Clone)]
pub(crate) struct Statistics {
    pub(crate) since: Timestamp,
    pub(crate) sum: Hour,
    /// None where nothing was ever sent.
    pub(crate) health: Option<Health>,
}

impl Webhooks {
    /// The statistics of a subscription over so many whole hours, and the one that has begun.
    pub(crate) async fn get_statistics(
        &self,
        tenant_id: TenantId,
        id: WebhookSubscriptionId,
        hours: u32,
    ) -> Result<Statistics, WebhookError> {
        self.get_subscription(tenant_id, id).await?;
        let since = hour_of(self.db.now().before(Duration::from_hours(u64::from(hours))));
        let mut session = self.db.read(tenant_id).await?;
        let sum = statistics::of_subscription(session.reader(), (tenant_id, id), since).await?;
        let health = health::find(session.reader(), tenant_id, id).await?;
        Ok(Statistics { since, sum, health })
    }
}

/// Points of one chart at most.
const POINTS_MAX: i64 = 10_000;

impl Webhooks {
    /// The points of a chart over the tenant's attempts, in order of time. None where there are more
    /// than one chart may have.
    pub(crate) async fn get_series(
        &self,
        tenant_id: TenantId,
        wanted: &Wanted,
    ) -> Result<Option<Vec<Point>>, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        let points =
            statistics::series(session.reader(), tenant_id, wanted, POINTS_MAX + 1).await?;
        let fits = i64::try_from(points.len()).is_ok_and(|count| count <= POINTS_MAX);
        Ok(fits.then_some(points))
    }
}

/// The tenants with hours that are kept no longer, and the oldest of each.
pub(crate) async fn expired_statistics(
    db: &Db,
    now: Timestamp,
) -> Result<Vec<(TenantId, Timestamp)>, DbError> {
    let mut session = db.read_across_tenants().await?;
    statistics::expired(session.reader(), now).await
}

/// Ends some of one tenant's hours.
pub(crate) async fn purge_statistics(work: &mut UnitOfWork) -> Result<(), DbError> {
    statistics::purge(work).await
}
