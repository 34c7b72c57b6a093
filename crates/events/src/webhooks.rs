//! Payloads about the delivery engine itself.

mod replays;

use serde::{Deserialize, Serialize};
use tidings_kernel::{DeliveryId, EventId, Timestamp, WebhookSubscriptionId};
use utoipa::ToSchema;

use crate::customers::{EXAMPLE_NOW, EXAMPLE_UUID};
use crate::diff::Previous;
use crate::schema::Example;

pub use replays::{
    WebhookReplayCancelled, WebhookReplayCompleted, WebhookReplayFailed, WebhookReplayResumed,
    WebhookReplayStarted,
};

/// A webhook subscription was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookSubscriptionCreated {
    /// The subscription.
    pub subscription_id: WebhookSubscriptionId,
    /// Where it sends to.
    pub url: String,
    /// What it is sent.
    pub events: Vec<String>,
}

/// A webhook subscription was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookSubscriptionUpdated {
    /// The subscription.
    pub subscription_id: WebhookSubscriptionId,
    /// The fields whose value changed, sorted.
    pub changed_fields: Vec<String>,
    /// Their old values, but for headers.
    #[schema(value_type = Object)]
    pub previous: Previous,
}

/// A webhook subscription was deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookSubscriptionDeleted {
    /// The subscription.
    pub subscription_id: WebhookSubscriptionId,
}

/// A webhook subscription got a new secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookSubscriptionSecretRotated {
    /// The subscription.
    pub subscription_id: WebhookSubscriptionId,
    /// Until when webhooks are signed with the old secret too.
    pub previous_valid_until: Timestamp,
}

/// Tidings stopped sending to an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookSubscriptionDisabled {
    /// The subscription.
    pub subscription_id: WebhookSubscriptionId,
    /// Where it sent to.
    pub url: String,
    /// Why: `gone` when the endpoint answered 410, `failing` when nothing arrived for five days.
    pub reason: String,
    /// When.
    pub disabled_at: Timestamp,
}

/// An endpoint has failed ten times in a row. Deliveries to it wait and are tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookEndpointFailing {
    /// The subscription.
    pub subscription_id: WebhookSubscriptionId,
    /// Where it sends to.
    pub url: String,
    /// When the first of these failures was.
    pub failing_since: Timestamp,
    /// How many there were so far.
    pub failures: u32,
    /// When it will be disabled if nothing arrives until then.
    pub disabled_from: Timestamp,
}

/// An endpoint that was failing took a delivery again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookEndpointRecovered {
    /// The subscription.
    pub subscription_id: WebhookSubscriptionId,
    /// Where it sends to.
    pub url: String,
    /// When it took a delivery again.
    pub recovered_at: Timestamp,
}

/// An endpoint has failed for four days: it will be disabled unless something arrives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookEndpointDisableScheduled {
    /// The subscription.
    pub subscription_id: WebhookSubscriptionId,
    /// Where it sends to.
    pub url: String,
    /// When the first of these failures was.
    pub failing_since: Timestamp,
    /// When it will be disabled.
    pub disabled_from: Timestamp,
}

/// A delivery failed for the last time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDeliveryExhausted {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// The subscription.
    pub subscription_id: WebhookSubscriptionId,
    /// The event that was not delivered.
    pub event_id: EventId,
    /// Its type.
    pub event_type: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How the last attempt ended: a status, or the class of the failure.
    pub last_error: String,
}

/// Somebody asked to deliver an event once more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDeliveryRetried {
    /// The delivery that is repeated.
    pub delivery_id: DeliveryId,
    /// The new delivery.
    pub new_delivery_id: DeliveryId,
    /// The subscription.
    pub subscription_id: WebhookSubscriptionId,
    /// The event.
    pub event_id: EventId,
}

/// A custom event type was registered, or its schema has a new version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookEventTypeRegistered {
    /// The type.
    pub event_type: String,
    /// The version of its schema.
    pub schema_version: u32,
}

/// A test, sent to one endpoint because somebody asked for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookTest {
    /// The subscription that is tested.
    pub subscription_id: WebhookSubscriptionId,
    /// A sentence for whoever reads the receiver's log.
    pub message: String,
}

fn subscription() -> WebhookSubscriptionId {
    WebhookSubscriptionId::from_uuid(EXAMPLE_UUID)
}

impl Example for WebhookSubscriptionCreated {
    fn example() -> Self {
        Self {
            subscription_id: subscription(),
            url: "https://example.com/hooks".to_owned(),
            events: vec!["customer.*".to_owned()],
        }
    }
}

impl Example for WebhookSubscriptionUpdated {
    fn example() -> Self {
        Self {
            subscription_id: subscription(),
            changed_fields: vec!["url".to_owned()],
            previous: Previous::from([("url".to_owned(), "https://example.com/old".into())]),
        }
    }
}

impl Example for WebhookSubscriptionDeleted {
    fn example() -> Self {
        Self { subscription_id: subscription() }
    }
}

impl Example for WebhookSubscriptionSecretRotated {
    fn example() -> Self {
        Self { subscription_id: subscription(), previous_valid_until: EXAMPLE_NOW }
    }
}

impl Example for WebhookSubscriptionDisabled {
    fn example() -> Self {
        Self {
            subscription_id: subscription(),
            url: "https://example.com/hooks".to_owned(),
            reason: "gone".to_owned(),
            disabled_at: EXAMPLE_NOW,
        }
    }
}

impl Example for WebhookEndpointFailing {
    fn example() -> Self {
        Self {
            subscription_id: subscription(),
            url: "https://example.com/hooks".to_owned(),
            failing_since: EXAMPLE_NOW,
            failures: 10,
            disabled_from: EXAMPLE_NOW,
        }
    }
}

impl Example for WebhookEndpointRecovered {
    fn example() -> Self {
        Self {
            subscription_id: subscription(),
            url: "https://example.com/hooks".to_owned(),
            recovered_at: EXAMPLE_NOW,
        }
    }
}

impl Example for WebhookEndpointDisableScheduled {
    fn example() -> Self {
        Self {
            subscription_id: subscription(),
            url: "https://example.com/hooks".to_owned(),
            failing_since: EXAMPLE_NOW,
            disabled_from: EXAMPLE_NOW,
        }
    }
}

impl Example for WebhookDeliveryExhausted {
    fn example() -> Self {
        Self {
            delivery_id: DeliveryId::from_uuid(EXAMPLE_UUID),
            subscription_id: subscription(),
            event_id: EventId::from_uuid(EXAMPLE_UUID),
            event_type: "customer.created".to_owned(),
            attempts: 10,
            last_error: "status.500".to_owned(),
        }
    }
}

impl Example for WebhookDeliveryRetried {
    fn example() -> Self {
        Self {
            delivery_id: DeliveryId::from_uuid(EXAMPLE_UUID),
            new_delivery_id: DeliveryId::from_uuid(EXAMPLE_UUID),
            subscription_id: subscription(),
            event_id: EventId::from_uuid(EXAMPLE_UUID),
        }
    }
}

impl Example for WebhookEventTypeRegistered {
    fn example() -> Self {
        Self { event_type: "custom.order.shipped".to_owned(), schema_version: 1 }
    }
}

impl Example for WebhookTest {
    fn example() -> Self {
        Self {
            subscription_id: subscription(),
            message: "this is a test of your endpoint; answer with any 2xx status".to_owned(),
        }
    }
}
