//! The event log, to read.

use bytes::Bytes;
use tidings_db::{DbError, FromRow, Reader, Row, args};
use tidings_kernel::{
    AnyId, Cursor, EventId, Page, PageParams, TenantId, Timestamp, Uuid, Version,
};

use crate::log_filter::{ROWS_LOOKED_AT_MAX, Span, TypeRange};

tidings_db::statements! {
    query AFTER = "SELECT q.position, e.id, e.name, e.visibility, e.priority, e.occurred_at, \
        e.subject_kind, e.subject_version, p.body FROM event_positions q \
        JOIN events e ON e.tenant_id = q.tenant_id AND e.id = q.event_id \
        LEFT JOIN event_payloads p ON p.tenant_id = q.tenant_id AND p.event_id = q.event_id \
        WHERE q.tenant_id = $1 AND q.position > $2 AND q.position <= $3 \
        AND e.name >= $4 AND e.name <= $5 AND e.occurred_at >= $6 AND e.occurred_at <= $7 \
        AND (ABSENT_TEXT($8) OR e.subject_kind = $8) ORDER BY q.position LIMIT $9";
    /// An object's events have their versions and their positions in the same order.
    query OF_SUBJECT_AFTER = "SELECT q.position, e.id, e.name, e.visibility, e.priority, \
        e.occurred_at, e.subject_kind, e.subject_version, p.body FROM events e \
        JOIN event_positions q ON q.tenant_id = e.tenant_id AND q.event_id = e.id \
        LEFT JOIN event_payloads p ON p.tenant_id = e.tenant_id AND p.event_id = e.id \
        WHERE e.tenant_id = $1 AND q.position > $2 AND q.position <= $3 \
        AND e.name >= $4 AND e.name <= $5 AND e.occurred_at >= $6 AND e.occurred_at <= $7 \
        AND (ABSENT_TEXT($8) OR e.subject_kind = $8) AND e.subject_id = $10 \
        ORDER BY e.subject_version LIMIT $9";
    query BEFORE = "SELECT q.position, e.id, e.name, e.visibility, e.priority, e.occurred_at, \
        e.subject_kind, e.subject_version, p.body FROM event_positions q \
        JOIN events e ON e.tenant_id = q.tenant_id AND e.id = q.event_id \
        LEFT JOIN event_payloads p ON p.tenant_id = q.tenant_id AND p.event_id = q.event_id \
        WHERE q.tenant_id = $1 AND q.position < $2 ORDER BY q.position DESC LIMIT $3";
    query OF_SUBJECT_BEFORE = "SELECT q.position, e.id, e.name, e.visibility, e.priority, \
        e.occurred_at, e.subject_kind, e.subject_version, p.body FROM events e \
        JOIN event_positions q ON q.tenant_id = e.tenant_id AND q.event_id = e.id \
        LEFT JOIN event_payloads p ON p.tenant_id = e.tenant_id AND p.event_id = e.id \
        WHERE e.tenant_id = $1 AND e.subject_id = $2 AND q.position < $3 \
        ORDER BY e.subject_version DESC LIMIT $4";
    query LAST_POSITION = "SELECT last FROM position_counters WHERE tenant_id = $1";
    query FIRST_POSITION = "SELECT position FROM event_positions WHERE tenant_id = $1 \
        ORDER BY position LIMIT 1";
    query LAST_BEFORE = "SELECT q.position FROM events e \
        JOIN event_positions q ON q.tenant_id = e.tenant_id AND q.event_id = e.id \
        WHERE e.tenant_id = $1 AND e.id < $2 ORDER BY e.id DESC LIMIT 1";
    query FIRST_BEHIND = "SELECT q.position FROM events e \
        JOIN event_positions q ON q.tenant_id = e.tenant_id AND q.event_id = e.id \
        WHERE e.tenant_id = $1 AND e.id > $2 ORDER BY e.id LIMIT 1";
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

/// What the log is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Events of these types.
    pub(crate) types: TypeRange,
    /// Of one object.
    pub(crate) subject_id: Option<AnyId>,
    /// Of this kind of object.
    pub(crate) subject_kind: Option<String>,
    /// Of this time.
    pub(crate) span: Span,
}

/// The events after a position, in order. A page may hold fewer rows than wanted, or none, and yet
/// have a next one: it has looked at as many positions as it may.
pub(crate) async fn after(
    reader: Reader<'_>,
    tenant_id: TenantId,
    filter: &LogFilter,
    page: PageParams,
) -> Result<Page<LogEntry>, DbError> {
    Ok(look(reader, tenant_id, filter, page).await?.0)
}

