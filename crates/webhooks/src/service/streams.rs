//! Who follows a log live: counted, so that nobody holds all connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_kernel::{PageParams, TenantId, limits};

use crate::error::WebhookError;
use crate::service::{LogEntry, LogFilter, Webhooks};
use crate::store::log;

/// Events that are read at a time.
const CHUNK: i64 = 100;

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

    /// Some of the events after a position, and up to where everything was looked at.
    pub(crate) async fn follow_log(
        &self,
        tenant_id: TenantId,
        filter: &LogFilter,
        position: i64,
    ) -> Result<(Vec<LogEntry>, i64, bool), WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        let after = tidings_kernel::Cursor { sort: position, id: tidings_kernel::Uuid::nil() };
        let page = PageParams { limit: CHUNK, after: Some(after) };
        let (page, looked_up_to) = log::look(session.reader(), tenant_id, filter, page).await?;
        Ok((page.data, looked_up_to.max(position), page.next.is_some()))
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
