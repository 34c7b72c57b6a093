//! The comparison itself: keyword by keyword, down through what the two schemas share.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Breaks, SchemaChange};

/// Keywords that say something to people only.
const NOTES: [&str; 9] = [
    "$comment",
    "$id",
    "$schema",
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
];
/// Bounds: a larger number lets less through, or more.
const LOWER_BOUNDS: [&str; 5] =
    ["exclusiveMinimum", "minItems", "minLength", "minProperties", "minimum"];
const UPPER_BOUNDS: [&str; 5] =
    ["exclusiveMaximum", "maxItems", "maxLength", "maxProperties", "maximum"];
/// Keywords that mean something only together with others.
const RIDDLES: [&str; 12] = [
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "contains",
    "else",
    "if",
    "maxContains",
    "minContains",
    "patternProperties",
    "prefixItems",
    "then",
    "unevaluatedProperties",
];
/// Every type of JSON Schema, with `integer` beside the `number` that holds it.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

type Found = Vec<SchemaChange>;

/// Adds the differences of two schemas at `pointer`.
pub(crate) fn compare(old: &Value, new: &Value, pointer: &str, found: &mut Found) {
    if old == new {
        return;
    }
    let everything = Map::new();
    match (fields(old, &everything), fields(new, &everything)) {
        (Some(old), Some(new)) => keywords(old, new, pointer, found),
        (Some(_), None) => {
            add(found, pointer, Breaks::Publishers, "nothing is taken here any more");
        }
        (None, Some(_)) => add(found, pointer, Breaks::Receivers, "something may be here now"),
        (None, None) => {}
    }
}

/// The keywords of a schema. `true` says what an empty object says: it takes everything; `false` takes
/// nothing.
fn fields<'s>(
    schema: &'s Value,
    everything: &'s Map<String, Value>,
) -> Option<&'s Map<String, Value>> {
    match schema {
        Value::Object(fields) => Some(fields),
        Value::Bool(true) => Some(everything),
        Value::Bool(false)
        | Value::Null
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_) => None,
    }
}

fn add(found: &mut Found, pointer: &str, breaks: Breaks, message: impl Into<String>) {
    found.push(SchemaChange { pointer: pointer.to_owned(), breaks, message: message.into() });
}

/// A JSON pointer one step down.
fn below(pointer: &str, step: &str) -> String {
    format!("{pointer}/{}", step.replace('~', "~0").replace('/', "~1"))
}

fn keywords(old: &Map<String, Value>, new: &Map<String, Value>, pointer: &str, found: &mut Found) {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (before, after) = (old.get(name), new.get(name));
        if before == after {
            continue;
        }
        let place = below(pointer, name);
        match name.as_str() {
            note if NOTES.contains(&note) => {
                add(found, &place, Breaks::Nobody, format!("{name} is another"));
            }
            "type" => types(before, after, &place, found),
            "enum" | "const" => values(name, before, after, &place, found),
            "properties" => properties(old, new, pointer, found),
            "required" => required(before, after, &place, found),
            "$defs" | "definitions" => definitions(before, after, &place, found),
            "items" | "additionalProperties" | "propertyNames" => {
                within(name, before, after, &place, found);
            }
            bound if LOWER_BOUNDS.contains(&bound) => bounds(before, after, true, &place, found),
            bound if UPPER_BOUNDS.contains(&bound) => bounds(before, after, false, &place, found),
            _ => condition(name, before, after, &place, found),
        }
    }
}

/// A keyword that lets less through when it is there.
fn condition(
    name: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    place: &str,
    found: &mut Found,
) {
    match (before, after) {
        (None, _) if !RIDDLES.contains(&name) => {
            add(found, place, Breaks::Publishers, format!("{name} is asked for now"));
        }
        (_, None) if !RIDDLES.contains(&name) => {
            add(found, place, Breaks::Receivers, format!("{name} is not asked for any more"));
        }
        (_, _) => {
            let message = format!("{name} is another, and what that means cannot be told");
            add(found, place, Breaks::Both, message);
        }
    }
}

fn types(before: Option<&Value>, after: Option<&Value>, place: &str, found: &mut Found) {
    let (old, new) = (type_set(before), type_set(after));
    for name in TYPES {
        match (old.contains(name), new.contains(name)) {
            (true, false) => {
                add(found, place, Breaks::Publishers, format!("{name} is not taken any more"));
            }
            (false, true) => {
                add(found, place, Breaks::Receivers, format!("{name} may come now"));
            }
            (true, true) | (false, false) => {}
        }
    }
}

