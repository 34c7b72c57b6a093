//! What the database is told of a delivery: decisions without a database or a clock.

use tidings_kernel::Timestamp;

use crate::delivery::{DeliveryEdge, DeliveryStatus};
use crate::plan::NextStep;

/// How far a delivery has come, as its row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Progress {
    pub(super) status: DeliveryStatus,
    pub(super) attempts: u32,
    pub(super) next_attempt_at: Option<Timestamp>,
}

impl Progress {
    /// Of a delivery that was not tried yet and waits in the database.
    pub(super) const fn untried(until: Timestamp) -> Self {
        Self { status: DeliveryStatus::Pending, attempts: 0, next_attempt_at: Some(until) }
    }

    /// After attempt `number` of a delivery that had been tried `before` times. Where nothing was
    /// sent, both are the same.
    pub(super) fn after(before: u32, number: u32, next: NextStep) -> Self {
        let status = if before == 0 { DeliveryStatus::Pending } else { DeliveryStatus::Waiting };
        Self {
            // Every step follows from an attempt of a delivery that has not ended, so the edge is
            // legal.
            status: status.next(DeliveryEdge::from(next)).unwrap_or(status),
            attempts: number,
            next_attempt_at: match next {
                NextStep::Wait { until } => Some(until),
                NextStep::Delivered | NextStep::Exhausted | NextStep::Gone => None,
            },
        }
    }
}

/// How an item that is parked waits in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parking {
    /// As a row that is written now.
    NewRow,
    /// Its row waits longer.
    Longer,
    /// Its row says all there is to say: it is due already.
    AsItIs,
}

/// How an item waits until an instant.
pub(super) fn parking(is_stored: bool, until: Timestamp, now: Timestamp) -> Parking {
    match (is_stored, until > now) {
        (false, _) => Parking::NewRow,
        (true, true) => Parking::Longer,
        (true, false) => Parking::AsItIs,
    }
}

/// What ends with the row of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Closing {
    /// The work on a delivery that was taken up by its row.
    Delivery,
    /// The pointer of its event: it was the last of its pairs without a row.
    Pointer,
    /// Nothing: other pairs of its event are on their way.
    Nothing,
}

/// What ends with the row of an item. `close_one` says that one more pair of its event has its row,
/// and whether it was the last.
pub(super) fn closing(is_stored: bool, close_one: impl FnOnce() -> bool) -> Closing {
    if is_stored {
        Closing::Delivery
    } else if close_one() {
        Closing::Pointer
    } else {
        Closing::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_written_as_it_is() {
        use DeliveryStatus::{Delivered, Discarded, Exhausted, Waiting};
        let until = Timestamp::from_micros(7);
        for (before, number, next, wanted) in [
            (0, 1, NextStep::Delivered, (Delivered, 1, None)),
            (0, 1, NextStep::Wait { until }, (Waiting, 1, Some(until))),
            (0, 0, NextStep::Gone, (Discarded, 0, None)),
            (2, 3, NextStep::Wait { until }, (Waiting, 3, Some(until))),
            (9, 10, NextStep::Exhausted, (Exhausted, 10, None)),
        ] {
            let Progress { status, attempts, next_attempt_at } =
                Progress::after(before, number, next);
            assert_eq!((status, attempts, next_attempt_at), wanted, "{before} {next:?}");
        }
        let untried = Progress::untried(until);
        assert_eq!((untried.status, untried.attempts), (DeliveryStatus::Pending, 0));
        assert_eq!(untried.next_attempt_at, Some(until));
    }

    #[test]
    fn a_row_that_is_due_already_is_left_alone() {
        let at = Timestamp::from_micros;
        for (is_stored, until, wanted) in [
            (false, 4, Parking::NewRow),
            (false, 6, Parking::NewRow),
            (true, 4, Parking::AsItIs),
            (true, 5, Parking::AsItIs),
            (true, 6, Parking::Longer),
        ] {
            assert_eq!(parking(is_stored, at(until), at(5)), wanted, "{is_stored} {until}");
        }
    }

    #[test]
    fn only_the_last_pair_without_a_row_closes_the_pointer() {
        assert_eq!(closing(false, || true), Closing::Pointer);
        assert_eq!(closing(false, || false), Closing::Nothing);
        assert_eq!(closing(true, || panic!("it has no pointer to count for")), Closing::Delivery);
    }
}
