//! JSON Schema 2020-12, read off the types.

use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::{Envelope, Payload};

/// An example of a payload; implemented beside each struct.
pub trait Example {
    /// The example.
    fn example() -> Self;
}

/// The schema of a type's `data`.
pub fn data_schema<P: Payload>() -> Value {
    let mut schema = standalone::<P>();
    if let Value::Object(fields) = &mut schema {
        fields.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        fields.insert("title".to_owned(), json!(P::TYPE.name()));
    }
    schema
}

/// The schema of the envelope around it.
pub fn envelope_schema() -> Value {
    standalone::<Envelope<'static>>()
}

/// A type's schema with everything that it refers to under `$defs`.
fn standalone<T: utoipa::ToSchema>() -> Value {
    let mut parts: Vec<(String, RefOr<Schema>)> = Vec::new();
    T::schemas(&mut parts);
    let mut schema = serde_json::to_value(T::schema()).unwrap_or_default();
    let mut defs = Map::new();
    for (name, part) in parts {
        defs.insert(name, serde_json::to_value(part).unwrap_or_default());
    }
    if let Value::Object(fields) = &mut schema {
        merge_all_of(fields, &defs);
        if !defs.is_empty() {
            fields.insert("$defs".to_owned(), Value::Object(defs));
        }
    }
    point_to_defs(&mut schema);
    schema
}

/// A struct with a flattened part comes as `allOf` of two objects; a reader wants one.
fn merge_all_of(fields: &mut Map<String, Value>, defs: &Map<String, Value>) {
    let Some(Value::Array(parts)) = fields.remove("allOf") else { return };
    for part in parts {
        let part = match part.get("$ref").and_then(Value::as_str) {
            Some(target) => {
                let name = target.rsplit('/').next().unwrap_or_default();
                let mut part = defs.get(name).cloned().unwrap_or_default();
                if let Value::Object(part) = &mut part {
                    part.remove("description");
                }
                part
            }
            None => part,
        };
        let Value::Object(part) = part else { continue };
        for (key, value) in part {
            match (fields.get_mut(&key), value) {
                (Some(Value::Object(ours)), Value::Object(theirs)) => ours.extend(theirs),
                (Some(Value::Array(ours)), Value::Array(theirs)) => ours.extend(theirs),
                (_, value) => {
                    fields.insert(key, value);
                }
            }
        }
    }
}

fn point_to_defs(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get_mut("$ref") {
                *target = target.replace("#/components/schemas/", "#/$defs/");
            }
            fields.values_mut().for_each(point_to_defs);
        }
        Value::Array(items) => items.iter_mut().for_each(point_to_defs),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
