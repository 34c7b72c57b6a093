//! A subscription: where events of which types go, and how.

use std::time::Duration;

use tidings_events::webhooks::{
    WebhookEndpointDisableScheduled, WebhookEndpointFailing, WebhookEndpointRecovered,
    WebhookSubscriptionCreated, WebhookSubscriptionDeleted, WebhookSubscriptionDisabled,
    WebhookSubscriptionSecretRotated, WebhookSubscriptionUpdated,
};
use tidings_events::{Diff, WebhookEvent};
use tidings_kernel::{
    AnyId, Change, Entity, Metadata, TenantId, Timestamp, Version, WebhookSubscriptionId,
};

use crate::error::WebhookError;
use crate::health::Health;
use crate::options::Options;
use crate::plan::RetryPolicy;

/// How long webhooks are signed with the old secret too after a rotation, unless told.
pub(crate) const OVERLAP: Duration = Duration::from_hours(24);

/// A secret or a set of headers as it lies in the database: sealed for its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(pub bytes::Bytes);

/// Why nothing is sent at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disabled {
    /// When it was disabled.
    pub at: Timestamp,
    /// Why: `gone` when the endpoint answered 410.
    pub reason: String,
}

/// Whether an object's events wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeliveryOrder {
    /// Each event goes out at once.
    #[default]
    None,
    /// An event goes out when every earlier one of the same object has arrived or was given up.
    /// Only that object waits.
    PerObject,
}

impl DeliveryOrder {
    /// Every order.
    pub const ALL: &[Self] = &[Self::None, Self::PerObject];

    /// The word in the database and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PerObject => "per_object",
        }
    }

    /// The order with this word.
    pub fn find(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|ordering| ordering.as_str() == word)
    }
}

/// Where events of which types go, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: WebhookSubscriptionId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// Where it sends to.
    pub url: String,
    /// What it is sent: filters as they were given.
    pub events: Vec<String>,
    /// For people.
    pub description: Option<String>,
    /// Headers that go along, sealed.
    pub headers: Sealed,
    /// The names of those headers.
    pub header_names: Vec<String>,
    /// When a failed delivery is tried again.
    pub retry_policy: RetryPolicy,
    /// The time for one attempt, in seconds.
    pub timeout_seconds: u32,
    /// How many deliveries a second the endpoint takes at most; as many as it answers, unless set.
    pub rate_per_second: Option<u32>,
    /// Whether an object's events wait for each other.
    pub ordering: DeliveryOrder,
    /// Whether the owner wants it to send.
    pub is_active: bool,
    /// Whether Tidings has stopped it.
    pub disabled: Option<Disabled>,
    /// The signing secret, sealed.
    pub secret: Sealed,
    /// The secret before a rotation, and until when it signs too.
    pub previous: Option<(Sealed, Timestamp)>,
    /// The seed of its key pair, sealed, where a profile needs one.
    pub signing_key: Option<Sealed>,
    /// What it asks for beyond the defaults.
    pub options: Options,
    /// What the owner attached; it is never sent.
    pub custom_metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// How many events it has had.
    pub version: Version,
}

impl Entity for Subscription {
    type Event = WebhookEvent;
    const KIND: &'static str = "webhook_subscription";

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

impl Subscription {
    /// Whether events are sent at present.
    pub fn sends(&self) -> bool {
        self.is_active
            && self.disabled.is_none()
            && self.deleted_at.is_none()
            && self.options.may_send()
    }

    /// `active`, `pending` until its endpoint consents, `paused` by the owner, or `disabled` by
    /// Tidings.
    pub fn status(&self) -> &'static str {
        match (&self.disabled, self.is_active, self.options.may_send()) {
            (Some(_), ..) => "disabled",
            (None, false, _) => "paused",
            (None, true, false) => "pending",
            (None, true, true) => "active",
        }
    }

    /// Makes a subscription that is not stored yet.
    pub fn create(self) -> Change<Self> {
        let event = WebhookSubscriptionCreated {
            subscription_id: self.id,
            url: self.url.clone(),
            events: self.events.clone(),
        };
        Change::new(self, event)
    }

