//! Replays: made, counted beforehand, read, cancelled.

use std::collections::BTreeMap;

use tidings_db::UnitOfWork;
use tidings_kernel::{
    FieldError, Page, PageParams, Problem, ProblemKind, ReplayId, TenantId, WebhookSubscriptionId,
    limits,
};

use crate::commands::{CreateReplay, all};
use crate::error::WebhookError;
use crate::matching::Filters;
use crate::replay::selection::Taken;
use crate::replay::{Outcomes, Replay, ReplayStatus, Scope};
use crate::service::Webhooks;
use crate::service::plan_replay::{Look, end_deliveries};
use crate::service::select_events::{bounded, look, selection};
use crate::store::{event_types, replayed, replays, retention, subscriptions};
use crate::subscription::Subscription;

/// Bytes of bodies that a dry run reads, about; only a payload filter has it read any.
const DRY_RUN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a replay would send.
#[derive(Debug, Clone, Default)]
pub(crate) struct Estimate {
    /// How many events.
    pub(crate) count: i64,
    /// Whether there may be more: not all of the log was looked at.
    pub(crate) is_lower_bound: bool,
    /// How many events of each type.
    pub(crate) by_type: BTreeMap<String, i64>,
    /// The positions of the first and the last.
    pub(crate) positions: Option<(i64, i64)>,
    /// Events that it could not send, because their payload is kept no longer.
    pub(crate) skipped: i64,
    /// Those of them of which it is not known any more whether they arrived.
    pub(crate) forgotten: i64,
    /// Events of the log that were looked at.
    pub(crate) considered: i64,
    /// Events of the log in its bounds.
    pub(crate) total: i64,
    /// How many it would send in a second.
    pub(crate) rate_per_second: u32,
}

impl Estimate {
    /// Counts what would be sent of a part of the log.
    fn add(&mut self, taken: Taken) {
        self.skipped += taken.skipped;
        self.forgotten += taken.forgotten;
        for sent in taken.sent {
            self.count += 1;
            let name = sent.name.map_or_else(String::new, |name| name.as_str().to_owned());
            *self.by_type.entry(name).or_default() += 1;
            let first = self.positions.map_or(sent.position, |(first, _)| first);
            self.positions = Some((first, sent.position));
        }
    }
}

/// A replay, with what is shown of it beside its row.
#[derive(Debug, Clone)]
pub(crate) struct ReplayState {
    pub(crate) replay: Replay,
    pub(crate) outcomes: Outcomes,
    /// Whether it waits because its subscription sends nothing at present.
    pub(crate) is_paused: bool,
}

/// What came of the request for a replay.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// It was made.
    Made(Box<ReplayState>),
    /// It was only counted.
    Counted(Estimate),
}

impl Webhooks {
    /// Counts what a replay would send; outside of a unit of work, as it may read much. Between two
    /// windows it lets go of the database, and of the thread.
    pub(crate) async fn estimate_replay(
        &self,
        tenant_id: TenantId,
        input: &CreateReplay,
    ) -> Result<Estimate, WebhookError> {
        let _seat = self.long_looks.take(tenant_id)?;
        let (subscription, selection, scope, mut estimate) = {
            let mut session = self.db.read(tenant_id).await?;
            let id = input.subscription_id;
            let found = subscriptions::find(session.reader(), tenant_id, id).await?;
            let subscription = found.ok_or(WebhookError::NotFound)?;
            let registered = event_types::names(session.reader(), tenant_id).await?;
            let (scope, rate_per_second) = checked(input, &registered)?;
            let scope = bounded(&mut session.reader(), tenant_id, scope).await?;
            let days = retention::days(&mut session.reader(), tenant_id).await?;
            let kept_from = days.deliveries_before(self.db.now());
            let selection = selection(session.reader(), &subscription, &scope, kept_from).await?;
            let estimate = Estimate { rate_per_second, ..Estimate::default() };
            (subscription, selection, scope, estimate)
        };
        let mut position = scope.after_position;
        let end = {
            let mut session = self.db.read(tenant_id).await?;
            let log_end = replayed::log_end(&mut session.reader(), tenant_id).await?;
            scope.until_asked.unwrap_or(log_end).min(log_end).max(position)
        };
        let mut bytes_read = 0;
        for _ in 0..limits::REPLAY_DRY_RUN_MAX / limits::REPLAY_WINDOW {
            if position >= end || bytes_read >= DRY_RUN_BYTES_MAX {
                break;
            }
            let looked = {
                let mut session = self.db.read(tenant_id).await?;
                look(&mut session.reader(), &subscription, &selection, (position, end)).await?
            };
            position = looked.through;
            bytes_read += looked.bytes_read;
            estimate.add(looked.take(usize::MAX));
            tokio::task::yield_now().await;
        }
        estimate.total = end - scope.after_position;
        estimate.considered = position - scope.after_position;
        estimate.is_lower_bound = position < end;
        Ok(estimate)
    }

