//! What callers send.

mod options;
mod privacy;
mod replays;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use tidings_kernel::{FieldError, Metadata, Patch, Problem, Timestamp, limits, text};
use utoipa::ToSchema;

use crate::cloudevents::Format;
use crate::headers;
use crate::options::{check_filter, check_profiles};
use crate::payload_filter::Clause;
use crate::plan::RetryPolicy;
use crate::redaction;
use crate::signing::profiles::ProfileUse;
use crate::subscription::{DeliveryOrder, Subscription};

pub(crate) use options::{
    OVERLAP_HOURS_MAX, PreviewSubscription, RotateKey, RotateSecret, TestFilter, TestSubscription,
};
pub(crate) use privacy::{RequestErasure, UpdateRetention};
pub(crate) use replays::CreateReplay;

/// Makes a webhook subscription.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSubscription {
    /// Where to send: a public `https` URL.
    pub url: String,
    /// What to send: names of the catalog, `customer.*`, or `*`.
    pub events: Vec<String>,
    /// For people; at most 500 characters.
    pub description: Option<String>,
    /// Headers to send along; at most 20. Their values are not shown again.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// `standard` (ten attempts over three days) or `original` (four attempts over seven hours).
    pub retry_policy: Option<String>,
    /// The time for one attempt, 1 to 30 seconds; 15 unless told.
    pub timeout_seconds: Option<u32>,
    /// How many deliveries a second to send at most, 1 to 10,000; as many as are answered unless told.
    pub rate_per_second: Option<u32>,
    /// `none`, or `per_object`: an object's events wait for each other, in their order.
    pub ordering: Option<String>,
    /// Whether to send; true unless told.
    pub is_active: Option<bool>,
    /// Which events of these types to send, by what is in them; all unless told.
    pub payload_filter: Option<Clause>,
    /// Other ways to sign, sent beside Standard Webhooks `v1`, which is always sent.
    #[serde(default)]
    pub signature_profiles: Vec<ProfileUse>,
    /// How bodies are laid out; `standard` unless told.
    #[serde(default)]
    pub format: Format,
    /// What not to send: JSON pointers below `/data` or `/custom_metadata`, where `*` stands for
    /// every name. The values arrive as `null`.
    #[serde(default)]
    pub redact: Vec<String>,
    /// Whether the endpoint must consent, by the handshake of CloudEvents, before anything is sent.
    #[serde(default)]
    pub handshake: bool,
    /// Your own notes; never sent.
    #[serde(default)]
    pub custom_metadata: Metadata,
}

/// Changes a webhook subscription.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateSubscription {
    /// Where to send.
    pub url: Option<String>,
    /// What to send.
    pub events: Option<Vec<String>>,
    /// For people.
    #[serde(default)]
    pub description: Patch<String>,
    /// Headers to send along; they replace all that were there.
    pub headers: Option<BTreeMap<String, String>>,
    /// `standard` or `original`.
    pub retry_policy: Option<String>,
    /// The time for one attempt, 1 to 30 seconds.
    pub timeout_seconds: Option<u32>,
    /// How many deliveries a second to send at most, 1 to 10,000; null for as many as are answered.
    #[serde(default)]
    pub rate_per_second: Patch<u32>,
    /// `none` or `per_object`.
    pub ordering: Option<String>,
    /// Whether to send; true also lifts what Tidings had stopped.
    pub is_active: Option<bool>,
    /// Which events of these types to send; `null` sends all.
    #[serde(default)]
    pub payload_filter: Patch<Clause>,
    /// Other ways to sign; they replace all that were there.
    pub signature_profiles: Option<Vec<ProfileUse>>,
    /// How bodies are laid out.
    pub format: Option<Format>,
    /// What not to send of the events that happen from now on; it replaces what was there.
    pub redact: Option<Vec<String>>,
    /// Whether the endpoint must consent before anything is sent.
    pub handshake: Option<bool>,
    /// Your own notes; they replace all that were there.
    pub custom_metadata: Option<Metadata>,
}

/// Registers a custom event type.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterEventType {
    /// Its name; it begins with `custom.`.
    pub event_type: String,
    /// For people; at most 500 characters.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its data; everything fits where there is none.
    #[schema(value_type = Option<Object>)]
    pub schema: Option<serde_json::Value>,
    /// An example that fits the schema; one is made from the schema where there is none.
    #[schema(value_type = Option<Object>)]
    pub example: Option<serde_json::Value>,
}

/// Changes a custom event type; a changed schema makes a new version.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateEventType {
    /// For people.
    pub description: Option<String>,
    /// JSON Schema of its data.
    #[schema(value_type = Option<Object>)]
    pub schema: Option<serde_json::Value>,
    /// An example that fits the schema.
    #[schema(value_type = Option<Object>)]
    pub example: Option<serde_json::Value>,
    /// Whether it should not be used any more. Types are never deleted.
    pub deprecated: Option<bool>,
    /// Whether a schema may break those who live with the old one; without this it is refused.
    #[serde(default)]
    pub allow_breaking: bool,
}

/// Compares two schemas of a custom event type.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompareSchemas {
    /// The version to start from; the newest unless told.
    pub(crate) from_version: Option<u32>,
    /// A schema that may become the next version.
    #[schema(value_type = Option<Object>)]
    pub(crate) schema: Option<serde_json::Value>,
    /// Or another version.
    pub(crate) to_version: Option<u32>,
}

