//! What goes on, as server-sent events: the tenant's log as it grows, and its deliveries as their
//! attempts are settled.

mod deliveries;
mod events;

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use tidings_bus::Bus;
use tidings_kernel::{Problem, ProblemKind, TenantId, Timestamp, limits};
use tidings_web::{Call, Frames, Live, Routes, Unread};

use crate::engine::Engine;
use crate::error::WebhookError;
use crate::service::{Step, Webhooks};

/// A stream says so often that it is alive, and asks so often whether its key still is.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// What another node wrote is found by looking so often.
const POLL: Duration = Duration::from_secs(1);

/// What an older transaction holds up is looked for again so soon. Nobody tells when that ends.
const HELD_UP: Duration = Duration::from_millis(50);

/// What can be followed: something with an order that is the same on every node.
trait Source: Send + Sync + 'static {
    /// Where a stream is.
    type Place: Copy + Display + Send + Sync;
    /// What it shows.
    type View: Serialize + Send + Sync;

    /// Some of what there is behind a place.
    fn look(
        &self,
        webhooks: &Webhooks,
        tenant_id: TenantId,
        place: Self::Place,
    ) -> impl Future<Output = Result<Step<Self::Place, Self::View>, WebhookError>> + Send;

    /// Waits until there may be more; what is announced after the call is heard.
    fn more(bus: &Bus) -> tokio::sync::futures::Notified<'_>;
}

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    deliveries::routes(events::routes(routes))
}

/// Begins to follow.
fn begin<S: Source>(
    webhooks: Webhooks,
    call: Call,
    source: S,
    place: S::Place,
) -> Result<Live<S::View>, Problem> {
    let tenant_id = call.ctx.tenant_id;
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
    let followed = Followed { webhooks, engine: engine.clone(), call, tenant_id, source };
    engine.0.tasks.spawn(async move {
        let _seat = seat;
        followed.follow(place, frames).await;
    });
    Ok(live)
}

/// The place that a client names: the last that it has seen.
fn place<P: FromStr>(call: &Call, expected: &'static str) -> Result<Option<P>, Problem> {
    let after = call.query_value("after");
    // A client that comes back sends the address that it began with, and how far it is now.
    let Some(text) = call.header("last-event-id").or(after.as_deref()) else { return Ok(None) };
    let place = text.parse::<P>().ok();
    place.map(Some).ok_or_else(|| Problem::invalid_field(pointer(call), "invalid", expected))
}

/// Where the place stands that a client names.
fn pointer(call: &Call) -> &'static str {
    if call.header("last-event-id").is_some() { "Last-Event-ID" } else { "?after" }
}

/// One stream.
struct Followed<S> {
    webhooks: Webhooks,
    engine: Engine,
    call: Call,
    tenant_id: TenantId,
    source: S,
}

/// What follows a look.
enum Next {
    /// There is more at once.
    Look,
    /// There is more soon.
    LookSoon,
    /// There may be more later.
    Wait,
}

/// What a stream is woken by.
enum Woken {
    MoreMayBeThere,
    Heartbeat,
    ShuttingDown,
    Gone,
}

impl<S: Source> Followed<S> {
    /// Sends what there is until the caller is gone, may not read it any more, or the program ends.
    async fn follow(self, mut place: S::Place, frames: Frames<S::View>) {
        let bus = self.engine.0.bus.clone();
        if frames.begin(place).await.is_err() {
            return;
        }
        let mut heartbeat_at = bus.after(HEARTBEAT);
        loop {
            // Registered before anything is read, so that nothing falls between the two.
            let more = S::more(&bus);
            if self.call.still_allowed().await.is_err() {
                return frames.end("not_allowed").await;
            }
            let next = match self.send(&mut place, &frames).await {
                Err(Unread) => return,
                Ok(Next::Look) => continue,
                Ok(next @ (Next::LookSoon | Next::Wait)) => next,
            };
            match self.wait((more, next), heartbeat_at, &frames).await {
                Woken::MoreMayBeThere => {}
                Woken::Heartbeat => {
                    heartbeat_at = bus.after(HEARTBEAT);
                    if frames.still_here(place).await.is_err() {
                        return;
                    }
                }
                Woken::ShuttingDown => return frames.end("shutdown").await,
                Woken::Gone => return,
            }
        }
    }

    /// Sends some of what is there. Says what follows. A slow reader is waited for with no
    /// more than this in memory.
    async fn send(&self, place: &mut S::Place, frames: &Frames<S::View>) -> Result<Next, Unread> {
        let Step { found, reached, more, is_held_up, may_have_lost } =
            match self.source.look(&self.webhooks, self.tenant_id, *place).await {
                Ok(step) => step,
                Err(error) => {
                    tracing::warn!(%error, "a stream waits for the database");
                    return Ok(Next::Wait);
                }
            };
        if may_have_lost {
            frames.left_out("kept_no_longer").await?;
        }
        for (behind, view) in found {
            frames.send(behind, &view).await?;
            *place = behind;
        }
        *place = reached;
        Ok(match (is_held_up, more) {
            (true, _) => Next::LookSoon,
            (false, true) => Next::Look,
            (false, false) => Next::Wait,
        })
    }

    async fn wait(
        &self,
        (more, next): (impl Future<Output = ()>, Next),
        heartbeat_at: Timestamp,
        frames: &Frames<S::View>,
    ) -> Woken {
        let bus = &self.engine.0.bus;
        let soon = matches!(next, Next::LookSoon);
        tokio::select! {
            biased;
            () = self.engine.0.tasks.streams().cancelled() => Woken::ShuttingDown,
            () = frames.gone() => Woken::Gone,
            () = bus.wait_until(heartbeat_at) => Woken::Heartbeat,
            () = more => Woken::MoreMayBeThere,
            () = tokio::time::sleep(HELD_UP), if soon => Woken::MoreMayBeThere,
            () = bus.wait_until(bus.after(POLL)) => Woken::MoreMayBeThere,
        }
    }
}
