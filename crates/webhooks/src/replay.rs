//! A replay: past events of the log, sent once more to one subscription.

pub(crate) mod pace;
pub(crate) mod selection;

use tidings_events::WebhookEvent;
use tidings_events::webhooks::{
    WebhookReplayCancelled, WebhookReplayCompleted, WebhookReplayFailed, WebhookReplayResumed,
    WebhookReplayStarted,
};
use tidings_kernel::{
    AnyId, Change, Entity, ReplayId, TenantId, Timestamp, Version, WebhookSubscriptionId,
};

use crate::error::WebhookError;

/// Which of the events are sent, by what came of them for the subscription before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of them.
    All,
    /// Those whose deliveries have all ended in vain.
    Failed,
    /// Those that never arrived and are not on their way.
    Missing,
}

impl Wanted {
    /// Every choice.
    pub(crate) const ALL: &[Self] = &[Self::All, Self::Failed, Self::Missing];

    /// The word in the database and in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Failed => "failed",
            Self::Missing => "missing",
        }
    }

    /// The choice with this word.
    pub(crate) fn find(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|wanted| wanted.as_str() == word)
    }
}

/// Why a replay failed that can be resumed.
const STUCK: &str = "stuck";

/// How far a replay has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplayStatus {
    /// It makes deliveries, or waits for them to end.
    Running,
    /// All of them have ended.
    Completed,
    /// Somebody ended it.
    Cancelled,
    /// It cannot go on.
    Failed,
}

impl ReplayStatus {
    /// Every state.
    pub(crate) const ALL: &[Self] =
        &[Self::Running, Self::Completed, Self::Cancelled, Self::Failed];

    /// The word in the database and in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// The state with this word.
    pub(crate) fn find(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.as_str() == word)
    }
}

/// Which events a replay sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The position of the log after which it begins.
    pub(crate) after_position: i64,
    /// The last position that was asked for.
    pub(crate) until_asked: Option<i64>,
    /// From this instant.
    pub(crate) from: Option<Timestamp>,
    /// Before this instant.
    pub(crate) to: Option<Timestamp>,
    /// Only of these types, among those that the subscription wants.
    pub(crate) event_types: Option<Vec<String>>,
    /// Only of this object.
    pub(crate) subject: Option<AnyId>,
    /// Only those of which this came before.
    pub(crate) deliveries: Wanted,
}

/// What came of the deliveries of a replay so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Outcomes {
    /// They have not ended.
    pub(crate) under_way: i64,
    /// They arrived.
    pub(crate) delivered: i64,
    /// They ended in vain.
    pub(crate) failed: i64,
    /// They were under way when the replay was ended.
    pub(crate) cancelled: i64,
}

/// Past events of the log, sent once more to one subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replay {
    pub(crate) tenant_id: TenantId,
    pub(crate) id: ReplayId,
    pub(crate) subscription_id: WebhookSubscriptionId,
    pub(crate) scope: Scope,
    /// The last position that it looks at; none for the moment until the log's end at its start is
    /// known.
    pub(crate) until_position: Option<i64>,
    pub(crate) rate_per_second: u32,
    pub(crate) status: ReplayStatus,
    /// Why it failed.
    pub(crate) reason: Option<String>,
    /// How far it has looked at the log.
    pub(crate) position: i64,
    /// Deliveries that it has made.
    pub(crate) planned: i64,
    /// Events whose payload is kept no longer.
    pub(crate) skipped: i64,
    /// What came of its deliveries; kept from its end on, and counted before.
    pub(crate) outcomes: Outcomes,
    /// The first instant at which one more delivery keeps the pace.
    pub(crate) free_at: Timestamp,
    pub(crate) started_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) version: Version,
}

