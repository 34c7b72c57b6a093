//! Why a subscription got an event or did not, and what a change would make of the last events.

use serde::{Deserialize, Serialize};
use tidings_kernel::{
    DeliveryId, EventId, Permission, Problem, ProblemKind, Timestamp, WebhookSubscriptionId,
};
use tidings_web::{Access, Answer, Body, Call, List, Op, Path, Query, Routes};
use utoipa::{IntoParams, ToSchema};

use crate::commands::PreviewSubscription;
use crate::service::{Difference, Explanation, Previewed, Webhooks};

/// What came of an event for one subscription.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplanationView {
    /// The subscription.
    pub(crate) subscription_id: WebhookSubscriptionId,
    /// Where it sends to.
    pub(crate) url: String,
    /// It has a delivery: `delivered`, `exhausted`, `discarded`, `waiting_for_retry`, `left_alone`,
    /// `held_by_rate`, `waiting_for_earlier_event`, `due`. It will have one: `pending_dispatch`. It
    /// has none: `internal_event`, `type_gone`, `sent_to_one_endpoint`, `created_later`,
    /// `type_not_subscribed`, `filtered_out`, `payload_gone`, `changed_since`. Either way it may be
    /// `deleted`, `disabled`, `paused` or `awaiting_consent`.
    pub(crate) verdict: &'static str,
    /// Why, in a sentence.
    pub(crate) reason: String,
    /// The instant that the reason speaks of: when it arrived, is tried next, was deleted, ….
    pub(crate) at: Option<Timestamp>,
    /// The newest delivery of this event to this subscription.
    pub(crate) delivery_id: Option<DeliveryId>,
    /// How often it was tried.
    pub(crate) attempts: Option<u32>,
    /// The clause of the payload filter that decided, as a JSON pointer into the filter.
    pub(crate) clause: Option<String>,
    /// The line of the subscription that comes nearest to the event's type.
    pub(crate) nearest: Option<String>,
}

impl From<Explanation> for ExplanationView {
    fn from(told: Explanation) -> Self {
        let Explanation { subscription_id, url, pair, explained } = told;
        let delivery = pair.delivery.as_ref();
        Self {
            subscription_id,
            url,
            verdict: explained.verdict.as_str(),
            reason: explained.reason,
            at: explained.at,
            delivery_id: delivery.map(|delivery| delivery.id),
            attempts: delivery.map(|delivery| delivery.attempts),
            clause: explained.clause,
            nearest: explained.nearest,
        }
    }
}

/// For which subscriptions an event is explained.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainParams {
    /// One subscription, deleted ones included; all that are or were there unless told.
    #[param(value_type = Option<String>)]
    subscription_id: Option<WebhookSubscriptionId>,
}

/// An event that a change would make a difference for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NamedEventView {
    /// The event.
    pub(crate) id: EventId,
    /// Its type.
    #[serde(rename = "type")]
    pub(crate) name: String,
}

/// Events that a change would make a difference for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DifferenceView {
    /// How many.
    pub(crate) count: usize,
    /// The newest ten.
    pub(crate) newest: Vec<NamedEventView>,
}

impl From<Difference> for DifferenceView {
    fn from(difference: Difference) -> Self {
        let newest = difference.newest.into_iter();
        Self {
            count: difference.count,
            newest: newest.map(|(id, name)| NamedEventView { id, name }).collect(),
        }
    }
}

/// What a change would have made of the last 1000 delivered events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewView {
    /// How many events were looked at.
    pub(crate) looked_at: usize,
    /// Those whose payload is kept no longer: a payload filter counts as not letting them through.
    pub(crate) payload_gone: usize,
    /// How many the subscription wants as it is.
    pub(crate) matches_now: usize,
    /// How many it would want.
    pub(crate) would_match: usize,
    /// Those that it would want and does not now.
    pub(crate) newly: DifferenceView,
    /// Those that it wants now and would not.
    pub(crate) no_longer: DifferenceView,
}

impl From<Previewed> for PreviewView {
    fn from(preview: Previewed) -> Self {
        let Previewed { looked_at, payload_gone, matches_now, would_match, newly, no_longer } =
            preview;
        Self {
            looked_at,
            payload_gone,
            matches_now,
            would_match,
            newly: newly.into(),
            no_longer: no_longer.into(),
        }
    }
}

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    let events = Access::Needs(Permission::EventsRead);
    let webhooks = Access::Needs(Permission::WebhooksRead);
    routes
        .list(
            Op::get("/api/v1/webhooks/events/log/{id}/explain", "explainEvent", events)
                .summary("Why each subscription got an event, or did not"),
            explain,
        )
        .read_by_post(
            Op::post(
                "/api/v1/webhooks/subscriptions/{id}/preview",
                "previewWebhookSubscription",
                webhooks,
            )
            .summary("What other events or another payload filter would make of the last events"),
            preview,
        )
}

/// What shows events and subscriptions takes what reading both takes.
fn expect(call: &Call, permission: Permission) -> Result<(), Problem> {
    if call.ctx.grants.allow(permission) {
        return Ok(());
    }
    let message = format!("this needs the permission {} as well", permission.name());
    Err(Problem::new(ProblemKind::Forbidden, message))
}

async fn explain(
    webhooks: Webhooks,
    call: Call,
    (Path(id), Query(params)): (Path<EventId>, Query<ExplainParams>),
) -> Result<List<ExplanationView>, Problem> {
    expect(&call, Permission::WebhooksRead)?;
    let wanted = (id, params.subscription_id);
    let page = webhooks.explain_event(call.ctx.tenant_id, wanted, call.page()?).await?;
    Ok(call.list(page))
}

async fn preview(
    webhooks: Webhooks,
    call: Call,
    (Path(id), Body(input)): (Path<WebhookSubscriptionId>, Body<PreviewSubscription>),
) -> Result<Answer<PreviewView>, Problem> {
    expect(&call, Permission::EventsRead)?;
    let preview = webhooks.preview_subscription(call.ctx.tenant_id, id, input).await?;
    Ok(Answer::new(preview.into()))
}
