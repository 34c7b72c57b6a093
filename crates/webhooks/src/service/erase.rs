//! Erases subjects, a batch in each unit of work.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidings_db::{DbError, Silent, UnitOfWork};
use tidings_jobs::{NewJob, enqueue};
use tidings_kernel::{AnyId, ErasureId, EventId, Mentions, Timestamp, Uuid, Version};
use tidings_vault::Vault;

use crate::erasure::pass::{OTHERS_MAX, Turn, WAITS, fitting, join};
use crate::erasure::{Erasure, Phase};
use crate::retention::first_id_at;
use crate::service::Webhooks;
use crate::store::erasures;
use crate::store::purge;

/// Events that one unit erases, each with a few statements.
const EVENTS_MAX: usize = 50;
/// Payloads that one unit looks through.
pub(super) const BODIES_MAX: i64 = 200;
/// Bytes of them; a single larger one is looked through all the same.
pub(super) const BODIES_BYTES_MAX: i64 = 1024 * 1024;

/// Of each subject how many replies the door has replaced, and where it goes on, if there are more.
type Replaced = Result<(Vec<usize>, Option<String>), DbError>;
/// Subjects, each with the instant before which it is erased.
type Subjects<'s> = &'s [(AnyId, Timestamp)];

/// The job that erases, one batch for each run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct EraseBatch {
    pub(super) erasure_id: ErasureId,
}

impl EraseBatch {
    /// The kind of the job.
    pub(crate) const KIND: &'static str = "webhooks.erase_subject";

    /// Has the next batch done at an instant.
    pub(super) async fn enqueue(
        self,
        work: &mut UnitOfWork,
        due_at: Timestamp,
    ) -> Result<(), DbError> {
        // No key: the job that enqueues the next batch still stands, and each has one successor.
        let job = NewJob { kind: Self::KIND, payload: &self, due_at, unique_key: None };
        enqueue(work, job).await
    }
}

