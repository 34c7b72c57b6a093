//! What came of a subscription's attempts: added up as outcomes are settled, hour by hour, so that
//! nobody counts rows.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings_kernel::{TenantId, Timestamp, WebhookSubscriptionId};

use crate::plan::{NextStep, Outcome};

/// The bounds of the latency's classes, in milliseconds; an attempt takes 30 seconds at most.
pub(crate) const BOUNDS_MS: [i64; 11] =
    [10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000];
/// How long hours are kept.
pub(crate) const KEPT: Duration = Duration::from_hours(90 * 24);
/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

/// One attempt that was made, or was of no use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted<'a> {
    pub(crate) tenant_id: TenantId,
    pub(crate) subscription_id: WebhookSubscriptionId,
    /// The event's type.
    pub(crate) event_name: &'a str,
    pub(crate) started_at: Timestamp,
    pub(crate) took: Duration,
    /// None where there was nothing to attempt.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) next: NextStep,
}

/// One hour of one subscription.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Hour {
    pub(crate) succeeded: i64,
    pub(crate) failed: i64,
    pub(crate) exhausted: i64,
    pub(crate) discarded: i64,
    pub(crate) answered_micros: i64,
    pub(crate) answers: [i64; BOUNDS_MS.len()],
}

/// What one batch of outcomes adds. Sorted, so that two nodes write the same rows in one order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) hours: BTreeMap<(TenantId, WebhookSubscriptionId, Timestamp), Hour>,
    /// The same by type, which is a text: looked up without a copy of it.
    pub(crate) of_types: BTreeMap<(TenantId, Timestamp), BTreeMap<String, Hour>>,
}

/// The beginning of the hour that an instant lies in.
pub(crate) fn hour_of(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.micros() - at.micros().rem_euclid(HOUR))
}

impl Tally {
    /// Whether there is nothing to add.
    pub(crate) fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    /// Adds one attempt.
    pub(crate) fn count(&mut self, counted: &Counted<'_>) {
        let Counted { tenant_id, subscription_id, event_name, started_at, .. } = *counted;
        let hour_at = hour_of(started_at);
        self.hours.entry((tenant_id, subscription_id, hour_at)).or_default().count(counted);
        let of_types = self.of_types.entry((tenant_id, hour_at)).or_default();
        if let Some(hour) = of_types.get_mut(event_name) {
            hour.count(counted);
        } else {
            of_types.entry(event_name.to_owned()).or_default().count(counted);
        }
    }
}

impl Hour {
    fn count(&mut self, counted: &Counted<'_>) {
        let Counted { took, outcome, next, .. } = *counted;
        match next {
            NextStep::Exhausted => self.exhausted += 1,
            NextStep::Gone => self.discarded += 1,
            NextStep::Delivered | NextStep::Wait { .. } => {}
        }
        let Some(outcome) = outcome else { return };
        if let Outcome::Status { .. } = outcome {
            let took = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
            self.answered_micros = self.answered_micros.saturating_add(took);
            let class = BOUNDS_MS.iter().position(|bound| took <= bound * 1_000);
            self.answers[class.unwrap_or(BOUNDS_MS.len() - 1)] += 1;
        }
        if next == NextStep::Delivered {
            self.succeeded += 1;
        } else {
            self.failed += 1;
        }
    }

