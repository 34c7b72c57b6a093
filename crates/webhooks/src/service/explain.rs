//! Explains what came of an event for each subscription.

use tidings_kernel::{EventId, Page, PageParams, TenantId, WebhookSubscriptionId};

use crate::error::WebhookError;
use crate::explain::{EventFacts, Explained, PairFacts, deciding, explain};
use crate::payload_filter::ReadBody;
use crate::service::Webhooks;
use crate::store::delivery_list::{self, DeliveryFilter};
use crate::store::explain::{self as facts, FatedEvent};
use crate::store::pointers::event_name;
use crate::store::{retention, subscriptions};
use crate::subscription::{DeliveryOrder, Subscription};

/// What came of an event for one subscription.
#[derive(Debug)]
pub(crate) struct Explanation {
    pub(crate) subscription_id: WebhookSubscriptionId,
    pub(crate) url: String,
    pub(crate) pair: PairFacts,
    pub(crate) explained: Explained,
}

impl Webhooks {
    /// What came of an event for the subscriptions of now and of its time, the newest first, or for
    /// one of them.
    pub(crate) async fn explain_event(
        &self,
        tenant_id: TenantId,
        (id, only): (EventId, Option<WebhookSubscriptionId>),
        page: PageParams,
    ) -> Result<Page<Explanation>, WebhookError> {
        let (event, found, made, days) = {
            let mut session = self.db.read(tenant_id).await?;
            let event = facts::event(session.reader(), tenant_id, id).await?;
            let event = event.ok_or(WebhookError::NotFound)?;
            let at = (event.occurred_at, only);
            let found = facts::subscriptions(session.reader(), tenant_id, at, page).await?;
            let ids: Vec<_> = found.data.iter().map(|subscription| subscription.id).collect();
            let made = subscriptions::made_at_seq(session.reader(), tenant_id, &ids).await?;
            let days = retention::days(&mut session.reader(), tenant_id).await?;
            (event, found, made, days)
        };
        if only.is_some() && found.data.is_empty() {
            return Err(WebhookError::NotFound);
        }
        let told = EventFacts {
            name: event_name(&event.name),
            text: event.name.clone(),
            is_public: event.visibility == "public",
            occurred_at: event.occurred_at,
            body: event.body.as_ref().map(|body| ReadBody::of(body)),
            is_undispatched: event.is_undispatched,
            deliveries_since: days.deliveries_before(self.db.now()),
        };
        let mut data = Vec::with_capacity(found.data.len());
        for subscription in found.data {
            let made_later = made.get(&subscription.id).is_some_and(|seq| *seq >= event.seq);
            let pair = self.pair(tenant_id, (id, &event), &subscription).await?;
            let pair = PairFacts { made_later, ..pair };
            let explained = explain(&told, &subscription, &pair, self.db.now());
            let Subscription { id, url, .. } = subscription;
            data.push(Explanation { subscription_id: id, url, pair, explained });
        }
        Ok(Page { data, next: found.next })
    }

    async fn pair(
        &self,
        tenant_id: TenantId,
        (event_id, event): (EventId, &FatedEvent),
        subscription: &Subscription,
    ) -> Result<PairFacts, WebhookError> {
        let filter = DeliveryFilter {
            event_id: Some(event_id),
            subscription_id: Some(subscription.id),
            ..DeliveryFilter::default()
        };
        let page = PageParams { limit: tidings_kernel::limits::PAGE_ROWS_MAX, after: None };
        let mut session = self.db.read(tenant_id).await?;
        let found = delivery_list::list(session.reader(), tenant_id, &filter, page).await?;
        let delivery = deciding(found.data);
        let waits_for = match (&delivery, subscription.ordering) {
            (Some(open), DeliveryOrder::PerObject) if !open.status.is_terminal() => {
                let pair = (tenant_id, subscription.id);
                facts::earlier(session.reader(), pair, event.subject).await?
            }
            (_, DeliveryOrder::PerObject | DeliveryOrder::None) => None,
        };
        let engine = self.engine.as_ref();
        let left_alone_until = engine.and_then(|engine| engine.left_alone_until(subscription.id));
        Ok(PairFacts { delivery, left_alone_until, waits_for, made_later: false })
    }
}
