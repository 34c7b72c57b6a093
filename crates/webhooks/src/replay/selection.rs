//! Which events of the log a replay sends.

use std::collections::{BTreeMap, BTreeSet};

use tidings_events::EventName;
use tidings_kernel::{EventId, Timestamp, Uuid, Version};

use crate::delivery::DeliveryStatus;
use crate::matching::Filters;
use crate::payload_filter::PayloadFilter;
use crate::replay::{Scope, Wanted};
use crate::subscription::Subscription;

/// An event of the log that may be sent.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) position: i64,
    /// Its place in the log of all tenants: what a subscription's making is compared with.
    pub(crate) seq: i64,
    pub(crate) event_id: EventId,
    /// None where the type has left the catalog: nobody can want it any more.
    pub(crate) name: Option<EventName>,
    pub(crate) occurred_at: Timestamp,
    pub(crate) subject_id: Uuid,
    pub(crate) subject_version: Version,
    pub(crate) has_payload: bool,
    /// Whether it is not known any more what came of it, for it is asked what did.
    pub(crate) is_forgotten: bool,
}

/// What is asked of an event: the subscription's filters as they are now, and the replay's own.
#[derive(Debug)]
pub(crate) struct Selection {
    subscribed: Filters,
    narrowed: Option<Filters>,
    pub(crate) payload_filter: Option<PayloadFilter>,
    pub(crate) subject_id: Option<Uuid>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    pub(crate) wanted: Wanted,
    /// The place of the subscription's making in the log: what came after it goes to it live.
    made_at_seq: i64,
    made_at: Timestamp,
    /// Deliveries of events from before this instant may have gone with retention.
    deliveries_kept_from: Timestamp,
}

impl Selection {
    pub(crate) fn new(
        subscription: &Subscription,
        scope: &Scope,
        made_at_seq: i64,
        deliveries_kept_from: Timestamp,
    ) -> Self {
        let stored = |texts: &Vec<String>| Filters::stored(texts.iter().map(String::as_str));
        let filter = subscription.options.payload_filter.as_ref();
        Self {
            subscribed: stored(&subscription.events),
            narrowed: scope.event_types.as_ref().map(stored),
            payload_filter: filter.and_then(PayloadFilter::stored),
            subject_id: scope.subject.map(|subject| subject.uuid),
            from: scope.from,
            to: scope.to,
            wanted: scope.deliveries,
            made_at_seq,
            made_at: subscription.created_at,
            deliveries_kept_from,
        }
    }

    /// Whether all but its payload and its deliveries fit.
    pub(crate) fn fits(&self, candidate: &Candidate) -> bool {
        let name = candidate.name.as_ref();
        let of_type = name.is_some_and(|name| {
            self.subscribed.matches(name)
                && self.narrowed.as_ref().is_none_or(|filters| filters.matches(name))
        });
        of_type
            && self.subject_id.is_none_or(|id| id == candidate.subject_id)
            && self.from.is_none_or(|from| candidate.occurred_at >= from)
            && self.to.is_none_or(|to| candidate.occurred_at < to)
    }
}

/// What came of events for one subscription before.
#[derive(Debug, Default)]
pub(crate) struct Before {
    by_event: BTreeMap<EventId, Came>,
    /// Events that are not fanned out yet.
    pub(crate) undispatched: BTreeSet<EventId>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Came {
    arrived: bool,
    under_way: bool,
    in_vain: bool,
}

impl Before {
    /// Takes in one delivery.
    pub(crate) fn add(&mut self, event_id: EventId, status: DeliveryStatus) {
        let came = self.by_event.entry(event_id).or_default();
        match status {
            DeliveryStatus::Pending | DeliveryStatus::Waiting => came.under_way = true,
            DeliveryStatus::Delivered => came.arrived = true,
            DeliveryStatus::Exhausted | DeliveryStatus::Discarded => came.in_vain = true,
        }
    }

