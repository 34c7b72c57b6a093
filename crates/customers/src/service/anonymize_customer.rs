//! Takes the person out of a customer's record.

use tidings_db::{Silent, UnitOfWork};
use tidings_events::customers::CustomerActivityType;
use tidings_kernel::{CustomerId, Version};

use crate::consent;
use crate::customer::Customer;
use crate::error::CustomerError;
use crate::service::history::{self, Line};
use crate::service::{Customers, get_for_change};
use crate::store::{activities, consents, contacts, notes};

impl Customers {
    /// Erases the personal fields, the notes, the contacts, the history and the consent log. What
    /// remains is what counts: status, kind, figures, country. Where the person is out already, nothing changes.
    pub async fn anonymize_customer(
        &self,
        work: &mut UnitOfWork,
        id: CustomerId,
        expected: Option<Version>,
    ) -> Result<Customer, CustomerError> {
        let customer = get_for_change(work, id, expected).await?;
        let (by, now) = (work.ctx().actor.clone(), work.now());
        let before = customer.clone();
        let Some(change) = customer.anonymize(&by, now) else { return Ok(before) };
        let customer = work.apply(change).await?;
        let tenant_id = customer.tenant_id;
        let mut writer = work.silent(Silent::Purge);
        notes::delete_all(&mut writer, tenant_id, id).await?;
        activities::delete_all(&mut writer, tenant_id, id).await?;
        contacts::delete_all(&mut writer, tenant_id, id).await?;
        consents::delete_all(&mut writer, tenant_id, id).await?;
        let line = Line {
            customer_id: id,
            activity_type: CustomerActivityType::Updated,
            title: "Customer anonymized",
            description: None,
        };
        history::write(work, vec![line]).await?;
        let decided = consent::decided(&before.profile, &customer.profile);
        super::consents::write(work, id, decided, consent::ANONYMIZATION).await?;
        Ok(customer)
    }
}
