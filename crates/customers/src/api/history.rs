//! `/api/v1/customers/{id}/notes` and `/activities`.

use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{CustomerId, Permission, Problem};
use tidings_web::{Access, Body, Call, Changed, List, Op, Path, Reply, Routes, commit};

use crate::activity::Activity;
use crate::api::views::{ActivityView, NoteView};
use crate::commands::{AddNote, RecordActivity};
use crate::note::Note;
use crate::service::Customers;

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
    Path(id): Path<CustomerId>,
) -> Result<List<NoteView>, Problem> {
    let page = customers.list_customer_notes(call.ctx.tenant_id, id, call.page()?).await?;
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
    Path(id): Path<CustomerId>,
) -> Result<List<ActivityView>, Problem> {
    let page = customers.list_customer_activities(call.ctx.tenant_id, id, call.page()?).await?;
    Ok(call.list(page))
}
