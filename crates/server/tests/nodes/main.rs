//! Two nodes on one PostgreSQL, under load: each attempt is received once. A binary of its own, so
//! that no other test takes its two cores away.
#![expect(clippy::unwrap_used, reason = "a run that cannot go on fails, with the reason")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_db::{Db, LeaseClock, Location, Options, WriterMode};
use tidings_egress::{Egress, Policy};
use tidings_identity::OperatorKey;
use tidings_kernel::{IdSeed, SystemClock};
use tidings_server::{App, Parts, Shutdown, serve};
use tidings_testkit::{Client, Receiver, postgres};
use tidings_vault::{Vault, system_random};
use tokio::net::TcpListener;

const OPERATOR: &str = "operator-key-of-the-tests-0123456789";
/// Endpoints of the tenant.
const ENDPOINTS: usize = 10;
/// Events published, half at each node.
const EVENTS: usize = 5_000;

struct Node {
    app: App,
    client: Client,
    stop: Shutdown,
}

async fn node(url: &str, name: &str) -> Node {
    let db = Db::open(Options {
        location: Location::Postgres { url: url.to_owned(), connections: 8 },
        clock: Arc::new(SystemClock),
        seed: IdSeed::new(system_random()),
        lease_clock: LeaseClock::Database,
        writer: WriterMode::Thread,
        on_fatal: Arc::new(|error| panic!("{error}")),
    })
    .await
    .unwrap();
    let policy = Policy { allow_loopback: true, ..Policy::default() };
    let app = App::build(Parts {
        db,
        vault: Arc::new(Vault::seeded(7)),
        egress: Egress::new(policy, tidings_egress::Options::default()).unwrap(),
        operator_key: Some(OperatorKey::parse(OPERATOR).unwrap()),
        background: true,
        name: name.to_owned(),
        webhook_origin: Some("tidings.example".to_owned()),
        otlp: None,
    })
    .await
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(format!("http://{}", listener.local_addr().unwrap()));
    let stop = Shutdown::new();
    let (router, tasks, end) = (app.router.clone(), app.tasks.clone(), stop.clone());
    app.tasks.spawn(async move { serve(listener, router, &tasks, end).await });
    Node { app, client, stop }
}

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
            node.stop.cancel();
            node.app.close().await;
        }
    });
}
