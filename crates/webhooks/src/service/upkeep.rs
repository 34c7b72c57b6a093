//! What the domain's sweeps and reactions do.

use tidings_db::{Db, DbError, Silent, UnitOfWork};
use tidings_kernel::{TenantId, Timestamp};

use crate::store::{activity, event_types};

/// Counts one event of a type, in the unit of the reaction that takes it.
pub(crate) async fn count_event(
    work: &mut UnitOfWork,
    name: &str,
    at: Timestamp,
) -> Result<(), DbError> {
    let tenant_id = work.ctx().tenant_id;
    let mut writer = work.silent(Silent::JobBookkeeping);
    activity::count_one(&mut writer, tenant_id, name, at).await
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
