//! Outcomes, written in batches: deliveries and attempts with their result, pointers removed.

use std::sync::Arc;
use std::time::Duration;

use tidings_bus::{Busy, Pulse, Topic};
use tidings_db::{Db, DbError, Silent, UnitOfWork, work};
use tidings_kernel::{DeliveryId, EventId, NodeId, TenantId, Timestamp, Uuid, limits};

use super::Engine;
use super::attempt::Made;
use super::ended::Ended;
use super::holding::is_held_by;
use super::item::Item;
use super::progress::{Closing, Parking, Progress, closing, parking};
use crate::plan::{NextStep, Outcome};
use crate::statistics::{Counted, Tally};
use crate::store::health::Outcomes;
use crate::store::settle::{AttemptRow, DeliveryRow, Postponed};
use crate::store::{deliveries, log, nodes, settle as rows, statistics, subscriptions};

/// What there is to write.
pub(super) enum Settled {
    /// An attempt was made, or found to be of no use.
    Attempted(Box<Made>),
    /// The delivery waits in the database until then.
    Parked(Item, Timestamp),
    /// Nobody wants the event.
    Unwanted { holder: NodeId, tenant_id: TenantId, event_id: EventId, _busy: Busy },
}

/// One batch, as rows. What is kept beside the rows counts as under way until they are written.
#[derive(Default)]
struct Batch {
    deliveries: Vec<DeliveryRow>,
    /// Deliveries with a row that wait longer than it says.
    postponed: Vec<Postponed>,
    attempts: Vec<AttemptRow>,
    pointers: Vec<(TenantId, EventId)>,
    health: Outcomes,
    /// What the attempts add to the statistics.
    tally: Tally,
    /// Deliveries with a row that this process is done with.
    done: Vec<DeliveryId>,
    busy: Vec<Settled>,
    next_due: Option<Timestamp>,
}

/// The rows of one batch, as they are written, again and again if need be.
struct Rows {
    deliveries: Vec<DeliveryRow>,
    postponed: Vec<Postponed>,
    attempts: Vec<AttemptRow>,
    pointers: Vec<(TenantId, EventId)>,
    health: Outcomes,
    tally: Tally,
}

impl Rows {
    fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
            && self.postponed.is_empty()
            && self.pointers.is_empty()
            && self.health.is_empty()
            && self.tally.is_empty()
    }
}

/// Writes what was received together.
pub(super) async fn write(engine: &Engine, received: Vec<Settled>, pulse: &Pulse) {
    // The one whose rows these are: what this process took up as another node is not among them.
    let holder = engine.node_id();
    let mut batch = Batch::default();
    for settled in received {
        match settled {
            Settled::Attempted(made) => attempted(engine, &mut batch, made, pulse).await,
            Settled::Parked(item, until) => parked(engine, &mut batch, item, until),
            // Found by the node that this process was: whoever has the pointer now looks again.
            Settled::Unwanted { holder: found_by, .. } if !is_held_by(&found_by, &holder) => {}
            Settled::Unwanted { tenant_id, event_id, .. } => {
                batch.pointers.push((tenant_id, event_id));
                batch.busy.push(settled);
            }
        }
    }
    write_batch(engine, holder, batch, pulse).await;
}

/// An outcome that ends a delivery with an event of its own is written by itself; the rest in bulk.
async fn attempted(engine: &Engine, batch: &mut Batch, made: Box<Made>, pulse: &Pulse) {
    if !is_held_by(&made.item.holder, &engine.node_id()) {
        return;
    }
    if made.was_sent() {
        let endpoint = (made.item.tenant_id, made.item.subscription_id);
        let arrived = made.next == NextStep::Delivered;
        batch.health.add(endpoint, arrived, made.started_at);
    }
    engine.0.metrics.followed(made.next);
    match made.next {
        NextStep::Delivered | NextStep::Wait { .. } => add(engine, batch, made),
        NextStep::Exhausted | NextStep::Gone => end(engine, batch, made, pulse).await,
    }
}

fn delivery_row(engine: &Engine, item: &Item, progress: Progress) -> DeliveryRow {
    DeliveryRow {
        tenant_id: item.tenant_id,
        id: item.delivery_id,
        event_id: item.event.event_id,
        subscription_id: item.subscription_id,
        origin: item.origin,
        event_name: item.event.name.clone(),
        status: progress.status,
        attempts: progress.attempts,
        next_attempt_at: progress.next_attempt_at,
        node_id: item.holder,
        last_status: None,
        last_error: None,
        reason: None,
        created_at: item.created_at,
        updated_at: engine.0.db.now(),
        order: item.order,
    }
}

