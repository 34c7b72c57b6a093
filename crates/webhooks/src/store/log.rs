//! The event log, to read.

use bytes::Bytes;
use tidings_db::{DbError, FromRow, Reader, Row, args};
use tidings_kernel::{Cursor, EventId, Page, PageParams, TenantId, Timestamp, Uuid, Version};

tidings_db::statements! {
    query AFTER = "SELECT q.position, e.id, e.name, e.visibility, e.priority, e.occurred_at, \
        e.subject_kind, e.subject_version, p.body FROM event_positions q \
        JOIN events e ON e.tenant_id = q.tenant_id AND e.id = q.event_id \
        LEFT JOIN event_payloads p ON p.tenant_id = q.tenant_id AND p.event_id = q.event_id \
        WHERE q.tenant_id = $1 AND q.position > $2 AND (ABSENT_TEXT($3) OR e.name = $3) \
        ORDER BY q.position LIMIT $4";
    query GET = "SELECT COALESCE(q.position, 0), e.id, e.name, e.visibility, e.priority, \
        e.occurred_at, e.subject_kind, e.subject_version, p.body FROM events e \
        LEFT JOIN event_positions q ON q.tenant_id = e.tenant_id AND q.event_id = e.id \
        LEFT JOIN event_payloads p ON p.tenant_id = e.tenant_id AND p.event_id = e.id \
        WHERE e.tenant_id = $1 AND e.id = $2";
    query LAST_VERSION = "SELECT COALESCE(MAX(subject_version), 0) FROM events \
        WHERE tenant_id = $1 AND subject_id = $2";
    query PAYLOAD_EXISTS = "SELECT COUNT(*) FROM event_payloads \
        WHERE tenant_id = $1 AND event_id = $2";
}

/// The version of an object's last event; 0 where it has had none.
pub(crate) async fn last_version(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    subject_id: Uuid,
) -> Result<Version, DbError> {
    reader.scalar(&LAST_VERSION, args![tenant_id, subject_id]).await
}

/// An event of the log.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// Its place in the tenant's log; 0 while it has none.
    pub position: i64,
    /// The event.
    pub id: EventId,
    /// Its type.
    pub name: String,
    /// `public` or `internal`.
    pub visibility: String,
    /// How soon it goes out.
    pub priority: String,
    /// When.
    pub occurred_at: Timestamp,
    /// The kind of object.
    pub subject_kind: String,
    /// The object's version.
    pub subject_version: i64,
    /// The envelope; absent once retention or erasure has taken it.
    pub body: Option<Bytes>,
}

impl FromRow for LogEntry {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            position: row.take()?,
            id: row.take()?,
            name: row.take()?,
            visibility: row.take()?,
            priority: row.take()?,
            occurred_at: row.take()?,
            subject_kind: row.take()?,
            subject_version: row.take()?,
            body: row.take()?,
        })
    }
}

/// The events after a position, in order.
pub(crate) async fn after(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    name: Option<&str>,
    page: PageParams,
) -> Result<Page<LogEntry>, DbError> {
    let position = page.after.map_or(0, |cursor| cursor.sort);
    let args = args![tenant_id, position, name, page.limit + 1];
    let rows: Vec<LogEntry> = reader.rows(&AFTER, args).await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor { sort: row.position, id: Uuid::nil() }))
}

/// One event.
pub(crate) async fn find(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    id: EventId,
) -> Result<Option<LogEntry>, DbError> {
    reader.row(&GET, args![tenant_id, id]).await
}

/// Whether the payload of an event is still there.
pub(crate) async fn has_payload(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    id: EventId,
) -> Result<bool, DbError> {
    Ok(reader.scalar::<i64>(&PAYLOAD_EXISTS, args![tenant_id, id]).await? > 0)
}
