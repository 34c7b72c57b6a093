//! Erasures, and what they look for.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidings_db::{DbError, FromRow, Reader, Row, Stored, Writer, args};
use tidings_kernel::{
    AnyId, Cursor, ErasureId, EventId, Page, PageParams, RequestId, TenantId, Timestamp, Uuid,
    Version,
};

use crate::erasure::{Counts, Erasure, Phase};

tidings_db::statements! {
    command INSERT = "INSERT INTO erasures (tenant_id, id, subject_id, subject_text, asked_by, \
        before_version, before_at, phase, reached, own_events, mentioning_events, \
        deliveries_discarded, attempts_cleared, replies_replaced, requested_at, version) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    command UPDATE = "UPDATE erasures SET phase = $3, reached = $4, own_events = $5, \
        mentioning_events = $6, deliveries_discarded = $7, attempts_cleared = $8, \
        replies_replaced = $9, completed_at = $10, version = $11 \
        WHERE tenant_id = $1 AND id = $2 AND version = $12";
    query GET = "SELECT tenant_id, id, subject_text, asked_by, before_version, \
        before_at, phase, reached, own_events, mentioning_events, deliveries_discarded, \
        attempts_cleared, replies_replaced, requested_at, completed_at, version FROM erasures \
        WHERE tenant_id = $1 AND id = $2";
    query LIST = "SELECT tenant_id, id, subject_text, asked_by, before_version, \
        before_at, phase, reached, own_events, mentioning_events, deliveries_discarded, \
        attempts_cleared, replies_replaced, requested_at, completed_at, version FROM erasures \
        WHERE tenant_id = $1 AND (ABSENT_UUID($2) OR id < $2) ORDER BY id DESC LIMIT $3";
    /// What every node has to know: what is not sent any more.
    across query UNFINISHED = "SELECT tenant_id, id, subject_text, before_at FROM erasures \
        WHERE completed_at IS NULL AND (tenant_id, id) > ($1, $2) ORDER BY tenant_id, id LIMIT $3";
    /// What was finished meanwhile: nodes may still hold something of it in memory.
    across query FINISHED = "SELECT tenant_id, id, subject_text, before_at, completed_at \
        FROM erasures WHERE completed_at >= $1 AND (tenant_id, id) > ($2, $3) \
        ORDER BY tenant_id, id LIMIT $4";
    query COUNT_UNFINISHED = "SELECT COUNT(*) FROM erasures \
        WHERE tenant_id = $1 AND completed_at IS NULL";
    across query CLEANING = "SELECT tenant_id, id FROM erasures \
        WHERE completed_at IS NULL AND phase = 'cleaning' ORDER BY requested_at LIMIT $1";
    query LAST_OF_SUBJECT = "SELECT subject_kind, subject_version FROM events \
        WHERE tenant_id = $1 AND subject_id = $2 ORDER BY subject_version DESC LIMIT 1";
    query REQUEST_OF = "SELECT request_id FROM events WHERE tenant_id = $1 AND id = $2";
    query FIRST_OF_REQUEST = "SELECT subject_version FROM events WHERE tenant_id = $1 \
        AND subject_id = $2 AND request_id = $3 ORDER BY subject_version LIMIT 1";
    query OWN_EVENTS = "SELECT id, subject_version FROM events WHERE tenant_id = $1 \
        AND subject_id = $2 AND subject_version > $3 AND subject_version < $4 \
        ORDER BY subject_version LIMIT $5";
    query BODIES = "SELECT event_id, body FROM event_payloads WHERE tenant_id = $1 \
        AND event_id > $2 AND event_id < $3 ORDER BY event_id LIMIT $4";
    query SIZES = "SELECT CAST(LENGTH(body) AS BIGINT) FROM event_payloads WHERE tenant_id = $1 \
        AND event_id > $2 AND event_id < $3 ORDER BY event_id LIMIT $4";
    /// When these happened; what tells of erasures names the subject and stays.
    query INSTANTS = "SELECT id, occurred_at FROM events WHERE tenant_id = $1 \
        AND id IN_UUIDS($2) AND subject_kind <> 'erasure'";
    query IN_PHASE = "SELECT tenant_id, id, subject_text, asked_by, before_version, \
        before_at, phase, reached, own_events, mentioning_events, deliveries_discarded, \
        attempts_cleared, replies_replaced, requested_at, completed_at, version FROM erasures \
        WHERE tenant_id = $1 AND completed_at IS NULL AND phase = $2 AND id <> $3 \
        ORDER BY id LIMIT $4";
}

