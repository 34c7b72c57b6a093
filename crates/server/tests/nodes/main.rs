//! Two nodes on one PostgreSQL, under load: each attempt is received once. A binary of its own, so
//! that no other test takes its two cores away.
#![expect(clippy::unwrap_used, reason = "a run that cannot go on fails, with the reason")]

mod node;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_testkit::{Client, Receiver, postgres};

use node::{OPERATOR, node};

/// Endpoints of the tenant.
const ENDPOINTS: usize = 10;
/// Events published, half at each node.
const EVENTS: usize = 5_000;

async fn publish(client: &Client, from: usize, count: usize) {
    let events: Vec<Value> = (from..from + count)
        // With an id of its own, so that a batch whose answer was lost is not published twice.
        .map(|n| {
            json!({"event_type": "custom.load", "event_data": {"n": n},
                "event_id": format!("load-{n}")})
        })
        .collect();
    for chunk in events.chunks(250) {
        let body = json!({"events": chunk});
        loop {
            let answer = client.post("/api/v1/webhooks/events/batch", &body).await.unwrap();
            if answer.status == http::StatusCode::ACCEPTED {
                break;
            }
            assert_eq!(answer.problem(), "unavailable", "{}", answer.json());
        }
    }
}

#[test]
fn two_nodes_deliver_fifty_thousand_each_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(database) = postgres::fresh_database().await else { return };
        let (a, b) = (node(&database.url, "a").await, node(&database.url, "b").await);
        let operator = a.client.with_key(OPERATOR);
        let tenant = operator.post("/api/v1/tenants", &json!({"name": "load"})).await.unwrap();
        let key = tenant.text("/api_key");
        let (on_a, on_b) = (a.client.with_key(&key), b.client.with_key(&key));
        let custom = json!({"event_type": "custom.load"});
        on_a.post("/api/v1/webhooks/event-types", &custom).await.unwrap();
        let mut hooks = Vec::new();
        for _ in 0..ENDPOINTS {
            let hook = Receiver::start().await;
            let body = json!({"url": hook.url(), "events": ["custom.load"]});
            let made = on_a.post("/api/v1/webhooks/subscriptions", &body).await.unwrap();
            assert_eq!(made.status, http::StatusCode::CREATED);
            hooks.push(hook);
        }
        tokio::join!(publish(&on_a, 0, EVENTS / 2), publish(&on_b, EVENTS / 2, EVENTS / 2));
        let all = async {
            while hooks.iter().map(Receiver::count).sum::<usize>() < ENDPOINTS * EVENTS {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_mins(4), all).await;
        let counts: Vec<usize> = hooks.iter().map(Receiver::count).collect();
        assert!(waited.is_ok(), "{counts:?}");
        for hook in &hooks {
            let mut times: BTreeMap<String, usize> = BTreeMap::new();
            for arrival in hook.arrivals() {
                *times.entry(arrival.id()).or_default() += 1;
            }
            assert_eq!(times.len(), EVENTS);
            assert!(times.values().all(|times| *times == 1), "an attempt was received twice");
        }
        for node in [a, b] {
            node.end().await;
        }
    });
}