    /// Takes the fields of `next` over; nothing where none differs. Switching it on again lifts
    /// what Tidings had stopped.
    pub fn update(self, next: Self, now: Timestamp) -> Result<Change<Self>, Box<Self>> {
        let (old, new) = (&self.options, &next.options);
        let diff = Diff::new()
            .field("url", &self.url, &next.url)
            .field("events", &self.events, &next.events)
            .field("description", &self.description, &next.description)
            .private_field("headers", &self.headers, &next.headers)
            .field("retry_policy", &self.retry_policy.name(), &next.retry_policy.name())
            .field("timeout_seconds", &self.timeout_seconds, &next.timeout_seconds)
            .field("rate_per_second", &self.rate_per_second, &next.rate_per_second)
            .field("ordering", &self.ordering.as_str(), &next.ordering.as_str())
            .field("is_active", &self.sends(), &next.sends())
            .field("custom_metadata", &self.custom_metadata, &next.custom_metadata)
            .field("payload_filter", &old.payload_filter, &new.payload_filter)
            .field("signature_profiles", &old.signature_profiles, &new.signature_profiles)
            .field("public_key", &old.public_key, &new.public_key)
            .field("format", &old.format, &new.format)
            .field("redact", &old.redact().to_vec(), &new.redact().to_vec())
            .field("handshake", &old.handshake, &new.handshake)
            .field("consented_at", &old.consented_at, &new.consented_at)
            .field("handshake_refusal", &old.handshake_refusal, &new.handshake_refusal);
        if diff.is_empty() {
            return Err(Box::new(self));
        }
        let event = WebhookSubscriptionUpdated {
            subscription_id: self.id,
            changed_fields: diff.changed_fields(),
            previous: diff.previous(),
        };
        Ok(Change::new(Self { updated_at: now, ..next }, event))
    }

    /// Gives it a new secret; the old one signs too until the overlap is over.
    pub fn rotate(self, secret: Sealed, overlap: Duration, now: Timestamp) -> Change<Self> {
        let until = now.after(overlap);
        let event = WebhookSubscriptionSecretRotated {
            subscription_id: self.id,
            previous_valid_until: until,
        };
        let previous = (!overlap.is_zero()).then_some((self.secret, until));
        Change::new(Self { secret, previous, updated_at: now, ..self }, event)
    }

    /// Stops it, because its endpoint is gone or has failed for too long.
    pub fn disable(self, reason: &str, now: Timestamp) -> Result<Change<Self>, WebhookError> {
        if self.disabled.is_some() || self.deleted_at.is_some() {
            return Err(WebhookError::AlreadyDisabled);
        }
        let event = WebhookSubscriptionDisabled {
            subscription_id: self.id,
            url: self.url.clone(),
            reason: reason.to_owned(),
            disabled_at: now,
        };
        let disabled = Some(Disabled { at: now, reason: reason.to_owned() });
        Ok(Change::new(Self { disabled, updated_at: now, ..self }, event))
    }

    /// Tells the owner that its endpoint fails.
    pub fn endpoint_failing(self, health: &Health, now: Timestamp) -> Change<Self> {
        let event = WebhookEndpointFailing {
            subscription_id: self.id,
            url: self.url.clone(),
            failing_since: health.failing_since.unwrap_or(now),
            failures: health.failures,
            disabled_from: health.disabled_from(now),
        };
        Change::new(self, event)
    }

    /// Tells the owner that its endpoint takes deliveries again.
    pub fn endpoint_recovered(self, health: &Health, now: Timestamp) -> Change<Self> {
        let event = WebhookEndpointRecovered {
            subscription_id: self.id,
            url: self.url.clone(),
            recovered_at: health.last_success_at.unwrap_or(now),
        };
        Change::new(self, event)
    }

    /// Tells the owner that its endpoint will be disabled.
    pub fn endpoint_warned(self, health: &Health, now: Timestamp) -> Change<Self> {
        let event = WebhookEndpointDisableScheduled {
            subscription_id: self.id,
            url: self.url.clone(),
            failing_since: health.failing_since.unwrap_or(now),
            disabled_from: health.disabled_from(now),
        };
        Change::new(self, event)
    }

    /// Ends it. Its deliveries stay readable.
    pub fn delete(self, now: Timestamp) -> Change<Self> {
        let event = WebhookSubscriptionDeleted { subscription_id: self.id };
        Change::new(Self { deleted_at: Some(now), updated_at: now, ..self }, event)
    }
}