/// The third column: a subject as events name it.
fn subject(row: &mut Row) -> Result<AnyId, DbError> {
    row.take::<String>()?.parse().map_err(|_| DbError::Decode { column: 2 })
}

impl FromRow for Erasure {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            tenant_id: row.take()?,
            id: row.take()?,
            subject: subject(row)?,
            asked_by: row.take()?,
            before_version: row.take()?,
            before_at: row.take()?,
            phase: row.word(Phase::find)?,
            reached: row.take()?,
            counts: Counts {
                own_events: row.take()?,
                mentioning_events: row.take()?,
                deliveries_discarded: row.take()?,
                attempts_cleared: row.take()?,
                replies_replaced: row.take()?,
            },
            requested_at: row.take()?,
            completed_at: row.take()?,
            version: row.take()?,
        })
    }
}

impl Stored for Erasure {
    async fn save(&self, expected: Version, writer: &mut Writer<'_>) -> Result<u64, DbError> {
        if expected != 0 {
            return update(self, expected, writer).await;
        }
        let Counts {
            own_events,
            mentioning_events,
            deliveries_discarded,
            attempts_cleared,
            replies_replaced,
        } = self.counts;
        let args = args![
            self.tenant_id,
            self.id,
            self.subject.uuid,
            self.subject.to_string(),
            self.asked_by,
            self.before_version,
            self.before_at,
            self.phase.as_str(),
            self.reached,
            own_events,
            mentioning_events,
            deliveries_discarded,
            attempts_cleared,
            replies_replaced,
            self.requested_at,
            self.version
        ];
        writer.execute(&INSERT, args).await
    }
}

/// Writes how far an erasure has come, where it is still at the expected version.
pub(crate) async fn update(
    erasure: &Erasure,
    expected: Version,
    writer: &mut Writer<'_>,
) -> Result<u64, DbError> {
    let Counts {
        own_events,
        mentioning_events,
        deliveries_discarded,
        attempts_cleared,
        replies_replaced,
    } = erasure.counts;
    let args = args![
        erasure.tenant_id,
        erasure.id,
        erasure.phase.as_str(),
        erasure.reached,
        own_events,
        mentioning_events,
        deliveries_discarded,
        attempts_cleared,
        replies_replaced,
        erasure.completed_at,
        erasure.version,
        expected
    ];
    writer.execute(&UPDATE, args).await
}

/// The tenant's erasure with this id.
pub(crate) async fn find(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    id: ErasureId,
) -> Result<Option<Erasure>, DbError> {
    reader.row(&GET, args![tenant_id, id]).await
}

/// The tenant's erasures, the newest first.
pub(crate) async fn list(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    page: PageParams,
) -> Result<Page<Erasure>, DbError> {
    let after = page.after.map(|cursor| cursor.id);
    let rows: Vec<Erasure> = reader.rows(&LIST, args![tenant_id, after, page.limit + 1]).await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor { sort: 0, id: row.id.uuid() }))
}

/// A subject of which nothing is sent any more that happened before an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Silenced {
    pub(crate) tenant_id: TenantId,
    pub(crate) erasure_id: ErasureId,
    pub(crate) subject: AnyId,
    pub(crate) before_at: Timestamp,
}

impl FromRow for Silenced {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            tenant_id: row.take()?,
            erasure_id: row.take()?,
            subject: subject(row)?,
            before_at: row.take()?,
        })
    }
}

/// The same, once its erasure is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) silenced: Silenced,
    pub(crate) completed_at: Timestamp,
}

