//! How far one event has come towards one endpoint.

use tidings_kernel::{DeliveryId, EventId, ReplayId, Timestamp, WebhookSubscriptionId};

use crate::plan::NextStep;

/// A delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The event.
    pub event_id: EventId,
    /// The subscription.
    pub subscription_id: WebhookSubscriptionId,
    /// `event`, `manual` or `replay`.
    pub origin: String,
    /// The event's type.
    pub event_name: String,
    /// How far it has come.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub next_attempt_at: Option<Timestamp>,
    /// The status of the last answer.
    pub last_status: Option<u16>,
    /// The class of the last failure.
    pub last_error: Option<String>,
    /// Why it was discarded.
    pub reason: Option<String>,
    /// When the event happened, or the repetition was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The replay that it belongs to.
    pub replay_id: Option<ReplayId>,
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryStatus {
    /// Not tried yet.
    Pending,
    /// Tried in vain; it is tried again.
    Waiting,
    /// It arrived.
    Delivered,
    /// It was tried as often as the policy allows.
    Exhausted,
    /// It is not tried any more, for a reason that is recorded.
    Discarded,
}

/// What can happen to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryEdge {
    /// The endpoint took it.
    Deliver,
    /// An attempt failed and others are left.
    Postpone,
    /// The last attempt failed.
    Exhaust,
    /// There is no use in trying: the endpoint is gone, the subscription deleted.
    Discard,
}

impl DeliveryEdge {
    /// Every edge.
    pub const ALL: &[Self] = &[Self::Deliver, Self::Postpone, Self::Exhaust, Self::Discard];
}

impl From<NextStep> for DeliveryEdge {
    fn from(step: NextStep) -> Self {
        match step {
            NextStep::Delivered => Self::Deliver,
            NextStep::Wait { .. } => Self::Postpone,
            NextStep::Exhausted => Self::Exhaust,
            NextStep::Gone => Self::Discard,
        }
    }
}

impl DeliveryStatus {
    /// Every state.
    pub const ALL: &[Self] =
        &[Self::Pending, Self::Waiting, Self::Delivered, Self::Exhausted, Self::Discarded];

    /// The word in the database and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Exhausted => "exhausted",
            Self::Discarded => "discarded",
        }
    }

    /// The state with this word.
    pub fn find(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.as_str() == word)
    }

    /// Whether nothing follows: a redelivery is a delivery of its own.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::Waiting => false,
            Self::Delivered | Self::Exhausted | Self::Discarded => true,
        }
    }

    /// The state that follows, or none where the edge is not legal from here.
    #[must_use]
    pub const fn next(self, edge: DeliveryEdge) -> Option<Self> {
        if self.is_terminal() {
            return None;
        }
        Some(match edge {
            DeliveryEdge::Deliver => Self::Delivered,
            DeliveryEdge::Postpone => Self::Waiting,
            DeliveryEdge::Exhaust => Self::Exhausted,
            DeliveryEdge::Discard => Self::Discarded,
        })
    }
}

impl std::fmt::Display for DeliveryStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use tidings_kernel::Timestamp;

    use super::DeliveryEdge::{Deliver, Discard, Exhaust, Postpone};
    use super::DeliveryStatus::{Delivered, Discarded, Exhausted, Pending, Waiting};
    use super::*;

    #[test]
    fn each_state_takes_its_edges_and_no_others() {
        let table = [
            (Pending, Deliver, Some(Delivered)),
            (Pending, Postpone, Some(Waiting)),
            (Pending, Exhaust, Some(Exhausted)),
            (Pending, Discard, Some(Discarded)),
            (Waiting, Deliver, Some(Delivered)),
            (Waiting, Postpone, Some(Waiting)),
            (Waiting, Exhaust, Some(Exhausted)),
            (Waiting, Discard, Some(Discarded)),
            (Delivered, Deliver, None),
            (Delivered, Postpone, None),
            (Delivered, Exhaust, None),
            (Delivered, Discard, None),
            (Exhausted, Deliver, None),
            (Exhausted, Postpone, None),
            (Exhausted, Exhaust, None),
            (Exhausted, Discard, None),
            (Discarded, Deliver, None),
            (Discarded, Postpone, None),
            (Discarded, Exhaust, None),
            (Discarded, Discard, None),
        ];
        for &status in DeliveryStatus::ALL {
            for &edge in DeliveryEdge::ALL {
                let rows: Vec<_> = table.iter().filter(|r| r.0 == status && r.1 == edge).collect();
                let [(_, _, wanted)] = rows.as_slice() else { panic!("{status} {edge:?}") };
                assert_eq!(status.next(edge), *wanted, "{status} {edge:?}");
            }
        }
    }

    #[test]
    fn words_are_found_and_terminal_states_are_those_without_edges() {
        for &status in DeliveryStatus::ALL {
            assert_eq!(DeliveryStatus::find(status.as_str()), Some(status));
            let stuck = DeliveryEdge::ALL.iter().all(|&edge| status.next(edge).is_none());
            assert_eq!(status.is_terminal(), stuck, "{status}");
        }
        assert_eq!(DeliveryStatus::find("Pending"), None);
    }

    #[test]
    fn each_step_of_the_plan_is_an_edge() {
        let until = Timestamp::default();
        for (step, edge) in [
            (NextStep::Delivered, Deliver),
            (NextStep::Wait { until }, Postpone),
            (NextStep::Exhausted, Exhaust),
            (NextStep::Gone, Discard),
        ] {
            assert_eq!(DeliveryEdge::from(step), edge);
        }
    }
}
