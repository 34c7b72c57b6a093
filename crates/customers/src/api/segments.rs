//! `/api/v1/customers/segments`.

use serde::Serialize;
use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{Permission, Problem, SegmentId, Timestamp};
use tidings_web::{Access, Answer, Body, Call, Changed, List, Op, Path, Reply, Routes, commit};
use utoipa::ToSchema;

use crate::commands::CreateSegment;
use crate::criteria::Criteria;
use crate::segment::Segment;
use crate::service::Customers;

/// A segment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SegmentView {
    /// Its id.
    pub id: SegmentId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whom it is for.
    pub criteria: Criteria,
    /// Whether its members are found by its criteria.
    pub is_dynamic: bool,
    /// Which dynamic segment gets a customer whom two want: the higher one.
    pub priority: i64,
    /// How many members it had at `last_calculated_at`.
    pub member_count: i64,
    /// When its members were last counted.
    pub last_calculated_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl From<Segment> for SegmentView {
    fn from(segment: Segment) -> Self {
        Self {
            id: segment.id,
            name: segment.name,
            description: segment.description,
            criteria: segment.criteria,
            is_dynamic: segment.is_dynamic,
            priority: segment.priority,
            member_count: segment.member_count,
            last_calculated_at: segment.last_calculated_at,
            created_at: segment.created_at,
        }
    }
}

pub(super) fn routes(routes: Routes<Customers>) -> Routes<Customers> {
    let read = Access::Needs(Permission::CustomersRead);
    let update = Access::Needs(Permission::CustomersUpdate);
    routes
        .change(
            Op::post("/api/v1/customers/segments", "createSegment", update)
                .summary("Make a segment")
                .emits(&[EventType::CustomerSegmentCreated]),
            create,
        )
        .list(
            Op::get("/api/v1/customers/segments", "listSegments", read)
                .summary("The segments, the newest first"),
            list,
        )
        .read(
            Op::get("/api/v1/customers/segments/{id}", "getSegment", read).summary("One segment"),
            get,
        )
        .change(
            Op::post("/api/v1/customers/segments/{id}/recalculate", "recalculateSegment", update)
                .status(202)
                .summary("Have a segment's members found anew")
                .emits_nothing("the job that it has done tells who moved and how many there are"),
            recalculate,
        )
}

async fn create(
    customers: Customers,
    call: Call,
    Body(input): Body<CreateSegment>,
) -> Result<Changed<SegmentView>, Problem> {
    let unit = work!([customers, input], |work| customers.create_segment(work, input));
    commit(&call, unit, |segment: Segment| Reply::created(segment.into())).await
}

async fn list(customers: Customers, call: Call, (): ()) -> Result<List<SegmentView>, Problem> {
    let page = customers.list_segments(call.ctx.tenant_id, call.page()?).await?;
    Ok(call.list(page))
}

async fn get(
    customers: Customers,
    call: Call,
    Path(id): Path<SegmentId>,
) -> Result<Answer<SegmentView>, Problem> {
    let segment = customers.get_segment(call.ctx.tenant_id, id).await?;
    Ok(Answer::new(segment.into()))
}

async fn recalculate(
    customers: Customers,
    call: Call,
    Path(id): Path<SegmentId>,
) -> Result<Changed<SegmentView>, Problem> {
    let unit = work!([customers], |work| customers.request_recalculation(work, id));
    commit(&call, unit, |segment: Segment| Reply::accepted(segment.into())).await
}
