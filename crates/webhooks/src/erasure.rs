//! The erasure of what events hold of a subject: asked for, done in batches, and then a receipt.

pub(crate) mod pass;

use std::time::Duration;

use tidings_events::PrivacyEvent;
use tidings_events::privacy::{PrivacyErasureCompleted, PrivacyErasureRequested};
use tidings_kernel::{AnyId, Change, Entity, ErasureId, TenantId, Timestamp, Version};

/// An erasure begins so long after it was asked for: by then every node knows of it and sends
/// nothing of the subject any more, and what was on its way has been answered and written. An
/// attempt takes 30 seconds at most.
pub(crate) const BEGINS_AFTER: Duration = Duration::from_secs(45);
/// For so long nodes remember an erasure: longer than anything waits in memory.
pub(crate) const REMEMBERED: Duration = Duration::from_hours(2);

/// How far an erasure has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The subject's own events.
    Own,
    /// Events of others that name it.
    Mentions,
    /// Stored replies that name it.
    Replies,
    /// Its rows are gone; the database's own log may still hold them.
    Cleaning,
    /// Nothing is left.
    Completed,
}

impl Phase {
    const ALL: [Self; 5] =
        [Self::Own, Self::Mentions, Self::Replies, Self::Cleaning, Self::Completed];

    /// The word in the database and in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own_events",
            Self::Mentions => "mentioning_events",
            Self::Replies => "replies",
            Self::Cleaning => "cleaning",
            Self::Completed => "completed",
        }
    }

    /// The phase with this word.
    pub(crate) fn find(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word)
    }

    /// What follows.
    pub(crate) const fn next(self) -> Self {
        match self {
            Self::Own => Self::Mentions,
            Self::Mentions => Self::Replies,
            Self::Replies => Self::Cleaning,
            Self::Cleaning | Self::Completed => Self::Completed,
        }
    }
}

/// What was erased so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Payloads of the subject's own events.
    pub own_events: i64,
    /// Payloads of other events that named it.
    pub mentioning_events: i64,
    /// Deliveries that had not ended.
    pub deliveries_discarded: i64,
    /// Attempts whose answer was there.
    pub attempts_cleared: i64,
    /// Stored replies.
    pub replies_replaced: i64,
}

/// An erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Erasure {
    /// Its id.
    pub id: ErasureId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The subject.
    pub subject: AnyId,
    /// `api`, or the event type that led to it.
    pub asked_by: String,
    /// The subject's own events before this version are reached: those that told of the deletion
    /// name nobody, and must still arrive.
    pub before_version: Version,
    /// Whatever else happened before this instant is reached.
    pub before_at: Timestamp,
    /// How far it has come.
    pub phase: Phase,
    /// Where the phase goes on: a version, an event or a reply.
    pub reached: String,
    /// What was erased so far.
    pub counts: Counts,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it was done.
    pub completed_at: Option<Timestamp>,
    /// How many events it has had.
    pub version: Version,
}

impl Entity for Erasure {
    type Event = PrivacyEvent;
    const KIND: &'static str = "erasure";

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

impl Erasure {
    /// Makes an erasure that is not stored yet.
    pub(crate) fn request(self) -> Change<Self> {
        let event = PrivacyErasureRequested {
            erasure_id: self.id,
            subject_id: self.subject.to_string(),
            asked_by: self.asked_by.clone(),
        };
        Change::new(self, event)
    }

    /// The same, further on in its phase, or in the next one where this was the last of it.
    pub(crate) fn reach(&mut self, next: Option<String>) {
        if next.is_none() {
            self.phase = self.phase.next();
        }
        self.reached = next.unwrap_or_default();
    }

    /// Writes the receipt. Nothing where the rows are not gone yet, or it was written before.
    pub(crate) fn complete(self, now: Timestamp) -> Option<Change<Self>> {
        match self.phase {
            Phase::Own | Phase::Mentions | Phase::Replies | Phase::Completed => return None,
            Phase::Cleaning => {}
        }
        let Counts {
            own_events,
            mentioning_events,
            deliveries_discarded,
            attempts_cleared,
            replies_replaced,
        } = self.counts;
        let event = PrivacyErasureCompleted {
            erasure_id: self.id,
            subject_id: self.subject.to_string(),
            asked_by: self.asked_by.clone(),
            own_events,
            mentioning_events,
            deliveries_discarded,
            attempts_cleared,
            replies_replaced,
            requested_at: self.requested_at,
            completed_at: now,
        };
        let next = Self { phase: Phase::Completed, completed_at: Some(now), ..self };
        Some(Change::new(next, event))
    }
}

#[cfg(test)]
mod tests {
    use tidings_kernel::{CustomerId, Uuid};

    use super::*;

    #[test]
    fn phases_follow_each_other_and_have_words() {
        for phase in Phase::ALL {
            assert_eq!(Phase::find(phase.as_str()), Some(phase));
        }
        for two in Phase::ALL.windows(2) {
            assert_eq!(two[0].next(), two[1]);
        }
        assert_eq!(Phase::find("erasing"), None);
    }

    #[test]
    fn a_receipt_is_written_once_and_only_when_the_rows_are_gone() {
        let erasure = |phase| Erasure {
            id: ErasureId::from_uuid(Uuid::from_u128(1)),
            tenant_id: TenantId::from_uuid(Uuid::from_u128(2)),
            subject: CustomerId::from_uuid(Uuid::from_u128(3)).any(),
            asked_by: "api".to_owned(),
            before_version: 1,
            before_at: Timestamp::default(),
            phase,
            reached: String::new(),
            counts: Counts::default(),
            requested_at: Timestamp::default(),
            completed_at: None,
            version: 1,
        };
        for phase in Phase::ALL {
            let written = erasure(phase).complete(Timestamp::default()).is_some();
            assert_eq!(written, phase == Phase::Cleaning, "{phase:?}");
        }
        let mut moving = erasure(Phase::Own);
        moving.reach(Some("7".to_owned()));
        assert_eq!((moving.phase, moving.reached.as_str()), (Phase::Own, "7"));
        moving.reach(None);
        assert_eq!((moving.phase, moving.reached.as_str()), (Phase::Mentions, ""));
    }
}
