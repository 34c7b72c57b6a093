//! A tenant's retention settings, and the tenants that have anything to keep.

use tidings_db::{DbError, FromRow, Reader, Row, Stored, Writer, args};
use tidings_kernel::{TenantId, Version};

use crate::retention::{Days, Retention};

tidings_db::statements! {
    query GET = "SELECT tenant_id, id, payload_days, reply_days, attempt_days, event_days, \
        updated_at, version FROM retention_settings WHERE tenant_id = $1";
    command INSERT = "INSERT INTO retention_settings (tenant_id, id, payload_days, reply_days, \
        attempt_days, event_days, updated_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    command UPDATE = "UPDATE retention_settings SET payload_days = $2, reply_days = $3, \
        attempt_days = $4, event_days = $5, updated_at = $6, version = $7 \
        WHERE tenant_id = $1 AND version = $8";
    /// Every tenant with an event: each has one, of its own making.
    across query TENANTS = "SELECT tenant_id FROM position_counters WHERE tenant_id > $1 \
        ORDER BY tenant_id LIMIT $2";
}

impl FromRow for Retention {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            tenant_id: row.take()?,
            id: row.take()?,
            days: Days {
                payload: row.take()?,
                reply: row.take()?,
                attempt: row.take()?,
                event: row.take()?,
            },
            updated_at: row.take()?,
            version: row.take()?,
        })
    }
}

impl Stored for Retention {
    async fn save(&self, expected: Version, writer: &mut Writer<'_>) -> Result<u64, DbError> {
        let Self { tenant_id, id, days, updated_at, version } = self;
        let Days { payload, reply, attempt, event } = days;
        if expected == 0 {
            let args = args![tenant_id, id, payload, reply, attempt, event, updated_at, version];
            return writer.execute(&INSERT, args).await;
        }
        let args = args![tenant_id, payload, reply, attempt, event, updated_at, version, expected];
        writer.execute(&UPDATE, args).await
    }
}

/// The tenant's settings; none where it never asked for any.
pub(crate) async fn find(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
) -> Result<Option<Retention>, DbError> {
    reader.row(&GET, args![tenant_id]).await
}

/// What the tenant keeps for how long.
pub(crate) async fn days(reader: &mut Reader<'_>, tenant_id: TenantId) -> Result<Days, DbError> {
    Ok(find(reader, tenant_id).await?.map(|found| found.days).unwrap_or_default())
}

/// The tenants after one, in the order of their ids.
pub(crate) async fn tenants(
    reader: &mut Reader<'_>,
    after: TenantId,
    limit: i64,
) -> Result<Vec<TenantId>, DbError> {
    let rows: Vec<(TenantId,)> = reader.rows(&TENANTS, args![after, limit]).await?;
    Ok(rows.into_iter().map(|(tenant_id,)| tenant_id).collect())
}
