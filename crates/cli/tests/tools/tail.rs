//! `tidings events tail` and `tidings deliveries tail`: they go on where they were, and end where they must.

use std::sync::{Arc, Mutex};

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::{err, out, run_beside, served, tidings};

/// What each connection asked for: the query, and the place to go on from.
type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;

fn message(position: i64) -> String {
    let event = json!({"position": position, "id": format!("evt_{position}"),
        "type": "customer.created", "timestamp": "2026-11-23T12:00:00.000000Z", "event": {}});
    format!("id: {position}\ndata: {event}\n\n")
}

/// The first connection breaks after two events; the next gets one more, and no further.
async fn stream(
    State(asked): State<Asked>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    if query.contains("event_type=refused") {
        let problem = json!({"type": "/problems/forbidden", "detail": "events.read is needed"});
        return (StatusCode::FORBIDDEN, Json(problem)).into_response();
    }
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap().to_owned());
    let mut asked = asked.lock().unwrap();
    asked.push((query, last));
    let body = match asked.len() {
        1 => format!("retry: 2000\nid: 0\n\n{}: still here\n\n{}", message(1), message(2)),
        _ => format!("{}event: end\ndata: {{\"reason\":\"not_allowed\"}}\n\n", message(3)),
    };
    ([("content-type", "text/event-stream")], body).into_response()
}

async fn tail(server: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    tail_of("events", server, arguments).await
}

async fn tail_of(what: &str, server: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = tidings(&[what, "tail", "--server", server, "--api-key", "key"]);
    command.args(arguments);
    let done = run_beside(command).await;
    (done.status.code(), out(&done), err(&done))
}

fn server(asked: &Asked) -> Router {
    Router::new().route("/api/v1/webhooks/events/stream", get(stream)).with_state(asked.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_where_it_was_and_ends_when_its_key_is_revoked() {
    let asked = Asked::default();
    let url = format!("http://{}", served(server(&asked)).await);
    let (status, said, complained) =
        tail(&url, &["--event-type", "customer.*", "--after", "0"]).await;
    assert_eq!(status, Some(1), "{complained}");
    assert!(complained.contains("may not read this any more"), "{complained}");
    let ids: Vec<&str> = said.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(ids, ["evt_1", "evt_2", "evt_3"], "each once");
    let query = "event_type=customer.*&after=0".to_owned();
    assert_eq!(*asked.lock().unwrap(), [(query.clone(), None), (query, Some("2".to_owned()))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_followed_says_why() {
    let asked = Asked::default();
    let url = format!("http://{}", served(server(&asked)).await);
    for (server, arguments, code, says) in [
        (url.as_str(), vec!["--event-type", "refused"], 1, "events.read is needed"),
        (url.as_str(), vec!["--event-type", "a&b"], 2, "neither a type nor an id"),
        (url.as_str(), vec!["--after", "x"], 2, "--after"),
        ("http://127.0.0.1:1", vec![], 1, "is the server running?"),
    ] {
        let (status, _, complained) = tail(server, &arguments).await;
        assert_eq!(status, Some(code), "{arguments:?}: {complained}");
        assert!(complained.contains(says), "{arguments:?}: {complained}");
    }
}

/// One attempt behind a gap, and no further.
async fn attempts(
    State(asked): State<Asked>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap().to_owned());
    asked.lock().unwrap().push((query.unwrap_or_default(), last));
    let attempt = json!({"delivery_id": "dlv_1", "attempt": 2, "status": "waiting",
        "event_type": "customer.created", "http_status": null, "error": "timeout.connect",
        "settled_at": "2026-11-23T12:00:00.000000Z"});
    let body = format!(
        "event: left_out\ndata: {{\"reason\":\"kept_no_longer\"}}\n\nid: 7-3-1-9\ndata: \
         {attempt}\n\nevent: end\ndata: {{\"reason\":\"not_allowed\"}}\n\n"
    );
    ([("content-type", "text/event-stream")], body).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_lines_and_what_may_be_left_out_is_told_aside() {
    let asked = Asked::default();
    let path = "/api/v1/webhooks/deliveries/stream";
    let server = Router::new().route(path, get(attempts)).with_state(asked.clone());
    let url = format!("http://{}", served(server).await);
    let narrowed =
        ["--status", "waiting,exhausted", "--subscription", "whs_1", "--after", "7-2-1-8"];
    let (status, said, complained) = tail_of("deliveries", &url, &narrowed).await;
    assert_eq!(status, Some(1), "{complained}");
    assert!(complained.contains("may be left out"), "{complained}");
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words[1..], ["waiting", "2", "timeout.connect", "customer.created", "dlv_1"]);
    let query = "subscription_id=whs_1&status=waiting,exhausted&after=7-2-1-8";
    assert_eq!(*asked.lock().unwrap(), [(query.to_owned(), None)]);
}
