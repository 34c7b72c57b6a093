//! Customers by criteria: one text for lists, searches and segments.

use tidings_db::{DbError, Reader, ToValue, Value};
use tidings_events::customers::{CustomerStatus, CustomerTier, CustomerType};
use tidings_kernel::{Cursor, Page, PageParams, TenantId, Uuid};

use crate::criteria::Criteria;
use crate::customer::Customer;
use crate::segment::Segment;

/// The criteria over a customer as `$c`, with the arguments of [`criteria_args`] from `$2` on.
macro_rules! criteria {
    ($c:literal) => {
        concat!(
            "(",
            $c,
            ".status = $2 OR $2 IS NULL) ",
            "AND (",
            $c,
            ".customer_type = $3 OR $3 IS NULL) ",
            "AND (",
            $c,
            ".tier = $4 OR $4 IS NULL) ",
            "AND (",
            $c,
            ".country = $5 OR $5 IS NULL) ",
            "AND (",
            $c,
            ".assigned_to = $6 OR $6 IS NULL) ",
            "AND (",
            $c,
            ".segment_id = $7 OR $7 IS NULL) ",
            "AND (",
            $c,
            ".email_folded = $8 OR $8 IS NULL) ",
            "AND (",
            $c,
            ".search LIKE $9 ESCAPE '!' OR $9 IS NULL) ",
            "AND (",
            $c,
            ".created_at >= $10 OR $10 IS NULL) ",
            "AND (",
            $c,
            ".created_at < $11 OR $11 IS NULL) ",
            "AND (",
            $c,
            ".last_purchase_at >= $12 OR $12 IS NULL) ",
            "AND (",
            $c,
            ".last_purchase_at < $13 OR $13 IS NULL) ",
            "AND (",
            $c,
            ".lifetime_value >= $14 OR $14 IS NULL) ",
            "AND (",
            $c,
            ".lifetime_value <= $15 OR $15 IS NULL) ",
            "AND (",
            $c,
            ".deleted_at IS NULL OR $16) ",
            "AND ($17 OR EXISTS (SELECT 1 FROM customer_tags t WHERE t.tenant_id = $1 ",
            "AND t.customer_id = ",
            $c,
            ".id AND t.tag IN_TEXTS($18)))",
        )
    };
}

tidings_db::statements! {
    query LIST = concat!("SELECT ", customer_columns!(), " FROM customers c \
        WHERE c.tenant_id = $1 AND ", criteria!("c"), " AND (ABSENT_UUID($19) OR c.id < $19) \
        ORDER BY c.id DESC LIMIT $20 OFFSET $21");
    query COUNT = concat!("SELECT COUNT(*) FROM customers c WHERE c.tenant_id = $1 AND ",
        criteria!("c"));
    /// Members whom the segment does not want any more.
    query LEAVERS = concat!("SELECT ", customer_columns!(), " FROM customers c \
        WHERE c.tenant_id = $1 AND c.segment_id = $19 AND c.deleted_at IS NULL \
        AND NOT EXISTS (SELECT 1 FROM customers m WHERE m.tenant_id = $1 AND m.id = c.id AND ",
        criteria!("m"), ") ORDER BY c.id LIMIT $20");
    /// Those whom the segment wants, and nobody with the same or a higher priority has.
    query JOINERS = concat!("SELECT ", customer_columns!(), " FROM customers c \
        LEFT JOIN customer_segments g ON g.tenant_id = c.tenant_id AND g.id = c.segment_id \
        WHERE c.tenant_id = $1 AND ", criteria!("c"), " \
        AND (c.segment_id IS NULL OR (c.segment_id <> $19 AND g.priority < $20)) \
        ORDER BY c.id LIMIT $21");
}

/// The tenant and the criteria, as `$1` to `$18`.
fn criteria_args(tenant_id: TenantId, criteria: &Criteria) -> Vec<Value> {
    vec![
        tenant_id.to_value(),
        criteria.status.map(CustomerStatus::as_str).to_value(),
        criteria.customer_type.map(CustomerType::as_str).to_value(),
        criteria.tier.map(CustomerTier::as_str).to_value(),
        criteria.country.to_value(),
        criteria.assigned_to.to_value(),
        criteria.segment_id.to_value(),
        criteria.email_folded().to_value(),
        criteria.pattern().to_value(),
        criteria.created_from.to_value(),
        criteria.created_to.to_value(),
        criteria.last_purchase_from.to_value(),
        criteria.last_purchase_to.to_value(),
        criteria.lifetime_value_min.to_value(),
        criteria.lifetime_value_max.to_value(),
        criteria.include_deleted.to_value(),
        criteria.tags.is_empty().to_value(),
        criteria.tags[..].to_value(),
    ]
}

/// The tenant's customers who fit, the newest first, from the row after `skipped` on.
pub(crate) async fn list(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    criteria: &Criteria,
    page: PageParams,
    skipped: i64,
) -> Result<Page<Customer>, DbError> {
    let mut args = criteria_args(tenant_id, criteria);
    let after: Option<Uuid> = page.after.map(|cursor| cursor.id);
    args.extend([after.to_value(), (page.limit + 1).to_value(), skipped.to_value()]);
    let rows: Vec<Customer> = reader.rows(&LIST, &args).await?;
    // Ids begin with the time at which they were minted, so the newest have the highest.
    Ok(Page::from_rows(rows, page.limit, |customer| Cursor { sort: 0, id: customer.id.uuid() }))
}

/// How many of the tenant's customers fit.
pub(crate) async fn count(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    criteria: &Criteria,
) -> Result<i64, DbError> {
    reader.scalar(&COUNT, &criteria_args(tenant_id, criteria)).await
}

/// The next members whom a segment does not want any more.
pub(crate) async fn leavers(
    reader: &mut Reader<'_>,
    segment: &Segment,
    limit: i64,
) -> Result<Vec<Customer>, DbError> {
    let mut args = criteria_args(segment.tenant_id, &segment.criteria);
    args.extend([segment.id.to_value(), limit.to_value()]);
    reader.rows(&LEAVERS, &args).await
}

/// The next customers whom a segment wants and may have.
pub(crate) async fn joiners(
    reader: &mut Reader<'_>,
    segment: &Segment,
    limit: i64,
) -> Result<Vec<Customer>, DbError> {
    let mut args = criteria_args(segment.tenant_id, &segment.criteria);
    args.extend([segment.id.to_value(), segment.priority.to_value(), limit.to_value()]);
    reader.rows(&JOINERS, &args).await
}
