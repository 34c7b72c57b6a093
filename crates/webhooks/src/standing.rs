//! What an endpoint has shown of itself lately: whether it belongs into the slow lane.

use std::time::Duration;

/// An endpoint that takes longer than this on average is slow.
pub const SLOW: Duration = Duration::from_secs(2);
/// Attempts that are remembered.
const REMEMBERED: u32 = 20;

/// What an endpoint has shown of itself lately.
///
/// One that never answered well since the process started has shown nothing, and counts as slow: a
/// crowd of dead endpoints must not take everybody's slots before it is known to be dead. The first
/// answer that arrives in time ends that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    proven: bool,
    /// The moving average of how long attempts took, in microseconds.
    average: u64,
    /// The last attempts, one bit each; a set bit is a failure.
    failures: u32,
    attempts: u32,
}

impl Standing {
    /// Takes in how an attempt ended and how long it took.
    pub fn settle(&mut self, arrived: bool, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX / 8);
        // The latest counts for an eighth, and the first for all.
        self.average =
            if self.attempts == 0 { took } else { self.average - self.average / 8 + took / 8 };
        self.failures = (self.failures << 1 | u32::from(!arrived)) & ((1 << REMEMBERED) - 1);
        self.attempts = (self.attempts + 1).min(REMEMBERED);
        self.proven |= arrived;
    }

    /// Whether it gets only of the share that slow endpoints have among them.
    pub fn is_slow(&self) -> bool {
        let slow = u128::from(self.average) > SLOW.as_micros();
        !self.proven || slow || self.failures.count_ones() * 2 > self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_millis(20);

    /// How often, whether it arrived, how long it took.
    type Outcomes<'a> = &'a [(u32, bool, Duration)];

    fn after(outcomes: Outcomes<'_>) -> bool {
        let mut standing = Standing::default();
        for &(times, arrived, took) in outcomes {
            (0..times).for_each(|_| standing.settle(arrived, took));
        }
        standing.is_slow()
    }

    #[test]
    fn slow_is_who_has_shown_nothing_takes_long_or_mostly_fails() {
        let table: &[(Outcomes<'_>, bool)] = &[
            (&[], true),
            (&[(1, true, FAST)], false),
            (&[(1, false, FAST)], true),
            (&[(5, false, FAST), (5, true, FAST)], false),
            (&[(20, true, FAST), (10, false, FAST)], false),
            (&[(20, true, FAST), (11, false, FAST)], true),
            (&[(20, true, FAST), (11, false, FAST), (2, true, FAST)], true),
            (&[(20, true, FAST), (11, false, FAST), (10, true, FAST)], false),
            (&[(1, true, Duration::from_secs(3))], true),
            (&[(20, true, Duration::from_secs(3)), (20, true, FAST)], false),
            (&[(20, true, FAST), (1, true, Duration::from_secs(15))], false),
            (&[(20, true, FAST), (3, true, Duration::from_secs(15))], true),
        ];
        for (outcomes, wanted) in table {
            assert_eq!(after(outcomes), *wanted, "{outcomes:?}");
        }
    }
}
