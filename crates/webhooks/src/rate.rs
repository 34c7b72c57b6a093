//! How many deliveries a second an endpoint wants at most.

use std::time::Duration;

use tidings_kernel::Timestamp;

/// The gate of one endpoint: a delivery goes out now, or gets the next free instant.
///
/// Instants are given out in order. What comes new while others wait for theirs gets one behind
/// them; what comes back at its instant finds it free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    interval: Duration,
    /// When the next delivery may go out.
    free_at: Timestamp,
    /// The last instant that was given out.
    last_given: Timestamp,
}

/// How far ahead of its pace an endpoint may be served: bursts of a second are no harm.
const BURST: Duration = Duration::from_secs(1);

impl Rate {
    /// A gate that lets `per_second` deliveries through; at least one.
    pub fn new(per_second: u32) -> Self {
        let never = Timestamp::from_micros(0);
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, free_at: never, last_given: never }
    }

    /// The last instant that was given out, while somebody waits for it.
    pub fn given_until(&self, now: Timestamp) -> Option<Timestamp> {
        (self.last_given > now).then_some(self.last_given)
    }

    /// Lets a delivery through, or says when to come back. `returning` is one that was told so.
    pub fn admit(&mut self, returning: bool, now: Timestamp) -> Result<(), Timestamp> {
        let others_wait = self.last_given > now;
        let ahead = self.free_at > now.after(BURST.saturating_sub(self.interval));
        if ahead || (others_wait && !returning) {
            let next = self.last_given.max(self.free_at.before(BURST)).max(now);
            self.last_given = next.after(self.interval);
            return Err(self.last_given);
        }
        self.free_at = self.free_at.max(now).after(self.interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000 + millis * 1_000)
    }

    #[test]
    fn a_burst_of_a_second_goes_out_and_the_rest_is_spread() {
        let mut rate = Rate::new(10);
        assert!((0..10).all(|_| rate.admit(false, at(0)).is_ok()));
        let given: Vec<_> = (0..3).map(|_| rate.admit(false, at(0)).unwrap_err()).collect();
        assert_eq!(given, [at(100), at(200), at(300)]);
        assert_eq!(rate.given_until(at(299)), Some(at(300)));
        assert_eq!(rate.given_until(at(300)), None, "nobody waits any more");
        // What comes new goes behind those that wait, even when there is room.
        assert_eq!(rate.admit(false, at(150)), Err(at(400)));
        for instant in given {
            assert_eq!(rate.admit(true, instant), Ok(()));
        }
        assert_eq!(rate.admit(true, at(400)), Ok(()));
    }

    #[test]
    fn over_any_time_no_more_go_out_than_asked_for_and_one_burst() {
        let mut rate = Rate::new(7);
        let mut waiting: Vec<Timestamp> = Vec::new();
        let mut out = 0;
        for step in 0..10_000 {
            let now = at(step);
            let due = waiting.iter().filter(|at| **at <= now).count();
            waiting.retain(|at| *at > now);
            for returning in std::iter::repeat_n(true, due).chain([false]) {
                match rate.admit(returning, now) {
                    Ok(()) => out += 1,
                    Err(at) => waiting.push(at),
                }
            }
        }
        assert!((70..=78).contains(&out), "{out} in ten seconds");
    }
}
