//! `/api/v1/webhooks/deliveries`.

use serde::{Deserialize, Serialize};
use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{
    DeliveryId, EventId, FieldError, Permission, Problem, ReplayId, Timestamp,
    WebhookSubscriptionId,
};
use tidings_web::{Access, Answer, Call, Changed, List, Op, Path, Query, Reply, Routes, commit};
use utoipa::{IntoParams, ToSchema};

use crate::api::attempts::AttemptView;
use crate::api::narrowed::{Narrowed, Narrowing};
use crate::delivery::DeliveryStatus;
use crate::plan::ERROR_CLASSES;
use crate::service::Webhooks;
use crate::service::{Delivery, DeliveryFilter};

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

/// What a list of deliveries is narrowed to.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryParams {
    /// One subscription.
    #[param(value_type = Option<String>)]
    pub(crate) subscription_id: Option<WebhookSubscriptionId>,
    /// One event.
    #[param(value_type = Option<String>)]
    pub(crate) event_id: Option<EventId>,
    /// `pending`, `waiting`, `delivered`, `exhausted`, `discarded`, or several with commas between.
    pub(crate) status: Option<String>,
    /// A type, or a wildcard such as `customer.*`.
    pub(crate) event_type: Option<String>,
    /// The object that the events are about, by its id: `cus_…`.
    pub(crate) subject_id: Option<String>,
    /// The kind of object that they are about: `customer`.
    pub(crate) subject_type: Option<String>,
    /// Events that happened at this time or later.
    #[param(value_type = Option<String>)]
    pub(crate) occurred_after: Option<Timestamp>,
    /// Events that happened at this time or earlier.
    #[param(value_type = Option<String>)]
    pub(crate) occurred_before: Option<Timestamp>,
    /// The class of the last failure: `timeout.connect`, `dns`, `http`, ….
    pub(crate) error: Option<String>,
    /// The status of the last answer, 100 to 999.
    pub(crate) http_status: Option<u16>,
}

impl DeliveryParams {
    /// The filter that is asked for, or every fault.
    pub(crate) fn filter(self) -> Result<DeliveryFilter, Problem> {
        let mut faults = Vec::new();
        let statuses = statuses(self.status.as_deref(), &mut faults);
        let narrowed = Narrowed {
            event_type: self.event_type,
            subject_id: self.subject_id,
            occurred_after: self.occurred_after,
            occurred_before: self.occurred_before,
        };
        let Narrowing { types, subject_id, span } = narrowed.read(&mut faults);
        if self.http_status.is_some_and(|status| !(100..1_000).contains(&status)) {
            let message = "a status of an answer, 100 to 999";
            faults.push(FieldError::new("?http_status", "out_of_range", message));
        }
        if let Some(error) = &self.error
            && !ERROR_CLASSES.contains(&error.as_str())
        {
            let message = format!("one of {}", ERROR_CLASSES.join(", "));
            faults.push(FieldError::new("?error", "unknown_value", message));
        }
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        Ok(DeliveryFilter {
            subscription_id: self.subscription_id,
            event_id: self.event_id,
            statuses,
            types,
            subject_id,
            subject_kind: self.subject_type,
            span,
            last_error: self.error,
            last_status: self.http_status,
        })
    }
}

/// The states that a list is narrowed to.
fn statuses(text: Option<&str>, faults: &mut Vec<FieldError>) -> Vec<DeliveryStatus> {
    let mut found = Vec::new();
    for word in text.into_iter().flat_map(|text| text.split(',')) {
        if let Some(status) = DeliveryStatus::find(word) {
            found.push(status);
            continue;
        }
        let message = format!(
            "{word:?} is none of pending, waiting, delivered, exhausted and discarded; several \
             stand with commas between"
        );
        faults.push(FieldError::new("?status", "unknown_value", message));
    }
    found
}

const READ: Access = Access::Needs(Permission::WebhooksRead);
const MANAGE: Access = Access::Needs(Permission::WebhooksManage);

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes
        .list(
            Op::get("/api/v1/webhooks/deliveries", "listDeliveries", READ).summary(
                "The tenant's deliveries, the newest events first; a page may end early, see next_cursor",
            ),
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
    let filter = params.filter()?;
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
