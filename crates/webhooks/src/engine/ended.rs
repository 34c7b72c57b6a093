//! The end of a delivery in vain, as a change.

use tidings_db::DbError;
use tidings_kernel::{Change, Entity, Version};

use crate::store::settle::{self as rows, AttemptRow, DeliveryRow};

/// A delivery that ends in vain: its event and its row are one change.
pub(super) struct Ended {
    row: DeliveryRow,
    attempt: AttemptRow,
    version: Version,
}

impl Entity for Ended {
    type Event = tidings_events::WebhookEvent;
    const KIND: &'static str = "webhook_delivery";

    fn id(&self) -> tidings_kernel::AnyId {
        self.row.id.any()
    }

    fn version(&self) -> Version {
        self.version
    }

    fn set_version(&mut self, version: Version) {
        self.version = version;
    }
}

impl tidings_db::Stored for Ended {
    async fn save(&self, _: Version, writer: &mut tidings_db::Writer<'_>) -> Result<u64, DbError> {
        let written = rows::deliveries(writer, std::slice::from_ref(&self.row)).await?;
        rows::attempts(writer, std::slice::from_ref(&self.attempt), self.row.updated_at).await?;
        Ok(written)
    }
}

impl Ended {
    /// A delivery with its last attempt, to be written. `version` is that of its last event.
    pub(super) fn new(row: DeliveryRow, attempt: AttemptRow, version: Version) -> Self {
        Self { row, attempt, version }
    }

    /// Tells that it was tried as often as it may be.
    pub(super) fn exhaust(self) -> Change<Self> {
        let event = tidings_events::webhooks::WebhookDeliveryExhausted {
            delivery_id: self.row.id,
            subscription_id: self.row.subscription_id,
            event_id: self.row.event_id,
            event_type: self.row.event_name.clone(),
            attempts: self.row.attempts,
            last_error: match (self.row.last_status, self.row.last_error) {
                (Some(status), _) => format!("status.{status}"),
                (None, error) => error.unwrap_or("unknown").to_owned(),
            },
        };
        Change::new(self, event)
    }
}
