//! What follows an attempt: delivered, wait, give up, or gone. Pure, total, in integers only.

use std::time::Duration;

use tidings_kernel::Timestamp;
use tidings_kernel::limits::RETRY_AFTER_MAX;

/// The most that jitter adds to a wait.
pub const JITTER_MAX: Duration = Duration::from_mins(15);
/// The least that jitter adds from the third attempt on, so that a herd does not stay in step.
pub const JITTER_MIN: Duration = Duration::from_secs(2);
/// Jitter is at most this part of the wait: a fifth.
const JITTER_DIVISOR: u32 = 5;
/// From this attempt on, jitter is at least [`JITTER_MIN`].
const JITTER_MIN_FROM: u32 = 3;
/// How far the last attempt may lie from the first, where `Retry-After` stretches the schedule.
pub const STRETCHED_MAX: Duration = Duration::from_hours(5 * 24);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint answered.
    Status {
        /// The status code, whatever it is.
        status: u16,
        /// How long the endpoint asked to be left alone, where it did so intelligibly.
        retry_after_seconds: Option<u64>,
    },
    /// There was no answer; the class of the failure: `timeout.connect`, `tls`, `dns`, …
    Failed(&'static str),
}

impl Outcome {
    /// The class of this outcome, for attempt records and metrics.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Status { status, .. } => class_of(status),
            Self::Failed(class) => class,
        }
    }

    const fn retry_after(self) -> Duration {
        match self {
            Self::Status { retry_after_seconds: Some(seconds), .. } => Duration::from_secs(seconds),
            Self::Status { retry_after_seconds: None, .. } | Self::Failed(_) => Duration::ZERO,
        }
    }
}

/// The class of a status: `success`, `redirect`, `gone`, `throttle`, or `http` for all others.
pub const fn class_of(status: u16) -> &'static str {
    match status {
        200..=299 => "success",
        300..=399 => "redirect",
        410 => "gone",
        429 | 502 | 503 | 504 => "throttle",
        _ => "http",
    }
}

/// When to try again: a schedule that an endpoint chooses by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RetryPolicy {
    /// The schedule of Standard Webhooks: ten attempts over some 76 hours.
    #[default]
    Standard,
    /// Three retries: after five minutes, one hour and six hours.
    Original,
}

impl RetryPolicy {
    /// Every policy.
    pub const ALL: &[Self] = &[Self::Standard, Self::Original];

    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Original => "original",
        }
    }

    /// The policy with this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|policy| policy.name() == name)
    }

    /// The wait before each attempt, before jitter; the first goes out at once.
    pub const fn schedule(self) -> &'static [Duration] {
        match self {
            Self::Standard => STANDARD,
            Self::Original => ORIGINAL,
        }
    }

    /// How often a delivery is tried.
    pub fn attempts_max(self) -> u32 {
        u32::try_from(self.schedule().len()).unwrap_or(u32::MAX)
    }
}

const STANDARD: &[Duration] = &[
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];

const ORIGINAL: &[Duration] =
    &[Duration::ZERO, Duration::from_mins(5), Duration::from_hours(1), Duration::from_hours(6)];

/// What to do with a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// It arrived.
    Delivered,
    /// It is tried again.
    Wait {
        /// Not before this.
        until: Timestamp,
    },
    /// It was tried as often as the policy allows.
    Exhausted,
    /// The endpoint says that it is no more: the subscription is disabled at once.
    Gone,
}

/// An attempt that was just made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Which one it was: the first is 1.
    pub number: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// When the delivery was first due; times of pause and of being held are not counted.
    pub first_due_at: Timestamp,
}

/// Decides what follows an attempt.
///
/// Jitter and `Retry-After` only ever delay. `Retry-After` counts up to 24 hours, and only as far
/// as all attempts that remain still fit into [`STRETCHED_MAX`]. `random` is any number, evenly
/// distributed.
pub fn plan(policy: RetryPolicy, attempt: Attempt, now: Timestamp, random: u64) -> NextStep {
    match attempt.outcome {
        Outcome::Status { status: 200..=299, .. } => return NextStep::Delivered,
        Outcome::Status { status: 410, .. } => return NextStep::Gone,
        Outcome::Status { .. } | Outcome::Failed(_) => {}
    }
    let schedule = policy.schedule();
    let made = usize::try_from(attempt.number.max(1)).unwrap_or(usize::MAX);
    let Some((&wait, later)) = schedule.get(made..).and_then(<[Duration]>::split_first) else {
        return NextStep::Exhausted;
    };
    let next_number = attempt.number.max(1).saturating_add(1);
    let scheduled = now.after(wait).after(jitter(wait, next_number, random));
    let asked = now.after(attempt.outcome.retry_after().min(RETRY_AFTER_MAX));
    let longest: Duration = later.iter().map(|&wait| wait + jitter_max(wait)).sum();
    let stretched = attempt.first_due_at.after(STRETCHED_MAX).before(longest);
    NextStep::Wait { until: scheduled.max(asked.min(stretched)) }
}