    /// Makes a replay, which begins at once; or says what was counted.
    pub(crate) async fn create_replay(
        &self,
        work: &mut UnitOfWork,
        (input, estimate): (CreateReplay, Option<Estimate>),
    ) -> Result<Asked, WebhookError> {
        if let Some(estimate) = estimate {
            return Ok(Asked::Counted(estimate));
        }
        let (tenant_id, now) = (work.ctx().tenant_id, work.now());
        let subscription_id = input.subscription_id;
        let found = subscriptions::find(work.reader(), tenant_id, subscription_id).await?;
        let subscription = found.ok_or(WebhookError::NotFound)?;
        let registered = event_types::names(work.reader(), tenant_id).await?;
        let (scope, rate) = checked(&input, &registered)?;
        if !subscription.sends() {
            return Err(WebhookError::NotSending);
        }
        room_for_one_more(work, subscription_id).await?;
        let scope = bounded(&mut work.reader(), tenant_id, scope).await?;
        let id: ReplayId = work.mint();
        let replay = Replay::new((tenant_id, id), subscription_id, (scope, rate), now);
        let replay = work.apply(replay.start()).await?;
        Look { replay_id: id }.at(work, now).await?;
        let outcomes = Outcomes::default();
        Ok(Asked::Made(Box::new(ReplayState { replay, outcomes, is_paused: false })))
    }

    /// The tenant's replay with this id.
    pub(crate) async fn get_replay(
        &self,
        tenant_id: TenantId,
        id: ReplayId,
    ) -> Result<ReplayState, WebhookError> {
        let found = {
            let mut session = self.db.read(tenant_id).await?;
            replays::find(session.reader(), tenant_id, id).await?
        };
        self.shown(found.ok_or(WebhookError::NotFound)?).await
    }

    /// The tenant's replays, the newest first.
    pub(crate) async fn list_replays(
        &self,
        tenant_id: TenantId,
        subscription_id: Option<WebhookSubscriptionId>,
        page: PageParams,
    ) -> Result<Page<ReplayState>, WebhookError> {
        let found = {
            let mut session = self.db.read(tenant_id).await?;
            replays::list(session.reader(), tenant_id, subscription_id, page).await?
        };
        let mut data = Vec::with_capacity(found.data.len());
        for replay in found.data {
            data.push(self.shown(replay).await?);
        }
        Ok(Page { data, next: found.next })
    }

    /// What is shown of a replay. What came of one that has ended stands in its row; few others
    /// run at a time.
    async fn shown(&self, replay: Replay) -> Result<ReplayState, WebhookError> {
        if replay.status != ReplayStatus::Running && !replay.is_stuck() {
            let outcomes = replay.outcomes;
            return Ok(ReplayState { replay, outcomes, is_paused: false });
        }
        let tenant_id = replay.tenant_id;
        let mut session = self.db.read(tenant_id).await?;
        let outcomes = replays::outcomes(session.reader(), &replay).await?;
        if replay.is_stuck() {
            return Ok(ReplayState { replay, outcomes, is_paused: false });
        }
        let id = replay.subscription_id;
        let found = subscriptions::find(session.reader(), tenant_id, id).await?;
        let is_paused = !found.as_ref().is_some_and(Subscription::sends);
        Ok(ReplayState { replay, outcomes, is_paused })
    }

