//! Contact persons of a customer.

use tidings_db::UnitOfWork;
use tidings_kernel::{ContactId, CustomerId, limits};

use crate::commands::AddContact;
use crate::contact::Contact;
use crate::customer::who;
use crate::error::CustomerError;
use crate::service::{Customers, get_for_change};
use crate::store::contacts;

impl Customers {
    /// Adds a person to ask at a customer, who does not change by it.
    pub async fn add_customer_contact(
        &self,
        work: &mut UnitOfWork,
        id: CustomerId,
        input: AddContact,
    ) -> Result<Contact, CustomerError> {
        let input = input.checked()?;
        let tenant_id = get_for_change(work, id, None).await?.tenant_id;
        if contacts::count(&mut work.reader(), tenant_id, id).await? >= limits::CONTACTS_MAX {
            return Err(CustomerError::TooManyContacts);
        }
        let written = (who(&work.ctx().actor), work.now());
        let change = Contact::add(work.mint(), (tenant_id, id), input, written);
        Ok(work.apply(change).await?)
    }

    /// Removes a contact, and what is stored about the person.
    pub async fn remove_customer_contact(
        &self,
        work: &mut UnitOfWork,
        id: ContactId,
    ) -> Result<(), CustomerError> {
        let tenant_id = work.ctx().tenant_id;
        let found = contacts::find(&mut work.reader(), tenant_id, id).await?;
        let contact = found.ok_or(CustomerError::NotFound)?;
        get_for_change(work, contact.customer_id, None).await?;
        work.apply(contact.remove()).await?;
        Ok(())
    }
}
