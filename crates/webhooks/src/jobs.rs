//! What the webhooks domain does by itself.

mod privacy;

use std::time::Duration;

use tidings_db::{UnitFuture, UnitOfWork};
use tidings_jobs::{Job, JobError, JobHandler, LoggedEvent, ReactionHandler, Sweep, SweepItem};
use tidings_kernel::{Problem, TenantId, Timestamp, Uuid, WebhookSubscriptionId};

use crate::service::{self, Look, Webhooks};

pub use privacy::{ErasePeople, EraseSubject, finish_erasures, retention};

/// Counts what fired, by type: what the catalog shows. Exact, because the count and the cursor are
/// written together.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventActivity;

impl ReactionHandler for EventActivity {
    fn name(&self) -> &'static str {
        "webhooks.event_activity"
    }

    fn react<'t>(
        &self,
        work: &'t mut UnitOfWork,
        events: Vec<LoggedEvent>,
    ) -> UnitFuture<'t, (), Problem> {
        Box::pin(async move { Ok(service::count_events(work, &events).await?) })
    }
}

/// Goes on with replays.
#[derive(Debug, Clone)]
pub struct GoOnWithReplay(Webhooks);

impl GoOnWithReplay {
    /// The handler over the domain's service.
    pub fn new(webhooks: &Webhooks) -> Self {
        Self(webhooks.clone())
    }
}

impl JobHandler for GoOnWithReplay {
    fn kind(&self) -> &'static str {
        Look::KIND
    }

    fn run<'t>(&self, work: &'t mut UnitOfWork, job: Job) -> UnitFuture<'t, (), JobError> {
        let webhooks = self.0.clone();
        Box::pin(async move {
            let look: Look = job.payload()?;
            webhooks.go_on_with_replay(work, look).await.map_err(Problem::from)?;
            Ok(())
        })
    }

    fn give_up<'t>(&self, work: &'t mut UnitOfWork, job: Job) -> UnitFuture<'t, bool, JobError> {
        let webhooks = self.0.clone();
        Box::pin(async move {
            let look: Look = job.payload()?;
            Ok(webhooks.give_up_replay(work, look).await.map_err(Problem::from)?)
        })
    }
}

/// Tenants, each named by its oldest row: so a tenant is taken again while rows are left, and its name
/// says where to begin.
fn by_oldest(tenants: Vec<(TenantId, Timestamp)>) -> Vec<SweepItem> {
    tenants
        .into_iter()
        .map(|(tenant_id, oldest)| SweepItem {
            tenant_id,
            id: Uuid::from_u64_pair(0, oldest.micros().unsigned_abs()),
        })
        .collect()
}

/// Ends the hours of statistics that are kept no longer.
pub fn purge_statistics() -> Sweep {
    Sweep::new(
        "webhooks.purge_statistics",
        Duration::from_hours(1),
        |db, now| async move {
            let tenants = service::expired_statistics(&db, now).await?;
            Ok(by_oldest(tenants))
        },
        |work, _| Box::pin(async move { Ok(service::purge_statistics(work).await?) }),
    )
}

/// Forgets the ids of publications after 30 days.
pub fn forget_publications() -> Sweep {
    Sweep::new(
        "webhooks.forget_publications",
        Duration::from_hours(1),
        |db, now| async move {
            let tenants = service::expired_publications(&db, now).await?;
            Ok(by_oldest(tenants))
        },
        |work, _| Box::pin(async move { Ok(service::forget_publications(work).await?) }),
    )
}

/// Forgets what was settled after an hour.
pub fn forget_settlements() -> Sweep {
    Sweep::new(
        "webhooks.forget_settlements",
        Duration::from_mins(5),
        |db, now| async move {
            let tenants = service::expired_settlements(&db, now).await?;
            Ok(by_oldest(tenants))
        },
        |work, item| {
            let oldest = i64::try_from(item.id.as_u64_pair().1).unwrap_or(i64::MAX);
            let oldest = Timestamp::from_micros(oldest);
            Box::pin(async move { Ok(service::forget_settlements(work, oldest).await?) })
        },
    )
}

/// Tells the owners of endpoints that they fail, recover, or will be disabled, and disables them.
pub fn tend_endpoints() -> Sweep {
    Sweep::new(
        "webhooks.tend_endpoints",
        Duration::from_secs(10),
        |db, now| async move {
            let endpoints = service::ill_endpoints(&db, now).await?;
            Ok(endpoints
                .into_iter()
                .map(|(tenant_id, id)| SweepItem { tenant_id, id: id.uuid() })
                .collect())
        },
        |work, item| {
            let id = WebhookSubscriptionId::from_uuid(item.id);
            Box::pin(async move { Ok(service::tend_endpoint(work, id).await?) })
        },
    )
}