impl FromRow for Finished {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self { silenced: Silenced::from_row(row)?, completed_at: row.take()? })
    }
}

/// Some of the erasures that are not finished, behind one of them.
pub(crate) async fn unfinished(
    reader: &mut Reader<'_>,
    (tenant_id, id): (TenantId, ErasureId),
    limit: i64,
) -> Result<Vec<Silenced>, DbError> {
    reader.rows(&UNFINISHED, args![tenant_id, id, limit]).await
}

/// Some of those that were finished since an instant, behind one of them.
pub(crate) async fn finished_since(
    reader: &mut Reader<'_>,
    since: Timestamp,
    (tenant_id, id): (TenantId, ErasureId),
    limit: i64,
) -> Result<Vec<Finished>, DbError> {
    reader.rows(&FINISHED, args![since, tenant_id, id, limit]).await
}

/// How many erasures of a tenant are not finished.
pub(crate) async fn count_unfinished(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
) -> Result<i64, DbError> {
    reader.scalar(&COUNT_UNFINISHED, args![tenant_id]).await
}

/// Erasures whose rows are gone and that have no receipt yet.
pub(crate) async fn cleaning(
    reader: &mut Reader<'_>,
    limit: i64,
) -> Result<Vec<(TenantId, ErasureId)>, DbError> {
    reader.rows(&CLEANING, args![limit]).await
}

/// What a subject is and its version, as its last event says.
pub(crate) async fn last_of_subject(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    subject_id: Uuid,
) -> Result<Option<(String, Version)>, DbError> {
    reader.row(&LAST_OF_SUBJECT, args![tenant_id, subject_id]).await
}

/// The version of a subject's first event in the request that an event belongs to.
pub(crate) async fn first_beside(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    (subject_id, event_id): (Uuid, EventId),
) -> Result<Option<Version>, DbError> {
    let request: Option<(RequestId,)> = reader.row(&REQUEST_OF, args![tenant_id, event_id]).await?;
    let Some((request_id,)) = request else { return Ok(None) };
    let args = args![tenant_id, subject_id, request_id];
    let first: Option<(Version,)> = reader.row(&FIRST_OF_REQUEST, args).await?;
    Ok(first.map(|(version,)| version))
}

/// A subject's events between two versions, both left out, in order.
pub(crate) async fn own_events(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    (subject_id, after, before): (Uuid, Version, Version),
    limit: i64,
) -> Result<Vec<(EventId, Version)>, DbError> {
    reader.rows(&OWN_EVENTS, args![tenant_id, subject_id, after, before, limit]).await
}

/// The payloads between two ids, both left out, in order.
pub(crate) async fn bodies(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    (after, before): (Uuid, Uuid),
    limit: i64,
) -> Result<Vec<(EventId, Bytes)>, DbError> {
    reader.rows(&BODIES, args![tenant_id, after, before, limit]).await
}

/// The bytes of each of the payloads between two ids, both left out, in order.
pub(crate) async fn sizes(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    (after, before): (Uuid, Uuid),
    limit: i64,
) -> Result<Vec<i64>, DbError> {
    let rows: Vec<(i64,)> = reader.rows(&SIZES, args![tenant_id, after, before, limit]).await?;
    Ok(rows.into_iter().map(|(size,)| size).collect())
}

/// When these events happened, but those that tell of erasures.
pub(crate) async fn instants(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    events: &[EventId],
) -> Result<BTreeMap<EventId, Timestamp>, DbError> {
    if events.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(EventId, Timestamp)> = reader.rows(&INSTANTS, args![tenant_id, events]).await?;
    Ok(rows.into_iter().collect())
}

/// Other erasures of the tenant that are in the same phase, the oldest first.
pub(crate) async fn in_phase(
    reader: &mut Reader<'_>,
    erasure: &Erasure,
    limit: i64,
) -> Result<Vec<Erasure>, DbError> {
    let args = args![erasure.tenant_id, erasure.phase.as_str(), erasure.id, limit];
    reader.rows(&IN_PHASE, args).await
}
