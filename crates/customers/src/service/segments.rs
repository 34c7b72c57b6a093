//! Segments: make one, ask for its members to be found anew.

use tidings_db::{DbError, Silent, UnitOfWork};
use tidings_jobs::SweepItem;
use tidings_kernel::{SegmentId, Timestamp, limits};

use crate::commands::CreateSegment;
use crate::error::CustomerError;
use crate::segment::{RECALCULATE_EVERY, Segment};
use crate::service::{Customers, Recalculation};
use crate::store::segments;

impl Customers {
    /// Makes a segment. The members of a dynamic one are found right after.
    pub async fn create_segment(
        &self,
        work: &mut UnitOfWork,
        input: CreateSegment,
    ) -> Result<Segment, CustomerError> {
        let CreateSegment { name, description, criteria, is_dynamic, priority } =
            input.checked()?;
        let (tenant_id, now) = (work.ctx().tenant_id, work.now());
        if segments::count(&mut work.reader(), tenant_id).await? >= limits::SEGMENTS_MAX {
            return Err(CustomerError::TooManySegments);
        }
        let segment = Segment {
            id: work.mint(),
            tenant_id,
            name,
            description,
            criteria,
            is_dynamic,
            priority,
            member_count: 0,
            last_calculated_at: None,
            recalculate_at: is_dynamic.then(|| now.after(RECALCULATE_EVERY)),
            created_at: now,
            version: 0,
        };
        let segment = work.apply(segment.create()).await?;
        if is_dynamic {
            Recalculation::of(segment.id).enqueue(work).await?;
        }
        Ok(segment)
    }

    /// Asks for a segment's members to be found anew, and gives the segment as it is until then.
    pub async fn request_recalculation(
        &self,
        work: &mut UnitOfWork,
        id: SegmentId,
    ) -> Result<Segment, CustomerError> {
        let tenant_id = work.ctx().tenant_id;
        let found = segments::find(&mut work.reader(), tenant_id, id).await?;
        let segment = found.ok_or(CustomerError::NotFound)?;
        Recalculation::of(id).enqueue(work).await?;
        Ok(segment)
    }

    /// The segments of all tenants whose members are due to be found anew.
    pub(crate) async fn find_segments_due(
        &self,
        now: Timestamp,
    ) -> Result<Vec<SweepItem>, DbError> {
        let mut session = self.db.read_across_tenants().await?;
        segments::due(&mut session.reader(), now).await
    }

    /// The same when it is due by itself; the next time is set at once.
    pub(crate) async fn recalculate_on_schedule(
        &self,
        work: &mut UnitOfWork,
        id: SegmentId,
    ) -> Result<(), CustomerError> {
        let (tenant_id, next) = (work.ctx().tenant_id, work.now().after(RECALCULATE_EVERY));
        let mut writer = work.silent(Silent::JobBookkeeping);
        segments::postpone(&mut writer, tenant_id, id, next).await?;
        Recalculation::of(id).enqueue(work).await
    }
}
