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

/// How long after its connections fell silent a node may be deaf: the longest wait for an answer, and
/// a request that was refused after it. Its watchdog ends it after a minute.
const AUDIBLE_WITHIN: Duration = Duration::from_secs(40);

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

/// Makes customers until one is accepted, and gives its id.
async fn accepted(client: &Client) -> String {
    for number in 0.. {
        let email = format!("{number}@{}.example.com", std::process::id());
        let ada = json!({"email": email, "first_name": "Ada", "last_name": "Lovelace"});
        let answer = client.post("/api/v1/customers", &ada).await.unwrap();
        if answer.status == StatusCode::CREATED {
            return answer.text("/id").clone();
        }
        let problem = answer.problem();
        let may_be_repeated = ["unavailable", "duplicate_email"].contains(&&*problem);
        assert!(may_be_repeated, "{}", answer.json());
    }
    unreachable!("numbers do not end")
}

/// Whether an object's event was delivered and has its place in the log, and the node is ready: each
/// is the work of other loops, with connections of their own.
async fn has_come(client: &Client, hook: &Receiver, id: &str) -> bool {
    let arrived = hook.arrivals().iter().any(|arrival| arrival.json()["subject"]["id"] == id);
    let page = client.get(&format!("/api/v1/webhooks/events/log?subject_id={id}")).await.unwrap();
    let placed = page.json()["data"].as_array().is_some_and(|rows| !rows.is_empty());
    let ready = client.get("/readyz").await.unwrap().status.is_success();
    arrived && placed && ready
}

/// The connections of before are silent and stay open, as after a failover without a word; new ones
/// are well. Far sooner than the watchdog ends the process, everything goes on by itself.
async fn fall_silent(url: &str) {
    let wire = Wire::to(url).await;
    let node = node(&wire.url, "silent").await;
    let operator = node.client.with_key(OPERATOR);
    let tenant = operator.post("/api/v1/tenants", &json!({"name": "silent"})).await.unwrap();
    let client = node.client.with_key(tenant.text("/api_key"));
    let hook = Receiver::start().await;
    let body = json!({"url": hook.url(), "events": ["customer.created"]});
    let made = client.post("/api/v1/webhooks/subscriptions", &body).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());

    for round in 0..2 {
        wire.swallow();
        let began = Instant::now();
        let well = async {
            let id = accepted(&client).await;
            while !has_come(&client, &hook, &id).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let well = tokio::time::timeout(AUDIBLE_WITHIN, well).await;
        assert!(well.is_ok(), "round {round}: it stayed deaf");
        #[expect(clippy::print_stderr, reason = "the figures of the run")]
        {
            eprintln!("well {:?} after its connections fell silent", began.elapsed());
        }
    }
    node.end().await;
}

#[test]
fn a_database_that_falls_silent_costs_seconds_and_nothing_else() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(database) = postgres::fresh_database().await else { return };
        fall_silent(&database.url).await;
    });
}

#[test]
fn a_database_that_goes_away_again_and_again_costs_time_and_nothing_else() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(database) = postgres::fresh_database().await else { return };
        cut_again_and_again(&database.url).await;
    });
}
