//! Searching the log: by an index where the text is an id, else by looking into a bounded number of
//! events. The same on both engines, because nothing but the program compares.

use tidings_kernel::{Cursor, EventId, EventKind, Kind, Page, PageParams, TenantId, Uuid};

use crate::error::WebhookError;
pub(crate) use crate::search::Search;
use crate::service::Webhooks;
use crate::store::log::LogEntry;
use crate::store::{event_types, log};

/// Events that one answer looks into.
const EVENTS_LOOKED_AT_MAX: i64 = 2_000;
/// Events that are read at a time.
const CHUNK: i64 = 100;
/// Bytes of bodies that one answer reads, about.
const BYTES_READ_MAX: usize = 16 * 1024 * 1024;

/// What was found, and how far was looked.
#[derive(Debug)]
pub(crate) struct Searched {
    pub(crate) page: Page<LogEntry>,
    pub(crate) looked_at: i64,
    /// None where an index gave the answer.
    pub(crate) looked_back_to: Option<i64>,
}

impl Webhooks {
    /// Searches the tenant's log, the newest event first.
    pub(crate) async fn search_log(
        &self,
        tenant_id: TenantId,
        search: &Search,
        page: PageParams,
    ) -> Result<Searched, WebhookError> {
        if let Some(page) = self.by_id(tenant_id, search, page).await? {
            let looked_at = i64::try_from(page.data.len()).unwrap_or(i64::MAX);
            return Ok(Searched { page, looked_at, looked_back_to: None });
        }
        self.by_words(tenant_id, search, page).await
    }

    /// The events that an id names: the event, or those of the object, or the one of a publisher.
    async fn by_id(
        &self,
        tenant_id: TenantId,
        search: &Search,
        page: PageParams,
    ) -> Result<Option<Page<LogEntry>>, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        let event_id = match search.id {
            Some(id) if id.prefix == EventKind::PREFIX => Some(EventId::from_uuid(id.uuid)),
            Some(id) => {
                // An object without events may yet be named by those of others, where words find it.
                if log::last_version(session.reader(), tenant_id, id.uuid).await? == 0 {
                    return Ok(None);
                }
                let of = (tenant_id, id.uuid);
                return Ok(Some(log::of_subject_before(&mut session.reader(), of, page).await?));
            }
            None => {
                let text = &search.text;
                let known = event_types::published(session.reader(), tenant_id, text).await?;
                known.map(|(event_id, _)| event_id)
            }
        };
        let Some(event_id) = event_id else { return Ok(None) };
        let found = log::find(session.reader(), tenant_id, event_id).await?;
        Ok(found.map(|entry| Page { data: vec![entry], next: None }))
    }

    /// Looks into events, the newest first, as far as one answer may.
    async fn by_words(
        &self,
        tenant_id: TenantId,
        search: &Search,
        page: PageParams,
    ) -> Result<Searched, WebhookError> {
        let mut position = page.after.map_or(i64::MAX, |cursor| cursor.sort);
        let limit = usize::try_from(page.limit).unwrap_or(0);
        let (mut data, mut looked_at, mut bytes_read) = (Vec::new(), 0, 0);
        let mut is_end = false;
        while !is_end
            && data.len() < limit
            && looked_at < EVENTS_LOOKED_AT_MAX
            && bytes_read < BYTES_READ_MAX
        {
            let chunk = {
                let mut session = self.db.read(tenant_id).await?;
                log::before(&mut session.reader(), tenant_id, position, CHUNK).await?
            };
            is_end = i64::try_from(chunk.len()).is_ok_and(|count| count < CHUNK);
            for entry in chunk {
                if data.len() == limit {
                    is_end = false;
                    break;
                }
                position = entry.position;
                looked_at += 1;
                let Some(body) = &entry.body else { continue };
                bytes_read += body.len();
                if search.is_in(body) {
                    data.push(entry);
                }
            }
        }
        let next = (!is_end).then_some(Cursor { sort: position, id: Uuid::nil() });
        let looked_back_to = (looked_at > 0).then_some(position);
        Ok(Searched { page: Page { data, next }, looked_at, looked_back_to })
    }
}
