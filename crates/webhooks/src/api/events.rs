//! `/api/v1/webhooks/events` and `/event-types`: the catalog, custom types, publishing.

use serde::Serialize;
use serde_json::Value;
use tidings_db::work;
use tidings_events::{EventType, Visibility};
use tidings_kernel::{EventId, Permission, Problem, Timestamp, limits};
use tidings_web::{
    Access, Answer, Body, Call, Changed, List, Op, Path, Reply, Routes, commit, commit_shared,
};
use utoipa::ToSchema;

use crate::commands::{PublishBatch, PublishEvent, RegisterEventType, UpdateEventType};
use crate::event_type::CustomType;
use crate::service::{Published, TypeView, Webhooks, sample_of};

/// A type of the catalog, in short.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventTypeView {
    /// The name.
    pub(crate) event_type: String,
    /// The part of the platform that it belongs to, or `Custom`.
    pub(crate) category: &'static str,
    /// What it tells.
    pub(crate) description: String,
    /// `high`, `normal` or `low`: how soon it goes out.
    pub(crate) priority: &'static str,
    /// `public` types are delivered; `internal` ones are in the log only.
    pub(crate) visibility: &'static str,
    /// The version of the schema of `data`.
    pub(crate) schema_version: u32,
    /// Since when it should not be used any more.
    pub(crate) deprecated_at: Option<Timestamp>,
    /// How often it has fired in this tenant.
    pub(crate) fired: i64,
    /// When it last fired in this tenant.
    pub(crate) last_fired_at: Option<Timestamp>,
}

/// A type of the catalog, with its schema and an example.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventTypeDetailView {
    /// The type.
    #[serde(flatten)]
    pub(crate) summary: EventTypeView,
    /// JSON Schema 2020-12 of `data`.
    #[schema(value_type = Object)]
    pub(crate) schema: Value,
    /// An example of `data`; `null` where none was given and none can be made from the schema.
    #[schema(value_type = Option<Object>)]
    pub(crate) example: Value,
    /// Why there is no example.
    pub(crate) example_missing: Option<String>,
}

impl From<TypeView> for EventTypeView {
    fn from(view: TypeView) -> Self {
        Self {
            event_type: view.name,
            category: view.category,
            description: view.description,
            priority: view.priority.name(),
            visibility: match view.visibility {
                Visibility::Public => "public",
                Visibility::Internal => "internal",
            },
            schema_version: view.schema_version,
            deprecated_at: view.deprecated_at,
            fired: view.fired,
            last_fired_at: view.last_fired_at,
        }
    }
}

impl From<TypeView> for EventTypeDetailView {
    fn from(view: TypeView) -> Self {
        let (schema, example) = (view.schema.clone(), view.example.clone());
        let cannot = example.is_null().then(|| sample_of(&schema).err()).flatten();
        let example_missing = cannot.map(|cannot| format!("{cannot}; give one with PATCH"));
        Self { summary: view.into(), schema, example, example_missing }
    }
}

impl From<CustomType> for EventTypeDetailView {
    fn from(custom: CustomType) -> Self {
        TypeView::from(custom).into()
    }
}

/// An event that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PublishedView {
    /// The event: `webhook-id` of what arrives.
    pub(crate) id: EventId,
    /// Whether it was published before, under the same `event_id`.
    pub(crate) duplicate: bool,
}

impl From<Published> for PublishedView {
    fn from(published: Published) -> Self {
        let Published { id, duplicate } = published;
        Self { id, duplicate }
    }
}

/// Events that were taken, in the order of the batch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PublishedBatchView {
    /// One entry for each event.
    pub(crate) data: Vec<PublishedView>,
}