/// The types that a `type` lets through; a number may be an integer.
fn type_set(of: Option<&Value>) -> BTreeSet<&str> {
    let mut set: BTreeSet<&str> = match of {
        None => TYPES.into_iter().collect(),
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        Some(one) => one.as_str().into_iter().collect(),
    };
    if set.contains("number") {
        set.insert("integer");
    }
    set
}

fn values(
    name: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    place: &str,
    found: &mut Found,
) {
    let (Some(before), Some(after)) = (before, after) else {
        return condition(name, before, after, place, found);
    };
    let list = |of: &Value| match of.as_array() {
        Some(list) if name == "enum" => list.clone(),
        Some(_) | None => vec![of.clone()],
    };
    let (old, new) = (list(before), list(after));
    for gone in old.iter().filter(|value| !new.contains(value)) {
        add(found, place, Breaks::Publishers, format!("{gone} is not taken any more"));
    }
    for fresh in new.iter().filter(|value| !old.contains(value)) {
        add(found, place, Breaks::Receivers, format!("{fresh} may come now"));
    }
}

fn bounds(
    before: Option<&Value>,
    after: Option<&Value>,
    is_lower: bool,
    place: &str,
    found: &mut Found,
) {
    let number = |of: Option<&Value>| of.and_then(Value::as_f64);
    let (breaks, message) = match (number(before), number(after)) {
        (None, Some(to)) => (Breaks::Publishers, format!("bounded by {to} now")),
        (Some(from), None) => (Breaks::Receivers, format!("not bounded by {from} any more")),
        (Some(from), Some(to)) if (to > from) == is_lower => {
            (Breaks::Publishers, format!("narrower: {to} in place of {from}"))
        }
        (Some(from), Some(to)) => (Breaks::Receivers, format!("wider: {to} in place of {from}")),
        (None, None) => return,
    };
    add(found, place, breaks, message);
}

fn properties(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    pointer: &str,
    found: &mut Found,
) {
    let of = |schema: &Map<String, Value>| {
        schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
    };
    let (before, after) = (of(old), of(new));
    let was_open = old.get("additionalProperties") != Some(&Value::Bool(false));
    let is_open = new.get("additionalProperties") != Some(&Value::Bool(false));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let place = below(&below(pointer, "properties"), name);
        match (before.get(name), after.get(name)) {
            (Some(old), Some(new)) => compare(old, new, &place, found),
            (Some(_), None) if is_open => {
                let message = format!("{name} is not promised any more; nothing says what it is");
                add(found, &place, Breaks::Receivers, message);
            }
            (Some(_), None) => {
                add(found, &place, Breaks::Both, format!("{name} is not taken any more"));
            }
            // Who sent something else under this name before was told nothing about it.
            (None, Some(_)) if was_open => {
                add(found, &place, Breaks::Nobody, format!("{name} is described now"));
            }
            (None, Some(_)) => add(found, &place, Breaks::Nobody, format!("{name} may come now")),
            (None, None) => {}
        }
    }
}

fn required(before: Option<&Value>, after: Option<&Value>, place: &str, found: &mut Found) {
    let of = |list: Option<&Value>| -> BTreeSet<String> {
        let list = list.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    };
    let (old, new) = (of(before), of(after));
    for name in new.difference(&old) {
        add(found, place, Breaks::Publishers, format!("{name} is needed now"));
    }
    for name in old.difference(&new) {
        add(found, place, Breaks::Receivers, format!("{name} may be missing now"));
    }
}

/// Parts that others refer to: one that only one side has is referred to from a place that differs.
fn definitions(before: Option<&Value>, after: Option<&Value>, place: &str, found: &mut Found) {
    let of = |part: Option<&Value>| part.and_then(Value::as_object).cloned().unwrap_or_default();
    let (old, new) = (of(before), of(after));
    for (name, part) in &old {
        match new.get(name) {
            Some(other) => compare(part, other, &below(place, name), found),
            None => add(found, &below(place, name), Breaks::Nobody, format!("{name} is gone")),
        }
    }
    for name in new.keys().filter(|name| !old.contains_key(*name)) {
        add(found, &below(place, name), Breaks::Nobody, format!("{name} is new"));
    }
}

/// A schema for parts that are not named. None is as good as one that takes everything.
fn within(
    name: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    place: &str,
    found: &mut Found,
) {
    let everything = Value::Bool(true);
    let (old, new) = (before.unwrap_or(&everything), after.unwrap_or(&everything));
    // Receivers pass over properties that they do not know.
    if name == "additionalProperties" && *old == Value::Bool(false) {
        return add(found, place, Breaks::Nobody, "properties beyond those named may come now");
    }
    compare(old, new, place, found);
}
