//! `/api/v1/privacy/erasures`: ask for one, see how far it is, read its receipt.

use serde::Serialize;
use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{ErasureId, Permission, Problem, Timestamp};
use tidings_web::{Access, Answer, Body, Call, Changed, List, Op, Path, Reply, Routes, commit};
use utoipa::ToSchema;

use crate::commands::RequestErasure;
use crate::erasure::{BEGINS_AFTER, Erasure, Phase};
use crate::service::{Preview, Webhooks};

/// What an erasure leaves, and why.
const KEPT: [&str; 4] = [
    "the headers of the events (type, ids, instants), for the order of the log, until event_days",
    "that deliveries and attempts took place, with status and duration, until attempt_days",
    "the objects themselves, which their own domain erases",
    "what receivers were sent before: they are told by the events of the deletion",
];

/// An erasure; when it is completed, its receipt.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErasureView {
    /// Its id.
    pub(crate) id: ErasureId,
    /// The subject, as events name it.
    pub(crate) subject_id: String,
    /// `api`, or the event type that led to it.
    pub(crate) asked_by: String,
    /// `pending`, `erasing` or `completed`.
    pub(crate) status: &'static str,
    /// What is being done: `own_events`, `mentioning_events`, `replies`, `cleaning` or `completed`.
    pub(crate) phase: &'static str,
    /// Payloads of the subject's own events that were erased.
    pub(crate) own_events: i64,
    /// Payloads of other events that were erased because they named the subject.
    pub(crate) mentioning_events: i64,
    /// Deliveries that were under way and were discarded.
    pub(crate) deliveries_discarded: i64,
    /// Attempts whose recorded answer was erased.
    pub(crate) attempts_cleared: i64,
    /// Stored replies to an `Idempotency-Key` that were replaced by `payload_gone`.
    pub(crate) replies_replaced: i64,
    /// What stays, and why.
    pub(crate) kept: [&'static str; 4],
    /// When it was asked for.
    pub(crate) requested_at: Timestamp,
    /// When it begins: what was on its way has been answered by then.
    pub(crate) begins_at: Timestamp,
    /// When it was done.
    pub(crate) completed_at: Option<Timestamp>,
}

impl From<Erasure> for ErasureView {
    fn from(erasure: Erasure) -> Self {
        let counts = erasure.counts;
        let status = match erasure.phase {
            Phase::Own if erasure.reached.is_empty() => "pending",
            Phase::Own | Phase::Mentions | Phase::Replies | Phase::Cleaning => "erasing",
            Phase::Completed => "completed",
        };
        Self {
            id: erasure.id,
            subject_id: erasure.subject.to_string(),
            asked_by: erasure.asked_by,
            status,
            phase: erasure.phase.as_str(),
            own_events: counts.own_events,
            mentioning_events: counts.mentioning_events,
            deliveries_discarded: counts.deliveries_discarded,
            attempts_cleared: counts.attempts_cleared,
            replies_replaced: counts.replies_replaced,
            kept: KEPT,
            requested_at: erasure.requested_at,
            begins_at: erasure.requested_at.after(BEGINS_AFTER),
            completed_at: erasure.completed_at,
        }
    }
}

/// What an erasure would reach.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErasurePreviewView {
    /// The subject's own events that have a payload.
    pub(crate) own_events: i64,
    /// Other events that name it.
    pub(crate) mentioning_events: i64,
    /// Whether there may be more of them: the newest were not looked through.
    pub(crate) incomplete: bool,
}

impl From<Preview> for ErasurePreviewView {
    fn from(preview: Preview) -> Self {
        let Preview { own_events, mentioning_events, incomplete } = preview;
        Self { own_events, mentioning_events, incomplete }
    }
}

const READ: Access = Access::Needs(Permission::PrivacyRead);
const MANAGE: Access = Access::Needs(Permission::PrivacyManage);

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes
        .change(
            Op::post("/api/v1/privacy/erasures", "requestErasure", MANAGE)
                .status(202)
                .summary("Erase what events, deliveries and stored replies hold of a subject")
                .emits(&[EventType::PrivacyErasureRequested]),
            request,
        )
        .read_by_post(
            Op::post("/api/v1/privacy/erasures/preview", "previewErasure", MANAGE)
                .summary("Count what an erasure would reach, and erase nothing"),
            preview,
        )
        .list(
            Op::get("/api/v1/privacy/erasures", "listErasures", READ)
                .summary("The tenant's erasures, the newest first"),
            list,
        )
        .read(
            Op::get("/api/v1/privacy/erasures/{id}", "getErasure", READ)
                .summary("How far an erasure has come, and at its end the receipt"),
            get,
        )
}

async fn request(
    webhooks: Webhooks,
    call: Call,
    Body(input): Body<RequestErasure>,
) -> Result<Changed<ErasureView>, Problem> {
    let view = |erasure: Erasure| Reply::accepted(ErasureView::from(erasure));
    let unit = work!([webhooks, input], |work| webhooks.request_erasure(work, input));
    commit(&call, unit, view).await
}

async fn preview(
    webhooks: Webhooks,
    call: Call,
    Body(input): Body<RequestErasure>,
) -> Result<Answer<ErasurePreviewView>, Problem> {
    let preview = webhooks.preview_erasure(call.ctx.tenant_id, &input).await?;
    Ok(Answer::new(preview.into()))
}

async fn list(webhooks: Webhooks, call: Call, (): ()) -> Result<List<ErasureView>, Problem> {
    let page = webhooks.list_erasures(call.ctx.tenant_id, call.page()?).await?;
    Ok(call.list(page.map(ErasureView::from)))
}

async fn get(
    webhooks: Webhooks,
    call: Call,
    Path(id): Path<ErasureId>,
) -> Result<Answer<ErasureView>, Problem> {
    let erasure = webhooks.get_erasure(call.ctx.tenant_id, id).await?;
    Ok(Answer::new(erasure.into()))
}
