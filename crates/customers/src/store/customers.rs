//! Customers, one by one.

use tidings_db::{DbError, FromRow, Reader, Row, Stored, ToValue, Value, Writer, args, json};
use tidings_events::customers::CustomerStatus;
use tidings_jobs::SweepItem;
use tidings_kernel::{CustomerId, TenantId, Timestamp, Version, limits};

use crate::criteria::fold;
use crate::customer::{Customer, Presence};
use crate::number::CustomerNumber;
use crate::store::{activities, consents};

tidings_db::statements! {
    command INSERT = "INSERT INTO customers (tenant_id, id, customer_number, status, email, \
        email_folded, email_verified, customer_type, tier, country, segment_id, assigned_to, \
        external_id, source_system, search, profile, figures, lifetime_value, lifetime_currency, \
        last_purchase_at, deleted_at, erase_at, updated_at, updated_by, version, created_at, \
        created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
        $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)";
    command UPDATE = "UPDATE customers SET customer_number = $3, status = $4, email = $5, \
        email_folded = $6, email_verified = $7, customer_type = $8, tier = $9, country = $10, \
        segment_id = $11, assigned_to = $12, external_id = $13, source_system = $14, search = $15, \
        profile = $16, figures = $17, lifetime_value = $18, lifetime_currency = $19, \
        last_purchase_at = $20, deleted_at = $21, erase_at = $22, updated_at = $23, \
        updated_by = $24, version = $25 WHERE tenant_id = $1 AND id = $2 AND version = $26";
    /// Notes, contacts and purchases go with it.
    command DELETE = "DELETE FROM customers WHERE tenant_id = $1 AND id = $2 AND version = $3";
    insert ADD_TAGS = "customer_tags" (tenant_id uuid, tag text, customer_id uuid),
        "ON CONFLICT DO NOTHING";
    command DROP_ALL_TAGS = "DELETE FROM customer_tags WHERE tenant_id = $1 AND customer_id = $2";
    command DROP_TAGS = "DELETE FROM customer_tags WHERE tenant_id = $1 AND customer_id = $2 \
        AND NOT (tag IN_TEXTS($3))";
    query GET = concat!("SELECT ", customer_columns!(), " FROM customers c \
        WHERE c.tenant_id = $1 AND c.id = $2");
    query GET_BY_NUMBER = concat!("SELECT ", customer_columns!(), " FROM customers c \
        WHERE c.tenant_id = $1 AND c.customer_number = $2");
    command CLAIM_NUMBER = "INSERT INTO customer_numbers (tenant_id, customer_number) \
        VALUES ($1, $2) ON CONFLICT DO NOTHING";
    command TOUCH_CONTACT = "UPDATE customers SET last_contact_at = $3 \
        WHERE tenant_id = $1 AND id = $2";
    across query TO_ERASE = "SELECT tenant_id, id FROM customers WHERE erase_at <= $1 \
        ORDER BY erase_at LIMIT $2";
}

impl FromRow for Customer {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        let (id, tenant_id) = (row.take()?, row.take()?);
        let number = row.word(|text| text.parse::<CustomerNumber>().ok())?;
        let status = row.word(CustomerStatus::find)?;
        let (profile, figures) = (row.json()?, row.json()?);
        let last_contact_at = row.take()?;
        let presence = match (row.take()?, row.take()?) {
            (Some(deleted_at), Some(erase_at)) => Presence::Deleted { deleted_at, erase_at },
            _ => Presence::Kept,
        };
        Ok(Self {
            id,
            tenant_id,
            number,
            status,
            profile,
            figures,
            last_contact_at,
            presence,
            created_at: row.take()?,
            created_by: row.take()?,
            updated_at: row.take()?,
            updated_by: row.take()?,
            version: row.take()?,
        })
    }
}

