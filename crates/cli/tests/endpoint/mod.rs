//! An endpoint that remembers what arrived, and how to compare that with what exists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tidings_testkit::Client;
use tokio::net::TcpListener;

/// What arrived at one endpoint: by `webhook-id`, the bodies.
pub(crate) type Seen = Arc<Mutex<BTreeMap<String, Vec<Vec<u8>>>>>;

#[derive(Clone)]
struct Endpoint {
    seen: Seen,
    /// Fails the first attempt of some events, so that retries are pending at every kill.
    is_flaky: bool,
}

/// Whether the flaky endpoint fails the first attempt: for a quarter of all events, so that it is not
/// left alone as one that fails.
pub(crate) fn fails_first(id: &str) -> bool {
    id.bytes().last().is_some_and(|byte| byte % 4 == 0)
}

/// An endpoint with what has arrived at it.
pub(crate) async fn endpoint(is_flaky: bool) -> (String, Seen) {
    let seen: Seen = Arc::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let state = Endpoint { seen: Arc::clone(&seen), is_flaky };
    let router = Router::new().fallback(receive).with_state(state);
    #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
    drop(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
    (url, seen)
}

async fn receive(
    State(endpoint): State<Endpoint>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> impl IntoResponse {
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let mut seen = endpoint.seen.lock().unwrap();
    let fails = endpoint.is_flaky && fails_first(&id);
    let bodies = seen.entry(id).or_default();
    bodies.push(body.to_vec());
    if fails && bodies.len() == 1 { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
}

/// The customers of whose creation an endpoint has heard.
pub(crate) fn customers(seen: &Seen) -> BTreeSet<String> {
    let seen = seen.lock().unwrap();
    seen.values()
        .map(|bodies| {
            assert!(bodies.iter().all(|body| *body == bodies[0]), "a repetition has other bytes");
            let event: Value = serde_json::from_slice(&bodies[0]).unwrap();
            event["data"]["customer_id"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// Every customer that exists.
pub(crate) async fn all_customers(client: &Client) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page =
            client.get(&format!("/api/v1/customers?limit=200{cursor}")).await.unwrap().json();
        all.extend(
            page["data"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}
