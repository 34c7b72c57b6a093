//! What the domain's sweeps and reactions do.

use std::collections::BTreeMap;

use tidings_db::{Db, DbError, Silent, UnitOfWork, Writer};
use tidings_jobs::LoggedEvent;
use tidings_kernel::{TenantId, Timestamp, WebhookSubscriptionId};

use crate::error::WebhookError;
use crate::health::{Told, Turn};
use crate::store::{activity, event_types, health, settlements, subscriptions};
use crate::subscription::Subscription;

/// Counts events by their type, in the unit of the reaction that takes them.
pub(crate) async fn count_events(
    work: &mut UnitOfWork,
    events: &[LoggedEvent],
) -> Result<(), DbError> {
    let mut fired: BTreeMap<&str, (i64, Timestamp)> = BTreeMap::new();
    for event in events {
        let (count, last_at) = fired.entry(&event.name).or_insert((0, event.occurred_at));
        *count += 1;
        *last_at = event.occurred_at;
    }
    let tenant_id = work.ctx().tenant_id;
    activity::count(&mut work.silent(Silent::JobBookkeeping), tenant_id, &fired).await
}

/// The tenants with publications that are remembered no longer, and the oldest of each.
pub(crate) async fn expired_publications(
    db: &Db,
    now: Timestamp,
) -> Result<Vec<(TenantId, Timestamp)>, DbError> {
    let mut session = db.read_across_tenants().await?;
    event_types::expired(session.reader(), now).await
}

/// Forgets a few publications of one tenant.
pub(crate) async fn forget_publications(work: &mut UnitOfWork) -> Result<(), DbError> {
    event_types::purge(work).await
}

/// The tenants with settlements that are known no longer, and the oldest of each.
pub(crate) async fn expired_settlements(
    db: &Db,
    now: Timestamp,
) -> Result<Vec<(TenantId, Timestamp)>, DbError> {
    let mut session = db.read_across_tenants().await?;
    settlements::expired(session.reader(), now).await
}

/// Forgets some settlements of one tenant, from its oldest on.
pub(crate) async fn forget_settlements(
    work: &mut UnitOfWork,
    oldest: Timestamp,
) -> Result<(), DbError> {
    settlements::forget(work, oldest).await
}

/// Does what is to be done about an endpoint: tells its owner, or disables it.
pub(crate) async fn tend_endpoint(
    work: &mut UnitOfWork,
    id: WebhookSubscriptionId,
) -> Result<(), WebhookError> {
    let (tenant_id, now) = (work.ctx().tenant_id, work.now());
    let Some(health) = health::find(work.reader(), tenant_id, id).await? else { return Ok(()) };
    let found = subscriptions::find(work.reader(), tenant_id, id).await?;
    // One that was switched off, or is gone, begins anew if it ever sends again.
    let Some(subscription) = found.filter(Subscription::sends) else {
        return Ok(health::forget(&mut forgetting(work), tenant_id, id).await?);
    };
    let Some(turn) = health.turn(now) else { return Ok(()) };
    let (told, change) = match turn {
        Turn::Fail => (Told::Failing, subscription.endpoint_failing(&health, now)),
        Turn::Recover => (Told::Well, subscription.endpoint_recovered(&health, now)),
        Turn::Warn => (Told::Warned, subscription.endpoint_warned(&health, now)),
        Turn::Disable => {
            health::forget(&mut forgetting(work), tenant_id, id).await?;
            work.apply(subscription.disable("failing", now)?).await?;
            return Ok(());
        }
    };
    work.apply(change).await?;
    Ok(health::tell(&mut forgetting(work), &health.tell(told, now)).await?)
}

fn forgetting(work: &mut UnitOfWork) -> Writer<'_> {
    work.silent(Silent::DeliveryBookkeeping)
}

/// The endpoints about which something may have to be done.
pub(crate) async fn ill_endpoints(
    db: &Db,
    now: Timestamp,
) -> Result<Vec<(TenantId, WebhookSubscriptionId)>, DbError> {
    let mut session = db.read_across_tenants().await?;
    health::ill(session.reader(), now).await
}
