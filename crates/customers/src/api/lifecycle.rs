//! `/api/v1/customers/{id}`: status, deletion, restoration, anonymization.

use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{CustomerId, Permission, Problem};
use tidings_web::{Access, Body, Call, Changed, Op, Path, Query, Reply, Routes, commit};

use crate::api::customers::changed;
use crate::api::views::CustomerView;
use crate::commands::{DeleteCustomer, SetStatus};
use crate::service::Customers;

pub(super) fn routes(routes: Routes<Customers>) -> Routes<Customers> {
    let delete_access = Access::Needs(Permission::CustomersDelete);
    routes
        .change(
            Op::patch(
                "/api/v1/customers/{id}/status",
                "setCustomerStatus",
                Access::Needs(Permission::CustomersManageStatus),
            )
            .summary("Activate, deactivate, suspend, churn or archive a customer")
            .emits(&[
                EventType::CustomerUpdated,
                EventType::CustomerSuspended,
                EventType::CustomerReactivated,
                EventType::CustomerChurned,
            ]),
            set_status,
        )
        .change(
            Op::delete("/api/v1/customers/{id}", "deleteCustomer", delete_access)
                .summary("Delete a customer; unless for good, it can be restored for 30 days")
                .emits(&[EventType::CustomerDeleted]),
            delete,
        )
        .change(
            Op::post("/api/v1/customers/{id}/restore", "restoreCustomer", delete_access)
                .status(200)
                .summary("Bring a deleted customer back")
                .emits(&[EventType::CustomerUpdated]),
            restore,
        )
        .change(
            Op::post("/api/v1/customers/{id}/anonymize", "anonymizeCustomer", delete_access)
                .status(200)
                .summary("Take the person out of the record, which stays")
                .emits(&[EventType::CustomerUpdated, EventType::CustomerAnonymized]),
            anonymize,
        )
}

async fn set_status(
    customers: Customers,
    call: Call,
    (Path(id), Body(input)): (Path<CustomerId>, Body<SetStatus>),
) -> Result<Changed<CustomerView>, Problem> {
    let expected = call.if_match()?;
    let unit =
        work!([customers, input], |work| customers.set_customer_status(work, id, expected, input));
    commit(&call, unit, changed).await
}

async fn delete(
    customers: Customers,
    call: Call,
    (Path(id), Query(input)): (Path<CustomerId>, Query<DeleteCustomer>),
) -> Result<Changed<()>, Problem> {
    let expected = call.if_match()?;
    let unit =
        work!([customers, input], |work| customers.delete_customer(work, id, expected, input));
    commit(&call, unit, |()| Reply::gone()).await
}

async fn restore(
    customers: Customers,
    call: Call,
    Path(id): Path<CustomerId>,
) -> Result<Changed<CustomerView>, Problem> {
    let expected = call.if_match()?;
    let unit = work!([customers], |work| customers.restore_customer(work, id, expected));
    commit(&call, unit, changed).await
}

async fn anonymize(
    customers: Customers,
    call: Call,
    Path(id): Path<CustomerId>,
) -> Result<Changed<CustomerView>, Problem> {
    let expected = call.if_match()?;
    let unit = work!([customers], |work| customers.anonymize_customer(work, id, expected));
    commit(&call, unit, changed).await
}
