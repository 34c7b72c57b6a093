//! The event log, to read.

use tidings_kernel::{EventId, Page, PageParams, TenantId};

use crate::error::WebhookError;
use crate::service::Webhooks;
use crate::store::deliveries::Delivery;
use crate::store::delivery_list::DeliveryFilter;
use crate::store::log;
pub(crate) use crate::store::log::{LogEntry, LogFilter};

impl Webhooks {
    /// The tenant's events after a position, in order.
    pub async fn list_log(
        &self,
        tenant_id: TenantId,
        filter: &LogFilter,
        page: PageParams,
    ) -> Result<Page<LogEntry>, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        Ok(log::after(session.reader(), tenant_id, filter, page).await?)
    }

    /// One event with its deliveries.
    pub async fn get_log_entry(
        &self,
        tenant_id: TenantId,
        id: EventId,
    ) -> Result<(LogEntry, Vec<Delivery>), WebhookError> {
        let entry = {
            let mut session = self.db.read(tenant_id).await?;
            log::find(session.reader(), tenant_id, id).await?.ok_or(WebhookError::NotFound)?
        };
        let filter = DeliveryFilter { event_id: Some(id), ..DeliveryFilter::default() };
        let page = PageParams { limit: tidings_kernel::limits::PAGE_ROWS_MAX, after: None };
        let deliveries = self.list_deliveries(tenant_id, &filter, page).await?;
        Ok((entry, deliveries.data))
    }
}
