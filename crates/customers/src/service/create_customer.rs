//! Makes a customer.

use tidings_db::{Silent, UnitOfWork};
use tidings_events::customers::CustomerActivityType;
use tidings_kernel::CustomerId;

use crate::consent;
use crate::customer::{Customer, NewCustomer};
use crate::error::CustomerError;
use crate::number::CustomerNumber;
use crate::profile::CreateCustomer;
use crate::service::history::{self, Line};
use crate::service::{Customers, check_segment, consents};
use crate::store::customers;

/// How many numbers are tried. With a million customers the first is free in 4,999 of 5,000 cases.
const NUMBERS_MAX: u32 = 16;

impl Customers {
    /// Makes a customer. Its mail address is nobody else's in the tenant.
    pub async fn create_customer(
        &self,
        work: &mut UnitOfWork,
        input: CreateCustomer,
    ) -> Result<Customer, CustomerError> {
        let said = consent::said(&input);
        let (profile, status, source) = input.checked()?;
        check_segment(work, profile.segment_id).await?;
        let id: CustomerId = work.mint();
        let number = claim_number(work, id).await?;
        let ctx = work.ctx();
        let (tenant_id, by, now) = (ctx.tenant_id, ctx.actor.clone(), ctx.now);
        let new = NewCustomer { id, tenant_id, number, status, profile, source };
        let customer = work.apply(Customer::create(new, &by, now)).await?;
        let line = Line {
            customer_id: id,
            activity_type: CustomerActivityType::Created,
            title: "Customer created",
            description: Some(format!("source: {}", source.as_str())),
        };
        history::write(work, vec![line]).await?;
        consents::write(work, id, said, source.as_str()).await?;
        Ok(customer)
    }
}

/// The first of the id's numbers that no customer of the tenant ever had.
async fn claim_number(
    work: &mut UnitOfWork,
    id: CustomerId,
) -> Result<CustomerNumber, CustomerError> {
    let tenant_id = work.ctx().tenant_id;
    for attempt in 0..NUMBERS_MAX {
        let number = CustomerNumber::of(id, attempt);
        let mut writer = work.silent(Silent::Numbering);
        if customers::claim_number(&mut writer, tenant_id, &number).await? {
            return Ok(number);
        }
    }
    Err(CustomerError::NoNumber)
}
