//! What a change of a subscription would have made of the last events.

use tidings_kernel::{EventId, TenantId, WebhookSubscriptionId};

use crate::commands::PreviewSubscription;
use crate::error::WebhookError;
use crate::matching::Filters;
use crate::options::check_filter;
use crate::payload_filter::{Clause, PayloadFilter, ReadBody};
use crate::service::Webhooks;
use crate::service::subscriptions::{read_filters, refuse};
use crate::store::log::{self, LogEntry};
use crate::store::pointers::event_name;

/// Events that a preview looks at.
const EVENTS_LOOKED_AT: usize = 1_000;
/// Events that are read at a time.
const CHUNK: i64 = 100;
/// Positions that a preview goes back at most, internal events included.
const CHUNKS_MAX: usize = 50;
/// Events that are named for each difference.
const NAMED_MAX: usize = 10;

/// What a change would have made of the last events.
#[derive(Debug, Default)]
pub(crate) struct Previewed {
    /// Delivered events that were looked at.
    pub(crate) looked_at: usize,
    /// Those whose payload is kept no longer, which a payload filter cannot judge.
    pub(crate) payload_gone: usize,
    pub(crate) matches_now: usize,
    pub(crate) would_match: usize,
    pub(crate) newly: Difference,
    pub(crate) no_longer: Difference,
}

/// Events that one of two subscriptions would get and the other not.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) count: usize,
    /// The newest of them, with their types.
    pub(crate) newest: Vec<(EventId, String)>,
}

impl Difference {
    fn add(&mut self, entry: &LogEntry) {
        self.count += 1;
        if self.newest.len() < NAMED_MAX {
            self.newest.push((entry.id, entry.name.clone()));
        }
    }
}

/// What a subscription lets through.
struct Choice {
    types: Filters,
    payload: Option<PayloadFilter>,
}

impl Choice {
    fn new<'a>(types: impl IntoIterator<Item = &'a str>, clause: Option<&Clause>) -> Self {
        let payload = clause.and_then(PayloadFilter::stored);
        Self { types: Filters::stored(types), payload }
    }

    fn wants(&self, entry: &LogEntry, body: Option<&ReadBody>) -> bool {
        let Some(name) = event_name(&entry.name) else { return false };
        let fits = |filter: &PayloadFilter| body.is_some_and(|body| filter.matches(body));
        self.types.matches(&name) && self.payload.as_ref().is_none_or(fits)
    }
}

impl Webhooks {
    /// Says how many of the tenant's last events a changed subscription would have got.
    pub(crate) async fn preview_subscription(
        &self,
        tenant_id: TenantId,
        id: WebhookSubscriptionId,
        input: PreviewSubscription,
    ) -> Result<Previewed, WebhookError> {
        let current = self.get_subscription(tenant_id, id).await?;
        let mut errors = Vec::new();
        let events = match &input.events {
            Some(events) => {
                let mut session = self.db.read(tenant_id).await?;
                read_filters(session.reader(), tenant_id, events, &mut errors).await?
            }
            None => current.events.clone(),
        };
        let clause = input.payload_filter.over(current.options.payload_filter.clone());
        check_filter(clause.as_ref(), &mut errors);
        refuse(errors)?;
        let stored = current.options.payload_filter.as_ref();
        let now = Choice::new(current.events.iter().map(String::as_str), stored);
        let then = Choice::new(events.iter().map(String::as_str), clause.as_ref());
        self.compare(tenant_id, &now, &then).await
    }

    async fn compare(
        &self,
        tenant_id: TenantId,
        now: &Choice,
        then: &Choice,
    ) -> Result<Previewed, WebhookError> {
        let mut preview = Previewed::default();
        let mut position = i64::MAX;
        for _ in 0..CHUNKS_MAX {
            let chunk = {
                let mut session = self.db.read(tenant_id).await?;
                log::before(&mut session.reader(), tenant_id, position, CHUNK).await?
            };
            let Some(last) = chunk.last() else { break };
            position = last.position;
            for entry in chunk.iter().filter(|entry| entry.visibility == "public") {
                if preview.looked_at == EVENTS_LOOKED_AT {
                    return Ok(preview);
                }
                preview.count(entry, now, then);
            }
        }
        Ok(preview)
    }
}

impl Previewed {
    fn count(&mut self, entry: &LogEntry, now: &Choice, then: &Choice) {
        self.looked_at += 1;
        let body = entry.body.as_ref().map(|body| ReadBody::of(body));
        self.payload_gone += usize::from(body.is_none());
        let (did, would) = (now.wants(entry, body.as_ref()), then.wants(entry, body.as_ref()));
        self.matches_now += usize::from(did);
        self.would_match += usize::from(would);
        match (did, would) {
            (false, true) => self.newly.add(entry),
            (true, false) => self.no_longer.add(entry),
            (true, true) | (false, false) => {}
        }
    }
}