impl Entity for Replay {
    type Event = WebhookEvent;
    const KIND: &'static str = "webhook_replay";

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

impl Replay {
    /// A replay that is not stored yet.
    pub(crate) fn new(
        (tenant_id, id): (TenantId, ReplayId),
        subscription_id: WebhookSubscriptionId,
        (scope, rate_per_second): (Scope, u32),
        now: Timestamp,
    ) -> Self {
        Self {
            tenant_id,
            id,
            subscription_id,
            position: scope.after_position,
            scope,
            until_position: None,
            rate_per_second,
            status: ReplayStatus::Running,
            reason: None,
            planned: 0,
            skipped: 0,
            outcomes: Outcomes::default(),
            free_at: now,
            started_at: now,
            finished_at: None,
            version: 0,
        }
    }

    /// Tells that it begins.
    pub(crate) fn start(self) -> Change<Self> {
        let event = WebhookReplayStarted {
            replay_id: self.id,
            subscription_id: self.subscription_id,
            after_position: self.scope.after_position,
            from: self.scope.from,
            to: self.scope.to,
            deliveries: self.scope.deliveries.as_str().to_owned(),
            rate_per_second: self.rate_per_second,
        };
        Change::new(self, event)
    }

    /// The last position that it looks at, where the log ended so at its start.
    pub(crate) fn bound(&self, log_end: i64) -> i64 {
        let asked = self.scope.until_asked.unwrap_or(log_end);
        asked.min(log_end).max(self.scope.after_position)
    }

    /// Ends it when all of its deliveries have.
    pub(crate) fn complete(self, outcomes: Outcomes, now: Timestamp) -> Change<Self> {
        let event = WebhookReplayCompleted {
            replay_id: self.id,
            subscription_id: self.subscription_id,
            planned: self.planned,
            delivered: outcomes.delivered,
            failed: outcomes.failed,
            skipped: self.skipped,
        };
        Change::new(self.ended(ReplayStatus::Completed, outcomes, now), event)
    }

    /// Ends it because somebody wants it to; what is under way counts as cancelled.
    pub(crate) fn cancel(
        self,
        outcomes: Outcomes,
        now: Timestamp,
    ) -> Result<Change<Self>, WebhookError> {
        if self.status != ReplayStatus::Running {
            return Err(WebhookError::ReplayEnded(self.status.as_str()));
        }
        let next = self.ended(ReplayStatus::Cancelled, outcomes, now);
        let event = WebhookReplayCancelled {
            replay_id: next.id,
            subscription_id: next.subscription_id,
            planned: next.planned,
            delivered: next.outcomes.delivered,
            failed: next.outcomes.failed,
            cancelled: next.outcomes.cancelled,
        };
        Ok(Change::new(next, event))
    }

    /// Ends it because it cannot go on.
    pub(crate) fn fail(self, reason: &str, outcomes: Outcomes, now: Timestamp) -> Change<Self> {
        let mut next = self.ended(ReplayStatus::Failed, outcomes, now);
        next.reason = Some(reason.to_owned());
        let event = WebhookReplayFailed {
            replay_id: next.id,
            subscription_id: next.subscription_id,
            reason: reason.to_owned(),
            planned: next.planned,
            delivered: next.outcomes.delivered,
        };
        Change::new(next, event)
    }

    /// Ends it for the time being: it failed too often to look at the log. What is under way goes
    /// on, and it can be resumed.
    pub(crate) fn give_up(self, outcomes: Outcomes, now: Timestamp) -> Change<Self> {
        let next = Self {
            status: ReplayStatus::Failed,
            reason: Some(STUCK.to_owned()),
            finished_at: Some(now),
            ..self
        };
        let event = WebhookReplayFailed {
            replay_id: next.id,
            subscription_id: next.subscription_id,
            reason: STUCK.to_owned(),
            planned: next.planned,
            delivered: outcomes.delivered,
        };
        Change::new(next, event)
    }

    /// Whether it ended only for the time being.
    pub(crate) fn is_stuck(&self) -> bool {
        self.status == ReplayStatus::Failed && self.reason.as_deref() == Some(STUCK)
    }

