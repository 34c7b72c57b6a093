//! One attempt: sign, send, and decide what follows.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tidings_db::DbError;
use tidings_egress::{Exchange, Phases, SendError, retry_after};
use tidings_kernel::{DeliveryId, Timestamp, TraceContext};
use tidings_trace::{Attribute, Span, SpanKind};
use tidings_vault::sha256;

use super::Engine;
use super::directory::Endpoint;
use super::holding::{Claim, Turn, claim, turn};
use super::item::{Item, MANUAL};
use super::settle::Settled;
use crate::kept::{Answer, Kept};
use crate::plan::{Attempt, NextStep, Outcome, plan};
use crate::store::deliveries;
use crate::wire::{Outgoing, StoredEvent};

/// How long a delivery of a replay waits before it is seen whether its subscription sends again.
const PAUSED: Duration = Duration::from_mins(1);
/// How long a delivery waits that this machine had no connection for.
const NOTHING_LEFT: Duration = Duration::from_secs(1);

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
    /// Ends when the outcome is durable.
    pub(crate) _settling: Span,
}

/// Makes an attempt. None where it must not be made, or could not be: the node has lost its lease, or
/// is draining, or the machine has no connection left.
pub(super) async fn run(engine: &Engine, item: Item) -> Option<Made> {
    match claim(&item.holder, &engine.node_id(), engine.0.lease.holds()) {
        Claim::Good => {}
        Claim::Doubtful => {
            put_off(engine, item, Duration::ZERO).await;
            return None;
        }
        Claim::Lost => return None,
    }
    let turn = match turn_of(engine, &item).await {
        Ok(turn) => turn,
        Err(error) => {
            tracing::warn!(delivery = %item.delivery_id, %error, "an attempt is put off");
            put_off(engine, item, Duration::ZERO).await;
            return None;
        }
    };
    let endpoint = match turn {
        Turn::Send(endpoint) => endpoint,
        Turn::Discard => return Some(Made::discarded(item, engine.0.db.now(), "not_sending")),
        Turn::Wait => {
            put_off(engine, item, PAUSED).await;
            return None;
        }
        Turn::Leave => {
            engine.in_hand().finish(item.holder, item.delivery_id);
            return None;
        }
    };
    if is_erased(engine, &item) {
        return Some(Made::discarded(item, engine.0.db.now(), "erased"));
    }
    make(engine, &endpoint, item).await
}

/// Sends, and decides what follows. None where nothing could be sent.
async fn make(engine: &Engine, endpoint: &Endpoint, item: Item) -> Option<Made> {
    let number = item.attempts + 1;
    let started_at = engine.0.db.now();
    let mut span = begin(engine, &item, number);
    let exchange = send(engine, endpoint, &item, (started_at, span.context())).await;
    if let Err(error @ SendError::Local) = &exchange.outcome {
        // Nothing was sent, and it says nothing of the endpoint: no attempt, no failure.
        span.fail(error.class());
        engine.0.metrics.put_off();
        tracing::debug!(delivery = %item.delivery_id, %error, "an attempt is put off");
        put_off(engine, item, NOTHING_LEFT).await;
        return None;
    }
    let now = engine.0.db.now();
    let outcome = outcome(&exchange, now);
    // What came back may repeat what was sent, which may have been erased meanwhile.
    let kept = if is_erased(engine, &item) {
        Kept::default()
    } else {
        // The same event at the same instant makes the same request, so that nothing is copied for
        // what arrives.
        Kept::of(answer(&exchange).as_ref(), || outgoing(endpoint, &item, started_at).headers)
    };
    let attempt = Attempt { number, outcome, first_due_at: item.created_at };
    let next = plan(endpoint.retry_policy, attempt, now, spread(item.delivery_id, number));
    engine.0.metrics.attempted(outcome.class(), number, &exchange.phases);
    describe(&mut span, outcome, &exchange.phases);
    let settling = engine.0.tracer.step(SpanKind::Internal, span.context(), "settle");
    drop(span);
    let phases = exchange.phases;
    Some(Made { item, number, started_at, phases, outcome, next, kept, _settling: settling })
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

    /// There is nothing to attempt: the subscription sends no more, or the event was erased.
    pub(super) fn discarded(item: Item, now: Timestamp, why: &'static str) -> Self {
        Self {
            number: item.attempts,
            item,
            started_at: now,
            phases: Phases::default(),
            outcome: Outcome::Failed(why),
            next: NextStep::Gone,
            kept: Kept::default(),
            _settling: Span::default(),
        }
    }
}

fn is_erased(engine: &Engine, item: &Item) -> bool {
    engine.0.erased.covers(item.tenant_id, &item.event.body, item.event.occurred_at)
}

/// What becomes of an item, as subscription and replay are now.
async fn turn_of(engine: &Engine, item: &Item) -> Result<Turn<Arc<Endpoint>>, DbError> {
    let endpoint = endpoint(engine, item).await?;
    let is_replay = item.replay_id.is_some();
    let is_wanted = !is_replay || endpoint.is_none() || is_wanted(engine, item).await?;
    Ok(turn(endpoint, is_replay, is_wanted))
}

