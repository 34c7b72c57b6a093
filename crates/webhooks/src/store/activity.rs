//! What fired when, by type.

use tidings_db::{DbError, Reader, Writer, args};
use tidings_kernel::{TenantId, Timestamp};

tidings_db::statements! {
    command COUNT_ONE = "INSERT INTO event_activity (tenant_id, name, fired, last_at) \
        VALUES ($1, $2, 1, $3) ON CONFLICT (tenant_id, name) DO UPDATE \
        SET fired = event_activity.fired + 1, last_at = excluded.last_at";
    query LIST = "SELECT name, fired, last_at FROM event_activity WHERE tenant_id = $1";
}

/// Counts one event.
pub(crate) async fn count_one(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    name: &str,
    at: Timestamp,
) -> Result<(), DbError> {
    writer.execute(&COUNT_ONE, args![tenant_id, name, at]).await.map(|_| ())
}

/// How often each type fired, and when last.
pub(crate) async fn list(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
) -> Result<Vec<(String, i64, Timestamp)>, DbError> {
    reader.rows(&LIST, args![tenant_id]).await
}
