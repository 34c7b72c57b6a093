//! Contact persons of customers.

use tidings_db::{DbError, FromRow, Reader, Row, Stored, Writer, args};
use tidings_events::customers::ContactRole;
use tidings_kernel::{ContactId, CustomerId, Page, PageParams, TenantId, Version};

use crate::contact::Contact;
use crate::store::of_customer;

tidings_db::statements! {
    command INSERT = "INSERT INTO customer_contacts (tenant_id, id, customer_id, role, name, \
        email, phone, created_by, created_at, version) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    query GET = "SELECT id, tenant_id, customer_id, role, name, email, phone, created_by, \
        created_at, version FROM customer_contacts WHERE tenant_id = $1 AND id = $2";
    query LIST = "SELECT id, tenant_id, customer_id, role, name, email, phone, created_by, \
        created_at, version FROM customer_contacts WHERE tenant_id = $1 AND customer_id = $2 \
        AND (ABSENT_UUID($3) OR id < $3) ORDER BY id DESC LIMIT $4";
    query COUNT = "SELECT COUNT(*) FROM customer_contacts \
        WHERE tenant_id = $1 AND customer_id = $2";
    command DELETE = "DELETE FROM customer_contacts \
        WHERE tenant_id = $1 AND id = $2 AND version = $3";
    command DELETE_ALL = "DELETE FROM customer_contacts \
        WHERE tenant_id = $1 AND customer_id = $2";
}

impl FromRow for Contact {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.take()?,
            tenant_id: row.take()?,
            customer_id: row.take()?,
            role: row.word(ContactRole::find)?,
            name: row.take()?,
            email: row.take()?,
            phone: row.take()?,
            created_by: row.take()?,
            created_at: row.take()?,
            removed: false,
            version: row.take()?,
        })
    }
}

impl Stored for Contact {
    async fn save(&self, expected: Version, writer: &mut Writer<'_>) -> Result<u64, DbError> {
        let Self { id, tenant_id, customer_id, name, email, phone, .. } = self;
        if self.removed {
            return writer.execute(&DELETE, args![tenant_id, id, expected]).await;
        }
        let Self { created_by, created_at, version, .. } = self;
        let args = args![
            tenant_id,
            id,
            customer_id,
            self.role.as_str(),
            name,
            email,
            phone,
            created_by,
            created_at,
            version
        ];
        writer.execute(&INSERT, args).await
    }
}

/// The tenant's contact with this id.
pub(crate) async fn find(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    id: ContactId,
) -> Result<Option<Contact>, DbError> {
    reader.row(&GET, args![tenant_id, id]).await
}

/// The contacts of a customer, the newest first.
pub(crate) async fn list(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    customer_id: CustomerId,
    page: PageParams,
) -> Result<Page<Contact>, DbError> {
    let of = (tenant_id, customer_id);
    of_customer::list(reader, &LIST, of, page, |contact: &Contact| contact.id.uuid()).await
}

/// How many contacts a customer has.
pub(crate) async fn count(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    customer_id: CustomerId,
) -> Result<i64, DbError> {
    reader.scalar(&COUNT, args![tenant_id, customer_id]).await
}

/// Deletes every contact of a customer.
pub(crate) async fn delete_all(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    customer_id: CustomerId,
) -> Result<(), DbError> {
    writer.execute(&DELETE_ALL, args![tenant_id, customer_id]).await.map(|_| ())
}
