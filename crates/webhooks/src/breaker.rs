//! When an endpoint is left alone: after failures in a row, or too many of the last ones.
//!
//! ```text
//!           10 failures in a row, or half of 20 and more within a minute
//!  closed ───────────────────────────────────────────────────────────────▶ open (30 s)
//!    ▲                                                                      │ time is up
//!    │ the probe arrives                                                    ▼
//!    └──────────────────────────────────────────────────────────────── half open
//!                    open for twice as long, at most 15 min ◀── the probe fails
//! ```

use std::time::Duration;

use tidings_kernel::Timestamp;

/// Failures in a row that open the breaker.
pub const IN_A_ROW: u32 = 10;
/// Outcomes of the last minute from which on their share of failures counts.
pub const SAMPLE_MIN: u32 = 20;
/// How far back outcomes are counted.
pub const SAMPLE_TIME: Duration = Duration::from_mins(1);
/// How long the breaker stays open at first.
pub const OPEN_MIN: Duration = Duration::from_secs(30);
/// The longest that it stays open.
pub const OPEN_MAX: Duration = Duration::from_mins(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// Nothing is sent before `until`.
    Open {
        until: Timestamp,
        wait: Duration,
    },
    /// One probe is under way, or about to be.
    HalfOpen {
        wait: Duration,
    },
}

/// The breaker of one endpoint. Waiting for it uses up no attempt; only the probe is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    in_a_row: u32,
    /// Outcomes and failures since `sample_began`.
    sample: (u32, u32),
    sample_began: Timestamp,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed,
            in_a_row: 0,
            sample: (0, 0),
            sample_began: Timestamp::from_micros(0),
        }
    }
}

impl Breaker {
    /// Until when nothing is sent. The first question after that time makes it half open.
    pub fn open_until(&mut self, now: Timestamp) -> Option<Timestamp> {
        match self.state {
            State::Open { until, .. } if now < until => Some(until),
            State::Open { wait, .. } => {
                self.state = State::HalfOpen { wait };
                None
            }
            State::Closed | State::HalfOpen { .. } => None,
        }
    }

    /// Until when nothing is sent, for whoever only looks.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        match self.state {
            State::Open { until, .. } if now < until => Some(until),
            State::Open { .. } | State::Closed | State::HalfOpen { .. } => None,
        }
    }

    /// Whether only one probe may be under way.
    pub const fn probes(&self) -> bool {
        matches!(self.state, State::HalfOpen { .. })
    }

    /// Whether attempts go out freely.
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Takes in how an attempt ended. Says whether this opened the breaker.
    pub fn settle(&mut self, arrived: bool, now: Timestamp) -> bool {
        if now.since(self.sample_began) >= SAMPLE_TIME {
            self.sample = (0, 0);
            self.sample_began = now;
        }
        self.sample.0 += 1;
        if arrived {
            self.in_a_row = 0;
            // Whatever is still under way from before the breaker opened tells nothing new, but an
            // arrival does.
            self.close();
            return false;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.sample.1 += 1;
        let (outcomes, failures) = self.sample;
        match self.state {
            State::HalfOpen { wait } => self.open((wait * 2).min(OPEN_MAX), now),
            State::Closed
                if self.in_a_row >= IN_A_ROW
                    || (outcomes >= SAMPLE_MIN && failures * 2 >= outcomes) =>
            {
                self.open(OPEN_MIN, now);
            }
            State::Closed | State::Open { .. } => return false,
        }
        true
    }

    fn open(&mut self, wait: Duration, now: Timestamp) {
        self.state = State::Open { until: now.after(wait), wait };
        self.sample = (0, 0);
        self.sample_began = now;
    }

    fn close(&mut self) {
        if !self.is_closed() {
            self.state = State::Closed;
            self.sample = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000 + seconds * 1_000_000)
    }

    fn failed(breaker: &mut Breaker, times: u32, now: Timestamp) -> bool {
        (0..times).any(|_| breaker.settle(false, now))
    }

    #[test]
    fn ten_failures_in_a_row_open_it_and_nine_do_not() {
        let mut breaker = Breaker::default();
        assert!(!failed(&mut breaker, 9, at(0)));
        assert!(!breaker.settle(true, at(0)));
        assert!(!failed(&mut breaker, 9, at(61)));
        assert!(breaker.settle(false, at(61)));
        assert_eq!(breaker.open_until(at(61)), Some(at(91)));
        assert_eq!(breaker.open_until(at(90)), Some(at(91)));
    }

    #[test]
    fn half_of_the_last_twenty_open_it() {
        let mut breaker = Breaker::default();
        let opened = (0..20).position(|n| breaker.settle(n % 2 == 0, at(n)));
        assert_eq!(opened, Some(19));
        let mut healthy = Breaker::default();
        assert!((0..300).all(|n| !healthy.settle(n % 3 != 0, at(n / 10))));
    }

    #[test]
    fn a_probe_that_fails_doubles_the_wait_up_to_a_quarter_of_an_hour() {
        let mut breaker = Breaker::default();
        failed(&mut breaker, 10, at(0));
        let mut now = at(0);
        for wait in [30, 60, 120, 240, 480, 900, 900] {
            let until = now.after(Duration::from_secs(wait));
            assert_eq!(breaker.open_until(now), Some(until));
            now = until;
            assert_eq!(breaker.open_until(now), None);
            assert!(breaker.probes());
            assert!(breaker.settle(false, now));
        }
    }

    #[test]
    fn a_probe_that_arrives_closes_it_and_forgets() {
        let mut breaker = Breaker::default();
        failed(&mut breaker, 10, at(0));
        assert_eq!(breaker.open_until(at(30)), None);
        assert!(!breaker.settle(true, at(31)));
        assert!(breaker.is_closed() && !breaker.probes());
        assert!(!failed(&mut breaker, 9, at(32)));
        assert!(breaker.settle(false, at(32)));
        assert_eq!(breaker.open_until(at(32)), Some(at(62)));
    }

    #[test]
    fn failures_that_were_under_way_when_it_opened_open_nothing_again() {
        let mut breaker = Breaker::default();
        failed(&mut breaker, 10, at(0));
        assert!(!failed(&mut breaker, 50, at(20)));
        assert_eq!(breaker.open_until(at(20)), Some(at(30)));
    }
}
