//! Whom to ask at a customer. Who it is is in no event.

use tidings_events::CustomerEvent;
use tidings_events::customers::{ContactRole, CustomerContactAdded, CustomerContactRemoved};
use tidings_kernel::{AnyId, Change, ContactId, CustomerId, Entity, TenantId, Timestamp, Version};

use crate::commands::AddContact;

/// A person to ask at a customer. It is written once; another person is another contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The customer.
    pub customer_id: CustomerId,
    /// What the person is asked about.
    pub role: ContactRole,
    /// The person's name.
    pub name: String,
    /// The person's mail address.
    pub email: Option<String>,
    /// The person's telephone number.
    pub phone: Option<String>,
    /// Who added it.
    pub created_by: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// Whether it is removed: nothing of it is stored.
    pub removed: bool,
    /// How many events it has had.
    pub version: Version,
}

impl Entity for Contact {
    type Event = CustomerEvent;
    const KIND: &'static str = "customer_contact";

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

impl Contact {
    /// Adds a contact.
    pub fn add(
        id: ContactId,
        (tenant_id, customer_id): (TenantId, CustomerId),
        contact: AddContact,
        (created_by, created_at): (String, Timestamp),
    ) -> Change<Self> {
        let AddContact { role, name, email, phone } = contact;
        let event = CustomerContactAdded { customer_id, contact_id: id, role };
        let contact = Self {
            id,
            tenant_id,
            customer_id,
            role,
            name,
            email,
            phone,
            created_by,
            created_at,
            removed: false,
            version: 0,
        };
        Change::new(contact, event)
    }

    /// Removes it.
    pub fn remove(self) -> Change<Self> {
        let Self { id: contact_id, customer_id, role, .. } = self;
        let event = CustomerContactRemoved { customer_id, contact_id, role };
        Change::new(Self { removed: true, ..self }, event)
    }
}
