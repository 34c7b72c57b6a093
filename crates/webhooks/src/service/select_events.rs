//! Looks at a stretch of the log for what a replay sends.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidings_db::{DbError, Reader};
use tidings_kernel::{EventId, TenantId, Timestamp, limits};

use crate::log_filter::Span;
use crate::payload_filter::{PayloadFilter, ReadBody};
use crate::replay::selection::{Candidate, Looked, Selection};
use crate::replay::{Scope, Wanted};
use crate::store::{log, replayed, subscriptions};
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

/// The part of the log that a replay looks at, as positions: what lies before its first instant or
/// behind its last is not looked through.
pub(super) async fn bounded(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    scope: Scope,
) -> Result<Scope, DbError> {
    let all = Span::default();
    let span = Span { from: scope.from.unwrap_or(all.from), to: scope.to.unwrap_or(all.to) };
    let asked = (span, scope.after_position);
    let after_position = log::begins_behind(reader, tenant_id, asked).await?;
    let end = log::ends_at(reader, tenant_id, span).await?;
    let until_asked = end.into_iter().chain(scope.until_asked).min();
    Ok(Scope { after_position, until_asked, ..scope })
}

/// The events behind one position, towards an end, that a replay sends or would if their payload
/// were still there.
pub(super) async fn look(
    reader: &mut Reader<'_>,
    subscription: &Subscription,
    selection: &Selection,
    (after, end): (i64, i64),
) -> Result<Looked, DbError> {
    let tenant_id = subscription.tenant_id;
    let (mut fitting, through) = if let Some(subject_id) = selection.subject_id {
        let of = (tenant_id, subject_id);
        replayed::window_of_subject(reader, of, (after, end), limits::REPLAY_WINDOW).await?
    } else {
        let through = end.min(after.saturating_add(limits::REPLAY_WINDOW));
        (replayed::window(reader, tenant_id, (after, through)).await?, through)
    };
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
        let (filtered, bytes_read) = filtered(reader, subscription, filter, fitting).await?;
        return Ok(Looked { fitting: filtered, through, bytes_read });
    }
    Ok(Looked { fitting, through, bytes_read: 0 })
}

async fn filtered(
    reader: &mut Reader<'_>,
    subscription: &Subscription,
    filter: &PayloadFilter,
    mut candidates: Vec<Candidate>,
) -> Result<(Vec<Candidate>, usize), DbError> {
    let mut wanted = Vec::with_capacity(candidates.len());
    let mut bytes_read = 0;
    while !candidates.is_empty() {
        let rest = candidates.split_off(candidates.len().min(BODIES));
        let events: Vec<EventId> = candidates.iter().map(|candidate| candidate.event_id).collect();
        let bodies = replayed::bodies(reader, subscription.tenant_id, &events).await?;
        let bodies: BTreeMap<EventId, Bytes> = bodies.into_iter().collect();
        bytes_read += bodies.values().map(Bytes::len).sum::<usize>();
        // One without a body cannot be asked; it is told as skipped.
        candidates.retain(|candidate| {
            let body = bodies.get(&candidate.event_id);
            body.is_none_or(|body| filter.matches(&ReadBody::of(body)))
        });
        wanted.append(&mut candidates);
        candidates = rest;
    }
    Ok((wanted, bytes_read))
}
