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

/// Every class of failure, of the connection and of the answer.
pub const ERROR_CLASSES: &[&str] = &[
    "blocked_address",
    "dns",
    "gone",
    "http",
    "not_sending",
    "other",
    "protocol",
    "redirect",
    "refused",
    "reset",
    "throttle",
    "timeout.connect",
    "timeout.dns",
    "timeout.head",
    "timeout.send",
    "timeout.tls",
    "tls",
];

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    plan_along(policy.schedule(), attempt, now, random)
}

/// The same along any schedule: that of a policy, or a shorter one that is explored completely.
pub(crate) fn plan_along(
    schedule: &[Duration],
    attempt: Attempt,
    now: Timestamp,
    random: u64,
) -> NextStep {
    match attempt.outcome {
        Outcome::Status { status: 200..=299, .. } => return NextStep::Delivered,
        Outcome::Status { status: 410, .. } => return NextStep::Gone,
        Outcome::Status { .. } | Outcome::Failed(_) => {}
    }
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
mod tests;
