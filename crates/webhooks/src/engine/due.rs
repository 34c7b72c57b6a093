//! Retries and what overflowed: rows that are due, taken up again.

use std::sync::Arc;
use std::time::Duration;

use tidings_bus::{Pulse, Topic};
use tidings_db::DbError;
use tidings_kernel::limits;

use super::Engine;
use super::item::{FROM_EVENT, FanOut, Item, MANUAL};
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
    if !engine.has_room() {
        return Ok(0);
    }
    let _turn = engine.0.due_turn.lock().await;
    let busy = {
        let mut in_hand = engine.deliveries();
        in_hand.begin_read();
        in_hand.len()
    };
    let limit = limits::SWEEP_ROWS_MAX + i64::try_from(busy).unwrap_or(i64::MAX / 2);
    let due = {
        let mut session = engine.0.db.read_across_tenants().await?;
        let everybody = !engine.0.db.is_shared();
        deliveries::due(session.reader(), engine.0.db.now(), engine.node_id(), everybody, limit)
            .await?
    };
    let mut taken = 0;
    for delivery in due {
        let id = delivery.id;
        if engine.deliveries().take(id) {
            if let Err(error) = take_up(engine, delivery).await {
                engine.deliveries().give_back(id);
                return Err(error);
            }
            taken += 1;
        }
    }
    Ok(taken)
}

async fn take_up(engine: &Engine, due: DueDelivery) -> Result<(), DbError> {
    let DueDelivery { tenant_id, id, event_id, subscription_id, name, priority, body, .. } = due;
    let directory = engine.0.directory.get(tenant_id).await?;
    let endpoint = directory.endpoint(subscription_id);
    engine.enqueue(Item {
        event: Arc::new(FanOut::without_pointer(event_id, (name, priority), body)),
        tenant_id,
        subscription_id,
        delivery_id: id,
        origin: if due.origin == MANUAL { MANUAL } else { FROM_EVENT },
        attempts: due.attempts,
        created_at: due.created_at,
        order: due.order,
        rate_per_second: endpoint.and_then(|endpoint| endpoint.rate_per_second),
        stored: true,
        incarnation: engine.incarnation(),
        _busy: engine.0.activity.begin(),
    });
    Ok(())
}
