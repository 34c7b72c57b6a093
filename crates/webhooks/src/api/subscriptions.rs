//! `/api/v1/webhooks/subscriptions`.

use std::collections::BTreeMap;

use serde::Serialize;
use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{Metadata, Permission, Problem, Timestamp, WebhookSubscriptionId};
use tidings_web::{
    Access, Answer, Body, Call, Changed, List, Op, Path, Query, Reply, Routes, commit,
};
use utoipa::ToSchema;

use crate::api::deliveries::{DeliveryParams, DeliveryView};
use crate::cloudevents::Format;
use crate::commands::{CreateSubscription, UpdateSubscription};
use crate::payload_filter::Clause;
use crate::service::DeliveryFilter;
use crate::service::Webhooks;
use crate::signing::SigningSecret;
use crate::signing::profiles::ProfileUse;
use crate::subscription::Subscription;

/// A webhook subscription, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubscriptionView {
    /// Its id.
    pub(crate) id: WebhookSubscriptionId,
    /// Where it sends to.
    pub(crate) url: String,
    /// What it is sent.
    pub(crate) events: Vec<String>,
    /// For people.
    pub(crate) description: Option<String>,
    /// Headers that go along; the values are not shown.
    pub(crate) headers: BTreeMap<String, &'static str>,
    /// `standard` or `original`.
    pub(crate) retry_policy: &'static str,
    /// The time for one attempt, in seconds.
    pub(crate) timeout_seconds: u32,
    /// How many deliveries a second it takes at most.
    pub(crate) rate_per_second: Option<u32>,
    /// `none`, or `per_object`: an object's events wait for each other.
    pub(crate) ordering: &'static str,
    /// Whether it sends at present.
    pub(crate) is_active: bool,
    /// `active`, `pending` until its endpoint consents, `paused` by its owner, or `disabled` by
    /// Tidings.
    pub(crate) status: &'static str,
    /// When Tidings disabled it.
    pub(crate) disabled_at: Option<Timestamp>,
    /// Why: `gone` when the endpoint answered 410.
    pub(crate) disabled_reason: Option<String>,
    /// Until when webhooks are signed with the old secret too.
    pub(crate) previous_secret_valid_until: Option<Timestamp>,
    /// Which events of these types it gets; all where there is none.
    pub(crate) payload_filter: Option<Clause>,
    /// Ways to sign that are sent beside Standard Webhooks `v1`.
    pub(crate) signature_profiles: Vec<ProfileUse>,
    /// The key (`whpk_…`) that `v1a` signatures are checked with.
    pub(crate) public_key: Option<String>,
    /// The key of the key pair before a rotation, which signs too for a while.
    pub(crate) previous_public_key: Option<String>,
    /// Until when it does.
    pub(crate) previous_public_key_valid_until: Option<Timestamp>,
    /// How bodies are laid out.
    pub(crate) format: Format,
    /// What it does not get: these values arrive as `null`.
    pub(crate) redact: Vec<String>,
    /// Whether the endpoint must consent before anything is sent.
    pub(crate) handshake: bool,
    /// When it consented.
    pub(crate) consented_at: Option<Timestamp>,
    /// Why it has not, when it was last asked.
    pub(crate) handshake_refusal: Option<String>,
    /// Your own notes.
    pub(crate) custom_metadata: Metadata,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it last changed.
    pub(crate) updated_at: Timestamp,
}

impl From<Subscription> for SubscriptionView {
    fn from(subscription: Subscription) -> Self {
        let (status, is_active) = (subscription.status(), subscription.sends());
        let names = subscription.header_names.into_iter();
        let options = subscription.options;
        let redact = options.redact().to_vec();
        let (previous_public_key, previous_public_key_valid_until) =
            options.previous_key.map(|key| (key.public_key, key.valid_until)).unzip();
        let (disabled_at, disabled_reason) =
            subscription.disabled.map(|disabled| (disabled.at, disabled.reason)).unzip();
        Self {
            id: subscription.id,
            url: subscription.url,
            events: subscription.events,
            description: subscription.description,
            headers: names.map(|name| (name, "***")).collect(),
            retry_policy: subscription.retry_policy.name(),
            timeout_seconds: subscription.timeout_seconds,
            rate_per_second: subscription.rate_per_second,
            ordering: subscription.ordering.as_str(),
            is_active,
            status,
            disabled_at,
            disabled_reason,
            previous_secret_valid_until: subscription.previous.map(|(_, until)| until),
            payload_filter: options.payload_filter,
            signature_profiles: options.signature_profiles,
            public_key: options.public_key,
            previous_public_key,
            previous_public_key_valid_until,
            redact,
            format: options.format,
            handshake: options.handshake,
            consented_at: options.consented_at,
            handshake_refusal: options.handshake_refusal,
            custom_metadata: subscription.custom_metadata,
            created_at: subscription.created_at,
            updated_at: subscription.updated_at,
        }
    }
}

