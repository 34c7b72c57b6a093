//! How long what is kept: a tenant's settings, and what follows from them.
//!
//! Four classes, each with its own time: payloads, the answers of endpoints, deliveries with their
//! attempts, and the headers of events. Nothing goes that is still under way, however old.

use std::collections::BTreeSet;
use std::time::Duration;

use tidings_events::privacy::PrivacyRetentionUpdated;
use tidings_events::{Diff, PrivacyEvent};
use tidings_kernel::{
    AnyId, Change, Entity, EventId, FieldError, RetentionId, TenantId, Timestamp, Uuid, Version,
};

/// Days that each class may be kept: the fewest, the most.
const PAYLOAD_DAYS: (u32, u32) = (1, 365);
const REPLY_DAYS: (u32, u32) = (1, 90);
const ATTEMPT_DAYS: (u32, u32) = (7, 400);
const EVENT_DAYS: (u32, u32) = (90, 3_650);

/// What is kept for how many days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Days {
    /// The payload of an event, after its last delivery has ended, or after the event where it had
    /// none.
    pub payload: u32,
    /// What an endpoint answered.
    pub reply: u32,
    /// A delivery with its attempts, after it has ended.
    pub attempt: u32,
    /// The header of an event: its place in the log, type, subject and instant.
    pub event: u32,
}

impl Default for Days {
    fn default() -> Self {
        Self { payload: 30, reply: 7, attempt: 90, event: 400 }
    }
}

impl Days {
    /// Every fault, with its pointer.
    pub(crate) fn check(self, errors: &mut Vec<FieldError>) {
        for (pointer, days, (fewest, most)) in [
            ("/payload_days", self.payload, PAYLOAD_DAYS),
            ("/reply_days", self.reply, REPLY_DAYS),
            ("/attempt_days", self.attempt, ATTEMPT_DAYS),
            ("/event_days", self.event, EVENT_DAYS),
        ] {
            if !(fewest..=most).contains(&days) {
                let message = format!("{fewest} to {most} days");
                errors.push(FieldError::new(pointer, "out_of_range", message));
            }
        }
        // What tells of something stays as long as the thing itself.
        for (pointer, days, (other, longer)) in [
            ("/reply_days", self.reply, ("attempt_days", self.attempt)),
            ("/payload_days", self.payload, ("attempt_days", self.attempt)),
            ("/attempt_days", self.attempt, ("event_days", self.event)),
        ] {
            if days > longer {
                let message = format!("at most {other}, which is {longer}");
                errors.push(FieldError::new(pointer, "out_of_range", message));
            }
        }
    }

    /// Before which instant payloads go.
    pub(crate) fn payloads_before(self, now: Timestamp) -> Timestamp {
        before(now, self.payload)
    }

    /// Before which instant answers go.
    pub(crate) fn replies_before(self, now: Timestamp) -> Timestamp {
        before(now, self.reply)
    }

    /// Before which instant deliveries go.
    pub(crate) fn deliveries_before(self, now: Timestamp) -> Timestamp {
        before(now, self.attempt)
    }

    /// Before which instant headers go.
    pub(crate) fn events_before(self, now: Timestamp) -> Timestamp {
        before(now, self.event)
    }
}

fn before(now: Timestamp, days: u32) -> Timestamp {
    now.before(Duration::from_hours(24 * u64::from(days)))
}

/// A tenant's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retention {
    /// The id, which their events carry.
    pub id: RetentionId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// What is kept for how long.
    pub days: Days,
    /// When they last changed.
    pub updated_at: Timestamp,
    /// How many events they have had.
    pub version: Version,
}

