//! What callers send, besides profiles and criteria.

mod consent;
mod contact;

use serde::Deserialize;
use tidings_events::customers::{CustomerActivityType, CustomerStatus};
use tidings_kernel::{Problem, limits};
use utoipa::{IntoParams, ToSchema};

use crate::activity::is_callers;
use crate::criteria::Criteria;
use crate::validation::{Faults, read_address, read_currency};

pub use consent::RecordConsent;
pub use contact::AddContact;

use consent::{ADDRESS, USER_AGENT_CHARS_MAX};

/// The longest reason, in characters.
pub(crate) const REASON_CHARS_MAX: usize = 500;
/// The longest title, subject or name, in characters.
const TITLE_CHARS_MAX: usize = 200;
/// The longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 2_000;
/// The longest note, in characters.
const CONTENT_CHARS_MAX: usize = 10_000;
/// The longest name of an order, in characters.
const ORDER_CHARS_MAX: usize = 100;
/// The ends of a segment's priority.
const PRIORITIES: std::ops::RangeInclusive<i64> = 0..=1_000;

/// Changes where a customer stands.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetStatus {
    /// Where the customer stands from now on.
    pub status: CustomerStatus,
    /// Why, at most 500 characters. A suspension's is `manual`, which is the default,
    /// `non_payment`, `fraud` or `compliance`.
    pub reason: Option<String>,
}

/// Deletes a customer.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteCustomer {
    /// Whether the record is erased at once; otherwise it can be restored for 30 days.
    #[serde(default)]
    pub hard_delete: bool,
    /// Whether subscriptions that run end with the customer; otherwise they keep it from being
    /// deleted.
    #[serde(default)]
    pub cancel_subscriptions: bool,
    /// Why, at most 500 characters. It is in the event, so leave the person's name out of it.
    pub reason: Option<String>,
}

impl DeleteCustomer {
    /// The same, tidied; or what is wrong with it.
    pub fn checked(mut self) -> Result<Self, Problem> {
        self.reason = check_reason(self.reason, "?reason")?;
        Ok(self)
    }
}

/// A reason, tidied; or what is wrong with it, at `pointer`.
pub(crate) fn check_reason(
    reason: Option<String>,
    pointer: &str,
) -> Result<Option<String>, Problem> {
    let mut faults = Faults::default();
    let reason = reason.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if let Some(text) = &reason {
        faults.bounded_lines(pointer, text, REASON_CHARS_MAX);
    }
    faults.or(reason)
}

/// Writes a note about a customer.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddNote {
    /// What it is about, at most 200 characters.
    pub subject: Option<String>,
    /// What it says, 1 to 10,000 characters.
    pub content: String,
    /// Whether only the tenant's people see it.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub is_internal: bool,
}

fn yes() -> bool {
    true
}

impl AddNote {
    /// The same, tidied; or everything that is wrong with it.
    pub fn checked(mut self) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        faults.optional("subject", &mut self.subject, TITLE_CHARS_MAX);
        faults.needed_lines("content", &mut self.content, CONTENT_CHARS_MAX);
        faults.or(self)
    }
}

/// Records a line of a customer's history.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordActivity {
    /// What kind: any but `created`, `updated`, `status_changed` and `note_added`, which are written
    /// when that happens.
    pub activity_type: CustomerActivityType,
    /// What happened, 1 to 200 characters.
    pub title: String,
    /// More about it, at most 2,000 characters.
    pub description: Option<String>,
    /// The IP address from which it was done: the customer's, not that of this call.
    pub ip_address: Option<String>,
    /// The program with which it was done, at most 500 characters.
    pub user_agent: Option<String>,
}

impl RecordActivity {
    /// The same, tidied; or everything that is wrong with it.
    pub fn checked(mut self) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        if !is_callers(self.activity_type) {
            let message = "such a line is written when that happens; use another type";
            faults.push("/activity_type".to_owned(), "invalid", message);
        }
        faults.needed("title", &mut self.title, TITLE_CHARS_MAX);
        faults.optional_lines("description", &mut self.description, DESCRIPTION_CHARS_MAX);
        faults.replace("ip_address", &mut self.ip_address, read_address, ADDRESS);
        faults.optional("user_agent", &mut self.user_agent, USER_AGENT_CHARS_MAX);
        faults.or(self)
    }
}

/// Adds a purchase to a customer's figures.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordPurchase {
    /// The amount in minor units of `currency`, 1 to 1,000,000,000,000,000.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    pub amount: i64,
    /// ISO 4217 currency, the same for all purchases of a customer: that of the purchases before
    /// unless told, or else that of the customer's business.
    pub currency: Option<String>,
    /// The order, at most 100 characters. Each counts once for a customer, however often it is sent.
    pub order_id: Option<String>,
}

impl RecordPurchase {
    /// The same, tidied; or everything that is wrong with it.
    pub fn checked(mut self) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        if !(1..=limits::AMOUNT_MAX).contains(&self.amount) {
            let message = "1 to 1,000,000,000,000,000 minor units";
            faults.push("/amount".to_owned(), "out_of_range", message);
        }
        let code = |text: &str| read_currency(text).map(|currency| currency.code().to_owned());
        faults.replace("currency", &mut self.currency, code, "a code of ISO 4217, as in EUR");
        faults.optional("order_id", &mut self.order_id, ORDER_CHARS_MAX);
        faults.or(self)
    }
}

/// Makes a segment.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSegment {
    /// Its name, 1 to 200 characters, unique in any case.
    pub name: String,
    /// What it is for, at most 2,000 characters.
    pub description: Option<String>,
    /// Whom it is for: what a search takes, but for `segment_id` and `include_deleted`.
    #[serde(default)]
    pub criteria: Criteria,
    /// Whether its members are found by its criteria, every 15 minutes; otherwise people put them in.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub is_dynamic: bool,
    /// Which dynamic segment gets a customer whom two want: the higher one, 0 to 1,000.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1000, default = 0)]
    pub priority: i64,
}

impl CreateSegment {
    /// The same, tidied; or everything that is wrong with it.
    pub fn checked(mut self) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        faults.needed("name", &mut self.name, TITLE_CHARS_MAX);
        faults.optional_lines("description", &mut self.description, DESCRIPTION_CHARS_MAX);
        self.criteria = self.criteria.checked_for_segment(&mut faults);
        if self.is_dynamic && self.criteria == Criteria::default() {
            let message = "a dynamic segment says whom it is for";
            faults.push("/criteria".to_owned(), "required", message);
        }
        if !PRIORITIES.contains(&self.priority) {
            faults.push("/priority".to_owned(), "out_of_range", "0 to 1,000");
        }
        faults.or(self)
    }
}
