//! Looks at a stretch of the log for what a replay sends.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidings_db::{DbError, Reader};
use tidings_kernel::{EventId, Timestamp};

use crate::payload_filter::{PayloadFilter, ReadBody};
use crate::replay::selection::{Candidate, Looked, Selection};
use crate::replay::{Scope, Wanted};
use crate::store::{replayed, subscriptions};
use crate::subscription::Subscription;

/// Bodies that are read at a time: each may be as large as an event may.
const BODIES: usize = 50;

/// What is asked of events, by a subscription as it is now and by a replay.
pub(super) async fn selection(
    reader: Reader<'_>,
    subscription: &Subscription,
    scope: &Scope,
    deliveries_kept_from: Timestamp,
) -> Result<Selection, DbError> {
    let id = subscription.id;
    let made = subscriptions::made_at_seq(reader, subscription.tenant_id, &[id]).await?;
    let made = made.get(&id).copied().unwrap_or(0);
    Ok(Selection::new(subscription, scope, made, deliveries_kept_from))
}

/// The events behind one position, up to another, that a replay sends or would if their payload
/// were still there.
pub(super) async fn look(
    reader: &mut Reader<'_>,
    subscription: &Subscription,
    selection: &Selection,
    (after, through): (i64, i64),
) -> Result<Looked, DbError> {
    let tenant_id = subscription.tenant_id;
    let mut fitting = replayed::window(reader, tenant_id, (after, through)).await?;
    fitting.retain(|candidate| selection.fits(candidate));
    if selection.wanted != Wanted::All && !fitting.is_empty() {
        let events: Vec<EventId> = fitting.iter().map(|candidate| candidate.event_id).collect();
        let before = replayed::before(reader, (tenant_id, subscription.id), &events).await?;
        fitting.retain(|candidate| before.fits(selection, candidate));
        for candidate in &mut fitting {
            candidate.is_forgotten = before.has_forgotten(selection, candidate);
        }
    }
    if let Some(filter) = &selection.payload_filter {
        fitting = filtered(reader, subscription, filter, fitting).await?;
    }
    Ok(Looked { fitting, through })
}

async fn filtered(
    reader: &mut Reader<'_>,
    subscription: &Subscription,
    filter: &PayloadFilter,
    mut candidates: Vec<Candidate>,
) -> Result<Vec<Candidate>, DbError> {
    let mut wanted = Vec::with_capacity(candidates.len());
    while !candidates.is_empty() {
        let rest = candidates.split_off(candidates.len().min(BODIES));
        let events: Vec<EventId> = candidates.iter().map(|candidate| candidate.event_id).collect();
        let bodies = replayed::bodies(reader, subscription.tenant_id, &events).await?;
        let bodies: BTreeMap<EventId, Bytes> = bodies.into_iter().collect();
        // One without a body cannot be asked; it is told as skipped.
        candidates.retain(|candidate| {
            let body = bodies.get(&candidate.event_id);
            body.is_none_or(|body| filter.matches(&ReadBody::of(body)))
        });
        wanted.append(&mut candidates);
        candidates = rest;
    }
    Ok(wanted)
}
