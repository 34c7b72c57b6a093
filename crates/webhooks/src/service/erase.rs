//! Erases a subject, a batch in each unit of work.

use serde::{Deserialize, Serialize};
use tidings_db::{DbError, Silent, UnitOfWork};
use tidings_jobs::{NewJob, enqueue};
use tidings_kernel::{ErasureId, EventId, Timestamp, Uuid, Version};

use crate::erasure::{Erasure, Phase, names};
use crate::retention::first_id_at;
use crate::service::Webhooks;
use crate::store::erasures;
use crate::store::purge;

/// Events that one unit erases, each with a few statements.
const EVENTS_MAX: i64 = 50;
/// Payloads that one unit looks through.
pub(super) const BODIES_MAX: i64 = 200;

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
    /// Erases one batch, and has the next one done.
    pub(crate) async fn erase_batch(
        &self,
        work: &mut UnitOfWork,
        batch: EraseBatch,
    ) -> Result<(), DbError> {
        let (tenant_id, now) = (work.ctx().tenant_id, work.now());
        let found = erasures::find(&mut work.reader(), tenant_id, batch.erasure_id).await?;
        let Some(mut erasure) = found else { return Ok(()) };
        let next = match erasure.phase {
            Phase::Own => own(work, &mut erasure).await?,
            Phase::Mentions => mentions(work, &mut erasure).await?,
            Phase::Replies => self.replies(work, &mut erasure).await?,
            Phase::Cleaning | Phase::Completed => return Ok(()),
        };
        erasure.reach(next);
        let mut writer = work.silent(Silent::JobBookkeeping);
        if erasures::update(&erasure, erasure.version, &mut writer).await? == 0 {
            return Err(DbError::Stale);
        }
        match erasure.phase {
            Phase::Own | Phase::Mentions | Phase::Replies => batch.enqueue(work, now).await,
            Phase::Cleaning | Phase::Completed => Ok(()),
        }
    }

    async fn replies(
        &self,
        work: &mut UnitOfWork,
        erasure: &mut Erasure,
    ) -> Result<Option<String>, DbError> {
        let naming = (erasure.subject_text.as_str(), erasure.before_at);
        let (replaced, next) =
            tidings_web::replace_replies(work, &self.vault, naming, &erasure.reached).await?;
        erasure.counts.replies_replaced += count(replaced);
        Ok(next)
    }
}

/// A batch of the subject's own events, by version.
async fn own(work: &mut UnitOfWork, erasure: &mut Erasure) -> Result<Option<String>, DbError> {
    let after: Version = erasure.reached.parse().unwrap_or(0);
    let range = (erasure.subject_id, after, erasure.before_version);
    let page =
        erasures::own_events(&mut work.reader(), erasure.tenant_id, range, EVENTS_MAX).await?;
    let events: Vec<EventId> = page.iter().map(|(id, _)| *id).collect();
    let erased = erase(work, erasure, &events).await?;
    erasure.counts.own_events += erased;
    let full = count(page.len()) >= EVENTS_MAX;
    Ok(page.last().filter(|_| full).map(|(_, version)| version.to_string()))
}

/// A batch of payloads, of which those go that name the subject.
async fn mentions(work: &mut UnitOfWork, erasure: &mut Erasure) -> Result<Option<String>, DbError> {
    let tenant_id = erasure.tenant_id;
    let after: Uuid = erasure.reached.parse().unwrap_or(Uuid::nil());
    let end = first_id_at(erasure.before_at.after(std::time::Duration::from_millis(1)));
    let page = erasures::bodies(&mut work.reader(), tenant_id, (after, end), BODIES_MAX).await?;
    let naming: Vec<EventId> = naming_in(&page, &erasure.subject_text).collect();
    // A unit erases so many; the rest is looked at once more.
    let taken = naming.get(..usize::try_from(EVENTS_MAX).unwrap_or(0)).unwrap_or(&naming);
    let events = erasures::before(&mut work.reader(), tenant_id, taken, erasure.before_at).await?;
    let erased = erase(work, erasure, &events).await?;
    erasure.counts.mentioning_events += erased;
    if taken.len() < naming.len() {
        return Ok(taken.last().map(|id| id.uuid().to_string()));
    }
    let full = count(page.len()) >= BODIES_MAX;
    Ok(page.last().filter(|_| full).map(|(id, _)| id.uuid().to_string()))
}

/// The events of a page whose body names the subject.
pub(super) fn naming_in<'p>(
    page: &'p [(EventId, bytes::Bytes)],
    subject: &'p str,
) -> impl Iterator<Item = EventId> + 'p {
    page.iter().filter(move |(_, body)| names(body, subject)).map(|(id, _)| *id)
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
