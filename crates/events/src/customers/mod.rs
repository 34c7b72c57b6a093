//! Payloads about customers (domain specification, section 5.1).

mod examples;
mod words;

use serde::{Deserialize, Serialize};
use tidings_kernel::{
    ActivityId, ConsentId, ContactId, CustomerId, NoteId, SegmentId, Timestamp, UserId,
};
use utoipa::ToSchema;

use crate::diff::Previous;

pub(crate) use examples::{EXAMPLE_NOW, EXAMPLE_UUID};
pub use words::{
    ConsentDecision, ConsentPurpose, ContactRole, CustomerActivityType, CustomerSource,
    CustomerStatus, CustomerTier, CustomerType, SuspensionReason,
};

/// What every customer event says about the customer at that moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerFacts {
    /// The customer.
    pub customer_id: CustomerId,
    /// The number that people use: `CUST-` and eight hexadecimal digits.
    pub customer_number: String,
    /// The mail address, as it was given.
    pub email: String,
    /// Whether the address was confirmed.
    pub email_verified: bool,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// The name to show.
    pub display_name: Option<String>,
    /// The company.
    pub company_name: Option<String>,
    /// What the customer is.
    pub customer_type: CustomerType,
    /// What the customer is worth.
    pub tier: CustomerTier,
    /// Where the customer stands.
    pub status: CustomerStatus,
    /// Telephone number.
    pub phone: Option<String>,
    /// ISO 3166 country, two letters.
    pub country: Option<String>,
    /// IANA time zone.
    pub timezone: String,
    /// Language tag.
    pub preferred_language: String,
    /// Labels, sorted.
    pub tags: Vec<String>,
    /// The segment.
    pub segment_id: Option<SegmentId>,
    /// The user who looks after the customer.
    pub assigned_to: Option<UserId>,
    /// The id in another system.
    pub external_id: Option<String>,
    /// The other system.
    pub source_system: Option<String>,
    /// ISO 4217 currency of the customer's business.
    pub currency: Option<String>,
    /// When the record was made.
    pub created_at: Timestamp,
}

/// A customer was added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerCreated {
    /// The customer.
    #[serde(flatten)]
    pub customer: CustomerFacts,
    /// Where the record came from.
    pub source: CustomerSource,
}

/// At least one business field of a customer changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerUpdated {
    /// The customer after the change.
    #[serde(flatten)]
    pub customer: CustomerFacts,
    /// The fields whose value changed, sorted.
    pub changed_fields: Vec<String>,
    /// Their old values, but for private fields.
    #[schema(value_type = Object)]
    pub previous: Previous,
    /// When.
    pub updated_at: Timestamp,
}

/// A customer was deleted, softly or for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerDeleted {
    /// The customer.
    pub customer_id: CustomerId,
    /// The number that people use.
    pub customer_number: String,
    /// The mail address; absent when the person was erased.
    pub email: Option<String>,
    /// Given name; absent when the person was erased.
    pub first_name: Option<String>,
    /// Family name; absent when the person was erased.
    pub last_name: Option<String>,
    /// The company; absent when the person was erased.
    pub company_name: Option<String>,
    /// Whether the record is gone for good.
    pub hard_delete: bool,
    /// Who deleted it: an id, or `operator`.
    pub deleted_by: String,
    /// Why, as the caller said.
    pub reason: Option<String>,
    /// Whether the personal fields were erased.
    pub anonymized: bool,
    /// Subscriptions that ended with the customer.
    pub subscriptions_cancelled: u32,
    /// When.
    pub deleted_at: Timestamp,
    /// When the record will be erased for good; absent when it is gone already.
    pub erase_at: Option<Timestamp>,
}

/// The record of a deleted customer was erased for good, when its time was up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerErased {
    /// The customer, of whom nothing else is left.
    pub customer_id: CustomerId,
    /// The number that people used.
    pub customer_number: String,
}

/// The person was taken out of a customer's record, which stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerAnonymized {
    /// The customer.
    pub customer_id: CustomerId,
    /// The number that people use.
    pub customer_number: String,
}

