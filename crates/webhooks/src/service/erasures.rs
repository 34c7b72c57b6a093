//! Erasures: ask, look, read, write the receipt.

use std::collections::BTreeSet;

use tidings_db::{Db, DbError, Reader, UnitOfWork};
use tidings_jobs::LoggedEvent;
use tidings_kernel::{
    AnyId, ErasureId, EventId, Mentions, Page, PageParams, Problem, TenantId, Timestamp, Uuid,
    Version, limits,
};

use crate::commands::RequestErasure;
use crate::erasure::pass::fitting;
use crate::erasure::{BEGINS_AFTER, Counts, Erasure, Phase};
use crate::error::WebhookError;
use crate::retention::first_id_at;
use crate::service::Webhooks;
use crate::service::erase::{BODIES_BYTES_MAX, BODIES_MAX, EraseBatch, count, naming_in};
use crate::store::erasures;
use crate::store::purge::{self, Holder};

/// Payloads that a preview looks through.
const PREVIEW_MAX: usize = 20_000;
/// Bytes of them, about.
const PREVIEW_BYTES_MAX: usize = 64 * 1024 * 1024;

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
        // Every node knows each of them, and looks for it in whatever it sends.
        let unfinished = erasures::count_unfinished(&mut work.reader(), tenant_id).await?;
        if unfinished >= limits::ERASURES_UNFINISHED_MAX {
            return Err(WebhookError::TooManyErasures);
        }
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
        let _seat = self.long_looks.take(tenant_id)?;
        let (subject, last) = {
            let mut session = self.db.read(tenant_id).await?;
            subject(&mut session.reader(), tenant_id, input).await?
        };
        let own = self.own_payloads(tenant_id, (subject, last)).await?;
        let end = first_id_at(self.db.now().after(std::time::Duration::from_millis(1)));
        let wanted = Mentions::from_iter([(subject, ())]);
        let (mut from, mut looked, mut bytes_read) = (Uuid::nil(), 0, 0);
        let (mut naming, mut incomplete) = (Vec::new(), false);
        while !incomplete {
            // Between two pages others have their turn, of the database and of the thread.
            tokio::task::yield_now().await;
            let mut session = self.db.read(tenant_id).await?;
            let mut reader = session.reader();
            let between = (from, end);
            let sizes = erasures::sizes(&mut reader, tenant_id, between, BODIES_MAX).await?;
            let count = count(fitting(&sizes, BODIES_BYTES_MAX));
            let page = erasures::bodies(&mut reader, tenant_id, between, count).await?;
            let Some((last, _)) = page.last() else { break };
            from = last.uuid();
            looked += page.len();
            bytes_read += page.iter().map(|(_, body)| body.len()).sum::<usize>();
            let mut hits = naming_in(&page, &wanted);
            hits.retain(|id| !own.contains(id));
            naming.extend(erasures::instants(&mut reader, tenant_id, &hits).await?.into_keys());
            incomplete = looked >= PREVIEW_MAX || bytes_read >= PREVIEW_BYTES_MAX;
        }
        Ok(Preview {
            own_events: count(own.len()),
            mentioning_events: count(naming.len()),
            incomplete,
        })
    }

    /// The subject's own events that have a payload.
    async fn own_payloads(
        &self,
        tenant_id: TenantId,
        (subject, last): (AnyId, Version),
    ) -> Result<BTreeSet<EventId>, WebhookError> {
        let (mut own, mut after) = (BTreeSet::new(), 0);
        while after < last {
            tokio::task::yield_now().await;
            let mut session = self.db.read(tenant_id).await?;
            let mut reader = session.reader();
            let range = (subject.uuid, after, Version::MAX);
            let page = erasures::own_events(&mut reader, tenant_id, range, BODIES_MAX).await?;
            let Some((_, version)) = page.last() else { break };
            after = *version;
            let ids: Vec<EventId> = page.iter().map(|(id, _)| *id).collect();
            own.extend(purge::with(&mut reader, tenant_id, Holder::Payload, &ids).await?);
        }
        Ok(own)
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
        subject,
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
