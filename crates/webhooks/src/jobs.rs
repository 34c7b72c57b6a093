//! What the webhooks domain does by itself.

use std::time::Duration;

use tidings_db::{Silent, UnitFuture, UnitOfWork};
use tidings_jobs::{LoggedEvent, ReactionHandler, Sweep, SweepItem};
use tidings_kernel::Problem;

use crate::store::{activity, event_types};

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
        event: LoggedEvent,
    ) -> UnitFuture<'t, (), Problem> {
        Box::pin(async move {
            let tenant_id = work.ctx().tenant_id;
            let mut writer = work.silent(Silent::JobBookkeeping);
            activity::count_one(&mut writer, tenant_id, &event.name, event.occurred_at).await?;
            Ok(())
        })
    }
}

/// Forgets the ids of publications after 30 days.
pub fn forget_publications() -> Sweep {
    Sweep::new(
        "webhooks.forget_publications",
        Duration::from_hours(1),
        |db, now| async move {
            let mut session = db.read_across_tenants().await?;
            let tenants = event_types::expired(session.reader(), now).await?;
            Ok(tenants
                .into_iter()
                .map(|tenant_id| SweepItem { tenant_id, id: tenant_id.uuid() })
                .collect())
        },
        |work, _| Box::pin(async move { Ok(event_types::purge(work).await?) }),
    )
}
