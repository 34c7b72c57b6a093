use proptest::prelude::*;
use serde_json::json;

use super::*;

fn clause(json: Value) -> Clause {
    serde_json::from_value(json).unwrap()
}

fn compiled(json: Value) -> PayloadFilter {
    PayloadFilter::compile(&clause(json), "").unwrap()
}

fn event() -> ReadBody {
    ReadBody(Some(json!({
        "id": "evt_1", "type": "customer.updated", "livemode": true,
        "timestamp": "2026-11-23T12:30:04.123456Z",
        "subject": {"type": "customer", "id": "cus_1", "version": 7},
        "custom_metadata": {"shop": "north", "a/b": "x"},
        "data": {"tier": "premium", "amount": 4990, "ratio": 0.5, "name": null, "flag": false,
            "changed_fields": ["email", "tier"], "lines": [{"sku": "A-1"}], "big": 9_007_199_254_740_993_u64}
    })))
}

#[test]
fn each_test_means_what_it_says() {
    for (test, wanted) in [
        (json!({"field": "/data/tier", "equals": "premium"}), true),
        (json!({"field": "/data/tier", "equals": "Premium"}), false),
        (json!({"field": "/data/amount", "equals": 4990.0}), true),
        (json!({"field": "/data/amount", "equals": "4990"}), false),
        (json!({"field": "/data/name", "equals": null}), true),
        (json!({"field": "/data/absent", "equals": null}), false),
        (json!({"field": "/data/flag", "equals": false}), true),
        (json!({"field": "/data/big", "equals": 9_007_199_254_740_992_u64}), false),
        (json!({"field": "/data/tier", "in": ["basic", "premium"]}), true),
        (json!({"field": "/data/tier", "in": ["basic", 1, null]}), false),
        (json!({"field": "/data/changed_fields", "contains": "tier"}), true),
        (json!({"field": "/data/changed_fields", "contains": "phone"}), false),
        (json!({"field": "/data/tier", "contains": "premium"}), false),
        (json!({"field": "/type", "prefix": "customer."}), true),
        (json!({"field": "/data/amount", "prefix": "4"}), false),
        (json!({"field": "/data/name", "exists": true}), true),
        (json!({"field": "/data/absent", "exists": true}), false),
        (json!({"field": "/data/absent", "exists": false}), true),
        (json!({"field": "/data/amount", "less_than": 4990}), false),
        (json!({"field": "/data/amount", "at_most": 4990}), true),
        (json!({"field": "/data/amount", "greater_than": 4989.5}), true),
        (json!({"field": "/data/amount", "at_least": "1"}), false),
        (json!({"field": "/data/ratio", "at_least": 0.5}), true),
        (json!({"field": "/timestamp", "at_least": "2026-11-23T00:00:00Z"}), true),
        (json!({"field": "/timestamp", "less_than": "2026-11-23T00:00:00Z"}), false),
        (json!({"field": "/data/absent", "less_than": 1}), false),
        (json!({"field": "/custom_metadata/a~1b", "equals": "x"}), true),
        (json!({"field": "/data/lines/0/sku", "prefix": "A-"}), true),
        (json!({"field": "/data/lines/1/sku", "exists": true}), false),
        (json!({"field": "/subject/version", "greater_than": 6}), true),
        (json!({"not": {"field": "/data/tier", "equals": "premium"}}), false),
        (json!({"not": {"field": "/data/absent", "equals": 1}}), true),
    ] {
        let filter = compiled(test.clone());
        assert_eq!(filter.matches(&event()), wanted, "{test}");
        assert_eq!(filter.explain(&event()).matches, wanted, "{test}, explained");
    }
}

