//! The scenarios: what each publishes, and to whom.

use std::time::Duration;

use serde_json::json;

use crate::book::Book;
use crate::receiver::Manner;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    Saturated,
    Steady100,
    Steady1000,
    Steady5000,
    Customers,
    FanOut,
    Https,
    Hang,
    FailFirst,
    Large,
    Dead,
    Pending,
    Subscriptions1k,
    Subscriptions100k,
    Subscriptions1m,
}

impl Scenario {
    pub(crate) const ALL: [Self; 15] = [
        Self::Saturated,
        Self::Steady100,
        Self::Steady1000,
        Self::Steady5000,
        Self::Customers,
        Self::FanOut,
        Self::Https,
        Self::Hang,
        Self::FailFirst,
        Self::Large,
        Self::Dead,
        Self::Pending,
        Self::Subscriptions1k,
        Self::Subscriptions100k,
        Self::Subscriptions1m,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Saturated => "saturated",
            Self::Steady100 => "steady-100",
            Self::Steady1000 => "steady-1000",
            Self::Steady5000 => "steady-5000",
            Self::Customers => "customers",
            Self::FanOut => "fan-out",
            Self::Https => "https",
            Self::Hang => "hang",
            Self::FailFirst => "fail-first",
            Self::Large => "large",
            Self::Dead => "dead",
            Self::Pending => "pending",
            Self::Subscriptions1k => "subscriptions-1k",
            Self::Subscriptions100k => "subscriptions-100k",
            Self::Subscriptions1m => "subscriptions-1m",
        }
    }

    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::Saturated => "events of 1 KiB as fast as they are taken, one endpoint",
            Self::Steady100 => "100 events a second",
            Self::Steady1000 => "1,000 events a second: what hang and dead are compared with",
            Self::Steady5000 => "5,000 events a second",
            Self::Customers => "customers created as fast as they are taken",
            Self::FanOut => "each event to ten endpoints; deliveries are counted",
            Self::Https => "as saturated, to an endpoint that speaks TLS",
            Self::Hang => {
                "1,000 events a second to an endpoint that takes them and to one that hangs"
            }
            Self::FailFirst => {
                "every first attempt fails; 1,000 events a second, the retries included"
            }
            Self::Large => "events of 64 KiB as fast as they are taken",
            Self::Dead => {
                "1,000 events a second to one endpoint beside 10,000 dead ones of ten tenants"
            }
            Self::Pending => "killed with 100,000 deliveries pending, and started again",
            Self::Subscriptions1k => "as saturated, with 1,000 subscriptions of one tenant",
            Self::Subscriptions100k => "as saturated, with 100,000 subscriptions of 100 tenants",
            Self::Subscriptions1m => {
                "as saturated, with 1,000,000 subscriptions of 1,000 tenants; takes very long"
            }
        }
    }

    /// Whether it runs unless others are named.
    pub(crate) fn is_usual(self) -> bool {
        !matches!(self, Self::Subscriptions100k | Self::Subscriptions1m)
    }

    pub(crate) fn rate(self) -> Option<u32> {
        match self {
            Self::Steady100 => Some(100),
            Self::Steady1000 | Self::Hang | Self::FailFirst | Self::Dead => Some(1_000),
            Self::Steady5000 => Some(5_000),
            Self::Saturated
            | Self::Customers
            | Self::FanOut
            | Self::Https
            | Self::Large
            | Self::Pending
            | Self::Subscriptions1k
            | Self::Subscriptions100k
            | Self::Subscriptions1m => None,
        }
    }

    /// How many endpoints of a tenant book their arrivals.
    pub(crate) fn endpoints(self) -> usize {
        if self == Self::FanOut { 10 } else { 1 }
    }

    /// How they behave.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most scenarios are ordinary here")]
    pub(crate) fn manner(self) -> Manner {
        match self {
            Self::FailFirst => Manner::FailsFirst,
            Self::Pending => Manner::Hangs,
            _ => Manner::Takes,
        }
    }

    /// How often each event arrives when all is well.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most scenarios are ordinary here")]
    pub(crate) fn arrivals(self) -> u32 {
        match self {
            Self::FanOut => 10,
            Self::FailFirst => 2,
            _ => 1,
        }
    }

    /// Tenants that publish, and subscriptions of each beside those that book arrivals.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most scenarios are ordinary here")]
    pub(crate) fn crowd(self) -> (usize, usize) {
        match self {
            Self::Subscriptions1k => (1, 999),
            Self::Subscriptions100k => (100, 999),
            Self::Subscriptions1m => (1_000, 999),
            _ => (1, 0),
        }
    }

    /// Events that a run may publish.
    pub(crate) fn events_max(self) -> usize {
        if self == Self::Pending { 100_000 } else { 1_000_000 }
    }

    /// How long it publishes.
    pub(crate) fn length(self, told: Duration) -> Duration {
        if self == Self::Pending { Duration::from_secs(25) } else { told }
    }

    /// The type that is delivered, and what is posted where to make it.
    pub(crate) fn load(self) -> (&'static str, &'static str, fn(usize, usize) -> String) {
        if self == Self::Customers {
            ("customer.created", "/api/v1/customers", customer)
        } else {
            ("custom.bench", "/api/v1/webhooks/events", event)
        }
    }

    /// Bytes of filling in each event.
    pub(crate) fn filling(self) -> usize {
        if self == Self::Large { 64 * 1_024 } else { 1_024 }
    }
}

/// An event to publish.
pub(crate) fn event(number: usize, filling: usize) -> String {
    let mark = Book::mark(number);
    let filling = "x".repeat(filling);
    format!(
        r#"{{"event_type":"custom.bench","event_data":{{"mark":"{mark}","filling":"{filling}"}}}}"#
    )
}

fn customer(number: usize, _filling: usize) -> String {
    let mark = Book::mark(number);
    json!({"email": format!("{mark}@example.com"), "first_name": "Ada", "last_name": "Lovelace"})
        .to_string()
}