    /// Whether nothing is known of what came of an event, because retention
    /// may have taken it. Of a subscription that is not that old it has taken nothing.
    pub(crate) fn has_forgotten(&self, selection: &Selection, candidate: &Candidate) -> bool {
        selection.wanted == Wanted::Missing
            && candidate.occurred_at < selection.deliveries_kept_from
            && selection.made_at < selection.deliveries_kept_from
            && !self.by_event.contains_key(&candidate.event_id)
    }

    /// Whether this is what is wanted.
    pub(crate) fn fits(&self, selection: &Selection, candidate: &Candidate) -> bool {
        let came = self.by_event.get(&candidate.event_id).copied().unwrap_or_default();
        let on_its_way = came.under_way
            || (self.undispatched.contains(&candidate.event_id)
                && selection.made_at_seq < candidate.seq);
        match selection.wanted {
            Wanted::All => true,
            Wanted::Failed => came.in_vain && !came.arrived && !on_its_way,
            Wanted::Missing => !came.arrived && !on_its_way,
        }
    }
}

/// A part of the log, looked at: the events that fit, in order, and how far it reaches.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) fitting: Vec<Candidate>,
    pub(crate) through: i64,
    /// Bytes of bodies that were read for it.
    pub(crate) bytes_read: usize,
}

/// What is sent of it, and how far that has come.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) sent: Vec<Candidate>,
    /// Events whose payload is kept no longer, or of which it is not known whether they arrived.
    pub(crate) skipped: i64,
    /// Those of which it is not known.
    pub(crate) forgotten: i64,
    pub(crate) through: i64,
}

