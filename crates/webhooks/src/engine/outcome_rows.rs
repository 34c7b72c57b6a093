//! An outcome as the rows that it becomes.

use super::Engine;
use super::attempt::Made;
use super::item::Item;
use super::progress::Progress;
use crate::plan::{NextStep, Outcome};
use crate::statistics::Counted;
use crate::store::settle::{AttemptRow, DeliveryRow};

/// The row of a delivery that has come so far; whoever writes it adds what came of an attempt.
pub(super) fn delivery_row(engine: &Engine, item: &Item, progress: Progress) -> DeliveryRow {
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

/// What an attempt makes of its delivery, and its own row.
pub(super) fn rows_of(engine: &Engine, made: &Made) -> (DeliveryRow, AttemptRow) {
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
        outcome: progress.status,
    };
    (delivery, attempt)
}

/// What an attempt adds to the statistics of its subscription.
pub(super) fn counted(made: &Made) -> Counted<'_> {
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
