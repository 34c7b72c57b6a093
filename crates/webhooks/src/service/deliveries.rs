//! Deliveries: read, repeat.

use tidings_bus::Topic;
use tidings_db::{DbError, UnitOfWork};
use tidings_events::WebhookEvent;
use tidings_events::webhooks::WebhookDeliveryRetried;
use tidings_kernel::{
    AnyId, Change, Cursor, DeliveryId, Entity, NodeId, Page, PageParams, TenantId, Timestamp, Uuid,
    Version,
};

pub(crate) use crate::delivery::Delivery;
use crate::delivery::DeliveryStatus;
use crate::engine::{MANUAL, delivery_id};
use crate::error::WebhookError;
use crate::log_filter::IdRange;
use crate::service::Webhooks;
use crate::store::deliveries;
pub(crate) use crate::store::deliveries::AttemptRecord;
pub(crate) use crate::store::delivery_list::DeliveryFilter;
use crate::store::settle::DeliveryRow;
use crate::store::{delivery_list, log, nodes, pointers, settle, stuck, subscriptions};
use crate::stuck::StuckEndpoint;

/// What waits in the database, for `doctor` and readiness.
#[derive(Debug, Clone)]
pub struct Backlog {
    /// Events that are not fanned out yet.
    pub pointers: i64,
    /// Since when the oldest of them waits.
    pub oldest_pointer: Option<Timestamp>,
    /// Deliveries that are tried again.
    pub waiting: i64,
    /// When the first of them is due.
    pub next_due: Option<Timestamp>,
    /// Deliveries that are due.
    pub due: i64,
    /// Since when the first of them is.
    pub due_since: Option<Timestamp>,
    /// The nodes.
    pub nodes: Vec<NodeSeen>,
}

/// A node, as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSeen {
    /// Its id.
    pub id: NodeId,
    /// How it calls itself.
    pub name: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Until when it has said that it lives.
    pub alive_until: Timestamp,
    /// Whether it was fenced, or has left.
    pub is_fenced: bool,
}

/// What is not dispatched yet, before the rows, and no more of both than a page holds. The next page
/// begins behind the last row that is shown.
fn first_page(mut pending: Vec<Delivery>, rows: Page<Delivery>, limit: i64) -> Page<Delivery> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    pending.truncate(limit);
    let Page { mut data, mut next } = rows;
    if pending.len() + data.len() > limit {
        data.truncate(limit - pending.len());
        let id = data.last().map_or(Uuid::max(), |row| row.id.uuid());
        next = Some(Cursor { sort: 0, id });
    }
    pending.append(&mut data);
    Page { data: pending, next }
}

impl Webhooks {
    /// The tenant's deliveries, the newest events first. On the first page, what is not dispatched yet
    /// stands before them as pending, as far as the page has room.
    pub async fn list_deliveries(
        &self,
        tenant_id: TenantId,
        filter: &DeliveryFilter,
        page: PageParams,
    ) -> Result<Page<Delivery>, WebhookError> {
        let mut rows = {
            let mut session = self.db.read(tenant_id).await?;
            delivery_list::list(session.reader(), tenant_id, filter, page).await?
        };
        // What kind an object is stands in the log, which nobody reads for a moment's state.
        if page.after.is_none() && filter.subject_kind.is_none() {
            // The pointer to the one event that is asked for, or to the newest.
            let range = match filter.event_id {
                Some(event_id) => IdRange { low: event_id.uuid(), high: event_id.uuid() },
                None => IdRange::of_span(filter.span),
            };
            let mut pending = self.undispatched(tenant_id, range).await?;
            pending.retain(|(delivery, subject_id)| {
                filter.fits_pending(delivery, *subject_id)
                    && rows.data.iter().all(|row| row.id != delivery.id)
            });
            let pending = pending.into_iter().map(|(delivery, _)| delivery).collect();
            rows = first_page(pending, rows, page.limit);
        }
        Ok(rows)
    }

