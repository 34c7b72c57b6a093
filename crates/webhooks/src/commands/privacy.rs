//! What callers send about retention and erasure.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::retention::Days;

/// Changes how long what is kept, in days.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are those in the API, with their unit")]
pub(crate) struct UpdateRetention {
    /// Payloads, after the last delivery of their event has ended, or after the event where it had
    /// none: 1 to 365, and no more than `attempt_days`; 30 unless set.
    pub(crate) payload_days: Option<u32>,
    /// What endpoints answered: 1 to 90, and no more than `attempt_days`; 7 unless set.
    pub(crate) reply_days: Option<u32>,
    /// Deliveries with their attempts, after they have ended: 7 to 400; 90 unless set.
    pub(crate) attempt_days: Option<u32>,
    /// The log, without payloads: 90 to 3650, and no less than the others; 400 unless set.
    pub(crate) event_days: Option<u32>,
}

impl UpdateRetention {
    /// The days after this change.
    pub(crate) fn over(&self, days: Days) -> Days {
        Days {
            payload: self.payload_days.unwrap_or(days.payload),
            reply: self.reply_days.unwrap_or(days.reply),
            attempt: self.attempt_days.unwrap_or(days.attempt),
            event: self.event_days.unwrap_or(days.event),
        }
    }
}

/// Asks for the erasure of what events hold of a subject.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestErasure {
    /// The subject, as events name it: `cus_…`.
    pub(crate) subject_id: String,
    /// What it is, as `subject.type` of its events says; asked only to prevent a mistake.
    pub(crate) subject_type: Option<String>,
}