/// Where the item goes. That nobody wants it is asked of the database: what is in memory may be
/// older than the subscription.
async fn endpoint(engine: &Engine, item: &Item) -> Result<Option<Arc<Endpoint>>, DbError> {
    let directory = &engine.0.directory;
    let known = directory.get(item.tenant_id).await?.endpoint(item.subscription_id);
    if known.is_some() || !engine.0.db.is_shared() {
        return Ok(known);
    }
    directory.refresh(&[item.tenant_id]).await?;
    Ok(directory.get(item.tenant_id).await?.endpoint(item.subscription_id))
}

/// Whether a delivery of a replay is still to be made: the replay may have been cancelled since, on
/// whichever node.
async fn is_wanted(engine: &Engine, item: &Item) -> Result<bool, DbError> {
    let mut session = engine.0.db.read(item.tenant_id).await?;
    let status = deliveries::status(session.reader(), item.tenant_id, item.delivery_id).await?;
    Ok(status.is_some_and(|status| !status.is_terminal()))
}

/// Leaves an item to the database, due after a while. Its siblings go on, so the event is not planned
/// again.
async fn put_off(engine: &Engine, item: Item, by: Duration) {
    let until = engine.0.db.now().after(by);
    engine.settle(Settled::Parked(item, until)).await;
}

/// The step of an attempt. A retry that comes from the database begins a trace of its own; the ids
/// of event and delivery tell which belong together.
fn begin(engine: &Engine, item: &Item, number: u32) -> Span {
    let tracer = &engine.0.tracer;
    let mut span = match item.event.trace {
        Some(_) => tracer.step(SpanKind::Client, item.event.trace, "attempt"),
        None if item.stored => tracer.enter(SpanKind::Client, None, || "attempt".into()),
        None => Span::default(),
    };
    span.describe(|| {
        [
            Attribute::Tenant(item.tenant_id),
            Attribute::Event(item.event.event_id),
            Attribute::Delivery(item.delivery_id),
            Attribute::Subscription(item.subscription_id),
            Attribute::Attempt(number),
        ]
    });
    if item.stored {
        span.set(Attribute::Recovered);
    }
    span
}

/// What came of it. Never the URL, which can hold a token, nor anything of the answer but its status.
fn describe(span: &mut Span, outcome: Outcome, phases: &Phases) {
    match outcome {
        Outcome::Status { status, .. } => {
            span.set(Attribute::Status(status));
            if !(200..300).contains(&status) {
                span.fail(outcome.class());
            }
        }
        Outcome::Failed(class) => span.fail(class),
    }
    let took = [
        phases.dns.map(Attribute::Dns),
        phases.connect.map(Attribute::Connect),
        phases.tls.map(Attribute::Tls),
        phases.first_byte.map(Attribute::FirstByte),
    ];
    took.into_iter().flatten().for_each(|attribute| span.set(attribute));
}

async fn send(
    engine: &Engine,
    endpoint: &Endpoint,
    item: &Item,
    (now, trace): (Timestamp, Option<TraceContext>),
) -> Exchange {
    let Some(target) = &endpoint.target else {
        return Exchange { outcome: Err(SendError::BlockedAddress), phases: Phases::default() };
    };
    let Outgoing { mut headers, body } = outgoing(endpoint, item, now);
    if let Some(trace) = trace.filter(|_| engine.0.tracer.propagates())
        && let Ok(value) = HeaderValue::try_from(trace.header())
    {
        // One that the subscription sets itself stands.
        headers.entry("traceparent").or_insert(value);
    }
    engine.0.egress.send(target, headers, body, endpoint.timeout).await
}

fn outgoing(endpoint: &Endpoint, item: &Item, now: Timestamp) -> Outgoing {
    let event = &item.event;
    let again = match item.replay_id {
        Some(id) => Some(id.to_string()),
        None => (item.origin == MANUAL).then(|| MANUAL.to_owned()),
    };
    let again = again.as_deref();
    let event = StoredEvent { id: &event.id_text, name: &event.name, body: &event.body, again };
    endpoint.wire.outgoing(event, now)
}

fn answer(exchange: &Exchange) -> Option<Answer<'_>> {
    let reply = exchange.outcome.as_ref().ok()?;
    Some(Answer {
        status: reply.status,
        headers: &reply.headers,
        body: &reply.body,
        is_cut: reply.body_truncated,
    })
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

/// A number that is spread evenly over attempts, and the same for whoever makes the same one.
fn spread(id: DeliveryId, number: u32) -> u64 {
    let mut text = [0_u8; 20];
    text[..16].copy_from_slice(id.uuid().as_bytes());
    text[16..].copy_from_slice(&number.to_le_bytes());
    sha256(&text).iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
