use proptest::prelude::*;
use serde_json::{Value, json};

use crate::service::sample_of;

fn fits(schema: &Value, value: &Value) -> bool {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .build(schema)
        .is_ok_and(|validator| validator.is_valid(value))
}

#[test]
fn what_people_write_gets_the_example_that_they_expect() {
    let cases = [
        (json!(true), json!({})),
        (json!({}), json!({})),
        (json!({"type": "string"}), json!("text")),
        (json!({"type": "object", "required": ["undescribed"]}), json!({"undescribed": "text"})),
        (
            json!({"properties": {
                "state": {"enum": ["new", "old"]},
                "kind": {"const": 7},
                "preset": {"type": "integer", "default": 3},
                "shown": {"type": "string", "examples": ["north"]},
                "at": {"type": "string", "format": "date-time"},
                "maybe": {"type": ["null", "boolean"]},
            }}),
            json!({"state": "new", "kind": 7, "preset": 3, "shown": "north",
                "at": "2026-11-23T12:30:04Z", "maybe": true}),
        ),
        (
            json!({"properties": {
                "count": {"type": "integer", "minimum": 3, "multipleOf": 5},
                "low": {"type": "integer", "exclusiveMaximum": -3},
                "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                "lines": {"type": "array", "minItems": 2, "uniqueItems": true,
                    "items": {"type": "integer"}},
            }}),
            json!({"count": 5, "low": -4, "share": 0.5, "lines": [1, 2]}),
        ),
        (json!({"type": "string", "pattern": "^[A-Z]{3}-\\d{2}(x|y)?$"}), json!("AAA-00")),
        (
            json!({"$ref": "#/$defs/node", "$defs": {"node": {"properties": {
                "name": {"type": "string"}, "next": {"$ref": "#/$defs/node"}}}}}),
            json!({"name": "text", "next": {"name": "text", "next": {"name": "text",
                "next": {"name": "text", "next": {"name": "text", "next": {}}}}}}),
        ),
        (
            json!({"allOf": [
                {"properties": {"a": {"type": "number"}}, "required": ["a"]},
                {"properties": {"a": {"type": "integer", "minimum": 4}}}]}),
            json!({"a": 4}),
        ),
        (
            json!({"type": "array", "prefixItems": [{"const": "x"}, {"type": "null"}]}),
            json!(["x", null]),
        ),
    ];
    for (schema, wanted) in cases {
        assert_eq!(sample_of(&schema), Ok(wanted), "{schema}");
    }
}

#[test]
fn later_attempts_solve_what_the_first_does_not() {
    for schema in [
        // The default does not fit.
        json!({"type": "integer", "minimum": 5, "default": 1}),
        // The first branch contradicts the rest.
        json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}},
            "anyOf": [{"properties": {"a": {"type": "integer"}}}, {"required": ["a"]}]}),
        // A pattern with a length.
        json!({"type": "string", "pattern": "^a+$", "minLength": 5}),
        // An optional property that forbids itself.
        json!({"properties": {"a": {"type": "string"}}, "not": {"required": ["a"]}}),
        json!({"properties": {"a": {"type": "integer"}}, "dependentRequired": {"a": ["b"]}}),
        json!({"if": {"required": ["a"]}, "then": {"required": ["b"]}, "required": ["a"]}),
        json!({"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}}),
        json!({"type": "object", "minProperties": 1, "patternProperties": {"^x-": {"const": 1}},
            "additionalProperties": false}),
        json!({"oneOf": [{"type": "null"}, {"type": "object"}]}),
    ] {
        let made = sample_of(&schema).unwrap_or_else(|error| panic!("{schema}: {error}"));
        assert!(fits(&schema, &made), "{schema}: {made}");
    }
}

#[test]
fn what_cannot_be_made_is_told_with_its_place() {
    let endless = json!({"$ref": "#/$defs/n", "$defs": {"n": {"required": ["n"],
        "properties": {"n": {"$ref": "#/$defs/n"}}}}});
    // Two to the power of twenty parts in a few lines.
    let mut parts = serde_json::Map::new();
    parts.insert("p0".to_owned(), json!({"type": "integer"}));
    for level in 1..=20 {
        let one = json!({"$ref": format!("#/$defs/p{}", level - 1)});
        let two = json!({"required": ["a", "b"], "properties": {"a": one, "b": one}});
        parts.insert(format!("p{level}"), two);
    }
    let many = json!({"$ref": "#/$defs/p20", "$defs": parts});
    let error = sample_of(&many).unwrap_err();
    assert!(error.reason.contains("more than an example holds"), "{error}");
    for (schema, pointer, says) in [
        (json!(false), "", "takes nothing"),
        (json!({"required": ["a"], "properties": {"a": false}}), "/a", "takes nothing"),
        (json!({"required": ["a"], "additionalProperties": false}), "/a", "takes nothing"),
        (json!({"type": "integer", "minimum": 5, "maximum": 4}), "", "between the bounds"),
        (endless, &"/n".repeat(25), "deeper"),
        (json!({"$ref": "#"}), "", "without an end"),
        (json!({"type": "string", "minLength": 1_000_000}), "", "1000000 characters"),
        (json!({"type": "array", "minItems": 4_000_000}), "", "4000000 items"),
        (json!({"type": "string", "not": {"type": "string"}}), "", "does not fit"),
    ] {
        let error = sample_of(&schema).unwrap_err();
        assert_eq!(error.pointer, pointer, "{schema}: {error}");
        assert!(error.reason.contains(says), "{schema}: {error}");
    }
}