/// Publishes a custom event.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishEvent {
    /// A registered type.
    pub event_type: String,
    /// The version of the schema that the data is for; the newest unless told.
    pub schema_version: Option<u32>,
    /// Its data, as the type's schema wants it; sent as it is.
    #[schema(value_type = Object)]
    pub event_data: Box<RawValue>,
    /// Your own id of the event: publishing it again is nothing. Remembered for 30 days.
    pub event_id: Option<String>,
    /// Sent as `custom_metadata`.
    #[serde(default)]
    pub metadata: Metadata,
}

/// Publishes many custom events, all or none.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishBatch {
    /// The events, 1 to 1,000.
    pub events: Vec<PublishEvent>,
}

/// The fastest pace that an endpoint can ask for: above that, its window is the bound.
const RATE_MAX: u32 = 10_000;
/// The longest text for people, in characters.
pub(crate) const DESCRIPTION_CHARS_MAX: usize = 500;

fn policy(name: Option<&str>, errors: &mut Vec<FieldError>) -> Option<RetryPolicy> {
    let name = name?;
    let found = RetryPolicy::find(name);
    if found.is_none() {
        errors.push(FieldError::new("/retry_policy", "unknown_value", "standard or original"));
    }
    found
}

fn ordering(word: Option<&str>, errors: &mut Vec<FieldError>) -> Option<DeliveryOrder> {
    let word = word?;
    let found = DeliveryOrder::find(word);
    if found.is_none() {
        errors.push(FieldError::new("/ordering", "unknown_value", "none or per_object"));
    }
    found
}

fn rate(per_second: Option<u32>, errors: &mut Vec<FieldError>) {
    if per_second.is_some_and(|rate| !(1..=RATE_MAX).contains(&rate)) {
        errors.push(FieldError::new("/rate_per_second", "out_of_range", "1 to 10,000 a second"));
    }
}

fn timeout(seconds: Option<u32>, errors: &mut Vec<FieldError>) {
    if seconds.is_some_and(|seconds| !(1..=30).contains(&seconds)) {
        errors.push(FieldError::new("/timeout_seconds", "out_of_range", "1 to 30 seconds"));
    }
}

/// Faults of an object's metadata.
pub(crate) fn metadata(pointer: &str, metadata: &Metadata, errors: &mut Vec<FieldError>) {
    if metadata.len() > limits::METADATA_KEYS_MAX {
        errors.push(FieldError::new(pointer, "too_many", "at most 50 keys"));
    }
    for (key, value) in metadata.iter().take(limits::METADATA_KEYS_MAX) {
        let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        if key.is_empty() {
            errors.push(FieldError::new(&pointer, "required", "a key has at least one character"));
        }
        errors.extend(text::line(&pointer, key, limits::METADATA_KEY_CHARS_MAX));
        errors.extend(text::lines(&pointer, value, limits::METADATA_VALUE_CHARS_MAX));
    }
}

/// Fails with all faults at once.
pub(crate) fn all(errors: Vec<FieldError>) -> Result<(), Problem> {
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
}

impl CreateSubscription {
    /// Faults of the fields that need nothing else to be judged; gives what their words mean.
    pub(crate) fn check(
        &self,
        now: Timestamp,
        errors: &mut Vec<FieldError>,
    ) -> (RetryPolicy, DeliveryOrder) {
        let description = self.description.as_deref().unwrap_or_default();
        errors.extend(text::lines("/description", description, DESCRIPTION_CHARS_MAX));
        errors.extend(headers::check(pairs(&self.headers)));
        timeout(self.timeout_seconds, errors);
        metadata("/custom_metadata", &self.custom_metadata, errors);
        check_filter(self.payload_filter.as_ref(), errors);
        redaction::check(&self.redact, errors);
        check_profiles(&self.signature_profiles, &[], now, errors);
        rate(self.rate_per_second, errors);
        let ordering = ordering(self.ordering.as_deref(), errors).unwrap_or_default();
        (policy(self.retry_policy.as_deref(), errors).unwrap_or_default(), ordering)
    }
}

impl UpdateSubscription {
    /// Faults of the fields, as a change of `current`; gives what their words mean.
    pub(crate) fn check(
        &self,
        (current, now): (&Subscription, Timestamp),
        errors: &mut Vec<FieldError>,
    ) -> (Option<RetryPolicy>, Option<DeliveryOrder>) {
        if let Patch::Set(description) = &self.description {
            errors.extend(text::lines("/description", description, DESCRIPTION_CHARS_MAX));
        }
        if let Some(given) = &self.headers {
            errors.extend(headers::check(pairs(given)));
        }
        timeout(self.timeout_seconds, errors);
        if let Some(given) = &self.custom_metadata {
            metadata("/custom_metadata", given, errors);
        }
        if let Patch::Set(given) = self.rate_per_second {
            rate(Some(given), errors);
        }
        if let Patch::Set(clause) = &self.payload_filter {
            check_filter(Some(clause), errors);
        }
        if let Some(pointers) = &self.redact {
            redaction::check(pointers, errors);
        }
        if let Some(profiles) = &self.signature_profiles {
            check_profiles(profiles, &current.options.signature_profiles, now, errors);
        }
        (policy(self.retry_policy.as_deref(), errors), ordering(self.ordering.as_deref(), errors))
    }
}

fn pairs(headers: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}
