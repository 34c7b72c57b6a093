//! Customers in numbers.

use tidings_db::{DbError, Reader, args};
use tidings_kernel::{TenantId, Timestamp};

tidings_db::statements! {
    query BY_STATUS = "SELECT status, COUNT(*) FROM customers \
        WHERE tenant_id = $1 AND deleted_at IS NULL GROUP BY status ORDER BY status";
    query BY_TYPE = "SELECT customer_type, COUNT(*) FROM customers \
        WHERE tenant_id = $1 AND deleted_at IS NULL GROUP BY customer_type ORDER BY customer_type";
    query BY_TIER = "SELECT tier, COUNT(*) FROM customers \
        WHERE tenant_id = $1 AND deleted_at IS NULL GROUP BY tier ORDER BY tier";
    query SINCE = "SELECT COUNT(*) FROM customers \
        WHERE tenant_id = $1 AND deleted_at IS NULL AND created_at >= $2";
    query LIFETIME = "SELECT lifetime_currency, COUNT(*), \
        CAST(SUM(lifetime_value / 1000000000) AS BIGINT), \
        CAST(SUM(lifetime_value % 1000000000) AS BIGINT) FROM customers WHERE tenant_id = $1 AND deleted_at IS NULL \
        AND lifetime_currency IS NOT NULL GROUP BY lifetime_currency ORDER BY lifetime_currency";
}

/// What the sums of whole billions and of what is left of them count in: together they hold what one
/// sum of 64 bits would not, and neither can overflow.
const BILLION: i128 = 1_000_000_000;

/// How many there are of each word of a list.
pub(crate) type Counts = Vec<(String, i64)>;

/// A tenant's customers in numbers; deleted ones are not counted.
#[derive(Debug, Clone, Default)]
pub struct Overview {
    /// How many stand where.
    pub by_status: Counts,
    /// How many are what.
    pub by_type: Counts,
    /// How many are worth how much.
    pub by_tier: Counts,
    /// How many were made lately.
    pub new_customers: i64,
    /// Currency, customers, and what they have paid.
    pub lifetime_values: Vec<(String, i64, i128)>,
}

/// A tenant's customers in numbers.
pub(crate) async fn get(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    since: Timestamp,
) -> Result<Overview, DbError> {
    let sums: Vec<(String, i64, i64, i64)> = reader.rows(&LIFETIME, args![tenant_id]).await?;
    let lifetime_values = sums.into_iter().map(|(currency, customers, billions, rest)| {
        (currency, customers, i128::from(billions) * BILLION + i128::from(rest))
    });
    Ok(Overview {
        by_status: reader.rows(&BY_STATUS, args![tenant_id]).await?,
        by_type: reader.rows(&BY_TYPE, args![tenant_id]).await?,
        by_tier: reader.rows(&BY_TIER, args![tenant_id]).await?,
        new_customers: reader.scalar(&SINCE, args![tenant_id, since]).await?,
        lifetime_values: lifetime_values.collect(),
    })
}
