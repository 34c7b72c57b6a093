//! What callers see of a customer, its notes and its history.

use serde::Serialize;
use tidings_events::customers::{CustomerActivityType, CustomerStatus};
use tidings_kernel::{ActivityId, CustomerId, NoteId, Timestamp, Version};
use utoipa::ToSchema;

use crate::activity::Activity;
use crate::customer::Customer;
use crate::figures::Figures;
use crate::note::Note;
use crate::profile::Profile;
use crate::validation::exponent_of;

/// A customer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomerView {
    /// Its id.
    pub id: CustomerId,
    /// The number that people use.
    pub customer_number: String,
    /// Where the customer stands.
    pub status: CustomerStatus,
    /// What callers say about it.
    #[serde(flatten)]
    pub profile: Profile,
    /// What is computed about it.
    #[serde(flatten)]
    pub figures: FiguresView,
    /// When somebody was last in touch with it.
    pub last_contact_at: Option<Timestamp>,
    /// Whether the person is out of the record.
    pub anonymized: bool,
    /// When the record was deleted.
    pub deleted_at: Option<Timestamp>,
    /// When the deleted record will be erased.
    pub erase_at: Option<Timestamp>,
    /// When the record was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who last changed it.
    pub updated_by: String,
    /// How many events it has had; the `ETag`.
    pub version: Version,
}

/// What is computed about a customer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FiguresView {
    /// What was paid in all, in minor units of `lifetime_value_currency`.
    pub lifetime_value: i64,
    /// The currency of the amounts; absent where nothing was paid.
    pub lifetime_value_currency: Option<String>,
    /// The decimals of that currency.
    pub currency_exponent: Option<u8>,
    /// How many purchases there were.
    pub total_purchases: i64,
    /// What a purchase was worth on average, rounded down.
    pub average_order_value: Option<i64>,
    /// When the first purchase was.
    pub first_purchase_at: Option<Timestamp>,
    /// When the last purchase was.
    pub last_purchase_at: Option<Timestamp>,
}

impl From<Figures> for FiguresView {
    fn from(figures: Figures) -> Self {
        Self {
            average_order_value: figures.average_order_value(),
            currency_exponent: figures.currency.as_deref().and_then(exponent_of),
            lifetime_value: figures.lifetime_value,
            lifetime_value_currency: figures.currency,
            total_purchases: figures.total_purchases,
            first_purchase_at: figures.first_purchase_at,
            last_purchase_at: figures.last_purchase_at,
        }
    }
}

impl From<Customer> for CustomerView {
    fn from(customer: Customer) -> Self {
        Self {
            anonymized: customer.is_anonymous(),
            deleted_at: customer.deleted_at(),
            erase_at: customer.erase_at(),
            id: customer.id,
            customer_number: customer.number.as_str().to_owned(),
            status: customer.status,
            profile: customer.profile,
            figures: customer.figures.into(),
            last_contact_at: customer.last_contact_at,
            created_at: customer.created_at,
            created_by: customer.created_by,
            updated_at: customer.updated_at,
            updated_by: customer.updated_by,
            version: customer.version,
        }
    }
}

/// A customer with what was asked for besides.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomerDetailView {
    /// The customer.
    #[serde(flatten)]
    pub customer: CustomerView,
    /// The newest lines of its history, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activities: Option<Vec<ActivityView>>,
    /// The newest notes about it, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<Vec<NoteView>>,
}

/// A note about a customer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteView {
    /// Its id.
    pub id: NoteId,
    /// The customer.
    pub customer_id: CustomerId,
    /// What it is about.
    pub subject: Option<String>,
    /// What it says.
    pub content: String,
    /// Whether only the tenant's people see it.
    pub is_internal: bool,
    /// Who wrote it.
    pub created_by: String,
    /// When it was written.
    pub created_at: Timestamp,
}

impl From<Note> for NoteView {
    fn from(note: Note) -> Self {
        let Note { id, customer_id, subject, content, is_internal, created_by, created_at, .. } =
            note;
        Self { id, customer_id, subject, content, is_internal, created_by, created_at }
    }
}

/// A line of a customer's history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActivityView {
    /// Its id.
    pub id: ActivityId,
    /// The customer.
    pub customer_id: CustomerId,
    /// What kind of line it is.
    pub activity_type: CustomerActivityType,
    /// What happened, in a few words.
    pub title: String,
    /// What happened, in more of them.
    pub description: Option<String>,
    /// Who did it.
    pub performed_by: String,
    /// The address from which it was done, where it was told.
    pub ip_address: Option<String>,
    /// The program with which it was done, where it was told.
    pub user_agent: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

impl From<Activity> for ActivityView {
    fn from(activity: Activity) -> Self {
        Self {
            id: activity.id,
            customer_id: activity.customer_id,
            activity_type: activity.activity_type,
            title: activity.title,
            description: activity.description,
            performed_by: activity.performed_by,
            ip_address: activity.ip_address,
            user_agent: activity.user_agent,
            created_at: activity.created_at,
        }
    }
}
