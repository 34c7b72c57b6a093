//! `/api/v1/privacy/retention`: how long what is kept.

use serde::Serialize;
use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{Permission, Problem};
use tidings_web::{Access, Answer, Body, Call, Changed, Op, Reply, Routes, commit};
use utoipa::ToSchema;

use crate::commands::UpdateRetention;
use crate::retention::Days;
use crate::service::Webhooks;

/// How long what is kept, in days.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RetentionView {
    /// Payloads, after the last delivery of their event has ended, or after the event where it had
    /// none.
    pub(crate) payload_days: u32,
    /// What endpoints answered.
    pub(crate) reply_days: u32,
    /// Deliveries with their attempts, after they have ended.
    pub(crate) attempt_days: u32,
    /// The log, without payloads.
    pub(crate) event_days: u32,
}

impl From<Days> for RetentionView {
    fn from(days: Days) -> Self {
        Self {
            payload_days: days.payload,
            reply_days: days.reply,
            attempt_days: days.attempt,
            event_days: days.event,
        }
    }
}

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes
        .read(
            Op::get(
                "/api/v1/privacy/retention",
                "getRetention",
                Access::Needs(Permission::PrivacyRead),
            )
            .summary("How long payloads, answers, deliveries and the log are kept"),
            get,
        )
        .change(
            Op::patch(
                "/api/v1/privacy/retention",
                "updateRetention",
                Access::Needs(Permission::PrivacyManage),
            )
            .summary("Set how long payloads, answers, deliveries and the log are kept")
            .emits(&[EventType::PrivacyRetentionUpdated]),
            update,
        )
}

async fn get(webhooks: Webhooks, call: Call, (): ()) -> Result<Answer<RetentionView>, Problem> {
    let days = webhooks.get_retention(call.ctx.tenant_id).await?;
    Ok(Answer::new(days.into()))
}

async fn update(
    webhooks: Webhooks,
    call: Call,
    Body(input): Body<UpdateRetention>,
) -> Result<Changed<RetentionView>, Problem> {
    let view = |days: Days| Reply::ok(RetentionView::from(days));
    let unit = work!([webhooks, input], |work| webhooks.update_retention(work, input));
    commit(&call, unit, view).await
}
