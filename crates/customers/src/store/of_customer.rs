//! Rows that lie under one customer.

use tidings_db::{DbError, FromRow, Query, Reader, args};
use tidings_kernel::{Cursor, CustomerId, Page, PageParams, TenantId, Uuid};

/// A page of them, the newest first, by a statement of tenant, customer, last id and limit.
pub(super) async fn list<T: FromRow>(
    reader: &mut Reader<'_>,
    statement: &Query,
    (tenant_id, customer_id): (TenantId, CustomerId),
    page: PageParams,
    id: impl Fn(&T) -> Uuid,
) -> Result<Page<T>, DbError> {
    let after = page.after.map(|cursor| cursor.id);
    let args = args![tenant_id, customer_id, after, page.limit + 1];
    let rows: Vec<T> = reader.rows(statement, args).await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor { sort: 0, id: id(row) }))
}