impl Stored for Customer {
    async fn save(&self, expected: Version, writer: &mut Writer<'_>) -> Result<u64, DbError> {
        if self.presence == Presence::Erased {
            let deleted = writer.execute(&DELETE, args![self.tenant_id, self.id, expected]).await?;
            if deleted > 0 {
                writer.execute(&DROP_ALL_TAGS, args![self.tenant_id, self.id]).await?;
                activities::delete_all(writer, self.tenant_id, self.id).await?;
                consents::delete_all(writer, self.tenant_id, self.id).await?;
            }
            return Ok(deleted);
        }
        let mut values = columns(self);
        let saved = if expected == 0 {
            values.extend([self.created_at.to_value(), self.created_by.to_value()]);
            writer.execute(&INSERT, &values).await?
        } else {
            values.push(expected.to_value());
            writer.execute(&UPDATE, &values).await?
        };
        if saved > 0 {
            save_tags(self, expected, writer).await?;
        }
        Ok(saved)
    }
}

/// What both an insert and an update write, in the order of their parameters.
fn columns(customer: &Customer) -> Vec<Value> {
    let Customer { profile, figures, .. } = customer;
    vec![
        customer.tenant_id.to_value(),
        customer.id.to_value(),
        customer.number.as_str().to_value(),
        customer.status.as_str().to_value(),
        profile.email.to_value(),
        fold(&profile.email).to_value(),
        profile.email_verified.to_value(),
        profile.customer_type.as_str().to_value(),
        profile.tier.as_str().to_value(),
        profile.country.to_value(),
        profile.segment_id.to_value(),
        profile.assigned_to.to_value(),
        profile.external_id.to_value(),
        profile.source_system.to_value(),
        customer.search_text().to_value(),
        json(profile),
        json(figures),
        figures.lifetime_value.to_value(),
        figures.currency.to_value(),
        figures.last_purchase_at.to_value(),
        customer.deleted_at().to_value(),
        customer.erase_at().to_value(),
        customer.updated_at.to_value(),
        customer.updated_by.to_value(),
        customer.version.to_value(),
    ]
}

/// Keeps the table of tags in step with the profile.
async fn save_tags(
    customer: &Customer,
    expected: Version,
    writer: &mut Writer<'_>,
) -> Result<(), DbError> {
    let Customer { tenant_id, id, profile, .. } = customer;
    if expected > 0 {
        writer.execute(&DROP_TAGS, args![tenant_id, id, profile.tags[..]]).await?;
    }
    let tags: Vec<Vec<Value>> = profile
        .tags
        .iter()
        .map(|tag| vec![tenant_id.to_value(), tag.to_value(), id.to_value()])
        .collect();
    writer.execute_many(&ADD_TAGS, &tags).await.map(|_| ())
}

/// The tenant's customer with this id, deleted or not.
pub(crate) async fn find(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    id: CustomerId,
) -> Result<Option<Customer>, DbError> {
    reader.row(&GET, args![tenant_id, id]).await
}

/// The tenant's customer with this number, deleted or not.
pub(crate) async fn find_by_number(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    number: &CustomerNumber,
) -> Result<Option<Customer>, DbError> {
    reader.row(&GET_BY_NUMBER, args![tenant_id, number.as_str()]).await
}

/// Claims a number; says whether it was free.
pub(crate) async fn claim_number(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    number: &CustomerNumber,
) -> Result<bool, DbError> {
    let claimed = writer.execute(&CLAIM_NUMBER, args![tenant_id, number.as_str()]).await?;
    Ok(claimed > 0)
}

/// Writes down when somebody was last in touch.
pub(crate) async fn touch_contact(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    id: CustomerId,
    at: Timestamp,
) -> Result<(), DbError> {
    writer.execute(&TOUCH_CONTACT, args![tenant_id, id, at]).await.map(|_| ())
}

/// The deleted customers of all tenants whose time is up.
pub(crate) async fn to_erase(
    reader: &mut Reader<'_>,
    now: Timestamp,
) -> Result<Vec<SweepItem>, DbError> {
    let rows: Vec<(TenantId, CustomerId)> =
        reader.rows(&TO_ERASE, args![now, limits::SWEEP_ROWS_MAX]).await?;
    Ok(rows.into_iter().map(|(tenant_id, id)| SweepItem { tenant_id, id: id.uuid() }).collect())
}
