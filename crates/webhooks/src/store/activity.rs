//! What fired when, by type.

use std::collections::BTreeMap;

use tidings_db::{DbError, Reader, ToValue, Value, Writer, args};
use tidings_kernel::{TenantId, Timestamp};

tidings_db::statements! {
    insert COUNT = "event_activity" (tenant_id uuid, name text, fired int, last_at int),
        "ON CONFLICT (tenant_id, name) DO UPDATE \
        SET fired = event_activity.fired + excluded.fired, last_at = excluded.last_at";
    query LIST = "SELECT name, fired, last_at FROM event_activity WHERE tenant_id = $1";
}

/// Counts events by their type: how many more fired, and when the last did.
pub(crate) async fn count(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    fired: &BTreeMap<&str, (i64, Timestamp)>,
) -> Result<(), DbError> {
    let rows: Vec<Vec<Value>> = fired
        .iter()
        .map(|(name, (count, last_at))| {
            vec![tenant_id.to_value(), name.to_value(), count.to_value(), last_at.to_value()]
        })
        .collect();
    writer.execute_many(&COUNT, &rows).await.map(|_| ())
}

/// How often each type fired, and when last.
pub(crate) async fn list(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
) -> Result<Vec<(String, i64, Timestamp)>, DbError> {
    reader.rows(&LIST, args![tenant_id]).await
}
