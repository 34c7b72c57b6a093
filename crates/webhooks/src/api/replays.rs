//! `/api/v1/webhooks/replays`: past events, sent once more to one subscription.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{Permission, Problem, ReplayId, Timestamp, WebhookSubscriptionId};
use tidings_web::{
    Access, Answer, Body, Call, Changed, List, Op, Path, Query, Reply, Routes, commit,
};
use utoipa::{IntoParams, ToSchema};

use crate::commands::CreateReplay;
use crate::service::{Asked, Estimate, ReplayState, Webhooks};

/// How far a replay has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProgressView {
    /// Events of the log in its bounds; `null` for the moment until the end is known.
    pub(crate) total: Option<i64>,
    /// Those that it has looked at.
    pub(crate) considered: i64,
    /// The position of the last of them.
    pub(crate) position: i64,
    /// Deliveries that it has made.
    pub(crate) planned: i64,
    /// Those that have not ended.
    pub(crate) under_way: i64,
    /// Those that arrived.
    pub(crate) delivered: i64,
    /// Those that ended in vain.
    pub(crate) failed: i64,
    /// Those that were under way when it was cancelled, or failed. Some may have arrived all the
    /// same; each delivery tells.
    pub(crate) cancelled: i64,
    /// Events that it could not send, because their payload is kept no longer; and for `missing`,
    /// because it is not known any more whether they arrived.
    pub(crate) skipped: i64,
}

/// Past events, sent once more to one subscription.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayView {
    /// Its id: `webhook-replay` of what arrives.
    pub(crate) id: ReplayId,
    /// The subscription that gets the events.
    pub(crate) subscription_id: WebhookSubscriptionId,
    /// `running`; `paused` while its subscription sends nothing; `completed`, `cancelled` or
    /// `failed`.
    pub(crate) status: &'static str,
    /// Why it failed: `subscription_deleted`; or `stuck`: it failed too often to look at the log, and
    /// can be resumed.
    pub(crate) reason: Option<String>,
    /// Behind this position of the log.
    pub(crate) after_position: i64,
    /// Up to this one; `null` for the moment until the log's end at its start is known.
    pub(crate) until_position: Option<i64>,
    /// From this instant on.
    pub(crate) from: Option<Timestamp>,
    /// Before this instant.
    pub(crate) to: Option<Timestamp>,
    /// Only these types.
    pub(crate) event_types: Option<Vec<String>>,
    /// Only events of this object.
    pub(crate) subject_id: Option<String>,
    /// `all`, `failed` or `missing`.
    pub(crate) deliveries: &'static str,
    /// How many it sends in a second at most.
    pub(crate) rate_per_second: u32,
    /// How far it has come.
    pub(crate) progress: ProgressView,
    /// When it was made.
    pub(crate) started_at: Timestamp,
    /// When it ended.
    pub(crate) finished_at: Option<Timestamp>,
}

impl From<ReplayState> for ReplayView {
    fn from(state: ReplayState) -> Self {
        let ReplayState { replay, outcomes, is_paused } = state;
        let scope = replay.scope;
        let progress = ProgressView {
            total: replay.until_position.map(|until| until - scope.after_position),
            considered: replay.position - scope.after_position,
            position: replay.position,
            planned: replay.planned,
            under_way: outcomes.under_way,
            delivered: outcomes.delivered,
            failed: outcomes.failed,
            cancelled: outcomes.cancelled,
            skipped: replay.skipped,
        };
        Self {
            id: replay.id,
            subscription_id: replay.subscription_id,
            status: if is_paused { "paused" } else { replay.status.as_str() },
            reason: replay.reason,
            after_position: scope.after_position,
            until_position: replay.until_position,
            from: scope.from,
            to: scope.to,
            event_types: scope.event_types,
            subject_id: scope.subject.map(|subject| subject.to_string()),
            deliveries: scope.deliveries.as_str(),
            rate_per_second: replay.rate_per_second,
            progress,
            started_at: replay.started_at,
            finished_at: replay.finished_at,
        }
    }
}

/// What a replay would send, counted by a dry run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EstimateView {
    /// Always true: nothing was made.
    pub(crate) dry_run: bool,
    /// How many events it would send.
    pub(crate) count: i64,
    /// Whether there may be more: a dry run looks at 100,000 events of the log at most.
    pub(crate) is_lower_bound: bool,
    /// How many of each type.
    pub(crate) event_types: BTreeMap<String, i64>,
    /// The position of the first.
    pub(crate) first_position: Option<i64>,
    /// The position of the last.
    pub(crate) last_position: Option<i64>,
    /// Events that it could not send, because their payload is kept no longer, or as `forgotten` ones.
    pub(crate) skipped: i64,
    /// Those of which it is not known any more whether they arrived: they are older than deliveries
    /// are kept, so that `missing` leaves them out. `all` sends them.
    pub(crate) forgotten: i64,
    /// Events of the log that were looked at.
    pub(crate) considered: i64,
    /// Events of the log in its bounds.
    pub(crate) total: i64,
    /// How long it would take at least, at its pace.
    pub(crate) seconds_at_least: i64,
}

