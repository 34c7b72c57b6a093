//! Finds the members of a segment anew, a batch in each unit of work.

use serde::{Deserialize, Serialize};
use tidings_db::{Silent, UnitOfWork};
use tidings_jobs::{NewJob, enqueue};
use tidings_kernel::SegmentId;

use crate::error::CustomerError;
use crate::segment::Segment;
use crate::service::Customers;
use crate::service::history::{self, Line};
use crate::store::{search, segments};

/// Customers that one unit of work moves: each takes some five statements, and a request that
/// waits behind the unit waits for all of them.
const BATCH: i64 = 100;

/// The job that finds the members anew, one batch for each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recalculation {
    /// The segment.
    segment_id: SegmentId,
    /// How many batches came before.
    batches: u32,
}

impl Recalculation {
    /// The kind of the job.
    pub(crate) const KIND: &'static str = "customers.recalculate_segment";

    /// A recalculation from the start.
    pub(super) fn of(segment_id: SegmentId) -> Self {
        Self { segment_id, batches: 0 }
    }

    /// Has it done soon. One that waits already is enough.
    pub(super) async fn enqueue(self, work: &mut UnitOfWork) -> Result<(), CustomerError> {
        // The job that enqueues the next batch still holds its own key, so each batch has another.
        let unique_key = Some(format!("{}:{}", self.segment_id, self.batches));
        let due_at = work.now();
        let job = NewJob { kind: Self::KIND, payload: &self, due_at, unique_key };
        Ok(enqueue(work, job).await?)
    }
}

impl Customers {
    /// Moves one batch; when nobody is left to move, counts the members.
    pub(crate) async fn recalculate_segment(
        &self,
        work: &mut UnitOfWork,
        job: Recalculation,
    ) -> Result<(), CustomerError> {
        let tenant_id = work.ctx().tenant_id;
        let found = segments::find(&mut work.reader(), tenant_id, job.segment_id).await?;
        let Some(segment) = found else { return Ok(()) };
        let moved = if segment.is_dynamic { move_batch(work, &segment).await? } else { 0 };
        if moved == BATCH {
            let batches = job.batches.saturating_add(1);
            return Recalculation { batches, ..job }.enqueue(work).await;
        }
        let now = work.now();
        let members = segments::count_members(&mut work.reader(), tenant_id, segment.id).await?;
        let anybody_moved = moved > 0 || job.batches > 0;
        let segment_id = segment.id;
        if let Some(change) = segment.recalculated(members, anybody_moved, now) {
            work.apply(change).await?;
        } else {
            let mut writer = work.silent(Silent::JobBookkeeping);
            segments::note_calculated(&mut writer, tenant_id, segment_id, now).await?;
        }
        Ok(())
    }
}

/// Lets those go who do not fit any more, then takes those who do; says how many that were.
async fn move_batch(work: &mut UnitOfWork, segment: &Segment) -> Result<i64, CustomerError> {
    let leavers = search::leavers(&mut work.reader(), segment, BATCH).await?;
    let room = BATCH.saturating_sub(i64::try_from(leavers.len()).unwrap_or(BATCH));
    let joiners = search::joiners(&mut work.reader(), segment, room).await?;
    let (by, now) = (work.ctx().actor.clone(), work.now());
    let changed_fields = ["segment_id".to_owned()];
    let leaving = leavers.into_iter().map(|customer| (customer, None));
    let joining = joiners.into_iter().map(|customer| (customer, Some(segment.id)));
    let mut lines = Vec::new();
    for (customer, segment_id) in leaving.chain(joining) {
        let Some(change) = customer.assign(segment_id, &by, now) else { continue };
        let customer = work.apply(change).await?;
        lines.push(Line::updated(customer.id, &changed_fields));
    }
    let moved = i64::try_from(lines.len()).unwrap_or(BATCH);
    history::write(work, lines).await?;
    Ok(moved)
}
