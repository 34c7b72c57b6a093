//! Lists of deliveries: a window of rows that an index serves, narrowed to what is asked for.

use tidings_db::{DbError, Reader, Value, args};
use tidings_kernel::{
    AnyId, Cursor, DeliveryId, EventId, Page, PageParams, TenantId, Uuid, WebhookSubscriptionId,
};

use crate::delivery::Delivery;
use crate::delivery::DeliveryStatus;
use crate::log_filter::{IdRange, ROWS_LOOKED_AT_MAX, Span, TypeRange, by_millisecond};

/// Events of one object whose deliveries one page looks for.
const EVENTS_LOOKED_AT_MAX: i64 = 200;

/// What a list shows of a delivery.
macro_rules! columns {
    () => {
        "id, event_id, subscription_id, origin, event_name, status, attempts, next_attempt_at, \
         last_status, last_error, reason, created_at, updated_at, replay_id"
    };
}

/// What is left of a window: the rows that fit.
macro_rules! narrowed {
    ($window:expr) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM ",
            $window,
            " WHERE status IN_TEXTS($5) AND event_name >= $6 AND event_name <= $7 \
             AND (ABSENT_UUID($8) OR subscription_id = $8) \
             AND (ABSENT_INT($9) OR event_id IN_UUIDS($10)) \
             AND (ABSENT_TEXT($11) OR last_error = $11) \
             AND (ABSENT_INT($12) OR last_status = $12) \
             AND (ABSENT_TEXT($13) OR EXISTS (SELECT 1 FROM events WHERE events.tenant_id = $1 \
             AND events.id = event_id AND events.subject_kind = $13)) \
             ORDER BY id DESC LIMIT $14"
        )
    };
}

tidings_db::statements! {
    /// The primary key is the window.
    query ALL_OF_THEM = narrowed!(concat!("(SELECT ", columns!(), " FROM deliveries \
        WHERE tenant_id = $1 AND id >= $2 AND id <= $3 ORDER BY id DESC LIMIT $4) AS looked_at"));
    /// An index of those that have not arrived, which has their ids only.
    query NOT_DELIVERED = narrowed!("(SELECT id AS looked_at FROM deliveries \
        WHERE tenant_id = $1 AND id >= $2 AND id <= $3 AND status <> 'delivered' \
        ORDER BY id DESC LIMIT $4) AS looked_at_ids \
        JOIN deliveries ON deliveries.tenant_id = $1 AND deliveries.id = looked_at");
    /// An index by subscription.
    query OF_SUBSCRIPTION = narrowed!(concat!("(SELECT ", columns!(), " FROM deliveries \
        WHERE tenant_id = $1 AND subscription_id = $8 AND id >= $2 AND id <= $3 \
        ORDER BY id DESC LIMIT $4) AS looked_at"));
    query ALL_OF_THEM_END = "SELECT id FROM deliveries \
        WHERE tenant_id = $1 AND id >= $2 AND id <= $3 ORDER BY id DESC LIMIT 1 OFFSET $4";
    query NOT_DELIVERED_END = "SELECT id FROM deliveries WHERE tenant_id = $1 \
        AND id >= $2 AND id <= $3 AND status <> 'delivered' ORDER BY id DESC LIMIT 1 OFFSET $4";
    query OF_SUBSCRIPTION_END = "SELECT id FROM deliveries WHERE tenant_id = $1 AND id >= $2 \
        AND id <= $3 AND subscription_id = $5 ORDER BY id DESC LIMIT 1 OFFSET $4";
    query EVENTS_OF_SUBJECT = "SELECT id FROM events WHERE tenant_id = $1 AND subject_id = $2 \
        AND id >= $3 AND id <= $4 ORDER BY id DESC LIMIT $5";
}

/// What a list of deliveries is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Of one subscription.
    pub subscription_id: Option<WebhookSubscriptionId>,
    /// Of one event.
    pub event_id: Option<EventId>,
    /// In one of these states; in any where there is none.
    pub(crate) statuses: Vec<DeliveryStatus>,
    /// Of these types.
    pub(crate) types: TypeRange,
    /// Of events of one object.
    pub(crate) subject_id: Option<AnyId>,
    /// Of events of this kind of object.
    pub(crate) subject_kind: Option<String>,
    /// Of events that happened within this time.
    pub(crate) span: Span,
    /// Whose last failure is of this class.
    pub(crate) last_error: Option<String>,
    /// Whose last answer had this status.
    pub(crate) last_status: Option<u16>,
}

impl DeliveryFilter {
    /// Whether a delivery without any attempt yet fits, apart from the kind of its object.
    pub(crate) fn fits_pending(&self, delivery: &Delivery, subject_id: Uuid) -> bool {
        self.subscription_id.is_none_or(|id| id == delivery.subscription_id)
            && self.event_id.is_none_or(|id| id == delivery.event_id)
            && self.fits_status(delivery.status)
            && self.types.contains(&delivery.event_name)
            && self.subject_id.is_none_or(|id| id.uuid == subject_id)
            && self.span.contains(delivery.created_at)
            && self.last_error.is_none()
            && self.last_status.is_none()
    }

