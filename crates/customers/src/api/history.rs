//! `/api/v1/customers/{id}/notes` and `/activities`.

use serde::Deserialize;
use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{CustomerId, Permission, Problem};
use tidings_web::{Access, Body, Call, Changed, List, Op, Path, Query, Reply, Routes, commit};
use utoipa::IntoParams;

use crate::activity::Activity;
use crate::api::views::{ActivityView, NoteView};
use crate::commands::{AddNote, RecordActivity};
use crate::note::Note;
use crate::service::Customers;

/// What is shown of what lies under a customer.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LinesParams {
    /// Whether it is shown although the customer is deleted.
    #[serde(default)]
    pub include_deleted: bool,
}

pub(super) fn routes(routes: Routes<Customers>) -> Routes<Customers> {
    let read = Access::Needs(Permission::CustomersRead);
    let update = Access::Needs(Permission::CustomersUpdate);
    routes
        .change(
            Op::post("/api/v1/customers/{id}/notes", "addCustomerNote", update)
                .summary("Write a note about a customer")
                .emits(&[EventType::CustomerNoteAdded]),
            add_note,
        )
        .list(
            Op::get("/api/v1/customers/{id}/notes", "listCustomerNotes", read)
                .summary("The notes about a customer, the newest first"),
            list_notes,
        )
        .change(
            Op::post("/api/v1/customers/{id}/activities", "recordCustomerActivity", update)
                .summary("Record a line of a customer's history")
                .emits(&[EventType::CustomerActivityRecorded]),
            record_activity,
        )
        .list(
            Op::get("/api/v1/customers/{id}/activities", "listCustomerActivities", read)
                .summary("The history of a customer, the newest line first"),
            list_activities,
        )
}

async fn add_note(
    customers: Customers,
    call: Call,
    (Path(id), Body(input)): (Path<CustomerId>, Body<AddNote>),
) -> Result<Changed<NoteView>, Problem> {
    let unit = work!([customers, input], |work| customers.add_customer_note(work, id, input));
    commit(&call, unit, |note: Note| Reply::created(note.into())).await
}

async fn list_notes(
    customers: Customers,
    call: Call,
    (Path(id), Query(params)): (Path<CustomerId>, Query<LinesParams>),
) -> Result<List<NoteView>, Problem> {
    let of = (id, params.include_deleted);
    let page = customers.list_customer_notes(call.ctx.tenant_id, of, call.page()?).await?;
    Ok(call.list(page))
}

async fn record_activity(
    customers: Customers,
    call: Call,
    (Path(id), Body(input)): (Path<CustomerId>, Body<RecordActivity>),
) -> Result<Changed<ActivityView>, Problem> {
    let unit =
        work!([customers, input], |work| customers.record_customer_activity(work, id, input));
    commit(&call, unit, |activity: Activity| Reply::created(activity.into())).await
}

async fn list_activities(
    customers: Customers,
    call: Call,
    (Path(id), Query(params)): (Path<CustomerId>, Query<LinesParams>),
) -> Result<List<ActivityView>, Problem> {
    let of = (id, params.include_deleted);
    let page = customers.list_customer_activities(call.ctx.tenant_id, of, call.page()?).await?;
    Ok(call.list(page))
}
