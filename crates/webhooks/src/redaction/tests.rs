use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const BODY: &str = r#"{"id":"evt_1","type":"a.b","timestamp":"2026-11-23T12:30:04.123456Z","custom_metadata":{"shop":"x"},"data":{ "weight":1.10,"email":"ada@example.com","a/b":{"~":1},"lines":[{"name":"n","sku":7},{"name":null}],"we\u0062":"site","*":"star"}}"#;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn redacted(pointers: &[&str], body: &str) -> String {
    let pointers: Vec<String> = pointers.iter().map(|&text| text.to_owned()).collect();
    let asked = [Redaction { since: Timestamp::default(), pointers }];
    let body = Redactions::compile(&asked).map(|found| found.apply(body.as_bytes()).into_owned());
    String::from_utf8(body.unwrap()).unwrap()
}

#[test]
fn values_become_null_and_every_other_byte_stays() {
    for (pointers, from, to) in [
        (&["/data/email"][..], "\"ada@example.com\"", "null"),
        (&["/data/absent", "/data/email/deeper"], "", ""),
        (&["/data/lines/*/name"], "\"name\":\"n\"", "\"name\":null"),
        (&["/data/lines/1"], "{\"name\":null}", "null"),
        (
            &["/data/lines", "/data/lines/0/name"],
            "[{\"name\":\"n\",\"sku\":7},{\"name\":null}]",
            "null",
        ),
        (&["/data/a~1b/~0"], "{\"~\":1}", "{\"~\":null}"),
        (&["/data/web"], "\"site\"", "null"),
        (&["/custom_metadata/*"], "{\"shop\":\"x\"}", "{\"shop\":null}"),
    ] {
        assert_eq!(redacted(pointers, BODY), BODY.replacen(from, to, 1), "{pointers:?}");
    }
    let all: Value = serde_json::from_str(&redacted(&["/data/*"], BODY)).unwrap();
    let mut values = all["data"].as_object().unwrap().values();
    assert!(values.all(Value::is_null), "{all}");
    assert_eq!(all["id"], "evt_1");
}

#[test]
fn what_cannot_be_read_is_not_sent() {
    for body in ["", "not json", "{\"data\":{\"email\":1}}", "[1]"] {
        assert_eq!(redacted(&["/data/email"], body), "null", "{body}");
    }
    let torn = BODY.replace("we\\u0062", "\\ud800");
    let sent: Value = serde_json::from_str(&redacted(&["/data/email"], &torn)).unwrap();
    assert_eq!((&sent["data"], &sent["custom_metadata"]), (&Value::Null, &json!({"shop": "x"})));
}

#[test]
fn faults_are_told_where_they_are() {
    let check = |pointers: &[&str]| -> Vec<String> {
        let pointers: Vec<String> = pointers.iter().map(|&text| text.to_owned()).collect();
        let mut errors = Vec::new();
        super::check(&pointers, &mut errors);
        errors.into_iter().map(|error| format!("{} {}", error.pointer, error.code)).collect()
    };
    assert!(check(&["/data/email", "/data/*", "/custom_metadata/shop", "/data/"]).is_empty());
    for (pointer, code) in [
        ("", "invalid"),
        ("data/email", "invalid"),
        ("$.data.email", "invalid"),
        ("/data/~2", "invalid"),
        ("/data/~", "invalid"),
        ("/data", "not_redactable"),
        ("/id", "not_redactable"),
        ("/subject/id", "not_redactable"),
        ("/*/email", "not_redactable"),
        ("/actor/id", "not_redactable"),
        ("/tenant_id", "not_redactable"),
    ] {
        assert_eq!(check(&[pointer]), [format!("/redact/0 {code}")], "{pointer}");
    }
    let long = format!("/data/{}", "x".repeat(POINTER_CHARS_MAX));
    assert_eq!(check(&[&long]), ["/redact/0 too_long"]);
    let deep = format!("/data{}", "/x".repeat(DEPTH_MAX));
    assert_eq!(check(&[&deep]), ["/redact/0 too_deep"]);
    assert_eq!(check(&["/data/a", "/data/a"]), ["/redact/1 duplicate"]);
    let names: Vec<String> = (0..=POINTERS_MAX).map(|n| format!("/data/{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(check(&names), ["/redact too_many"]);
}

#[test]
fn an_event_is_redacted_as_was_asked_when_it_happened() {
    let email = vec!["/data/email".to_owned()];
    let before = asked(&[], &[], at(5));
    assert!(Redactions::compile(&before).is_none(), "nothing is looked into");
    let first = asked(&before, &email, at(10));
    assert_eq!(asked(&first, &email, at(20)), first, "nothing differs");
    let lifted = Redactions::compile(&asked(&first, &[], at(20))).unwrap();
    for (instant, hidden) in
        [("00:00:09", false), ("00:00:10", true), ("00:00:19", true), ("00:00:20", false)]
    {
        let body =
            format!(r#"{{"timestamp":"1970-01-01T{instant}.000000Z","data":{{"email":"a"}}}}"#);
        let sent: Value = serde_json::from_slice(&lifted.apply(body.as_bytes())).unwrap();
        assert_eq!(sent["data"]["email"].is_null(), hidden, "{instant}");
    }
}

#[test]
fn what_is_remembered_has_a_bound() {
    let mut all = Vec::new();
    for second in 0..200 {
        all = asked(&all, &[format!("/data/{second}")], at(second));
    }
    assert_eq!(all.len(), REMEMBERED_MAX);
    assert_eq!(all.last().unwrap().pointers, ["/data/199"]);
}

proptest! {
    #[test]
    fn the_result_is_json_that_differs_in_the_named_value_only(
        name in "[a-z~/\\* \"\\\\é]{1,8}",
        value in any::<f64>().prop_filter("JSON has no other numbers", |n| n.is_finite()),
        text in ".{0,20}",
    ) {
        let body = json!({"timestamp": "2026-11-23T12:30:04.123456Z",
            "data": {(name.clone()): {"deep": [text, value]}, "kept!": value}});
        let escaped = name.replace('~', "~0").replace('/', "~1");
        prop_assume!(escaped != "*" && name != "kept!");
        let sent = redacted(&[&format!("/data/{escaped}/deep/0")], &body.to_string());
        let mut wanted = body;
        wanted["data"][&name]["deep"][0] = Value::Null;
        prop_assert_eq!(serde_json::from_str::<Value>(&sent).unwrap(), wanted);
    }
}
