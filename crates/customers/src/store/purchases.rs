//! The orders that figures count.

use tidings_db::{DbError, Reader, Writer, args};
use tidings_kernel::{CustomerId, TenantId, Timestamp};

tidings_db::statements! {
    command INSERT = "INSERT INTO customer_purchases (tenant_id, customer_id, order_id, amount, \
        currency, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    query GET = "SELECT amount, currency FROM customer_purchases \
        WHERE tenant_id = $1 AND customer_id = $2 AND order_id = $3";
}

/// The amount and the currency of an order that is counted already.
pub(crate) async fn find(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    customer_id: CustomerId,
    order_id: &str,
) -> Result<Option<(i64, String)>, DbError> {
    reader.row(&GET, args![tenant_id, customer_id, order_id]).await
}

/// Remembers an order that is counted.
pub(crate) async fn add(
    writer: &mut Writer<'_>,
    (tenant_id, customer_id, order_id): (TenantId, CustomerId, &str),
    (amount, currency): (i64, &str),
    now: Timestamp,
) -> Result<(), DbError> {
    let args = args![tenant_id, customer_id, order_id, amount, currency, now];
    writer.execute(&INSERT, args).await.map(|_| ())
}
