//! The catalog as a tenant sees it: the platform's types and its own.

use serde_json::{Value, json};
use tidings_events::{EventType, Payload, PayloadVisitor, Priority, Visibility, data_schema};
use tidings_kernel::{Page, PageParams, TenantId, Timestamp, limits};

use crate::error::WebhookError;
use crate::event_type::CustomType;
use crate::service::Webhooks;
use crate::store::{activity, event_types};

/// A type of the catalog, or a tenant's own, as it is shown.
#[derive(Debug, Clone)]
pub(crate) struct TypeView {
    pub(crate) name: String,
    pub(crate) category: &'static str,
    pub(crate) description: String,
    pub(crate) priority: Priority,
    pub(crate) visibility: Visibility,
    pub(crate) schema_version: u32,
    pub(crate) deprecated_at: Option<Timestamp>,
    pub(crate) schema: Value,
    pub(crate) example: Value,
    pub(crate) fired: i64,
    pub(crate) last_fired_at: Option<Timestamp>,
}

struct Describe(Vec<TypeView>);

impl PayloadVisitor for Describe {
    fn visit<P: Payload>(&mut self) {
        let mut schema = data_schema::<P>();
        let description = schema["description"].as_str().unwrap_or_default().to_owned();
        if let Value::Object(fields) = &mut schema {
            fields.insert("title".to_owned(), json!(P::TYPE.name()));
        }
        self.0.push(TypeView {
            name: P::TYPE.name().to_owned(),
            category: P::TYPE.category().name(),
            description,
            priority: P::TYPE.priority(),
            visibility: P::TYPE.visibility(),
            schema_version: P::TYPE.version(),
            deprecated_at: None,
            schema,
            example: serde_json::to_value(P::example()).unwrap_or_default(),
            fired: 0,
            last_fired_at: None,
        });
    }
}

impl From<CustomType> for TypeView {
    fn from(custom: CustomType) -> Self {
        Self {
            name: custom.name.as_str().to_owned(),
            category: "Custom",
            description: custom.description,
            priority: Priority::Normal,
            visibility: Visibility::Public,
            schema_version: custom.schema_version,
            deprecated_at: custom.deprecated_at,
            schema: custom.schema,
            example: custom.example,
            fired: 0,
            last_fired_at: None,
        }
    }
}

impl Webhooks {
    /// The catalog: the platform's types, then the tenant's own, each with what it has fired.
    pub(crate) async fn list_catalog(
        &self,
        tenant_id: TenantId,
    ) -> Result<Vec<TypeView>, WebhookError> {
        let mut all = Describe(Vec::new());
        EventType::for_each(&mut all);
        let mut views = all.0;
        let mut page = PageParams { limit: limits::PAGE_ROWS_MAX, after: None };
        let mut session = self.db.read(tenant_id).await?;
        loop {
            let rows = event_types::list(session.reader(), tenant_id, page).await?;
            views.extend(rows.data.into_iter().map(TypeView::from));
            if rows.next.is_none() {
                break;
            }
            page.after = rows.next;
        }
        for (name, fired, last_at) in activity::list(session.reader(), tenant_id).await? {
            if let Some(view) = views.iter_mut().find(|view| view.name == name) {
                view.fired = fired;
                view.last_fired_at = Some(last_at);
            }
        }
        Ok(views)
    }

    /// One type of the catalog.
    pub(crate) async fn get_catalog_type(
        &self,
        tenant_id: TenantId,
        name: &str,
    ) -> Result<TypeView, WebhookError> {
        let views = self.list_catalog(tenant_id).await?;
        views.into_iter().find(|view| view.name == name).ok_or(WebhookError::NotFound)
    }

    /// The tenant's own types, the newest first.
    pub(crate) async fn list_event_types(
        &self,
        tenant_id: TenantId,
        page: PageParams,
    ) -> Result<Page<CustomType>, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        Ok(event_types::list(session.reader(), tenant_id, page).await?)
    }
}
