//! `/api/v1/customers`: make, find, change.

use serde::Deserialize;
use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{CustomerId, FieldError, PageParams, Permission, Problem, ProblemKind};
use tidings_web::{
    Access, Answer, Body, Call, Changed, List, Numbered, Op, PageNumber, Path, Query, Reply,
    Routes, commit,
};
use utoipa::IntoParams;

use crate::api::history::LinesParams;
use crate::api::views::{CustomerDetailView, CustomerView};
use crate::criteria::Criteria;
use crate::customer::Customer;
use crate::number::CustomerNumber;
use crate::profile::{CreateCustomer, UpdateCustomer};
use crate::service::Customers;

/// What is shown with a customer.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GetCustomerParams {
    /// Whether the newest lines of its history are shown as well.
    #[serde(default)]
    pub include_activities: bool,
    /// Whether the newest notes about it are shown as well.
    #[serde(default)]
    pub include_notes: bool,
    /// Whether it is shown although it is deleted.
    #[serde(default)]
    pub include_deleted: bool,
}

pub(super) fn routes(routes: Routes<Customers>) -> Routes<Customers> {
    let read = Access::Needs(Permission::CustomersRead);
    routes
        .change(
            Op::post(
                "/api/v1/customers",
                "createCustomer",
                Access::Needs(Permission::CustomersCreate),
            )
            .summary("Make a customer")
            .emits(&[EventType::CustomerCreated]),
            create,
        )
        .list(
            Op::get("/api/v1/customers", "listCustomers", read)
                .summary("The customers who fit, the newest first"),
            list,
        )
        .list_by_post(
            Op::post("/api/v1/customers/search", "searchCustomers", read)
                .summary("The same, with the criteria in a body"),
            search,
        )
        .read(
            Op::get("/api/v1/customers/by-number/{number}", "getCustomerByNumber", read)
                .summary("The customer with this number"),
            get_by_number,
        )
        .read(Op::get("/api/v1/customers/{id}", "getCustomer", read).summary("One customer"), get)
        .change(
            Op::patch(
                "/api/v1/customers/{id}",
                "updateCustomer",
                Access::Needs(Permission::CustomersUpdate),
            )
            .summary("Change a customer; status needs customer.manage_status as well")
            .emits(&[
                EventType::CustomerUpdated,
                EventType::CustomerSuspended,
                EventType::CustomerReactivated,
                EventType::CustomerChurned,
            ]),
            update,
        )
}

/// A customer that was changed, with its version.
pub(super) fn changed(customer: Customer) -> Reply<CustomerView> {
    let version = customer.version;
    Reply::ok(customer.into()).version(version)
}

async fn create(
    customers: Customers,
    call: Call,
    Body(input): Body<CreateCustomer>,
) -> Result<Changed<CustomerView>, Problem> {
    let unit = work!([customers, input], |work| customers.create_customer(work, input));
    let view = |customer: Customer| {
        let version = customer.version;
        Reply::created(CustomerView::from(customer)).version(version)
    };
    commit(&call, unit, view).await
}

async fn list(
    customers: Customers,
    call: Call,
    Numbered(Query(criteria), number): Numbered<Query<Criteria>>,
) -> Result<List<CustomerView>, Problem> {
    find(&customers, &call, criteria, number).await.map_err(in_query)
}

/// The customers who fit, by cursor or by the number of the page.
async fn find(
    customers: &Customers,
    call: &Call,
    criteria: Criteria,
    number: Option<PageNumber>,
) -> Result<List<CustomerView>, Problem> {
    let tenant_id = call.ctx.tenant_id;
    let Some(number) = number else {
        let page = customers.list_customers(tenant_id, criteria, call.page()?).await?;
        return Ok(call.list(page));
    };
    let (params, skipped) = (number.params(), number.skipped());
    let found = customers.number_customers(tenant_id, criteria, params, skipped).await?;
    Ok(call.list(found.0).total(found.1))
}

/// The same faults, where the caller wrote them.
fn in_query(problem: Problem) -> Problem {
    if problem.kind != ProblemKind::Invalid {
        return problem;
    }
    let faults = problem.errors.into_iter().map(|fault| match fault.pointer.strip_prefix('/') {
        Some(name) => FieldError { pointer: format!("?{name}"), ..fault },
        None => fault,
    });
    Problem::invalid(faults.collect())
}

async fn search(
    customers: Customers,
    call: Call,
    Numbered(Body(criteria), number): Numbered<Body<Criteria>>,
) -> Result<List<CustomerView>, Problem> {
    find(&customers, &call, criteria, number).await
}

async fn get_by_number(
    customers: Customers,
    call: Call,
    (Path(number), Query(params)): (Path<CustomerNumber>, Query<LinesParams>),
) -> Result<Answer<CustomerView>, Problem> {
    let (tenant_id, include_deleted) = (call.ctx.tenant_id, params.include_deleted);
    let customer = customers.get_customer_by_number(tenant_id, &number, include_deleted).await?;
    let version = customer.version;
    Ok(Answer::new(customer.into()).version(version))
}

async fn get(
    customers: Customers,
    call: Call,
    (Path(id), Query(params)): (Path<CustomerId>, Query<GetCustomerParams>),
) -> Result<Answer<CustomerDetailView>, Problem> {
    let tenant_id = call.ctx.tenant_id;
    let customer = customers.get_customer(tenant_id, id, params.include_deleted).await?;
    let version = customer.version;
    let (of, newest) = ((id, params.include_deleted), PageParams::default());
    let activities = if params.include_activities {
        let page = customers.list_customer_activities(tenant_id, of, newest).await?;
        Some(page.data.into_iter().map(Into::into).collect())
    } else {
        None
    };
    let notes = if params.include_notes {
        let page = customers.list_customer_notes(tenant_id, of, newest).await?;
        Some(page.data.into_iter().map(Into::into).collect())
    } else {
        None
    };
    let view = CustomerDetailView { customer: customer.into(), activities, notes };
    Ok(Answer::new(view).version(version))
}

async fn update(
    customers: Customers,
    call: Call,
    (Path(id), Body(input)): (Path<CustomerId>, Body<UpdateCustomer>),
) -> Result<Changed<CustomerView>, Problem> {
    let expected = call.if_match()?;
    let unit =
        work!([customers, input], |work| customers.update_customer(work, id, expected, input));
    commit(&call, unit, changed).await
}