fn rows_of(engine: &Engine, made: &Made) -> (DeliveryRow, AttemptRow) {
    let Made { item, number, outcome, next, .. } = made;
    let progress = Progress::after(item.attempts, *number, *next);
    let (last_status, last_error) = match *outcome {
        Outcome::Status { status: code, .. } => {
            (Some(code), (!(200..300).contains(&code)).then(|| outcome.class()))
        }
        Outcome::Failed(class) => (None, Some(class)),
    };
    let reason = match (*next, *outcome) {
        (NextStep::Gone, Outcome::Status { .. }) => Some("gone"),
        (NextStep::Gone, Outcome::Failed(why)) => Some(why),
        (NextStep::Delivered | NextStep::Wait { .. } | NextStep::Exhausted, _) => None,
    };
    let delivery =
        DeliveryRow { last_status, last_error, reason, ..delivery_row(engine, item, progress) };
    let attempt = AttemptRow {
        tenant_id: item.tenant_id,
        delivery_id: item.delivery_id,
        attempt: *number,
        started_at: made.started_at,
        phases: made.phases,
        status: last_status,
        error: last_error,
        kept: made.kept.clone(),
        node_id: item.holder,
        outcome: delivery.status,
    };
    (delivery, attempt)
}

/// What an attempt adds to the statistics of its subscription.
fn counted(made: &Made) -> Counted<'_> {
    let attempted = made.number > made.item.attempts;
    Counted {
        tenant_id: made.item.tenant_id,
        subscription_id: made.item.subscription_id,
        event_name: &made.item.event.name,
        started_at: made.started_at,
        took: made.took(),
        outcome: attempted.then_some(made.outcome),
        next: made.next,
    }
}

fn add(engine: &Engine, batch: &mut Batch, made: Box<Made>) {
    let (delivery, attempt) = rows_of(engine, &made);
    batch.tally.count(&counted(&made));
    batch.next_due = earliest(batch.next_due, delivery.next_attempt_at);
    batch.deliveries.push(delivery);
    batch.attempts.push(attempt);
    close(batch, &made.item);
    batch.busy.push(Settled::Attempted(made));
}

fn parked(engine: &Engine, batch: &mut Batch, item: Item, until: Timestamp) {
    if !is_held_by(&item.holder, &engine.node_id()) {
        return;
    }
    batch.next_due = earliest(batch.next_due, Some(until));
    match parking(item.stored, until, engine.0.db.now()) {
        Parking::NewRow => {
            batch.deliveries.push(delivery_row(engine, &item, Progress::untried(until)));
        }
        Parking::Longer => batch.postponed.push((item.tenant_id, item.delivery_id, until)),
        Parking::AsItIs => {}
    }
    close(batch, &item);
    batch.busy.push(Settled::Parked(item, until));
}

