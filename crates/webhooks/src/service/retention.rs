//! How long what is kept: the settings, and the sweeps that hold to them.

use std::collections::BTreeSet;

use tidings_db::{Db, DbError, Reader, Silent, UnitOfWork};
use tidings_kernel::{DeliveryId, EventId, RetentionId, TenantId, Timestamp, Uuid, limits};

use crate::commands::{UpdateRetention, all};
use crate::error::WebhookError;
use crate::retention::{Days, Retention, delivery_ids_of, events_to_drop, first_id_at, next_id};
use crate::service::Webhooks;
use crate::store::purge::{self, Holder};
use crate::store::{replays, retention};

/// Batches that a sweep is told of at a time; it asks again.
const BATCHES_MAX: usize = 100;
/// Tenants that are read at a time.
const TENANTS_MAX: i64 = 500;

impl Webhooks {
    /// What a tenant keeps for how long.
    pub(crate) async fn get_retention(&self, tenant_id: TenantId) -> Result<Days, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        let found = retention::find(&mut session.reader(), tenant_id).await?;
        Ok(found.map(|found| found.days).unwrap_or_default())
    }

    /// Changes what a tenant keeps for how long; nothing where nothing differs.
    pub(crate) async fn update_retention(
        &self,
        work: &mut UnitOfWork,
        input: UpdateRetention,
    ) -> Result<Days, WebhookError> {
        let (tenant_id, now) = (work.ctx().tenant_id, work.now());
        let id: RetentionId = work.mint();
        let found = retention::find(&mut work.reader(), tenant_id).await?;
        let current = found.unwrap_or(Retention {
            id,
            tenant_id,
            days: Days::default(),
            updated_at: now,
            version: 0,
        });
        let days = input.over(current.days);
        let mut errors = Vec::new();
        days.check(&mut errors);
        all(errors)?;
        let kept = match current.update(days, now) {
            Ok(change) => work.apply(change).await?,
            Err(unchanged) => *unchanged,
        };
        Ok(kept.days)
    }
}

/// What goes with one sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The bytes of events.
    Payloads,
    /// What endpoints answered.
    Replies,
    /// Deliveries with their attempts.
    Deliveries,
    /// The headers of events, and receipts of erasures.
    Events,
}

/// What of a tenant's may go.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Payloads(Vec<EventId>),
    Deliveries(Vec<DeliveryId>),
    Events(Vec<EventId>),
}

/// A look at one stretch of a tenant's rows: what may go, and where the next stretch begins.
struct Looked {
    found: Found,
    /// What names the batch.
    first: Option<Uuid>,
    next: Option<Uuid>,
}

/// The batches that may go, of all tenants, each named by its first id.
pub(crate) async fn overdue(
    db: &Db,
    class: Class,
    now: Timestamp,
) -> Result<Vec<(TenantId, Uuid)>, DbError> {
    let mut batches = Vec::new();
    let mut after = TenantId::from_uuid(Uuid::nil());
    loop {
        let tenants = {
            let mut session = db.read_across_tenants().await?;
            retention::tenants(&mut session.reader(), after, TENANTS_MAX).await?
        };
        let Some(last) = tenants.last() else { return Ok(batches) };
        after = *last;
        for tenant_id in tenants {
            overdue_of(db, (class, now), tenant_id, &mut batches).await?;
            if batches.len() >= BATCHES_MAX {
                return Ok(batches);
            }
        }
    }
}

async fn overdue_of(
    db: &Db,
    (class, now): (Class, Timestamp),
    tenant_id: TenantId,
    batches: &mut Vec<(TenantId, Uuid)>,
) -> Result<(), DbError> {
    let mut from = Some(Uuid::nil());
    while let Some(start) = from
        && batches.len() < BATCHES_MAX
    {
        let mut session = db.read(tenant_id).await?;
        let mut reader = session.reader();
        let days = retention::days(&mut reader, tenant_id).await?;
        let looked = look(&mut reader, tenant_id, (class, start), (days, now)).await?;
        batches.extend(looked.first.map(|first| (tenant_id, first)));
        from = looked.next;
    }
    Ok(())
}

/// Ends one batch of a tenant's: what may go of it now, whatever was seen when it was found.
pub(crate) async fn purge_batch(
    work: &mut UnitOfWork,
    class: Class,
    from: Uuid,
) -> Result<(), DbError> {
    let (tenant_id, now) = (work.ctx().tenant_id, work.now());
    let days = retention::days(&mut work.reader(), tenant_id).await?;
    let looked = look(&mut work.reader(), tenant_id, (class, from), (days, now)).await?;
    let mut writer = work.silent(Silent::Purge);
    match (looked.found, class) {
        (Found::Payloads(events), _) => {
            purge::delete_payloads(&mut writer, tenant_id, &events).await?;
        }
        (Found::Deliveries(deliveries), Class::Replies) => {
            let before = days.replies_before(now);
            purge::clear_replies(&mut writer, tenant_id, &deliveries, before).await?;
        }
        (Found::Deliveries(deliveries), _) => {
            purge::delete_deliveries(&mut writer, tenant_id, &deliveries).await?;
        }
        (Found::Events(events), _) => {
            purge::delete_events(&mut writer, tenant_id, &events).await?;
            let receipts = (first_id_at(days.events_before(now)), limits::SWEEP_ROWS_MAX);
            purge::delete_receipts(&mut writer, tenant_id, receipts).await?;
        }
    }
    Ok(())
}

