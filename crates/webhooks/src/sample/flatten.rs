//! One flat schema of a schema: references followed, `allOf` joined, a branch chosen.

use serde_json::{Map, Value, json};

use super::{CannotSample, Maker, Place};

/// How many schemas are joined into one: a reference may lead back to itself.
const JOINED_MAX: usize = 64;

impl Maker<'_> {
    pub(super) fn flattened(
        &self,
        schema: &Value,
        place: &Place,
    ) -> Result<Map<String, Value>, CannotSample> {
        let mut flat = Map::new();
        let mut left: Vec<&Value> = vec![schema];
        let mut joined = 0;
        while let Some(schema) = left.pop() {
            joined += 1;
            if joined > JOINED_MAX {
                return Err(place.cannot("the schema refers to itself without an end"));
            }
            let fields = match schema {
                Value::Object(fields) => fields,
                Value::Bool(true) => continue,
                Value::Bool(false)
                | Value::Null
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_) => return Err(place.cannot("the schema takes nothing here")),
            };
            if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = target.strip_prefix('#');
                let found = pointer.and_then(|pointer| self.root.pointer(pointer));
                left.push(found.ok_or_else(|| {
                    place.cannot(format!("{target} is not followed; only #/… is"))
                })?);
            }
            left.extend(list(fields, "allOf"));
            for name in ["anyOf", "oneOf"] {
                let branches = list(fields, name);
                if !branches.is_empty() {
                    left.push(&branches[self.attempt % branches.len()]);
                }
            }
            if fields.contains_key("if") {
                let branch: &[&str] =
                    if self.attempt.is_multiple_of(2) { &["if", "then"] } else { &["else"] };
                left.extend(branch.iter().filter_map(|name| fields.get(*name)));
            }
            for (name, value) in fields {
                self.count(parts(value), place)?;
                join(&mut flat, name, value);
            }
        }
        Ok(flat)
    }
}

/// How many parts a value has.
fn parts(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(parts).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(parts).sum::<usize>(),
        Value::String(text) => 1 + text.len() / 64,
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

fn list<'f>(fields: &'f Map<String, Value>, name: &str) -> &'f [Value] {
    fields.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Adds what one schema says to what the others say.
fn join(flat: &mut Map<String, Value>, name: &str, value: &Value) {
    if matches!(name, "$ref" | "$defs" | "allOf" | "anyOf" | "oneOf" | "if" | "then" | "else") {
        return;
    }
    let Some(before) = flat.get(name) else {
        flat.insert(name.to_owned(), value.clone());
        return;
    };
    let both = match name {
        "properties" | "patternProperties" => properties(before, value),
        "required" => union(before, value),
        "enum" => common(before, value, |a, b| (a == b).then(|| a.clone())),
        "type" => common(&as_list(before), &as_list(value), narrower),
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => {
            further(before, value, true)
        }
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => {
            further(before, value, false)
        }
        "items" | "additionalProperties" | "propertyNames" => json!({"allOf": [before, value]}),
        // The validator knows about both; the example is built from the first.
        _ => return,
    };
    flat.insert(name.to_owned(), both);
}

fn properties(one: &Value, other: &Value) -> Value {
    let mut both = one.as_object().cloned().unwrap_or_default();
    for (name, schema) in other.as_object().into_iter().flatten() {
        let schema = match both.get(name) {
            Some(before) => json!({"allOf": [before, schema]}),
            None => schema.clone(),
        };
        both.insert(name.clone(), schema);
    }
    Value::Object(both)
}

fn union(one: &Value, other: &Value) -> Value {
    let mut both = one.as_array().cloned().unwrap_or_default();
    for value in other.as_array().into_iter().flatten() {
        if !both.contains(value) {
            both.push(value.clone());
        }
    }
    Value::Array(both)
}

fn common(one: &Value, other: &Value, same: fn(&Value, &Value) -> Option<Value>) -> Value {
    let (one, other) = (one.as_array().cloned(), other.as_array().cloned());
    let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
    let pairs = one.iter().flat_map(|a| other.iter().filter_map(move |b| same(a, b)));
    Value::Array(pairs.collect())
}

fn as_list(types: &Value) -> Value {
    if types.is_array() { types.clone() } else { json!([types]) }
}

/// What two types have in common: an integer is a number.
fn narrower(one: &Value, other: &Value) -> Option<Value> {
    match (one.as_str()?, other.as_str()?) {
        ("number", "integer") | ("integer", "number") => Some(json!("integer")),
        (a, b) => (a == b).then(|| one.clone()),
    }
}

fn further(one: &Value, other: &Value, larger: bool) -> Value {
    let (a, b) = (one.as_f64().unwrap_or_default(), other.as_f64().unwrap_or_default());
    if (a > b) == larger { one.clone() } else { other.clone() }
}
