//! `/api/v1/webhooks/deliveries`.

use serde::{Deserialize, Serialize};
use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{
    DeliveryId, EventId, Permission, Problem, ReplayId, Timestamp, WebhookSubscriptionId,
};
use tidings_web::{Access, Answer, Call, Changed, List, Op, Path, Query, Reply, Routes, commit};
use utoipa::{IntoParams, ToSchema};

use crate::api::subscriptions::status;
use crate::service::Webhooks;
use crate::service::{AttemptRecord, Delivery, DeliveryFilter};

/// One event for one subscription.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// Its id.
    pub(crate) id: DeliveryId,
    /// The event: `webhook-id` of what arrives.
    pub(crate) event_id: EventId,
    /// The event's type.
    pub(crate) event_type: String,
    /// The subscription.
    pub(crate) subscription_id: WebhookSubscriptionId,
    /// `event`, `manual` for a repetition that somebody asked for, or `replay`.
    pub(crate) origin: String,
    /// The replay that it belongs to.
    pub(crate) replay_id: Option<ReplayId>,
    /// `pending`, `waiting`, `delivered`, `exhausted` or `discarded`.
    pub(crate) status: &'static str,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// When it is tried next.
    pub(crate) next_attempt_at: Option<Timestamp>,
    /// The status of the last answer.
    pub(crate) last_status: Option<u16>,
    /// The class of the last failure.
    pub(crate) last_error: Option<String>,
    /// Why it was discarded.
    pub(crate) reason: Option<String>,
    /// When the event happened, or the repetition was asked for.
    pub(crate) created_at: Timestamp,
    /// When it last changed.
    pub(crate) updated_at: Timestamp,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            event_id: delivery.event_id,
            event_type: delivery.event_name,
            subscription_id: delivery.subscription_id,
            origin: delivery.origin,
            replay_id: delivery.replay_id,
            status: delivery.status.as_str(),
            attempts: delivery.attempts,
            next_attempt_at: delivery.next_attempt_at,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            reason: delivery.reason,
            created_at: delivery.created_at,
            updated_at: delivery.updated_at,
        }
    }
}

/// One attempt to deliver.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttemptView {
    /// Which one: the first is 1.
    pub(crate) attempt: u32,
    /// When it began.
    pub(crate) started_at: Timestamp,
    /// Milliseconds from the first step to the last byte.
    pub(crate) duration_ms: i64,
    /// The status of the answer.
    pub(crate) status: Option<u16>,
    /// The class of the failure.
    pub(crate) error: Option<String>,
    /// Headers of an answer that was no success.
    #[schema(value_type = Option<Object>)]
    pub(crate) response_headers: Option<serde_json::Value>,
    /// The beginning of the answer's body, as text.
    pub(crate) response_body: Option<String>,
}

impl From<AttemptRecord> for AttemptView {
    fn from(record: AttemptRecord) -> Self {
        let headers = record.response_headers.as_deref();
        let body = record.response_body.as_ref();
        Self {
            attempt: record.attempt,
            started_at: record.started_at,
            duration_ms: record.duration / 1_000,
            status: record.status,
            error: record.error,
            response_headers: headers.and_then(|text| serde_json::from_str(text).ok()),
            response_body: body.map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

/// What a list of deliveries is narrowed to.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryParams {
    /// `pending`, `waiting`, `delivered`, `exhausted` or `discarded`.
    status: Option<String>,
    /// A type of the catalog.
    event_type: Option<String>,
    /// One subscription.
    #[param(value_type = Option<String>)]
    subscription_id: Option<WebhookSubscriptionId>,
    /// One event.
    #[param(value_type = Option<String>)]
    event_id: Option<EventId>,
}

const READ: Access = Access::Needs(Permission::WebhooksRead);
const MANAGE: Access = Access::Needs(Permission::WebhooksManage);

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes
        .list(
            Op::get("/api/v1/webhooks/deliveries", "listDeliveries", READ)
                .summary("The tenant's deliveries, the newest first"),
            list,
        )
        .read(
            Op::get("/api/v1/webhooks/deliveries/{id}", "getDelivery", READ)
                .summary("One delivery"),
            get,
        )
        .list(
            Op::get("/api/v1/webhooks/deliveries/{id}/attempts", "listAttempts", READ)
                .summary("The attempts of a delivery, in order"),
            attempts,
        )
        .change(
            Op::post("/api/v1/webhooks/deliveries/{id}/retry", "retryDelivery", MANAGE)
                .status(202)
                .summary("Send an event once more: a new delivery of the same event")
                .emits(&[EventType::WebhookDeliveryRetried]),
            retry,
        )
}

async fn list(
    webhooks: Webhooks,
    call: Call,
    Query(params): Query<DeliveryParams>,
) -> Result<List<DeliveryView>, Problem> {
    let filter = DeliveryFilter {
        subscription_id: params.subscription_id,
        event_id: params.event_id,
        status: status(params.status.as_deref())?,
        event_type: params.event_type,
    };
    let page = webhooks.list_deliveries(call.ctx.tenant_id, &filter, call.page()?).await?;
    Ok(call.list(page))
}

async fn get(
    webhooks: Webhooks,
    call: Call,
    Path(id): Path<DeliveryId>,
) -> Result<Answer<DeliveryView>, Problem> {
    let delivery = webhooks.get_delivery(call.ctx.tenant_id, id).await?;
    Ok(Answer::new(delivery.into()))
}

async fn attempts(
    webhooks: Webhooks,
    call: Call,
    Path(id): Path<DeliveryId>,
) -> Result<List<AttemptView>, Problem> {
    let page = webhooks.list_attempts(call.ctx.tenant_id, id, call.page()?).await?;
    Ok(call.list(page))
}

async fn retry(
    webhooks: Webhooks,
    call: Call,
    Path(id): Path<DeliveryId>,
) -> Result<Changed<DeliveryView>, Problem> {
    let view = |delivery: Delivery| Reply::accepted(delivery.into());
    let retried =
        commit(&call, work!([webhooks], |work| webhooks.retry_delivery(work, id)), view).await;
    webhooks.wake();
    retried
}
