//! Payloads about customers (domain specification, section 5.1).

use serde::{Deserialize, Serialize};
use tidings_kernel::{ActivityId, CustomerId, NoteId, SegmentId, Timestamp, UserId, Uuid};
use utoipa::ToSchema;

use crate::diff::Previous;
use crate::schema::Example;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$word_doc])* $word,)+ }

        impl $name {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$word),+];

            /// The word as it is stored and sent.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text),+ }
            }

            /// The one with this word.
            pub fn find(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

words! {
    /// Where a customer stands.
    CustomerStatus {
        /// Not a customer yet.
        Prospect = "prospect",
        /// In good standing.
        Active = "active",
        /// Asleep: no business at present.
        Inactive = "inactive",
        /// Stopped by the tenant.
        Suspended = "suspended",
        /// Gone.
        Churned = "churned",
        /// Put away.
        Archived = "archived",
    }
}

words! {
    /// What a customer is.
    CustomerType {
        /// A person.
        Individual = "individual",
        /// A company.
        Business = "business",
        /// A large company.
        Enterprise = "enterprise",
        /// Somebody who sells on.
        Partner = "partner",
        /// Somebody who sells to the tenant.
        Vendor = "vendor",
    }
}

words! {
    /// What a customer is worth to the tenant.
    CustomerTier {
        /// Pays nothing.
        Free = "free",
        /// The smallest plan.
        Basic = "basic",
        /// The usual plan.
        Standard = "standard",
        /// The larger plan.
        Premium = "premium",
        /// The largest plan.
        Enterprise = "enterprise",
    }
}

words! {
    /// Where a customer record came from.
    CustomerSource {
        /// A call of the API.
        Api = "api",
        /// An import.
        Import = "import",
        /// The customer signed up.
        Signup = "signup",
        /// Another system, kept in step.
        Sync = "sync",
    }
}

words! {
    /// Why a customer was suspended.
    SuspensionReason {
        /// Somebody decided it.
        Manual = "manual",
        /// Invoices were not paid.
        NonPayment = "non_payment",
        /// Fraud is suspected.
        Fraud = "fraud",
        /// A law or a rule demands it.
        Compliance = "compliance",
    }
}

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
    /// What kind: `contact_made`, `purchase`, `support_ticket`, …
    pub activity_type: String,
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

/// 2026-11-23T12:30:04.123456Z: the instant of every example.
pub(crate) const EXAMPLE_NOW: Timestamp = Timestamp::from_micros(1_795_437_004_123_456);
/// The bytes of every example's id.
pub(crate) const EXAMPLE_UUID: Uuid = Uuid::from_u128(0x0190_a5c7_9d2e_7000_8000_0000_0000_0001);

impl Example for CustomerFacts {
    fn example() -> Self {
        Self {
            customer_id: CustomerId::from_uuid(EXAMPLE_UUID),
            customer_number: "CUST-9D2E7A01".to_owned(),
            email: "ada@example.com".to_owned(),
            email_verified: false,
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            display_name: None,
            company_name: Some("Analytical Engines".to_owned()),
            customer_type: CustomerType::Business,
            tier: CustomerTier::Standard,
            status: CustomerStatus::Active,
            phone: Some("+442071234567".to_owned()),
            country: Some("GB".to_owned()),
            timezone: "Europe/London".to_owned(),
            preferred_language: "en".to_owned(),
            tags: vec!["vip".to_owned()],
            segment_id: None,
            assigned_to: None,
            external_id: Some("crm-42".to_owned()),
            source_system: Some("crm".to_owned()),
            currency: Some("GBP".to_owned()),
            created_at: EXAMPLE_NOW,
        }
    }
}

fn example_customer(status: CustomerStatus) -> CustomerFacts {
    CustomerFacts { status, ..CustomerFacts::example() }
}

impl Example for CustomerCreated {
    fn example() -> Self {
        Self { customer: example_customer(CustomerStatus::Prospect), source: CustomerSource::Api }
    }
}

impl Example for CustomerUpdated {
    fn example() -> Self {
        Self {
            customer: CustomerFacts::example(),
            changed_fields: vec!["tier".to_owned()],
            previous: Previous::from([("tier".to_owned(), "free".into())]),
            updated_at: EXAMPLE_NOW,
        }
    }
}

impl Example for CustomerDeleted {
    fn example() -> Self {
        let customer = CustomerFacts::example();
        Self {
            customer_id: customer.customer_id,
            customer_number: customer.customer_number,
            email: Some(customer.email),
            first_name: Some(customer.first_name),
            last_name: Some(customer.last_name),
            company_name: customer.company_name,
            hard_delete: false,
            deleted_by: "key_01h455vb4pex5vsknk084sn02q".to_owned(),
            reason: Some("asked for it".to_owned()),
            anonymized: false,
            subscriptions_cancelled: 0,
            deleted_at: EXAMPLE_NOW,
        }
    }
}

impl Example for CustomerSuspended {
    fn example() -> Self {
        Self {
            customer: example_customer(CustomerStatus::Suspended),
            suspended_at: EXAMPLE_NOW,
            reason: SuspensionReason::Manual,
            suspended_by: "key_01h455vb4pex5vsknk084sn02q".to_owned(),
            previous_status: CustomerStatus::Active,
            subscriptions_suspended: 0,
            subscription_ids: Vec::new(),
        }
    }
}

impl Example for CustomerReactivated {
    fn example() -> Self {
        Self {
            customer: CustomerFacts::example(),
            reactivated_at: EXAMPLE_NOW,
            previous_status: CustomerStatus::Suspended,
            subscriptions_reactivated: 0,
            subscription_ids: Vec::new(),
        }
    }
}

impl Example for CustomerChurned {
    fn example() -> Self {
        Self {
            customer: example_customer(CustomerStatus::Churned),
            churned_at: EXAMPLE_NOW,
            previous_status: CustomerStatus::Active,
            new_status: CustomerStatus::Churned,
            reason: Some("moved away".to_owned()),
            subscriptions_canceled: 0,
            lifetime_value: 129_900,
            lifetime_value_currency: Some("GBP".to_owned()),
            currency_exponent: Some(2),
            tenure_days: 412,
        }
    }
}

impl Example for CustomerNoteAdded {
    fn example() -> Self {
        Self {
            customer_id: CustomerId::from_uuid(EXAMPLE_UUID),
            note_id: NoteId::from_uuid(EXAMPLE_UUID),
            is_internal: true,
        }
    }
}

impl Example for CustomerActivityRecorded {
    fn example() -> Self {
        Self {
            customer_id: CustomerId::from_uuid(EXAMPLE_UUID),
            activity_id: ActivityId::from_uuid(EXAMPLE_UUID),
            activity_type: "contact_made".to_owned(),
        }
    }
}

impl Example for CustomerPurchaseRecorded {
    fn example() -> Self {
        Self {
            customer_id: CustomerId::from_uuid(EXAMPLE_UUID),
            amount: 4_990,
            currency: "GBP".to_owned(),
            currency_exponent: 2,
            order_id: Some("order-1".to_owned()),
        }
    }
}

impl Example for CustomerSegmentCreated {
    fn example() -> Self {
        Self {
            segment_id: SegmentId::from_uuid(EXAMPLE_UUID),
            name: "Premium in Britain".to_owned(),
            is_dynamic: true,
        }
    }
}

impl Example for CustomerSegmentRecalculated {
    fn example() -> Self {
        Self { segment_id: SegmentId::from_uuid(EXAMPLE_UUID), member_count: 17 }
    }
}
