//! `/api/v1/webhooks/events/log`: the tenant's events in order, to prove that none was missed.

use serde::{Deserialize, Serialize};
use tidings_kernel::{Cursor, EventId, PageParams, Permission, Problem, Timestamp, Uuid};
use tidings_web::{Access, Answer, Call, List, Op, Path, Query, Routes};
use utoipa::{IntoParams, ToSchema};

use crate::api::deliveries::DeliveryView;
use crate::service::LogEntry;
use crate::service::Webhooks;

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
    /// A type of the catalog.
    event_type: Option<String>,
}

const READ: Access = Access::Needs(Permission::EventsRead);

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes
        .list(
            Op::get("/api/v1/webhooks/events/log", "listEventLog", READ)
                .summary("The tenant's events after a position (`after`) or cursor, in order"),
            list,
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
    let rows = webhooks.list_log(call.ctx.tenant_id, params.event_type.as_deref(), page).await?;
    Ok(call.list(rows))
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
