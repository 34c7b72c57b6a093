//! Notes about a customer, and lines of its history that callers write.

use tidings_db::UnitOfWork;
use tidings_events::customers::CustomerActivityType;
use tidings_kernel::CustomerId;

use crate::activity::Activity;
use crate::commands::{AddNote, RecordActivity};
use crate::customer::who;
use crate::error::CustomerError;
use crate::note::Note;
use crate::service::history::{self, Line};
use crate::service::{Customers, get_for_change};

impl Customers {
    /// Writes a note about a customer, who does not change by it.
    pub async fn add_customer_note(
        &self,
        work: &mut UnitOfWork,
        id: CustomerId,
        input: AddNote,
    ) -> Result<Note, CustomerError> {
        let input = input.checked()?;
        let customer = get_for_change(work, id, None).await?;
        let note_id = work.mint();
        let written = (who(&work.ctx().actor), work.now());
        let note = Note::add(note_id, customer.tenant_id, id, input, written);
        let note = work.apply(note).await?;
        let line = Line {
            customer_id: id,
            activity_type: CustomerActivityType::NoteAdded,
            title: "Note added",
            description: None,
        };
        history::write(work, vec![line]).await?;
        Ok(note)
    }

    /// Records a line of a customer's history, who does not change by it.
    pub async fn record_customer_activity(
        &self,
        work: &mut UnitOfWork,
        id: CustomerId,
        input: RecordActivity,
    ) -> Result<Activity, CustomerError> {
        let RecordActivity { activity_type, title, description, ip_address, user_agent } =
            input.checked()?;
        let customer = get_for_change(work, id, None).await?;
        let activity = Activity {
            id: work.mint(),
            tenant_id: customer.tenant_id,
            customer_id: id,
            activity_type,
            title,
            description,
            performed_by: who(&work.ctx().actor),
            ip_address,
            user_agent,
            created_at: work.now(),
            version: 0,
        };
        Ok(work.apply(activity.record()).await?)
    }
}