/// A webhook subscription with its secret, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewSubscriptionView {
    /// The subscription.
    #[serde(flatten)]
    pub(crate) subscription: SubscriptionView,
    /// The secret that receivers verify signatures with. Keep it; it is not shown again.
    pub(crate) secret: String,
}

const READ: Access = Access::Needs(Permission::WebhooksRead);
const MANAGE: Access = Access::Needs(Permission::WebhooksManage);

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes
        .change(
            Op::post("/api/v1/webhooks/subscriptions", "createWebhookSubscription", MANAGE)
                .summary("Make a subscription; its secret is shown this once")
                .emits(&[EventType::WebhookSubscriptionCreated]),
            create,
        )
        .list(
            Op::get("/api/v1/webhooks/subscriptions", "listWebhookSubscriptions", READ)
                .summary("The tenant's subscriptions, the newest first"),
            list,
        )
        .read(
            Op::get("/api/v1/webhooks/subscriptions/{id}", "getWebhookSubscription", READ)
                .summary("One subscription"),
            get,
        )
        .change(
            Op::patch("/api/v1/webhooks/subscriptions/{id}", "updateWebhookSubscription", MANAGE)
                .summary("Change a subscription")
                .emits(&[EventType::WebhookSubscriptionUpdated]),
            update,
        )
        .change(
            Op::delete("/api/v1/webhooks/subscriptions/{id}", "deleteWebhookSubscription", MANAGE)
                .summary("End a subscription; its deliveries stay readable")
                .emits(&[EventType::WebhookSubscriptionDeleted]),
            delete,
        )
        .list(
            Op::get(
                "/api/v1/webhooks/subscriptions/{id}/deliveries",
                "listDeliveriesOfSubscription",
                READ,
            )
            .summary("A subscription's deliveries, the newest events first"),
            list_deliveries,
        )
}

pub(crate) fn with_secret(
    (subscription, secret): (Subscription, SigningSecret),
) -> NewSubscriptionView {
    NewSubscriptionView { subscription: subscription.into(), secret: secret.to_text() }
}

async fn create(
    webhooks: Webhooks,
    call: Call,
    Body(input): Body<CreateSubscription>,
) -> Result<Changed<NewSubscriptionView>, Problem> {
    let view = |made: (Subscription, SigningSecret)| {
        let version = made.0.version;
        Reply::created(with_secret(made)).version(version)
    };
    // The endpoint is asked before the unit of work, which waits for nothing but its database.
    let asked = if input.handshake { webhooks.ask(&input.url).await? } else { None };
    let input = (input, asked);
    commit(&call, work!([webhooks, input], |work| webhooks.create_subscription(work, input)), view)
        .await
}

async fn list(webhooks: Webhooks, call: Call, (): ()) -> Result<List<SubscriptionView>, Problem> {
    let page = webhooks.list_subscriptions(call.ctx.tenant_id, call.page()?).await?;
    Ok(call.list(page))
}

async fn get(
    webhooks: Webhooks,
    call: Call,
    Path(id): Path<WebhookSubscriptionId>,
) -> Result<Answer<SubscriptionView>, Problem> {
    let subscription = webhooks.get_subscription(call.ctx.tenant_id, id).await?;
    let version = subscription.version;
    Ok(Answer::new(subscription.into()).version(version))
}

async fn update(
    webhooks: Webhooks,
    call: Call,
    (Path(id), Body(input)): (Path<WebhookSubscriptionId>, Body<UpdateSubscription>),
) -> Result<Changed<SubscriptionView>, Problem> {
    let asked = webhooks.ask_before_update(call.ctx.tenant_id, id, &input).await?;
    let input = (input, call.if_match()?, asked);
    let view = |subscription: Subscription| {
        let version = subscription.version;
        Reply::ok(subscription.into()).version(version)
    };
    let unit = work!([webhooks, input], |work| webhooks.update_subscription(work, id, input));
    commit(&call, unit, view).await
}

async fn delete(
    webhooks: Webhooks,
    call: Call,
    Path(id): Path<WebhookSubscriptionId>,
) -> Result<Changed<()>, Problem> {
    let if_match = call.if_match()?;
    let unit = work!([webhooks], |work| webhooks.delete_subscription(work, id, if_match));
    commit(&call, unit, |()| Reply::gone()).await
}

async fn list_deliveries(
    webhooks: Webhooks,
    call: Call,
    (Path(id), Query(params)): (Path<WebhookSubscriptionId>, Query<DeliveryParams>),
) -> Result<List<DeliveryView>, Problem> {
    let tenant_id = call.ctx.tenant_id;
    webhooks.get_subscription(tenant_id, id).await?;
    let filter = DeliveryFilter { subscription_id: Some(id), ..params.filter()? };
    let page = webhooks.list_deliveries(tenant_id, &filter, call.page()?).await?;
    Ok(call.list(page))
}
