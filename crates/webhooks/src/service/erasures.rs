//! Erasures: ask, look, do a batch, write the receipt.

use serde::{Deserialize, Serialize};
use tidings_db::{Db, DbError, Reader, Silent, UnitOfWork};
use tidings_jobs::{LoggedEvent, NewJob, enqueue};
use tidings_kernel::{
    AnyId, ErasureId, EventId, Page, PageParams, Problem, TenantId, Timestamp, Uuid, Version,
    limits,
};

use crate::commands::RequestErasure;
use crate::erasure::{BEGINS_AFTER, Counts, Erasure, Phase, names};
use crate::error::WebhookError;
use crate::retention::first_id_at;
use crate::service::Webhooks;
use crate::store::erasures;
use crate::store::purge::{self, Holder};

/// Events that one unit erases, each with a few statements.
const EVENTS_MAX: i64 = 50;
/// Payloads that one unit looks through.
const BODIES_MAX: i64 = 200;
/// Payloads that a preview looks through.
const PREVIEW_MAX: usize = 20_000;

/// The job that erases, one batch for each run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct EraseBatch {
    erasure_id: ErasureId,
}

impl EraseBatch {
    /// The kind of the job.
    pub(crate) const KIND: &'static str = "webhooks.erase_subject";

    async fn enqueue(self, work: &mut UnitOfWork, due_at: Timestamp) -> Result<(), DbError> {
        // No key: the job that enqueues the next batch still stands, and each has one successor.
        let job = NewJob { kind: Self::KIND, payload: &self, due_at, unique_key: None };
        enqueue(work, job).await
    }
}

/// What an erasure would reach.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Preview {
    /// The subject's own events that have a payload.
    pub(crate) own_events: i64,
    /// Other events that name it.
    pub(crate) mentioning_events: i64,
    /// Whether there may be more of them, because there is too much to look through at once.
    pub(crate) incomplete: bool,
}

impl Webhooks {
    /// Asks for the erasure of what events hold of a subject. It may be asked for again.
    pub(crate) async fn request_erasure(
        &self,
        work: &mut UnitOfWork,
        input: RequestErasure,
    ) -> Result<Erasure, WebhookError> {
        let tenant_id = work.ctx().tenant_id;
        let (subject, _) = self::subject(&mut work.reader(), tenant_id, &input).await?;
        // Whatever happened until now, this instant included.
        let before_at = Timestamp::from_micros(work.now().micros().saturating_add(1));
        Ok(begin(work, subject, (Version::MAX, before_at), "api").await?)
    }

    /// Counts what an erasure would reach, and erases nothing.
    pub(crate) async fn preview_erasure(
        &self,
        tenant_id: TenantId,
        input: &RequestErasure,
    ) -> Result<Preview, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        let mut reader = session.reader();
        let (subject, last) = subject(&mut reader, tenant_id, input).await?;
        let mut own = Vec::new();
        let mut after = 0;
        while after < last {
            let range = (subject.uuid, after, Version::MAX);
            let page = erasures::own_events(&mut reader, tenant_id, range, BODIES_MAX).await?;
            let Some((_, version)) = page.last() else { break };
            after = *version;
            let ids: Vec<EventId> = page.iter().map(|(id, _)| *id).collect();
            own.extend(purge::with(&mut reader, tenant_id, Holder::Payload, &ids).await?);
        }
        let end = first_id_at(self.db.now().after(std::time::Duration::from_millis(1)));
        let (mut from, mut looked, mut naming) = (Uuid::nil(), 0, Vec::new());
        let text = subject.to_string();
        loop {
            let page = erasures::bodies(&mut reader, tenant_id, (from, end), BODIES_MAX).await?;
            let Some((last, _)) = page.last() else { break };
            from = last.uuid();
            looked += page.len();
            let hits: Vec<EventId> =
                naming_in(&page, &text).filter(|id| !own.contains(id)).collect();
            let until = Timestamp::from_micros(i64::MAX);
            naming.extend(erasures::before(&mut reader, tenant_id, &hits, until).await?);
            if looked >= PREVIEW_MAX {
                break;
            }
        }
        Ok(Preview {
            own_events: count(own.len()),
            mentioning_events: count(naming.len()),
            incomplete: looked >= PREVIEW_MAX,
        })
    }

    /// The tenant's erasure with this id.
    pub(crate) async fn get_erasure(
        &self,
        tenant_id: TenantId,
        id: ErasureId,
    ) -> Result<Erasure, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        let found = erasures::find(&mut session.reader(), tenant_id, id).await?;
        found.ok_or(WebhookError::NotFound)
    }

    /// The tenant's erasures, the newest first.
    pub(crate) async fn list_erasures(
        &self,
        tenant_id: TenantId,
        page: PageParams,
    ) -> Result<Page<Erasure>, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        Ok(erasures::list(&mut session.reader(), tenant_id, page).await?)
    }

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

