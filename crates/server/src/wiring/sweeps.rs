//! Sweeps over what belongs to no domain.

use std::time::Duration;

use tidings_jobs::{Sweep, SweepItem};

/// Ends the stored replies to idempotency keys that are kept no longer.
pub(crate) fn idempotent_replies() -> Sweep {
    Sweep::new(
        "web.idempotent_replies",
        Duration::from_hours(1),
        |db, now| async move {
            let expired = tidings_web::expired_replies(db, now).await?;
            Ok(expired.into_iter().map(|(tenant_id, id)| SweepItem { tenant_id, id }).collect())
        },
        |work, _| Box::pin(async move { Ok(tidings_web::purge_replies(work).await?) }),
    )
}
