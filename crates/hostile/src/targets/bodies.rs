//! Bodies and queries of requests, and bodies that are sent.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tidings_kernel::{Problem, Timestamp, limits};
use tidings_webhooks::parsers;

/// The faults of input are refused as such: with a status that says so, and pointers.
pub(super) fn is_refusal(problem: &Problem) {
    assert!(matches!(problem.kind.status(), 400 | 413 | 422), "{problem:?}");
    assert!(!problem.detail.is_empty());
    for fault in &problem.errors {
        let pointer = &fault.pointer;
        let known = pointer.is_empty()
            || pointer.starts_with(['/', '?'])
            || matches!(pointer.as_str(), "Idempotency-Key" | "If-Match");
        assert!(known, "{problem:?}");
        assert!(!fault.message.is_empty(), "{problem:?}");
    }
}

/// Any JSON: what is read is not too deep, and is read again from what is written of it.
pub(super) fn json(input: &[u8]) {
    match tidings_web::parse_json::<Value>(input) {
        Ok(value) => {
            assert!(depth(&value) <= limits::JSON_DEPTH_MAX);
            let written = serde_json::to_vec(&value).unwrap();
            assert_eq!(tidings_web::parse_json::<Value>(&written), Ok(value));
        }
        Err(problem) => is_refusal(&problem),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// A publication's data is stored as it was written, to the byte.
pub(super) fn publication(input: &[u8]) {
    match parsers::publication(input) {
        Ok(data) => {
            let written = std::str::from_utf8(input).unwrap();
            assert!(written.contains(&data), "{data}");
            assert!(serde_json::from_str::<Box<RawValue>>(&data).is_ok());
            // What is not ambiguous is read the same by everybody, but for numbers without a bound.
            if !parsers::is_ambiguous(&data) && serde_json::from_str::<Value>(&data).is_err() {
                assert!(data.contains(['e', 'E']) || data.len() > 300, "{data}");
            }
        }
        Err(problem) => is_refusal(&problem),
    }
    if let Err(problem) = parsers::registration(input) {
        is_refusal(&problem);
    }
}

/// A body that makes a subscription.
pub(super) fn subscription(input: &[u8]) {
    if let Err(problem) = parsers::subscription(input) {
        is_refusal(&problem);
    }
}

/// What a list takes in its query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    status: Option<Status>,
    since: Option<Timestamp>,
    least: Option<i64>,
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Delivered,
    Waiting,
}

/// A query string.
pub(super) fn query(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match tidings_web::parsers::query::<Filter>(text) {
        Ok(Filter { status, since, least, text: words }) => {
            assert!(matches!(status, None | Some(Status::Delivered | Status::Waiting)));
            assert!(since.is_none_or(|instant| instant.to_string().parse() == Ok(instant)));
            assert!(least.is_none_or(|least| least.to_string().len() <= text.len()));
            // A byte that is no text becomes three that stand for it.
            assert!(words.is_none_or(|words| words.len() <= text.len().saturating_mul(3)));
        }
        Err(problem) => is_refusal(&problem),
    }
}

/// Attributes are headers whatever is in them, and the body is inside the object to the byte.
pub(super) fn cloudevents(input: &[u8]) {
    // What is stored was serialised by us, so it is JSON.
    if serde_json::from_slice::<&RawValue>(input).is_err() {
        return;
    }
    let Some((headers, structured)) = parsers::cloudevents(input) else { return };
    assert_eq!(headers.len(), 7, "{headers:?}");
    assert!(headers.values().all(|value| value.to_str().is_ok()));
    let structured = structured.unwrap();
    let object: Value = serde_json::from_slice(&structured).unwrap();
    assert_eq!(object["specversion"], "1.0");
    let body = input.trim_ascii();
    assert!(structured.windows(body.len()).any(|part| part == body), "the body is another");
}
