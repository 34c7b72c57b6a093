//! From committed events to items in lanes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tidings_bus::Pulse;
use tidings_db::DbError;
use tidings_events::CommittedEvent;
use tidings_kernel::{EventId, NodeId, TenantId, WebhookSubscriptionId, limits};
use tidings_trace::Attribute::{Endpoints, Event, EventType};
use tidings_trace::SpanKind;
use tokio::sync::mpsc;

use super::directory::TenantDirectory;
use super::item::{FROM_EVENT, FanOut, Item, delivery_id};
use super::outcomes::beating;
use super::settle::Settled;
use super::{Engine, Inbound};
use crate::subscription::DeliveryOrder;

/// Takes what was committed and fans it out, for ever.
pub(super) async fn run(
    engine: Engine,
    inbox: Arc<tokio::sync::Mutex<mpsc::Receiver<Inbound>>>,
    pulse: Pulse,
) {
    let mut inbox = inbox.lock().await;
    let mut batch = Vec::with_capacity(limits::SETTLE_BATCH_MAX);
    loop {
        pulse.beat();
        pulse.waits_for("committed events");
        let received = tokio::select! {
            biased;
            () = engine.0.tasks.shutdown().cancelled() => return,
            received = inbox.recv_many(&mut batch, limits::SETTLE_BATCH_MAX) => received,
            () = tokio::time::sleep(Duration::from_secs(10)) => continue,
        };
        if received == 0 {
            return;
        }
        pulse.waits_for("the directory of subscriptions, or room among outcomes");
        // High before normal before low; within one priority as they were committed.
        batch.sort_by_key(|inbound| inbound.event.priority);
        let tenants: BTreeSet<TenantId> =
            batch.iter().map(|inbound| inbound.event.tenant_id).collect();
        let tenants: Vec<TenantId> = tenants.into_iter().collect();
        if let Err(error) = engine.0.directory.refresh(&tenants).await {
            give_up(&engine, &mut batch, &error);
            continue;
        }
        for Inbound { event, _busy } in batch.drain(..) {
            let event_id = event.event_id;
            let holder = NodeId::from_uuid(event.holder);
            if holder != engine.node_id() {
                // This process was fenced while the event waited: others have its pointer.
                engine.0.metrics.left();
                continue;
            }
            let fanned_out = beating(&engine, &pulse, fan_out(&engine, event)).await;
            if let Err(error) = fanned_out {
                give_up_one(&engine, (holder, event_id), &error);
            }
        }
    }
}

/// Leaves events to their pointers: recovery takes them up again.
fn give_up(engine: &Engine, batch: &mut Vec<Inbound>, error: &DbError) {
    for inbound in batch.drain(..) {
        let CommittedEvent { holder, event_id, .. } = inbound.event;
        give_up_one(engine, (NodeId::from_uuid(holder), event_id), error);
    }
}

fn give_up_one(engine: &Engine, (holder, event_id): (NodeId, EventId), error: &DbError) {
    tracing::warn!(event = %event_id, %error, "dispatch is left to recovery");
    engine.in_hand().finish_event(holder, event_id);
    engine.0.metrics.left();
    engine.0.overflowed.store(true, std::sync::atomic::Ordering::Release);
}

async fn fan_out(engine: &Engine, event: CommittedEvent) -> Result<(), DbError> {
    let directory = engine.0.directory.get(event.tenant_id).await?;
    let pairs = directory.matching(&event.name, (event.seq, &event.body), event.target);
    plan_pairs(engine, &directory, event, &pairs).await;
    Ok(())
}

/// Puts one item into the lane of each endpoint; an event that nobody wants only loses its pointer.
pub(super) async fn plan_pairs(
    engine: &Engine,
    directory: &TenantDirectory,
    event: CommittedEvent,
    pairs: &[WebhookSubscriptionId],
) {
    engine.0.metrics.left();
    let mut span = engine.0.tracer.step(SpanKind::Consumer, event.trace, "dispatch");
    span.describe(|| {
        let name = event.name.as_str().to_owned();
        [Event(event.event_id), EventType(name), Endpoints(pairs.len())]
    });
    let trace = span.context();
    let order = (event.subject_id.uuid, event.subject_version);
    let CommittedEvent { tenant_id, event_id, name, priority, occurred_at, holder, body, .. } =
        event;
    if pairs.is_empty() {
        let busy = engine.0.activity.begin();
        let holder = NodeId::from_uuid(holder);
        engine.settle(Settled::Unwanted { holder, tenant_id, event_id, _busy: busy }).await;
        return;
    }
    let shared = Arc::new(FanOut::new(
        (event_id, occurred_at),
        (name.as_str().to_owned(), priority),
        body,
        (pairs.len(), trace),
    ));
    for subscription_id in pairs {
        let endpoint = directory.endpoint(*subscription_id);
        let ordered = endpoint.as_ref().is_some_and(|e| e.ordering == DeliveryOrder::PerObject);
        let item = Item {
            event: Arc::clone(&shared),
            tenant_id,
            subscription_id: *subscription_id,
            delivery_id: delivery_id(event_id, *subscription_id, b""),
            origin: FROM_EVENT,
            replay_id: None,
            attempts: 0,
            created_at: occurred_at,
            order: ordered.then_some(order),
            rate_per_second: endpoint.and_then(|endpoint| endpoint.rate_per_second),
            stored: false,
            holder: NodeId::from_uuid(holder),
            _busy: engine.0.activity.begin(),
        };
        if ordered {
            // Only the database knows of every earlier event of the object, on every node.
            let now = engine.0.db.now();
            engine.settle(Settled::Parked(item, now)).await;
        } else {
            engine.enqueue(item);
        }
    }
}
