//! Goes on with a replay, a batch in each unit of work.

use serde::{Deserialize, Serialize};
use tidings_db::{Silent, UnitOfWork};
use tidings_jobs::{NewJob, enqueue};
use tidings_kernel::{DeliveryId, NodeId, ReplayId, Timestamp, limits};

use crate::delivery::DeliveryStatus;
use crate::engine::{REPLAY, delivery_id};
use crate::error::WebhookError;
use crate::replay::pace::{self, Wait};
use crate::replay::selection::Candidate;
use crate::replay::{Outcomes, Replay, ReplayStatus};
use crate::service::Webhooks;
use crate::service::select_events::{look, selection};
use crate::store::settle::DeliveryRow;
use crate::store::{replayed, replays, retention, subscriptions};
use crate::subscription::{DeliveryOrder, Subscription};

/// The job that looks at a replay: each look has the next one done, so that there is always one
/// until the replay ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Look {
    pub(crate) replay_id: ReplayId,
}

impl Look {
    /// The kind of the job.
    pub(crate) const KIND: &'static str = "webhooks.replay";

    /// Has it done at an instant. No key: the look that asks for the next one still holds its own.
    pub(super) async fn at(
        self,
        work: &mut UnitOfWork,
        due_at: Timestamp,
    ) -> Result<(), WebhookError> {
        let job = NewJob { kind: Self::KIND, payload: &self, due_at, unique_key: None };
        Ok(enqueue(work, job).await?)
    }
}

impl Webhooks {
    /// Makes the next deliveries of a replay, or ends it.
    pub(crate) async fn go_on_with_replay(
        &self,
        work: &mut UnitOfWork,
        job: Look,
    ) -> Result<(), WebhookError> {
        let (tenant_id, now) = (work.ctx().tenant_id, work.now());
        let found = replays::find(work.reader(), tenant_id, job.replay_id).await?;
        let Some(replay) = found.filter(|replay| replay.status == ReplayStatus::Running) else {
            return Ok(());
        };
        let id = replay.subscription_id;
        let found = subscriptions::find(work.reader(), tenant_id, id).await?;
        let outcomes = replays::outcomes(work.reader(), &replay).await?;
        let Some(subscription) = found else {
            work.apply(replay.fail("subscription_deleted", outcomes, now)).await?;
            return end_deliveries(work, job.replay_id, "not_sending").await;
        };
        if !subscription.sends() {
            return job.at(work, now.after(pace::LOOK_AT_PAUSED_EVERY)).await;
        }
        let end = end(work, &replay).await?;
        if end.is_final && replay.position >= end.position && outcomes.under_way == 0 {
            let replay = Replay { until_position: Some(end.position), ..replay };
            work.apply(replay.complete(outcomes, now)).await?;
            return Ok(());
        }
        let wait = plan(work, (&replay, &subscription), end, outcomes).await?;
        let next_due = replays::next_due(work.reader(), tenant_id, replay.id).await?;
        job.at(work, pace::next_look(now, wait, next_due)).await
    }
}

impl Webhooks {
    /// Ends a replay whose look failed too often. Says whether there was one to end.
    pub(crate) async fn give_up_replay(
        &self,
        work: &mut UnitOfWork,
        job: Look,
    ) -> Result<bool, WebhookError> {
        let (tenant_id, now) = (work.ctx().tenant_id, work.now());
        let found = replays::find(work.reader(), tenant_id, job.replay_id).await?;
        let Some(replay) = found.filter(|replay| replay.status == ReplayStatus::Running) else {
            // It has ended otherwise, and needs no look any more.
            return Ok(true);
        };
        let outcomes = replays::outcomes(work.reader(), &replay).await?;
        work.apply(replay.give_up(outcomes, now)).await?;
        Ok(true)
    }
}

/// The end of a replay's part of the log, as far as it is known.
#[derive(Debug, Clone, Copy)]
struct End {
    position: i64,
    /// Whether nothing that was there at the replay's start can lie behind it.
    is_final: bool,
}

/// The log is replayed as it was at the start: up to the event that told of the start. As long as
/// that has no position, whatever has one came before it.
async fn end(work: &mut UnitOfWork, replay: &Replay) -> Result<End, WebhookError> {
    if let Some(position) = replay.until_position {
        return Ok(End { position, is_final: true });
    }
    let (tenant_id, id) = (replay.tenant_id, replay.id);
    let started = replayed::position_of_start(&mut work.reader(), tenant_id, id).await?;
    let log_end = match started {
        Some(position) => position - 1,
        None => replayed::log_end(&mut work.reader(), tenant_id).await?,
    };
    Ok(End { position: replay.bound(log_end), is_final: started.is_some() })
}

