//! `/api/v1/webhooks/events/stream`: the tenant's log as it grows.

use std::str::FromStr;

use serde::Deserialize;
use tidings_bus::Bus;
use tidings_kernel::{Permission, Problem, TenantId};
use tidings_web::{Access, Call, Live, Op, Query, Routes};
use utoipa::IntoParams;

use super::Source;
use crate::api::log::{LogEntryView, LogParams};
use crate::error::WebhookError;
use crate::service::{LogFilter, Step, Webhooks};

/// What is followed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamParams {
    /// A type, or a wildcard such as `customer.*`.
    event_type: Option<String>,
    /// The object that the events are about, by its id: `cus_…`.
    subject_id: Option<String>,
    /// The kind of object that they are about: `customer`.
    subject_type: Option<String>,
    /// The position after which it begins, as does the header `Last-Event-ID`; from now on unless
    /// told.
    #[expect(dead_code, reason = "it is read as of every list; here it is described")]
    after: Option<i64>,
}

pub(super) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes.live(
        Op::get(
            "/api/v1/webhooks/events/stream",
            "streamEvents",
            Access::Needs(Permission::EventsRead),
        )
        .summary("The tenant's events as they happen, as server-sent events; resumes by position"),
        stream,
    )
}

/// A position that a client may name: 0 or more.
struct Position(i64);

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.parse().ok().filter(|position| *position >= 0).map(Self).ok_or(())
    }
}

async fn stream(
    webhooks: Webhooks,
    call: Call,
    Query(params): Query<StreamParams>,
) -> Result<Live<LogEntryView>, Problem> {
    let StreamParams { event_type, subject_id, subject_type, .. } = params;
    let filter = LogParams::of(event_type, subject_id, subject_type).filter()?;
    let expected = "a position of the log: 0, or a number that the stream gave as id";
    let last = webhooks.last_position(call.ctx.tenant_id).await?;
    let position = match super::place::<Position>(&call, expected)? {
        Some(Position(position)) if position > last => return Err(behind_the_end(&call, last)),
        Some(Position(position)) => position,
        None => last,
    };
    super::begin(webhooks, call, Log(filter), position)
}

/// One behind the end was never given out here: it is another tenant's, or the log was set back, and
/// whoever waits there would miss everything until the log has come so far, and see no gap.
fn behind_the_end(call: &Call, last: i64) -> Problem {
    let message = format!(
        "the log ends at {last}; begin there or before, and if the log gave you a later position, it \
         was restored from a backup since: read what you may have missed"
    );
    Problem::invalid_field(super::pointer(call), "out_of_range", message)
}

/// The log, as far as it fits.
struct Log(LogFilter);

impl Source for Log {
    type Place = i64;
    type View = LogEntryView;

    async fn look(
        &self,
        webhooks: &Webhooks,
        tenant_id: TenantId,
        place: i64,
    ) -> Result<Step<i64, LogEntryView>, WebhookError> {
        let step = webhooks.follow_log(tenant_id, &self.0, place).await?;
        Ok(step.map(LogEntryView::from))
    }

    fn more(bus: &Bus) -> tokio::sync::futures::Notified<'_> {
        bus.positions()
    }
}