/// Asks for the erasure of a subject because of an event that told of its end. That event, and what
/// was told in the same request, name nobody any more and are left to arrive.
pub(crate) async fn erase_after(
    work: &mut UnitOfWork,
    subject: AnyId,
    event: &LoggedEvent,
) -> Result<(), DbError> {
    let tenant_id = work.ctx().tenant_id;
    let of = (subject.uuid, event.id);
    let first = erasures::first_beside(&mut work.reader(), tenant_id, of).await?;
    let before = (first.unwrap_or(Version::MAX), event.occurred_at);
    begin(work, subject, before, &event.name).await.map(|_| ())
}

/// Erasures whose rows are gone, and of which the database's own log holds nothing any more.
pub(crate) async fn erased(db: &Db) -> Result<Vec<(TenantId, ErasureId)>, DbError> {
    let found = {
        let mut session = db.read_across_tenants().await?;
        erasures::cleaning(&mut session.reader(), limits::SWEEP_ROWS_MAX).await?
    };
    // After they were found, so that the log is empty of each of them.
    if found.is_empty() || !db.truncate_log().await? {
        return Ok(Vec::new());
    }
    Ok(found)
}

/// Writes the receipt of an erasure.
pub(crate) async fn finish_erasure(work: &mut UnitOfWork, id: ErasureId) -> Result<(), DbError> {
    let (tenant_id, now) = (work.ctx().tenant_id, work.now());
    let found = erasures::find(&mut work.reader(), tenant_id, id).await?;
    if let Some(change) = found.and_then(|erasure| erasure.complete(now)) {
        work.apply(change).await?;
    }
    Ok(())
}

/// The subject that is meant, and the version of its last event.
async fn subject(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    input: &RequestErasure,
) -> Result<(AnyId, Version), WebhookError> {
    let subject: AnyId = input
        .subject_id
        .parse()
        .map_err(|error| Problem::invalid_field("/subject_id", "invalid", format!("{error}")))?;
    let last = erasures::last_of_subject(reader, tenant_id, subject.uuid).await?;
    if let (Some(said), Some((kind, _))) = (&input.subject_type, &last)
        && said != kind
    {
        let message = format!("the events of this subject say that it is a {kind}");
        return Err(Problem::invalid_field("/subject_type", "mismatch", message).into());
    }
    Ok((subject, last.map_or(0, |(_, version)| version)))
}

async fn begin(
    work: &mut UnitOfWork,
    subject: AnyId,
    (before_version, before_at): (Version, Timestamp),
    asked_by: &str,
) -> Result<Erasure, DbError> {
    let (tenant_id, now) = (work.ctx().tenant_id, work.now());
    let id: ErasureId = work.mint();
    let erasure = Erasure {
        id,
        tenant_id,
        subject_id: subject.uuid,
        subject_text: subject.to_string(),
        asked_by: asked_by.to_owned(),
        before_version,
        before_at,
        phase: Phase::Own,
        reached: String::new(),
        counts: Counts::default(),
        requested_at: now,
        completed_at: None,
        version: 0,
    };
    let erasure = work.apply(erasure.request()).await?;
    EraseBatch { erasure_id: id }.enqueue(work, now.after(BEGINS_AFTER)).await?;
    Ok(erasure)
}

/// A batch of the subject's own events, by version.
async fn own(work: &mut UnitOfWork, erasure: &mut Erasure) -> Result<Option<String>, DbError> {
    let after: Version = erasure.reached.parse().unwrap_or(0);
    let range = (erasure.subject_id, after, erasure.before_version);
    let page =
        erasures::own_events(&mut work.reader(), erasure.tenant_id, range, EVENTS_MAX).await?;
    let events: Vec<EventId> = page.iter().map(|(id, _)| *id).collect();
    erasure.counts.own_events += erase(work, &mut erasure.counts, &events).await?;
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
    erasure.counts.mentioning_events += erase(work, &mut erasure.counts, &events).await?;
    if taken.len() < naming.len() {
        return Ok(taken.last().map(|id| id.uuid().to_string()));
    }
    let full = count(page.len()) >= BODIES_MAX;
    Ok(page.last().filter(|_| full).map(|(id, _)| id.uuid().to_string()))
}

fn naming_in<'p>(
    page: &'p [(EventId, bytes::Bytes)],
    subject: &'p str,
) -> impl Iterator<Item = EventId> + 'p {
    page.iter().filter(move |(_, body)| names(body, subject)).map(|(id, _)| *id)
}

/// Takes the payloads of events away, their pointers, and what endpoints answered; deliveries that
/// have not ended are discarded. Says how many payloads there were.
async fn erase(
    work: &mut UnitOfWork,
    counts: &mut Counts,
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
        let discarded = purge::discard(&mut writer, tenant_id, &deliveries, now).await?;
        let cleared = purge::clear_replies(&mut writer, tenant_id, &deliveries, ever).await?;
        counts.deliveries_discarded += i64::try_from(discarded).unwrap_or(i64::MAX);
        counts.attempts_cleared += i64::try_from(cleared).unwrap_or(i64::MAX);
    }
    // The pointer goes with the payload: without one, nothing could be fanned out.
    purge::delete_pointers(&mut writer, tenant_id, events).await?;
    let erased = purge::delete_payloads(&mut writer, tenant_id, events).await?;
    Ok(i64::try_from(erased).unwrap_or(i64::MAX))
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