    /// The tenant's delivery with this id, dispatched or not.
    pub async fn get_delivery(
        &self,
        tenant_id: TenantId,
        id: DeliveryId,
    ) -> Result<Delivery, WebhookError> {
        let found = {
            let mut session = self.db.read(tenant_id).await?;
            deliveries::find(session.reader(), tenant_id, id).await?
        };
        match found {
            Some(delivery) => Ok(delivery),
            None => self.find_undispatched(tenant_id, id).await?.ok_or(WebhookError::NotFound),
        }
    }

    /// The attempts of a delivery, in order.
    pub async fn list_attempts(
        &self,
        tenant_id: TenantId,
        id: DeliveryId,
        page: PageParams,
    ) -> Result<Page<AttemptRecord>, WebhookError> {
        self.get_delivery(tenant_id, id).await?;
        let mut session = self.db.read(tenant_id).await?;
        Ok(deliveries::attempts(session.reader(), tenant_id, id, page).await?)
    }

    /// Sends an event once more: a new delivery with the same event id and the same bytes. The
    /// automatic attempts are not touched.
    pub async fn retry_delivery(
        &self,
        work: &mut UnitOfWork,
        id: DeliveryId,
    ) -> Result<Delivery, WebhookError> {
        let tenant_id = work.ctx().tenant_id;
        let found = deliveries::find(work.reader(), tenant_id, id).await?;
        let delivery = found.ok_or(WebhookError::NotFound)?;
        if !delivery.status.is_terminal() {
            return Err(WebhookError::NotEnded);
        }
        let subscription = delivery.subscription_id;
        let found = subscriptions::find(work.reader(), tenant_id, subscription).await?;
        if !found.is_some_and(|subscription| subscription.sends()) {
            return Err(WebhookError::NotSending);
        }
        if !log::has_payload(work.reader(), tenant_id, delivery.event_id).await? {
            return Err(WebhookError::PayloadGone);
        }
        let repetition: DeliveryId = work.mint();
        let now = work.now();
        let new_id = delivery_id(delivery.event_id, subscription, repetition.uuid().as_bytes());
        let again = Delivery {
            id: new_id,
            origin: MANUAL.to_owned(),
            status: DeliveryStatus::Pending,
            attempts: 0,
            next_attempt_at: Some(now),
            last_status: None,
            last_error: None,
            reason: None,
            created_at: now,
            updated_at: now,
            replay_id: None,
            ..delivery.clone()
        };
        let node_id = work.node_id();
        let change = Repetition { of: id, node_id, delivery: again.clone(), tenant_id, version: 0 };
        work.apply(change.ask()).await?;
        Ok(again)
    }

    /// Says that something is due, after a commit that made it so.
    pub fn wake(&self) {
        self.bus.wake(Topic::Dispatch);
    }

    /// What waits in the database.
    pub async fn backlog(&self) -> Result<Backlog, DbError> {
        let mut session = self.db.read_across_tenants().await?;
        let (count, oldest_pointer) = pointers::count(session.reader()).await?;
        let (waiting, next_due) = deliveries::count_waiting(session.reader()).await?;
        let (due, due_since) = deliveries::count_due(session.reader(), self.db.now()).await?;
        let nodes = nodes::list(session.reader()).await?;
        let nodes = nodes
            .into_iter()
            .map(|(id, name, started_at, alive_until, is_fenced)| NodeSeen {
                id,
                name,
                started_at,
                alive_until,
                is_fenced,
            })
            .collect();
        Ok(Backlog { pointers: count, oldest_pointer, waiting, next_due, due, due_since, nodes })
    }

