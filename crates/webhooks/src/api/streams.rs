//! `/api/v1/webhooks/events/stream`: the tenant's log as it grows, as server-sent events.

use std::time::Duration;

use serde::Deserialize;
use tidings_kernel::{Permission, Problem, ProblemKind, TenantId, Timestamp, limits};
use tidings_web::{Access, Call, Frames, Live, Op, Query, Routes, Unread};
use utoipa::IntoParams;

use crate::api::log::{LogEntryView, LogParams};
use crate::engine::Engine;
use crate::service::{LogFilter, Webhooks};

/// A stream says so often that it is alive, and asks so often whether its key still is.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Positions that another node gave are found by looking so often.
const POLL: Duration = Duration::from_secs(1);

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

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
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

async fn stream(
    webhooks: Webhooks,
    call: Call,
    Query(params): Query<StreamParams>,
) -> Result<Live<LogEntryView>, Problem> {
    let StreamParams { event_type, subject_id, subject_type, .. } = params;
    let filter = LogParams::of(event_type, subject_id, subject_type).filter()?;
    let tenant_id = call.ctx.tenant_id;
    let last = webhooks.last_position(tenant_id).await?;
    let position = position(&call, last)?;
    let Some(engine) = webhooks.engine.clone() else {
        return Err(Problem::unavailable("nothing is followed here; ask a node that serves", 5));
    };
    let seat = webhooks.streams.take(tenant_id).ok_or_else(|| {
        let message = format!(
            "there are {} streams at once for a tenant; end one of them",
            limits::STREAMS_OF_TENANT_MAX
        );
        Problem::new(ProblemKind::LimitReached, message)
    })?;
    let (frames, live) = Live::channel();
    let followed = Followed { webhooks, engine: engine.clone(), call, tenant_id, filter };
    engine.0.tasks.spawn(async move {
        let _seat = seat;
        followed.follow(position, frames).await;
    });
    Ok(live)
}

/// The position that a client names: the last that it has seen. Without one it begins at the end.
///
/// One behind the end was never given out here: it is another tenant's, or the log was set back, and
/// whoever waits there would miss everything until the log has come so far, and see no gap.
fn position(call: &Call, last: i64) -> Result<i64, Problem> {
    let after = call.query_value("after");
    let (pointer, text) = match (&after, call.header("last-event-id")) {
        // A client that comes back sends the address that it began with, and how far it is now.
        (_, Some(text)) => ("Last-Event-ID", text),
        (Some(text), None) => ("?after", text.as_str()),
        (None, None) => return Ok(last),
    };
    match text.parse::<i64>() {
        Ok(position) if (0..=last).contains(&position) => Ok(position),
        Ok(position) if position > last => {
            let message = format!(
                "the log ends at {last}; begin there or before, and if the log gave you a later \
                 position, it was restored from a backup since: read what you may have missed"
            );
            Err(Problem::invalid_field(pointer, "out_of_range", message))
        }
        Ok(_) | Err(_) => {
            let message = "a position of the log: 0, or a number that the stream gave as id";
            Err(Problem::invalid_field(pointer, "invalid", message))
        }
    }
}

/// One stream.
struct Followed {
    webhooks: Webhooks,
    engine: Engine,
    call: Call,
    tenant_id: TenantId,
    filter: LogFilter,
}

/// What a stream is woken by.
enum Woken {
    MoreMayBeThere,
    Heartbeat,
    ShuttingDown,
    Gone,
}

impl Followed {
    /// Sends events until the caller is gone, may not read them any more, or the program ends.
    async fn follow(self, mut position: i64, frames: Frames<LogEntryView>) {
        let bus = self.engine.0.bus.clone();
        if frames.begin(position).await.is_err() {
            return;
        }
        let mut heartbeat_at = bus.after(HEARTBEAT);
        loop {
            // Registered before the log is read, so that no position falls between the two.
            let placed = bus.positions();
            if self.call.still_allowed().await.is_err() {
                return frames.end("not_allowed").await;
            }
            match self.send(&mut position, &frames).await {
                Err(Unread) => return,
                Ok(true) => continue,
                Ok(false) => {}
            }
            match self.wait(placed, heartbeat_at, &frames).await {
                Woken::MoreMayBeThere => {}
                Woken::Heartbeat => {
                    heartbeat_at = bus.after(HEARTBEAT);
                    if frames.still_here().await.is_err() {
                        return;
                    }
                }
                Woken::ShuttingDown => return frames.end("shutdown").await,
                Woken::Gone => return,
            }
        }
    }

    /// Sends some of what is there. Says whether there is more.
    async fn send(
        &self,
        position: &mut i64,
        frames: &Frames<LogEntryView>,
    ) -> Result<bool, Unread> {
        let found = self.webhooks.follow_log(self.tenant_id, &self.filter, *position).await;
        let (entries, looked_up_to, more) = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "a stream waits for the database");
                return Ok(false);
            }
        };
        for entry in entries {
            let id = entry.position;
            frames.send(id, &entry.into()).await?;
            *position = id;
        }
        *position = looked_up_to;
        Ok(more)
    }

    async fn wait(
        &self,
        placed: impl Future<Output = ()>,
        heartbeat_at: Timestamp,
        frames: &Frames<LogEntryView>,
    ) -> Woken {
        let bus = &self.engine.0.bus;
        tokio::select! {
            biased;
            () = self.engine.0.tasks.streams().cancelled() => Woken::ShuttingDown,
            () = frames.gone() => Woken::Gone,
            () = bus.wait_until(heartbeat_at) => Woken::Heartbeat,
            () = placed => Woken::MoreMayBeThere,
            () = bus.wait_until(bus.after(POLL)) => Woken::MoreMayBeThere,
        }
    }
}
