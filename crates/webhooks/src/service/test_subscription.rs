//! Tests: an example of any type that is delivered, sent to one endpoint.

use tidings_db::UnitOfWork;
use tidings_events::webhooks::WebhookTest;
use tidings_events::{Event, EventName, EventType, Example, Visibility, WebhookEvent};
use tidings_kernel::{
    AnyId, Change, Entity, EventId, Problem, ProblemKind, PublicationId, TenantId, Version,
    WebhookSubscriptionId,
};

use crate::error::WebhookError;
use crate::matching::EventFilter;
use crate::service::schemas::{Data, fitting_example};
use crate::service::subscriptions::get;
use crate::service::{TypeView, Webhooks};
use crate::store::event_types;

/// A type with an example of its data that fits its schema.
#[derive(Debug, Clone)]
pub(crate) struct TestedType {
    name: EventName,
    schema_version: u32,
    data: Data,
}

impl Webhooks {
    /// Finds a type that is to be tested, and an example of it; outside of the unit of work, as
    /// schemas are compiled here.
    pub(crate) async fn tested_type(
        &self,
        tenant_id: TenantId,
        name: &str,
    ) -> Result<TestedType, WebhookError> {
        let found = match self.get_catalog_type(tenant_id, name).await {
            Ok(view) if view.visibility == Visibility::Public => view,
            Ok(_) | Err(WebhookError::NotFound) => {
                return Err(self.untested(tenant_id, name).await?);
            }
            Err(error) => return Err(error),
        };
        let data = example(&found)?;
        let event_name = EventType::find(name).map(EventName::Catalog);
        let event_name = event_name.or_else(|| name.parse().ok().map(EventName::Custom));
        let name = event_name.ok_or(WebhookError::NotFound)?;
        Ok(TestedType { name, schema_version: found.schema_version, data })
    }

    async fn untested(
        &self,
        tenant_id: TenantId,
        name: &str,
    ) -> Result<WebhookError, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        let registered = event_types::names(session.reader(), tenant_id).await?;
        let text = match EventFilter::parse(name, &registered) {
            Err(error) => error.to_string(),
            // A wildcard is a filter, and no type.
            Ok(_) => format!("{name} names many types; name one"),
        };
        let problem = Problem::new(ProblemKind::UnknownEventType, text.clone());
        Ok(problem.at("/event_type", "unknown_event_type", text).into())
    }

    /// Sends a test to one subscription, through everything that a real event passes. Its type in
    /// the log is `webhook.test`, so that nothing takes the example for something that happened.
    pub(crate) async fn test_subscription(
        &self,
        work: &mut UnitOfWork,
        id: WebhookSubscriptionId,
        tested: Option<TestedType>,
    ) -> Result<EventId, WebhookError> {
        let subscription = get(work, id).await?;
        if !subscription.sends() {
            return Err(WebhookError::NotSending);
        }
        work.target(id);
        let test = Test { id: work.mint(), version: 0 };
        let plain = WebhookTest { subscription_id: id, ..WebhookTest::example() };
        let mut event = Event::from(WebhookEvent::from(plain));
        if let Some(TestedType { name, schema_version, data }) = tested
            && name != EventName::Catalog(EventType::WebhookTest)
        {
            event.data = data;
            event.sent_as = Some((name, schema_version));
        }
        work.apply(Change::new(test, event)).await?;
        let Some(event_id) = work.last_event() else {
            unreachable!("a change has at least one event")
        };
        Ok(event_id)
    }
}

/// An example of a type that fits its schema.
fn example(found: &TypeView) -> Result<Data, WebhookError> {
    fitting_example(&found.schema, &found.example).map_err(|cannot| {
        let message = format!(
            "no example can be made from the schema of {}: {cannot}; give the type an example with \
             PATCH",
            found.name
        );
        Problem::invalid_field("/event_type", "no_example", message).into()
    })
}

/// One test of a subscription: an object that exists only as its event.
struct Test {
    id: PublicationId,
    version: Version,
}

impl Entity for Test {
    type Event = Event;
    const KIND: &'static str = "webhook_test";

    fn id(&self) -> AnyId {
        self.id.any()
    }

    fn version(&self) -> Version {
        self.version
    }

    fn set_version(&mut self, version: Version) {
        self.version = version;
    }
}

impl tidings_db::Stored for Test {
    async fn save(
        &self,
        expected: Version,
        _: &mut tidings_db::Writer<'_>,
    ) -> Result<u64, tidings_db::DbError> {
        Ok(u64::from(expected == 0))
    }
}