async fn look(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    (class, from): (Class, Uuid),
    (days, now): (Days, Timestamp),
) -> Result<Looked, DbError> {
    match class {
        Class::Payloads => payloads(reader, tenant_id, from, days.payloads_before(now)).await,
        Class::Replies => {
            let before = days.replies_before(now);
            let ids = purge::old_replies(reader, tenant_id, before).await?;
            let first = ids.first().map(|id| id.uuid());
            Ok(Looked { found: Found::Deliveries(ids), first, next: None })
        }
        Class::Deliveries => deliveries(reader, tenant_id, from, days.deliveries_before(now)).await,
        Class::Events => events(reader, tenant_id, days.events_before(now)).await,
    }
}

/// Payloads of old events that are fanned out, and whose deliveries ended long enough ago.
async fn payloads(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    from: Uuid,
    before: Timestamp,
) -> Result<Looked, DbError> {
    let limit = limits::SWEEP_ROWS_MAX;
    let old = purge::payloads(reader, tenant_id, (from, first_id_at(before)), limit).await?;
    let (Some(first), Some(last)) = (old.first(), old.last()) else {
        return Ok(Looked { found: Found::Payloads(old), first: None, next: None });
    };
    let between = (delivery_ids_of(*first).0, delivery_ids_of(*last).1);
    let next = is_full(old.len(), limit).then(|| next_id(last.uuid()));
    let mut held = purge::with(reader, tenant_id, Holder::Pointer, &old).await?;
    held.extend(purge::still_sent(reader, tenant_id, between, (&old, before)).await?);
    let gone: Vec<EventId> = old.into_iter().filter(|id| !held.contains(id)).collect();
    let first = gone.first().map(|id| id.uuid());
    Ok(Looked { found: Found::Payloads(gone), first, next })
}

/// Deliveries that ended long enough ago. One whose event still has its pointer stays: the event is
/// fanned out again, minus the pairs that have a row. So does one of a replay that runs, which counts
/// by its rows what failed.
async fn deliveries(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    from: Uuid,
    before: Timestamp,
) -> Result<Looked, DbError> {
    let between = (from, first_id_at(before));
    let ended = purge::ended_deliveries(reader, tenant_id, between, before).await?;
    let full = is_full(ended.len(), purge::DELIVERIES_MAX);
    let next = ended.last().filter(|_| full).map(|(id, ..)| next_id(id.uuid()));
    let events: Vec<EventId> = ended.iter().map(|(_, event_id, _)| *event_id).collect();
    let held = purge::with(reader, tenant_id, Holder::Pointer, &events).await?;
    let of_replays = ended.iter().any(|(.., replay_id)| replay_id.is_some());
    let running =
        if of_replays { replays::running_ids(reader, tenant_id).await? } else { BTreeSet::new() };
    let gone: Vec<DeliveryId> = ended
        .into_iter()
        .filter(|(_, event_id, _)| !held.contains(event_id))
        .filter(|(.., replay_id)| replay_id.is_none_or(|id| !running.contains(&id)))
        .map(|(id, ..)| id)
        .collect();
    let first = gone.first().map(|id| id.uuid());
    Ok(Looked { found: Found::Deliveries(gone), first, next })
}

/// The oldest headers of a log, as far as nothing is left of them.
async fn events(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    before: Timestamp,
) -> Result<Looked, DbError> {
    let mut oldest = purge::oldest_events(reader, tenant_id, limits::SWEEP_ROWS_MAX).await?;
    let ids: Vec<EventId> = oldest.iter().map(|(id, _)| *id).collect();
    // Most times nothing is old enough, and nothing else need be asked.
    if events_to_drop(&oldest, before, &BTreeSet::new()) == 0 {
        return Ok(Looked { found: Found::Events(Vec::new()), first: None, next: None });
    }
    let mut held = BTreeSet::new();
    for holder in [Holder::Payload, Holder::Pointer, Holder::Reaction] {
        held.extend(purge::with(reader, tenant_id, holder, &ids).await?);
    }
    let (smallest, largest) = (ids.iter().min(), ids.iter().max());
    if let (Some(first), Some(last)) = (smallest, largest) {
        let between = (delivery_ids_of(*first).0, delivery_ids_of(*last).1);
        let ever = Timestamp::from_micros(i64::MIN);
        held.extend(purge::still_sent(reader, tenant_id, between, (&ids, ever)).await?);
    }
    oldest.truncate(events_to_drop(&oldest, before, &held));
    let gone: Vec<EventId> = oldest.into_iter().map(|(id, _)| id).collect();
    let first = gone.first().map(|id| id.uuid());
    Ok(Looked { found: Found::Events(gone), first, next: None })
}

fn is_full(count: usize, limit: i64) -> bool {
    i64::try_from(count).is_ok_and(|count| count >= limit)
}
