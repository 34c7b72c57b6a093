//! A database that goes away again and again under load: whoever repeats with the same key has one
//! effect, what was accepted is there and arrives, and nobody has to start anything again.
#![expect(clippy::unwrap_used, reason = "a run that cannot go on fails, with the reason")]

#[path = "../nodes/node.rs"]
mod node;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;
use tidings_testkit::{Client, Receiver, Wire, postgres};

use node::{OPERATOR, node};

/// How often the wire is cut.
const CUTS: u64 = 12;
/// Publishers at the same time.
const PUBLISHERS: usize = 6;
/// How long after the wire is mended a request may still be refused.
const RECOVERED_WITHIN: Duration = Duration::from_secs(5);

/// Publishes number after number, each with a key of its own, and each until it is accepted.
async fn publish(client: Client, publisher: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut accepted = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{publisher}-{number}");
        let event = json!({"event_type": "custom.load", "event_data": {"name": name}});
        let client = client.with_header("idempotency-key", &name);
        loop {
            let answer = client.post("/api/v1/webhooks/events", &event).await.unwrap();
            if answer.status == StatusCode::ACCEPTED {
                break;
            }
            let problem = answer.problem();
            let may_be_repeated = ["unavailable", "idempotency_in_progress"].contains(&&*problem);
            assert!(may_be_repeated, "{}", answer.json());
            assert!(answer.headers.contains_key("retry-after"), "{}", answer.json());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        accepted.push(name);
    }
    accepted
}

/// How often each name is in the log, whose positions must have no gap.
async fn published(client: &Client) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    let mut after = 0;
    loop {
        let path = format!("/api/v1/webhooks/events/log?after={after}&limit=200");
        let page = client.get(&path).await.unwrap().json();
        let rows = page["data"].as_array().unwrap().clone();
        if rows.is_empty() {
            return names;
        }
        for row in rows {
            let position = row["position"].as_i64().unwrap();
            assert_eq!(position, after + 1, "a gap in the log");
            after = position;
            if row["type"] == "custom.load" {
                let id = row["id"].as_str().unwrap();
                let event = client.get(&format!("/api/v1/webhooks/events/log/{id}")).await.unwrap();
                let name = event.json()["event"]["data"]["name"].as_str().unwrap().to_owned();
                *names.entry(name).or_default() += 1;
            }
        }
    }
}

async fn cut_again_and_again(url: &str) {
    let wire = Wire::to(url).await;
    let node = node(&wire.url, "cut").await;
    let operator = node.client.with_key(OPERATOR);
    let tenant = operator.post("/api/v1/tenants", &json!({"name": "cut"})).await.unwrap();
    let client = node.client.with_key(tenant.text("/api_key"));
    client
        .post("/api/v1/webhooks/event-types", &json!({"event_type": "custom.load"}))
        .await
        .unwrap();
    let hook = Receiver::start().await;
    let body = json!({"url": hook.url(), "events": ["custom.load"]});
    let made = client.post("/api/v1/webhooks/subscriptions", &body).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());

    let stop = Arc::new(AtomicBool::new(false));
    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..PUBLISHERS {
        publishers.spawn(publish(client.clone(), publisher, Arc::clone(&stop)));
    }
    for round in 0..CUTS {
        // Another moment in every round, so that every step of a transaction is cut some time.
        tokio::time::sleep(Duration::from_millis(120 + round * 7919 % 97)).await;
        wire.part();
        tokio::time::sleep(Duration::from_millis(50)).await;
        wire.mend();
        let mended = Instant::now();
        while !client.get("/readyz").await.is_ok_and(|answer| answer.status.is_success()) {
            assert!(mended.elapsed() < RECOVERED_WITHIN, "not ready after cut {round}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let accepted: Vec<String> = publishers.join_all().await.into_iter().flatten().collect();
    assert!(accepted.len() > 5 * PUBLISHERS, "only {} were published", accepted.len());

    let began = Instant::now();
    let names = loop {
        let names = published(&client).await;
        if accepted.iter().all(|name| names.contains_key(name)) {
            break names;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "an accepted event is not in the log");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let twice: Vec<_> = names.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "published twice with one key: {twice:?}");
    let ids = || hook.arrivals().iter().map(tidings_testkit::Arrival::id).collect::<Vec<_>>();
    let began = Instant::now();
    loop {
        let mut distinct = ids();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() == names.len() {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "{} of {} events arrived",
            distinct.len(),
            names.len()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    #[expect(clippy::print_stderr, reason = "the figures of the run")]
    {
        let (published, repeated) = (names.len(), ids().len() - names.len());
        eprintln!(
            "{CUTS} cuts: {published} published once each, all delivered, {repeated} repeated"
        );
    }
    node.end().await;
}

#[test]
fn a_database_that_goes_away_again_and_again_costs_time_and_nothing_else() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(database) = postgres::fresh_database().await else { return };
        cut_again_and_again(&database.url).await;
    });
}