const READ: Access = Access::Needs(Permission::EventsRead);
const PUBLISH: Access = Access::Needs(Permission::EventsPublish);
const MANAGE: Access = Access::Needs(Permission::EventTypesManage);
const CUSTOM: &str = "it publishes a tenant's own event types, which are not in the catalog";

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes
        .list(
            Op::get("/api/v1/webhooks/events", "listEventTypes", READ)
                .summary("The catalog, with what has fired in this tenant"),
            list,
        )
        .read(
            Op::get("/api/v1/webhooks/events/{event_type}", "getEventType", READ)
                .summary("One type with its schema and an example"),
            get,
        )
        .list(
            Op::get("/api/v1/webhooks/event-types", "listCustomEventTypes", READ)
                .summary("The tenant's own types, the newest first"),
            list_custom,
        )
        .change(
            Op::post("/api/v1/webhooks/event-types", "registerEventType", MANAGE)
                .summary("Register a custom type; its name begins with custom.")
                .emits(&[EventType::WebhookEventTypeRegistered]),
            register,
        )
        .change(
            Op::patch("/api/v1/webhooks/event-types/{event_type}", "updateEventType", MANAGE)
                .summary("Change a custom type; a changed schema makes a new version")
                .emits(&[EventType::WebhookEventTypeRegistered]),
            update,
        )
        .change(
            Op::post("/api/v1/webhooks/events", "publishEvent", PUBLISH)
                .status(202)
                .summary("Publish a custom event")
                .emits_nothing(CUSTOM),
            publish,
        )
        .change(
            Op::post("/api/v1/webhooks/events/batch", "publishEvents", PUBLISH)
                .status(202)
                .summary("Publish up to 1,000 custom events, all or none")
                .body_bytes_max(limits::BATCH_BODY_BYTES_MAX)
                .emits_nothing(CUSTOM),
            publish_batch,
        )
}

async fn list(webhooks: Webhooks, call: Call, (): ()) -> Result<List<EventTypeView>, Problem> {
    call.page()?;
    let views = webhooks.list_catalog(call.ctx.tenant_id).await?;
    let data = views.into_iter().map(EventTypeView::from).collect();
    Ok(List { data, next_cursor: None, total_count: None })
}

async fn get(
    webhooks: Webhooks,
    call: Call,
    Path(name): Path<String>,
) -> Result<Answer<EventTypeDetailView>, Problem> {
    let view = webhooks.get_catalog_type(call.ctx.tenant_id, &name).await?;
    Ok(Answer::new(view.into()))
}

async fn list_custom(
    webhooks: Webhooks,
    call: Call,
    (): (),
) -> Result<List<EventTypeDetailView>, Problem> {
    let page = webhooks.list_event_types(call.ctx.tenant_id, call.page()?).await?;
    Ok(call.list(page))
}

async fn register(
    webhooks: Webhooks,
    call: Call,
    Body(input): Body<RegisterEventType>,
) -> Result<Changed<EventTypeDetailView>, Problem> {
    let checked = Webhooks::check_event_type(input)?;
    let view = |custom: CustomType| Reply::created(custom.into());
    let unit = work!([webhooks, checked], |work| webhooks.register_event_type(work, checked));
    commit(&call, unit, view).await
}

async fn update(
    webhooks: Webhooks,
    call: Call,
    (Path(name), Body(input)): (Path<String>, Body<UpdateEventType>),
) -> Result<Changed<EventTypeDetailView>, Problem> {
    let whose = (call.ctx.tenant_id, call.ctx.now);
    let checked = webhooks.check_event_type_update(whose, &name, input).await?;
    let view = |custom: CustomType| Reply::ok(custom.into());
    let unit = work!([webhooks, checked], |work| webhooks.update_event_type(work, checked));
    commit(&call, unit, view).await
}

async fn publish(
    webhooks: Webhooks,
    call: Call,
    Body(input): Body<PublishEvent>,
) -> Result<Changed<PublishedView>, Problem> {
    let given = vec![(String::new(), input)];
    let events = webhooks.check_events(call.ctx.tenant_id, given).await?;
    let view = |published: Vec<Published>| match published.into_iter().next() {
        Some(first) => Reply::accepted(first.into()),
        None => Reply::gone(),
    };
    commit_shared(
        &call,
        work!([webhooks, events], |work| webhooks.publish_events(work, events)),
        view,
    )
    .await
}

async fn publish_batch(
    webhooks: Webhooks,
    call: Call,
    Body(input): Body<PublishBatch>,
) -> Result<Changed<PublishedBatchView>, Problem> {
    if !(1..=limits::BATCH_EVENTS_MAX).contains(&input.events.len()) {
        return Err(Problem::invalid_field("/events", "out_of_range", "1 to 1,000 events"));
    }
    let given = input.events.into_iter().enumerate();
    let given = given.map(|(place, event)| (format!("/events/{place}"), event)).collect();
    let events = webhooks.check_events(call.ctx.tenant_id, given).await?;
    let view = |published: Vec<Published>| {
        let data = published.into_iter().map(PublishedView::from).collect();
        Reply::accepted(PublishedBatchView { data })
    };
    commit_shared(
        &call,
        work!([webhooks, events], |work| webhooks.publish_events(work, events)),
        view,
    )
    .await
}
