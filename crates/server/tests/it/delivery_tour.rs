//! The part of the tour that goes through deliveries, the log and replays.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_kernel::Clock;
use tidings_testkit::{Answer, Receiver, Script, Tenant, TestApp};

use crate::tour::{done, pages};

/// More than the clocks of two writers are apart.
const HOUR: Duration = Duration::from_hours(1);

/// Deliveries that are under way, that arrived, that wait and that are repeated.
pub(crate) async fn deliveries(app: &TestApp, acme: &Tenant) {
    under_way(app, acme).await;
    in_order(app, acme).await;
    replays(app, acme).await;
}

async fn under_way(app: &TestApp, acme: &Tenant) {
    let silent = json!({"events": ["customer.*"], "timeout_seconds": 1});
    let silent = acme.receiver_with(silent).await;
    let hook = acme.receiver(&["customer.*"]).await;
    silent.then(Script::hang());
    acme.customer("alan@example.com").await;
    silent.wait_for(1).await;
    // As long as one endpoint is silent, the event's pointer stands.
    let pending = written(acme, &hook).await;
    let event = hook.arrivals()[0].id();
    done(acme.get(&format!("/api/v1/webhooks/events/log/{event}/explain"))).await;
    app.app.runner.run_sequencer().await.unwrap();
    estimated(acme, [&silent, &hook]).await;
    app.settle().await;
    app.advance(Duration::from_secs(10)).await;
    estimated(acme, [&silent, &hook]).await;
    let id = pending.text("/data/0/id");
    done(acme.get(&format!("/api/v1/webhooks/deliveries/{id}"))).await;
    pages(acme, "/api/v1/webhooks/deliveries").await;
    pages(acme, "/api/v1/webhooks/deliveries?status=delivered&event_type=customer.created").await;
    pages(acme, &format!("/api/v1/webhooks/deliveries/{id}/attempts")).await;
    let of_hook = format!("/api/v1/webhooks/subscriptions/{}/deliveries", hook.subscription_id);
    pages(acme, &of_hook).await;
    for hook in [&silent, &hook] {
        let path = format!("/api/v1/webhooks/subscriptions/{}/statistics", hook.subscription_id);
        done(acme.get(&path)).await;
    }
    pages(acme, "/api/v1/webhooks/subscriptions").await;
    done(acme.get(&format!("/api/v1/webhooks/events/log/{event}"))).await;
    done(acme.get("/api/v1/webhooks/events/log?after=0")).await;
    done(acme.get("/api/v1/webhooks/events/log?after=0&event_type=customer.created")).await;
    found_again(acme, &hook.subscription_id, &event).await;
}

