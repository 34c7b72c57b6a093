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
    if !defs.is_empty()
        && let Value::Object(fields) = &mut schema
    {
        fields.insert("$defs".to_owned(), Value::Object(defs));
    }
    point_to_defs(&mut schema);
    schema
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
