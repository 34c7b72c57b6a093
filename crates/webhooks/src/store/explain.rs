//! What is known of an event and a subscription, to explain what came of them.

use bytes::Bytes;
use tidings_db::{DbError, FromRow, Reader, Row, args};
use tidings_kernel::{
    Cursor, EventId, Page, PageParams, TenantId, Timestamp, Uuid, Version, WebhookSubscriptionId,
};

use crate::subscription::Subscription;

tidings_db::statements! {
    query EVENT = "SELECT e.name, e.visibility, e.occurred_at, e.subject_id, e.subject_version, \
        q.event_id, p.body, e.seq FROM events e \
        LEFT JOIN dispatch q ON q.tenant_id = e.tenant_id AND q.event_id = e.id \
        LEFT JOIN event_payloads p ON p.tenant_id = e.tenant_id AND p.event_id = e.id \
        WHERE e.tenant_id = $1 AND e.id = $2";
    /// Those that are there, and those that were when it happened.
    query SUBSCRIPTIONS = "SELECT tenant_id, id, url, events, description, headers, header_names, \
        retry_policy, timeout_seconds, is_active, disabled_at, disabled_reason, secret, \
        previous_secret, previous_until, signing_key, options, custom_metadata, created_at, \
        updated_at, deleted_at, version, rate_per_second, ordering FROM webhook_subscriptions \
        WHERE tenant_id = $1 AND (deleted_at IS NULL OR deleted_at >= $2) \
        AND (ABSENT_UUID($3) OR id < $3) AND (ABSENT_UUID($4) OR id = $4) \
        ORDER BY id DESC LIMIT $5";
    query EARLIER = "SELECT event_id FROM deliveries WHERE tenant_id = $1 \
        AND subscription_id = $2 AND order_key = $3 AND order_version < $4 \
        AND order_key IS NOT NULL AND next_attempt_at IS NOT NULL ORDER BY order_version LIMIT 1";
}

/// An event, as far as its fate depends on it.
#[derive(Debug)]
pub(crate) struct FatedEvent {
    pub(crate) name: String,
    pub(crate) visibility: String,
    pub(crate) occurred_at: Timestamp,
    pub(crate) subject: (Uuid, Version),
    /// Whether it still waits to be fanned out.
    pub(crate) is_undispatched: bool,
    pub(crate) body: Option<Bytes>,
    /// Its place in the log as it was written.
    pub(crate) seq: i64,
}

impl FromRow for FatedEvent {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            name: row.take()?,
            visibility: row.take()?,
            occurred_at: row.take()?,
            subject: (row.take()?, row.take()?),
            is_undispatched: row.take::<Option<EventId>>()?.is_some(),
            body: row.take()?,
            seq: row.take()?,
        })
    }
}

/// The event with this id.
pub(crate) async fn event(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    id: EventId,
) -> Result<Option<FatedEvent>, DbError> {
    reader.row(&EVENT, args![tenant_id, id]).await
}

/// Subscriptions that exist, or did at an instant; one of them, where one is named. The newest first.
pub(crate) async fn subscriptions(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    (at, only): (Timestamp, Option<WebhookSubscriptionId>),
    page: PageParams,
) -> Result<Page<Subscription>, DbError> {
    let after = page.after.map(|cursor| cursor.id);
    let args = args![tenant_id, at, after, only, page.limit + 1];
    let rows: Vec<Subscription> = reader.rows(&SUBSCRIPTIONS, args).await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor { sort: 0, id: row.id.uuid() }))
}

/// The first earlier event of an object that is still on its way to a subscription.
pub(crate) async fn earlier(
    mut reader: Reader<'_>,
    (tenant_id, id): (TenantId, WebhookSubscriptionId),
    (subject_id, version): (Uuid, Version),
) -> Result<Option<EventId>, DbError> {
    let row: Option<(EventId,)> =
        reader.row(&EARLIER, args![tenant_id, id, subject_id, version]).await?;
    Ok(row.map(|(event_id,)| event_id))
}