    /// Goes on with a replay that got stuck.
    pub(crate) async fn resume_replay(
        &self,
        work: &mut UnitOfWork,
        id: ReplayId,
    ) -> Result<ReplayState, WebhookError> {
        let (tenant_id, now) = (work.ctx().tenant_id, work.now());
        let found = replays::find(work.reader(), tenant_id, id).await?;
        let replay = found.ok_or(WebhookError::NotFound)?;
        let subscription_id = replay.subscription_id;
        let change = replay.resume(now)?;
        let found = subscriptions::find(work.reader(), tenant_id, subscription_id).await?;
        if !found.is_some_and(|subscription| subscription.sends()) {
            return Err(WebhookError::NotSending);
        }
        room_for_one_more(work, subscription_id).await?;
        let replay = work.apply(change).await?;
        Look { replay_id: id }.at(work, now).await?;
        let outcomes = replays::outcomes(work.reader(), &replay).await?;
        Ok(ReplayState { replay, outcomes, is_paused: false })
    }

    /// Ends a replay. What is being sent at this moment arrives; nothing else does.
    pub(crate) async fn cancel_replay(
        &self,
        work: &mut UnitOfWork,
        id: ReplayId,
    ) -> Result<ReplayState, WebhookError> {
        let (tenant_id, now) = (work.ctx().tenant_id, work.now());
        let found = replays::find(work.reader(), tenant_id, id).await?;
        let replay = found.ok_or(WebhookError::NotFound)?;
        let outcomes = replays::outcomes(work.reader(), &replay).await?;
        let replay = work.apply(replay.cancel(outcomes, now)?).await?;
        end_deliveries(work, id, "cancelled").await?;
        let outcomes = replay.outcomes;
        Ok(ReplayState { replay, outcomes, is_paused: false })
    }
}

/// One replay of a subscription runs at a time, and so many of a tenant.
async fn room_for_one_more(
    work: &mut UnitOfWork,
    subscription_id: WebhookSubscriptionId,
) -> Result<(), WebhookError> {
    let tenant_id = work.ctx().tenant_id;
    let running = replays::running(work.reader(), tenant_id).await?;
    if let Some((other, _)) = running.iter().find(|(_, of)| *of == subscription_id) {
        return Err(WebhookError::ReplayRunning(*other));
    }
    if running.len() >= usize::try_from(limits::REPLAYS_RUNNING_MAX).unwrap_or(0) {
        return Err(WebhookError::TooManyReplays);
    }
    Ok(())
}

/// What a caller's fields mean, or all that is wrong with them.
fn checked(
    input: &CreateReplay,
    registered: &std::collections::BTreeSet<tidings_events::CustomName>,
) -> Result<(Scope, u32), WebhookError> {
    let mut errors = Vec::new();
    let (mut scope, rate) = input.check(&mut errors);
    if let Some(texts) = &input.event_types {
        match Filters::parse(texts, registered) {
            Ok(filters) => {
                let given = filters.given().iter().map(ToString::to_string);
                scope.event_types = Some(given.collect());
            }
            Err(faults) => errors.extend(faults.into_iter().map(|fault| FieldError {
                pointer: fault.pointer.replacen("/events", "/event_types", 1),
                ..fault
            })),
        }
    }
    let unknown_types =
        !errors.is_empty() && errors.iter().all(|error| error.code == "unknown_event_type");
    all(errors).map_err(|problem| {
        let kind = if unknown_types { ProblemKind::UnknownEventType } else { problem.kind };
        WebhookError::Input(Problem { kind, ..problem })
    })?;
    Ok((scope, rate))
}
