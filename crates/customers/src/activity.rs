//! A line of a customer's history.

use tidings_events::CustomerEvent;
use tidings_events::customers::{CustomerActivityRecorded, CustomerActivityType};
use tidings_kernel::{ActivityId, AnyId, Change, CustomerId, Entity, TenantId, Timestamp, Version};

/// A line of a customer's history. It is written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Its id.
    pub id: ActivityId,
    /// The tenant.
    pub tenant_id: TenantId,
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
    /// The address from which it was done, where a caller knows it.
    pub ip_address: Option<String>,
    /// The program with which it was done, where a caller knows it.
    pub user_agent: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// How many events it has had.
    pub version: Version,
}

impl Entity for Activity {
    type Event = CustomerEvent;
    const KIND: &'static str = "customer_activity";

    fn id(&self) -> AnyId {
        self.id.any()
    }

    fn version(&self) -> Version {
        self.version
    }

    fn set_version(&mut self, version: Version) {
        self.version = version;
    }
}

impl Activity {
    /// Records a line that somebody sent. Lines that the service writes itself go without an event:
    /// the one beside them tells the same.
    pub fn record(self) -> Change<Self> {
        let event = CustomerActivityRecorded {
            customer_id: self.customer_id,
            activity_id: self.id,
            activity_type: self.activity_type,
        };
        Change::new(self, event)
    }
}

/// Whether callers may write such a line. The others are the service's own: a caller who could
/// write them could invent a past.
pub(crate) const fn is_callers(activity_type: CustomerActivityType) -> bool {
    match activity_type {
        CustomerActivityType::Created
        | CustomerActivityType::Updated
        | CustomerActivityType::StatusChanged
        | CustomerActivityType::NoteAdded => false,
        CustomerActivityType::TagAdded
        | CustomerActivityType::TagRemoved
        | CustomerActivityType::ContactMade
        | CustomerActivityType::Purchase
        | CustomerActivityType::SupportTicket
        | CustomerActivityType::Login
        | CustomerActivityType::Export
        | CustomerActivityType::Import => true,
    }
}