    /// Whether a delivery in this state fits, apart from everything else.
    pub(crate) fn fits_status(&self, status: DeliveryStatus) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&status)
    }

    /// Whether nothing but deliveries in this state fits.
    pub(crate) fn fits_only(&self, status: DeliveryStatus) -> bool {
        !self.statuses.is_empty() && self.statuses.iter().all(|wanted| *wanted == status)
    }

    /// Whether every delivery that fits is one that has not arrived.
    fn wants_no_delivered(&self) -> bool {
        self.last_error.is_some()
            || self.last_status.is_some_and(|status| !(200..300).contains(&status))
            || (!self.statuses.is_empty() && !self.statuses.contains(&DeliveryStatus::Delivered))
    }

    /// Whether some rows of a window may not fit.
    fn is_narrow(&self) -> bool {
        self.event_id.is_some()
            || self.subject_id.is_some()
            || self.subject_kind.is_some()
            || !self.statuses.is_empty()
            || self.types != TypeRange::default()
            || self.last_error.is_some()
            || self.last_status.is_some()
    }

    fn words(&self) -> Vec<String> {
        let wanted: &[DeliveryStatus] =
            if self.statuses.is_empty() { DeliveryStatus::ALL } else { &self.statuses };
        wanted.iter().map(|status| status.as_str().to_owned()).collect()
    }
}

/// The tenant's deliveries, the newest first. A page may hold fewer rows than wanted, or none, and
/// yet have a next one: it has looked at as many rows as it may.
pub(crate) async fn list(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    filter: &DeliveryFilter,
    page: PageParams,
) -> Result<Page<Delivery>, DbError> {
    let range = IdRange::of_span(filter.span).below(page.after.map(|cursor| cursor.id));
    let Some(range) = range else { return Ok(Page { data: Vec::new(), next: None }) };
    match (filter.event_id, filter.subject_id) {
        (Some(event_id), _) => {
            let groups = by_millisecond(vec![event_id]);
            of_events(&mut reader, (tenant_id, filter), (range, groups, None), page.limit).await
        }
        (None, Some(subject)) => {
            let limit = EVENTS_LOOKED_AT_MAX;
            let args = args![tenant_id, subject.uuid, range.low, last_of(range), limit];
            let events: Vec<(EventId,)> = reader.rows(&EVENTS_OF_SUBJECT, args).await?;
            let more = i64::try_from(events.len()).is_ok_and(|count| count == limit);
            let mut groups = by_millisecond(events.into_iter().map(|(id,)| id).collect());
            if more && groups.len() > 1 {
                // It may not be whole, so the next page begins with it.
                groups.pop();
            }
            let rest = more.then(|| groups.last().map(|(range, _)| range.low)).flatten();
            of_events(&mut reader, (tenant_id, filter), (range, groups, rest), page.limit).await
        }
        (None, None) => window(&mut reader, (tenant_id, filter), range, page.limit).await,
    }
}

/// The last id of the millisecond in which a range ends: a cursor may stand in the middle of it.
fn last_of(range: IdRange) -> Uuid {
    IdRange::of_event(range.high).high
}

/// Events, with the range of the ids of their deliveries.
type Group = (IdRange, Vec<EventId>);

/// The deliveries of some events, in groups; `rest` is where the events go on that are not among
/// them.
async fn of_events(
    reader: &mut Reader<'_>,
    (tenant_id, filter): (TenantId, &DeliveryFilter),
    (range, groups, rest): (IdRange, Vec<Group>, Option<Uuid>),
    limit: i64,
) -> Result<Page<Delivery>, DbError> {
    let mut rows: Vec<Delivery> = Vec::new();
    for (group, events) in groups {
        let Some(both) = group.within(range) else { continue };
        let wanted = limit + 1 - i64::try_from(rows.len()).unwrap_or(limit);
        if wanted <= 0 {
            break;
        }
        let args = arguments(tenant_id, filter, both, (Some(&events), wanted));
        rows.extend(reader.rows::<Delivery>(&ALL_OF_THEM, &args).await?);
    }
    let mut page = Page::from_rows(rows, limit, cursor);
    if page.next.is_none() {
        page.next = rest.map(after);
    }
    Ok(page)
}

/// The deliveries among a bounded number of rows.
async fn window(
    reader: &mut Reader<'_>,
    (tenant_id, filter): (TenantId, &DeliveryFilter),
    range: IdRange,
    limit: i64,
) -> Result<Page<Delivery>, DbError> {
    let (query, end) = if filter.subscription_id.is_some() {
        (&OF_SUBSCRIPTION, &OF_SUBSCRIPTION_END)
    } else if filter.wants_no_delivered() {
        (&NOT_DELIVERED, &NOT_DELIVERED_END)
    } else {
        (&ALL_OF_THEM, &ALL_OF_THEM_END)
    };
    let args = arguments(tenant_id, filter, range, (None, limit + 1));
    let rows: Vec<Delivery> = reader.rows(query, &args).await?;
    let mut page = Page::from_rows(rows, limit, cursor);
    if page.next.is_none() && filter.is_narrow() {
        let mut args = args![tenant_id, range.low, range.high, ROWS_LOOKED_AT_MAX - 1].to_vec();
        if filter.subscription_id.is_some() {
            args.extend(args![filter.subscription_id].to_vec());
        }
        let last: Option<(DeliveryId,)> = reader.row(end, &args).await?;
        page.next = last.map(|(id,)| after(id.uuid()));
    }
    Ok(page)
}

fn arguments(
    tenant_id: TenantId,
    filter: &DeliveryFilter,
    range: IdRange,
    (events, limit): (Option<&[EventId]>, i64),
) -> Vec<Value> {
    args![
        tenant_id,
        range.low,
        range.high,
        if filter.is_narrow() { ROWS_LOOKED_AT_MAX } else { limit },
        filter.words().as_slice(),
        filter.types.low,
        filter.types.high,
        filter.subscription_id,
        events.map(|_| 1_i64),
        events.unwrap_or_default(),
        filter.last_error,
        filter.last_status,
        filter.subject_kind,
        limit
    ]
    .to_vec()
}

fn cursor(row: &Delivery) -> Cursor {
    after(row.id.uuid())
}

fn after(id: Uuid) -> Cursor {
    Cursor { sort: 0, id }
}
