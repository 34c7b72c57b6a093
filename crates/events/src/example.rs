//! An example of a whole webhook, for whoever builds a receiver.

use serde_json::value::{RawValue, Value, to_raw_value};
use tidings_kernel::{EventId, Metadata, RequestId, TenantId};

use crate::customers::{EXAMPLE_NOW, EXAMPLE_UUID};
use crate::{ActorView, CauseView, Envelope, EventType, Payload, PayloadVisitor, Subject};

/// The body of a webhook of this type, with the type's example as its data.
pub fn example_envelope(event_type: EventType) -> Value {
    let mut example = Wrapped(Value::Null);
    event_type.visit(&mut example);
    example.0
}

struct Wrapped(Value);

impl PayloadVisitor for Wrapped {
    fn visit<P: Payload>(&mut self) {
        let example = P::example();
        let facts = serde_json::to_value(&example).unwrap_or_default();
        let data = to_raw_value(&example).unwrap_or_else(|_| RawValue::NULL.to_owned());
        let metadata = Metadata::default();
        let envelope = Envelope {
            id: EventId::from_uuid(EXAMPLE_UUID),
            name: P::TYPE.name(),
            schema_version: P::TYPE.version(),
            timestamp: EXAMPLE_NOW,
            tenant_id: TenantId::from_uuid(EXAMPLE_UUID),
            subject: subject(P::TYPE, &facts),
            actor: ActorView { kind: "system", id: Some("example".to_owned()) },
            cause: CauseView {
                request_id: RequestId::from_uuid(EXAMPLE_UUID),
                event_id: None,
                job: None,
            },
            livemode: true,
            custom_metadata: &metadata,
            data: &data,
        };
        self.0 = serde_json::to_value(&envelope).unwrap_or_default();
    }
}

/// The object that an example is about, as the type's name and its data name it.
fn subject(event_type: EventType, facts: &Value) -> Subject {
    let (object, _) = event_type.name().rsplit_once('.').unwrap_or_default();
    let kind = match object {
        // A test goes to a subscription, and is about it.
        "webhook" | "webhook.subscription" => "webhook_subscription",
        "webhook.delivery" => "webhook_delivery",
        "webhook.event_type" => "webhook_event_type",
        named_alike => named_alike,
    };
    let field = format!("{}_id", object.rsplit('.').next().unwrap_or(object));
    let id = facts[field].as_str().unwrap_or("obj_01h455vb4pex5vsknk084sn02q").to_owned();
    Subject { kind, id, version: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{data_schema, envelope_schema};

    struct Fits;

    impl PayloadVisitor for Fits {
        fn visit<P: Payload>(&mut self) {
            let example = example_envelope(P::TYPE);
            let envelope = jsonschema::validator_for(&envelope_schema()).unwrap();
            assert!(envelope.is_valid(&example), "{}: {example:#}", P::TYPE);
            let data = jsonschema::validator_for(&data_schema::<P>()).unwrap();
            assert!(data.is_valid(&example["data"]), "{}: {example:#}", P::TYPE);
            assert_eq!(example["type"], P::TYPE.name());
        }
    }

    #[test]
    fn every_example_is_a_whole_webhook() {
        EventType::for_each(&mut Fits);
    }
}
