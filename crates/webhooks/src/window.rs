//! How many deliveries one endpoint may have in flight: more while it answers well, fewer when it
//! does not.

use std::time::Duration;

use tidings_kernel::limits::{WINDOW_MAX, WINDOW_START};

use crate::plan::Outcome;

/// An answer within this time is a quick one.
pub const QUICK: Duration = Duration::from_secs(2);

/// The window of one endpoint: it grows by one for each windowful of quick answers, and halves
/// when the endpoint throttles, times out or cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    size: usize,
    /// Quick answers since the size last changed.
    quick: usize,
    /// Outcomes of deliveries that were in flight at the last halving: they tell what it told.
    stale: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: WINDOW_START, quick: 0, stale: 0 }
    }
}

impl Window {
    /// A window as a new endpoint has it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The window of an endpoint that has just come back.
    pub const fn after_outage() -> Self {
        Self { size: 1, quick: 0, stale: 0 }
    }

    /// How many deliveries may be in flight.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Whether one more may be sent while `in_flight` are.
    pub const fn has_room(&self, in_flight: usize) -> bool {
        in_flight < self.size
    }

    /// Takes in how an attempt ended and how long it took.
    ///
    /// Of the deliveries that are in flight together, one bad end halves; the others would only
    /// repeat it. Answers that say nothing about load, such as 404 or 500, leave the size as it is.
    pub fn settle(&mut self, outcome: Outcome, took: Duration) {
        let stale = self.stale > 0;
        self.stale = self.stale.saturating_sub(1);
        match outcome {
            Outcome::Failed(_) | Outcome::Status { status: 429 | 502 | 503 | 504, .. } => {
                if !stale {
                    self.stale = self.size - 1;
                    self.size = (self.size / 2).max(1);
                    self.quick = 0;
                }
            }
            Outcome::Status { status: 200..=299, .. } if took <= QUICK => {
                self.quick += 1;
                if self.quick >= self.size {
                    self.size = (self.size + 1).min(WINDOW_MAX);
                    self.quick = 0;
                }
            }
            Outcome::Status { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FAST: Duration = Duration::from_millis(50);
    const SLOW: Duration = Duration::from_millis(2_001);

    fn status(status: u16) -> Outcome {
        Outcome::Status { status, retry_after_seconds: None }
    }

    /// How often in turn an outcome came, and how long each took.
    type Run = (usize, Outcome, Duration);

    fn after(outcomes: &[Run]) -> usize {
        let mut window = Window::new();
        for &(times, outcome, took) in outcomes {
            for _ in 0..times {
                window.settle(outcome, took);
            }
        }
        window.size()
    }

    #[test]
    fn it_grows_on_quick_answers_and_halves_on_trouble() {
        let fine = |times| (times, status(200), FAST);
        let refused = Outcome::Failed("refused");
        let table: &[(&[Run], usize)] = &[
            (&[], 4),
            (&[fine(3)], 4),
            (&[fine(4)], 5),
            (&[fine(4), (5, status(204), QUICK)], 6),
            (&[fine(10_000)], WINDOW_MAX),
            (&[(1_000, status(200), SLOW)], 4),
            (&[(1_000, status(500), FAST), (9, status(404), FAST), (9, status(302), FAST)], 4),
            (&[(1, status(410), FAST)], 4),
            (&[(1, status(429), FAST)], 2),
            (&[(1, status(502), FAST)], 2),
            (&[(1, status(503), FAST)], 2),
            (&[(1, status(504), FAST)], 2),
            (&[(1, Outcome::Failed("timeout.head"), SLOW)], 2),
            (&[(4, refused, FAST)], 2),
            (&[(5, refused, FAST)], 1),
            (&[(1_000, refused, FAST)], 1),
            (&[(1_000, refused, FAST), fine(2)], 2),
            (&[fine(10_000), (64, status(429), FAST)], 32),
            (&[fine(10_000), (65, status(429), FAST)], 16),
            (&[fine(3), (1, refused, FAST), fine(1)], 2),
        ];
        for (outcomes, wanted) in table {
            assert_eq!(after(outcomes), *wanted, "{outcomes:?}");
        }
    }

    #[test]
    fn there_is_room_below_the_size() {
        let window = Window::new();
        for (in_flight, room) in [(0, true), (3, true), (4, false), (5, false)] {
            assert_eq!(window.has_room(in_flight), room, "{in_flight}");
        }
    }

    proptest! {
        #[test]
        fn the_size_stays_within_its_bounds(
            outcomes in proptest::collection::vec((any::<u16>(), any::<bool>(), 0_u64..4), 0..500),
        ) {
            let mut window = Window::new();
            for (code, failed, seconds) in outcomes {
                let outcome = if failed { Outcome::Failed("reset") } else { status(code) };
                window.settle(outcome, Duration::from_secs(seconds));
                prop_assert!((1..=WINDOW_MAX).contains(&window.size()));
            }
        }
    }
}
