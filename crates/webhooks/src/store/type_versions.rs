//! The versions that the schemas of custom event types have had.

use tidings_db::{DbError, FromRow, Reader, Row, Writer, args, json};
use tidings_kernel::{Cursor, EventTypeId, Page, PageParams, TenantId, Uuid};

use crate::event_type::{CustomType, TypeVersion};

tidings_db::statements! {
    command KEEP = "INSERT INTO event_type_versions (tenant_id, event_type_id, schema_version, \
        schema_text, created_at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (tenant_id, event_type_id, schema_version) DO NOTHING";
    query GET = "SELECT schema_version, schema_text, created_at FROM event_type_versions \
        WHERE tenant_id = $1 AND event_type_id = $2 AND schema_version = $3";
    query LIST = "SELECT schema_version, schema_text, created_at FROM event_type_versions \
        WHERE tenant_id = $1 AND event_type_id = $2 \
        AND (ABSENT_INT($3) OR schema_version < $3) ORDER BY schema_version DESC LIMIT $4";
}

impl FromRow for TypeVersion {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self { schema_version: row.take()?, schema: row.json()?, created_at: row.take()? })
    }
}

/// Keeps the version that a type has now; one that is kept stays as it is.
pub(crate) async fn keep(writer: &mut Writer<'_>, custom: &CustomType) -> Result<(), DbError> {
    let CustomType { tenant_id, id, schema_version, schema, updated_at, .. } = custom;
    let args = args![tenant_id, id, schema_version, json(schema), updated_at];
    writer.execute(&KEEP, args).await.map(|_| ())
}

/// One version.
pub(crate) async fn find(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    event_type_id: EventTypeId,
    version: u32,
) -> Result<Option<TypeVersion>, DbError> {
    reader.row(&GET, args![tenant_id, event_type_id, version]).await
}

/// Every version, the newest first.
pub(crate) async fn list(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    event_type_id: EventTypeId,
    page: PageParams,
) -> Result<Page<TypeVersion>, DbError> {
    let before = page.after.map(|cursor| cursor.sort);
    let args = args![tenant_id, event_type_id, before, page.limit + 1];
    let rows: Vec<TypeVersion> = reader.rows(&LIST, args).await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor {
        sort: row.schema_version.into(),
        id: Uuid::nil(),
    }))
}
