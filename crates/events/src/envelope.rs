//! What a receiver gets: the same bytes for every endpoint and every attempt.

use std::panic::Location;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tidings_kernel::{
    Actor, AnyId, Cause, EventId, Metadata, RequestId, TenantId, Timestamp, TraceContext, Uuid,
    Version, WebhookSubscriptionId,
};
use utoipa::ToSchema;

use crate::{EventName, Priority, Visibility};

/// The object that an event is about.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Subject {
    /// The kind of object: `customer`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The object's id.
    pub id: String,
    /// Grows by one with every event of this object: the consumer's ordering key.
    pub version: Version,
}

/// Who caused an event.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ActorView {
    /// `operator`, `user`, `api_key` or `system`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The actor's id; for the system, the name of the job.
    pub id: Option<String>,
}

impl From<&Actor> for ActorView {
    fn from(actor: &Actor) -> Self {
        Self { kind: actor.kind(), id: actor.id() }
    }
}

/// What led to an event, for correlation.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CauseView {
    /// The request, as its answer's `x-request-id` named it.
    pub request_id: RequestId,
    /// The event that led to this one.
    pub event_id: Option<EventId>,
    /// The job that ran.
    pub job: Option<&'static str>,
}

impl CauseView {
    /// The cause within one request or run.
    pub fn new(request_id: RequestId, cause: &Cause) -> Self {
        Self { request_id, event_id: cause.event_id, job: cause.job }
    }
}

/// The body of every webhook.
#[derive(Debug, Serialize, ToSchema)]
pub struct Envelope<'a> {
    /// The event's id, and the `webhook-id` of every attempt: what to deduplicate by.
    pub id: EventId,
    /// The type, from the catalog.
    #[serde(rename = "type")]
    pub name: &'a str,
    /// The version of the schema of `data`.
    pub schema_version: u32,
    /// When the change was made.
    pub timestamp: Timestamp,
    /// The tenant that it was made in.
    pub tenant_id: TenantId,
    /// The object that changed.
    pub subject: Subject,
    /// Who changed it.
    pub actor: ActorView,
    /// What led to the change.
    pub cause: CauseView,
    /// Whether the tenant is a live one.
    pub livemode: bool,
    /// What the publisher or the object's owner attached.
    pub custom_metadata: &'a Metadata,
    /// The facts, as the type's schema describes them.
    #[schema(value_type = Object)]
    pub data: &'a RawValue,
}

impl Envelope<'_> {
    /// The bytes that are stored, signed and sent.
    pub fn to_bytes(&self) -> Bytes {
        // Every part serialises; an empty body would fail its signature check in every test.
        serde_json::to_vec(self).map(Bytes::from).unwrap_or_default()
    }
}

/// An event that is committed: what the engine, and nobody before the flush, is handed.
#[derive(Debug, Clone)]
pub struct CommittedEvent {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The event.
    pub event_id: EventId,
    /// Its type.
    pub name: EventName,
    /// How soon it goes out.
    pub priority: Priority,
    /// Who sees it.
    pub visibility: Visibility,
    /// The object that changed.
    pub subject_id: AnyId,
    /// The event's place among those of its object.
    pub subject_version: Version,
    /// When the change was made.
    pub occurred_at: Timestamp,
    /// Its place among all events of the installation, in the order in which they were written.
    /// Clocks step and nodes' clocks differ, so what came before what is asked of this.
    pub seq: i64,
    /// The node that holds the event's pointer.
    pub holder: Uuid,
    /// The one subscription that it is for, where it is for one only.
    pub target: Option<WebhookSubscriptionId>,
    /// The body.
    pub body: Bytes,
    /// The place in the source that made the change.
    pub made_at: &'static Location<'static>,
    /// The trace that the change was made in. Kept in memory only: an event that is found again in
    /// the database begins a trace of its own.
    pub trace: Option<TraceContext>,
}
