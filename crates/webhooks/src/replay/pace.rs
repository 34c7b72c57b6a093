//! At which instants the next deliveries of a replay are due.

use std::time::Duration;

use tidings_kernel::{Timestamp, limits};

/// How far ahead deliveries are planned: twice the time between two looks, so that a look that is
/// late leaves no gap.
const AHEAD: Duration = Duration::from_secs(2);
/// The time between two looks at a replay.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The same while its subscription sends nothing.
pub(crate) const LOOK_AT_PAUSED_EVERY: Duration = Duration::from_secs(30);

/// The instants of the next deliveries, at most as many as there is room for, and the first instant
/// after them at which one more keeps the pace. What was not used of the past is not made up for.
pub(crate) fn instants(
    (free_at, now): (Timestamp, Timestamp),
    rate_per_second: u32,
    under_way: i64,
) -> Vec<Timestamp> {
    let interval = interval(rate_per_second);
    let room = (limits::REPLAY_UNDER_WAY_MAX - under_way).clamp(0, limits::REPLAY_BATCH_MAX);
    let first = free_at.max(now);
    let end = now.after(AHEAD);
    (0..u32::try_from(room).unwrap_or(0))
        .map(|number| first.after(interval * number))
        .take_while(|instant| *instant < end)
        .collect()
}

/// The time between two deliveries.
pub(crate) fn interval(rate_per_second: u32) -> Duration {
    Duration::from_secs(1) / rate_per_second.max(1)
}

/// What a replay waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing: there is more to look at.
    Nothing,
    /// The pace, or a position of the log that is not given yet.
    Time,
    /// The end of something that is under way.
    Ends,
}

/// When a replay is looked at again; `next_due` is when the first of what is under way is due.
pub(crate) fn next_look(now: Timestamp, wait: Wait, next_due: Option<Timestamp>) -> Timestamp {
    let soon = now.after(LOOK_EVERY);
    match wait {
        Wait::Nothing => now,
        Wait::Time => soon,
        Wait::Ends => next_due.map_or(soon, |due| soon.max(due.after(LOOK_EVERY))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000 + millis * 1_000)
    }

    #[test]
    fn deliveries_are_spread_over_the_next_two_seconds() {
        let cases: [(i64, u32, i64, &[i64]); 6] = [
            (0, 1, 0, &[0, 1_000]),
            (-5_000, 2, 0, &[0, 500, 1_000, 1_500]),
            (1_200, 2, 0, &[1_200, 1_700]),
            (2_000, 2, 0, &[]),
            (0, 2, limits::REPLAY_UNDER_WAY_MAX - 1, &[0]),
            (0, 2, limits::REPLAY_UNDER_WAY_MAX + 5, &[]),
        ];
        for (free_at, rate, under_way, wanted) in cases {
            let found = instants((at(free_at), at(0)), rate, under_way);
            let wanted: Vec<Timestamp> = wanted.iter().map(|millis| at(*millis)).collect();
            assert_eq!(found, wanted, "{free_at} {rate} {under_way}");
        }
        let fastest = instants((at(0), at(0)), limits::REPLAY_RATE_MAX, 0);
        assert_eq!(fastest.len() as i64, limits::REPLAY_BATCH_MAX);
    }

    #[test]
    fn a_replay_that_waits_for_a_retry_is_not_looked_at_every_second() {
        for (wait, next_due, wanted) in [
            (Wait::Nothing, Some(60_000), 0),
            (Wait::Time, Some(60_000), 1_000),
            (Wait::Ends, None, 1_000),
            (Wait::Ends, Some(-9), 1_000),
            (Wait::Ends, Some(60_000), 61_000),
        ] {
            let found = next_look(at(0), wait, next_due.map(at));
            assert_eq!(found, at(wanted), "{wait:?} {next_due:?}");
        }
    }
}
