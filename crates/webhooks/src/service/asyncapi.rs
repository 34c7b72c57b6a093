//! What a tenant can be sent, as an AsyncAPI document.

use tidings_events::asyncapi::{CustomMessage, Document, document};
use tidings_kernel::{PageParams, TenantId, limits};

use crate::error::WebhookError;
use crate::event_type::CustomType;
use crate::service::Webhooks;
use crate::store::event_types;

impl From<CustomType> for CustomMessage {
    fn from(custom: CustomType) -> Self {
        Self {
            name: custom.name.as_str().to_owned(),
            description: custom.description,
            schema_version: custom.schema_version,
            schema: custom.schema,
            example: Some(custom.example).filter(|example| !example.is_null()),
            is_deprecated: custom.deprecated_at.is_some(),
        }
    }
}

impl Webhooks {
    /// The document of the catalog, with the tenant's own types where there is a tenant.
    pub(crate) async fn get_asyncapi(
        &self,
        tenant_id: Option<TenantId>,
    ) -> Result<Document, WebhookError> {
        let mut custom = Vec::new();
        if let Some(tenant_id) = tenant_id {
            let mut page = PageParams { limit: limits::PAGE_ROWS_MAX, after: None };
            let mut session = self.db.read(tenant_id).await?;
            loop {
                let rows = event_types::list(session.reader(), tenant_id, page).await?;
                custom.extend(rows.data.into_iter().map(CustomMessage::from));
                page.after = rows.next;
                if page.after.is_none() {
                    break;
                }
            }
        }
        Ok(document(&custom))
    }
}