impl Entity for Retention {
    type Event = PrivacyEvent;
    const KIND: &'static str = "retention";

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

impl Retention {
    /// Takes other days over; nothing where none differs.
    pub(crate) fn update(self, days: Days, now: Timestamp) -> Result<Change<Self>, Box<Self>> {
        let diff = Diff::new()
            .field("payload_days", &self.days.payload, &days.payload)
            .field("reply_days", &self.days.reply, &days.reply)
            .field("attempt_days", &self.days.attempt, &days.attempt)
            .field("event_days", &self.days.event, &days.event);
        if diff.is_empty() {
            return Err(Box::new(self));
        }
        let event = PrivacyRetentionUpdated {
            changed_fields: diff.changed_fields(),
            previous: diff.previous(),
        };
        Ok(Change::new(Self { days, updated_at: now, ..self }, event))
    }
}

/// The smallest id that can be minted at an instant: an id begins with its milliseconds.
pub(crate) fn first_id_at(instant: Timestamp) -> Uuid {
    let millis = u64::try_from(instant.micros().div_euclid(1_000)).unwrap_or(0);
    Uuid::from_u128(u128::from(millis) << 80)
}

/// Between which ids the deliveries of an event lie, repetitions included: theirs begin as its own.
pub(crate) fn delivery_ids_of(event_id: EventId) -> (Uuid, Uuid) {
    let head = event_id.uuid().as_u128() >> 80 << 80;
    (Uuid::from_u128(head), Uuid::from_u128(head | ((1 << 80) - 1)))
}

/// The id that follows, to go on behind one.
pub(crate) fn next_id(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_add(1))
}

/// How many of a log's oldest events may go: those before the first that must stay, so that no gap
/// comes into the log but at its beginning.
pub(crate) fn events_to_drop(
    oldest: &[(EventId, Timestamp)],
    before: Timestamp,
    held: &BTreeSet<EventId>,
) -> usize {
    oldest.iter().position(|(id, at)| *at >= before || held.contains(id)).unwrap_or(oldest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(days: Days) -> Vec<String> {
        let mut errors = Vec::new();
        days.check(&mut errors);
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn days_have_bounds_and_what_tells_stays_as_long_as_what_it_tells_of() {
        let days = Days::default();
        assert!(faults(days).is_empty());
        assert!(faults(Days { payload: 1, reply: 1, attempt: 7, event: 90 }).is_empty());
        for (days, wanted) in [
            (Days { payload: 0, ..days }, &["/payload_days"][..]),
            (Days { payload: 366, attempt: 400, ..days }, &["/payload_days"]),
            (Days { reply: 0, ..days }, &["/reply_days"]),
            (Days { reply: 8, attempt: 7, payload: 7, ..days }, &["/reply_days"]),
            (Days { attempt: 6, reply: 1, payload: 1, ..days }, &["/attempt_days"]),
            (Days { event: 89, attempt: 7, payload: 7, ..days }, &["/event_days"]),
            (Days { event: 90, payload: 91, attempt: 91, ..days }, &["/attempt_days"]),
            (Days { payload: 365, attempt: 7, ..days }, &["/payload_days"]),
            (Days { payload: 8, attempt: 7, ..days }, &["/payload_days"]),
        ] {
            assert_eq!(faults(days), wanted, "{days:?}");
        }
    }

    #[test]
    fn the_ids_of_an_instant_and_of_an_events_deliveries_lie_together() {
        let at = Timestamp::from_micros(1_795_437_004_123_456);
        let event =
            EventId::from_uuid(Uuid::from_u128(first_id_at(at).as_u128() | 0x7abc << 64 | 9));
        assert!(first_id_at(at) < event.uuid());
        assert!(event.uuid() < first_id_at(at.after(Duration::from_millis(1))));
        let subscription = tidings_kernel::WebhookSubscriptionId::from_uuid(Uuid::from_u128(5));
        for repetition in [&b""[..], b"again"] {
            let delivery = crate::engine::delivery_id(event, subscription, repetition).uuid();
            let (first, last) = delivery_ids_of(event);
            assert!(first <= delivery && delivery <= last, "{delivery}");
        }
        assert_eq!(next_id(Uuid::max()), Uuid::max());
    }

    #[test]
    fn events_go_from_the_beginning_only() {
        let id = |n| EventId::from_uuid(Uuid::from_u128(n));
        let at = Timestamp::from_micros;
        let oldest = [(id(1), at(10)), (id(2), at(20)), (id(3), at(15)), (id(4), at(40))];
        for (before, held, wanted) in [
            (at(5), vec![], 0),
            (at(20), vec![], 1),
            (at(30), vec![], 3),
            (at(99), vec![], 4),
            (at(99), vec![id(3)], 2),
            (at(99), vec![id(1)], 0),
        ] {
            let held = held.into_iter().collect();
            assert_eq!(events_to_drop(&oldest, before, &held), wanted, "{before:?} {held:?}");
        }
    }
}