/// Makes the deliveries that the pace has room for. Says what the next ones wait for.
async fn plan(
    work: &mut UnitOfWork,
    (replay, subscription): (&Replay, &Subscription),
    end: End,
    outcomes: Outcomes,
) -> Result<Wait, WebhookError> {
    let now = work.now();
    if replay.position >= end.position {
        end_without_payload(work, replay.id).await?;
        return Ok(if end.is_final { Wait::Ends } else { Wait::Time });
    }
    if outcomes.under_way >= limits::REPLAY_UNDER_WAY_MAX {
        return Ok(Wait::Ends);
    }
    let clock = (replay.free_at, now);
    let instants = pace::instants(clock, replay.rate_per_second, outcomes.under_way);
    if instants.is_empty() {
        return Ok(Wait::Time);
    }
    let days = retention::days(&mut work.reader(), replay.tenant_id).await?;
    let kept_from = days.deliveries_before(now);
    let selection = selection(work.reader(), subscription, &replay.scope, kept_from).await?;
    let stretch = (replay.position, end.position);
    let looked = look(&mut work.reader(), subscription, &selection, stretch).await?;
    let taken = looked.take(instants.len());
    let planner = Planner { replay, subscription, node_id: work.node_id(), now };
    let pairs = taken.sent.iter().zip(&instants);
    let rows: Vec<DeliveryRow> = pairs.map(|(sent, due)| planner.row(sent, *due)).collect();
    let mut writer = work.silent(Silent::DeliveryBookkeeping);
    let made = replayed::plan(&mut writer, replay.id, &rows).await?;
    let last = rows.last().and_then(|row| row.next_attempt_at);
    let next = Replay {
        until_position: end.is_final.then_some(end.position),
        position: taken.through,
        planned: replay.planned + i64::try_from(made).unwrap_or(i64::MAX),
        skipped: replay.skipped + taken.skipped,
        free_at: last
            .map_or(replay.free_at, |last| last.after(pace::interval(replay.rate_per_second))),
        ..replay.clone()
    };
    replays::advance(&mut writer, &next, replay.position).await?;
    Ok(Wait::Nothing)
}

/// Ends the deliveries of a replay that are under way.
pub(super) async fn end_deliveries(
    work: &mut UnitOfWork,
    id: ReplayId,
    reason: &str,
) -> Result<(), WebhookError> {
    let (tenant_id, now) = (work.ctx().tenant_id, work.now());
    let under_way = replays::under_way(work.reader(), tenant_id, id).await?;
    let ids: Vec<DeliveryId> = under_way.into_iter().map(|(id, _)| id).collect();
    let mut writer = work.silent(Silent::DeliveryBookkeeping);
    Ok(replays::discard(&mut writer, (tenant_id, &ids), reason, now).await?)
}

/// Ends those that wait for nothing: erasure or retention has taken what they would send.
async fn end_without_payload(work: &mut UnitOfWork, id: ReplayId) -> Result<(), WebhookError> {
    let (tenant_id, now) = (work.ctx().tenant_id, work.now());
    let under_way = replays::under_way(work.reader(), tenant_id, id).await?;
    let gone = replays::without_payload(work.reader(), tenant_id, &under_way).await?;
    let mut writer = work.silent(Silent::DeliveryBookkeeping);
    Ok(replays::discard(&mut writer, (tenant_id, &gone), "payload_gone", now).await?)
}

/// What every delivery of a batch has in common.
struct Planner<'a> {
    replay: &'a Replay,
    subscription: &'a Subscription,
    node_id: NodeId,
    now: Timestamp,
}

impl Planner<'_> {
    /// The delivery of an event, due at an instant. Its id is derived, so that it is made once.
    fn row(&self, sent: &Candidate, due: Timestamp) -> DeliveryRow {
        let Self { replay, subscription, node_id, now } = self;
        let ordered = subscription.ordering == DeliveryOrder::PerObject;
        let name = sent.name.as_ref();
        DeliveryRow {
            tenant_id: replay.tenant_id,
            id: delivery_id(sent.event_id, subscription.id, replay.id.uuid().as_bytes()),
            event_id: sent.event_id,
            subscription_id: subscription.id,
            origin: REPLAY,
            event_name: name.map_or_else(String::new, |name| name.as_str().to_owned()),
            status: DeliveryStatus::Pending,
            attempts: 0,
            next_attempt_at: Some(due),
            node_id: *node_id,
            last_status: None,
            last_error: None,
            reason: None,
            created_at: due,
            updated_at: *now,
            order: ordered.then_some((sent.subject_id, sent.subject_version)),
        }
    }
}
