//! What one write of outcomes settled, and the place among such writes that a stream goes on from.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tidings_kernel::{DeliveryId, Timestamp};

use crate::delivery::DeliveryStatus;

/// How long it is known what was settled: long enough for whoever follows live to come back.
pub(crate) const KEPT_FOR: Duration = Duration::from_hours(1);
/// Attempts in one row, so that a window of rows is a bounded number of attempts.
pub(crate) const ATTEMPTS_OF_ROW_MAX: usize = 100;

/// An attempt whose outcome is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) delivery_id: DeliveryId,
    pub(crate) attempt: u32,
    /// What the delivery was after it.
    pub(crate) outcome: DeliveryStatus,
}

/// What one write settled, for one tenant.
#[derive(Debug, Clone)]
pub(crate) struct Settlement {
    /// Its place in the order of commits.
    pub(crate) order: (i64, i64),
    pub(crate) settled_at: Timestamp,
    pub(crate) attempts: Vec<Settled>,
}

/// Up to where a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The last settlement that was looked at; `(0, 0)` before the first.
    pub(crate) order: (i64, i64),
    /// How many of its attempts were.
    pub(crate) taken: usize,
    /// Until when nothing was missed.
    pub(crate) seen_at: Timestamp,
}

/// No place is written so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a place that the stream gave as id, or 0 for everything that is known")]
pub(crate) struct NoPlace;

/// The instant of a place that asks for what there is, however much has gone.
const WHATEVER_IS_LEFT: Timestamp = Timestamp::from_micros(0);

impl Place {
    /// Before everything that is still known.
    pub(crate) const fn beginning() -> Self {
        Self { order: (0, 0), taken: 0, seen_at: WHATEVER_IS_LEFT }
    }

    /// Behind everything that was known at an instant.
    pub(crate) fn behind(last: Option<&Settlement>, now: Timestamp) -> Self {
        let (order, taken) = last.map_or(((0, 0), 0), |row| (row.order, row.attempts.len()));
        Self { order, taken, seen_at: now }
    }

    /// Whether some of what came after this place may have gone. `first` is what is known of its own
    /// settlement or behind it.
    pub(crate) fn may_have_lost(self, first: Option<&Settlement>, now: Timestamp) -> bool {
        let is_there = first.is_some_and(|first| first.order == self.order);
        self.seen_at != WHATEVER_IS_LEFT && !is_there && self.seen_at.after(KEPT_FOR) < now
    }

    /// The attempts behind this place, each with the place behind it and its instant.
    pub(crate) fn behind_it(self, rows: &[Settlement]) -> Vec<(Self, Timestamp, Settled)> {
        let mut found = Vec::new();
        for row in rows {
            let taken = if row.order == self.order { self.taken } else { 0 };
            for (number, settled) in row.attempts.iter().enumerate().skip(taken) {
                let seen_at = row.settled_at;
                let place = Self { order: row.order, taken: number + 1, seen_at };
                found.push((place, row.settled_at, *settled));
            }
        }
        found
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order: (xid, seq), taken, seen_at } = self;
        write!(f, "{xid}-{seq}-{taken}-{}", seen_at.micros())
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        if text == "0" {
            return Ok(Self::beginning());
        }
        let numbers: Option<Vec<i64>> = text.split('-').map(|part| part.parse().ok()).collect();
        let &[xid, seq, taken, seen_at] = numbers.as_deref().unwrap_or_default() else {
            return Err(NoPlace);
        };
        let taken = usize::try_from(taken).map_err(|_| NoPlace)?;
        // A sign is a fifth part, so no number is below zero.
        Ok(Self { order: (xid, seq), taken, seen_at: Timestamp::from_micros(seen_at) })
    }
}

#[cfg(test)]
mod tests {
    use tidings_kernel::Uuid;

    use super::*;

    fn settled(number: u128) -> Settled {
        let delivery_id = DeliveryId::from_uuid(Uuid::from_u128(number));
        Settled { delivery_id, attempt: 1, outcome: DeliveryStatus::Delivered }
    }

    fn row(seq: i64, attempts: &[u128]) -> Settlement {
        let attempts = attempts.iter().map(|number| settled(*number)).collect();
        Settlement { order: (7, seq), settled_at: Timestamp::from_micros(seq * 10), attempts }
    }

    #[test]
    fn a_place_is_read_as_it_is_written_and_nothing_else_is() {
        let place = Place { order: (7, 3), taken: 2, seen_at: Timestamp::from_micros(99) };
        assert_eq!(place.to_string(), "7-3-2-99");
        assert_eq!("7-3-2-99".parse(), Ok(place));
        assert_eq!("0".parse(), Ok(Place::beginning()));
        for wrong in ["", "1", "1-2-3", "1-2-3-4-5", "1-2-x-4", "-1-2-3-4", "1--2-3-4", "evt_1"] {
            assert_eq!(wrong.parse::<Place>(), Err(NoPlace), "{wrong}");
        }
    }

    #[test]
    fn what_was_taken_is_not_taken_again_and_what_follows_is() {
        let rows = [row(1, &[1, 2, 3]), row(2, &[4])];
        for (order, taken, found) in [
            ((0, 0), 0, vec![1, 2, 3, 4]),
            ((7, 1), 0, vec![1, 2, 3, 4]),
            ((7, 1), 2, vec![3, 4]),
            ((7, 1), 3, vec![4]),
            ((7, 1), 9, vec![4]),
            ((7, 2), 1, vec![1, 2, 3]),
        ] {
            let place = Place { order, taken, seen_at: Timestamp::from_micros(0) };
            let behind = place.behind_it(&rows);
            let ids: Vec<u128> =
                behind.iter().map(|(_, _, settled)| settled.delivery_id.uuid().as_u128()).collect();
            assert_eq!(ids, found, "{place}");
        }
        let behind = Place::beginning().behind_it(&rows);
        assert_eq!(behind[3].0.to_string(), "7-2-1-20");
        assert!(behind[3].0.behind_it(&rows[1..]).is_empty());
    }

    #[test]
    fn only_what_is_old_and_gone_may_be_lost() {
        let hour = 3_600_000_000;
        let (kept, other) = (row(3, &[1]), row(4, &[1]));
        for (seen_at, first, now, lost) in [
            (1, Some(&kept), 2 * hour, false),
            (1, Some(&other), 2 * hour, true),
            (1, None, 2 * hour, true),
            (1, Some(&other), hour, false),
            (1, None, hour, false),
            (0, None, 2 * hour, false),
        ] {
            let seen_at = Timestamp::from_micros(seen_at);
            let place = Place { order: (7, 3), taken: 1, seen_at };
            assert_eq!(place.may_have_lost(first, Timestamp::from_micros(now)), lost, "{first:?}");
        }
    }
}
