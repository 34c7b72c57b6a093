//! One attempt: sign, send, and decide what follows.

use std::time::Duration;

use bytes::Bytes;
use tidings_egress::{Exchange, Reply, retry_after};
use tidings_kernel::{DeliveryId, Timestamp};
use tidings_vault::sha256;

use super::Engine;
use super::directory::Endpoint;
use super::item::Item;
use super::settle::Settled;
use crate::plan::{Attempt, NextStep, Outcome, plan};
use crate::wire::{Outgoing, StoredEvent};

/// Headers of an answer that are kept: enough to see who answered and when to come back, and
/// nothing that opens anything.
const KEPT_HEADERS: &[&str] =
    &["content-type", "content-length", "date", "server", "retry-after", "via", "x-request-id"];

/// An attempt that was made, with what follows.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) item: Item,
    pub(crate) number: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
    pub(crate) next: NextStep,
    pub(crate) response_headers: Option<String>,
    pub(crate) response_body: Option<Bytes>,
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
    let (response_headers, response_body) = kept(&exchange);
    let attempt = Attempt { number, outcome, first_due_at: item.created_at };
    let next = plan(endpoint.retry_policy, attempt, now, spread(item.delivery_id, number));
    engine.0.metrics.attempted(outcome.class(), exchange.phases.total);
    let took = exchange.phases.total;
    Some(Made { item, number, started_at, took, outcome, next, response_headers, response_body })
}

impl Made {
    /// Whether anything was sent, so that the outcome tells something of the endpoint.
    pub(super) const fn was_sent(&self) -> bool {
        self.number > self.item.attempts
    }

    /// The subscription sends nothing any more: there is nothing to attempt.
    fn discarded(item: Item, number: u32, now: Timestamp) -> Self {
        Self {
            item,
            number: number - 1,
            started_at: now,
            took: Duration::ZERO,
            outcome: Outcome::Failed("not_sending"),
            next: NextStep::Gone,
            response_headers: None,
            response_body: None,
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
            phases: tidings_egress::Phases::default(),
        };
    };
    let event = &item.event;
    let event = StoredEvent { id: &event.id_text, name: &event.name, body: &event.body };
    let Outgoing { headers, body } = endpoint.wire.outgoing(event, now);
    engine.0.egress.send(target, headers, body, endpoint.timeout).await
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

/// What is kept of an answer. A body of a 2xx that is empty or `ok` tells nothing.
fn kept(exchange: &Exchange) -> (Option<String>, Option<Bytes>) {
    let Ok(Reply { status, headers, body, .. }) = &exchange.outcome else { return (None, None) };
    if (200..300).contains(status) {
        return (None, (!body.is_empty()).then(|| body.clone()));
    }
    let kept: std::collections::BTreeMap<&str, String> = KEPT_HEADERS
        .iter()
        .filter_map(|name| {
            let value = headers.get(*name)?;
            Some((*name, String::from_utf8_lossy(value.as_bytes()).chars().take(200).collect()))
        })
        .collect();
    (serde_json::to_string(&kept).ok(), (!body.is_empty()).then(|| body.clone()))
}

/// A number that is spread evenly over attempts, and the same for whoever makes the same one.
fn spread(id: DeliveryId, number: u32) -> u64 {
    let mut text = [0_u8; 20];
    text[..16].copy_from_slice(id.uuid().as_bytes());
    text[16..].copy_from_slice(&number.to_le_bytes());
    sha256(&text).iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
