//! What the customers domain does by itself.

use std::time::Duration;

use tidings_db::{Db, UnitFuture, UnitOfWork};
use tidings_jobs::{Job, JobError, JobHandler, Sweep};
use tidings_kernel::{CustomerId, Problem, SegmentId};

use crate::segment::RECALCULATE_EVERY;
use crate::service::{Customers, Recalculation};

/// How often deleted customers are looked for whose time is up.
const ERASE_EVERY: Duration = Duration::from_hours(1);

/// The schedules of the domain.
pub fn sweeps(customers: &Customers) -> Vec<Sweep> {
    vec![erasure(customers.clone()), segments(customers.clone())]
}

/// The jobs of the domain.
pub fn handlers(customers: &Customers) -> [RecalculateSegment; 1] {
    [RecalculateSegment { customers: customers.clone() }]
}

/// Erases the customers who were deleted 30 days ago.
fn erasure(customers: Customers) -> Sweep {
    let finder = customers.clone();
    Sweep::new(
        "customers.erasure",
        ERASE_EVERY,
        move |_: Db, now| {
            let customers = finder.clone();
            async move { customers.find_to_erase(now).await }
        },
        move |work, item| {
            let customers = customers.clone();
            Box::pin(async move {
                customers.erase_customer(work, CustomerId::from_uuid(item.id)).await?;
                Ok::<(), Problem>(())
            })
        },
    )
}

/// Has the members of dynamic segments found anew.
fn segments(customers: Customers) -> Sweep {
    let finder = customers.clone();
    Sweep::new(
        "customers.segments",
        RECALCULATE_EVERY,
        move |_: Db, now| {
            let customers = finder.clone();
            async move { customers.find_segments_due(now).await }
        },
        move |work, item| {
            let customers = customers.clone();
            Box::pin(async move {
                customers.recalculate_on_schedule(work, SegmentId::from_uuid(item.id)).await?;
                Ok::<(), Problem>(())
            })
        },
    )
}

/// Finds the members of a segment anew.
#[derive(Debug, Clone)]
pub struct RecalculateSegment {
    customers: Customers,
}

impl JobHandler for RecalculateSegment {
    fn kind(&self) -> &'static str {
        Recalculation::KIND
    }

    fn run<'t>(&self, work: &'t mut UnitOfWork, job: Job) -> UnitFuture<'t, (), JobError> {
        let customers = self.customers.clone();
        Box::pin(async move {
            let recalculation: Recalculation = job.payload()?;
            customers.recalculate_segment(work, recalculation).await.map_err(Problem::from)?;
            Ok(())
        })
    }
}
