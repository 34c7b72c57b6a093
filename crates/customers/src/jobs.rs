//! What the customers domain does by itself.

use std::time::Duration;

use tidings_db::{Db, UnitFuture, UnitOfWork};
use tidings_jobs::{Job, JobError, JobHandler, Sweep};
use tidings_kernel::{CustomerId, Problem, SegmentId};

use crate::segment::RECALCULATE_EVERY;
use crate::service::{Customers, Recalculation};
use crate::store::{customers as customer_rows, segments as segment_rows};

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
    Sweep::new(
        "customers.erasure",
        ERASE_EVERY,
        |db: Db, now| async move {
            let mut session = db.read_across_tenants().await?;
            customer_rows::to_erase(&mut session.reader(), now).await
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
    Sweep::new(
        "customers.segments",
        RECALCULATE_EVERY,
        |db: Db, now| async move {
            let mut session = db.read_across_tenants().await?;
            segment_rows::due(&mut session.reader(), now).await
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
