//! Who this process is, and what it works on as that.

use std::collections::HashSet;

use tidings_kernel::{DeliveryId, EventId, NodeId};

use super::holding::is_held_by;

/// What this process works on, so that nothing is taken up twice: events by their pointer, and
/// deliveries by their row.
///
/// Rows are read first and taken up then. One that was finished in between was read too early and
/// must not be taken up, though nobody works on it any more: it is remembered until the next read.
///
/// Identity and hands change together: whoever took something up as the node that was fenced can
/// neither take up nor finish anything as the node that came after it.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq))]
pub(super) struct InHand {
    holder: NodeId,
    events: HashSet<EventId>,
    busy: HashSet<DeliveryId>,
    finished: HashSet<DeliveryId>,
}

impl InHand {
    /// Nothing is in the hands of a node that has just joined.
    pub(super) fn of(holder: NodeId) -> Self {
        let (events, busy, finished) = (HashSet::new(), HashSet::new(), HashSet::new());
        Self { holder, events, busy, finished }
    }

    /// The node that this process is at present.
    pub(super) const fn holder(&self) -> NodeId {
        self.holder
    }

    /// The process goes on as another node, with nothing in hand.
    pub(super) fn begin_again(&mut self, holder: NodeId) {
        *self = Self::of(holder);
    }

    fn is(&self, holder: NodeId) -> bool {
        is_held_by(&self.holder, &holder)
    }

    /// Takes up an event whose pointer `holder` has; not one that is in hand.
    pub(super) fn take_event(&mut self, holder: NodeId, id: EventId) -> bool {
        self.is(holder) && self.events.insert(id)
    }

    /// The event has no pointer any more, or is left to it.
    pub(super) fn finish_event(&mut self, holder: NodeId, id: EventId) {
        if self.is(holder) {
            self.events.remove(&id);
        }
    }

    /// Rows are about to be read: they show whatever was finished before.
    pub(super) fn begin_read(&mut self) {
        self.finished.clear();
    }

    /// Takes up a delivery that was read; not one that is in hand, or was until after the read.
    pub(super) fn take(&mut self, holder: NodeId, id: DeliveryId) -> bool {
        self.is(holder) && !self.finished.contains(&id) && self.busy.insert(id)
    }

    /// The delivery's row tells what follows.
    pub(super) fn finish(&mut self, holder: NodeId, id: DeliveryId) {
        if self.is(holder) && self.busy.remove(&id) {
            self.finished.insert(id);
        }
    }

    /// The delivery was not taken up after all.
    pub(super) fn give_back(&mut self, holder: NodeId, id: DeliveryId) {
        if self.is(holder) {
            self.busy.remove(&id);
        }
    }

    /// How many deliveries are in hand.
    pub(super) fn len(&self) -> usize {
        self.busy.len()
    }
}

/// The model holds it as part of its state.
#[cfg(test)]
impl std::hash::Hash for InHand {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        let mut events: Vec<_> = self.events.iter().collect();
        let mut busy: Vec<_> = self.busy.iter().collect();
        let mut finished: Vec<_> = self.finished.iter().collect();
        events.sort_unstable();
        busy.sort_unstable();
        finished.sort_unstable();
        (self.holder, events, busy, finished).hash(hasher);
    }
}

#[cfg(test)]
impl InHand {
    /// Whether nothing is worked on.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.busy.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use tidings_kernel::Uuid;

    use super::*;

    fn node(number: u128) -> NodeId {
        NodeId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn what_was_finished_after_the_read_is_not_taken_up_again() {
        let id = DeliveryId::from_uuid(Uuid::from_u128(7));
        let mut in_hand = InHand::of(node(1));
        in_hand.begin_read();
        assert!(in_hand.take(node(1), id));
        assert!(!in_hand.take(node(1), id));
        // The next read began while it was under way, and it ends before it is looked at.
        in_hand.begin_read();
        in_hand.finish(node(1), id);
        assert!(!in_hand.take(node(1), id));
        // A later read shows its end, or its next due time.
        in_hand.begin_read();
        assert!(in_hand.take(node(1), id));
        in_hand.give_back(node(1), id);
        assert!(in_hand.take(node(1), id));
        assert_eq!(in_hand.len(), 1);
    }

    #[test]
    fn who_was_fenced_takes_and_finishes_nothing_any_more() {
        let (event, id) =
            (EventId::from_uuid(Uuid::from_u128(3)), DeliveryId::from_uuid(Uuid::from_u128(7)));
        let mut in_hand = InHand::of(node(1));
        assert!(in_hand.take_event(node(1), event) && in_hand.take(node(1), id));
        in_hand.begin_again(node(2));
        assert!(!in_hand.take_event(node(1), event) && !in_hand.take(node(1), id));
        assert!(in_hand.take_event(node(2), event) && in_hand.take(node(2), id));
        in_hand.finish_event(node(1), event);
        in_hand.finish(node(1), id);
        assert!(!in_hand.take_event(node(2), event) && !in_hand.take(node(2), id));
    }
}
