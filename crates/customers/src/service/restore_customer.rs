//! Brings a deleted customer back.

use tidings_db::UnitOfWork;
use tidings_events::customers::CustomerActivityType;
use tidings_kernel::{CustomerId, Version};

use crate::customer::Customer;
use crate::error::CustomerError;
use crate::service::history::{self, Line};
use crate::service::{Customers, expect, get};

impl Customers {
    /// Brings a deleted customer back, unless somebody has its mail address by now. Subscriptions
    /// that ended with it stay ended.
    pub async fn restore_customer(
        &self,
        work: &mut UnitOfWork,
        id: CustomerId,
        expected: Option<Version>,
    ) -> Result<Customer, CustomerError> {
        let customer = get(work, id).await?;
        expect(&customer, expected)?;
        let (by, now) = (work.ctx().actor.clone(), work.now());
        let customer = work.apply(customer.restore(&by, now)?).await?;
        let line = Line {
            customer_id: id,
            activity_type: CustomerActivityType::Updated,
            title: "Customer restored",
            description: None,
        };
        history::write(work, vec![line]).await?;
        Ok(customer)
    }
}
