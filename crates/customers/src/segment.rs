//! A group of customers, found by criteria or put together by people.

use std::time::Duration;

use tidings_events::CustomerEvent;
use tidings_events::customers::{CustomerSegmentCreated, CustomerSegmentRecalculated};
use tidings_kernel::{AnyId, Change, Entity, SegmentId, TenantId, Timestamp, Version};

use crate::criteria::Criteria;

/// How often the members of a dynamic segment are found anew.
pub(crate) const RECALCULATE_EVERY: Duration = Duration::from_mins(15);

/// A group of customers. A customer is in one segment at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its id.
    pub id: SegmentId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whom it is for.
    pub criteria: Criteria,
    /// Whether its members are found by its criteria; otherwise people put them in.
    pub is_dynamic: bool,
    /// Who gets a customer whom two dynamic segments want: the higher one; the one who has the
    /// customer where they are equal.
    pub priority: i64,
    /// How many members it had at `last_calculated_at`.
    pub member_count: i64,
    /// When its members were last counted.
    pub last_calculated_at: Option<Timestamp>,
    /// When its members are due to be found anew; never for one that people put together.
    pub recalculate_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many events it has had.
    pub version: Version,
}

impl Entity for Segment {
    type Event = CustomerEvent;
    const KIND: &'static str = "customer_segment";

    fn id(&self) -> AnyId {
        self.id.any()
    }

    fn version(&self) -> Version {
        self.version
    }

    fn set_version(&mut self, version: Version) {
        self.version = version;
    }
}

impl Segment {
    /// Makes this segment.
    pub fn create(self) -> Change<Self> {
        let event = CustomerSegmentCreated {
            segment_id: self.id,
            name: self.name.clone(),
            is_dynamic: self.is_dynamic,
        };
        Change::new(self, event)
    }

    /// Takes the count of members that were found anew; `None` where nobody came or went.
    pub fn recalculated(
        self,
        member_count: i64,
        anybody_moved: bool,
        now: Timestamp,
    ) -> Option<Change<Self>> {
        if !anybody_moved && self.member_count == member_count {
            return None;
        }
        let event = CustomerSegmentRecalculated { segment_id: self.id, member_count };
        Some(Change::new(Self { member_count, last_calculated_at: Some(now), ..self }, event))
    }
}
