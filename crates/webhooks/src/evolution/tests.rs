use serde_json::{Value, json};

use super::*;

/// The differences as pairs of pointer and who is broken.
fn found(old: &Value, new: &Value) -> Vec<(String, Breaks)> {
    changes(old, new).into_iter().map(|change| (change.pointer, change.breaks)).collect()
}

/// What is changed, from what, into what, and whom it breaks where.
type Case = (&'static str, Value, Value, &'static [(&'static str, Breaks)]);

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases, which is read from top to bottom")]
fn each_difference_breaks_whom_it_breaks() {
    let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required});
    let text = json!({"type": "string"});
    let cases: Vec<Case> = vec![
        ("nothing", json!({"type": "string"}), text.clone(), &[]),
        (
            "an optional property more",
            object(json!({}), json!([])),
            object(json!({"a": text}), json!([])),
            &[("/properties/a", Breaks::Nobody)],
        ),
        (
            "a needed property more",
            object(json!({}), json!([])),
            object(json!({"a": text}), json!(["a"])),
            &[("/properties/a", Breaks::Nobody), ("/required", Breaks::Publishers)],
        ),
        (
            "a property less",
            object(json!({"a": text}), json!([])),
            object(json!({}), json!([])),
            &[("/properties/a", Breaks::Receivers)],
        ),
        (
            "a property that is needed no more",
            object(json!({"a": text}), json!(["a"])),
            object(json!({"a": text}), json!([])),
            &[("/required", Breaks::Receivers)],
        ),
        (
            "a type less and one more",
            json!({"type": ["string", "null"]}),
            json!({"type": ["string", "boolean"]}),
            &[("/type", Breaks::Receivers), ("/type", Breaks::Publishers)],
        ),
        (
            "integers where numbers were",
            json!({"type": "number"}),
            json!({"type": "integer"}),
            &[("/type", Breaks::Publishers)],
        ),
        (
            "numbers where integers were",
            json!({"type": "integer"}),
            json!({"type": "number"}),
            &[("/type", Breaks::Receivers)],
        ),
        (
            "a value less and one more",
            json!({"enum": ["a", "b"]}),
            json!({"enum": ["b", "c"]}),
            &[("/enum", Breaks::Publishers), ("/enum", Breaks::Receivers)],
        ),
        (
            "another constant",
            json!({"const": 1}),
            json!({"const": 2}),
            &[("/const", Breaks::Publishers), ("/const", Breaks::Receivers)],
        ),
        (
            "a bound that narrows",
            json!({"minimum": 1}),
            json!({"minimum": 2}),
            &[("/minimum", Breaks::Publishers)],
        ),
        (
            "a bound that widens",
            json!({"maxLength": 5}),
            json!({"maxLength": 9}),
            &[("/maxLength", Breaks::Receivers)],
        ),
        ("a bound more", json!({}), json!({"maximum": 9}), &[("/maximum", Breaks::Publishers)]),
        ("a bound less", json!({"minItems": 1}), json!(true), &[("/minItems", Breaks::Receivers)]),
        (
            "another pattern",
            json!({"pattern": "a"}),
            json!({"pattern": "b"}),
            &[("/pattern", Breaks::Both)],
        ),
        (
            "a riddle",
            json!({"oneOf": [true]}),
            json!({"oneOf": [true, false]}),
            &[("/oneOf", Breaks::Both)],
        ),
        (
            "words",
            json!({"title": "a"}),
            json!({"title": "b", "description": "c"}),
            &[("/description", Breaks::Nobody), ("/title", Breaks::Nobody)],
        ),
        (
            "closed",
            json!({}),
            json!({"additionalProperties": false}),
            &[("/additionalProperties", Breaks::Publishers)],
        ),
        (
            "opened",
            json!({"additionalProperties": false}),
            json!({}),
            &[("/additionalProperties", Breaks::Nobody)],
        ),
        (
            "in a list",
            json!({"items": {"properties": {"a/b": {"type": "string"}}}}),
            json!({"items": {"properties": {"a/b": {"type": "integer"}}}}),
            &[
                ("/items/properties/a~1b/type", Breaks::Receivers),
                ("/items/properties/a~1b/type", Breaks::Publishers),
            ],
        ),
        (
            "in a part that others refer to",
            json!({"$defs": {"a": {"minLength": 1}}}),
            json!({"$defs": {"a": {"minLength": 2}, "b": true}}),
            &[("/$defs/a/minLength", Breaks::Publishers), ("/$defs/b", Breaks::Nobody)],
        ),
        ("nothing at all any more", json!(true), json!(false), &[("", Breaks::Publishers)]),
        ("anything again", json!(false), json!({}), &[("", Breaks::Receivers)]),
        ("two ways to take everything", json!(true), json!({}), &[]),
    ];
    for (name, old, new, wanted) in cases {
        let wanted: Vec<(String, Breaks)> =
            wanted.iter().map(|(pointer, breaks)| ((*pointer).to_owned(), *breaks)).collect();
        assert_eq!(found(&old, &new), wanted, "{name}");
    }
}

/// What is said to be safe is: no data that the one schema took, the other refuses, where the
/// comparison says that publishers are not broken; and the other way round for receivers.
mod laws {
    use proptest::prelude::*;

    use super::*;

    fn leaf() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(json!(true)),
            Just(json!({"type": "string"})),
            Just(json!({"type": "integer"})),
            Just(json!({"type": "number"})),
            Just(json!({"type": ["string", "null"]})),
            (0..4_u8, 4..8_u8).prop_map(|(a, b)| json!({"minimum": a, "maximum": b})),
            (0..4_u8).prop_map(|a| json!({"type": "string", "minLength": a})),
            proptest::sample::subsequence(vec!["x", "y", "z"], 1..=3)
                .prop_map(|values| json!({"enum": values})),
        ]
    }

    fn schema() -> impl Strategy<Value = Value> {
        leaf().prop_recursive(3, 12, 3, |inner| {
            let properties = proptest::collection::btree_map("[abc]", inner.clone(), 0..3);
            let required = proptest::sample::subsequence(vec!["a", "b", "c"], 0..=2);
            prop_oneof![
                (properties, required).prop_map(|(properties, required)| {
                    json!({"type": "object", "properties": properties, "required": required})
                }),
                inner.prop_map(|items| json!({"type": "array", "items": items})),
            ]
        })
    }

    fn data() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            (0..9_i64).prop_map(|n| json!(n)),
            Just(json!(1.5)),
            "[xyz]{0,5}".prop_map(Value::String),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                proptest::collection::btree_map("[abc]", inner, 0..3)
                    .prop_map(|fields| json!(fields)),
            ]
        })
    }

    proptest! {
        #[test]
        fn who_is_not_named_does_not_notice(old in schema(), new in schema(), data in data()) {
            let changes = changes(&old, &new);
            let breaks = |whom| breaking(&changes).any(|change| change.breaks.whom().contains(&whom));
            let fits = |schema: &Value| jsonschema::validator_for(schema).unwrap().is_valid(&data);
            // A property that was free and is described now is the one thing that counts as safe
            // though data may be refused for it.
            let describes_more = changes.iter().any(|c| c.breaks == Breaks::Nobody);
            if !breaks("publishers") && !describes_more {
                prop_assert!(!fits(&old) || fits(&new), "{old} -> {new}: {data}");
            }
            if !breaks("receivers") {
                prop_assert!(!fits(&new) || fits(&old), "{old} -> {new}: {data}");
            }
        }

        #[test]
        fn a_schema_does_not_differ_from_itself(schema in schema()) {
            prop_assert!(changes(&schema, &schema).is_empty());
        }
    }
}