#[test]
fn groups_join_and_the_explanation_names_the_clause_that_decided() {
    let premium = json!({"field": "/data/tier", "equals": "premium"});
    let dear = json!({"field": "/data/amount", "at_least": 10_000});
    for (filter, wanted, decided_by, reason) in [
        (
            json!({"all": [premium, dear]}),
            false,
            "/all/1",
            "/data/amount is 4990; wanted: at_least 10000",
        ),
        (
            json!({"any": [dear, premium]}),
            true,
            "/any/1",
            "/data/tier is \"premium\"; wanted: equals \"premium\"",
        ),
        (json!({"all": [premium, premium]}), true, "", "each of its clauses holds"),
        (json!({"any": [dear, dear]}), false, "", "none of its clauses holds"),
        (
            json!({"not": {"any": [dear, premium]}}),
            false,
            "/not/any/1",
            "/data/tier is \"premium\"; wanted: equals \"premium\"",
        ),
        (
            json!({"all": [{"any": [{"not": dear}]}]}),
            true,
            "/all/0/any/0/not",
            "/data/amount is 4990; wanted: at_least 10000",
        ),
        (
            json!({"field": "/data/color", "equals": "red"}),
            false,
            "",
            "/data/color is not there; wanted: equals \"red\"",
        ),
    ] {
        let compiled = compiled(filter.clone());
        let told = compiled.explain(&event());
        assert_eq!((told.matches, compiled.matches(&event())), (wanted, wanted), "{filter}");
        assert_eq!(told.decided_by.pointer, decided_by, "{filter}");
        assert_eq!(told.decided_by.reason, reason, "{filter}");
    }
}

#[test]
fn every_fault_is_pointed_at() {
    let ok = json!({"field": "/data/a", "exists": true});
    let many: Vec<Value> = std::iter::repeat_n(ok.clone(), 100).collect();
    let mut deep = ok.clone();
    for _ in 0..8 {
        deep = json!({"not": deep});
    }
    let long = "x".repeat(501);
    for (filter, pointer, code) in [
        (json!({}), "", "required"),
        (json!({"field": "/data/a"}), "", "required"),
        (json!({"equals": 1}), "/field", "required"),
        (json!({"field": "/data/a", "equals": 1, "prefix": "x"}), "", "ambiguous"),
        (json!({"field": "/data/a", "equals": 1, "all": [ok]}), "", "ambiguous"),
        (json!({"all": [ok], "any": [ok]}), "", "ambiguous"),
        (json!({"all": [ok], "field": "/data/a"}), "", "ambiguous"),
        (json!({"all": []}), "/all", "required"),
        (json!({"any": [ok, {}]}), "/any/1", "required"),
        (json!({"not": {"all": []}}), "/not/all", "required"),
        (json!({"field": "data.tier", "exists": true}), "/field", "invalid"),
        (json!({"field": "", "exists": true}), "/field", "invalid"),
        (json!({"field": "/dat/tier", "exists": true}), "/field", "unknown_value"),
        (json!({"field": "/data/a~2", "exists": true}), "/field", "invalid"),
        (json!({"field": "/data/a~", "exists": true}), "/field", "invalid"),
        (json!({"field": format!("/data/{long}"), "exists": true}), "/field", "too_long"),
        (json!({"field": "/data/a", "equals": {"b": 1}}), "/equals", "invalid"),
        (json!({"field": "/data/a", "contains": [1]}), "/contains", "invalid"),
        (json!({"field": "/data/a", "equals": long}), "/equals", "too_long"),
        (json!({"field": "/data/a", "prefix": long}), "/prefix", "too_long"),
        (json!({"field": "/data/a", "in": []}), "/in", "out_of_range"),
        (json!({"field": "/data/a", "in": vec![1; 101]}), "/in", "out_of_range"),
        (json!({"field": "/data/a", "in": [1, [2]]}), "/in/1", "invalid"),
        (json!({"field": "/data/a", "less_than": true}), "/less_than", "invalid"),
        (json!({"field": "/data/a", "at_least": null}), "/at_least", "invalid"),
        (json!({"all": many}), "/all/99", "too_many"),
        (deep, "/not/not/not/not/not/not/not/not", "too_deep"),
    ] {
        let faults = PayloadFilter::compile(&clause(filter.clone()), "").unwrap_err();
        let found = (faults[0].pointer.as_str(), &*faults[0].code);
        assert_eq!(found, (pointer, code), "{filter}");
    }
}