/// The same, with the position up to which everything was looked at.
pub(crate) async fn look(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    filter: &LogFilter,
    page: PageParams,
) -> Result<(Page<LogEntry>, i64), DbError> {
    let position = page.after.map_or(0, |cursor| cursor.sort);
    let last = last_position(&mut reader, tenant_id).await?;
    let position = begins_behind(&mut reader, tenant_id, (filter.span, position)).await?;
    let end = ends_at(&mut reader, tenant_id, filter.span).await?;
    let end = end.map_or(last, |end| end.min(last));
    let TypeRange { low, high } = &filter.types;
    let Span { from, to } = filter.span;
    let (kind, limit) = (&filter.subject_kind, page.limit + 1);
    let (rows, looked_up_to): (Vec<LogEntry>, i64) = if let Some(subject) = filter.subject_id {
        let id = subject.uuid;
        let args = args![tenant_id, position, end, low, high, from, to, kind, limit, id];
        (reader.rows(&OF_SUBJECT_AFTER, args).await?, end)
    } else {
        let until = end.min(position.saturating_add(ROWS_LOOKED_AT_MAX));
        let args = args![tenant_id, position, until, low, high, from, to, kind, limit];
        (reader.rows(&AFTER, args).await?, until)
    };
    let at = |position| Cursor { sort: position, id: Uuid::nil() };
    let mut page = Page::from_rows(rows, page.limit, |row| at(row.position));
    if page.next.is_none() && looked_up_to < end {
        page.next = Some(at(looked_up_to));
    }
    let looked_up_to = page.next.map_or(looked_up_to, |cursor| cursor.sort);
    Ok((page, looked_up_to))
}

/// Behind which position what happened in a span begins, where only what is behind a position is
/// wanted. What retention has taken from the log's beginning is not looked through.
pub(crate) async fn begins_behind(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    (span, position): (Span, i64),
) -> Result<i64, DbError> {
    let first = first_position(reader, tenant_id).await?;
    let mut position = first.map_or(position, |first| position.max(first - 1));
    if let Some(id) = span.surely_before() {
        let found: Option<(i64,)> = reader.row(&LAST_BEFORE, args![tenant_id, id]).await?;
        position = found.map_or(position, |(found,)| found.max(position));
    }
    Ok(position)
}

/// A position that nothing of a span is behind; none where the log itself ends before.
pub(crate) async fn ends_at(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    span: Span,
) -> Result<Option<i64>, DbError> {
    let Some(id) = span.surely_behind() else { return Ok(None) };
    let found: Option<(i64,)> = reader.row(&FIRST_BEHIND, args![tenant_id, id]).await?;
    Ok(found.map(|(found,)| found))
}

/// The oldest position that the tenant's log still has; none where it is empty.
pub(crate) async fn first_position(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
) -> Result<Option<i64>, DbError> {
    let first: Option<(i64,)> = reader.row(&FIRST_POSITION, args![tenant_id]).await?;
    Ok(first.map(|(first,)| first))
}

/// The newest position of the tenant's log; 0 where it has none.
pub(crate) async fn last_position(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
) -> Result<i64, DbError> {
    let last: Option<(i64,)> = reader.row(&LAST_POSITION, args![tenant_id]).await?;
    Ok(last.map_or(0, |(last,)| last))
}

/// The events before a position, the newest first.
pub(crate) async fn before(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    position: i64,
    limit: i64,
) -> Result<Vec<LogEntry>, DbError> {
    reader.rows(&BEFORE, args![tenant_id, position, limit]).await
}

/// The events of an object before a position, the newest first.
pub(crate) async fn of_subject_before(
    reader: &mut Reader<'_>,
    (tenant_id, subject_id): (TenantId, Uuid),
    page: PageParams,
) -> Result<Page<LogEntry>, DbError> {
    let position = page.after.map_or(i64::MAX, |cursor| cursor.sort);
    let args = args![tenant_id, subject_id, position, page.limit + 1];
    let rows: Vec<LogEntry> = reader.rows(&OF_SUBJECT_BEFORE, args).await?;
    let at = |row: &LogEntry| Cursor { sort: row.position, id: Uuid::nil() };
    Ok(Page::from_rows(rows, page.limit, at))
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
