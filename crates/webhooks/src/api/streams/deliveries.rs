//! `/api/v1/webhooks/deliveries/stream`: attempts as their outcomes are written, on whichever node.

use serde::{Deserialize, Serialize};
use tidings_bus::Bus;
use tidings_kernel::{
    DeliveryId, EventId, FieldError, Permission, Problem, ReplayId, TenantId, Timestamp,
    WebhookSubscriptionId,
};
use tidings_web::{Access, Call, Live, Op, Query, Routes};
use utoipa::{IntoParams, ToSchema};

use super::Source;
use crate::api::deliveries::DeliveryParams;
use crate::delivery::DeliveryStatus;
use crate::error::WebhookError;
use crate::service::{DeliveryFilter, FollowedAttempt, Step, Webhooks};
use crate::settlement::Place;

/// Which attempts are followed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowParams {
    /// To one subscription.
    #[param(value_type = Option<String>)]
    subscription_id: Option<WebhookSubscriptionId>,
    /// What the delivery is after the attempt: `delivered`, `waiting`, `exhausted`, `discarded`, or
    /// several with commas between.
    status: Option<String>,
    /// A type, or a wildcard such as `customer.*`.
    event_type: Option<String>,
    /// The object that the events are about, by its id: `cus_…`.
    subject_id: Option<String>,
    /// The kind of object that they are about: `customer`.
    subject_type: Option<String>,
    /// The place after which it begins, as does the header `Last-Event-ID`: an id of the stream, or
    /// 0 for all that is known, an hour. From now on unless told.
    #[expect(dead_code, reason = "it is read as of every list; here it is described")]
    after: Option<String>,
}

/// An attempt whose outcome was written.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettledAttemptView {
    /// The delivery.
    delivery_id: DeliveryId,
    /// Which of its attempts: the first is 1.
    attempt: u32,
    /// What the delivery is after it: `delivered`, `waiting`, `exhausted` or `discarded`.
    status: &'static str,
    /// The event: `webhook-id` of what arrives.
    event_id: EventId,
    /// The event's type.
    event_type: String,
    /// The kind of object that the event is about.
    subject_type: String,
    /// The subscription.
    subscription_id: WebhookSubscriptionId,
    /// `event`, `manual` for a repetition that somebody asked for, or `replay`.
    origin: String,
    /// The replay that it belongs to.
    replay_id: Option<ReplayId>,
    /// The status of the answer.
    http_status: Option<u16>,
    /// The class of the failure.
    error: Option<String>,
    /// When the attempt began.
    started_at: Timestamp,
    /// Microseconds from the first step to the last byte.
    duration_us: i64,
    /// When its outcome was written.
    settled_at: Timestamp,
}

impl From<FollowedAttempt> for SettledAttemptView {
    fn from(followed: FollowedAttempt) -> Self {
        let FollowedAttempt { attempt, outcome, settled_at } = followed;
        Self {
            delivery_id: attempt.delivery_id,
            attempt: attempt.attempt,
            status: outcome.as_str(),
            event_id: attempt.event_id,
            event_type: attempt.event_name,
            subject_type: attempt.subject_kind,
            subscription_id: attempt.subscription_id,
            origin: attempt.origin,
            replay_id: attempt.replay_id,
            http_status: attempt.status,
            error: attempt.error,
            started_at: attempt.started_at,
            duration_us: attempt.duration,
            settled_at,
        }
    }
}

pub(super) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes.live(
        Op::get(
            "/api/v1/webhooks/deliveries/stream",
            "streamDeliveries",
            Access::Needs(Permission::WebhooksRead),
        )
        .summary("Attempts as their outcomes are written, as server-sent events; resumes by id"),
        stream,
    )
}

async fn stream(
    webhooks: Webhooks,
    call: Call,
    Query(params): Query<FollowParams>,
) -> Result<Live<SettledAttemptView>, Problem> {
    let FollowParams { subscription_id, status, event_type, subject_id, subject_type, .. } = params;
    let filter = DeliveryParams {
        subscription_id,
        status,
        event_type,
        subject_id,
        subject_type,
        ..DeliveryParams::default()
    };
    let filter = filter.filter()?;
    if filter.fits_only(DeliveryStatus::Pending) {
        let message = "what is pending was not attempted yet: delivered, waiting, exhausted or \
                       discarded";
        let fault = FieldError::new("?status", "unknown_value", message);
        return Err(Problem::invalid(vec![fault]));
    }
    let expected = "an id that the stream gave, or 0 for all that is known";
    let place = match super::place::<Place>(&call, expected)? {
        Some(place) => place,
        None => webhooks.last_settled(call.ctx.tenant_id).await?,
    };
    super::begin(webhooks, call, Deliveries(filter), place)
}

/// Attempts, as far as they fit.
struct Deliveries(DeliveryFilter);

impl Source for Deliveries {
    type Place = Place;
    type View = SettledAttemptView;

    async fn look(
        &self,
        webhooks: &Webhooks,
        tenant_id: TenantId,
        place: Place,
    ) -> Result<Step<Place, SettledAttemptView>, WebhookError> {
        let step = webhooks.follow_deliveries(tenant_id, &self.0, place).await?;
        Ok(step.map(SettledAttemptView::from))
    }

    fn more(bus: &Bus) -> tokio::sync::futures::Notified<'_> {
        bus.outcomes()
    }
}