    /// The endpoints with deliveries of events from before an instant, those that wait longest
    /// first. `own` is a node that surely lives: the one that is asked.
    pub async fn stuck(
        &self,
        before: Timestamp,
        own: Option<NodeId>,
    ) -> Result<Vec<StuckEndpoint>, DbError> {
        // Where only one process can open the database, it says nowhere that it lives.
        let alive_from = if self.db.is_shared() {
            self.db.lease_now().await?
        } else {
            Timestamp::from_micros(0)
        };
        let mut session = self.db.read_across_tenants().await?;
        stuck::endpoints(session.reader(), before, self.db.now(), (alive_from, own)).await
    }
}

/// A repetition that somebody asked for.
struct Repetition {
    of: DeliveryId,
    node_id: NodeId,
    delivery: Delivery,
    tenant_id: TenantId,
    version: Version,
}

impl Entity for Repetition {
    type Event = WebhookEvent;
    const KIND: &'static str = "webhook_delivery";

    fn id(&self) -> AnyId {
        self.delivery.id.any()
    }

    fn version(&self) -> Version {
        self.version
    }

    fn set_version(&mut self, version: Version) {
        self.version = version;
    }
}

impl tidings_db::Stored for Repetition {
    async fn save(&self, _: Version, writer: &mut tidings_db::Writer<'_>) -> Result<u64, DbError> {
        let Delivery { id, event_id, subscription_id, event_name, created_at, .. } = &self.delivery;
        let row = DeliveryRow {
            tenant_id: self.tenant_id,
            id: *id,
            event_id: *event_id,
            subscription_id: *subscription_id,
            origin: MANUAL,
            event_name: event_name.clone(),
            status: DeliveryStatus::Pending,
            attempts: 0,
            next_attempt_at: Some(*created_at),
            node_id: self.node_id,
            last_status: None,
            last_error: None,
            reason: None,
            created_at: *created_at,
            updated_at: *created_at,
            order: None,
        };
        settle::deliveries(writer, &[row]).await
    }
}

impl Repetition {
    fn ask(self) -> Change<Self> {
        let event = WebhookDeliveryRetried {
            delivery_id: self.of,
            new_delivery_id: self.delivery.id,
            subscription_id: self.delivery.subscription_id,
            event_id: self.delivery.event_id,
        };
        Change::new(self, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(number: u128) -> Delivery {
        let at = Timestamp::from_micros(0);
        Delivery {
            id: DeliveryId::from_uuid(Uuid::from_u128(number)),
            event_id: tidings_kernel::EventId::from_uuid(Uuid::nil()),
            subscription_id: tidings_kernel::WebhookSubscriptionId::from_uuid(Uuid::nil()),
            origin: "event".to_owned(),
            event_name: "customer.created".to_owned(),
            status: DeliveryStatus::Pending,
            attempts: 0,
            next_attempt_at: None,
            last_status: None,
            last_error: None,
            reason: None,
            created_at: at,
            updated_at: at,
            replay_id: None,
        }
    }

    #[test]
    fn a_first_page_holds_no_more_than_its_limit_and_the_next_leaves_out_no_row() {
        for (pending, rows, more, shown, next) in [
            (0, 2, None, 2, None),
            (1, 2, None, 3, None),
            (2, 2, None, 3, Some(9)),
            (3, 2, None, 3, Some(u128::MAX)),
            (9, 0, None, 3, None),
            (9, 1, None, 3, Some(u128::MAX)),
            (1, 2, Some(8), 3, Some(8)),
            (0, 3, Some(7), 3, Some(7)),
        ] {
            let next_of_rows = more.map(|id| Cursor { sort: 0, id: Uuid::from_u128(id) });
            let rows = Page {
                data: (0..rows).map(|number| delivery(9 - number)).collect(),
                next: next_of_rows,
            };
            let pending: Vec<Delivery> =
                (0..pending).map(|number| delivery(100 - number)).collect();
            let page = first_page(pending, rows, 3);
            assert_eq!(page.data.len(), shown);
            assert_eq!(page.next.map(|cursor| cursor.id.as_u128()), next);
        }
    }
}
