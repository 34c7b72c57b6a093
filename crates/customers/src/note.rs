//! What somebody wrote about a customer. The text is in no event.

use tidings_events::CustomerEvent;
use tidings_events::customers::CustomerNoteAdded;
use tidings_kernel::{AnyId, Change, CustomerId, Entity, NoteId, TenantId, Timestamp, Version};

use crate::commands::AddNote;

/// A note about a customer. It is written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its id.
    pub id: NoteId,
    /// The tenant.
    pub tenant_id: TenantId,
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
    /// How many events it has had.
    pub version: Version,
}

impl Entity for Note {
    type Event = CustomerEvent;
    const KIND: &'static str = "customer_note";

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

impl Note {
    /// Writes a note.
    pub fn add(
        id: NoteId,
        tenant_id: TenantId,
        customer_id: CustomerId,
        note: AddNote,
        (created_by, created_at): (String, Timestamp),
    ) -> Change<Self> {
        let AddNote { subject, content, is_internal } = note;
        let event = CustomerNoteAdded { customer_id, note_id: id, is_internal };
        let note = Self {
            id,
            tenant_id,
            customer_id,
            subject,
            content,
            is_internal,
            created_by,
            created_at,
            version: 0,
        };
        Change::new(note, event)
    }
}