/// A customer was suspended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerSuspended {
    /// The customer.
    #[serde(flatten)]
    pub customer: CustomerFacts,
    /// When.
    pub suspended_at: Timestamp,
    /// Why.
    pub reason: SuspensionReason,
    /// Who did it: an id, `operator`, or the name of a job.
    pub suspended_by: String,
    /// Where the customer stood before.
    pub previous_status: CustomerStatus,
    /// Subscriptions that were paused.
    pub subscriptions_suspended: u32,
    /// Which ones.
    pub subscription_ids: Vec<String>,
}

/// A suspended, inactive or churned customer is active again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerReactivated {
    /// The customer.
    #[serde(flatten)]
    pub customer: CustomerFacts,
    /// When.
    pub reactivated_at: Timestamp,
    /// Where the customer stood before.
    pub previous_status: CustomerStatus,
    /// Subscriptions that were resumed.
    pub subscriptions_reactivated: u32,
    /// Which ones.
    pub subscription_ids: Vec<String>,
}

/// A customer left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerChurned {
    /// The customer.
    #[serde(flatten)]
    pub customer: CustomerFacts,
    /// When.
    pub churned_at: Timestamp,
    /// Where the customer stood before.
    pub previous_status: CustomerStatus,
    /// Where the customer stands now.
    pub new_status: CustomerStatus,
    /// Why, as the caller said.
    pub reason: Option<String>,
    /// Subscriptions that end with the period.
    pub subscriptions_canceled: u32,
    /// What the customer has paid, in minor units of `lifetime_value_currency`.
    pub lifetime_value: i64,
    /// The currency of `lifetime_value`; absent where nothing was paid.
    pub lifetime_value_currency: Option<String>,
    /// The decimals of that currency.
    pub currency_exponent: Option<u8>,
    /// Whole days since the customer was acquired.
    pub tenure_days: i64,
}

/// A note about a customer was written. The text is not in the event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerNoteAdded {
    /// The customer.
    pub customer_id: CustomerId,
    /// The note.
    pub note_id: NoteId,
    /// Whether only the tenant's people see it.
    pub is_internal: bool,
}

/// Somebody recorded an activity in a customer's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerActivityRecorded {
    /// The customer.
    pub customer_id: CustomerId,
    /// The activity.
    pub activity_id: ActivityId,
    /// What kind.
    pub activity_type: CustomerActivityType,
}

/// A consent that stood already was recorded again: evidence, and no change. The evidence itself is
/// not in the event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerConsentRecorded {
    /// The customer.
    pub customer_id: CustomerId,
    /// The entry of the consent log.
    pub consent_id: ConsentId,
    /// What the consent is for.
    pub purpose: ConsentPurpose,
    /// What the customer decided.
    pub decision: ConsentDecision,
}

/// A contact person of a customer was added. Who it is is not in the event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerContactAdded {
    /// The customer.
    pub customer_id: CustomerId,
    /// The contact.
    pub contact_id: ContactId,
    /// What the contact is asked about.
    pub role: ContactRole,
}

/// A contact person of a customer was removed, and with it what was stored about the person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerContactRemoved {
    /// The customer.
    pub customer_id: CustomerId,
    /// The contact.
    pub contact_id: ContactId,
    /// What the contact was asked about.
    pub role: ContactRole,
}

/// A purchase was added to a customer's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerPurchaseRecorded {
    /// The customer.
    pub customer_id: CustomerId,
    /// The amount, in minor units of `currency`.
    pub amount: i64,
    /// ISO 4217 currency.
    pub currency: String,
    /// The currency's decimals.
    pub currency_exponent: u8,
    /// The order, as the caller named it.
    pub order_id: Option<String>,
}

/// A segment of customers was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerSegmentCreated {
    /// The segment.
    pub segment_id: SegmentId,
    /// Its name.
    pub name: String,
    /// Whether its members are found by criteria.
    pub is_dynamic: bool,
}

/// A segment's members were found anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerSegmentRecalculated {
    /// The segment.
    pub segment_id: SegmentId,
    /// How many members it has now.
    pub member_count: i64,
}
