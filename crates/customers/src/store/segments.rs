//! Segments.

use tidings_db::{DbError, FromRow, Reader, Row, Stored, Writer, args, json};
use tidings_jobs::SweepItem;
use tidings_kernel::{Cursor, Page, PageParams, SegmentId, TenantId, Timestamp, Version, limits};

use crate::criteria::fold;
use crate::segment::Segment;

tidings_db::statements! {
    command INSERT = "INSERT INTO customer_segments (tenant_id, id, name, name_folded, \
        description, criteria, is_dynamic, priority, member_count, last_calculated_at, \
        recalculate_at, created_at, version) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    command UPDATE = "UPDATE customer_segments SET member_count = $3, last_calculated_at = $4, \
        version = $5 WHERE tenant_id = $1 AND id = $2 AND version = $6";
    query GET = "SELECT id, tenant_id, name, description, criteria, is_dynamic, priority, \
        member_count, last_calculated_at, recalculate_at, created_at, version \
        FROM customer_segments WHERE tenant_id = $1 AND id = $2";
    query LIST = "SELECT id, tenant_id, name, description, criteria, is_dynamic, priority, \
        member_count, last_calculated_at, recalculate_at, created_at, version \
        FROM customer_segments WHERE tenant_id = $1 AND (ABSENT_UUID($2) OR id < $2) \
        ORDER BY id DESC LIMIT $3";
    query COUNT = "SELECT COUNT(*) FROM customer_segments WHERE tenant_id = $1";
    query COUNT_MEMBERS = "SELECT COUNT(*) FROM customers \
        WHERE tenant_id = $1 AND segment_id = $2 AND deleted_at IS NULL";
    command NOTE_CALCULATED = "UPDATE customer_segments SET last_calculated_at = $3 \
        WHERE tenant_id = $1 AND id = $2";
    command POSTPONE = "UPDATE customer_segments SET recalculate_at = $3 \
        WHERE tenant_id = $1 AND id = $2";
    across query DUE = "SELECT tenant_id, id FROM customer_segments WHERE recalculate_at <= $1 \
        ORDER BY recalculate_at LIMIT $2";
}

impl FromRow for Segment {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.take()?,
            tenant_id: row.take()?,
            name: row.take()?,
            description: row.take()?,
            criteria: row.json()?,
            is_dynamic: row.take()?,
            priority: row.take()?,
            member_count: row.take()?,
            last_calculated_at: row.take()?,
            recalculate_at: row.take()?,
            created_at: row.take()?,
            version: row.take()?,
        })
    }
}

impl Stored for Segment {
    async fn save(&self, expected: Version, writer: &mut Writer<'_>) -> Result<u64, DbError> {
        let Self { id, tenant_id, member_count, last_calculated_at, version, .. } = self;
        if expected > 0 {
            let args = args![tenant_id, id, member_count, last_calculated_at, version, expected];
            return writer.execute(&UPDATE, args).await;
        }
        let args = args![
            tenant_id,
            id,
            self.name,
            fold(&self.name),
            self.description,
            json(&self.criteria),
            self.is_dynamic,
            self.priority,
            member_count,
            last_calculated_at,
            self.recalculate_at,
            self.created_at,
            version
        ];
        writer.execute(&INSERT, args).await
    }
}

/// The tenant's segment with this id.
pub(crate) async fn find(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    id: SegmentId,
) -> Result<Option<Segment>, DbError> {
    reader.row(&GET, args![tenant_id, id]).await
}

/// The tenant's segments, the newest first.
pub(crate) async fn list(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    page: PageParams,
) -> Result<Page<Segment>, DbError> {
    let after = page.after.map(|cursor| cursor.id);
    let rows: Vec<Segment> = reader.rows(&LIST, args![tenant_id, after, page.limit + 1]).await?;
    Ok(Page::from_rows(rows, page.limit, |segment| Cursor { sort: 0, id: segment.id.uuid() }))
}

/// How many segments the tenant has.
pub(crate) async fn count(reader: &mut Reader<'_>, tenant_id: TenantId) -> Result<i64, DbError> {
    reader.scalar(&COUNT, args![tenant_id]).await
}

/// How many customers are in a segment.
pub(crate) async fn count_members(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    id: SegmentId,
) -> Result<i64, DbError> {
    reader.scalar(&COUNT_MEMBERS, args![tenant_id, id]).await
}

/// Writes down that the members were found anew and are the same.
pub(crate) async fn note_calculated(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    id: SegmentId,
    now: Timestamp,
) -> Result<(), DbError> {
    writer.execute(&NOTE_CALCULATED, args![tenant_id, id, now]).await.map(|_| ())
}

/// Says when the members are due to be found anew.
pub(crate) async fn postpone(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    id: SegmentId,
    until: Timestamp,
) -> Result<(), DbError> {
    writer.execute(&POSTPONE, args![tenant_id, id, until]).await.map(|_| ())
}

/// The segments of all tenants whose members are due to be found anew.
pub(crate) async fn due(
    reader: &mut Reader<'_>,
    now: Timestamp,
) -> Result<Vec<SweepItem>, DbError> {
    let rows: Vec<(TenantId, SegmentId)> =
        reader.rows(&DUE, args![now, limits::SWEEP_ROWS_MAX]).await?;
    Ok(rows.into_iter().map(|(tenant_id, id)| SweepItem { tenant_id, id: id.uuid() }).collect())
}