#[test]
fn the_most_that_is_allowed_is_allowed() {
    let ok = json!({"field": "/data/a", "exists": true});
    let most: Vec<Value> = std::iter::repeat_n(ok.clone(), 99).collect();
    compiled(json!({"all": most}));
    let mut deep = ok;
    for _ in 0..7 {
        deep = json!({"not": deep});
    }
    compiled(deep);
    compiled(json!({"field": "/data/a", "in": vec![1; 100]}));
}

#[test]
fn a_misspelt_field_is_told_what_was_meant() {
    let misspelt = clause(json!({"field": "data.order.total", "at_least": 1}));
    let faults = PayloadFilter::compile(&misspelt, "/payload_filter").unwrap_err();
    assert_eq!(faults[0].pointer, "/payload_filter/field");
    assert!(faults[0].message.contains("\"/data/order/total\""), "{}", faults[0].message);
}

#[test]
fn fields_begin_with_what_an_envelope_has() {
    let schema = tidings_events::envelope_schema();
    let properties: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    let mut known: Vec<&str> = compile::ENVELOPE.to_vec();
    known.sort_unstable();
    let mut properties: Vec<&str> = properties.into_iter().map(String::as_str).collect();
    properties.sort_unstable();
    assert_eq!(known, properties);
}

#[test]
fn a_body_that_cannot_be_read_passes() {
    let filter = compiled(json!({"field": "/data/a", "equals": 1}));
    let body = ReadBody::of(b"{\"data\":{\"a\":1e400}}");
    assert!(filter.matches(&body) && filter.explain(&body).matches);
    assert!(!filter.matches(&ReadBody::of(b"{\"data\":{\"a\":2}}")));
}

#[test]
fn a_stored_filter_is_what_was_given() {
    let given = json!({"all": [{"field": "/data/a", "equals": null}, {"not": {"field": "/type",
        "in": ["a", 1]}}]});
    assert_eq!(serde_json::to_value(clause(given.clone())).unwrap(), given);
}

fn any_clause() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        "[a-z]{0,3}".prop_map(|text| json!(text)),
    ];
    let field = prop_oneof![Just("/data/a"), Just("/data/b/0"), Just("/type"), Just("nonsense")];
    let test = (field, value, 0..9_usize).prop_map(|(field, value, test)| match test {
        0 => json!({"field": field, "equals": value}),
        1 => json!({"field": field, "in": [value]}),
        2 => json!({"field": field, "contains": value}),
        3 => json!({"field": field, "prefix": "a"}),
        4 => json!({"field": field, "exists": true}),
        5 => json!({"field": field, "less_than": value}),
        6 => json!({"field": field, "at_most": value}),
        7 => json!({"field": field, "greater_than": value}),
        _ => json!({"field": field, "at_least": value}),
    });
    test.prop_recursive(10, 60, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|parts| json!({"all": parts})),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|parts| json!({"any": parts})),
            inner.prop_map(|part| json!({"not": part})),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_is_refused_or_explained_as_it_is_applied(filter in any_clause(), a in any::<i64>()) {
        let event = ReadBody(Some(json!({"type": "x.y", "data": {"a": a, "b": ["a", a]}})));
        if let Ok(filter) = PayloadFilter::compile(&clause(filter), "") {
            let told = filter.explain(&event);
            prop_assert_eq!(told.matches, filter.matches(&event));
            prop_assert!(told.clauses.len() <= CLAUSES_MAX);
            prop_assert!(told.clauses.contains(&told.decided_by));
        }
    }
}