#[test]
fn nothing_small_makes_much_work() {
    let names: Vec<String> = (0..900).map(|n| format!("n{n}")).collect();
    let patterns: serde_json::Map<String, Value> =
        (0..900).map(|n| (format!("^m{n}$"), json!({"type": "string"}))).collect();
    let list: Vec<i32> = (0..5_000).collect();
    let big = json!({"$ref": "#/$defs/big"});
    let many: serde_json::Map<String, Value> =
        (0..900).map(|n| (format!("p{n}"), json!({"allOf": [big, true]}))).collect();
    for schema in [
        json!({"required": names, "patternProperties": patterns, "not": true}),
        json!({"properties": many, "$defs": {"big": {"enum": list}}, "not": true}),
        json!({"type": "string", "pattern": "^(a?){1000}$", "minLength": 20}),
        json!({"type": "string", "pattern": "^(()*){1000}x$", "maxLength": 0}),
    ] {
        let began = std::time::Instant::now();
        let _ = sample_of(&schema);
        let took = began.elapsed();
        assert!(took < std::time::Duration::from_secs(5), "{took:?}: {:.80}", schema.to_string());
    }
}

/// Schemas that something fits, in the words that people use.
fn satisfiable() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!({"type": "boolean"})),
        Just(json!({"type": ["string", "null"]})),
        (-50..50_i64, 0..50_i64, 1..9_i64).prop_map(|(least, width, step)| {
            json!({"type": "integer", "minimum": least, "maximum": least + width + step,
                "multipleOf": step})
        }),
        (-9.0..9.0_f64, 0.1..5.0_f64).prop_map(|(least, width)| {
            json!({"type": "number", "exclusiveMinimum": least, "maximum": least + width})
        }),
        (0..20_u8, 0..20_u8).prop_map(|(least, width)| {
            json!({"type": "string", "minLength": least, "maxLength": least + width})
        }),
        prop_oneof![
            Just("^[a-z]{2,5}$"),
            Just("^\\d+-\\w*$"),
            Just("^(ab|c)+x?$"),
            Just("[^a-y]\\.")
        ]
        .prop_map(|pattern| json!({"type": "string", "pattern": pattern})),
        prop_oneof![Just("email"), Just("uuid"), Just("date-time"), Just("uri")]
            .prop_map(|format| json!({"type": "string", "format": format})),
        proptest::collection::vec("[a-z]{1,4}", 1..4).prop_map(|values| json!({"enum": values})),
        "[a-z]{1,4}".prop_map(|value| json!({"const": value})),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let properties = proptest::collection::btree_map("[a-e]", inner.clone(), 0..4);
        let required = proptest::sample::subsequence(vec!["a", "b", "c", "f"], 0..=3);
        prop_oneof![
            (properties, required, any::<bool>()).prop_map(|(properties, required, open)| {
                let known = |name: &&&str| open || properties.contains_key(**name);
                let required: Vec<_> = required.iter().filter(known).collect();
                json!({"type": "object", "required": required, "properties": properties,
                    "additionalProperties": open})
            }),
            (inner.clone(), 0..4_u8).prop_map(|(items, least)| {
                json!({"type": "array", "items": items, "minItems": least})
            }),
            (0..5_u8).prop_map(|least| {
                json!({"type": "array", "items": {"type": "integer"}, "minItems": least,
                    "uniqueItems": true})
            }),
            proptest::collection::vec(inner.clone(), 1..3)
                .prop_map(|branches| json!({"anyOf": branches})),
            inner.clone().prop_map(|part| json!({"allOf": [part, true]})),
            inner.prop_map(|part| json!({"$defs": {"x": part}, "type": "object"})),
        ]
    })
}

/// Schemas of all kinds, most of which nothing fits.
fn any_schema() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("type"),
        Just("enum"),
        Just("const"),
        Just("properties"),
        Just("required"),
        Just("items"),
        Just("minItems"),
        Just("uniqueItems"),
        Just("pattern"),
        Just("not"),
        Just("anyOf"),
        Just("oneOf"),
        Just("$ref"),
        Just("minimum"),
        Just("maxLength"),
        Just("additionalProperties"),
        Just("if"),
        Just("then"),
        Just("contains"),
        Just("multipleOf"),
    ];
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-5..9_i64).prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        prop_oneof![
            Just("string"),
            Just("integer"),
            Just("object"),
            Just("#"),
            Just("(a|[b-"),
            Just("a")
        ]
        .prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::btree_map(word.clone(), inner, 0..5)
                .prop_map(|fields| json!(fields)),
        ]
    })
}

proptest! {
    #[test]
    fn a_satisfiable_schema_gets_an_example_that_fits(schema in satisfiable()) {
        let made = sample_of(&schema);
        prop_assert!(made.is_ok(), "{schema}: {:?}", made);
        prop_assert!(made.is_ok_and(|made| fits(&schema, &made)), "{schema}");
    }

    #[test]
    fn any_other_gets_one_that_fits_or_a_reason(schema in any_schema()) {
        match sample_of(&schema) {
            Ok(made) => prop_assert!(fits(&schema, &made), "{schema}: {made}"),
            Err(error) => prop_assert!(!error.reason.is_empty(), "{schema}"),
        }
        prop_assert_eq!(sample_of(&schema), sample_of(&schema));
    }
}
