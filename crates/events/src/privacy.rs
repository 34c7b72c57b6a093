//! Payloads about what is kept of events, and what is erased. They name ids and counts, no person.

use serde::{Deserialize, Serialize};
use tidings_kernel::{ErasureId, Timestamp};
use utoipa::ToSchema;

use crate::customers::{EXAMPLE_NOW, EXAMPLE_UUID};
use crate::diff::Previous;
use crate::schema::Example;

/// The erasure of a subject was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PrivacyErasureRequested {
    /// The erasure.
    pub erasure_id: ErasureId,
    /// The subject, as events name it.
    pub subject_id: String,
    /// What asked: `api`, or the event type that led to it.
    pub asked_by: String,
}

/// What events held of a subject is gone: the receipt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PrivacyErasureCompleted {
    /// The erasure.
    pub erasure_id: ErasureId,
    /// The subject, as events name it.
    pub subject_id: String,
    /// What asked: `api`, or the event type that led to it.
    pub asked_by: String,
    /// Payloads of the subject's own events that were erased.
    pub own_events: i64,
    /// Payloads of other events that were erased because they named the subject.
    pub mentioning_events: i64,
    /// Deliveries that were under way and were discarded.
    pub deliveries_discarded: i64,
    /// Attempts whose recorded answer was erased.
    pub attempts_cleared: i64,
    /// Stored replies to an `Idempotency-Key` that were replaced.
    pub replies_replaced: i64,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it was done.
    pub completed_at: Timestamp,
}

/// How long a tenant keeps what was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PrivacyRetentionUpdated {
    /// The fields whose value changed, sorted.
    pub changed_fields: Vec<String>,
    /// Their old values, in days.
    #[schema(value_type = Object)]
    pub previous: Previous,
}

fn subject() -> String {
    tidings_kernel::CustomerId::from_uuid(EXAMPLE_UUID).to_string()
}

impl Example for PrivacyErasureRequested {
    fn example() -> Self {
        Self {
            erasure_id: ErasureId::from_uuid(EXAMPLE_UUID),
            subject_id: subject(),
            asked_by: "api".to_owned(),
        }
    }
}

impl Example for PrivacyErasureCompleted {
    fn example() -> Self {
        Self {
            erasure_id: ErasureId::from_uuid(EXAMPLE_UUID),
            subject_id: subject(),
            asked_by: "customer.deleted".to_owned(),
            own_events: 4,
            mentioning_events: 2,
            deliveries_discarded: 1,
            attempts_cleared: 3,
            replies_replaced: 1,
            requested_at: EXAMPLE_NOW,
            completed_at: EXAMPLE_NOW,
        }
    }
}

impl Example for PrivacyRetentionUpdated {
    fn example() -> Self {
        Self {
            changed_fields: vec!["payload_days".to_owned()],
            previous: Previous::from([("payload_days".to_owned(), 30.into())]),
        }
    }
}
