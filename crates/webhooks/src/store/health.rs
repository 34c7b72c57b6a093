//! How endpoints fare: written with the outcomes, read by the sweep that tells their owners.

use std::collections::BTreeMap;

use tidings_db::{DbError, FromRow, Reader, Row, ToValue, Value, Writer, args};
use tidings_kernel::{TenantId, Timestamp, WebhookSubscriptionId};

use crate::health::{FAILING_FROM, Health, Told};

tidings_db::statements! {
    /// One batch's outcomes of an endpoint: whether something arrived, and the failures after that.
    insert RECORD = "endpoint_health" (
        tenant_id uuid, subscription_id uuid, failures int, failing_since int, hours int,
        last_failure_at int, last_success_at int, told text
    ), "ON CONFLICT (tenant_id, subscription_id) DO UPDATE SET \
        failures = excluded.failures + CASE WHEN excluded.last_success_at IS NULL \
            THEN endpoint_health.failures ELSE 0 END, \
        failing_since = CASE WHEN excluded.last_success_at IS NULL \
            THEN COALESCE(endpoint_health.failing_since, excluded.failing_since) \
            ELSE excluded.failing_since END, \
        hours = excluded.hours + CASE WHEN excluded.last_success_at IS NOT NULL THEN 0 \
            WHEN endpoint_health.failing_since IS NOT NULL \
                AND endpoint_health.last_failure_at / 3600000000 \
                    = excluded.last_failure_at / 3600000000 \
            THEN endpoint_health.hours - 1 ELSE endpoint_health.hours END, \
        last_failure_at = COALESCE(excluded.last_failure_at, endpoint_health.last_failure_at), \
        last_success_at = COALESCE(excluded.last_success_at, endpoint_health.last_success_at)";
    /// The endpoints whose owner may have to be told something.
    across query ILL = "SELECT tenant_id, subscription_id FROM endpoint_health \
        WHERE (failing_since IS NOT NULL OR told <> 'well') \
        AND (failing_since IS NULL OR (told = 'well' AND failures >= $1) \
            OR (told = 'failing' AND failing_since <= $2) \
            OR (told = 'warned' AND failing_since <= $3 AND told_at <= $4)) LIMIT 500";
    query GET = "SELECT tenant_id, subscription_id, failures, failing_since, hours, \
        last_success_at, last_failure_at, told, told_at FROM endpoint_health \
        WHERE tenant_id = $1 AND subscription_id = $2";
    command TELL = "UPDATE endpoint_health SET told = $3, told_at = $4 \
        WHERE tenant_id = $1 AND subscription_id = $2";
    command FORGET = "DELETE FROM endpoint_health WHERE tenant_id = $1 AND subscription_id = $2";
}

impl FromRow for Health {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            tenant_id: row.take()?,
            subscription_id: row.take()?,
            failures: row.take()?,
            failing_since: row.take()?,
            hours: row.take()?,
            last_success_at: row.take()?,
            last_failure_at: row.take()?,
            told: row.word(Told::find)?,
            told_at: row.take()?,
        })
    }
}

/// Remembers what the owner was told.
pub(crate) async fn tell(writer: &mut Writer<'_>, health: &Health) -> Result<(), DbError> {
    let Health { tenant_id, subscription_id, told, told_at, .. } = health;
    let args = args![tenant_id, subscription_id, told.as_str(), told_at];
    writer.execute(&TELL, args).await.map(|_| ())
}

/// The outcomes of one batch, by endpoint.
#[derive(Debug, Default)]
pub(crate) struct Outcomes(BTreeMap<(TenantId, WebhookSubscriptionId), Outcome>);

#[derive(Debug, Default, Clone, Copy)]
struct Outcome {
    last_success_at: Option<Timestamp>,
    /// Failures after the last success of the batch.
    failures: i64,
    failing_since: Option<Timestamp>,
    last_failure_at: Option<Timestamp>,
}

impl Outcomes {
    /// Adds an attempt that was made.
    pub(crate) fn add(
        &mut self,
        endpoint: (TenantId, WebhookSubscriptionId),
        arrived: bool,
        at: Timestamp,
    ) {
        let outcome = self.0.entry(endpoint).or_default();
        if arrived {
            *outcome = Outcome { last_success_at: Some(at), ..Outcome::default() };
        } else {
            outcome.failures += 1;
            outcome.failing_since.get_or_insert(at);
            outcome.last_failure_at = Some(at);
        }
    }

    /// Whether nothing was sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes them, in the order of their keys, so that two nodes never wait for each other.
    pub(crate) async fn write(&self, writer: &mut Writer<'_>) -> Result<(), DbError> {
        let rows: Vec<Vec<Value>> = self
            .0
            .iter()
            .map(|((tenant_id, subscription_id), outcome)| {
                vec![
                    tenant_id.to_value(),
                    subscription_id.to_value(),
                    outcome.failures.to_value(),
                    outcome.failing_since.to_value(),
                    i64::from(outcome.failures > 0).to_value(),
                    outcome.last_failure_at.to_value(),
                    outcome.last_success_at.to_value(),
                    Told::Well.as_str().to_value(),
                ]
            })
            .collect();
        writer.execute_many(&RECORD, &rows).await.map(|_| ())
    }
}

/// The endpoints whose owner may have to be told something.
pub(crate) async fn ill(
    mut reader: Reader<'_>,
    now: Timestamp,
) -> Result<Vec<(TenantId, WebhookSubscriptionId)>, DbError> {
    use crate::health::{DISABLED_AFTER, NOTICE, WARNED_AFTER};
    let (warned, disabled) = (now.before(WARNED_AFTER), now.before(DISABLED_AFTER));
    let args = args![i64::from(FAILING_FROM), warned, disabled, now.before(NOTICE)];
    reader.rows(&ILL, args).await
}

/// How this endpoint fares; nothing where it never had an outcome.
pub(crate) async fn find(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    subscription_id: WebhookSubscriptionId,
) -> Result<Option<Health>, DbError> {
    reader.row(&GET, args![tenant_id, subscription_id]).await
}

/// Begins anew: the endpoint was disabled, or switched on again.
pub(crate) async fn forget(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    subscription_id: WebhookSubscriptionId,
) -> Result<(), DbError> {
    writer.execute(&FORGET, args![tenant_id, subscription_id]).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use tidings_kernel::Uuid;

    use super::*;

    #[test]
    fn a_batch_counts_the_failures_after_its_last_success() {
        let endpoint =
            (TenantId::from_uuid(Uuid::nil()), WebhookSubscriptionId::from_uuid(Uuid::nil()));
        let at = Timestamp::from_micros;
        let mut outcomes = Outcomes::default();
        for (arrived, micros) in [(false, 1), (false, 2), (true, 3), (false, 4), (false, 5)] {
            outcomes.add(endpoint, arrived, at(micros));
        }
        let outcome = outcomes.0[&endpoint];
        assert_eq!(outcome.failures, 2);
        assert_eq!(outcome.last_success_at, Some(at(3)));
        assert_eq!((outcome.failing_since, outcome.last_failure_at), (Some(at(4)), Some(at(5))));
    }
}
