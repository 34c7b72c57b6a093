//! What is read outside of a unit of work.

use std::time::Duration;

use tidings_kernel::{CustomerId, Page, PageParams, SegmentId, TenantId};

use crate::activity::Activity;
use crate::consent::Consent;
use crate::contact::Contact;
use crate::criteria::Criteria;
use crate::customer::{Customer, Presence};
use crate::error::CustomerError;
use crate::note::Note;
use crate::number::CustomerNumber;
use crate::segment::Segment;
use crate::service::Customers;
use crate::store::overview::Overview;
use crate::store::{activities, consents, contacts, customers, notes, overview, search, segments};

/// What counts as new in the overview.
const NEW_WITHIN: Duration = Duration::from_hours(30 * 24);

/// The customer, unless it is deleted and nobody asked for deleted ones.
fn visible(found: Option<Customer>, include_deleted: bool) -> Result<Customer, CustomerError> {
    let visible = |customer: &Customer| include_deleted || customer.presence == Presence::Kept;
    found.filter(visible).ok_or(CustomerError::NotFound)
}

impl Customers {
    /// The tenant's customer with this id.
    pub async fn get_customer(
        &self,
        tenant_id: TenantId,
        id: CustomerId,
        include_deleted: bool,
    ) -> Result<Customer, CustomerError> {
        let mut session = self.db.read(tenant_id).await?;
        let found = customers::find(&mut session.reader(), tenant_id, id).await?;
        visible(found, include_deleted)
    }

    /// The tenant's customer with this number.
    pub async fn get_customer_by_number(
        &self,
        tenant_id: TenantId,
        number: &CustomerNumber,
        include_deleted: bool,
    ) -> Result<Customer, CustomerError> {
        let mut session = self.db.read(tenant_id).await?;
        let found = customers::find_by_number(&mut session.reader(), tenant_id, number).await?;
        visible(found, include_deleted)
    }

    /// The tenant's customers who fit, the newest first.
    pub async fn list_customers(
        &self,
        tenant_id: TenantId,
        criteria: Criteria,
        page: PageParams,
    ) -> Result<Page<Customer>, CustomerError> {
        let criteria = criteria.checked()?;
        let mut session = self.db.read(tenant_id).await?;
        Ok(search::list(&mut session.reader(), tenant_id, &criteria, page, 0).await?)
    }

    /// The tenant's customers who fit from the row after `skipped` on, and how many fit in all.
    pub async fn number_customers(
        &self,
        tenant_id: TenantId,
        criteria: Criteria,
        page: PageParams,
        skipped: i64,
    ) -> Result<(Page<Customer>, i64), CustomerError> {
        let criteria = criteria.checked()?;
        let mut session = self.db.read(tenant_id).await?;
        let mut reader = session.reader();
        let found = search::list(&mut reader, tenant_id, &criteria, page, skipped).await?;
        Ok((found, search::count(&mut reader, tenant_id, &criteria).await?))
    }

    /// The notes about a customer, the newest first.
    pub async fn list_customer_notes(
        &self,
        tenant_id: TenantId,
        (id, include_deleted): (CustomerId, bool),
        page: PageParams,
    ) -> Result<Page<Note>, CustomerError> {
        let mut session = self.db.read(tenant_id).await?;
        let mut reader = session.reader();
        visible(customers::find(&mut reader, tenant_id, id).await?, include_deleted)?;
        Ok(notes::list(&mut reader, tenant_id, id, page).await?)
    }

    /// The history of a customer, the newest line first.
    pub async fn list_customer_activities(
        &self,
        tenant_id: TenantId,
        (id, include_deleted): (CustomerId, bool),
        page: PageParams,
    ) -> Result<Page<Activity>, CustomerError> {
        let mut session = self.db.read(tenant_id).await?;
        let mut reader = session.reader();
        visible(customers::find(&mut reader, tenant_id, id).await?, include_deleted)?;
        Ok(activities::list(&mut reader, tenant_id, id, page).await?)
    }

    /// The consent log of a customer, the newest entry first.
    pub async fn list_customer_consents(
        &self,
        tenant_id: TenantId,
        (id, include_deleted): (CustomerId, bool),
        page: PageParams,
    ) -> Result<Page<Consent>, CustomerError> {
        let mut session = self.db.read(tenant_id).await?;
        let mut reader = session.reader();
        visible(customers::find(&mut reader, tenant_id, id).await?, include_deleted)?;
        Ok(consents::list(&mut reader, tenant_id, id, page).await?)
    }

    /// The contacts of a customer, the newest first.
    pub async fn list_customer_contacts(
        &self,
        tenant_id: TenantId,
        (id, include_deleted): (CustomerId, bool),
        page: PageParams,
    ) -> Result<Page<Contact>, CustomerError> {
        let mut session = self.db.read(tenant_id).await?;
        let mut reader = session.reader();
        visible(customers::find(&mut reader, tenant_id, id).await?, include_deleted)?;
        Ok(contacts::list(&mut reader, tenant_id, id, page).await?)
    }

    /// The tenant's customers in numbers.
    pub async fn customers_overview(&self, tenant_id: TenantId) -> Result<Overview, CustomerError> {
        let since = self.db.now().before(NEW_WITHIN);
        let mut session = self.db.read(tenant_id).await?;
        Ok(overview::get(&mut session.reader(), tenant_id, since).await?)
    }

    /// The tenant's segment with this id.
    pub async fn get_segment(
        &self,
        tenant_id: TenantId,
        id: SegmentId,
    ) -> Result<Segment, CustomerError> {
        let mut session = self.db.read(tenant_id).await?;
        let found = segments::find(&mut session.reader(), tenant_id, id).await?;
        found.ok_or(CustomerError::NotFound)
    }

    /// The tenant's segments, the newest first.
    pub async fn list_segments(
        &self,
        tenant_id: TenantId,
        page: PageParams,
    ) -> Result<Page<Segment>, CustomerError> {
        let mut session = self.db.read(tenant_id).await?;
        Ok(segments::list(&mut session.reader(), tenant_id, page).await?)
    }
}
