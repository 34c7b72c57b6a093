//! Deliveries with a row that this process works on.

use std::collections::HashSet;

use tidings_kernel::DeliveryId;

/// Deliveries with a row that this process works on, so that none is taken up twice.
///
/// Rows are read first and taken up then. One that was finished in between was read too early and
/// must not be taken up, though nobody works on it any more: it is remembered until the next read.
#[derive(Debug, Default)]
pub(super) struct InHand {
    busy: HashSet<DeliveryId>,
    finished: HashSet<DeliveryId>,
}

impl InHand {
    /// Rows are about to be read: they show whatever was finished before.
    pub(super) fn begin_read(&mut self) {
        self.finished.clear();
    }

    /// Takes up a delivery that was read; not one that is in hand, or was until after the read.
    pub(super) fn take(&mut self, id: DeliveryId) -> bool {
        !self.finished.contains(&id) && self.busy.insert(id)
    }

    /// The delivery's row tells what follows.
    pub(super) fn finish(&mut self, id: DeliveryId) {
        if self.busy.remove(&id) {
            self.finished.insert(id);
        }
    }

    /// The delivery was not taken up after all.
    pub(super) fn give_back(&mut self, id: DeliveryId) {
        self.busy.remove(&id);
    }

    /// How many are in hand.
    pub(super) fn len(&self) -> usize {
        self.busy.len()
    }

    /// Nothing is in hand any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use tidings_kernel::Uuid;

    use super::*;

    #[test]
    fn what_was_finished_after_the_read_is_not_taken_up_again() {
        let id = DeliveryId::from_uuid(Uuid::from_u128(7));
        let mut in_hand = InHand::default();
        in_hand.begin_read();
        assert!(in_hand.take(id));
        assert!(!in_hand.take(id));
        // The next read began while it was under way, and it ends before it is looked at.
        in_hand.begin_read();
        in_hand.finish(id);
        assert!(!in_hand.take(id));
        // A later read shows its end, or its next due time.
        in_hand.begin_read();
        assert!(in_hand.take(id));
        in_hand.give_back(id);
        assert!(in_hand.take(id));
        assert_eq!(in_hand.len(), 1);
    }
}
