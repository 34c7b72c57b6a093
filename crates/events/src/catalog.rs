//! One line for each event type.

use serde_json::value::RawValue;
use tidings_kernel::Metadata;

use crate::custom::CustomName;
use crate::{customers, identity, privacy, webhooks};

/// How soon an event goes out among those of its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Before the others.
    High,
    /// In its turn.
    Normal,
    /// After the others, though never starved.
    Low,
}

impl Priority {
    /// The word in the catalog and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// The priority with this word.
    pub fn find(word: &str) -> Option<Self> {
        [Self::High, Self::Normal, Self::Low].into_iter().find(|priority| priority.name() == word)
    }
}

/// Who sees an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Delivered to every endpoint that subscribed.
    Public,
    /// In the log and the audit trail; never delivered.
    Internal,
}

/// A payload struct of the catalog.
pub trait Payload: serde::Serialize + utoipa::ToSchema {
    /// The type that it belongs to.
    const TYPE: EventType;

    /// An example, built from the types themselves.
    fn example() -> Self;
}

/// Is handed each payload type in turn.
pub trait PayloadVisitor {
    /// Takes one payload type.
    fn visit<P: Payload>(&mut self);
}

/// The name of an event's type: from the catalog, or a tenant's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventName {
    /// A type of the catalog.
    Catalog(EventType),
    /// A tenant's own type.
    Custom(CustomName),
}

impl EventName {
    /// The name as it is sent.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Catalog(event_type) => event_type.name(),
            Self::Custom(name) => name.as_str(),
        }
    }
}

impl std::fmt::Display for EventName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A payload that is ready to be recorded.
#[derive(Debug, Clone)]
pub struct Event {
    /// The type.
    pub name: EventName,
    /// The version of the type's schema.
    pub schema_version: u32,
    /// How soon it goes out.
    pub priority: Priority,
    /// Who sees it.
    pub visibility: Visibility,
    /// The payload as JSON, serialised once.
    pub data: Box<RawValue>,
    /// What the publisher attached; where absent, the object's own metadata is sent.
    pub custom_metadata: Option<Metadata>,
    /// The type, with the version of its schema, that the body names where it is not the one of
    /// the log: an example of it, sent as a test. No reaction takes it for the real thing.
    pub sent_as: Option<(EventName, u32)>,
}

impl Event {
    fn of<P: Payload>(payload: &P) -> Self {
        // A payload is a struct of numbers, texts, lists and maps with text keys: it always
        // serialises. A map with other keys would show in the test that serialises every example.
        let data =
            serde_json::value::to_raw_value(payload).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self {
            name: EventName::Catalog(P::TYPE),
            schema_version: P::TYPE.version(),
            priority: P::TYPE.priority(),
            visibility: P::TYPE.visibility(),
            data,
            custom_metadata: None,
            sent_as: None,
        }
    }
}

macro_rules! catalog {
    ($(
        $(#[$domain_doc:meta])*
        $domain:ident in $module:ident, $category:ident {
            $($name:literal $version:literal $priority:ident $visibility:ident => $payload:ident,)+
        }
    )+) => {
        /// A type of the catalog. A name that is not here does not compile.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventType {
            $($(
                #[doc = concat!("`", $name, "`, version ", stringify!($version), ".")]
                $payload,
            )+)+
        }

        /// The part of the platform that an event type belongs to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Category {
            $($(#[$domain_doc])* $category,)+
        }

        impl Category {
            /// The category in words.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$category => stringify!($category)),+ }
            }
        }

        impl EventType {
            /// Every type, in the order of the catalog.
            pub const ALL: &[Self] = &[$($(Self::$payload),+),+];

            /// The name, letter for letter.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$payload => $name),+),+ }
            }

            /// The version of its schema.
            pub const fn version(self) -> u32 {
                match self { $($(Self::$payload => $version),+),+ }
            }

            /// How soon it goes out.
            pub const fn priority(self) -> Priority {
                match self { $($(Self::$payload => Priority::$priority),+),+ }
            }

            /// Who sees it.
            pub const fn visibility(self) -> Visibility {
                match self { $($(Self::$payload => Visibility::$visibility),+),+ }
            }

            /// The part of the platform that it belongs to.
            pub const fn category(self) -> Category {
                match self { $($(Self::$payload => Category::$category),+),+ }
            }

            /// Hands each payload type to a visitor.
            pub fn for_each(visitor: &mut impl PayloadVisitor) {
                $($(visitor.visit::<$module::$payload>();)+)+
            }

            /// Hands this type's payload type to a visitor.
            pub fn visit(self, visitor: &mut impl PayloadVisitor) {
                match self { $($(Self::$payload => visitor.visit::<$module::$payload>()),+),+ }
            }
        }

        $(
            $(#[$domain_doc])*
            #[derive(Debug, Clone)]
            pub enum $domain {
                $(
                    #[doc = concat!("`", $name, "`.")]
                    $payload($module::$payload),
                )+
            }

            impl From<$domain> for Event {
                fn from(event: $domain) -> Self {
                    match event { $($domain::$payload(payload) => Self::of(&payload)),+ }
                }
            }

            $(
                impl From<$module::$payload> for $domain {
                    fn from(payload: $module::$payload) -> Self {
                        Self::$payload(payload)
                    }
                }

                impl Payload for $module::$payload {
                    const TYPE: EventType = EventType::$payload;

                    fn example() -> Self {
                        <Self as crate::schema::Example>::example()
                    }
                }
            )+

            const _: () = sorted(&[$($name),+]);
        )+
    };
}

