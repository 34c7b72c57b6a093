//! Pointers that nobody works on: of a process that died, or left behind when memory was full.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_bus::{Pulse, Topic};
use tidings_db::DbError;
use tidings_events::{CommittedEvent, Visibility};
use tidings_kernel::{
    AnyId, DeliveryId, EventId, NodeId, TenantId, Timestamp, Uuid, WebhookSubscriptionId, limits,
};
use tidings_trace::{Attribute, SpanKind};

use super::Engine;
use super::directory::TenantDirectory;
use super::dispatch::plan_pairs;
use super::item::delivery_id;
use super::outcomes::beating;
use super::settle::Settled;
use crate::store::deliveries;
use crate::store::pointers::{self, Pointer};

/// A sweep over all pointers, whether or not something was left behind.
const SWEEP: Duration = Duration::from_secs(30);
/// While something was left behind, it is looked for this often.
const CATCH_UP: Duration = Duration::from_millis(100);
/// A pointer of this process's own is left alone for so long: it is on its way through memory.
const OWN_GRACE: Duration = Duration::from_secs(2);
/// Pairs of events and subscriptions that are looked up with one statement.
const PAIRS_MAX: usize = 1_000;

/// Takes up pointers, for ever; first of all those of the processes before this one.
pub(super) async fn run(engine: Engine, pulse: Pulse) {
    let mut swept = Timestamp::from_micros(i64::MIN);
    loop {
        pulse.beat();
        let now = engine.0.db.now();
        let left_behind = engine.0.overflowed.swap(false, Ordering::AcqRel);
        // Without its lease this node could only give everything back again.
        if !engine.0.lease.holds() {
            engine.0.overflowed.fetch_or(left_behind, Ordering::AcqRel);
        } else if (left_behind || is_time(now, swept)) && !engine.is_draining() {
            pulse.waits_for("the database to give pointers");
            match beating(&engine, &pulse, run_once(&engine, false, Some(&pulse))).await {
                Ok(taken) => {
                    swept = now;
                    tracing::debug!(taken, "pointers were taken up");
                }
                Err(error) => {
                    tracing::warn!(%error, "pointers could not be read");
                    engine.0.overflowed.store(true, Ordering::Release);
                }
            }
        }
        tokio::select! {
            biased;
            () = engine.0.tasks.shutdown().cancelled() => return,
            () = tokio::time::sleep(CATCH_UP) => {}
        }
    }
}

/// Whether a sweep is due. After one in the future the clock was set back: nobody waits for that.
fn is_time(now: Timestamp, swept: Timestamp) -> bool {
    now.since(swept) >= SWEEP || now < swept
}

/// Walks over all pointers once, as far as memory has room. Says how many it took up. A long walk is
/// no loop that stands still: each page, and each tenant on it, counts as a sign of life.
pub(super) async fn run_once(
    engine: &Engine,
    own_too: bool,
    pulse: Option<&Pulse>,
) -> Result<usize, DbError> {
    // Whoever waits for the engine to be idle must not look between a claim and its lane.
    let _busy = engine.0.activity.begin();
    // Asked before anything is read: whoever is fenced meanwhile settles nothing of it.
    let holder = engine.node_id();
    let mut after = (TenantId::from_uuid(Uuid::nil()), EventId::from_uuid(Uuid::nil()));
    let mut taken = 0;
    loop {
        if !engine.has_room() {
            engine.0.overflowed.store(true, Ordering::Release);
            return Ok(taken);
        }
        let found = {
            let mut session = engine.0.db.read_across_tenants().await?;
            let whose = (holder, !engine.0.db.is_shared());
            pointers::next(session.reader(), after, whose, limits::SWEEP_ROWS_MAX).await?
        };
        let Some(last) = found.last() else { return Ok(taken) };
        after = (last.tenant_id, last.event_id);
        taken += take_up_page(engine, found, (holder, own_too), pulse).await?;
    }
}

/// Takes up what of a page is this node's and not in hand yet. Says how many.
async fn take_up_page(
    engine: &Engine,
    found: Vec<Pointer>,
    (holder, own_too): (NodeId, bool),
    pulse: Option<&Pulse>,
) -> Result<usize, DbError> {
    let mut by_tenant: BTreeMap<TenantId, Vec<Pointer>> = BTreeMap::new();
    for pointer in found {
        if is_ours(engine, &pointer, holder, own_too)
            && engine.in_hand().take_event(holder, pointer.event_id)
        {
            engine.0.metrics.accepted();
            by_tenant.entry(pointer.tenant_id).or_default().push(pointer);
        }
    }
    // Asked after all of the page was read, and so after it was committed: once is enough.
    let tenants: Vec<TenantId> = by_tenant.keys().copied().collect();
    if let Err(error) = engine.0.directory.refresh(&tenants).await {
        for pointer in by_tenant.values().flatten() {
            leave(engine, holder, pointer.event_id);
        }
        return Err(error);
    }
    let mut taken = 0;
    for (tenant_id, pointers) in by_tenant {
        if let Some(pulse) = pulse {
            pulse.beat();
        }
        let events: Vec<EventId> = pointers.iter().map(|pointer| pointer.event_id).collect();
        match missing_pairs(engine, tenant_id, pointers).await {
            Ok((directory, pairs)) => {
                taken += pairs.len();
                for (pointer, pairs) in pairs {
                    take_up(engine, &directory, (pointer, &pairs), holder).await;
                }
            }
            Err(error) => {
                // One tenant that cannot be read is no reason to leave the others, nor to look again at
                // once; a database that was away for a moment is.
                tracing::warn!(tenant = %tenant_id, events = events.len(), %error, "pointers are left for later");
                let was_away = matches!(error, DbError::Unavailable(_));
                engine.0.overflowed.fetch_or(was_away, Ordering::AcqRel);
                for event_id in events {
                    leave(engine, holder, event_id);
                }
            }
        }
    }
    if taken > 0 {
        engine.0.bus.wake(Topic::Dispatch);
    }
    Ok(taken)
}