    /// Adds another hour.
    pub(crate) fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.exhausted += other.exhausted;
        self.discarded += other.discarded;
        self.answered_micros = self.answered_micros.saturating_add(other.answered_micros);
        for (sum, more) in self.answers.iter_mut().zip(other.answers) {
            *sum += more;
        }
    }

    /// How many attempts were answered, whatever the answer.
    pub(crate) fn answered(&self) -> i64 {
        self.answers.iter().sum()
    }

    /// The time within which so many of 100 answers came, in milliseconds: estimated within the
    /// class that it falls into.
    pub(crate) fn quantile_ms(&self, percent: i64) -> Option<i64> {
        let answered = self.answered();
        if answered == 0 {
            return None;
        }
        // The first answer that has at least this share at or before it.
        let rank = (answered * percent + 99) / 100;
        let mut before = 0;
        let mut lower = 0;
        for (count, upper) in self.answers.iter().zip(BOUNDS_MS) {
            if before + count >= rank && *count > 0 {
                return Some(lower + (upper - lower) * (rank - before) / count);
            }
            before += count;
            lower = upper;
        }
        Some(lower)
    }

    /// The mean time of an answer, in milliseconds.
    pub(crate) fn average_ms(&self) -> Option<i64> {
        let answered = self.answered();
        (answered > 0).then(|| self.answered_micros / answered / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use tidings_kernel::Uuid;

    use super::*;

    fn counted(at: i64, ms: u64, outcome: Option<Outcome>, next: NextStep) -> Counted<'static> {
        Counted {
            event_name: "customer.created",
            tenant_id: TenantId::from_uuid(Uuid::nil()),
            subscription_id: WebhookSubscriptionId::from_uuid(Uuid::nil()),
            started_at: Timestamp::from_micros(at),
            took: Duration::from_millis(ms),
            outcome,
            next,
        }
    }

    fn status(status: u16) -> Outcome {
        Outcome::Status { status, retry_after_seconds: None }
    }

    fn wait() -> NextStep {
        NextStep::Wait { until: Timestamp::from_micros(1) }
    }

    #[test]
    fn each_outcome_is_counted_where_it_belongs() {
        let mut tally = Tally::default();
        for (outcome, next) in [
            (Some(status(200)), NextStep::Delivered),
            (Some(status(500)), wait()),
            (Some(Outcome::Failed("dns")), NextStep::Exhausted),
            (Some(status(410)), NextStep::Gone),
            (None, NextStep::Gone),
        ] {
            tally.count(&counted(HOUR + 5, 20, outcome, next));
        }
        tally.count(&counted(2 * HOUR, 20, Some(status(200)), NextStep::Delivered));
        let hours: Vec<_> = tally.hours.iter().map(|((_, _, at), h)| (at.micros(), h)).collect();
        assert_eq!((hours[0].0, hours[1].0), (HOUR, 2 * HOUR));
        let first = hours[0].1;
        assert_eq!(
            (first.succeeded, first.failed, first.exhausted, first.discarded, first.answered()),
            (1, 3, 1, 2, 3)
        );
        // By type the same is counted.
        let of_types: Vec<_> = tally.of_types.values().map(|of| &of["customer.created"]).collect();
        assert_eq!(of_types, hours.iter().map(|(_, hour)| *hour).collect::<Vec<_>>());
        let mut both = first.clone();
        both.add(hours[1].1);
        assert_eq!((both.succeeded, both.failed, both.answered()), (2, 3, 4));
    }

    #[test]
    fn quantiles_lie_in_the_class_that_holds_them() {
        let hour = |answers: [i64; 11]| Hour { answers, ..Hour::default() };
        assert_eq!(hour([0; 11]).quantile_ms(50), None);
        assert_eq!(hour([0; 11]).average_ms(), None);
        let one = hour([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((one.quantile_ms(50), one.quantile_ms(95)), (Some(100), Some(100)));
        let many = hour([90, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0]);
        assert_eq!(many.quantile_ms(50), Some(5));
        assert_eq!(many.quantile_ms(95), Some(750));
        assert_eq!(many.quantile_ms(100), Some(1_000));
    }

    #[test]
    fn what_takes_longer_than_anything_may_is_in_the_last_class() {
        let mut tally = Tally::default();
        tally.count(&counted(1, u64::MAX / 2_000, Some(status(200)), NextStep::Delivered));
        let hour = tally.hours.values().next().unwrap();
        assert_eq!(hour.answers[10], 1);
    }
}
