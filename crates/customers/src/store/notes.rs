//! Notes about customers.

use tidings_db::{DbError, FromRow, Reader, Row, Stored, Writer, args};
use tidings_kernel::{CustomerId, Page, PageParams, TenantId, Version};

use crate::note::Note;
use crate::store::of_customer;

tidings_db::statements! {
    command INSERT = "INSERT INTO customer_notes (tenant_id, id, customer_id, subject, content, \
        is_internal, created_by, created_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    query LIST = "SELECT id, tenant_id, customer_id, subject, content, is_internal, created_by, \
        created_at, version FROM customer_notes WHERE tenant_id = $1 AND customer_id = $2 \
        AND (ABSENT_UUID($3) OR id < $3) ORDER BY id DESC LIMIT $4";
    command DELETE_ALL = "DELETE FROM customer_notes WHERE tenant_id = $1 AND customer_id = $2";
}

impl FromRow for Note {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.take()?,
            tenant_id: row.take()?,
            customer_id: row.take()?,
            subject: row.take()?,
            content: row.take()?,
            is_internal: row.take()?,
            created_by: row.take()?,
            created_at: row.take()?,
            version: row.take()?,
        })
    }
}

impl Stored for Note {
    async fn save(&self, _: Version, writer: &mut Writer<'_>) -> Result<u64, DbError> {
        let Self { id, tenant_id, customer_id, subject, content, .. } = self;
        let Self { is_internal, created_by, created_at, version, .. } = self;
        let args = args![
            tenant_id,
            id,
            customer_id,
            subject,
            content,
            is_internal,
            created_by,
            created_at,
            version
        ];
        writer.execute(&INSERT, args).await
    }
}

/// The notes about a customer, the newest first.
pub(crate) async fn list(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    customer_id: CustomerId,
    page: PageParams,
) -> Result<Page<Note>, DbError> {
    let of = (tenant_id, customer_id);
    of_customer::list(reader, &LIST, of, page, |note: &Note| note.id.uuid()).await
}

/// Deletes every note about a customer.
pub(crate) async fn delete_all(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    customer_id: CustomerId,
) -> Result<(), DbError> {
    writer.execute(&DELETE_ALL, args![tenant_id, customer_id]).await.map(|_| ())
}
