//! Subscriptions, and the number that says that a tenant's set of them has changed.

use std::collections::HashMap;

use bytes::Bytes;
use tidings_db::{DbError, FromRow, Reader, Row, Stored, Writer, args, json};
use tidings_kernel::{
    Cursor, Page, PageParams, TenantId, Timestamp, Version, WebhookSubscriptionId,
};

use crate::plan::RetryPolicy;
use crate::subscription::{DeliveryOrder, Disabled, Sealed, Subscription};

tidings_db::statements! {
    command INSERT = "INSERT INTO webhook_subscriptions (tenant_id, id, url, events, description, \
        headers, header_names, retry_policy, timeout_seconds, is_active, secret, \
        signing_key, options, custom_metadata, created_at, updated_at, version, \
        rate_per_second, ordering) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
        $13, $14, $15, $16, $17, $18, $19)";
    command UPDATE = "UPDATE webhook_subscriptions SET url = $3, events = $4, description = $5, \
        headers = $6, header_names = $7, retry_policy = $8, timeout_seconds = $9, \
        is_active = $10, disabled_at = $11, disabled_reason = $12, secret = $13, \
        previous_secret = $14, previous_until = $15, custom_metadata = $16, updated_at = $17, \
        deleted_at = $18, version = $19, signing_key = $20, options = $21, \
        rate_per_second = $23, ordering = $24 \
        WHERE tenant_id = $1 AND id = $2 AND version = $22";
    command BUMP = "INSERT INTO webhook_generations (tenant_id, generation, changed_at) \
        VALUES ($1, 1, $2) ON CONFLICT (tenant_id) DO UPDATE \
        SET generation = webhook_generations.generation + 1, changed_at = excluded.changed_at";
    query GET = "SELECT tenant_id, id, url, events, description, headers, header_names, \
        retry_policy, timeout_seconds, is_active, disabled_at, disabled_reason, secret, \
        previous_secret, previous_until, signing_key, options, custom_metadata, created_at, \
        updated_at, deleted_at, version, rate_per_second, ordering FROM webhook_subscriptions \
        WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL";
    query LIST = "SELECT tenant_id, id, url, events, description, headers, header_names, \
        retry_policy, timeout_seconds, is_active, disabled_at, disabled_reason, secret, \
        previous_secret, previous_until, signing_key, options, custom_metadata, created_at, \
        updated_at, deleted_at, version, rate_per_second, ordering FROM webhook_subscriptions \
        WHERE tenant_id = $1 AND deleted_at IS NULL \
        AND (ABSENT_UUID($2) OR id < $2) ORDER BY id DESC LIMIT $3";
    query COUNT = "SELECT COUNT(*) FROM webhook_subscriptions \
        WHERE tenant_id = $1 AND deleted_at IS NULL";
    query MADE_AT_SEQ = "SELECT subject_id, seq FROM events \
        WHERE tenant_id = $1 AND subject_id IN_UUIDS($2) AND subject_version = 1";
    query GENERATION = "SELECT generation FROM webhook_generations WHERE tenant_id = $1";
    across query GENERATIONS = "SELECT tenant_id, generation FROM webhook_generations \
        WHERE tenant_id IN_UUIDS($1)";
}

impl FromRow for Subscription {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            tenant_id: row.take()?,
            id: row.take()?,
            url: row.take()?,
            events: row.json()?,
            description: row.take()?,
            headers: Sealed(row.take()?),
            header_names: row.json()?,
            retry_policy: row.word(RetryPolicy::find)?,
            timeout_seconds: row.take()?,
            is_active: row.take()?,
            disabled: {
                let (at, reason): (Option<Timestamp>, Option<String>) = (row.take()?, row.take()?);
                at.map(|at| Disabled { at, reason: reason.unwrap_or_default() })
            },
            secret: Sealed(row.take()?),
            previous: {
                let (secret, until): (Option<Bytes>, Option<Timestamp>) =
                    (row.take()?, row.take()?);
                secret.map(Sealed).zip(until)
            },
            signing_key: row.take::<Option<Bytes>>()?.map(Sealed),
            options: row.json()?,
            custom_metadata: row.json()?,
            created_at: row.take()?,
            updated_at: row.take()?,
            deleted_at: row.take()?,
            version: row.take()?,
            rate_per_second: row.take()?,
            ordering: row.word(DeliveryOrder::find)?,
        })
    }
}

