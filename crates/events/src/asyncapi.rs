//! The AsyncAPI 3 document: what Tidings sends, as seen from Tidings.
//!
//! Each type is a channel whose address is `null`: only a subscription knows where it goes. A type
//! of the catalog is described in AsyncAPI's own dialect, with shared parts under `components`. A
//! tenant's own type keeps the schema that the tenant wrote, in JSON Schema 2020-12, whole and for
//! itself.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::{
    Envelope, EventType, Payload, PayloadVisitor, Visibility, envelope_schema, example_envelope,
};

/// The dialect of a tenant's own schemas.
const JSON_SCHEMA: &str = "application/schema+json;version=draft-2020-12";

/// A tenant's own type, as the document needs it.
#[derive(Debug, Clone)]
pub struct CustomMessage {
    /// Its name.
    pub name: String,
    /// What it tells.
    pub description: String,
    /// The version of its schema.
    pub schema_version: u32,
    /// JSON Schema 2020-12 of its data.
    pub schema: Value,
    /// An example of its data.
    pub example: Option<Value>,
    /// Whether it should not be used any more.
    pub is_deprecated: bool,
}

/// An AsyncAPI document.
pub type Document = Value;

/// The document: every delivered type of the catalog, and a tenant's own.
pub fn document(custom: &[CustomMessage]) -> Document {
    let mut parts = Parts::default();
    parts.schemas.insert("WebhookHeaders".to_owned(), headers());
    parts.add_schemas::<Envelope<'static>>();
    EventType::for_each(&mut parts);
    for message in custom {
        parts.add_custom(message);
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tidings",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every change of state is a signed webhook event. Each type has a \
                channel of its own; a subscription says which of them go to which URL.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": parts.channels,
        "operations": parts.operations,
        "components": {"schemas": parts.schemas, "messages": parts.messages},
    })
}

/// What stands in front of a body.
fn headers() -> Value {
    json!({
        "type": "object",
        "description": "Standard Webhooks: what proves a body, and when it was sent.",
        "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
        "properties": {
            "webhook-id": {
                "type": "string",
                "description": "The event's id, the same in every attempt: what to deduplicate by.",
            },
            "webhook-timestamp": {
                "type": "string",
                "pattern": "^[0-9]+$",
                "description": "Unix seconds of this attempt.",
            },
            "webhook-signature": {
                "type": "string",
                "description": "`v1,` and the base64 of an HMAC-SHA256 over `id.timestamp.body`, \
                    for each secret that is valid; single spaces between them.",
            },
            "webhook-replay": {
                "type": "string",
                "description": "Only on what is sent once more because somebody asked for it: the \
                    id of the replay, or `manual`.",
            },
        },
    })
}

#[derive(Default)]
struct Parts {
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
    schemas: Map<String, Value>,
}

/// What is told of one type.
struct Told<'a> {
    name: &'a str,
    description: &'a str,
    category: &'static str,
    schema_version: u32,
    is_deprecated: bool,
}

impl PayloadVisitor for Parts {
    fn visit<P: Payload>(&mut self) {
        if P::TYPE.visibility() != Visibility::Public {
            return;
        }
        let data = self.add_schemas::<P>();
        let description = self.schemas.get(&data).map(|schema| schema["description"].clone());
        let description = description.unwrap_or_default();
        let payload = json!({"allOf": [
            {"$ref": "#/components/schemas/Envelope"},
            {"type": "object", "properties": {
                "type": {"const": P::TYPE.name()},
                "schema_version": {"const": P::TYPE.version()},
                "data": {"$ref": format!("#/components/schemas/{data}")},
            }},
        ]});
        let told = Told {
            name: P::TYPE.name(),
            description: description.as_str().unwrap_or_default(),
            category: P::TYPE.category().name(),
            schema_version: P::TYPE.version(),
            is_deprecated: false,
        };
        self.add(&told, &payload, Some(example_envelope(P::TYPE)));
    }
}

impl Parts {
    /// Adds the schemas of a type and of what it refers to, and gives its name.
    fn add_schemas<T: ToSchema>(&mut self) -> String {
        let mut parts: Vec<(String, RefOr<Schema>)> = Vec::new();
        T::schemas(&mut parts);
        let name = T::name().into_owned();
        parts.push((name.clone(), T::schema()));
        for (name, schema) in parts {
            self.schemas.insert(name, serde_json::to_value(schema).unwrap_or_default());
        }
        name
    }

    fn add_custom(&mut self, message: &CustomMessage) {
        let CustomMessage { name, description, schema_version, schema, example, is_deprecated } =
            message;
        let mut whole = envelope_schema();
        let place = format!("#/components/messages/{name}/payload/schema");
        rebase(&mut whole, &place);
        let mut data = schema.clone();
        // A schema with an id of its own has a base of its own.
        if data.get("$id").is_none() {
            rebase(&mut data, &format!("{place}/properties/data"));
        }
        whole["properties"]["type"] = json!({"const": name});
        whole["properties"]["schema_version"] = json!({"const": schema_version});
        whole["properties"]["data"] = data;
        let example = example.as_ref().map(|data| {
            let mut envelope = example_envelope(EventType::WebhookTest);
            envelope["type"] = json!(name);
            envelope["schema_version"] = json!(schema_version);
            envelope["subject"] = json!({"type": "custom_event",
                "id": "pub_01h455vb4pex5vsknk084sn02q", "version": 1});
            envelope["data"] = data.clone();
            envelope
        });
        let told = Told {
            name,
            description,
            category: "Custom",
            schema_version: *schema_version,
            is_deprecated: *is_deprecated,
        };
        self.add(&told, &json!({"schemaFormat": JSON_SCHEMA, "schema": whole}), example);
    }

