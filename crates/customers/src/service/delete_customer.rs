//! Deletes a customer, so that it can be restored or for good; and erases it when its time is up.

use tidings_db::{DbError, UnitOfWork};
use tidings_events::customers::CustomerActivityType;
use tidings_jobs::SweepItem;
use tidings_kernel::{CustomerId, Timestamp, Version};

use crate::commands::DeleteCustomer;
use crate::customer::Presence;
use crate::error::CustomerError;
use crate::service::history::{self, Line};
use crate::service::{Customers, get, get_for_change};
use crate::store::customers;

impl Customers {
    /// Deletes a customer. Subscriptions that run end first where the caller says so, and keep it
    /// otherwise. What is deleted already is not found.
    pub async fn delete_customer(
        &self,
        work: &mut UnitOfWork,
        id: CustomerId,
        expected: Option<Version>,
        input: DeleteCustomer,
    ) -> Result<(), CustomerError> {
        let DeleteCustomer { hard_delete, cancel_subscriptions, reason } = input.checked()?;
        let customer = get_for_change(work, id, expected).await?;
        let count = self.subscriptions.count_live(work, id).await?;
        if count > 0 && !cancel_subscriptions {
            return Err(CustomerError::LiveSubscriptions { count });
        }
        let cancelled = self.subscriptions.cancel_for(work, id).await?.count();
        let (by, now) = (work.ctx().actor.clone(), work.now());
        if hard_delete {
            work.apply(customer.delete_for_good(reason, cancelled, &by, now)).await?;
            return Ok(());
        }
        work.apply(customer.delete(reason, cancelled, &by, now)).await?;
        let line = Line {
            customer_id: id,
            activity_type: CustomerActivityType::Updated,
            title: "Customer deleted",
            description: None,
        };
        history::write(work, vec![line]).await?;
        Ok(())
    }

    /// The deleted customers of all tenants whose time is up.
    pub(crate) async fn find_to_erase(&self, now: Timestamp) -> Result<Vec<SweepItem>, DbError> {
        let mut session = self.db.read_across_tenants().await?;
        customers::to_erase(&mut session.reader(), now).await
    }

    /// Erases a deleted customer whose time is up; one that was restored meanwhile stays.
    pub(crate) async fn erase_customer(
        &self,
        work: &mut UnitOfWork,
        id: CustomerId,
    ) -> Result<(), CustomerError> {
        let customer = match get(work, id).await {
            Ok(customer) => customer,
            Err(CustomerError::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        };
        let now = work.now();
        match customer.presence {
            Presence::Deleted { erase_at, .. } if erase_at <= now => {
                work.apply(customer.erase()).await?;
                Ok(())
            }
            Presence::Deleted { .. } | Presence::Kept | Presence::Erased => Ok(()),
        }
    }
}
