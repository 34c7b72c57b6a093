//! How an endpoint fares over days, and what its owner is told of it.
//!
//! ```text
//!        10 failures in a row              nothing arrived for 4 days
//!  well ─────────────────────▶ failing ─────────────────────────────▶ warned
//!   ▲                             │                                      │ a day later, and nothing
//!   │     something arrives       │                                      ▼ arrived for 5 days
//!   └─────────────────────────────┴──────────────────────────────── disabled
//! ```
//!
//! An endpoint is disabled by time and not by count, so that a busy one is not punished for its
//! traffic; and it takes twenty failures in three different hours, so that a quiet one is not
//! disabled for the two events that met a deployment (promise P13).

use std::time::Duration;

use tidings_kernel::{TenantId, Timestamp, WebhookSubscriptionId};

/// Failures in a row after which the owner is told.
pub const FAILING_FROM: u32 = 10;
/// How long nothing has arrived when the owner is warned.
pub const WARNED_AFTER: Duration = Duration::from_hours(4 * 24);
/// How long nothing has arrived when the endpoint is disabled.
pub const DISABLED_AFTER: Duration = Duration::from_hours(5 * 24);
/// How long before it is disabled the owner is warned.
pub const NOTICE: Duration = Duration::from_hours(24);
/// Fewer failures than this disable nothing.
pub const FAILURES_MIN: u32 = 20;
/// Failures in fewer different hours than this disable nothing.
pub const HOURS_MIN: u32 = 3;

/// What an endpoint's owner was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing, or that it has recovered.
    Well,
    /// That it fails.
    Failing,
    /// That it will be disabled.
    Warned,
}

impl Told {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Failing => "failing",
            Self::Warned => "warned",
        }
    }

    /// What has this word.
    pub fn find(word: &str) -> Option<Self> {
        [Self::Well, Self::Failing, Self::Warned].into_iter().find(|told| told.as_str() == word)
    }
}

/// How an endpoint has fared since its last success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The endpoint's subscription.
    pub subscription_id: WebhookSubscriptionId,
    /// Failures since the last success.
    pub failures: u32,
    /// When the first of them was.
    pub failing_since: Option<Timestamp>,
    /// In how many different hours they were.
    pub hours: u32,
    /// When something last arrived.
    pub last_success_at: Option<Timestamp>,
    /// When something last failed.
    pub last_failure_at: Option<Timestamp>,
    /// What the owner was told last.
    pub told: Told,
    /// When that was.
    pub told_at: Option<Timestamp>,
}

/// What is to be done about an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Its owner is told that it fails.
    Fail,
    /// Its owner is told that it takes deliveries again.
    Recover,
    /// Its owner is warned.
    Warn,
    /// It is disabled.
    Disable,
}

impl Health {
    /// What is to be done now, if anything.
    pub fn turn(&self, now: Timestamp) -> Option<Turn> {
        let Some(since) = self.failing_since else {
            return (self.told != Told::Well).then_some(Turn::Recover);
        };
        let enough = self.failures >= FAILURES_MIN && self.hours >= HOURS_MIN;
        let failed_for = now.since(since);
        match self.told {
            Told::Well => (self.failures >= FAILING_FROM).then_some(Turn::Fail),
            Told::Failing => (enough && failed_for >= WARNED_AFTER).then_some(Turn::Warn),
            Told::Warned => {
                let noticed = self.told_at.is_none_or(|told_at| now.since(told_at) >= NOTICE);
                (enough && noticed && failed_for >= DISABLED_AFTER).then_some(Turn::Disable)
            }
        }
    }

    /// When the endpoint will be disabled if nothing arrives until then.
    pub fn disabled_from(&self, now: Timestamp) -> Timestamp {
        now.after(NOTICE).max(self.failing_since.unwrap_or(now).after(DISABLED_AFTER))
    }

    /// The same after its owner was told.
    #[must_use]
    pub fn tell(self, told: Told, now: Timestamp) -> Self {
        Self { told, told_at: Some(now), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::Told::{Failing, Warned, Well};
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000_000 + hours * HOUR)
    }

    #[test]
    fn the_rule_is_five_days_twenty_failures_three_hours_and_a_day_of_notice() {
        // Told, failing since, failures, hours, told at, now; what follows.
        type Row = (Told, Option<i64>, u32, u32, i64, i64, Option<Turn>);
        let table: &[Row] = &[
            (Well, None, 0, 0, 0, 500, None),
            (Well, Some(0), 9, 1, 0, 500, None),
            (Well, Some(0), 10, 1, 0, 0, Some(Turn::Fail)),
            (Failing, None, 0, 0, 0, 1, Some(Turn::Recover)),
            (Warned, None, 0, 0, 0, 1, Some(Turn::Recover)),
            (Failing, Some(0), 100, 50, 0, 95, None),
            (Failing, Some(0), 100, 50, 0, 96, Some(Turn::Warn)),
            (Failing, Some(0), 19, 50, 0, 96, None),
            (Failing, Some(0), 100, 2, 0, 960, None),
            (Failing, Some(0), 20, 3, 0, 960, Some(Turn::Warn)),
            (Warned, Some(0), 100, 50, 96, 119, None),
            (Warned, Some(0), 100, 50, 96, 120, Some(Turn::Disable)),
            // Warned late: the notice is a day all the same.
            (Warned, Some(0), 100, 50, 200, 223, None),
            (Warned, Some(0), 100, 50, 200, 224, Some(Turn::Disable)),
            // It recovered in between and fails again: five days from then.
            (Warned, Some(110), 100, 50, 96, 200, None),
            (Warned, Some(110), 100, 50, 96, 230, Some(Turn::Disable)),
        ];
        for (told, since, failures, hours, told_at, now, wanted) in table {
            let health = Health {
                tenant_id: TenantId::from_uuid(tidings_kernel::Uuid::nil()),
                subscription_id: WebhookSubscriptionId::from_uuid(tidings_kernel::Uuid::nil()),
                failures: *failures,
                failing_since: since.map(at),
                hours: *hours,
                last_success_at: None,
                last_failure_at: None,
                told: *told,
                told_at: Some(at(*told_at)),
            };
            assert_eq!(health.turn(at(*now)), *wanted, "{health:?}");
        }
    }
}
