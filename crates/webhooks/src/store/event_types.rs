//! Custom event types and their publications.

use bytes::Bytes;
use tidings_db::{DbError, FromRow, Reader, Row, Silent, Stored, UnitOfWork, Writer, args, json};
use tidings_events::CustomName;
use tidings_kernel::{Cursor, EventId, Page, PageParams, TenantId, Timestamp, Version, limits};

use crate::event_type::{CustomType, Publication};
use crate::store::type_versions;

tidings_db::statements! {
    command INSERT = "INSERT INTO event_types (tenant_id, id, name, description, schema_version, \
        schema_text, example, created_at, updated_at, version) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    command UPDATE = "UPDATE event_types SET description = $3, schema_version = $4, \
        schema_text = $5, example = $6, deprecated_at = $7, updated_at = $8, version = $9 \
        WHERE tenant_id = $1 AND id = $2 AND version = $10";
    query GET = "SELECT tenant_id, id, name, description, schema_version, schema_text, example, \
        deprecated_at, created_at, updated_at, version FROM event_types \
        WHERE tenant_id = $1 AND name = $2";
    query LIST = "SELECT tenant_id, id, name, description, schema_version, schema_text, example, \
        deprecated_at, created_at, updated_at, version FROM event_types \
        WHERE tenant_id = $1 AND (ABSENT_UUID($2) OR id < $2) ORDER BY id DESC LIMIT $3";
    query NAMES = "SELECT name FROM event_types WHERE tenant_id = $1 LIMIT 1000";
    query COUNT = "SELECT COUNT(*) FROM event_types WHERE tenant_id = $1";
    query PUBLISHED = "SELECT event_id, body_hash FROM publications \
        WHERE tenant_id = $1 AND client_id = $2";
    command REMEMBER = "INSERT INTO publications (tenant_id, client_id, event_id, body_hash, \
        created_at) VALUES ($1, $2, $3, $4, $5)";
    across query EXPIRED = "SELECT tenant_id, MIN(created_at) FROM publications \
        WHERE created_at < $1 GROUP BY tenant_id LIMIT 100";
    command PURGE = "DELETE FROM publications WHERE tenant_id = $1 AND client_id IN \
        (SELECT client_id FROM publications WHERE tenant_id = $1 AND created_at < $2 LIMIT $3)";
}

impl FromRow for CustomType {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            tenant_id: row.take()?,
            id: row.take()?,
            name: row.word(|text| text.parse().ok())?,
            description: row.take()?,
            schema_version: row.take()?,
            schema: row.json()?,
            example: row.json()?,
            deprecated_at: row.take()?,
            created_at: row.take()?,
            updated_at: row.take()?,
            version: row.take()?,
        })
    }
}

impl Stored for CustomType {
    async fn save(&self, expected: Version, writer: &mut Writer<'_>) -> Result<u64, DbError> {
        let Self { tenant_id, id, description, schema_version, version, .. } = self;
        let (schema, example) = (json(&self.schema), json(&self.example));
        if expected == 0 {
            let args = args![
                tenant_id,
                id,
                self.name.as_str(),
                description,
                schema_version,
                schema,
                example,
                self.created_at,
                self.updated_at,
                version
            ];
            let rows = writer.execute(&INSERT, args).await?;
            type_versions::keep(writer, self).await?;
            return Ok(rows);
        }
        let args = args![
            tenant_id,
            id,
            description,
            schema_version,
            schema,
            example,
            self.deprecated_at,
            self.updated_at,
            version,
            expected
        ];
        let rows = writer.execute(&UPDATE, args).await?;
        if rows > 0 {
            type_versions::keep(writer, self).await?;
        }
        Ok(rows)
    }
}

impl Stored for Publication {
    /// A publication has no row of its own: it is its event. What its client called it is
    /// remembered by [`remember`], beside it.
    async fn save(&self, expected: Version, _: &mut Writer<'_>) -> Result<u64, DbError> {
        Ok(u64::from(expected == 0))
    }
}

/// The tenant's type with this name.
pub(crate) async fn find(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    name: &CustomName,
) -> Result<Option<CustomType>, DbError> {
    reader.row(&GET, args![tenant_id, name.as_str()]).await
}

/// The tenant's types, the newest first.
pub(crate) async fn list(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    page: PageParams,
) -> Result<Page<CustomType>, DbError> {
    let after = page.after.map(|cursor| cursor.id);
    let rows: Vec<CustomType> = reader.rows(&LIST, args![tenant_id, after, page.limit + 1]).await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor { sort: 0, id: row.id.uuid() }))
}

/// The names of the tenant's types.
pub(crate) async fn names(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
) -> Result<std::collections::BTreeSet<CustomName>, DbError> {
    let rows: Vec<(String,)> = reader.rows(&NAMES, args![tenant_id]).await?;
    Ok(rows.into_iter().filter_map(|(name,)| name.parse().ok()).collect())
}

/// How many types the tenant has.
pub(crate) async fn count(mut reader: Reader<'_>, tenant_id: TenantId) -> Result<i64, DbError> {
    reader.scalar(&COUNT, args![tenant_id]).await
}

/// What was published under a client's id: the event, and the digest of its body.
pub(crate) async fn published(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    client_id: &str,
) -> Result<Option<(EventId, Bytes)>, DbError> {
    reader.row(&PUBLISHED, args![tenant_id, client_id]).await
}

/// Remembers what a client called a publication.
pub(crate) async fn remember(
    work: &mut UnitOfWork,
    client_id: &str,
    event_id: EventId,
    body_hash: &Bytes,
) -> Result<(), DbError> {
    let (tenant_id, now) = (work.ctx().tenant_id, work.now());
    work.silent(Silent::IdempotentReply)
        .execute(&REMEMBER, args![tenant_id, client_id, event_id, body_hash, now])
        .await
        .map(|_| ())
}

/// The tenants with publications that are remembered no longer, and the oldest of each.
pub(crate) async fn expired(
    mut reader: Reader<'_>,
    now: Timestamp,
) -> Result<Vec<(TenantId, Timestamp)>, DbError> {
    let before = now.before(limits::PUBLICATION_KEPT);
    reader.rows(&EXPIRED, args![before]).await
}

/// Forgets publications of one tenant that are remembered no longer.
pub(crate) async fn purge(work: &mut UnitOfWork) -> Result<(), DbError> {
    let (tenant_id, now) = (work.ctx().tenant_id, work.now());
    let before = now.before(limits::PUBLICATION_KEPT);
    work.silent(Silent::Purge)
        .execute(&PURGE, args![tenant_id, before, limits::SWEEP_ROWS_MAX])
        .await
        .map(|_| ())
}
