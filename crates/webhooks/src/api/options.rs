//! Verbs and views about one subscription's secret, consent and tests, and the trying of payload
//! filters.

use serde::Serialize;
use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{EventId, Permission, Problem, WebhookSubscriptionId};
use tidings_web::{Access, Answer, Body, Call, Changed, Op, Path, Reply, Routes, commit};
use utoipa::ToSchema;

use crate::api::subscriptions::{NewSubscriptionView, SubscriptionView, with_secret};
use crate::commands::{RotateKey, RotateSecret, TestFilter, TestSubscription};
use crate::error::WebhookError;
use crate::payload_filter::{Explanation, Verdict};
use crate::service::Webhooks;

/// A test that was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestView {
    /// The test's event: `webhook-id` of what arrives.
    pub(crate) event_id: EventId,
}

/// What one clause of a payload filter made of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerdictView {
    /// Where the clause stands in the filter, as a JSON pointer; empty for the filter itself.
    pub(crate) pointer: String,
    /// Whether it holds.
    pub(crate) holds: bool,
    /// Why, in a sentence.
    pub(crate) reason: String,
}

/// What a payload filter made of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FilterTestView {
    /// Whether the event would be sent.
    pub(crate) matches: bool,
    /// The clause that decided.
    pub(crate) decided_by: VerdictView,
    /// Every clause, in the order of the filter.
    pub(crate) clauses: Vec<VerdictView>,
}

impl From<Verdict> for VerdictView {
    fn from(verdict: Verdict) -> Self {
        let Verdict { pointer, holds, reason } = verdict;
        Self { pointer, holds, reason }
    }
}

impl From<Explanation> for FilterTestView {
    fn from(told: Explanation) -> Self {
        Self {
            matches: told.matches,
            decided_by: told.decided_by.into(),
            clauses: told.clauses.into_iter().map(VerdictView::from).collect(),
        }
    }
}

const READ: Access = Access::Needs(Permission::WebhooksRead);
const MANAGE: Access = Access::Needs(Permission::WebhooksManage);

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes
        .change(
            Op::post(
                "/api/v1/webhooks/subscriptions/{id}/rotate-secret",
                "rotateWebhookSecret",
                MANAGE,
            )
            .status(200)
            .summary("Give a subscription a new secret; the old one signs too for 0 to 168 hours")
            .emits(&[EventType::WebhookSubscriptionSecretRotated]),
            rotate,
        )
        .change(
            Op::post("/api/v1/webhooks/subscriptions/{id}/rotate-key", "rotateWebhookKey", MANAGE)
                .status(200)
                .summary(
                    "Give a subscription a new key pair; the old one signs too for 0 to 168 hours",
                )
                .emits(&[EventType::WebhookSubscriptionUpdated]),
            rotate_key,
        )
        .change(
            Op::post("/api/v1/webhooks/subscriptions/{id}/test", "testWebhookSubscription", MANAGE)
                .status(202)
                .summary("Send one subscription a test, or an example of any type as a test")
                .emits(&[EventType::WebhookTest]),
            test,
        )
        .change(
            Op::post(
                "/api/v1/webhooks/subscriptions/{id}/handshake",
                "completeWebhookHandshake",
                MANAGE,
            )
            .status(200)
            .summary("Ask a subscription's endpoint once more for its consent")
            .emits(&[EventType::WebhookSubscriptionUpdated]),
            handshake,
        )
        .read_by_post(
            Op::post("/api/v1/webhooks/filters/test", "testPayloadFilter", READ)
                .summary("Say what a payload filter makes of an event, and which clause decides"),
            test_filter,
        )
}

async fn rotate(
    webhooks: Webhooks,
    call: Call,
    (Path(id), body): (Path<WebhookSubscriptionId>, Option<Body<RotateSecret>>),
) -> Result<Changed<NewSubscriptionView>, Problem> {
    let input = body.map(|Body(input)| input).unwrap_or_default();
    let view = |made| Reply::ok(with_secret(made));
    let unit = work!([webhooks, input], |work| webhooks.rotate_secret(work, id, input));
    commit(&call, unit, view).await
}

async fn rotate_key(
    webhooks: Webhooks,
    call: Call,
    (Path(id), body): (Path<WebhookSubscriptionId>, Option<Body<RotateKey>>),
) -> Result<Changed<SubscriptionView>, Problem> {
    let input = body.map(|Body(input)| input).unwrap_or_default();
    let view = |subscription: crate::Subscription| {
        let version = subscription.version;
        Reply::ok(subscription.into()).version(version)
    };
    let unit = work!([webhooks, input], |work| webhooks.rotate_key(work, id, input));
    commit(&call, unit, view).await
}

async fn test(
    webhooks: Webhooks,
    call: Call,
    (Path(id), body): (Path<WebhookSubscriptionId>, Option<Body<TestSubscription>>),
) -> Result<Changed<TestView>, Problem> {
    let tenant_id = call.ctx.tenant_id;
    // Whose subscription it is comes first: what is wrong with the rest is nobody else's business.
    webhooks.get_subscription(tenant_id, id).await?;
    let tested = match body.and_then(|Body(input)| input.event_type) {
        Some(name) => Some(webhooks.tested_type(tenant_id, &name).await?),
        None => None,
    };
    let view = |event_id| Reply::accepted(TestView { event_id });
    let unit = work!([webhooks, tested], |work| webhooks.test_subscription(work, id, tested));
    commit(&call, unit, view).await
}

async fn handshake(
    webhooks: Webhooks,
    call: Call,
    Path(id): Path<WebhookSubscriptionId>,
) -> Result<Changed<SubscriptionView>, Problem> {
    let current = webhooks.get_subscription(call.ctx.tenant_id, id).await?;
    if !current.options.handshake {
        return Err(WebhookError::NoHandshake.into());
    }
    let asked = webhooks.ask(&current.url).await?;
    let asked = asked.ok_or_else(|| {
        Problem::new(tidings_kernel::ProblemKind::UrlRefused, "the url is not called any more")
    })?;
    let view = |subscription: crate::Subscription| {
        let version = subscription.version;
        Reply::ok(subscription.into()).version(version)
    };
    let unit = work!([webhooks, asked], |work| webhooks.complete_handshake(work, id, asked));
    commit(&call, unit, view).await
}

async fn test_filter(
    webhooks: Webhooks,
    call: Call,
    Body(input): Body<TestFilter>,
) -> Result<Answer<FilterTestView>, Problem> {
    // A filter answers questions about an event, so it takes what reading the event takes.
    if input.event_id.is_some() && !call.ctx.grants.allow(Permission::EventsRead) {
        return Err(Problem::new(
            tidings_kernel::ProblemKind::Forbidden,
            "events.read is needed to try a filter on an event of the log; send the event instead",
        ));
    }
    let told = webhooks.test_filter(call.ctx.tenant_id, input).await?;
    Ok(Answer::new(told.into()))
}