/// Leaves an event to its pointer.
fn leave(engine: &Engine, holder: NodeId, event_id: EventId) {
    engine.in_hand().finish_event(holder, event_id);
    engine.0.metrics.left();
}

/// A pointer, and who wants its event and has no row of it.
type Missing = (Pointer, Vec<WebhookSubscriptionId>);

/// Matches one tenant's events again, minus the pairs that have a row already.
async fn missing_pairs(
    engine: &Engine,
    tenant_id: TenantId,
    pointers: Vec<Pointer>,
) -> Result<(std::sync::Arc<TenantDirectory>, Vec<Missing>), DbError> {
    let directory = engine.0.directory.get(tenant_id).await?;
    let wanted = |pointer: &Pointer| match &pointer.name {
        Some(name) => directory.matching(name, (pointer.seq, &pointer.body), pointer.target),
        None => Vec::new(),
    };
    let mut missing: Vec<Missing> = pointers
        .into_iter()
        .map(|pointer| {
            let pairs = wanted(&pointer);
            (pointer, pairs)
        })
        .collect();
    let ids: Vec<DeliveryId> = missing
        .iter()
        .flat_map(|(pointer, pairs)| pairs.iter().map(|id| delivery_id(pointer.event_id, *id, b"")))
        .collect();
    let mut existing: HashSet<DeliveryId> = HashSet::new();
    if !ids.is_empty() {
        let mut session = engine.0.db.read(tenant_id).await?;
        for ids in ids.chunks(PAIRS_MAX) {
            existing.extend(deliveries::existing(session.reader(), tenant_id, ids).await?);
        }
    }
    for (pointer, pairs) in &mut missing {
        pairs.retain(|id| !existing.contains(&delivery_id(pointer.event_id, *id, b"")));
    }
    Ok((directory, missing))
}

fn is_ours(engine: &Engine, pointer: &Pointer, holder: NodeId, own_too: bool) -> bool {
    // Another node's pointer is read only where there can be no other node.
    let own = pointer.node_id == holder.uuid();
    let now = engine.0.db.now();
    // Written in the future: the clock was set back since, or another's clock was ahead.
    let grace_over = now >= pointer.created_at.after(OWN_GRACE) || now < pointer.created_at;
    if own && !own_too && !grace_over {
        // It may be on its way; look again.
        engine.0.overflowed.store(true, Ordering::Release);
        return false;
    }
    true
}

/// Puts an event into the lanes of those who miss it.
async fn take_up(
    engine: &Engine,
    directory: &TenantDirectory,
    (pointer, pairs): (Pointer, &[WebhookSubscriptionId]),
    holder: NodeId,
) {
    let Pointer { tenant_id, event_id, target, name, priority, occurred_at, seq, body, .. } =
        pointer;
    let (subject_id, subject_version) = pointer.order;
    let Some(name) = name else {
        engine.0.metrics.left();
        let busy = engine.0.activity.begin();
        engine.settle(Settled::Unwanted { holder, tenant_id, event_id, _busy: busy }).await;
        return;
    };
    // The trace that the event came from went with the memory that held it.
    let mut span = engine.0.tracer.enter(SpanKind::Internal, None, || "recover".into());
    span.describe(|| [Attribute::Recovered, Attribute::Event(event_id)]);
    let event = CommittedEvent {
        tenant_id,
        event_id,
        name,
        priority,
        visibility: Visibility::Public,
        subject_id: AnyId { prefix: "", uuid: subject_id },
        subject_version,
        occurred_at,
        seq,
        // Where another process's pointer is taken up, that process is of the past.
        holder: holder.uuid(),
        target,
        body,
        made_at: std::panic::Location::caller(),
        trace: span.context(),
    };
    plan_pairs(engine, directory, event, pairs).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_puts_no_sweep_off() {
        let seconds = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        for (now, swept, wanted) in [
            (100, 100, false),
            (129, 100, false),
            (130, 100, true),
            (99, 100, true),
            (100, 3_700, true),
        ] {
            assert_eq!(is_time(seconds(now), seconds(swept)), wanted, "{now} {swept}");
        }
    }
}
