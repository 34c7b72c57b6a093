//! Why an endpoint's deliveries wait: decided from what the database and the engine know.

use tidings_kernel::{TenantId, Timestamp, WebhookSubscriptionId};

use crate::engine::EngineNow;

/// Whether a subscription sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sends {
    /// It does.
    Yes,
    /// Its owner has paused it.
    Paused,
    /// Tidings has disabled it.
    Disabled,
    /// It is deleted.
    Deleted,
}

/// An endpoint whose deliveries wait for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckEndpoint {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The subscription.
    pub subscription_id: WebhookSubscriptionId,
    /// Deliveries that wait for long.
    pub waiting: i64,
    /// Those of them that are due now.
    pub due: i64,
    /// When the oldest of their events happened.
    pub oldest_at: Timestamp,
    /// When the first of them is due.
    pub soonest_at: Timestamp,
    /// Those that wait for earlier events of their object.
    pub ordered: i64,
    /// Those that no living node holds.
    pub homeless: i64,
    /// A class of failure that one of them met last.
    pub error: Option<String>,
    /// Whether the subscription sends.
    pub sends: Sends,
    /// The pace that it asks for.
    pub rate_per_second: Option<u32>,
    /// Since when nothing has arrived.
    pub failing_since: Option<Timestamp>,
}

/// What holds an endpoint's deliveries up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// No living node holds them.
    NoLivingNode,
    /// The node that was asked may not send: it could not say that it lives.
    NoLease,
    /// The subscription does not send.
    NotSending(Sends),
    /// The endpoint is left alone until then.
    BreakerOpen(Timestamp),
    /// The endpoint has failed since then.
    Failing(Timestamp),
    /// The endpoint takes no more a second.
    Pace(u32),
    /// All slots are taken, or the tenant has its share of them.
    Share,
    /// As many attempts are under way as the endpoint is trusted with.
    Window(usize),
    /// They wait for earlier events of their objects.
    Order,
    /// Their next attempt is planned for later.
    Planned(Timestamp),
    /// Nothing that is known.
    Unknown,
}

impl StuckEndpoint {
    /// What holds the deliveries up, the reason behind the others first.
    pub fn hindrance(&self, engine: Option<&EngineNow>) -> Hindrance {
        let lane = engine.and_then(|engine| engine.lanes.get(&self.subscription_id));
        if self.sends != Sends::Yes {
            return Hindrance::NotSending(self.sends);
        }
        if self.homeless > 0 && self.due > 0 {
            return Hindrance::NoLivingNode;
        }
        if let Some(until) = lane.and_then(|lane| lane.open_until) {
            return Hindrance::BreakerOpen(until);
        }
        if let Some(since) = self.failing_since {
            return Hindrance::Failing(since);
        }
        if engine.is_some_and(|engine| !engine.holds_lease) {
            return Hindrance::NoLease;
        }
        if let Some(per_second) = self.rate_per_second {
            return Hindrance::Pace(per_second);
        }
        if engine.is_some_and(|engine| engine.slots.waiting > 0) {
            return Hindrance::Share;
        }
        if let Some(lane) = lane.filter(|lane| lane.workers > 0 && lane.workers >= lane.window) {
            return Hindrance::Window(lane.window);
        }
        if self.ordered > 0 && self.ordered == self.waiting {
            return Hindrance::Order;
        }
        if self.due == 0 {
            return Hindrance::Planned(self.soonest_at);
        }
        Hindrance::Unknown
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tidings_kernel::{NodeId, Uuid};

    use super::*;
    use crate::engine::{LaneNow, SlotsNow};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn stuck() -> StuckEndpoint {
        StuckEndpoint {
            tenant_id: TenantId::from_uuid(Uuid::from_u128(1)),
            subscription_id: WebhookSubscriptionId::from_uuid(Uuid::from_u128(2)),
            waiting: 4,
            due: 2,
            oldest_at: at(1),
            soonest_at: at(900),
            ordered: 0,
            homeless: 0,
            error: None,
            sends: Sends::Yes,
            rate_per_second: None,
            failing_since: None,
        }
    }

    fn engine(lane: LaneNow) -> EngineNow {
        let lanes = HashMap::from([(stuck().subscription_id, lane)]);
        let node_id = NodeId::from_uuid(Uuid::nil());
        let slots = SlotsNow::default();
        EngineNow { node_id, holds_lease: true, inbox: 0, outcomes: 0, lanes, slots }
    }

    #[test]
    fn the_reason_behind_the_others_is_told() {
        let failing = StuckEndpoint { failing_since: Some(at(5)), ..stuck() };
        let open = engine(LaneNow { open_until: Some(at(60)), ..LaneNow::default() });
        let full = engine(LaneNow { workers: 4, window: 4, ..LaneNow::default() });
        let idle = engine(LaneNow { window: 4, ..LaneNow::default() });
        let mut taken = idle.clone();
        taken.slots.waiting = 3;
        let fenced = EngineNow { holds_lease: false, ..idle.clone() };
        let paused = StuckEndpoint { sends: Sends::Paused, homeless: 1, ..failing.clone() };
        let homeless = StuckEndpoint { homeless: 1, ..failing.clone() };
        let paced = StuckEndpoint { rate_per_second: Some(2), ..stuck() };
        let ordered = StuckEndpoint { ordered: 4, ..stuck() };
        let some_ordered = StuckEndpoint { ordered: 1, ..stuck() };
        let planned = StuckEndpoint { due: 0, homeless: 4, ..stuck() };
        for (stuck, engine, hindrance) in [
            (&paused, Some(&open), Hindrance::NotSending(Sends::Paused)),
            (&homeless, Some(&open), Hindrance::NoLivingNode),
            (&failing, Some(&open), Hindrance::BreakerOpen(at(60))),
            (&failing, Some(&fenced), Hindrance::Failing(at(5))),
            (&failing, None, Hindrance::Failing(at(5))),
            (&paced, Some(&fenced), Hindrance::NoLease),
            (&paced, Some(&full), Hindrance::Pace(2)),
            (&stuck(), Some(&taken), Hindrance::Share),
            (&ordered, Some(&full), Hindrance::Window(4)),
            (&ordered, Some(&idle), Hindrance::Order),
            (&some_ordered, Some(&idle), Hindrance::Unknown),
            (&planned, Some(&idle), Hindrance::Planned(at(900))),
            (&stuck(), Some(&idle), Hindrance::Unknown),
            (&stuck(), None, Hindrance::Unknown),
        ] {
            assert_eq!(stuck.hindrance(engine), hindrance, "{stuck:?} {engine:?}");
        }
    }
}