impl Looked {
    /// Takes at most `room` events that can be sent; the rest is looked at again.
    pub(crate) fn take(self, room: usize) -> Taken {
        let through = self.through;
        let mut taken = Taken { sent: Vec::new(), skipped: 0, forgotten: 0, through };
        for candidate in self.fitting {
            if candidate.is_forgotten || !candidate.has_payload {
                taken.skipped += 1;
                taken.forgotten += i64::from(candidate.is_forgotten);
            } else if taken.sent.len() < room {
                taken.sent.push(candidate);
            } else {
                taken.through = candidate.position - 1;
                break;
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use tidings_events::EventType;

    use super::*;

    fn candidate(position: i64, has_payload: bool) -> Candidate {
        Candidate {
            position,
            seq: position * 10,
            event_id: EventId::from_uuid(Uuid::from_u128(position.unsigned_abs().into())),
            name: Some(EventName::Catalog(EventType::CustomerCreated)),
            occurred_at: Timestamp::from_micros(position * 10),
            subject_id: Uuid::from_u128(1),
            subject_version: position,
            has_payload,
            is_forgotten: false,
        }
    }

    fn selection(wanted: Wanted) -> Selection {
        Selection {
            subscribed: Filters::stored(["customer.*"]),
            narrowed: None,
            payload_filter: None,
            subject_id: None,
            from: None,
            to: None,
            wanted,
            made_at_seq: 50,
            made_at: Timestamp::from_micros(50),
            deliveries_kept_from: Timestamp::from_micros(0),
        }
    }

    #[test]
    fn types_object_and_instants_all_have_to_fit() {
        let all = || selection(Wanted::All);
        let at = |micros| Some(Timestamp::from_micros(micros));
        let narrowed = |text| Some(Filters::stored([text]));
        for (selection, wanted) in [
            (all(), true),
            (Selection { subscribed: Filters::stored(["customer.updated"]), ..all() }, false),
            (Selection { narrowed: narrowed("customer.created"), ..all() }, true),
            (Selection { narrowed: narrowed("customer.updated"), ..all() }, false),
            (Selection { subject_id: Some(Uuid::from_u128(1)), ..all() }, true),
            (Selection { subject_id: Some(Uuid::from_u128(2)), ..all() }, false),
            (Selection { from: at(70), ..all() }, true),
            (Selection { from: at(71), ..all() }, false),
            (Selection { to: at(71), ..all() }, true),
            (Selection { to: at(70), ..all() }, false),
        ] {
            assert_eq!(selection.fits(&candidate(7, true)), wanted, "{selection:?}");
        }
        let internal = EventName::Catalog(EventType::CustomerNoteAdded);
        let everything = Selection { subscribed: Filters::stored(["*"]), ..all() };
        assert!(!everything.fits(&Candidate { name: Some(internal), ..candidate(7, true) }));
        assert!(!everything.fits(&Candidate { name: None, ..candidate(7, true) }));
    }

    #[test]
    fn what_came_of_an_event_before_decides_whether_it_failed_or_is_missing() {
        use DeliveryStatus::{Delivered, Discarded, Exhausted, Pending, Waiting};
        let cases: [(&[DeliveryStatus], bool, bool); 8] = [
            (&[], false, true),
            (&[Delivered], false, false),
            (&[Pending], false, false),
            (&[Waiting], false, false),
            (&[Exhausted], true, true),
            (&[Discarded], true, true),
            (&[Exhausted, Delivered], false, false),
            (&[Exhausted, Waiting], false, false),
        ];
        for (statuses, failed, missing) in cases {
            let mut before = Before::default();
            let candidate = candidate(7, true);
            for status in statuses {
                before.add(candidate.event_id, *status);
            }
            let fits = |wanted| before.fits(&selection(wanted), &candidate);
            assert!(fits(Wanted::All));
            assert_eq!(
                (fits(Wanted::Failed), fits(Wanted::Missing)),
                (failed, missing),
                "{statuses:?}"
            );
        }
        // What is not fanned out yet is on its way, unless the subscription came after it.
        for (position, missing) in [(7, false), (3, true)] {
            let candidate = candidate(position, true);
            let mut before = Before::default();
            before.undispatched.insert(candidate.event_id);
            assert_eq!(before.fits(&selection(Wanted::Missing), &candidate), missing);
        }
    }

    #[test]
    fn what_retention_may_have_taken_is_not_missing() {
        let kept_from = |micros| Timestamp::from_micros(micros);
        let asked = |wanted, micros| Selection {
            deliveries_kept_from: kept_from(micros),
            ..selection(wanted)
        };
        // The event of position 7 happened at 70, and the subscription was made at 50.
        for (wanted, kept, position, forgotten) in [
            (Wanted::Missing, 71, 7, true),
            (Wanted::Missing, 70, 7, false),
            (Wanted::All, 71, 7, false),
            (Wanted::Failed, 71, 7, false),
            (Wanted::Missing, 71, 3, true),
            (Wanted::Missing, 50, 3, false),
        ] {
            let candidate = candidate(position, true);
            let before = Before::default();
            assert_eq!(before.has_forgotten(&asked(wanted, kept), &candidate), forgotten);
        }
        let mut known = Before::default();
        known.add(candidate(7, true).event_id, DeliveryStatus::Exhausted);
        assert!(!known.has_forgotten(&asked(Wanted::Missing, 71), &candidate(7, true)));
        let forgotten = Candidate { is_forgotten: true, ..candidate(1, true) };
        let fitting = vec![forgotten, candidate(2, false), candidate(3, true)];
        let taken = Looked { fitting, through: 3, bytes_read: 0 }.take(9);
        assert_eq!((taken.sent.len(), taken.skipped, taken.forgotten), (1, 2, 1));
    }

    #[test]
    fn what_there_is_no_room_for_is_looked_at_again() {
        let fitting = || [(1, true), (2, false), (4, true), (5, false), (6, true)];
        for (room, sent, skipped, through) in [
            (0, vec![], 0, 0),
            (1, vec![1], 1, 3),
            (2, vec![1, 4], 2, 5),
            (3, vec![1, 4, 6], 2, 9),
            (9, vec![1, 4, 6], 2, 9),
        ] {
            let fitting = fitting().map(|(position, has)| candidate(position, has)).to_vec();
            let taken = Looked { fitting, through: 9, bytes_read: 0 }.take(room);
            let positions: Vec<i64> = taken.sent.iter().map(|sent| sent.position).collect();
            assert_eq!((positions, taken.skipped, taken.through), (sent, skipped, through));
        }
    }
}
