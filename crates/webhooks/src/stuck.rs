//! Why an endpoint's deliveries wait: decided from what the database and the engine know.

use tidings_kernel::{TenantId, Timestamp, WebhookSubscriptionId};

use crate::engine::{EngineNow, LaneNow};

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
    /// Those that are due, and that a living node holds that was not asked.
    pub elsewhere: i64,
    /// One such node, by its name.
    pub holder: Option<String>,
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
    /// Another node holds them; what it has in memory is not known here.
    Elsewhere(String),
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
    /// What holds the deliveries up, the reason behind the others first. A reason that could be
    /// somebody's is not theirs: it must explain why these are not sent.
    pub fn hindrance(&self, engine: Option<&EngineNow>, now: Timestamp) -> Hindrance {
        let lane = engine.and_then(|engine| engine.lanes.get(&self.subscription_id));
        if self.sends != Sends::Yes {
            return Hindrance::NotSending(self.sends);
        }
        if self.homeless > 0 && self.due > 0 {
            return Hindrance::NoLivingNode;
        }
        if engine.is_some_and(|engine| !engine.holds_lease) {
            return Hindrance::NoLease;
        }
        if let Some(until) = lane.and_then(|lane| lane.open_until) {
            return Hindrance::BreakerOpen(until);
        }
        if let Some(since) = self.failing_since {
            return Hindrance::Failing(since);
        }
        if let Some(per_second) =
            self.rate_per_second.filter(|rate| self.is_paced(*rate, lane, now))
        {
            return Hindrance::Pace(per_second);
        }
        if let Some(holder) = self.holder.as_ref().filter(|_| self.elsewhere >= self.due) {
            return Hindrance::Elsewhere(holder.clone());
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

    /// Whether it is the pace that they wait for: the lane has given out instants that are to come, or
    /// more are due than the endpoint can have taken since the oldest of their events.
    fn is_paced(&self, per_second: u32, lane: Option<&LaneNow>, now: Timestamp) -> bool {
        let seconds = i64::try_from(now.since(self.oldest_at).as_secs()).unwrap_or(i64::MAX);
        lane.is_some_and(|lane| lane.paced_until.is_some())
            || self.due > seconds.saturating_mul(i64::from(per_second))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tidings_kernel::{NodeId, Uuid};

    use super::*;
    use crate::engine::SlotsNow;

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
            elsewhere: 0,
            holder: None,
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
        let given_out =
            engine(LaneNow { paced_until: Some(at(902)), window: 4, ..LaneNow::default() });
        let quick = StuckEndpoint { rate_per_second: Some(2), ..stuck() };
        let many = StuckEndpoint { due: 2_000, ..quick.clone() };
        let none_due = StuckEndpoint { due: 0, ..quick.clone() };
        let elsewhere = StuckEndpoint { elsewhere: 2, holder: Some("b".to_owned()), ..stuck() };
        let some_elsewhere = StuckEndpoint { elsewhere: 1, ..elsewhere.clone() };
        let b = || Hindrance::Elsewhere("b".to_owned());
        let ordered = StuckEndpoint { ordered: 4, ..stuck() };
        let some_ordered = StuckEndpoint { ordered: 1, ..stuck() };
        let planned = StuckEndpoint { due: 0, homeless: 4, ..stuck() };
        for (stuck, engine, hindrance) in [
            (&paused, Some(&open), Hindrance::NotSending(Sends::Paused)),
            (&homeless, Some(&open), Hindrance::NoLivingNode),
            (&failing, Some(&open), Hindrance::BreakerOpen(at(60))),
            // Nothing goes out, whether or not the endpoint would take it.
            (&failing, Some(&fenced), Hindrance::NoLease),
            (&quick, Some(&fenced), Hindrance::NoLease),
            (&failing, None, Hindrance::Failing(at(5))),
            (&quick, Some(&given_out), Hindrance::Pace(2)),
            (&many, Some(&idle), Hindrance::Pace(2)),
            (&many, None, Hindrance::Pace(2)),
            // A pace that could have let all of them through is not why they wait.
            (&quick, Some(&idle), Hindrance::Unknown),
            (&quick, Some(&full), Hindrance::Window(4)),
            (&quick, None, Hindrance::Unknown),
            (&none_due, None, Hindrance::Planned(at(900))),
            // What this node has in memory says nothing of what another one holds.
            (&elsewhere, Some(&full), b()),
            (&elsewhere, Some(&taken), b()),
            (&elsewhere, None, b()),
            (&some_elsewhere, Some(&idle), Hindrance::Unknown),
            (&stuck(), Some(&taken), Hindrance::Share),
            (&ordered, Some(&full), Hindrance::Window(4)),
            (&ordered, Some(&idle), Hindrance::Order),
            (&some_ordered, Some(&idle), Hindrance::Unknown),
            (&planned, Some(&idle), Hindrance::Planned(at(900))),
            (&stuck(), Some(&idle), Hindrance::Unknown),
            (&stuck(), None, Hindrance::Unknown),
        ] {
            assert_eq!(stuck.hindrance(engine, at(901)), hindrance, "{stuck:?} {engine:?}");
        }
    }
}