impl Stored for Subscription {
    async fn save(&self, expected: Version, writer: &mut Writer<'_>) -> Result<u64, DbError> {
        let saved = if expected == 0 {
            let args = args![
                self.tenant_id,
                self.id,
                self.url,
                json(&self.events),
                self.description,
                self.headers.0,
                json(&self.header_names),
                self.retry_policy.name(),
                self.timeout_seconds,
                self.is_active,
                self.secret.0,
                self.signing_key.as_ref().map(|key| key.0.clone()),
                json(&self.options),
                json(&self.custom_metadata),
                self.created_at,
                self.updated_at,
                self.version,
                self.rate_per_second,
                self.ordering.as_str()
            ];
            writer.execute(&INSERT, args).await?
        } else {
            update(self, expected, writer).await?
        };
        writer.execute(&BUMP, args![self.tenant_id, self.updated_at]).await?;
        Ok(saved)
    }
}

async fn update(
    subscription: &Subscription,
    expected: Version,
    writer: &mut Writer<'_>,
) -> Result<u64, DbError> {
    let Subscription { tenant_id, id, url, description, version, .. } = subscription;
    let disabled = subscription.disabled.as_ref();
    let previous = subscription.previous.as_ref();
    let args = args![
        tenant_id,
        id,
        url,
        json(&subscription.events),
        description,
        subscription.headers.0,
        json(&subscription.header_names),
        subscription.retry_policy.name(),
        subscription.timeout_seconds,
        subscription.is_active,
        disabled.map(|disabled| disabled.at),
        disabled.map(|disabled| disabled.reason.clone()),
        subscription.secret.0,
        previous.map(|(secret, _)| secret.0.clone()),
        previous.map(|(_, until)| *until),
        json(&subscription.custom_metadata),
        subscription.updated_at,
        subscription.deleted_at,
        version,
        subscription.signing_key.as_ref().map(|key| key.0.clone()),
        json(&subscription.options),
        expected,
        subscription.rate_per_second,
        subscription.ordering.as_str()
    ];
    writer.execute(&UPDATE, args).await
}

/// The tenant's subscription with this id, unless it is deleted.
pub(crate) async fn find(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    id: WebhookSubscriptionId,
) -> Result<Option<Subscription>, DbError> {
    reader.row(&GET, args![tenant_id, id]).await
}

/// The tenant's subscriptions, the newest first.
pub(crate) async fn list(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    page: PageParams,
) -> Result<Page<Subscription>, DbError> {
    let after = page.after.map(|cursor| cursor.id);
    let args = args![tenant_id, after, page.limit + 1];
    let rows: Vec<Subscription> = reader.rows(&LIST, args).await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor { sort: 0, id: row.id.uuid() }))
}

/// How many subscriptions the tenant has.
pub(crate) async fn count(mut reader: Reader<'_>, tenant_id: TenantId) -> Result<i64, DbError> {
    reader.scalar(&COUNT, args![tenant_id]).await
}

/// The places in the log at which these were made: of the first event of each.
pub(crate) async fn made_at_seq(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    ids: &[WebhookSubscriptionId],
) -> Result<HashMap<WebhookSubscriptionId, i64>, DbError> {
    let rows: Vec<(WebhookSubscriptionId, i64)> =
        reader.rows(&MADE_AT_SEQ, args![tenant_id, ids]).await?;
    Ok(rows.into_iter().collect())
}

/// Which state of the tenant's set of subscriptions is the current one; 0 before the first.
pub(crate) async fn generation(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
) -> Result<i64, DbError> {
    let row: Option<(i64,)> = reader.row(&GENERATION, args![tenant_id]).await?;
    Ok(row.map_or(0, |(generation,)| generation))
}

/// The same for many tenants at once.
pub(crate) async fn generations(
    mut reader: Reader<'_>,
    tenants: &[TenantId],
) -> Result<Vec<(TenantId, i64)>, DbError> {
    reader.rows(&GENERATIONS, args![tenants]).await
}
