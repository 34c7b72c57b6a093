//! What callers send about one subscription's secret, filter and tests.

use serde::Deserialize;
use serde_json::Value;
use tidings_kernel::{EventId, Patch};
use utoipa::ToSchema;

use crate::payload_filter::Clause;

/// The longest overlap of two secrets, in hours: seven days.
pub(crate) const OVERLAP_HOURS_MAX: u32 = 7 * 24;

/// A secret that a caller brings. It does not print.
#[derive(Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(transparent)]
pub(crate) struct SecretText(String);

impl SecretText {
    /// The text, to be read.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// Gives a subscription a new secret.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSecret {
    /// For how many hours the old secret signs too, 0 to 168; 24 unless told.
    pub(crate) overlap_hours: Option<u32>,
    /// Your own secret: 24 to 64 bytes in base64, with or without `whsec_`. One is made unless told.
    pub(crate) secret: Option<SecretText>,
}

/// Gives a subscription a new key pair.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateKey {
    /// For how many hours the old key pair signs too, 0 to 168; 24 unless told.
    pub(crate) overlap_hours: Option<u32>,
}

/// Sends a test.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestSubscription {
    /// A delivered type of the catalog, or one of your own, whose example is sent; a plain
    /// `webhook.test` unless told.
    pub(crate) event_type: Option<String>,
}

/// Evaluates a payload filter without saving it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestFilter {
    /// The filter.
    pub(crate) payload_filter: Clause,
    /// A body to try it on, such as a receiver got.
    #[schema(value_type = Option<Object>)]
    pub(crate) event: Option<Value>,
    /// Or an event of the log.
    pub(crate) event_id: Option<EventId>,
}

/// What would be changed of a subscription. What is left out stays as it is.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewSubscription {
    /// Other events: names of types, `customer.*`, `*`.
    pub(crate) events: Option<Vec<String>>,
    /// Another payload filter; `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<Clause>)]
    pub(crate) payload_filter: Patch<Clause>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_brought_does_not_print() {
        let text = "{\"secret\":\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"}";
        let input: RotateSecret = serde_json::from_str(text).unwrap();
        assert!(!format!("{input:?}").contains("MfKQ"));
    }
}
