//! A tenant's own event types, and what is published under them.

use bytes::Bytes;
use serde_json::value::RawValue;
use tidings_events::webhooks::WebhookEventTypeRegistered;
use tidings_events::{CustomName, Event, EventName, Priority, Visibility, WebhookEvent};
use tidings_kernel::{
    AnyId, Change, Entity, EventTypeId, Metadata, PublicationId, TenantId, Timestamp, Version,
};

/// A tenant's own event type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CustomType {
    /// Its id.
    pub id: EventTypeId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// Its name.
    pub name: CustomName,
    /// For people.
    pub description: String,
    /// The version of its schema; a changed schema makes the next.
    pub schema_version: u32,
    /// JSON Schema of its data; `true` where it has none.
    pub schema: serde_json::Value,
    /// An example that fits the schema; `null` where none was given and none can be made.
    pub example: serde_json::Value,
    /// Since when it should not be used any more.
    pub deprecated_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// How many events it has had.
    pub version: Version,
}

impl Entity for CustomType {
    type Event = WebhookEvent;
    const KIND: &'static str = "webhook_event_type";

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

impl CustomType {
    /// Registers it, or what has become of it.
    pub(crate) fn register(self) -> Change<Self> {
        let event = WebhookEventTypeRegistered {
            event_type: self.name.as_str().to_owned(),
            schema_version: self.schema_version,
        };
        Change::new(self, event)
    }
}

/// One version of the schema of a type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TypeVersion {
    /// Which one.
    pub(crate) schema_version: u32,
    /// JSON Schema of the data that is published under it.
    pub(crate) schema: serde_json::Value,
    /// Since when there is it.
    pub(crate) created_at: Timestamp,
}

/// One publication of a custom event.
#[derive(Debug, Clone)]
pub(crate) struct Publication {
    /// Its id: the subject of its event.
    pub id: PublicationId,
    /// The publisher's own id for it.
    pub client_id: Option<String>,
    /// A digest of what was published, to tell a repetition from a mistake.
    pub body_hash: Bytes,
    /// How many events it has had: one.
    pub version: Version,
}

impl Entity for Publication {
    type Event = Event;
    const KIND: &'static str = "custom_event";

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

impl Publication {
    /// Publishes data that was checked against the type's schema.
    pub(crate) fn publish(
        self,
        custom_type: (&CustomName, u32),
        data: Box<RawValue>,
        metadata: Metadata,
    ) -> Change<Self> {
        let (name, schema_version) = custom_type;
        let event = Event {
            name: EventName::Custom(name.clone()),
            schema_version,
            priority: Priority::Normal,
            visibility: Visibility::Public,
            data,
            custom_metadata: Some(metadata),
            sent_as: None,
        };
        Change::new(self, event)
    }
}