impl From<Estimate> for EstimateView {
    fn from(estimate: Estimate) -> Self {
        let (first_position, last_position) = estimate.positions.unzip();
        let rate = i64::from(estimate.rate_per_second.max(1));
        Self {
            dry_run: true,
            count: estimate.count,
            is_lower_bound: estimate.is_lower_bound,
            event_types: estimate.by_type,
            first_position,
            last_position,
            skipped: estimate.skipped,
            forgotten: estimate.forgotten,
            considered: estimate.considered,
            total: estimate.total,
            seconds_at_least: estimate.count / rate,
        }
    }
}

/// The replay that was made; or what a dry run counted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum AskedView {
    /// The replay.
    Made(Box<ReplayView>),
    /// What a dry run counted.
    Counted(EstimateView),
}

/// What a list of replays is narrowed to.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayParams {
    /// One subscription.
    #[param(value_type = Option<String>)]
    subscription_id: Option<WebhookSubscriptionId>,
}

const READ: Access = Access::Needs(Permission::WebhooksRead);
const MANAGE: Access = Access::Needs(Permission::WebhooksManage);

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes
        .change(
            Op::post("/api/v1/webhooks/replays", "createReplay", MANAGE)
                .summary(
                    "Send past events once more to one subscription, or count them (`dry_run`)",
                )
                .emits(&[EventType::WebhookReplayStarted]),
            create,
        )
        .list(
            Op::get("/api/v1/webhooks/replays", "listReplays", READ)
                .summary("The tenant's replays, the newest first"),
            list,
        )
        .read(
            Op::get("/api/v1/webhooks/replays/{id}", "getReplay", READ)
                .summary("One replay with its progress"),
            get,
        )
        .change(
            Op::post("/api/v1/webhooks/replays/{id}/cancel", "cancelReplay", MANAGE)
                .status(200)
                .summary(
                    "End a replay; what is being sent at this moment arrives, nothing else does",
                )
                .emits(&[EventType::WebhookReplayCancelled]),
            cancel,
        )
        .change(
            Op::post("/api/v1/webhooks/replays/{id}/resume", "resumeReplay", MANAGE)
                .status(200)
                .summary("Go on with a replay that failed because it got stuck, where it was")
                .emits(&[EventType::WebhookReplayResumed]),
            resume,
        )
}

async fn create(
    webhooks: Webhooks,
    call: Call,
    Body(input): Body<CreateReplay>,
) -> Result<Changed<AskedView>, Problem> {
    // The log is read before the unit of work, which others wait for.
    let estimate = if input.dry_run {
        Some(webhooks.estimate_replay(call.ctx.tenant_id, &input).await?)
    } else {
        None
    };
    let view = |asked| match asked {
        Asked::Made(state) => {
            let version = state.replay.version;
            Reply::created(AskedView::Made(Box::new((*state).into()))).version(version)
        }
        Asked::Counted(estimate) => Reply::ok(AskedView::Counted(estimate.into())),
    };
    let input = (input, estimate);
    commit(&call, work!([webhooks, input], |work| webhooks.create_replay(work, input)), view).await
}

async fn list(
    webhooks: Webhooks,
    call: Call,
    Query(params): Query<ReplayParams>,
) -> Result<List<ReplayView>, Problem> {
    let (tenant_id, of) = (call.ctx.tenant_id, params.subscription_id);
    let page = webhooks.list_replays(tenant_id, of, call.page()?).await?;
    Ok(call.list(page))
}

async fn get(
    webhooks: Webhooks,
    call: Call,
    Path(id): Path<ReplayId>,
) -> Result<Answer<ReplayView>, Problem> {
    let state = webhooks.get_replay(call.ctx.tenant_id, id).await?;
    let version = state.replay.version;
    Ok(Answer::new(state.into()).version(version))
}

fn replied(state: ReplayState) -> Reply<ReplayView> {
    let version = state.replay.version;
    Reply::ok(state.into()).version(version)
}

async fn cancel(
    webhooks: Webhooks,
    call: Call,
    Path(id): Path<ReplayId>,
) -> Result<Changed<ReplayView>, Problem> {
    commit(&call, work!([webhooks], |work| webhooks.cancel_replay(work, id)), replied).await
}

async fn resume(
    webhooks: Webhooks,
    call: Call,
    Path(id): Path<ReplayId>,
) -> Result<Changed<ReplayView>, Problem> {
    commit(&call, work!([webhooks], |work| webhooks.resume_replay(work, id)), replied).await
}
