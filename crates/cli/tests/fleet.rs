//! Three nodes on one PostgreSQL, under load: one is stopped for longer than its lease and goes on,
//! one is killed. What they held goes to the others; nothing is lost, and nothing is sent by two.
#![expect(clippy::unwrap_used, reason = "a run that cannot go on fails, with the reason")]

mod endpoint;
mod server;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;
use tidings_testkit::{Client, ScratchDir, postgres};

use endpoint::{Seen, all_customers, customers, endpoint};
use server::{OPERATOR, Server, free_port, start};

/// Longer than a node may be silent before the others fence it.
const STOPPED_FOR: Duration = Duration::from_millis(4_500);
/// Attempts that the stopped and the killed node may have had under way, at two endpoints each: these
/// may arrive twice.
const REPEATED_MAX: usize = 2 * 2 * 64;

/// Customers that were accepted, each with the instant at which it was asked for.
type Accepted = Vec<(String, Instant)>;

/// Makes customers at one node until told to stop.
async fn load(client: Client, stop: Arc<AtomicBool>, count: Arc<AtomicU32>) -> Accepted {
    let mut accepted = Accepted::new();
    while !stop.load(Ordering::Relaxed) {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let body = json!({"email": format!("c{number}@example.com"), "first_name": "C",
            "last_name": number.to_string()});
        let asked_at = Instant::now();
        let request = client.post("/api/v1/customers", &body);
        // A node that stands still answers nobody; its callers go away.
        let answer = tokio::time::timeout(Duration::from_secs(1), request).await;
        if let Ok(Ok(answer)) = answer
            && answer.status == StatusCode::CREATED
        {
            accepted.push((answer.text("/id"), asked_at));
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    accepted
}

fn signal(server: &Server, name: &str) {
    let sent = format!("kill -{name} {}", server.child.id());
    assert!(Command::new("sh").args(["-c", &sent]).status().unwrap().success(), "{sent}");
}

async fn subscribe(client: &Client, url: &str) {
    let body = json!({"url": url, "events": ["customer.created"]});
    let made = client.post("/api/v1/webhooks/subscriptions", &body).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
}

/// Waits until something is so.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_mins(1), "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn repeated(seen: &Seen) -> usize {
    seen.lock().unwrap().values().map(|bodies| bodies.len() - 1).sum()
}

#[expect(clippy::too_many_lines, reason = "it is one story, told in its order")]
async fn a_fleet(database: &str) {
    let scratch = ScratchDir::new();
    let data = |name: &str| scratch.path().join(name);
    let a = start(&data("a"), free_port(), Some(database)).await;
    // Every node has the same root key.
    for name in ["b", "c"] {
        std::fs::create_dir_all(data(name)).unwrap();
        std::fs::copy(data("a").join("root.key"), data(name).join("root.key")).unwrap();
    }
    let mut b = start(&data("b"), free_port(), Some(database)).await;
    let c = start(&data("c"), free_port(), Some(database)).await;
    let operator = a.client.with_key(OPERATOR);
    let tenant = operator.post("/api/v1/tenants", &json!({"name": "fleet"})).await.unwrap();
    let key = tenant.text("/api_key");
    let [on_a, on_b, on_c] = [&a, &b, &c].map(|node| node.client.with_key(&key));
    let (steady_url, steady) = endpoint(false).await;
    let (flaky_url, flaky) = endpoint(true).await;
    subscribe(&on_a, &steady_url).await;
    subscribe(&on_a, &flaky_url).await;
    let segment = json!({"name": "all", "priority": 1, "criteria": {"tier": "free"},
        "is_dynamic": true});
    let segment = on_a.post("/api/v1/customers/segments", &segment).await.unwrap();
    assert_eq!(segment.status, StatusCode::CREATED, "{}", segment.json());

    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    for client in [&on_a, &on_b, &on_c, &on_a, &on_b, &on_c] {
        clients.spawn(load(client.clone(), Arc::clone(&stop), Arc::clone(&count)));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    signal(&c, "STOP");
    tokio::time::sleep(STOPPED_FOR).await;
    // While one stands still, another changes who gets what, and a third is killed with a job that it
    // has just accepted.
    let (late_url, late) = endpoint(true).await;
    subscribe(&on_a, &late_url).await;
    let subscribed_at = Instant::now();
    let recalculate = format!("/api/v1/customers/segments/{}/recalculate", segment.text("/id"));
    let job = on_b.with_header("idempotency-key", "once").post(&recalculate, &json!({})).await;
    assert!(job.unwrap().status.is_success());
    b.child.kill().unwrap();
    b.child.wait().unwrap();
    signal(&c, "CONT");
    tokio::time::sleep(Duration::from_secs(3)).await;
    stop.store(true, Ordering::Relaxed);
    let asked: Accepted = clients.join_all().await.into_iter().flatten().collect();
    let accepted: BTreeSet<String> = asked.iter().map(|(id, _)| id.clone()).collect();

    let existing = all_customers(&on_a).await;
    assert!(accepted.is_subset(&existing), "an accepted customer is gone");
    assert!(accepted.len() > 50, "only {} were accepted", accepted.len());
    for (name, seen) in [("steady", &steady), ("flaky", &flaky)] {
        until(&format!("deliveries to the {name} endpoint are missing"), async || {
            customers(seen) == existing
        })
        .await;
    }
    // Whoever subscribed at one node while another stood still gets what the other makes afterwards.
    let after: BTreeSet<String> =
        asked.into_iter().filter(|(_, at)| *at > subscribed_at).map(|(id, _)| id).collect();
    assert!(after.len() > 20, "only {} came after the subscription", after.len());
    until("deliveries to the late endpoint are missing", async || {
        after.is_subset(&customers(&late))
    })
    .await;
    until("the job of the killed node is not done", async || {
        let path = format!("/api/v1/customers/segments/{}", segment.text("/id"));
        let shown = on_c.get(&path).await.unwrap().json();
        shown["member_count"].as_u64().is_some_and(|members| members > 0)
    })
    .await;
    let discarded = on_c.get("/api/v1/webhooks/deliveries?status=discarded").await.unwrap().json();
    assert_eq!(discarded["data"], json!([]), "nobody stopped sending");
    let repeated = repeated(&steady);
    assert!(repeated <= REPEATED_MAX, "{repeated} were sent twice");
    #[expect(clippy::print_stderr, reason = "the figures of the run")]
    {
        let (accepted, existing) = (accepted.len(), existing.len());
        eprintln!(
            "one stopped, one killed: {accepted} accepted, {existing} exist, all delivered, {repeated} repeated"
        );
    }
}

#[test]
fn a_node_that_stands_still_and_one_that_is_killed_lose_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(database) = postgres::fresh_database().await else { return };
        a_fleet(&database.url).await;
    });
}