/// Names of a domain are sorted, and so unique; a duplicate is a build error.
const fn sorted(names: &[&str]) {
    let mut i = 1;
    while i < names.len() {
        let (a, b) = (names[i - 1].as_bytes(), names[i].as_bytes());
        let mut j = 0;
        while j < a.len() && j < b.len() && a[j] == b[j] {
            j += 1;
        }
        let before = if j < a.len() && j < b.len() { a[j] < b[j] } else { a.len() < b.len() };
        assert!(before, "the names of a domain are unique and sorted");
        i += 1;
    }
}

catalog! {
    /// What happens to customers.
    CustomerEvent in customers, Customer {
        "customer.activity_recorded" 1 Low Internal => CustomerActivityRecorded,
        "customer.anonymized" 1 Low Internal => CustomerAnonymized,
        "customer.churned" 1 Normal Public => CustomerChurned,
        "customer.consent_recorded" 1 Low Internal => CustomerConsentRecorded,
        "customer.contact_added" 1 Low Internal => CustomerContactAdded,
        "customer.contact_removed" 1 Low Internal => CustomerContactRemoved,
        "customer.created" 1 High Public => CustomerCreated,
        "customer.deleted" 1 Normal Public => CustomerDeleted,
        "customer.erased" 1 Low Internal => CustomerErased,
        "customer.note_added" 1 Low Internal => CustomerNoteAdded,
        "customer.purchase_recorded" 1 Low Internal => CustomerPurchaseRecorded,
        "customer.reactivated" 1 Normal Public => CustomerReactivated,
        "customer.segment_created" 1 Low Internal => CustomerSegmentCreated,
        "customer.segment_recalculated" 1 Low Internal => CustomerSegmentRecalculated,
        "customer.suspended" 1 High Public => CustomerSuspended,
        "customer.updated" 1 Normal Public => CustomerUpdated,
    }

    /// What happens to tenants and keys.
    IdentityEvent in identity, Identity {
        "api_key.created" 1 Normal Internal => ApiKeyCreated,
        "api_key.revoked" 1 Normal Internal => ApiKeyRevoked,
        "api_key.rotated" 1 Normal Internal => ApiKeyRotated,
        "tenant.created" 1 Normal Internal => TenantCreated,
        "tenant.reactivated" 1 Normal Internal => TenantReactivated,
        "tenant.suspended" 1 Normal Internal => TenantSuspended,
    }

    /// What is kept of events, and what was erased.
    PrivacyEvent in privacy, Privacy {
        "privacy.erasure.completed" 1 Normal Internal => PrivacyErasureCompleted,
        "privacy.erasure.requested" 1 Normal Internal => PrivacyErasureRequested,
        "privacy.retention.updated" 1 Normal Internal => PrivacyRetentionUpdated,
    }

    /// What the delivery engine has to say about itself.
    WebhookEvent in webhooks, Webhook {
        "webhook.delivery.exhausted" 1 High Public => WebhookDeliveryExhausted,
        "webhook.delivery.retried" 1 Normal Internal => WebhookDeliveryRetried,
        "webhook.endpoint.disable_scheduled" 1 High Public => WebhookEndpointDisableScheduled,
        "webhook.endpoint.failing" 1 High Public => WebhookEndpointFailing,
        "webhook.endpoint.recovered" 1 Normal Public => WebhookEndpointRecovered,
        "webhook.event_type.registered" 1 Normal Internal => WebhookEventTypeRegistered,
        "webhook.replay.cancelled" 1 Normal Internal => WebhookReplayCancelled,
        "webhook.replay.completed" 1 Normal Internal => WebhookReplayCompleted,
        "webhook.replay.failed" 1 Normal Internal => WebhookReplayFailed,
        "webhook.replay.resumed" 1 Normal Internal => WebhookReplayResumed,
        "webhook.replay.started" 1 Normal Internal => WebhookReplayStarted,
        "webhook.subscription.created" 1 Normal Internal => WebhookSubscriptionCreated,
        "webhook.subscription.deleted" 1 Normal Internal => WebhookSubscriptionDeleted,
        "webhook.subscription.disabled" 1 High Public => WebhookSubscriptionDisabled,
        "webhook.subscription.secret_rotated" 1 Normal Internal => WebhookSubscriptionSecretRotated,
        "webhook.subscription.updated" 1 Normal Internal => WebhookSubscriptionUpdated,
        "webhook.test" 1 High Public => WebhookTest,
    }
}

impl EventType {
    /// The type with this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event_type| event_type.name() == name)
    }

    /// The types that are delivered.
    pub fn public() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|event_type| event_type.visibility() == Visibility::Public)
    }
}

impl std::fmt::Display for EventType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::data_schema;

    struct ExamplesFitTheirSchemas;

    impl PayloadVisitor for ExamplesFitTheirSchemas {
        fn visit<P: Payload>(&mut self) {
            let schema = data_schema::<P>();
            let example = serde_json::to_value(P::example()).unwrap();
            let validator = jsonschema::validator_for(&schema).unwrap();
            let errors: Vec<_> = validator.iter_errors(&example).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}\n{example:#}", P::TYPE);
            let Some(description) = schema["description"].as_str() else {
                panic!("{} has no doc comment", P::TYPE)
            };
            assert!(description.ends_with('.'), "{}: the doc comment is a sentence", P::TYPE);
        }
    }

    #[test]
    fn every_example_fits_its_schema_and_every_payload_says_what_it_is() {
        EventType::for_each(&mut ExamplesFitTheirSchemas);
    }

    #[test]
    fn names_are_found_and_nothing_else_is() {
        assert_eq!(EventType::find("customer.created"), Some(EventType::CustomerCreated));
        assert_eq!(EventType::find("customer.create"), None);
        let mut names: Vec<_> = EventType::ALL.iter().map(|t| t.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EventType::ALL.len());
    }
}
