//! What callers send about replays.

use serde::Deserialize;
use tidings_kernel::{AnyId, FieldError, Timestamp, WebhookSubscriptionId, limits};
use utoipa::ToSchema;

use crate::replay::{Scope, Wanted};

/// Sends past events once more to one subscription.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateReplay {
    /// The subscription that gets them; no other gets anything.
    pub(crate) subscription_id: WebhookSubscriptionId,
    /// Behind this position of the log; 0 begins with the first event. Give this or `from`; where both
    /// are given, both hold.
    pub(crate) after_position: Option<i64>,
    /// Up to this position, and at most to where the log ends when the replay is made.
    pub(crate) until_position: Option<i64>,
    /// From this instant on.
    pub(crate) from: Option<Timestamp>,
    /// Before this instant.
    pub(crate) to: Option<Timestamp>,
    /// Only these types, among those that the subscription wants: names, `customer.*`, or `*`.
    pub(crate) event_types: Option<Vec<String>>,
    /// Only events of this object, such as `cus_…`.
    pub(crate) subject_id: Option<String>,
    /// `all` of them, which is the default; those that `failed`; or those that are `missing`, which
    /// never arrived and are not on their way.
    pub(crate) deliveries: Option<String>,
    /// How many to send in a second at most, 1 to 1,000; 100 unless told.
    pub(crate) rate_per_second: Option<u32>,
    /// Whether only to count what would be sent. Nothing is made.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

impl CreateReplay {
    /// Faults of the fields that need nothing else to be judged; gives what they mean.
    pub(crate) fn check(&self, errors: &mut Vec<FieldError>) -> (Scope, u32) {
        self.check_bounds(errors);
        let subject = self.subject_id.as_deref().and_then(|text| {
            let parsed = text.parse::<AnyId>();
            parsed.map_err(|error| fault(errors, "/subject_id", "invalid", error.to_string())).ok()
        });
        let word = self.deliveries.as_deref().unwrap_or(Wanted::All.as_str());
        let deliveries = Wanted::find(word).unwrap_or_else(|| {
            fault(errors, "/deliveries", "unknown_value", "all, failed or missing");
            Wanted::All
        });
        let rate = self.rate_per_second.unwrap_or(limits::REPLAY_RATE_DEFAULT);
        if !(1..=limits::REPLAY_RATE_MAX).contains(&rate) {
            let message = format!("1 to {} a second", limits::REPLAY_RATE_MAX);
            fault(errors, "/rate_per_second", "out_of_range", message);
        }
        let scope = Scope {
            after_position: self.after_position.unwrap_or(0),
            until_asked: self.until_position,
            from: self.from,
            to: self.to,
            event_types: None,
            subject,
            deliveries,
        };
        (scope, rate)
    }

    fn check_bounds(&self, errors: &mut Vec<FieldError>) {
        if self.after_position.is_none() && self.from.is_none() {
            let message = "say where to begin: after_position (0 for everything) or from";
            fault(errors, "/after_position", "required", message);
        }
        if self.after_position.is_some_and(|position| position < 0) {
            let message = "a position is 0 or more; 0 begins with the first event";
            fault(errors, "/after_position", "out_of_range", message);
        }
        let after = self.after_position.unwrap_or(0);
        if self.until_position.is_some_and(|until| until <= after) {
            let message = format!("the end lies behind the beginning: more than {}", after.max(0));
            fault(errors, "/until_position", "out_of_range", message);
        }
        if self.from.zip(self.to).is_some_and(|(from, to)| to <= from) {
            fault(
                errors,
                "/to",
                "out_of_range",
                "the end lies behind the beginning: later than from",
            );
        }
    }
}

fn fault(
    errors: &mut Vec<FieldError>,
    pointer: &str,
    code: &'static str,
    message: impl Into<String>,
) {
    errors.push(FieldError::new(pointer, code, message));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(fields: &Value) -> Vec<(String, String)> {
        let mut body = json!({"subscription_id": "whs_01h455vb4pex5vsknk084sn02q"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let input: CreateReplay = serde_json::from_value(body).unwrap();
        let mut errors = Vec::new();
        input.check(&mut errors);
        errors.into_iter().map(|error| (error.pointer, error.code.into_owned())).collect()
    }

    #[test]
    fn each_fault_is_pointed_at() {
        let (noon, later) = ("2026-11-23T12:00:00Z", "2026-11-23T12:00:01Z");
        for (fields, wanted) in [
            (json!({"after_position": 0}), None),
            (json!({"from": noon, "to": later}), None),
            (json!({"after_position": 7, "until_position": 8, "rate_per_second": 1000}), None),
            (json!({"from": noon, "deliveries": "missing"}), None),
            (json!({}), Some(("/after_position", "required"))),
            (json!({"to": noon}), Some(("/after_position", "required"))),
            (json!({"after_position": -1}), Some(("/after_position", "out_of_range"))),
            (
                json!({"after_position": 7, "until_position": 7}),
                Some(("/until_position", "out_of_range")),
            ),
            (json!({"from": noon, "until_position": 0}), Some(("/until_position", "out_of_range"))),
            (json!({"from": noon, "to": noon}), Some(("/to", "out_of_range"))),
            (json!({"from": later, "to": noon}), Some(("/to", "out_of_range"))),
            (json!({"from": noon, "deliveries": "none"}), Some(("/deliveries", "unknown_value"))),
            (
                json!({"from": noon, "rate_per_second": 0}),
                Some(("/rate_per_second", "out_of_range")),
            ),
            (
                json!({"from": noon, "rate_per_second": 1001}),
                Some(("/rate_per_second", "out_of_range")),
            ),
            (json!({"from": noon, "subject_id": "ada"}), Some(("/subject_id", "invalid"))),
        ] {
            let wanted: Vec<(String, String)> =
                wanted.into_iter().map(|(at, code)| (at.to_owned(), code.to_owned())).collect();
            assert_eq!(faults(&fields), wanted, "{fields}");
        }
    }
}
