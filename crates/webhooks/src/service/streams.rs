//! Who follows live: counted, so that nobody holds all connections; and what there is to follow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_kernel::{PageParams, TenantId, Timestamp, limits};

use crate::delivery::DeliveryStatus;
use crate::error::WebhookError;
use crate::service::{DeliveryFilter, LogEntry, LogFilter, Webhooks};
use crate::settlement::{Place, Settled};
pub(crate) use crate::store::settlements::SettledAttempt;
use crate::store::{log, settlements};

/// Events that are read at a time.
const CHUNK: i64 = 100;

/// Some of what there is behind a place.
#[derive(Debug)]
pub(crate) struct Step<P, T> {
    /// What fits, in order, each with the place behind it.
    pub(crate) found: Vec<(P, T)>,
    /// Up to where everything was looked at.
    pub(crate) reached: P,
    /// Whether there is more.
    pub(crate) more: bool,
    /// Whether there is more that may not be shown yet: an older transaction runs.
    pub(crate) is_held_up: bool,
    /// Whether some of what there was may have gone before it was looked at.
    pub(crate) may_have_lost: bool,
}

impl<P, T> Step<P, T> {
    /// The same with what it found as something else.
    pub(crate) fn map<U>(self, view: impl Fn(T) -> U) -> Step<P, U> {
        let Self { found, reached, more, is_held_up, may_have_lost } = self;
        let found = found.into_iter().map(|(place, found)| (place, view(found))).collect();
        Step { found, reached, more, is_held_up, may_have_lost }
    }
}

/// An attempt as a stream has it.
#[derive(Debug, Clone)]
pub(crate) struct FollowedAttempt {
    pub(crate) attempt: SettledAttempt,
    /// What the delivery was after it.
    pub(crate) outcome: DeliveryStatus,
    pub(crate) settled_at: Timestamp,
}

/// The live streams of one process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<TenantId, usize>>>);

/// The place of one stream; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    streams: Streams,
    tenant_id: TenantId,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more stream, where there is one.
    pub(crate) fn take(&self, tenant_id: TenantId) -> Option<Seat> {
        let mut taken = self.lock();
        let all: usize = taken.values().sum();
        let own = taken.entry(tenant_id).or_default();
        if *own >= limits::STREAMS_OF_TENANT_MAX || all >= limits::STREAMS_MAX {
            return None;
        }
        *own += 1;
        Some(Seat { streams: self.clone(), tenant_id })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.streams.lock();
        if let Some(own) = taken.get_mut(&self.tenant_id) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.tenant_id);
            }
        }
    }
}

impl Webhooks {
    /// The newest position of the tenant's log.
    pub(crate) async fn last_position(&self, tenant_id: TenantId) -> Result<i64, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        Ok(log::last_position(&mut session.reader(), tenant_id).await?)
    }

    /// Some of the events after a position.
    pub(crate) async fn follow_log(
        &self,
        tenant_id: TenantId,
        filter: &LogFilter,
        position: i64,
    ) -> Result<Step<i64, LogEntry>, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        let after = tidings_kernel::Cursor { sort: position, id: tidings_kernel::Uuid::nil() };
        let page = PageParams { limit: CHUNK, after: Some(after) };
        let (page, looked_up_to) = log::look(session.reader(), tenant_id, filter, page).await?;
        Ok(Step {
            found: page.data.into_iter().map(|entry| (entry.position, entry)).collect(),
            reached: looked_up_to.max(position),
            more: page.next.is_some(),
            is_held_up: false,
            may_have_lost: false,
        })
    }

    /// The place behind what was settled up to now.
    pub(crate) async fn last_settled(&self, tenant_id: TenantId) -> Result<Place, WebhookError> {
        let now = self.db.now();
        let mut session = self.db.read(tenant_id).await?;
        let ended_below = session.ended_below().await?;
        let last = settlements::last(session.reader(), tenant_id, ended_below).await?;
        Ok(Place::behind(last.as_ref(), now))
    }

    /// Some of the attempts that were settled after a place, on whichever node.
    pub(crate) async fn follow_deliveries(
        &self,
        tenant_id: TenantId,
        filter: &DeliveryFilter,
        place: Place,
    ) -> Result<Step<Place, FollowedAttempt>, WebhookError> {
        // Before anything is read, so that nothing older can appear once it has passed.
        let now = self.db.now();
        let mut session = self.db.read(tenant_id).await?;
        let ended_below = session.ended_below().await?;
        let mut rows = settlements::from_place(session.reader(), tenant_id, place).await?;
        let shown = rows.partition_point(|row| row.order.0 < ended_below);
        let is_held_up = shown < rows.len();
        rows.truncate(shown);
        let may_have_lost = place.may_have_lost(rows.first(), now);
        let behind = place.behind_it(&rows);
        let more = i64::try_from(rows.len()).is_ok_and(|count| count >= settlements::ROWS_READ_MAX);
        let wanted: Vec<&(Place, Timestamp, Settled)> =
            behind.iter().filter(|(_, _, settled)| filter.fits_status(settled.outcome)).collect();
        let mut found = Vec::new();
        if !wanted.is_empty() {
            let ids: Vec<_> = wanted.iter().map(|(_, _, settled)| settled.delivery_id).collect();
            let reader = session.reader();
            let fitting = settlements::fitting(reader, tenant_id, &ids, filter).await?;
            for (place, settled_at, Settled { delivery_id, attempt, outcome }) in wanted {
                let Some(attempt) = fitting.get(&(*delivery_id, *attempt)) else { continue };
                let (outcome, settled_at) = (*outcome, *settled_at);
                let attempt = attempt.clone();
                found.push((*place, FollowedAttempt { attempt, outcome, settled_at }));
            }
        }
        let last = behind.last().map_or(place, |(place, ..)| *place);
        // Where nothing is left, nothing was missed until now; and what may have been is told once.
        let is_whole = !more && !is_held_up;
        let told = may_have_lost && behind.is_empty();
        let reached = if is_whole || told { Place { seen_at: now, ..last } } else { last };
        Ok(Step { found, reached, more, is_held_up, may_have_lost })
    }
}

#[cfg(test)]
mod tests {
    use tidings_kernel::Uuid;

    use super::*;

    #[test]
    fn a_tenant_has_so_many_places_and_gets_them_back() {
        let streams = Streams::default();
        let tenant = |number| TenantId::from_uuid(Uuid::from_u128(number));
        let mut seats: Vec<Seat> =
            (0..limits::STREAMS_OF_TENANT_MAX).map(|_| streams.take(tenant(1)).unwrap()).collect();
        assert!(streams.take(tenant(1)).is_none());
        assert!(streams.take(tenant(2)).is_some(), "another tenant has its own");
        seats.pop();
        assert!(streams.take(tenant(1)).is_some());
        drop(seats);
        assert!(streams.lock().is_empty(), "nobody is remembered who is gone");
    }
}
