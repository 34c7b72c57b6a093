//! What the judge looks at: the rows that are left, and the book.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidings_db::{Db, DbError, FromRow, Row, args};
use tidings_kernel::{DeliveryId, EventId, Timestamp, Uuid, WebhookSubscriptionId};

use crate::actions::tenant_id;
use crate::book::{Arrival, Book, Subscribed};
use crate::scenario::{EndpointPlan, Scenario};

tidings_db::statements! {
    query EVENTS = "SELECT e.seq, e.id, e.name, e.visibility, e.subject_id, e.subject_version, \
        p.body FROM events e \
        JOIN event_payloads p ON p.tenant_id = e.tenant_id AND p.event_id = e.id \
        WHERE e.tenant_id = $1 ORDER BY e.seq";
    query DELIVERIES = "SELECT id, event_id, subscription_id, origin, status, attempts \
        FROM deliveries WHERE tenant_id = $1 ORDER BY id";
    query ATTEMPTS = "SELECT delivery_id, attempt, started_at, status FROM delivery_attempts \
        WHERE tenant_id = $1 ORDER BY delivery_id, attempt";
    query POSITIONS = "SELECT p.position, e.seq FROM event_positions p \
        JOIN events e ON e.tenant_id = p.tenant_id AND e.id = p.event_id \
        WHERE p.tenant_id = $1 ORDER BY p.position";
    query COUNTED = "SELECT name, fired FROM event_activity WHERE tenant_id = $1 ORDER BY name";
}

/// An event of the log.
#[derive(Debug, Clone)]
pub(crate) struct LoggedEvent {
    pub(crate) tenant: usize,
    pub(crate) seq: i64,
    pub(crate) id: EventId,
    pub(crate) name: String,
    pub(crate) is_public: bool,
    pub(crate) subject: (Uuid, i64),
    pub(crate) body: Bytes,
}

impl FromRow for LoggedEvent {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            tenant: 0,
            seq: row.take()?,
            id: row.take()?,
            name: row.take()?,
            is_public: row.take::<String>()? == "public",
            subject: (row.take()?, row.take()?),
            body: row.take()?,
        })
    }
}

/// A delivery as its row was left.
#[derive(Debug, Clone)]
pub(crate) struct LeftDelivery {
    pub(crate) id: DeliveryId,
    pub(crate) event_id: EventId,
    pub(crate) subscription_id: WebhookSubscriptionId,
    pub(crate) is_manual: bool,
    pub(crate) status: String,
    pub(crate) attempts: u32,
    /// Number, start and status of each attempt that was written down.
    pub(crate) written: Vec<(u32, Timestamp, Option<u16>)>,
}

impl FromRow for LeftDelivery {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.take()?,
            event_id: row.take()?,
            subscription_id: row.take()?,
            is_manual: row.take::<String>()? == "manual",
            status: row.take()?,
            attempts: row.take()?,
            written: Vec::new(),
        })
    }
}

/// An endpoint with its subscription, if that was ever known to be made.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) number: usize,
    pub(crate) plan: EndpointPlan,
    pub(crate) subscribed: Subscribed,
    pub(crate) id: WebhookSubscriptionId,
    /// Its place among all events.
    pub(crate) made_seq: i64,
}

impl Endpoint {
    /// Whether it wants events of this type.
    pub(crate) fn wants(&self, name: &str) -> bool {
        match self.plan.events.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == self.plan.events,
        }
    }

    /// Whether nothing ever made it stop.
    pub(crate) fn never_stopped(&self) -> bool {
        !self.subscribed.stopped_once
            && !matches!(self.plan.temper, crate::scenario::Temper::Gone { .. })
    }
}

/// Everything that the judge looks at.
pub(crate) struct Evidence {
    pub(crate) scenario: Scenario,
    pub(crate) events: Vec<LoggedEvent>,
    pub(crate) deliveries: Vec<LeftDelivery>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) arrivals: Vec<Arrival>,
    /// Position and place in the log, of each tenant.
    pub(crate) positions: Vec<Vec<(i64, i64)>>,
    /// How many events of each type the reaction has counted, of each tenant.
    pub(crate) counted: Vec<Vec<(String, i64)>>,
    pub(crate) book: Book,
}

impl Evidence {
    /// Reads it. Arrivals are put in the order of their time: nodes take turns.
    pub(crate) async fn gather(db: &Db, scenario: &Scenario, book: Book) -> Result<Self, DbError> {
        let (mut events, mut deliveries) = (Vec::new(), Vec::new());
        let (mut positions, mut counted) = (Vec::new(), Vec::new());
        for tenant in 0..scenario.tenants {
            let id = tenant_id(tenant);
            let mut session = db.read(id).await?;
            let found: Vec<LoggedEvent> = session.reader().rows(&EVENTS, args![id]).await?;
            events.extend(found.into_iter().map(|event| LoggedEvent { tenant, ..event }));
            let mut found: Vec<LeftDelivery> =
                session.reader().rows(&DELIVERIES, args![id]).await?;
            let attempts: Vec<(DeliveryId, u32, Timestamp, Option<u16>)> =
                session.reader().rows(&ATTEMPTS, args![id]).await?;
            let mut written: BTreeMap<DeliveryId, Vec<_>> = BTreeMap::new();
            for (delivery, number, started_at, status) in attempts {
                written.entry(delivery).or_default().push((number, started_at, status));
            }
            for delivery in &mut found {
                delivery.written = written.remove(&delivery.id).unwrap_or_default();
            }
            deliveries.extend(found);
            counted.push(session.reader().rows(&COUNTED, args![id]).await?);
            positions.push(session.reader().rows(&POSITIONS, args![id]).await?);
        }
        let mut arrivals = book.pages().arrivals.clone();
        arrivals.sort_by_key(|arrival| arrival.at);
        let endpoints = endpoints(scenario, &events, &book);
        let scenario = scenario.clone();
        Ok(Self { scenario, events, deliveries, endpoints, arrivals, positions, counted, book })
    }

    pub(crate) fn event(&self, id_text: &str) -> Option<&LoggedEvent> {
        self.events.iter().find(|event| event.id.to_string() == id_text)
    }
}

fn endpoints(scenario: &Scenario, events: &[LoggedEvent], book: &Book) -> Vec<Endpoint> {
    let pages = book.pages();
    let known = scenario.endpoints.iter().enumerate().filter_map(|(number, plan)| {
        let subscribed = pages.subscriptions.get(&number)?.clone();
        let id = subscribed.id?;
        let made = events.iter().find(|event| event.subject == (id.uuid(), 1))?;
        Some(Endpoint { number, plan: plan.clone(), subscribed, id, made_seq: made.seq })
    });
    known.collect()
}
