//! The fields of a schema as a table: what a reader wants of it.

use std::fmt::Write;

use serde_json::{Map, Value};

/// How deep a field within a field is shown.
const DEPTH_MAX: usize = 3;

/// The keywords by which a schema has parts, of which one or all are meant.
const SEVERAL: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// A table of all fields with type and description, in the order in which the example has them.
pub(crate) fn table(schema: &Value, example: &str) -> String {
    let mut rows = Vec::new();
    let none = Map::new();
    let defs = schema["$defs"].as_object().unwrap_or(&none);
    collect(&mut rows, schema, defs, "", 0);
    let order: Vec<&str> = top_level_keys(example).collect();
    rows.sort_by_key(|row| {
        let first = row.name.split(['.', '[']).next().unwrap_or_default();
        order.iter().position(|key| *key == first).unwrap_or(order.len())
    });
    let mut table = "| Field | Type | Description |\n|---|---|---|\n".to_owned();
    for Row { name, of, description } in rows {
        let description = in_a_cell(&description);
        let _ = writeln!(table, "| `{name}` | {} | {description} |", in_a_cell(&of));
    }
    table
}

/// A text on one line, without what would end the cell.
pub(crate) fn in_a_cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

struct Row {
    name: String,
    of: String,
    description: String,
}

/// The keys of a pretty-printed object, in its order, which a map would not keep.
fn top_level_keys(pretty: &str) -> impl Iterator<Item = &str> {
    pretty.lines().filter_map(|line| line.strip_prefix("  \"")?.split('"').next())
}

fn collect(
    rows: &mut Vec<Row>,
    schema: &Value,
    defs: &Map<String, Value>,
    prefix: &str,
    depth: usize,
) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, field) in properties {
        let described = followed(field, defs);
        let mut of = type_of(field, defs);
        if !required.contains(&key.as_str()) && !of.ends_with("or null") {
            of.push_str(", may be absent");
        }
        let description = description(field)
            .or_else(|| variants(field).find_map(description))
            .or_else(|| description(described))
            .unwrap_or_default();
        let name = format!("{prefix}{key}");
        let (inner, mark) = match described.get("items") {
            Some(items) => (followed(items, defs), "[]."),
            None => (described, "."),
        };
        let below = format!("{name}{mark}");
        rows.push(Row { name, of, description: description.to_owned() });
        if depth < DEPTH_MAX {
            collect(rows, inner, defs, &below, depth + 1);
        }
    }
}

fn description(schema: &Value) -> Option<&str> {
    schema["description"].as_str()
}

/// What a field can be, other than null.
fn variants(schema: &Value) -> impl Iterator<Item = &Value> {
    let several = SEVERAL.iter().filter_map(|several| schema[*several].as_array());
    several.flatten().filter(|part| !is_null(part))
}

/// What a reference leads to, through the ways in which a field can be one or nothing.
fn followed<'s>(schema: &'s Value, defs: &'s Map<String, Value>) -> &'s Value {
    if let Some(target) = schema["$ref"].as_str() {
        let name = target.rsplit('/').next().unwrap_or_default();
        return defs.get(name).unwrap_or(schema);
    }
    let mut variants = variants(schema);
    match (variants.next(), variants.next()) {
        (Some(only), None) => followed(only, defs),
        _ => schema,
    }
}

fn is_null(schema: &Value) -> bool {
    schema["type"] == "null"
}

/// A type in words.
fn type_of(schema: &Value, defs: &Map<String, Value>) -> String {
    for several in SEVERAL {
        if let Some(parts) = schema[several].as_array() {
            let mut words: Vec<String> = variants(schema).map(|part| type_of(part, defs)).collect();
            if parts.iter().any(is_null) {
                words.push("null".to_owned());
            }
            return words.join(" or ");
        }
    }
    if schema.get("$ref").is_some() {
        let target = followed(schema, defs);
        return if target.get("$ref").is_some() { "any".to_owned() } else { type_of(target, defs) };
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{}`", plain(word))).collect();
        return words.join(", ");
    }
    if let Some(only) = schema.get("const") {
        return format!("`{}`", plain(only));
    }
    match &schema["type"] {
        Value::String(name) => named_type(name, schema, defs),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str);
            let (null, others): (Vec<&str>, Vec<&str>) = names.partition(|name| *name == "null");
            let mut words: Vec<String> =
                others.into_iter().map(|name| named_type(name, schema, defs)).collect();
            words.extend(null.into_iter().map(str::to_owned));
            words.join(" or ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => "any".to_owned(),
    }
}

fn named_type(name: &str, schema: &Value, defs: &Map<String, Value>) -> String {
    match name {
        "array" => format!("list of {}", type_of(&schema["items"], defs)),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map to {}", type_of(&schema["additionalProperties"], defs))
        }
        _ => match schema["format"].as_str() {
            Some(format) => format!("{name} ({format})"),
            None => name.to_owned(),
        },
    }
}

/// A value without the quotes of a text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn types_are_said_in_words() {
        let defs = json!({
            "Tier": {"type": "string", "enum": ["basic", "premium"]},
            "Line": {"type": "object", "properties": {"amount": {"type": "integer"}}},
        });
        let defs = defs.as_object().unwrap();
        let of = |schema: Value| type_of(&schema, defs);
        assert_eq!(of(json!({"type": ["string", "null"]})), "string or null");
        assert_eq!(of(json!({"type": "string", "format": "date-time"})), "string (date-time)");
        assert_eq!(of(json!({"$ref": "#/$defs/Tier"})), "`basic`, `premium`");
        let maybe = json!({"oneOf": [{"type": "null"}, {"$ref": "#/$defs/Tier"}]});
        assert_eq!(of(maybe), "`basic`, `premium` or null");
        let list = json!({"type": "array", "items": {"$ref": "#/$defs/Line"}});
        assert_eq!(of(list), "list of object");
        assert_eq!(of(json!({})), "any");
    }

    #[test]
    fn fields_come_in_the_order_of_the_example_with_those_inside() {
        let schema = json!({
            "properties": {
                "a": {"type": "string", "description": "Last."},
                "b": {"type": "array", "items": {"$ref": "#/$defs/Line"}, "description": "First."},
                "c": {"oneOf": [
                    {"$ref": "#/$defs/Id", "description": "Which."},
                    {"type": "null"},
                ]},
            },
            "required": ["b"],
            "$defs": {
                "Id": {"type": "string", "description": "An id."},
                "Line": {
                    "type": "object",
                    "properties": {"amount": {"type": "integer", "description": "How\nmuch."}},
                    "required": ["amount"],
                },
            },
        });
        assert_eq!(
            table(&schema, "{\n  \"b\": [],\n  \"c\": null,\n  \"a\": \"\"\n}"),
            "| Field | Type | Description |\n|---|---|---|\n\
             | `b` | list of object | First. |\n\
             | `b[].amount` | integer | How much. |\n\
             | `c` | string or null | Which. |\n\
             | `a` | string, may be absent | Last. |\n"
        );
    }
}