fn jitter_max(wait: Duration) -> Duration {
    (wait / JITTER_DIVISOR).clamp(JITTER_MIN, JITTER_MAX)
}

/// A part of the wait that `random` chooses, evenly between the least and the most.
fn jitter(wait: Duration, attempt_number: u32, random: u64) -> Duration {
    let (least, most) = if attempt_number >= JITTER_MIN_FROM {
        (JITTER_MIN, jitter_max(wait))
    } else {
        (Duration::ZERO, (wait / JITTER_DIVISOR).min(JITTER_MAX))
    };
    // The span is at most a quarter of an hour and `random` below 2⁶⁴, so the product fits, and
    // the quotient is at most the span.
    let span = most.saturating_sub(least).as_micros();
    let part = (span * u128::from(random)) >> u64::BITS;
    least + Duration::from_micros(u64::try_from(part).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600;
    const DAY: u64 = 24 * HOUR;
    const NOW: Timestamp = Timestamp::from_micros(1_795_437_004_000_000);

    fn status(status: u16, retry_after_seconds: Option<u64>) -> Outcome {
        Outcome::Status { status, retry_after_seconds }
    }

    /// Seconds until the next attempt, rounded down; none where there is no next one.
    fn wait(policy: RetryPolicy, number: u32, outcome: Outcome, random: u64) -> Option<u64> {
        match plan(policy, Attempt { number, outcome, first_due_at: NOW }, NOW, random) {
            NextStep::Wait { until } => Some(until.since(NOW).as_secs()),
            NextStep::Exhausted => None,
            other @ (NextStep::Delivered | NextStep::Gone) => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_status_has_its_class_and_its_step() {
        let table: [(&[u16], &str); 5] = [
            (&[200, 201, 202, 204, 205, 206, 226, 299], "success"),
            (&[300, 301, 302, 303, 304, 305, 306, 307, 308, 399], "redirect"),
            (&[410], "gone"),
            (&[429, 502, 503, 504], "throttle"),
            (
                &[
                    0, 99, 100, 101, 103, 199, 400, 401, 403, 404, 408, 409, 411, 421, 425, 451,
                    499, 500, 501, 505, 599, 600, 999, 1_000, 65_535,
                ],
                "http",
            ),
        ];
        for (statuses, class) in table {
            for &code in statuses {
                let outcome = status(code, None);
                assert_eq!((class_of(code), outcome.class()), (class, class), "{code}");
                let attempt = |number| Attempt { number, outcome, first_due_at: NOW };
                let first = plan(RetryPolicy::Standard, attempt(1), NOW, 0);
                let last = plan(RetryPolicy::Standard, attempt(10), NOW, 0);
                let wait = NextStep::Wait { until: NOW.after(Duration::from_secs(5)) };
                let wanted = match class {
                    "success" => (NextStep::Delivered, NextStep::Delivered),
                    "gone" => (NextStep::Gone, NextStep::Gone),
                    _ => (wait, NextStep::Exhausted),
                };
                assert_eq!((first, last), wanted, "{code}");
            }
        }
        assert_eq!(Outcome::Failed("timeout.dns").class(), "timeout.dns");
    }

    #[test]
    fn a_policy_makes_all_its_attempts_each_within_its_jitter() {
        // The number of the attempt just made, and the least and the most seconds to wait.
        let standard: &[(u32, u64, u64)] = &[
            (0, 5, 6),
            (1, 5, 6),
            (2, 302, 360),
            (3, 1_802, 2_160),
            (4, 2 * HOUR + 2, 2 * HOUR + 900),
            (5, 5 * HOUR + 2, 5 * HOUR + 900),
            (6, 10 * HOUR + 2, 10 * HOUR + 900),
            (7, 14 * HOUR + 2, 14 * HOUR + 900),
            (8, 20 * HOUR + 2, 20 * HOUR + 900),
            (9, DAY + 2, DAY + 900),
        ];
        let original: &[(u32, u64, u64)] =
            &[(1, 300, 360), (2, HOUR + 2, HOUR + 720), (3, 6 * HOUR + 2, 6 * HOUR + 900)];
        for (policy, table) in
            [(RetryPolicy::Standard, standard), (RetryPolicy::Original, original)]
        {
            for &(number, least, most) in table {
                let failed = Outcome::Failed("refused");
                assert_eq!(wait(policy, number, failed, 0), Some(least), "{policy:?} {number}");
                // The largest random number stays a microsecond below the most.
                let longest = wait(policy, number, failed, u64::MAX);
                assert_eq!(longest, Some(most - 1), "{policy:?} {number}");
            }
            let max = policy.attempts_max();
            assert_eq!(table.last().unwrap().0 + 1, max);
            for number in [max, max + 1, u32::MAX] {
                assert_eq!(wait(policy, number, Outcome::Failed("dns"), 0), None);
            }
            assert_eq!(RetryPolicy::find(policy.name()), Some(policy));
        }
        let sum: Duration = RetryPolicy::Standard.schedule().iter().sum();
        assert_eq!(sum, Duration::from_secs(75 * HOUR + 35 * 60 + 5));
        assert_eq!(RetryPolicy::find("Standard"), None);
    }

    #[test]
    fn retry_after_delays_up_to_a_day_and_never_hastens() {
        let table: [(Option<u64>, u64); 10] = [
            (None, 5),
            (Some(0), 5),
            (Some(4), 5),
            (Some(5), 5),
            (Some(6), 6),
            (Some(120), 120),
            (Some(DAY - 1), DAY - 1),
            (Some(DAY), DAY),
            (Some(DAY + 1), DAY),
            (Some(u64::MAX), DAY),
        ];
        for code in [301, 404, 429, 503] {
            for (asked, wanted) in table {
                let seconds = wait(RetryPolicy::Standard, 1, status(code, asked), 0);
                assert_eq!(seconds, Some(wanted), "{code} {asked:?}");
            }
        }
        let short = status(503, Some(60));
        assert_eq!(wait(RetryPolicy::Standard, 4, short, 0), Some(2 * HOUR + 2));
        let attempt =
            |code| Attempt { number: 1, outcome: status(code, Some(60)), first_due_at: NOW };
        assert_eq!(plan(RetryPolicy::Standard, attempt(410), NOW, 0), NextStep::Gone);
        assert_eq!(plan(RetryPolicy::Standard, attempt(200), NOW, 0), NextStep::Delivered);
    }

    #[test]
    fn whatever_is_asked_for_all_attempts_fit_into_five_days() {
        for policy in RetryPolicy::ALL {
            for random in [0, u64::MAX / 2, u64::MAX] {
                let (mut now, mut attempts) = (NOW, 0);
                loop {
                    attempts += 1;
                    let outcome = status(429, Some(u64::MAX));
                    let attempt = Attempt { number: attempts, outcome, first_due_at: NOW };
                    match plan(*policy, attempt, now, random) {
                        NextStep::Wait { until } => now = until,
                        step => break assert_eq!(step, NextStep::Exhausted),
                    }
                }
                assert_eq!(attempts, policy.attempts_max());
                assert!(now <= NOW.after(STRETCHED_MAX), "{policy:?} ends at {now}");
            }
        }
    }

    fn outcomes() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            (any::<u16>(), any::<Option<u64>>()).prop_map(|(code, asked)| status(code, asked)),
            Just(Outcome::Failed("reset")),
        ]
    }

    proptest! {
        #[test]
        fn every_input_has_a_step_and_no_step_is_early(
            standard in any::<bool>(), number in prop_oneof![0_u32..12, any::<u32>()],
            outcome in outcomes(), now in any::<i64>(), first_due_at in any::<i64>(),
            random in any::<u64>(),
        ) {
            let policy = if standard { RetryPolicy::Standard } else { RetryPolicy::Original };
            let first_due_at = Timestamp::from_micros(first_due_at);
            let now = Timestamp::from_micros(now);
            let attempt = Attempt { number, outcome, first_due_at };
            if let NextStep::Wait { until } = plan(policy, attempt, now, random) {
                let index = usize::try_from(number.max(1)).unwrap();
                let wait = policy.schedule()[index];
                prop_assert!(until >= now.after(wait));
                prop_assert!(until <= now.after(wait.max(RETRY_AFTER_MAX)).after(JITTER_MAX));
                let unasked = Attempt { outcome: Outcome::Failed("reset"), ..attempt };
                let NextStep::Wait { until: plain } = plan(policy, unasked, now, random) else {
                    return Err(TestCaseError::fail("a failure with attempts left waits"));
                };
                prop_assert!(until >= plain, "retry-after only delays");
            }
        }
    }
}
