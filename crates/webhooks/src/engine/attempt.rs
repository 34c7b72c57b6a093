//! One attempt: sign, send, and decide what follows.

use std::time::Duration;

use rand::RngCore;
use tidings_egress::{Exchange, Phases, retry_after};
use tidings_kernel::Timestamp;

use super::Engine;
use super::directory::Endpoint;
use super::item::Item;
use super::settle::Settled;
use crate::kept::Kept;
use crate::plan::{Attempt, NextStep, Outcome, plan};
use crate::wire::{Outgoing, StoredEvent};

/// An attempt that was made, with what follows.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) item: Item,
    pub(crate) number: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) phases: Phases,
    pub(crate) outcome: Outcome,
    pub(crate) next: NextStep,
    pub(crate) kept: Kept,
}

/// Makes an attempt. None where it must not be made: the node has lost its lease, or is draining.
pub(super) async fn run(engine: &Engine, item: Item) -> Option<Made> {
    if item.incarnation != engine.incarnation() {
        // Another node has it: what this one held was given away when it was fenced.
        return None;
    }
    if !engine.0.lease.holds() {
        put_off(engine, item).await;
        return None;
    }
    let directory = match engine.0.directory.get(item.tenant_id).await {
        Ok(directory) => directory,
        Err(error) => {
            tracing::warn!(delivery = %item.delivery_id, %error, "an attempt is put off");
            put_off(engine, item).await;
            return None;
        }
    };
    let number = item.attempts + 1;
    let Some(endpoint) = directory.endpoint(item.subscription_id) else {
        return Some(Made::discarded(item, number, engine.0.db.now()));
    };
    let started_at = engine.0.db.now();
    let exchange = send(engine, &endpoint, &item, started_at).await;
    let now = engine.0.db.now();
    let outcome = outcome(&exchange, now);
    // The same event at the same instant makes the same request, so that nothing is copied for
    // what arrives.
    let kept = Kept::of(&exchange, || outgoing(&endpoint, &item, started_at).headers);
    let attempt = Attempt { number, outcome, first_due_at: item.created_at };
    let next = plan(endpoint.retry_policy, attempt, now, random());
    engine.0.metrics.attempted(outcome.class(), exchange.phases.total);
    let phases = exchange.phases;
    Some(Made { item, number, started_at, phases, outcome, next, kept })
}

impl Made {
    /// Whether anything was sent, so that the outcome tells something of the endpoint.
    pub(super) const fn was_sent(&self) -> bool {
        self.number > self.item.attempts
    }

    /// The whole time of the attempt.
    pub(super) const fn took(&self) -> Duration {
        self.phases.total
    }

    /// The subscription sends nothing any more: there is nothing to attempt.
    fn discarded(item: Item, number: u32, now: Timestamp) -> Self {
        Self {
            item,
            number: number - 1,
            started_at: now,
            phases: Phases::default(),
            outcome: Outcome::Failed("not_sending"),
            next: NextStep::Gone,
            kept: Kept::default(),
        }
    }
}

/// Leaves an item to the database, due at once. Its siblings go on, so the event is not planned
/// again.
async fn put_off(engine: &Engine, item: Item) {
    let now = engine.0.db.now();
    engine.settle(Settled::Parked(item, now)).await;
}

async fn send(engine: &Engine, endpoint: &Endpoint, item: &Item, now: Timestamp) -> Exchange {
    let Some(target) = &endpoint.target else {
        return Exchange {
            outcome: Err(tidings_egress::SendError::BlockedAddress),
            phases: Phases::default(),
        };
    };
    let Outgoing { headers, body } = outgoing(endpoint, item, now);
    engine.0.egress.send(target, headers, body, endpoint.timeout).await
}

fn outgoing(endpoint: &Endpoint, item: &Item, now: Timestamp) -> Outgoing {
    let event = &item.event;
    let event = StoredEvent { id: &event.id_text, name: &event.name, body: &event.body };
    endpoint.wire.outgoing(event, now)
}

fn outcome(exchange: &Exchange, now: Timestamp) -> Outcome {
    match &exchange.outcome {
        Ok(reply) => Outcome::Status {
            status: reply.status,
            retry_after_seconds: retry_after(&reply.headers, now.unix_seconds()),
        },
        Err(error) => Outcome::Failed(error.class()),
    }
}

#[expect(clippy::disallowed_methods, reason = "jitter spreads load; it is part of no result")]
fn random() -> u64 {
    rand::rng().next_u64()
}