    fn add(&mut self, told: &Told<'_>, payload: &Value, example: Option<Value>) {
        let Told { name, description, category, schema_version, is_deprecated } = *told;
        let mut message = json!({
            "name": name,
            "title": name,
            "summary": description,
            "contentType": "application/json",
            "headers": {"$ref": "#/components/schemas/WebhookHeaders"},
            "payload": payload,
            "correlationId": {
                "description": "The same in every attempt.",
                "location": "$message.header#/webhook-id",
            },
            "tags": [{"name": category}],
            "x-schema-version": schema_version,
        });
        if is_deprecated {
            message["x-deprecated"] = json!(true);
        }
        if let Some(example) = example {
            message["examples"] = json!([{"name": "example", "payload": example}]);
        }
        self.messages.insert(name.to_owned(), message);
        self.channels.insert(
            name.to_owned(),
            json!({
                // Where it goes, only a subscription knows.
                "address": null,
                "title": name,
                "description": description,
                "messages": {name: {"$ref": format!("#/components/messages/{name}")}},
            }),
        );
        self.operations.insert(
            format!("send.{name}"),
            json!({
                "action": "send",
                "channel": {"$ref": format!("#/channels/{name}")},
                "messages": [{"$ref": format!("#/channels/{name}/messages/{name}")}],
                "summary": "Sent as a POST until any 2xx answers it.",
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
            }),
        );
    }
}

/// Makes references of a schema that stood for itself lead to where it stands now.
fn rebase(schema: &mut Value, place: &str) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("$ref" | "$dynamicRef", Value::String(target)) => {
                        if let Some(rest) = target.strip_prefix('#')
                            && (rest.is_empty() || rest.starts_with('/'))
                        {
                            *target = format!("{place}{rest}");
                        }
                    }
                    // Data, which may look like a reference and is none.
                    ("const" | "enum" | "default" | "examples", _) => {}
                    (_, value) => rebase(value, place),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rebase(item, place)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom() -> CustomMessage {
        CustomMessage {
            name: "custom.order.shipped".to_owned(),
            description: "an order left the house".to_owned(),
            schema_version: 3,
            schema: json!({"type": "object", "required": ["order"],
                "properties": {"order": {"$ref": "#/$defs/order"},
                    "note": {"const": {"$ref": "#/nowhere"}}},
                "$defs": {"order": {"type": "string"}}}),
            example: Some(json!({"order": "1"})),
            is_deprecated: true,
        }
    }

    /// Every reference that a reader of JSON follows.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("$ref", Value::String(target)) => found.push(target.clone()),
                        ("const", _) => {}
                        (_, value) => references(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_delivered_type_is_a_channel_that_is_sent() {
        let document = document(&[custom()]);
        let mut names: Vec<&str> = EventType::public().map(EventType::name).collect();
        names.push("custom.order.shipped");
        names.sort_unstable();
        for part in ["/channels", "/components/messages"] {
            let part = document.pointer(part).unwrap().as_object().unwrap();
            let mut found: Vec<&str> = part.keys().map(String::as_str).collect();
            found.sort_unstable();
            assert_eq!(found, names);
        }
        for name in names {
            let channel = &document["channels"][name];
            assert!(channel.get("address").is_some_and(Value::is_null), "{name}");
            let operation = &document["operations"][format!("send.{name}")];
            assert_eq!(operation["action"], "send", "{name}");
            assert_eq!(operation["channel"]["$ref"], format!("#/channels/{name}"));
            let message = &document["components"]["messages"][name];
            assert!(!message["summary"].as_str().unwrap().is_empty(), "{name}");
        }
        assert_eq!(
            document["components"]["messages"]["custom.order.shipped"]["x-deprecated"],
            true
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document(&[custom()]);
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > EventType::public().count() * 4, "{found:?}");
        for target in found {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
        }
    }

    #[test]
    fn every_example_fits_the_payload_that_is_described() {
        let document = document(&[custom()]);
        let messages = document["components"]["messages"].as_object().unwrap();
        for (name, message) in messages {
            let inner = if message["payload"].get("schema").is_some() { "/schema" } else { "" };
            let mut schema = document.clone();
            schema["$ref"] = json!(format!("#/components/messages/{name}/payload{inner}"));
            let validator = jsonschema::validator_for(&schema).unwrap();
            let example = &message["examples"][0]["payload"];
            let errors: Vec<String> =
                validator.iter_errors(example).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
            let mut wrong = example.clone();
            wrong["type"] = json!("another.type");
            assert!(!validator.is_valid(&wrong), "{name}: the type is fixed");
        }
        let mut schema = document.clone();
        schema["$ref"] = json!("#/components/messages/custom.order.shipped/payload/schema");
        let validator = jsonschema::validator_for(&schema).unwrap();
        let example = &messages["custom.order.shipped"]["examples"][0]["payload"];
        let mut wrong = example.clone();
        wrong["data"]["order"] = json!(1);
        assert!(!validator.is_valid(&wrong), "a tenant's own references are followed");
    }
}
