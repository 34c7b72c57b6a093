//! Retries and what overflowed: rows that are due, taken up again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tidings_bus::{Pulse, Topic};
use tidings_db::DbError;
use tidings_events::Priority;
use tidings_kernel::{NodeId, TenantId, limits};

use super::Engine;
use super::attempt::Made;
use super::erased;
use super::item::{FROM_EVENT, FanOut, Item, MANUAL, REPLAY};
use super::settle::Settled;
use crate::store::deliveries::{self, DueDelivery};

/// The longest time until the loop looks by itself.
const POLL: Duration = Duration::from_secs(1);

/// Lanes that nothing goes through are forgotten this often.
const TIDY_EVERY: Duration = Duration::from_mins(1);

/// Takes up deliveries that are due, for ever.
pub(super) async fn run(engine: Engine, pulse: Pulse) {
    let mut tidied = engine.0.db.now();
    loop {
        pulse.beat();
        let now = engine.0.db.now();
        if now.since(tidied) >= TIDY_EVERY {
            tidied = now;
            engine.lanes().retain(|_, lane| !lane.is_idle(now));
        }
        pulse.waits_for("the database to give what is due");
        let rests = engine.is_draining() || !engine.0.lease.holds();
        let taken = if rests { Ok(0) } else { run_once(&engine).await };
        let poll = engine.0.bus.after(POLL);
        let due = match taken {
            Ok(0) => next_due(&engine).await.map_or(poll, |due| due.min(poll)),
            // There may be more; it is looked for again as soon as something has been settled.
            Ok(_) => engine.0.bus.after(Duration::from_millis(20)),
            Err(error) => {
                tracing::warn!(%error, "due deliveries could not be read");
                poll
            }
        };
        pulse.waits_for("something to fall due");
        tokio::select! {
            biased;
            () = engine.0.tasks.shutdown().cancelled() => return,
            () = engine.0.bus.wait(Topic::Dispatch, due) => {}
        }
    }
}

async fn next_due(engine: &Engine) -> Option<tidings_kernel::Timestamp> {
    let mut session = engine.0.db.read_across_tenants().await.ok()?;
    deliveries::next_due(session.reader(), engine.0.db.now()).await.ok().flatten()
}

/// Takes up what is due now and not in memory yet. Says how much.
pub(super) async fn run_once(engine: &Engine) -> Result<usize, DbError> {
    // Whoever waits for the engine to be idle must not look between a claim and its lane.
    let _busy = engine.0.activity.begin();
    erased::learn(engine).await?;
    if !engine.has_room() {
        return Ok(0);
    }
    let _turn = engine.0.due_turn.lock().await;
    // Asked before anything is read: whoever is fenced meanwhile settles nothing of it.
    let (holder, busy) = {
        let mut in_hand = engine.in_hand();
        in_hand.begin_read();
        (in_hand.holder(), in_hand.len())
    };
    let limit = limits::SWEEP_ROWS_MAX + i64::try_from(busy).unwrap_or(i64::MAX / 2);
    let due = {
        let mut session = engine.0.db.read_across_tenants().await?;
        let everybody = !engine.0.db.is_shared();
        deliveries::due(session.reader(), engine.0.db.now(), holder, everybody, limit).await?
    };
    let tenants: BTreeSet<TenantId> = due.iter().map(|delivery| delivery.tenant_id).collect();
    let tenants: Vec<TenantId> = tenants.into_iter().collect();
    // Another node may have made, changed or ended the subscriptions that these are for.
    engine.0.directory.refresh(&tenants).await?;
    let mut taken = 0;
    for delivery in due {
        if engine.in_hand().take(holder, delivery.id) {
            take_up(engine, delivery, holder).await;
            taken += 1;
        }
    }
    Ok(taken)
}

async fn take_up(engine: &Engine, due: DueDelivery, holder: NodeId) {
    let DueDelivery { tenant_id, id, event_id, occurred_at, subscription_id, name, body, .. } = due;
    let (origin, priority) = match due.origin.as_str() {
        MANUAL => (MANUAL, due.priority),
        // What has waited for so long lets live events go first.
        REPLAY => (REPLAY, Priority::Low),
        _ => (FROM_EVENT, due.priority),
    };
    let directory = engine.0.directory.get(tenant_id).await;
    let endpoint = directory.as_ref().ok().and_then(|known| known.endpoint(subscription_id));
    let is_gone = body.is_none();
    let body = body.unwrap_or_default();
    let item = Item {
        event: Arc::new(FanOut::without_pointer((event_id, occurred_at), (name, priority), body)),
        tenant_id,
        subscription_id,
        delivery_id: id,
        origin,
        replay_id: due.replay_id,
        attempts: due.attempts,
        created_at: due.created_at,
        order: due.order,
        rate_per_second: endpoint.and_then(|endpoint| endpoint.rate_per_second),
        stored: true,
        holder,
        _busy: engine.0.activity.begin(),
    };
    if is_gone {
        // Erased while it was on its way: a delivery without a payload ends, and waits for nothing.
        let made = Made::discarded(item, engine.0.db.now(), "erased");
        return engine.settle(Settled::Attempted(Box::new(made))).await;
    }
    match directory {
        Ok(_) => engine.enqueue(item),
        Err(error) => {
            // One tenant that cannot be read is no reason to leave the others.
            tracing::warn!(delivery = %id, %error, "a delivery is left for later");
            let later = engine.0.db.now().after(limits::LEFT_FOR);
            engine.settle(Settled::Parked(item, later)).await;
        }
    }
}
