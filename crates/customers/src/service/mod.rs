//! The verbs of the customers domain, one file each.

mod anonymize_customer;
mod change_customer;
mod consents;
mod contacts;
mod create_customer;
mod delete_customer;
mod history;
mod notes;
mod read;
mod recalculate_segment;
mod record_purchase;
mod restore_customer;
mod segments;

use std::sync::Arc;

use tidings_db::{Db, UnitOfWork};
use tidings_kernel::{CustomerId, SegmentId, Version};

use crate::customer::{Customer, Presence};
use crate::error::CustomerError;
use crate::ports::Subscriptions;
use crate::store::{customers, segments as segment_rows};

pub(crate) use crate::store::overview::Overview;
pub(crate) use recalculate_segment::Recalculation;

/// The customers domain's service.
#[derive(Clone)]
pub struct Customers {
    pub(crate) db: Db,
    subscriptions: Arc<dyn Subscriptions>,
}

impl std::fmt::Debug for Customers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Customers")
    }
}

impl Customers {
    /// The service over a database and its neighbours.
    pub fn new(db: Db, subscriptions: Arc<dyn Subscriptions>) -> Self {
        Self { db, subscriptions }
    }
}

/// The customer to change, unless it is deleted or the caller read an older version.
async fn get_for_change(
    work: &mut UnitOfWork,
    id: CustomerId,
    expected: Option<Version>,
) -> Result<Customer, CustomerError> {
    let customer = get(work, id).await?;
    if customer.presence != Presence::Kept {
        return Err(CustomerError::NotFound);
    }
    expect(&customer, expected)?;
    Ok(customer)
}

/// The customer, deleted or not.
async fn get(work: &mut UnitOfWork, id: CustomerId) -> Result<Customer, CustomerError> {
    let tenant_id = work.ctx().tenant_id;
    let found = customers::find(&mut work.reader(), tenant_id, id).await?;
    found.ok_or(CustomerError::NotFound)
}

/// Refuses where the caller read another version than the one that is stored.
fn expect(customer: &Customer, expected: Option<Version>) -> Result<(), CustomerError> {
    match expected {
        Some(wanted) if wanted != customer.version => {
            Err(CustomerError::OtherVersion { is: customer.version, wanted })
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses a segment that the tenant does not have.
async fn check_segment(
    work: &mut UnitOfWork,
    segment_id: Option<SegmentId>,
) -> Result<(), CustomerError> {
    let Some(segment_id) = segment_id else { return Ok(()) };
    let tenant_id = work.ctx().tenant_id;
    if segment_rows::find(&mut work.reader(), tenant_id, segment_id).await?.is_some() {
        return Ok(());
    }
    Err(CustomerError::Input(tidings_kernel::Problem::invalid_field(
        "/segment_id",
        "unknown_value",
        "there is no such segment; all are at /api/v1/customers/segments",
    )))
}
