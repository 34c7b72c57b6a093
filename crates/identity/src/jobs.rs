//! What the identity domain does by itself.

use std::time::Duration;

use tidings_db::{Db, Silent};
use tidings_jobs::{Sweep, SweepItem};
use tidings_kernel::{TenantId, Uuid};

use crate::service::Identity;

/// Writes, once a minute, when keys were last used.
pub fn last_used(identity: &Identity) -> Sweep {
    let credentials = std::sync::Arc::clone(identity.credentials());
    Sweep::new(
        "identity.last_used",
        Duration::from_mins(1),
        |_: Db, _| async {
            Ok(vec![SweepItem { tenant_id: TenantId::from_uuid(Uuid::nil()), id: Uuid::nil() }])
        },
        move |work, _| {
            let used = credentials.take_used();
            Box::pin(async move {
                let mut writer = work.silent(Silent::LastSeen);
                crate::service::write_last_used(&mut writer, &used).await?;
                Ok(())
            })
        },
    )
}
