//! An example made from a JSON Schema, for types whose owner has given none.
//!
//! It follows what a schema says outright (`const`, `default`, `examples`, `enum`, types, bounds,
//! formats, `$defs`), and does not solve riddles: whether it fits is for the validator to say.

use serde_json::value::RawValue;
use serde_json::{Map, Number, Value, json};
use tidings_kernel::FieldError;

/// How deep an example goes; a schema may refer to itself.
const DEPTH_MAX: usize = 12;
/// The most items and characters that an example makes to reach a lower bound.
const LENGTH_MAX: u64 = 200;

/// The data of an event, as it is sent.
pub(crate) type Data = Box<RawValue>;

/// The example of a type, or one made from its schema where its own does not fit; or the first thing
/// that is wrong with what was made. `misfits` judges by the schema.
pub(crate) fn fitting(
    schema: &Value,
    own: &Value,
    misfits: impl Fn(&Value) -> Vec<FieldError>,
) -> Result<Data, FieldError> {
    let made = if misfits(own).is_empty() { own.clone() } else { example_of(schema) };
    if let Some(fault) = misfits(&made).into_iter().next() {
        return Err(fault);
    }
    // A value of JSON always serialises.
    Ok(serde_json::value::to_raw_value(&made).unwrap_or_else(|_| RawValue::NULL.to_owned()))
}

/// An example of a schema.
fn example_of(schema: &Value) -> Value {
    make(schema, schema, 0)
}

fn make(schema: &Value, root: &Value, depth: usize) -> Value {
    let Some(fields) = schema.as_object() else { return json!({}) };
    if let Some(value) = fields.get("const").or_else(|| fields.get("default")) {
        return value.clone();
    }
    let firsts = [fields.get("examples"), fields.get("enum")];
    if let Some(first) = firsts.into_iter().flatten().find_map(|list| list.as_array()?.first()) {
        return first.clone();
    }
    if depth >= DEPTH_MAX {
        return Value::Null;
    }
    if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
        let found = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return found.map_or(Value::Null, |found| make(found, root, depth + 1));
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(first) = fields.get(choice).and_then(|list| list.as_array()?.first()) {
            return merged(make_plain(fields, root, depth), make(first, root, depth + 1));
        }
    }
    let mut made = make_plain(fields, root, depth);
    for part in fields.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        made = merged(made, make(part, root, depth + 1));
    }
    made
}

/// Two objects become one; anything else is the second.
fn merged(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Object(mut first), Value::Object(second)) => {
            first.extend(second);
            Value::Object(first)
        }
        (_, second) => second,
    }
}

fn make_plain(fields: &Map<String, Value>, root: &Value, depth: usize) -> Value {
    let named = match fields.get("type") {
        Some(Value::Array(types)) => types.first().and_then(Value::as_str),
        other => other.and_then(Value::as_str),
    };
    match named {
        Some("string") => Value::String(text(fields)),
        Some("integer") => whole(fields),
        Some("number") => fields.get("minimum").cloned().unwrap_or_else(|| json!(1.5)),
        Some("boolean") => Value::Bool(true),
        Some("null") => Value::Null,
        Some("array") => {
            let count = fields.get("minItems").and_then(Value::as_u64).unwrap_or(1);
            let item =
                fields.get("items").map_or_else(|| json!("text"), |i| make(i, root, depth + 1));
            let count = usize::try_from(count.clamp(1, LENGTH_MAX)).unwrap_or(1);
            Value::Array(vec![item; count])
        }
        _ => object(fields, root, depth),
    }
}

/// Every property that is described, and every one that is required though it is not.
fn object(fields: &Map<String, Value>, root: &Value, depth: usize) -> Value {
    let mut made = Map::new();
    for (name, schema) in fields.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        made.insert(name.clone(), make(schema, root, depth + 1));
    }
    let required = fields.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        made.entry(name).or_insert_with(|| json!("text"));
    }
    Value::Object(made)
}

fn text(fields: &Map<String, Value>) -> String {
    let made = match fields.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-11-23T12:30:04Z",
        Some("date") => "2026-11-23",
        Some("time") => "12:30:04Z",
        Some("duration") => "PT1H",
        Some("email") => "ada@example.com",
        Some("hostname") => "example.com",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("uri" | "uri-reference") => "https://example.com/",
        Some("uuid") => "0193523e-7a40-7000-8000-000000000000",
        _ => "text",
    };
    let bound = |name: &str| fields.get(name).and_then(Value::as_u64);
    let least = bound("minLength").unwrap_or(0).min(LENGTH_MAX);
    let most = bound("maxLength").unwrap_or(u64::MAX);
    let padded = format!("{made:x<width$}", width = usize::try_from(least).unwrap_or(0));
    padded.chars().take(usize::try_from(most).unwrap_or(usize::MAX)).collect()
}

fn whole(fields: &Map<String, Value>) -> Value {
    let bound = |name: &str| fields.get(name).and_then(Value::as_i64);
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|n| n.saturating_add(1)));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|n| n.saturating_sub(1)));
    let step = bound("multipleOf").filter(|step| *step > 0).unwrap_or(1);
    let wanted = least.unwrap_or_else(|| most.map_or(1, |most| most.min(1)));
    // The first multiple that is not below what is wanted.
    let up = wanted.checked_add(step - 1).map_or(wanted, |n| n - n.rem_euclid(step));
    Value::Number(Number::from(up))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(schema: &Value, value: &Value) -> bool {
        jsonschema::validator_for(schema).unwrap().is_valid(value)
    }

    #[test]
    fn an_example_fits_its_schema() {
        for schema in [
            json!(true),
            json!({}),
            json!({"type": "object", "required": ["order"], "properties": {
                "order": {"type": "string", "minLength": 10}, "weight": {"type": "number"}}}),
            json!({"type": "object", "required": ["undescribed"]}),
            json!({"type": "object", "properties": {
                "state": {"enum": ["new", "old"]}, "n": {"const": 7}, "d": {"default": 3},
                "at": {"type": "string", "format": "date-time"},
                "mail": {"type": "string", "format": "email", "maxLength": 40},
                "many": {"type": "array", "minItems": 3, "items": {"type": "integer", "minimum": 5}},
                "even": {"type": "integer", "minimum": 3, "multipleOf": 2},
                "low": {"type": "integer", "maximum": -4},
                "above": {"type": "integer", "exclusiveMinimum": 10},
                "maybe": {"type": ["string", "null"]}}}),
            json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object",
                "properties": {"name": {"type": "string"}}}}}),
            json!({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}},
                "required": ["a"]}, {"properties": {"b": {"type": "boolean"}}, "required": ["b"]}]}),
            json!({"oneOf": [{"type": "object", "properties": {"kind": {"const": "x"}},
                "required": ["kind"]}, {"type": "null"}]}),
        ] {
            let made = example_of(&schema);
            assert!(fits(&schema, &made), "{schema}: {made}");
        }
    }

    #[test]
    fn riddles_are_left_and_nothing_runs_away() {
        let endless = json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object",
            "properties": {"next": {"$ref": "#/$defs/node"}}}}});
        assert!(example_of(&endless).to_string().len() < 1_000);
        let riddle = json!({"type": "string", "pattern": "^[A-Z]{3}-[0-9]{7}$"});
        assert!(!fits(&riddle, &example_of(&riddle)));
        let wide = json!({"type": "array", "minItems": 4_000_000_000_u64});
        assert_eq!(example_of(&wide).as_array().map(Vec::len), Some(200));
        let edge = json!({"type": "integer", "minimum": i64::MAX, "multipleOf": 5});
        assert!(example_of(&edge).is_i64());
    }
}