    /// Goes on where it was when it got stuck.
    pub(crate) fn resume(self, now: Timestamp) -> Result<Change<Self>, WebhookError> {
        if !self.is_stuck() {
            return Err(WebhookError::ReplayNotStuck(self.status.as_str()));
        }
        let event = WebhookReplayResumed {
            replay_id: self.id,
            subscription_id: self.subscription_id,
            position: self.position,
            planned: self.planned,
        };
        let free_at = self.free_at.max(now);
        let status = ReplayStatus::Running;
        let next = Self { status, reason: None, finished_at: None, free_at, ..self };
        Ok(Change::new(next, event))
    }

    fn ended(self, status: ReplayStatus, outcomes: Outcomes, now: Timestamp) -> Self {
        let outcomes = Outcomes { under_way: 0, cancelled: outcomes.under_way, ..outcomes };
        Self { status, outcomes, finished_at: Some(now), ..self }
    }
}

#[cfg(test)]
mod tests {
    use tidings_kernel::Uuid;

    use super::*;

    fn replay(after_position: i64, until_asked: Option<i64>) -> Replay {
        let scope = Scope {
            after_position,
            until_asked,
            from: None,
            to: None,
            event_types: None,
            subject: None,
            deliveries: Wanted::All,
        };
        let nil = Uuid::nil();
        let ids = (TenantId::from_uuid(nil), ReplayId::from_uuid(nil));
        let subscription = WebhookSubscriptionId::from_uuid(nil);
        Replay::new(ids, subscription, (scope, 100), Timestamp::default())
    }

    #[test]
    fn a_replay_ends_with_the_log_at_its_start_or_before() {
        for (after, asked, log_end, wanted) in [
            (0, None, 10, 10),
            (0, Some(7), 10, 7),
            (0, Some(70), 10, 10),
            (10, None, 10, 10),
            (20, None, 10, 20),
            (20, Some(30), 10, 20),
            (0, None, 0, 0),
        ] {
            assert_eq!(replay(after, asked).bound(log_end), wanted, "{after} {asked:?} {log_end}");
        }
    }

    #[test]
    fn what_is_under_way_at_an_end_is_cancelled_and_an_end_is_for_ever() {
        let now = Timestamp::from_micros(5);
        let outcomes = Outcomes { under_way: 3, delivered: 4, failed: 2, cancelled: 0 };
        let (ended, _) = {
            let parts = replay(0, None).cancel(outcomes, now).unwrap().into_parts();
            (parts.state, parts.events)
        };
        assert_eq!(ended.status, ReplayStatus::Cancelled);
        assert_eq!(ended.finished_at, Some(now));
        let wanted = Outcomes { under_way: 0, delivered: 4, failed: 2, cancelled: 3 };
        assert_eq!(ended.outcomes, wanted);
        let refused = ended.cancel(outcomes, now).map(drop).unwrap_err();
        assert!(refused.to_string().contains("cancelled"), "{refused}");
    }

    #[test]
    fn only_what_got_stuck_is_resumed_and_it_goes_on_where_it_was() {
        let now = Timestamp::from_micros(5);
        let stuck = Replay { position: 7, planned: 3, ..replay(0, None) };
        let stuck = stuck.give_up(Outcomes::default(), now).into_parts().state;
        assert!(stuck.is_stuck());
        assert_eq!((stuck.status, stuck.finished_at), (ReplayStatus::Failed, Some(now)));
        let resumed = stuck.resume(now).unwrap().into_parts().state;
        assert_eq!((resumed.status, resumed.reason.as_deref()), (ReplayStatus::Running, None));
        assert_eq!((resumed.position, resumed.planned, resumed.finished_at), (7, 3, None));
        let deleted = replay(0, None).fail("subscription_deleted", Outcomes::default(), now);
        for other in [resumed, deleted.into_parts().state] {
            let refused = other.resume(now).map(drop).unwrap_err();
            assert!(refused.to_string().contains("stuck"), "{refused}");
        }
    }

    #[test]
    fn words_are_found() {
        for &status in ReplayStatus::ALL {
            assert_eq!(ReplayStatus::find(status.as_str()), Some(status));
        }
        for &wanted in Wanted::ALL {
            assert_eq!(Wanted::find(wanted.as_str()), Some(wanted));
        }
        assert_eq!(Wanted::find("paused"), None);
    }
}
