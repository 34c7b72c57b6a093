//! What a chart of statistics asks for. Pure.

use std::time::Duration;

use serde::Deserialize;
use tidings_kernel::{FieldError, Timestamp};
use utoipa::ToSchema;

use crate::statistics::KEPT;

/// The longest chart of hours: a month.
const HOURS_SPAN_MAX: Duration = Duration::from_hours(31 * 24);
/// How far back a chart begins, unless told: a day of hours, a month of days.
const HOURS_SPAN: Duration = Duration::from_hours(24);
const DAYS_SPAN: Duration = Duration::from_hours(30 * 24);
/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

/// How much time one point stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bucket {
    /// An hour.
    #[default]
    Hour,
    /// A day in UTC.
    Day,
}

impl Bucket {
    /// How long it is.
    pub(crate) const fn micros(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => 24 * HOUR,
        }
    }

    const fn span(self) -> Duration {
        match self {
            Self::Hour => HOURS_SPAN,
            Self::Day => DAYS_SPAN,
        }
    }

    const fn span_max(self) -> Duration {
        match self {
            Self::Hour => HOURS_SPAN_MAX,
            Self::Day => KEPT,
        }
    }

    /// The beginning of the bucket that an instant falls into.
    fn start(self, at: Timestamp) -> Timestamp {
        Timestamp::from_micros(at.micros() - at.micros().rem_euclid(self.micros()))
    }
}

/// What there is a line for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GroupBy {
    /// Each subscription.
    Subscription,
    /// Each event type.
    EventType,
}

/// A chart, in whole buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// From then on, included.
    pub(crate) from: Timestamp,
    /// Up to then, not included.
    pub(crate) to: Timestamp,
    pub(crate) bucket: Bucket,
    pub(crate) group_by: Option<GroupBy>,
}

impl Wanted {
    /// Reads a time; what is begun of a bucket belongs to it.
    pub(crate) fn new(
        (from, to): (Option<Timestamp>, Option<Timestamp>),
        (bucket, group_by): (Bucket, Option<GroupBy>),
        now: Timestamp,
    ) -> Result<Self, FieldError> {
        let fault = |pointer, message: &str| {
            Err(FieldError::new(pointer, "out_of_range", message.to_owned()))
        };
        let length = Duration::from_micros(bucket.micros().unsigned_abs());
        let to = bucket.start(to.unwrap_or(now)).after(length);
        let from = bucket.start(from.unwrap_or_else(|| to.before(bucket.span())));
        if from >= to {
            return fault("?from", "from lies before to");
        }
        if to.since(from) > bucket.span_max().saturating_add(length) {
            return match bucket {
                Bucket::Hour => fault("?from", "31 days of hours at most; ask for bucket=day"),
                Bucket::Day => fault("?from", "90 days at most, which is how long they are kept"),
            };
        }
        Ok(Self { from, to, bucket, group_by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * HOUR;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn wanted(from: Option<i64>, to: Option<i64>, bucket: Bucket) -> Result<(i64, i64), String> {
        let times = (from.map(at), to.map(at));
        Wanted::new(times, (bucket, None), at(200 * DAY + 5))
            .map(|wanted| (wanted.from.micros(), wanted.to.micros()))
            .map_err(|fault| fault.pointer)
    }

    #[test]
    fn a_chart_is_whole_buckets_and_bounded() {
        for (from, to, bucket, expected) in [
            (None, None, Bucket::Hour, Ok((199 * DAY + HOUR, 200 * DAY + HOUR))),
            (None, None, Bucket::Day, Ok((171 * DAY, 201 * DAY))),
            (Some(HOUR + 7), Some(2 * HOUR + 7), Bucket::Hour, Ok((HOUR, 3 * HOUR))),
            (Some(HOUR), Some(HOUR), Bucket::Hour, Ok((HOUR, 2 * HOUR))),
            (Some(3 * HOUR), Some(HOUR), Bucket::Hour, Err("?from".to_owned())),
            (Some(0), Some(40 * DAY), Bucket::Hour, Err("?from".to_owned())),
            (Some(0), Some(40 * DAY), Bucket::Day, Ok((0, 41 * DAY))),
            (Some(0), Some(99 * DAY), Bucket::Day, Err("?from".to_owned())),
        ] {
            assert_eq!(wanted(from, to, bucket), expected, "{from:?} {to:?} {bucket:?}");
        }
    }
}