fn close(batch: &mut Batch, item: &Item) {
    match closing(item.stored, || item.event.close_one()) {
        Closing::Delivery => batch.done.push(item.delivery_id),
        Closing::Pointer => batch.pointers.push((item.tenant_id, item.event.event_id)),
        Closing::Nothing => {}
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    [a, b].into_iter().flatten().min()
}

/// Writes a batch, again and again until the database takes it: outcomes are never dropped while
/// this node may write them.
async fn write_batch(engine: &Engine, holder: NodeId, batch: Batch, pulse: &Pulse) {
    let Batch { deliveries, postponed, attempts, pointers, health, tally, done, busy, next_due } =
        batch;
    let rows = Arc::new(Rows { deliveries, postponed, attempts, pointers, health, tally });
    let mut pause = Duration::from_millis(20);
    while !rows.is_empty() && holder == engine.node_id() {
        // A database that is away for a while is no reason for the watchdog to end the process.
        pulse.beat();
        match write_once(engine, holder, &rows).await {
            Ok(true) => break,
            // Fenced: another node has taken over what this batch is about.
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, rows = rows.deliveries.len(), "outcomes wait to be written");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }
    {
        let mut in_hand = engine.in_hand();
        for (_, event_id) in &rows.pointers {
            in_hand.finish_event(holder, *event_id);
        }
        for id in &done {
            in_hand.finish(holder, *id);
        }
    }
    // Before it counts as settled, so that whoever waits for that finds the streams told.
    engine.0.bus.announce_outcomes();
    drop(busy);
    if next_due.is_some() {
        engine.0.bus.wake(Topic::Dispatch);
    }
}

fn system(db: &Db) -> tidings_kernel::Ctx {
    db.system_ctx("delivery", TenantId::from_uuid(Uuid::nil()), true)
}

/// Writes a batch, unless this node was fenced.
async fn write_once(engine: &Engine, holder: NodeId, batch: &Arc<Rows>) -> Result<bool, DbError> {
    let (engine_of_unit, batch) = (engine.clone(), Arc::clone(batch));
    let ctx = system(&engine.0.db);
    let unit = work!([engine_of_unit, batch], |work| async move {
        if !may_settle(&engine_of_unit, work, holder).await? {
            return Ok(false);
        }
        let now = work.now();
        let mut writer = work.silent(Silent::DeliveryBookkeeping);
        rows::deliveries(&mut writer, &batch.deliveries).await?;
        rows::postpone(&mut writer, &batch.postponed).await?;
        rows::attempts(&mut writer, &batch.attempts, now).await?;
        rows::drop_pointers(&mut writer, &batch.pointers).await?;
        batch.health.write(&mut writer).await?;
        statistics::add(&mut writer, &batch.tally).await?;
        Ok::<bool, DbError>(true)
    });
    Ok(engine.0.db.write_bookkeeping(&ctx, unit).await?.into_inner())
}

/// Whether this node has not been fenced, and is not until this transaction has ended.
async fn may_settle(
    engine: &Engine,
    work: &mut UnitOfWork,
    holder: NodeId,
) -> Result<bool, DbError> {
    if engine.0.db.is_shared() {
        nodes::hold(&mut work.silent(Silent::NodeBookkeeping), holder).await
    } else {
        Ok(true)
    }
}

/// Ends a delivery in vain, until the database takes it. Its row is durable before its pair counts
/// as closed: the pointer goes with the batch, after every row that it stood for.
async fn end(engine: &Engine, batch: &mut Batch, made: Box<Made>, pulse: &Pulse) {
    let mut pause = Duration::from_millis(20);
    for _ in 0..limits::END_TRIES_MAX {
        pulse.beat();
        match end_once(engine, &made).await {
            Ok(end) => {
                if end == End::Written {
                    // Added with the batch: two units that add to one hour would conflict here.
                    batch.tally.count(&counted(&made));
                }
                close(batch, &made.item);
                batch.busy.push(Settled::Attempted(made));
                return;
            }
            Err(error) if made.item.holder == engine.node_id() => {
                tracing::warn!(%error, delivery = %made.item.delivery_id, "an end waits to be written");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            Err(_) => return,
        }
    }
    // The outcomes of everybody else wait behind this one. It is made again, later.
    let later = engine.0.db.now().after(limits::LEFT_FOR);
    parked(engine, batch, made.item, later);
}

/// What became of writing an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It was written.
    Written,
    /// It had ended before, by whoever had it before a crash; or this node may not write any more.
    Before,
}

async fn end_once(engine: &Engine, made: &Made) -> Result<End, DbError> {
    let (row, attempt) = rows_of(engine, made);
    let gone = made.next == NextStep::Gone && row.reason == Some("gone");
    // The end of what the engine says of itself is not told again: that would never end.
    let told = made.next == NextStep::Exhausted && !row.event_name.starts_with("webhook.");
    let attempted = made.was_sent();
    let engine_of_unit = engine.clone();
    let ctx = engine.0.db.tenant_ctx("delivery", row.tenant_id).await?;
    let unit = work!([engine_of_unit, row, attempt], |work| async move {
        if !may_settle(&engine_of_unit, work, row.node_id).await? {
            return Ok(End::Before);
        }
        let known = deliveries::find(work.reader(), row.tenant_id, row.id).await?;
        if known.is_some_and(|known| known.status.is_terminal()) {
            return Ok(End::Before);
        }
        if gone {
            disable(work, &row).await?;
        }
        if told {
            // A repetition by hand has had an event of its own.
            let version = log::last_version(work.reader(), row.tenant_id, row.id.uuid()).await?;
            work.apply(Ended::new(row, attempt, version).exhaust()).await?;
        } else {
            let mut writer = work.silent(Silent::DeliveryBookkeeping);
            rows::deliveries(&mut writer, std::slice::from_ref(&row)).await?;
            if attempted {
                rows::attempts(&mut writer, std::slice::from_ref(&attempt), row.updated_at).await?;
            }
        }
        Ok::<End, DbError>(End::Written)
    });
    Ok(engine.0.db.write_bulk(&ctx, unit).await?.into_inner())
}

/// 410: the endpoint is no more, so nothing is sent to it until somebody switches it on again.
async fn disable(work: &mut UnitOfWork, row: &DeliveryRow) -> Result<(), DbError> {
    let found = subscriptions::find(work.reader(), row.tenant_id, row.subscription_id).await?;
    let now = work.now();
    if let Some(Ok(change)) = found.map(|subscription| subscription.disable("gone", now)) {
        work.apply(change).await?;
    }
    Ok(())
}
