//! The consent log of customers.

use tidings_db::{DbError, FromRow, Reader, Row, Stored, ToValue, Value, Writer, args};
use tidings_events::customers::{ConsentDecision, ConsentPurpose};
use tidings_kernel::{CustomerId, Page, PageParams, TenantId, Version};

use crate::consent::{Consent, Evidence};
use crate::store::of_customer;

tidings_db::statements! {
    insert INSERT = "customer_consents" (
        tenant_id uuid, id uuid, customer_id uuid, purpose text, decision text, source text,
        wording text, text_version text, ip_address text, user_agent text, given_at int,
        recorded_by text, created_at int, version int
    ), "";
    query LIST = "SELECT id, tenant_id, customer_id, purpose, decision, source, wording, \
        text_version, ip_address, user_agent, given_at, recorded_by, created_at, version \
        FROM customer_consents WHERE tenant_id = $1 AND customer_id = $2 \
        AND (ABSENT_UUID($3) OR id < $3) ORDER BY id DESC LIMIT $4";
    command DELETE_ALL = "DELETE FROM customer_consents \
        WHERE tenant_id = $1 AND customer_id = $2";
}

impl FromRow for Consent {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.take()?,
            tenant_id: row.take()?,
            customer_id: row.take()?,
            purpose: row.word(ConsentPurpose::find)?,
            decision: row.word(ConsentDecision::find)?,
            evidence: Evidence {
                source: row.take()?,
                wording: row.take()?,
                text_version: row.take()?,
                ip_address: row.take()?,
                user_agent: row.take()?,
            },
            given_at: row.take()?,
            recorded_by: row.take()?,
            created_at: row.take()?,
            version: row.take()?,
        })
    }
}

impl Stored for Consent {
    async fn save(&self, _: Version, writer: &mut Writer<'_>) -> Result<u64, DbError> {
        writer.execute_many(&INSERT, &[columns(self)]).await
    }
}

fn columns(consent: &Consent) -> Vec<Value> {
    let Evidence { source, wording, text_version, ip_address, user_agent } = &consent.evidence;
    vec![
        consent.tenant_id.to_value(),
        consent.id.to_value(),
        consent.customer_id.to_value(),
        consent.purpose.as_str().to_value(),
        consent.decision.as_str().to_value(),
        source.to_value(),
        wording.to_value(),
        text_version.to_value(),
        ip_address.to_value(),
        user_agent.to_value(),
        consent.given_at.to_value(),
        consent.recorded_by.to_value(),
        consent.created_at.to_value(),
        consent.version.to_value(),
    ]
}

/// Writes entries that an event beside them tells of.
pub(crate) async fn append(writer: &mut Writer<'_>, consents: &[Consent]) -> Result<(), DbError> {
    let rows: Vec<Vec<Value>> = consents.iter().map(columns).collect();
    writer.execute_many(&INSERT, &rows).await.map(|_| ())
}

/// The consent log of a customer, the newest entry first.
pub(crate) async fn list(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    customer_id: CustomerId,
    page: PageParams,
) -> Result<Page<Consent>, DbError> {
    let of = (tenant_id, customer_id);
    of_customer::list(reader, &LIST, of, page, |entry: &Consent| entry.id.uuid()).await
}

/// Deletes the whole consent log of a customer.
pub(crate) async fn delete_all(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    customer_id: CustomerId,
) -> Result<(), DbError> {
    writer.execute(&DELETE_ALL, args![tenant_id, customer_id]).await.map(|_| ())
}