/// The list of deliveries, once that to a receiver has its row.
async fn written(acme: &Tenant, hook: &Receiver) -> Answer {
    let found = async {
        loop {
            let pending = done(acme.get("/api/v1/webhooks/deliveries")).await;
            let listed = pending.json();
            let has_row = |row: &Value| {
                row["subscription_id"] == hook.subscription_id && row["status"] == "delivered"
            };
            if listed["data"].as_array().unwrap().iter().any(has_row) {
                return pending;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), found).await.unwrap()
}

/// What replays to these would send.
async fn estimated(acme: &Tenant, hooks: [&Receiver; 2]) {
    for hook in hooks {
        let body = json!({"subscription_id": hook.subscription_id, "after_position": 0,
            "deliveries": "missing", "dry_run": true});
        done(acme.post("/api/v1/webhooks/replays", body)).await;
        let object = acme.get("/api/v1/customers").await.text("/data/0/id");
        let body = json!({"subscription_id": hook.subscription_id, "from": "2026-01-01T00:00:00Z",
            "to": "2100-01-01T00:00:00Z", "subject_id": object, "dry_run": true});
        done(acme.post("/api/v1/webhooks/replays", body)).await;
    }
}

/// Lists by each filter, search, explanations, charts, a stream.
async fn found_again(acme: &Tenant, hook: &str, event: &str) {
    let log = "/api/v1/webhooks/events/log";
    let subject = done(acme.get(&format!("{log}/{event}"))).await.text("/event/subject/id");
    let span = "occurred_after=2026-11-23T00:00:00Z&occurred_before=2026-12-30T00:00:00Z";
    for filter in [
        format!("subject_id={subject}"),
        "subject_type=customer".to_owned(),
        format!("subject_type=customer&subscription_id={hook}"),
        "status=waiting,exhausted&subject_type=customer".to_owned(),
        "error=timeout.head".to_owned(),
        "http_status=200".to_owned(),
        format!("event_id={event}"),
        span.to_owned(),
    ] {
        pages(acme, &format!("/api/v1/webhooks/deliveries?{filter}")).await;
    }
    pages(acme, &format!("{log}?subject_id={subject}")).await;
    pages(acme, &format!("{log}?subject_type=customer&{span}")).await;
    for q in ["alan@example.com", event, subject.as_str(), "early"] {
        done(acme.get(&format!("/api/v1/webhooks/events/search?q={q}"))).await;
    }
    pages(acme, &format!("{log}/{event}/explain")).await;
    done(acme.get(&format!("{log}/{event}/explain?subscription_id={hook}"))).await;
    let preview = format!("/api/v1/webhooks/subscriptions/{hook}/preview");
    done(acme.post(&preview, json!({"events": ["*"]}))).await;
    for query in ["", "?group_by=subscription", "?bucket=day&group_by=event_type"] {
        done(acme.get(&format!("/api/v1/webhooks/statistics{query}"))).await;
    }
    for stream in ["events/stream?after=0", "deliveries/stream?after=0"] {
        let path = format!("/api/v1/webhooks/{stream}&subject_type=customer");
        let mut stream = acme.client.events(&path).await.unwrap();
        assert!(stream.next().await.unwrap().is_some());
    }
    // Where it begins from now on is looked for before it answers.
    drop(acme.client.events("/api/v1/webhooks/deliveries/stream").await.unwrap());
}

/// An endpoint that wants order, and an event that has to wait for the one before.
async fn in_order(app: &TestApp, acme: &Tenant) {
    let ordered = json!({"events": ["customer.*"], "ordering": "per_object"});
    let ordered = acme.receiver_with(ordered).await;
    ordered.then(Script::status(500));
    let id = acme.customer("barbara@example.com").await;
    done(acme.patch(&format!("/api/v1/customers/{id}"), json!({"first_name": "B"}))).await;
    app.settle().await;
    // One waits for its next attempt.
    let path = "/api/v1/webhooks/deliveries?status=waiting,exhausted&subject_type=customer";
    pages(acme, path).await;
    let path = format!("/api/v1/webhooks/events/log?subject_id={id}");
    let events = done(acme.get(&path)).await.json();
    for event in events["data"].as_array().unwrap() {
        let event = event["id"].as_str().unwrap();
        let hook = &ordered.subscription_id;
        let path = format!("/api/v1/webhooks/events/log/{event}/explain?subscription_id={hook}");
        done(acme.get(&path)).await;
    }
}

/// One replay that is cancelled half-way, and one that is completed.
async fn replays(app: &TestApp, acme: &Tenant) {
    let path = "/api/v1/webhooks/replays";
    let filter = json!({"field": "/data/customer_id", "exists": true});
    let body = json!({"events": ["customer.*"], "payload_filter": filter});
    let (slow, fast) = (acme.receiver_with(body.clone()).await, acme.receiver_with(body).await);
    let mut ids = Vec::new();
    for (hook, rate) in [(&slow, 1), (&fast, 1_000)] {
        let body = json!({"subscription_id": hook.subscription_id, "after_position": 0,
            "rate_per_second": rate, "deliveries": "missing"});
        ids.push(done(acme.post(path, body)).await.text("/id"));
    }
    app.settle().await;
    for id in &ids {
        done(acme.get(&format!("{path}/{id}"))).await;
    }
    pages(acme, path).await;
    pages(acme, &format!("{path}?subscription_id={}", slow.subscription_id)).await;
    done(acme.post(&format!("{path}/{}/cancel", ids[0]), json!({}))).await;
    for _ in 0..3 {
        app.advance(Duration::from_secs(2)).await;
    }
    let completed = done(acme.get(&format!("{path}/{}", ids[1]))).await;
    assert_eq!(completed.text("/status"), "completed");
}

/// The log before and behind an event that has no position yet.
pub(crate) async fn unplaced(app: &TestApp, acme: &Tenant) {
    let before = app.clock.now();
    app.clock.advance(HOUR);
    acme.customer("unplaced@example.com").await;
    let behind = before.after(2 * HOUR);
    for span in [format!("occurred_before={before}"), format!("occurred_after={behind}")] {
        pages(acme, &format!("/api/v1/webhooks/events/log?{span}")).await;
    }
    app.settle().await;
}
