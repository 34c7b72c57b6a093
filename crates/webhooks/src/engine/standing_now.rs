//! How the engine of this process is at this instant: for `/metrics` and for `doctor`.

use std::collections::HashMap;

use tidings_kernel::{NodeId, Timestamp, WebhookSubscriptionId};

use super::Engine;

/// One endpoint's lane at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneNow {
    /// Deliveries that wait in it.
    pub queued: usize,
    /// Attempts that are under way or wait for a slot.
    pub workers: usize,
    /// How many it may have at once.
    pub window: usize,
    /// Until when its endpoint is left alone.
    pub open_until: Option<Timestamp>,
    /// The pace that its endpoint asks for.
    pub rate_per_second: Option<u32>,
    /// Until when deliveries wait for that pace.
    pub paced_until: Option<Timestamp>,
}

/// The slots of all attempts at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotsNow {
    /// Free ones.
    pub free: usize,
    /// Attempts of quick endpoints that are under way.
    pub quick: usize,
    /// Attempts of slow, failing or unproven endpoints that are under way.
    pub slow: usize,
    /// Attempts that wait for their turn.
    pub waiting: usize,
}

/// The engine of this process at one instant.
#[derive(Debug, Clone)]
pub struct EngineNow {
    /// The node that it is.
    pub node_id: NodeId,
    /// Whether it may send.
    pub holds_lease: bool,
    /// Committed events that wait for their fan-out.
    pub inbox: usize,
    /// Outcomes that wait to be written.
    pub outcomes: usize,
    /// Its lanes.
    pub lanes: HashMap<WebhookSubscriptionId, LaneNow>,
    /// Its slots.
    pub slots: SlotsNow,
}

impl Engine {
    /// How it is now; `/metrics` shows the same from then on.
    pub fn now(&self) -> EngineNow {
        let inner = &self.0;
        let now = inner.db.now();
        // The lanes are taken out first, so that no two locks are held at once.
        let lanes: Vec<_> =
            self.lanes().iter().map(|(id, lane)| (*id, std::sync::Arc::clone(lane))).collect();
        let standing = EngineNow {
            node_id: self.node_id(),
            holds_lease: inner.lease.holds(),
            inbox: inner.inbox.max_capacity() - inner.inbox.capacity(),
            outcomes: inner.outcomes.max_capacity() - inner.outcomes.capacity(),
            lanes: lanes.into_iter().map(|(id, lane)| (id, lane.now(now))).collect(),
            slots: inner.shares.now(),
        };
        inner.metrics.observe(&standing);
        standing
    }
}
