//! `/api/v1/webhooks/events/log`: the tenant's events in order, to prove that none was missed.

use serde::{Deserialize, Serialize};
use tidings_kernel::{Cursor, EventId, PageParams, Permission, Problem, Timestamp, Uuid};
use tidings_web::{Access, Answer, Call, List, Op, Path, Query, Routes};
use utoipa::{IntoParams, ToSchema};

use crate::api::deliveries::DeliveryView;
use crate::api::narrowed::{Narrowed, Narrowing};
use crate::service::{LogEntry, LogFilter, Search, Searched, Webhooks};

/// An event of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogEntryView {
    /// Its place in the tenant's log: 1, 2, 3, … without gaps. `null` for the moment until it has
    /// one.
    pub(crate) position: Option<i64>,
    /// The event.
    pub(crate) id: EventId,
    /// Its type.
    #[serde(rename = "type")]
    pub(crate) name: String,
    /// `public` or `internal`.
    pub(crate) visibility: String,
    /// `high`, `normal` or `low`.
    pub(crate) priority: String,
    /// When.
    pub(crate) timestamp: Timestamp,
    /// The envelope as it is delivered; `null` once retention or erasure has taken it.
    #[schema(value_type = Option<Object>)]
    pub(crate) event: Option<Box<serde_json::value::RawValue>>,
}

impl From<LogEntry> for LogEntryView {
    fn from(entry: LogEntry) -> Self {
        let text = entry.body.and_then(|body| String::from_utf8(body.to_vec()).ok());
        Self {
            position: (entry.position > 0).then_some(entry.position),
            id: entry.id,
            name: entry.name,
            visibility: entry.visibility,
            priority: entry.priority,
            timestamp: entry.occurred_at,
            event: text.and_then(|text| serde_json::value::RawValue::from_string(text).ok()),
        }
    }
}

/// An event of the log with its deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogEntryDetailView {
    /// The event.
    #[serde(flatten)]
    pub(crate) entry: LogEntryView,
    /// Its deliveries, at most 200.
    pub(crate) deliveries: Vec<DeliveryView>,
}

/// What the log is narrowed to.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogParams {
    /// A type, or a wildcard such as `customer.*`.
    event_type: Option<String>,
    /// The object that the events are about, by its id: `cus_…`.
    subject_id: Option<String>,
    /// The kind of object that they are about: `customer`.
    subject_type: Option<String>,
    /// Events that happened at this time or later.
    #[param(value_type = Option<String>)]
    occurred_after: Option<Timestamp>,
    /// Events that happened at this time or earlier.
    #[param(value_type = Option<String>)]
    occurred_before: Option<Timestamp>,
}

impl LogParams {
    /// Narrowed by what a stream can be narrowed by.
    pub(crate) fn of(
        event_type: Option<String>,
        subject_id: Option<String>,
        subject_type: Option<String>,
    ) -> Self {
        let (occurred_after, occurred_before) = (None, None);
        Self { event_type, subject_id, subject_type, occurred_after, occurred_before }
    }

    /// The filter that is asked for, or every fault.
    pub(crate) fn filter(self) -> Result<LogFilter, Problem> {
        let mut faults = Vec::new();
        let narrowed = Narrowed {
            event_type: self.event_type,
            subject_id: self.subject_id,
            occurred_after: self.occurred_after,
            occurred_before: self.occurred_before,
        };
        let Narrowing { types, subject_id, span } = narrowed.read(&mut faults);
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        Ok(LogFilter { types, subject_id, subject_kind: self.subject_type, span })
    }
}

/// What is searched for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchParams {
    /// The id of an event, of an object, or an `event_id` of a publisher: these are found by an
    /// index. Anything else is up to 8 words that must all stand in the event, whole and in any
    /// case.
    q: String,
    /// How many rows, 50 unless told.
    #[expect(dead_code, reason = "it is read as of every list; here it is described")]
    limit: Option<i64>,
    /// The `next_cursor` of the answer before.
    #[expect(dead_code, reason = "it is read as of every list; here it is described")]
    cursor: Option<String>,
}

/// What was found, and how far was looked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SearchView {
    /// The events, the newest first.
    pub(crate) data: Vec<LogEntryView>,
    /// Pass it on as `cursor` to look further back; `null` where everything was looked at.
    pub(crate) next_cursor: Option<String>,
    /// How many events were looked into for this answer.
    pub(crate) looked_at: i64,
    /// Down to which position was looked; `null` where an index gave the answer.
    pub(crate) looked_back_to: Option<i64>,
}

const READ: Access = Access::Needs(Permission::EventsRead);

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes
        .list(
            Op::get("/api/v1/webhooks/events/log", "listEventLog", READ)
                .summary(
                "The tenant's events after a position (`after`) or cursor, in order; a page may end \
                 early, see next_cursor",
            ),
            list,
        )
        .read(
            Op::get("/api/v1/webhooks/events/search", "searchEventLog", READ)
                .summary("Find events by id, or by words in them; says how far it has looked"),
            search,
        )
        .read(
            Op::get("/api/v1/webhooks/events/log/{id}", "getLogEntry", READ)
                .summary("One event with its deliveries"),
            get,
        )
}

/// A position is a number that anybody may keep; a cursor is sealed like every other.
fn page(call: &Call) -> Result<PageParams, Problem> {
    let position = call.query_value("after").and_then(|text| text.parse::<i64>().ok());
    match position {
        Some(position) if position < 0 => {
            let message = "a position of the log, which is 0 or more, or a next_cursor";
            Err(Problem::invalid_field("?after", "out_of_range", message))
        }
        Some(position) => {
            let after = Some(Cursor { sort: position, id: Uuid::nil() });
            Ok(PageParams { after, limit: call.limit()? })
        }
        None => call.page(),
    }
}

async fn list(
    webhooks: Webhooks,
    call: Call,
    Query(params): Query<LogParams>,
) -> Result<List<LogEntryView>, Problem> {
    let page = page(&call)?;
    let rows = webhooks.list_log(call.ctx.tenant_id, &params.filter()?, page).await?;
    Ok(call.list(rows))
}

async fn search(
    webhooks: Webhooks,
    call: Call,
    Query(params): Query<SearchParams>,
) -> Result<Answer<SearchView>, Problem> {
    let search = Search::parse(&params.q).map_err(|fault| Problem::invalid(vec![fault]))?;
    let found = webhooks.search_log(call.ctx.tenant_id, &search, call.page()?).await?;
    let Searched { page, looked_at, looked_back_to } = found;
    let List { data, next_cursor, .. } = call.list(page);
    Ok(Answer::new(SearchView { data, next_cursor, looked_at, looked_back_to }))
}

async fn get(
    webhooks: Webhooks,
    call: Call,
    Path(id): Path<EventId>,
) -> Result<Answer<LogEntryDetailView>, Problem> {
    let (entry, deliveries) = webhooks.get_log_entry(call.ctx.tenant_id, id).await?;
    let deliveries = deliveries.into_iter().map(DeliveryView::from).collect();
    Ok(Answer::new(LogEntryDetailView { entry: entry.into(), deliveries }))
}
