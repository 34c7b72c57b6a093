//! Tenants.

use tidings_db::{DbError, FromRow, Reader, Row, Stored, Writer, args};
use tidings_kernel::{Cursor, Page, PageParams, TenantId, Version};

use crate::tenant::{Tenant, TenantStatus};

tidings_db::statements! {
    command INSERT = "INSERT INTO tenants (tenant_id, name, livemode, status, suspended_reason, \
        created_at, updated_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    command UPDATE = "UPDATE tenants SET name = $2, status = $3, suspended_reason = $4, \
        updated_at = $5, version = $6 WHERE tenant_id = $1 AND version = $7";
    query GET = "SELECT tenant_id, name, livemode, status, suspended_reason, created_at, \
        updated_at, version FROM tenants WHERE tenant_id = $1";
    across query LIST = "SELECT tenant_id, name, livemode, status, suspended_reason, created_at, \
        updated_at, version FROM tenants WHERE (ABSENT_UUID($1) OR tenant_id < $1) \
        ORDER BY tenant_id DESC LIMIT $2";
}

impl FromRow for Tenant {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        let (id, name, livemode) = (row.take()?, row.take()?, row.take()?);
        let status: String = row.take()?;
        let reason = row.take()?;
        Ok(Self {
            id,
            name,
            livemode,
            status: if status == "suspended" {
                TenantStatus::Suspended { reason }
            } else {
                TenantStatus::Active
            },
            created_at: row.take()?,
            updated_at: row.take()?,
            version: row.take()?,
        })
    }
}

impl Stored for Tenant {
    async fn save(&self, expected: Version, writer: &mut Writer<'_>) -> Result<u64, DbError> {
        let Self { id, name, livemode, status, created_at, updated_at, version } = self;
        let reason = match status {
            TenantStatus::Suspended { reason } => reason.clone(),
            TenantStatus::Active => None,
        };
        let word = status.as_str();
        if expected == 0 {
            let args = args![id, name, livemode, word, reason, created_at, updated_at, version];
            writer.execute(&INSERT, args).await
        } else {
            let args = args![id, name, word, reason, updated_at, version, expected];
            writer.execute(&UPDATE, args).await
        }
    }
}

/// The tenant with this id.
pub(crate) async fn find(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
) -> Result<Option<Tenant>, DbError> {
    reader.row(&GET, args![tenant_id]).await
}

/// All tenants, the newest first.
pub(crate) async fn list(
    mut reader: Reader<'_>,
    page: PageParams,
) -> Result<Page<Tenant>, DbError> {
    let after = page.after.map(|cursor| cursor.id);
    let rows: Vec<Tenant> = reader.rows(&LIST, args![after, page.limit + 1]).await?;
    Ok(Page::from_rows(rows, page.limit, |tenant| Cursor { sort: 0, id: tenant.id.uuid() }))
}