impl Webhooks {
    /// Erases one batch, and has the next one done. The replies that stand under idempotency keys are
    /// the door's: it is told how to replace a batch of them.
    pub(crate) async fn erase_batch(
        &self,
        work: &mut UnitOfWork,
        batch: EraseBatch,
        replace_replies: impl AsyncFnOnce(&mut UnitOfWork, &Vault, Subjects<'_>, &str) -> Replaced,
    ) -> Result<(), DbError> {
        let (tenant_id, now) = (work.ctx().tenant_id, work.now());
        let found = erasures::find(&mut work.reader(), tenant_id, batch.erasure_id).await?;
        let Some(erasure) = found else { return Ok(()) };
        let phase = erasure.phase;
        let mut pass = match phase {
            Phase::Own => vec![erasure],
            Phase::Mentions | Phase::Replies => {
                let others = erasures::in_phase(&mut work.reader(), &erasure, OTHERS_MAX).await?;
                match join(erasure, others, now) {
                    Turn::Goes(pass) => pass,
                    Turn::Waits => return batch.enqueue(work, now.after(WAITS)).await,
                }
            }
            Phase::Cleaning | Phase::Completed => return Ok(()),
        };
        let next = match phase {
            Phase::Own => own(work, &mut pass).await?,
            Phase::Mentions => mentions(work, &mut pass).await?,
            Phase::Replies => self.replies(work, &mut pass, replace_replies).await?,
            Phase::Cleaning | Phase::Completed => None,
        };
        let mut writer = work.silent(Silent::JobBookkeeping);
        for erasure in &mut pass {
            erasure.reach(next.clone());
            if erasures::update(erasure, erasure.version, &mut writer).await? == 0 {
                return Err(DbError::Stale);
            }
        }
        let phase = if next.is_none() { phase.next() } else { phase };
        match phase {
            Phase::Own | Phase::Mentions | Phase::Replies => batch.enqueue(work, now).await,
            Phase::Cleaning | Phase::Completed => Ok(()),
        }
    }

    async fn replies(
        &self,
        work: &mut UnitOfWork,
        pass: &mut [Erasure],
        replace_replies: impl AsyncFnOnce(&mut UnitOfWork, &Vault, Subjects<'_>, &str) -> Replaced,
    ) -> Result<Option<String>, DbError> {
        let subjects: Vec<(AnyId, Timestamp)> =
            pass.iter().map(|erasure| (erasure.subject, erasure.before_at)).collect();
        let reached = pass.first().map(|first| first.reached.clone()).unwrap_or_default();
        let (replaced, next) = replace_replies(work, &self.vault, &subjects, &reached).await?;
        for (erasure, replaced) in pass.iter_mut().zip(replaced) {
            erasure.counts.replies_replaced += count(replaced);
        }
        Ok(next)
    }
}

/// A batch of the subject's own events, by version.
async fn own(work: &mut UnitOfWork, pass: &mut [Erasure]) -> Result<Option<String>, DbError> {
    let Some(erasure) = pass.first_mut() else { return Ok(None) };
    let after: Version = erasure.reached.parse().unwrap_or(0);
    let range = (erasure.subject.uuid, after, erasure.before_version);
    let limit = count(EVENTS_MAX);
    let page = erasures::own_events(&mut work.reader(), erasure.tenant_id, range, limit).await?;
    let events: Vec<EventId> = page.iter().map(|(id, _)| *id).collect();
    let erased = erase(work, erasure, &events).await?;
    erasure.counts.own_events += erased;
    let full = page.len() >= EVENTS_MAX;
    Ok(page.last().filter(|_| full).map(|(_, version)| version.to_string()))
}

/// A batch of payloads, of which those go that name a subject of the pass.
async fn mentions(work: &mut UnitOfWork, pass: &mut [Erasure]) -> Result<Option<String>, DbError> {
    let Some(first) = pass.first() else { return Ok(None) };
    let tenant_id = first.tenant_id;
    let after: Uuid = first.reached.parse().unwrap_or(Uuid::nil());
    let before = pass.iter().map(|erasure| erasure.before_at).max().unwrap_or_default();
    let between = (after, first_id_at(before.after(std::time::Duration::from_millis(1))));
    let sizes = erasures::sizes(&mut work.reader(), tenant_id, between, BODIES_MAX).await?;
    let fitting = fitting(&sizes, BODIES_BYTES_MAX);
    let page = erasures::bodies(&mut work.reader(), tenant_id, between, count(fitting)).await?;
    let wanted: Mentions<usize> =
        pass.iter().enumerate().map(|(place, erasure)| (erasure.subject, place)).collect();
    let named = page.iter().map(|(id, body)| (*id, wanted.named_in(body)));
    let mut named: Vec<(EventId, BTreeSet<usize>)> = named
        .filter(|(_, places)| !places.is_empty())
        .map(|(id, places)| (id, places.into_iter().copied().collect()))
        .collect();
    let is_cut = named.len() > EVENTS_MAX;
    // A unit erases so many; the rest is looked at once more.
    named.truncate(EVENTS_MAX);
    let ids: Vec<EventId> = named.iter().map(|(id, _)| *id).collect();
    let instants = erasures::instants(&mut work.reader(), tenant_id, &ids).await?;
    for (place, erasure) in pass.iter_mut().enumerate() {
        let of_it = named.iter().filter(|(_, places)| places.contains(&place));
        let events: Vec<EventId> = of_it
            .map(|(id, _)| *id)
            .filter(|id| instants.get(id).is_some_and(|at| *at < erasure.before_at))
            .collect();
        let erased = erase(work, erasure, &events).await?;
        erasure.counts.mentioning_events += erased;
    }
    if is_cut {
        return Ok(ids.last().map(|id| id.uuid().to_string()));
    }
    let more = fitting < sizes.len() || count(sizes.len()) >= BODIES_MAX;
    Ok(page.last().filter(|_| more).map(|(id, _)| id.uuid().to_string()))
}

/// The events of a page whose body names a subject.
pub(super) fn naming_in(page: &[(EventId, bytes::Bytes)], subjects: &Mentions<()>) -> Vec<EventId> {
    page.iter().filter(|(_, body)| subjects.any_in(body)).map(|(id, _)| *id).collect()
}

/// Takes the payloads of events away, their pointers, and what endpoints answered; deliveries that
/// have not ended are discarded. Says how many payloads there were.
async fn erase(
    work: &mut UnitOfWork,
    erasure: &mut Erasure,
    events: &[EventId],
) -> Result<i64, DbError> {
    if events.is_empty() {
        return Ok(0);
    }
    let (tenant_id, now) = (work.ctx().tenant_id, work.now());
    let mut deliveries = Vec::new();
    for event_id in events {
        let of = purge::deliveries_of(&mut work.reader(), tenant_id, *event_id).await?;
        deliveries.extend(of);
    }
    let ever = Timestamp::from_micros(i64::MAX);
    let mut writer = work.silent(Silent::Purge);
    if !deliveries.is_empty() {
        let since = (erasure.requested_at, now);
        let discarded = purge::discard(&mut writer, tenant_id, &deliveries, since).await?;
        let cleared = purge::clear_replies(&mut writer, tenant_id, &deliveries, ever).await?;
        erasure.counts.deliveries_discarded += discarded;
        erasure.counts.attempts_cleared += i64::try_from(cleared).unwrap_or(i64::MAX);
    }
    // The pointer goes with the payload: without one, nothing could be fanned out.
    purge::delete_pointers(&mut writer, tenant_id, events).await?;
    let erased = purge::delete_payloads(&mut writer, tenant_id, events).await?;
    Ok(i64::try_from(erased).unwrap_or(i64::MAX))
}

/// A number of rows, as it is counted.
pub(super) fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
