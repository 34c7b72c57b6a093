//! The real binary, killed under load with retries pending: no accepted change without its event
//! delivered, no event without its change.
//!
//! `TIDINGS_CRASH_ROUNDS` says how often; 20 unless told.
#![expect(clippy::unwrap_used, reason = "a crash run that cannot go on fails, with the reason")]

mod endpoint;
mod server;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;
use tidings_testkit::{Client, ScratchDir, postgres};

use endpoint::{Seen, all_customers, customers, endpoint, fails_first};
use server::{OPERATOR, free_port, start};

/// Clients that make customers at the same time.
const CLIENTS: u32 = 8;

/// Makes customers until told to stop; gives the ids that were accepted.
async fn load(client: Client, stop: Arc<AtomicBool>, count: Arc<AtomicU32>) -> Vec<String> {
    let mut accepted = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let body = json!({"email": format!("c{number}@example.com"), "first_name": "C",
            "last_name": number.to_string()});
        match client.post("/api/v1/customers", &body).await {
            Ok(answer) if answer.status == StatusCode::CREATED => accepted.push(answer.text("/id")),
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
        // A fixed load, not a flood: about 50 a second from each client.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    accepted
}

fn rounds() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "the length of the run is the caller's")]
    let told = std::env::var("TIDINGS_CRASH_ROUNDS").ok();
    told.and_then(|rounds| rounds.parse().ok()).unwrap_or(20)
}

async fn run(database: Option<&str>) {
    let scratch = ScratchDir::new();
    let data = scratch.path().join("data");
    let address = free_port();
    let (steady_url, steady) = endpoint(false).await;
    let (flaky_url, flaky) = endpoint(true).await;

    let mut server = start(&data, address, database).await;
    let operator = server.client.with_key(OPERATOR);
    let tenant = operator.post("/api/v1/tenants", &json!({"name": "crash"})).await.unwrap();
    let client = server.client.with_key(tenant.text("/api_key"));
    for url in [&steady_url, &flaky_url] {
        let body = json!({"url": url, "events": ["customer.created"]});
        let made = client.post("/api/v1/webhooks/subscriptions", &body).await.unwrap();
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
    }

    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(load(client.clone(), Arc::clone(&stop), Arc::clone(&count)));
    }
    for round in 0..rounds() {
        // Between 60 and 460 ms, another moment in every round.
        let wait = 60 + u64::from(round * 7919 % 401);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        server = start(&data, address, database).await;
    }
    stop.store(true, Ordering::Relaxed);
    let accepted: BTreeSet<String> = clients.join_all().await.into_iter().flatten().collect();

    // Everything that exists was accepted or its answer was lost; each has its event, everywhere.
    let existing = all_customers(&client).await;
    assert!(accepted.is_subset(&existing), "an accepted customer is gone");
    let began = Instant::now();
    while customers(&steady) != existing || customers(&flaky) != existing {
        let missing = |seen: &Seen| existing.difference(&customers(seen)).count();
        let (steadily, flakily) = (missing(&steady), missing(&flaky));
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "{steadily} deliveries to the steady endpoint and {flakily} to the flaky one are missing"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The flaky endpoint took at the second attempt what it failed: no pending retry was lost.
    let failed: Vec<String> =
        flaky.lock().unwrap().keys().filter(|id| fails_first(id)).cloned().collect();
    assert!(failed.len() > rounds() as usize, "{} first attempts failed", failed.len());
    let began = Instant::now();
    while failed.iter().any(|id| flaky.lock().unwrap()[id].len() < 2) {
        assert!(began.elapsed() < Duration::from_mins(1), "a pending retry was lost");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The count that a reaction keeps is exact, whatever was killed in between.
    let fired = || async {
        let shown = client.get("/api/v1/webhooks/events/customer.created").await.unwrap().json();
        shown["fired"].as_u64().unwrap_or(0)
    };
    let began = Instant::now();
    while fired().await != existing.len() as u64 {
        assert!(began.elapsed() < Duration::from_secs(30), "{} counted", fired().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let duplicates: usize = steady.lock().unwrap().values().map(|bodies| bodies.len() - 1).sum();
    assert!(accepted.len() > rounds() as usize, "there was a load");
    let (accepted, existing, kills) = (accepted.len(), existing.len(), rounds());
    #[expect(clippy::print_stderr, reason = "the figures of the run")]
    {
        eprintln!(
            "{kills} kills: {accepted} accepted, {existing} exist, all delivered, {duplicates} repeated"
        );
    }
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

#[test]
fn killed_again_and_again_on_sqlite_nothing_is_lost() {
    runtime().block_on(run(None));
}

#[test]
fn killed_again_and_again_on_postgres_nothing_is_lost() {
    runtime().block_on(async {
        let Some(database) = postgres::fresh_database().await else { return };
        run(Some(&database.url)).await;
    });
}
